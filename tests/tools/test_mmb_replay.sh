#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The promise: any program of the library leaves a trace where MMB_TRACE says, and mmb-replay makes a table of it.
# shellcheck source=../support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

replay=$MMB_BUILDDIR/tools/mmb-replay
trace=$tap_dir/trace

traces_an_example() {
    MMB_TRACE=$trace "$MMB_BUILDDIR/examples/strategies" && test "$(head -c 8 "$trace")" = MMBTRACE
}

# table PATTERN ARGUMENTS...: prints one, which has such a line.
table() {
    pattern=$1
    shift
    "$replay" "$@" "$trace" >"$tap_dir/table" 2>"$tap_dir/err" || { cat "$tap_dir/err"; return 1; }
    cat "$tap_dir/table" "$tap_dir/err"
    test ! -s "$tap_dir/err" && grep -q '^strategy  *calls  *refused' "$tap_dir/table" && grep -q "$pattern" "$tap_dir/table"
}

all_strategies() {
    table '^PASSTHROUGH  *[1-9]' --strategy all && test "$(wc -l <"$tap_dir/table")" -eq 5
}

# mmb-run's library never finalizes: the end of the process writes what is left.
traces_an_unchanged_program() {
    case $MMB_LDFLAGS in
    *-fsanitize*) return 0 ;;
    esac
    MMB_RUN_LIBRARY=$MMB_BUILDDIR/.libs/libmmb-preload.so MMB_TRACE=$tap_dir/sort.trace \
        "$MMB_BUILDDIR/tools/mmb-run" --layer DRAM sort --parallel=1 "$0" >/dev/null || return 1
    cat "$tap_dir"/sort.trace* | wc -c
    "$replay" "$tap_dir/sort.trace" | grep -q '^traced  *[1-9]'
}

# A cut between two events cannot be seen; not all of these are.
cut_is_told() {
    for bytes in 60 61 62 63 64 65 66 67 68 69; do
        head -c $bytes "$trace" >"$tap_dir/cut" && "$replay" "$tap_dir/cut" 2>>"$tap_dir/err" || return 1
    done
    grep -q 'its end is missing' "$tap_dir/err"
}

misused() {
    wanted=$1 pattern=$2
    shift 2
    "$replay" "$@" >"$tap_dir/out" 2>"$tap_dir/err"
    status=$?
    cat "$tap_dir/err"
    test $status -eq "$wanted" && grep -q "$pattern" "$tap_dir/err"
}

unwritable_is_told() {
    MMB_TRACE=/nonexistent/trace "$MMB_BUILDDIR/examples/strategies" 2>"$tap_dir/err" && grep -q MMB_TRACE "$tap_dir/err"
}

tap_run 'an example under MMB_TRACE' traces_an_example
tap_run 'the trace as it was' table '^traced  *[1-9]'
tap_run 'with another strategy' table '^SCALABLE_PAGE  *[1-9]' --strategy SCALABLE_PAGE
tap_run 'in another layer, touched' table '^traced  *[1-9]' --layer HBM --touch
tap_run 'with each strategy' all_strategies
tap_run 'an unchanged program' traces_an_unchanged_program
tap_run 'a trace that is cut' cut_is_told
tap_run 'a trace that cannot be written' unwritable_is_told
tap_run 'no trace' misused 2 '^usage: mmb-replay'
tap_run 'a strategy that is not known' misused 2 '^usage: mmb-replay' --strategy NONSENSE "$trace"
tap_run 'a layer that is not known' misused 1 NONSENSE --layer NONSENSE "$trace"
tap_run 'a file that is no trace' misused 1 'not a trace' "$0"
tap_run 'a file that is not there' misused 1 'No such file' /nonexistent/trace
tap_done
