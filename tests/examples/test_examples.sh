#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The promise: every example runs to its end on this machine, whatever it has, and says something.
# shellcheck source=../support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

says_something() {
    "$1" >"$tap_dir/said" || return 1
    cat "$tap_dir/said"
    test -s "$tap_dir/said"
}

for source in "$MMB_SRCDIR"/examples/*.c; do
    test -f "$source" || tap_skip_all 'no examples in this tree'
    name=$(basename "$source" .c)
    tap_run "example $name" says_something "$MMB_BUILDDIR/examples/$name"
done
tap_done
