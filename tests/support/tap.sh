# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# TAP for tests that are scripts. `tap_run NAME COMMAND...` is one test: it passes when the command does, and shows
# what the command printed when it does not.
tap_n=0
tap_failed=0
MMB_SRCDIR=${MMB_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
MMB_BUILDDIR=${MMB_BUILDDIR:-$PWD}
CC=${CC:-cc}

tap_dir=$(mktemp -d "${TMPDIR:-/tmp}/mmb-test.XXXXXX")
trap 'rm -rf "$tap_dir"' EXIT
trap 'exit 1' HUP INT TERM

tap_run() {
    tap_name=$1
    shift
    tap_n=$((tap_n + 1))
    if "$@" >"$tap_dir/output" 2>&1 </dev/null; then
        echo "ok $tap_n - $tap_name"
    else
        sed 's/^/# /' "$tap_dir/output"
        echo "not ok $tap_n - $tap_name"
        tap_failed=$((tap_failed + 1))
    fi
}

tap_skip() {
    tap_n=$((tap_n + 1))
    echo "ok $tap_n - $1 # SKIP $2"
}

tap_skip_all() {
    echo "1..0 # SKIP $1"
    exit 0
}

tap_done() {
    echo "1..$tap_n"
    test "$tap_failed" -eq 0
}
