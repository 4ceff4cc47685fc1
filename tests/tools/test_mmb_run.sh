#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The promise: a program under mmb-run does what it does alone, its large blocks lie in the layer that was asked for, and
# what mmb-run cannot do it says before the program starts.
# shellcheck source=../support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

case $MMB_LDFLAGS in
*-fsanitize*) tap_skip_all 'a sanitizer has a malloc of its own' ;;
esac

run=$MMB_BUILDDIR/tools/mmb-run
MMB_RUN_LIBRARY=$MMB_BUILDDIR/.libs/libmmb-preload.so
export MMB_RUN_LIBRARY
test -f "$MMB_RUN_LIBRARY" || tap_skip_all 'only with shared libraries'

# placed ARGUMENTS...: runs them with --stats; the process that ends last placed blocks, and none was refused to be freed.
placed() {
    "$run" --layer DRAM --stats "$@" >"$tap_dir/out" 2>"$tap_dir/err" </dev/null
    status=$?
    cat "$tap_dir/out" "$tap_dir/err"
    test $status -eq 0 && ! grep -q 'mmb-run: free' "$tap_dir/err" &&
        grep -q '^mmb-run: DRAM: [1-9][0-9]* allocations, ' "$tap_dir/err"
}

# Its own mmb_init loads plugins of hwloc, which allocate large blocks while they are loaded.
library_user_runs() {
    timeout 60 "$run" --layer DRAM "$MMB_BUILDDIR/tools/mmb-info" --json >"$tap_dir/out" && grep -q '"layers"' "$tap_dir/out"
}

user_alone() {
    "$MMB_BUILDDIR/tests/tools/preload_user"
}

user_placed() {
    placed "$@" "$MMB_BUILDDIR/tests/tools/preload_user"
}

cat >"$tap_dir/program.py" <<'PROGRAM'
import subprocess, sys, threading
def work(seed, out):
    data = [bytes([seed]) * 100000 for _ in range(50)]
    big = bytearray(10 << 20)
    big[-1] = seed
    out[seed] = sum(d[-1] for d in data) + big[-1]
out = {}
threads = [threading.Thread(target=work, args=(i, out)) for i in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
assert out == {i: 51 * i for i in range(8)}, out
said = subprocess.run([sys.executable, "-c", "print(len('x' * 5000000))"], capture_output=True, text=True, check=True)
assert said.stdout == "5000000\n"
print("done")
PROGRAM

python_runs() {
    placed python3 "$tap_dir/program.py" && grep -qx 'done' "$tap_dir/out"
}

sort_sorts() {
    awk 'BEGIN { srand(7); for (i = 0; i < 100000; i++) print int(rand() * 1000000), i }' >"$tap_dir/lines"
    sort "$tap_dir/lines" >"$tap_dir/alone" && placed sort --parallel=2 "$tap_dir/lines" && cmp "$tap_dir/alone" "$tap_dir/out"
}

gcc_compiles() {
    printf '#include <stdio.h>\n#include <stdlib.h>\nint main(void) { puts("compiled"); return 0; }\n' >"$tap_dir/unit.c"
    placed gcc -O2 "$tap_dir/unit.c" -o "$tap_dir/unit" && test "$("$tap_dir/unit")" = compiled
}

counts() {
    sed -n 's/^mmb-run: DRAM: \([0-9]*\) allocations.*/\1/p' "$tap_dir/err" | tail -n 1
}

min_size_counts() {
    placed --min-size 1K python3 -c 'x = bytes(200000)' && many=$(counts) &&
        placed --min-size 64k python3 -c 'x = bytes(200000)' && test "$many" -gt "$(counts)" &&
        "$run" --layer DRAM --stats --min-size 1T true 2>"$tap_dir/err"
    test $? -eq 125 && grep -q 'not a size' "$tap_dir/err"
}

nothing_large_starts_nothing() {
    "$run" --layer DRAM --stats --min-size 1G true 2>"$tap_dir/err" && test ! -s "$tap_dir/err"
}

fallback_serves() {
    "$run" --layer HBM --fallback DRAM --stats python3 -c 'x = bytes(1 << 20)' 2>"$tap_dir/err" &&
        grep -q '^mmb-run: HBM: ' "$tap_dir/err" && grep -q '^mmb-run: DRAM: ' "$tap_dir/err"
}

# The first of these layers that this machine has not; none: the test passes.
absent_layer_is_told() {
    "$MMB_BUILDDIR/tools/mmb-info" --json >"$tap_dir/machine"
    for layer in HBM CXL NVDIMM; do
        grep -q "\"name\":\"$layer\"" "$tap_dir/machine" && continue
        "$run" --layer $layer true 2>"$tap_dir/err" && grep -q "^mmb-run: no $layer was found" "$tap_dir/err"
        return
    done
}

exhausted_is_told() {
    "$run" --layer DRAM --fallback none python3 -c 'x = bytes(1 << 50)' 2>"$tap_dir/err"
    test $? -eq 1 && grep -q MemoryError "$tap_dir/err"
}

# misused STATUS PATTERN ARGUMENTS...
misused() {
    wanted=$1 pattern=$2
    shift 2
    "$run" "$@" >"$tap_dir/out" 2>"$tap_dir/err"
    status=$?
    cat "$tap_dir/err"
    test $status -eq "$wanted" && test ! -s "$tap_dir/out" && grep -q -e "$pattern" "$tap_dir/err"
}

without_its_library() {
    MMB_RUN_LIBRARY=/nonexistent/libmmb-preload.so
    misused 125 '/nonexistent/libmmb-preload.so: No such file' --layer DRAM true
    status=$?
    MMB_RUN_LIBRARY=$MMB_BUILDDIR/.libs/libmmb-preload.so
    return $status
}

help_goes_to_stdout() {
    "$run" --help | grep -q '^usage: mmb-run' && "$run" --version | grep -q "^mmb-run ${MMB_VERSION:-0}"
}

# A thousand short processes must not start GPU drivers.
loads_no_driver() {
    placed python3 -c 'x = bytes(1 << 20); print(open("/proc/self/maps").read())' && grep -q libmmb "$tap_dir/out" &&
        ! grep -E 'libcuda|libnvidia|libamdhip|libLLVM|libpocl' "$tap_dir/out"
}

passes_status_and_arguments() {
    "$run" --layer DRAM sh -c 'test "$1" = --layer && exit 42' sh --layer
    test $? -eq 42
}

with() {
    needed=$1
    shift
    if command -v "$needed" >/dev/null; then
        tap_run "$@"
    else
        tap_skip "$1" "no $needed here"
    fi
}

tap_run 'a user of the whole family, alone' user_alone
tap_run 'the same, placed' user_placed
tap_run 'the same with the scalable page' user_placed --strategy SCALABLE_PAGE
tap_run 'the same straight from the backend' user_placed --strategy PASSTHROUGH
tap_run 'the same with almost every block placed' user_placed --min-size 256
tap_run 'a program that initialises the library itself' library_user_runs
with python3 'python3 with threads and a subprocess' python_runs
tap_run 'sort' sort_sorts
with python3 'no driver of a device is loaded' loads_no_driver
with gcc 'gcc with its processes' gcc_compiles
with python3 'the smallest size' min_size_counts
tap_run 'a program without large blocks' nothing_large_starts_nothing
with python3 'a fallback' fallback_serves
if "$MMB_BUILDDIR/tools/mmb-info" --json | grep -q '"discovered":true'; then
    tap_run 'a layer that is not on this machine' absent_layer_is_told
else
    tap_skip 'a layer that is not on this machine' 'discovery is not built in'
fi
with python3 'a block that fits nowhere' exhausted_is_told
tap_run 'status and arguments are the program'"'"'s' passes_status_and_arguments
tap_run 'a layer that is not known' misused 125 'layer NONSENSE' --layer NONSENSE true
tap_run 'a layer that the CPU cannot use' misused 125 'layer GDRAM' --layer GDRAM true
tap_run 'a strategy that is not known' misused 125 'strategy' --strategy NONSENSE true
tap_run 'a size that is none' misused 125 'not a size' --min-size -5 true
tap_run 'no program' misused 125 '^usage: mmb-run' --layer DRAM
tap_run 'a program that is not there' misused 127 'No such file' --layer DRAM /nonexistent/program
tap_run 'a program that cannot be run' misused 126 'ermission' --layer DRAM /etc/passwd
tap_run 'without its library' without_its_library
tap_run 'help and version' help_goes_to_stdout
tap_done
