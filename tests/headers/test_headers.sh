#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The promise: a user may include any one installed header, first and twice, from C99, C11, C++11 and C++17, with gcc
# and with clang, with every warning on.
# shellcheck disable=SC2086 # a list of flags
# shellcheck source=../support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

test -z "${MMB_LDFLAGS:-}" || tap_skip_all 'once is enough: the build without sanitizers runs this'

# The vendors' headers are theirs to mend: their folders are the system's.
vendor=$(echo "${MMB_VENDOR_CPPFLAGS:-}" | sed 's/-I/-isystem /g')

# A header for a runtime that this machine lacks cannot be tried.
needs_what_is_missing() {
    for needed in cuda.h hip/hip_runtime_api.h CL/cl.h mpi.h; do
        grep -q "^#include <$needed>" "$1" || continue
        echo "#include <$needed>" | gcc -fsyntax-only -x c $vendor - 2>/dev/null || return 0
    done
    return 1
}

compile() {
    {
        echo "#include <$2>"
        echo "#include <$2>"
        echo "int mmb_header_test; "
    } >"$tap_dir/unit.$1"
    shift 2
    "$@" -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I"$MMB_SRCDIR/include" $vendor
}

check_header() {
    header=$1
    if needs_what_is_missing "$header"; then
        tap_skip "$header" 'its runtime is not on this machine'
        return
    fi
    for compiler in gcc clang; do
        for std in c99 c11 c++11 c++17; do
            case $std in
            c++*) driver=$(echo $compiler | sed 's/gcc/g++/; s/clang/clang++/') language=cc ;;
            *) driver=$compiler language=c ;;
            esac
            if command -v "$driver" >/dev/null; then
                tap_run "$header as $std with $driver" \
                    compile $language "$header" "$driver" -std=$std "$tap_dir/unit.$language"
            else
                tap_skip "$header as $std with $driver" "no $driver here"
            fi
        done
    done
}

cd "$MMB_SRCDIR/include" || exit 1
for file in *.h mmb/*.h; do
    check_header "$file"
done
tap_done
