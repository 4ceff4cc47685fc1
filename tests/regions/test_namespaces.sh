#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The promise: a put goes from one machine to another. Two network namespaces with a link between them stand for the
# machines; where they may not be made this is skipped.
# shellcheck source=../support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

program=$MMB_BUILDDIR/examples/rma_put
test -x "$program" || tap_skip_all 'rma_put was not built: libfabric is not here'
command -v ip >/dev/null || tap_skip_all 'no ip here'

one=mmb-one-$$ two=mmb-two-$$
remove() {
    ip netns del "$one" 2>/dev/null
    ip netns del "$two" 2>/dev/null
    ip link del "mmbl$$" 2>/dev/null
    :
}
make() {
    ip netns add "$one" && ip netns add "$two" &&
        ip link add "mmbl$$" type veth peer name "mmbr$$" &&
        ip link set "mmbl$$" netns "$one" && ip link set "mmbr$$" netns "$two" &&
        ip -n "$one" addr add 10.213.77.1/24 dev "mmbl$$" && ip -n "$two" addr add 10.213.77.2/24 dev "mmbr$$" &&
        ip -n "$one" link set lo up && ip -n "$two" link set lo up &&
        ip -n "$one" link set "mmbl$$" up && ip -n "$two" link set "mmbr$$" up
}
trap 'remove; rm -rf "$tap_dir"' EXIT
make >"$tap_dir/made" 2>&1 || tap_skip_all "network namespaces may not be made here"

across() {
    timeout 60 ip netns exec "$one" "$program" serve 10.213.77.1 7471 >"$tap_dir/served" 2>&1 &
    server=$!
    timeout 60 ip netns exec "$two" "$program" put 10.213.77.2 10.213.77.1 7471 || return 1
    wait "$server" || { cat "$tap_dir/served"; return 1; }
    cat "$tap_dir/served"
    grep -q 'received 800 bytes at offset 1600' "$tap_dir/served"
}
# The same address in the wrong namespace is nobody.
alone() {
    ! timeout 2 ip netns exec "$two" "$program" serve 10.213.77.1 7471 >/dev/null 2>&1
}

tap_run 'a put into the slice of another machine' across
tap_run 'the address of the other machine is not ours' alone
tap_done
