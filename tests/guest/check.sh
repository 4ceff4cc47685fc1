#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: tests/guest/check.sh [PROFILE...]
# Runs tests/guest/memory on guest machines with several kinds of memory (all profiles of tests/guest/boot.sh by default) and
# prints one TAP stream. Where QEMU, its tools or the guest's kernel cannot be had, a profile counts as one skipped test.
set -eu
top=${MMB_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
program=${MMB_BUILDDIR:-$PWD}/tests/guest/memory
test $# -gt 0 || set -- hbm xeonmax nvdimm cxl memless

if ! test -x "$program"; then
    echo "1..0 # SKIP $program was not built: CUnit is missing"
    exit 0
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/mmb-check-guest.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/guest"
cp "$program" "$work/guest/memory"
# memkind is opened at run time, so ldd does not know of it.
memkind=$(ldconfig -p 2>/dev/null | awk '$1 == "libmemkind.so.0" { print $NF; exit }')
test -z "$memkind" || cp -L "$memkind" "$work/guest"

number=0
failed=0
for profile; do
    status=0
    start=$(date +%s)
    "$top/tests/guest/boot.sh" "$profile" "$work/guest" "MMB_GUEST_PROFILE=$profile ./memory" >"$work/output" 2>&1 || status=$?
    tr -d '\r' <"$work/output" >"$work/clean"
    if test $status -eq 77; then
        number=$((number + 1))
        echo "ok $number - guest $profile # SKIP $(tail -n 1 "$work/clean")"
        continue
    fi
    awk -v n="$number" -v profile="$profile" '
        /^1\.\.[0-9]+$/ { next }
        /^(not )?ok [0-9]+ - / { sub(/ok [0-9]+ - /, "ok " ++n " - " profile ": "); print; next }
        /^#/ { print; next }
        { print "# " $0 }' "$work/clean"
    number=$((number + $(grep -c -E '^(not )?ok [0-9]' "$work/clean" || :)))
    echo "# $profile took $(($(date +%s) - start)) s"
    test $status -eq 0 && continue
    failed=1
    if ! grep -q '^not ok' "$work/clean"; then
        number=$((number + 1))
        echo "not ok $number - guest $profile ended with status $status"
    fi
done
echo "1..$number"
exit $failed
