#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The promise: a pair of mmb_allocate and mmb_free of 64 B through the shared library, or whatever else the file bounds
# names, takes no more instructions than it says. Callgrind counts a program that does it N times and one that does it
# 2 N times; the difference is free of everything else, and repeats exactly where no clock can.
# shellcheck source=../support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

pairs=50000
program=$tap_dir/pair
bounds=$MMB_SRCDIR/tests/callgrind/bounds

# counted WHAT N: the instructions between entering and leaving the functions that are called.
counted() {
    case $1 in
    POINTERS) functions='mmb_malloc mmb_free_ptr' ;;
    FIND) functions=mmb_allocation_find ;;
    *) functions='mmb_allocate mmb_free' ;;
    esac
    # shellcheck disable=SC2046,SC2086 # words are wanted
    if ! valgrind --tool=callgrind --callgrind-out-file="$tap_dir/counts" \
        $(printf -- '--toggle-collect=%s ' $functions) "$program" "$1" "$2" >"$tap_dir/said" 2>&1; then
        cat "$tap_dir/said" >&2
        return 1
    fi
    sed -n 's/^totals: *//p' "$tap_dir/counts"
}

# within STRATEGY BOUND
within() {
    once=$(counted "$1" $pairs) && twice=$(counted "$1" $((2 * pairs))) || return 1
    test -n "$once" && test -n "$twice" || return 1
    instructions=$(((twice - once + pairs / 2) / pairs))
    echo "$instructions instructions, bound $2"
    test $instructions -gt 0 && test $instructions -le "$2"
}

# is_missing STRATEGY
is_missing() {
    "$program" "$1" 1 >/dev/null 2>&1
    test $? -eq 77
}

# Copies without debugging information: a valgrind older than the compiler stops at it.
copied() {
    strip --strip-debug -o "$tap_dir/$(basename "$1")" "$MMB_BUILDDIR/$1"
}

command -v valgrind >/dev/null || tap_skip_all 'no valgrind here'
copied .libs/libmmb.so.0 && copied tests/callgrind/.libs/pair || exit 1
LD_LIBRARY_PATH=$tap_dir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
reason=$("$program") || exit 1
test -z "$reason" || tap_skip_all "$reason has other counts"
test "$(uname -m)" = x86_64 || tap_skip_all 'the bounds are for x86-64'

while read -r strategy bound; do
    case $strategy in
    '' | '#'*) continue ;;
    esac
    label="$strategy takes at most $bound instructions"
    if is_missing "$strategy"; then
        tap_skip "$label" 'this build does not have the strategy'
    else
        failed_before=$tap_failed
        tap_run "$label" within "$strategy" "$bound"
        test "$tap_failed" -ne "$failed_before" || sed 's/^/# /' "$tap_dir/output"
    fi
done <"$bounds"
tap_done
