#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: doc/abi-check.sh check|record LIBRARY
# Compares a library's ABI with the one recorded in doc/abi, or records it. Exits 1 when something that programs rely on has changed.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
action=$1
library=$2
record=$top/doc/abi/libmmb-$(uname -m).abi

if ! command -v abidw >/dev/null; then
    echo 'abi-check: no abidw here (Debian: abigail-tools)'
    test "$action" = check
    exit
fi
if test "$action" = record; then
    mkdir -p "$top/doc/abi"
    abidw --headers-dir "$top/include" --drop-private-types --drop-undefined-syms --no-corpus-path --no-comp-dir-path \
        --no-show-locs --short-locs --out-file "$record" "$library"
    echo "abi-record: $record"
    exit
fi
if ! test -f "$record"; then
    echo "abi-check: nothing is recorded for $(uname -m)"
    exit 0
fi
status=0
abidiff --headers-dir2 "$top/include" --drop-private-types --no-added-syms --no-show-locs "$record" "$library" || status=$?
test $status -ne 0 || echo 'abi-check: as recorded, or more'
exit $status
