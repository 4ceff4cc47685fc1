#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: tests/guest/boot.sh PROFILE DIRECTORY COMMAND
# Boots Debian's kernel in QEMU without KVM, on a machine with several kinds of memory; copies DIRECTORY to /guest in it, runs
# COMMAND there as root, prints what it wrote and exits with its status: 77 when something is missing here, 124 after
# MMB_GUEST_SECONDS (300), 125 when the guest died first. Programs in DIRECTORY get their shared libraries copied along.
# Profiles, with sizes and bandwidths as the guest's firmware tells them:
#   hbm      node 0 DRAM 512M 100 GB/s and 2 CPUs, node 1 HBM 256M 400 GB/s, node 2 a slow expander 512M 25 GB/s
#   xeonmax  two sockets: nodes 0, 1 DRAM 384M and a CPU each, nodes 2, 3 HBM 128M
#   nvdimm   hbm, and node 3: an NVDIMM that the kernel uses as memory, 10 GB/s
#   cxl      node 0 DRAM 768M and 2 CPUs, node 1: 128M of a CXL type 3 device; no bandwidths are told
#   memless  node 0 DRAM and a CPU, node 1 a CPU and no memory, node 2 memory and no CPU
# The kernel is downloaded and unpacked, never installed, once into MMB_GUEST_CACHE.
set -eu

missing() {
    echo "$1"
    exit 77
}

test $# -eq 3 || { sed -n '3,14s/^# //p' "$0"; exit 2; }
profile=$1 directory=$2 command=$3
cache=${MMB_GUEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/mmb-guest}
for tool in qemu-system-x86_64 busybox gzip ldd; do
    command -v $tool >/dev/null || missing "$tool is not installed"
done
work=$(mktemp -d "${TMPDIR:-/tmp}/mmb-guest.XXXXXX")
trap 'rm -rf "$work"' EXIT

# ---- the machine ----

# node NUMBER SIZE [OPTIONS]: one with memory.
node() { machine="$machine -object memory-backend-ram,id=ram$1,size=$2 -numa node,nodeid=$1,memdev=ram$1${3:+,$3}"; }
# speed TARGET NS GB/s [INITIATOR]: what the firmware's table says of a node.
speed() {
    from="-numa hmat-lb,initiator=${4:-0},target=$1,hierarchy=memory"
    machine="$machine $from,data-type=access-latency,latency=$2 $from,data-type=access-bandwidth,bandwidth=$3G"
}
distance() { machine="$machine -numa dist,src=$1,dst=$2,val=$3"; }
three_kinds() {
    node 0 512M cpus=0-1,initiator=0
    node 1 256M initiator=0
    node 2 512M initiator=0
    distance 0 1 15
    distance 0 2 30
    distance 1 2 35
    speed 0 100 100
    speed 1 80 400
    speed 2 300 25
}

processors='-smp 2,sockets=1,cores=2'
case $profile in
hbm)
    machine="-machine q35,hmat=on -m 1280M $processors"
    three_kinds
    ;;
xeonmax)
    machine='-machine q35,hmat=on -m 1024M -smp 2,sockets=2,cores=1'
    for socket in 0 1; do node $socket 384M cpus=$socket,initiator=$socket; done
    for socket in 0 1; do node $((socket + 2)) 128M initiator=$socket; done
    for socket in 0 1; do
        other=$((1 - socket))
        speed $socket 100 150 $socket
        speed $other 180 60 $socket
        speed $((socket + 2)) 120 600 $socket
        speed $((other + 2)) 200 60 $socket
    done
    distance 0 1 21
    distance 0 2 13
    distance 0 3 23
    distance 1 2 23
    distance 1 3 13
    distance 2 3 23
    ;;
nvdimm)
    machine="-machine q35,hmat=on,nvdimm=on -m 1280M,slots=2,maxmem=4G $processors"
    three_kinds
    machine="$machine -numa node,nodeid=3,initiator=0"
    speed 3 500 10
    distance 0 3 40
    distance 1 3 45
    distance 2 3 50
    machine="$machine -object memory-backend-ram,id=dimm,size=640M -device nvdimm,id=dimm0,memdev=dimm,node=3"
    ;;
cxl)
    # With one port alone the kernel programs no decoder in the host bridge, and this QEMU then reads zeros.
    machine="-machine q35,cxl=on,cxl-fmw.0.targets.0=cxl.1,cxl-fmw.0.size=4G -m 768M,slots=2,maxmem=8G $processors"
    node 0 768M cpus=0-1
    machine="$machine -object memory-backend-ram,id=data,size=256M,share=on -object memory-backend-ram,id=label,size=1M,share=on
        -device pxb-cxl,bus_nr=12,bus=pcie.0,id=cxl.1 -device cxl-rp,port=0,bus=cxl.1,id=port0,chassis=0,slot=2
        -device cxl-rp,port=1,bus=cxl.1,id=port1,chassis=0,slot=3
        -device cxl-type3,bus=port0,memdev=data,lsa=label,id=card0"
    ;;
memless)
    machine="-machine q35 -m 768M $processors"
    node 0 512M cpus=0
    machine="$machine -numa node,nodeid=1,cpus=1"
    node 2 256M
    ;;
*)
    echo "no profile $profile"
    exit 2
    ;;
esac

# ---- the kernel ----

if ! test -e "$cache/complete"; then
    for tool in apt-get dpkg-deb; do
        command -v $tool >/dev/null || missing "no $tool to get a kernel with"
    done
    package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
    test -n "$package" || missing 'Debian has no linux-image-cloud-amd64 for this machine'
    (cd "$work" && apt-get download "$package") >"$work/log" 2>&1 || missing "$package cannot be downloaded"
    mkdir -p "$cache"
    rm -rf "$cache/kernel"
    dpkg-deb -x "$work"/linux-image-*.deb "$cache/kernel"
    rm "$work"/linux-image-*.deb
    : >"$cache/complete"
fi
kernel=$(echo "$cache"/kernel/boot/vmlinuz-*)
modules=$cache/kernel/lib/modules/${kernel##*/vmlinuz-}/kernel/drivers

# ---- its file system ----

root=$work/root
mkdir -p "$root/bin" "$root/sbin" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/guest" "$root/modules"
cp "$(command -v busybox)" "$root/bin/busybox"
cp -R "$directory/." "$root/guest"
echo "$command" >"$root/command"
tools=
case $profile in
nvdimm) tools='ndctl daxctl' ;;
cxl) tools='ndctl daxctl cxl' ;;
esac
for tool in $tools; do
    command -v "$tool" >/dev/null || missing "$tool is not installed"
    cp "$(command -v "$tool")" "$root/bin"
done
if test -n "$tools"; then
    find "$modules/nvdimm" "$modules/dax" "$modules/acpi/nfit" "$modules/cxl" -name '*.ko' -exec cp {} "$root/modules" \;
fi
find "$root/guest" "$root/bin" -type f ! -name busybox -exec ldd {} \; 2>/dev/null |
    awk '$3 ~ /^\// { print $3 } $1 ~ /^\/.*ld-/ { print $1 }' | sort -u | while read -r library; do
    case $library in "$root"/*) continue ;; esac
    mkdir -p "$root${library%/*}"
    cp -L "$library" "$root$library"
done

cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/guest:/bin:/sbin HOME=/tmp LD_LIBRARY_PATH=/guest
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mkdir -p /dev/shm /sys/fs/cgroup
mount -t tmpfs -o size=64m none /dev/shm
mount -t cgroup2 none /sys/fs/cgroup
if test -n "$(ls /modules)"; then
    for module in libnvdimm nd_btt nd_pmem device_dax dax_pmem kmem nfit cxl_pci cxl_mem cxl_acpi cxl_pmem; do
        insmod /modules/$module.ko
    done
    echo offline >/sys/devices/system/memory/auto_online_blocks
    if test -x /bin/cxl; then
        sleep 1
        cxl create-region -m -d decoder0.0 -w 1 mem0
        ndctl create-namespace -m devdax -M mem
    else
        ndctl create-namespace -f -e namespace0.0 -m devdax -M mem
    fi
    daxctl reconfigure-device --mode=system-ram dax0.0
fi >/dev/console 2>&1
stty -F /dev/ttyS1 raw -echo
cd /guest
setsid sh /command >/dev/ttyS1 2>&1 </dev/null
echo "status=$?" >/dev/ttyS2
echo o >/proc/sysrq-trigger
sleep 10
INIT
chmod +x "$root/init"
(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$work/initrd"

# ---- run: the first line is the kernel's, the second the command's, the third its status ----

: >"$work/console"
: >"$work/output"
: >"$work/status"
ended=0
# shellcheck disable=SC2086 # words are wanted
timeout -k 5 "${MMB_GUEST_SECONDS:-300}" qemu-system-x86_64 -accel tcg,thread=multi -cpu max $machine -display none \
    -nodefaults -no-user-config -no-reboot -kernel "$kernel" -initrd "$work/initrd" \
    -append 'console=ttyS0 panic=-1 quiet nokaslr rdinit=/init' -serial "file:$work/console" -serial "file:$work/output" \
    -serial "file:$work/status" >"$work/qemu" 2>&1 </dev/null || ended=$?
cat "$work/output"
status=$(tr -d '\r' <"$work/status" | sed -n 's/^status=//p')
test -z "$status" || exit "$status"
tail -n 25 "$work/qemu" "$work/console" >&2
case $ended in
124 | 137) exit 124 ;;
*) exit 125 ;;
esac
