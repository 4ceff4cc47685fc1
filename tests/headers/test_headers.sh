#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The promise: a user may include any one installed header, first and twice, from C99, C11, C++11 and C++17, with gcc
# and with clang, with every warning on.
# shellcheck source=../support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

compile() {
    {
        echo "#include <$2>"
        echo "#include <$2>"
        echo "int mmb_header_test; "
    } >"$tap_dir/unit.$1"
    shift 2
    "$@" -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I"$MMB_SRCDIR/include"
}

check_header() {
    header=$1
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
