#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The promise: the C++ headers work with g++ and with clang++, as C++11 and C++17, each header alone too, with every
# warning on; and what they do is clean under AddressSanitizer.
# shellcheck disable=SC2046,SC2086 # flags are words
# shellcheck source=../support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

bindings=$MMB_SRCDIR/bindings/cxx
includes="-I$MMB_SRCDIR/include -I$bindings"
strict='-Wall -Wextra -Wshadow -Wconversion -Wpedantic -Werror'
link="-L$MMB_BUILDDIR/.libs -lmmb -Wl,-rpath,$MMB_BUILDDIR/.libs"

# A library built under a sanitizer serves only programs of the same compiler, built likewise.
case $MMB_LDFLAGS in
*-fsanitize*)
    sanitized=$MMB_LDFLAGS
    case $CC in
    *clang*) compilers=clang++ ;;
    *) compilers=g++ ;;
    esac
    ;;
*)
    sanitized=
    compilers='g++ clang++'
    ;;
esac

# Discovery loads drivers, whose leaks are not ours to find.
quiet_machine() {
    file=$MMB_SRCDIR/tests/topology/flat-dram.xml
    ! "$MMB_BUILDDIR/tools/mmb-info" --topology "$file" >/dev/null 2>&1 || echo "MMB_TOPOLOGY_XML=$file"
}

header_alone() {
    printf '#include <%s>\n#include <%s>\nint mmb_header_test;\n' "$2" "$2" >"$tap_dir/unit.cc"
    $1 -std="$3" $strict $includes -fsyntax-only "$tap_dir/unit.cc"
}

# program NAME COMPILER STANDARD FLAGS SOURCES...: builds it as $tap_dir/NAME.
program() {
    name=$1 compiler=$2 standard=$3 flags=$4
    shift 4
    $compiler -std="$standard" $strict -g $flags $sanitized $includes "$@" -o "$tap_dir/$name" $link
}

tests_pass() {
    program tests "$1" "$2" "$3" "$MMB_SRCDIR"/tests/bindings/cxx_*.cc && env $(quiet_machine) "$tap_dir/tests"
}

example_shows() {
    program containers "$1" "$2" '' "$MMB_SRCDIR/examples/containers.cc" || return 1
    env $(quiet_machine) "$tap_dir/containers" | tee "$tap_dir/said"
    grep -q '^a vector of 1000 numbers, sum 500$' "$tap_dir/said" &&
        grep -q '^refused: allocate 8000000 B: limit 65536, used 8000' "$tap_dir/said" &&
        grep -q '^an object in layer [A-Z]' "$tap_dir/said" && grep -q '^an array grown to 100: 1 0$' "$tap_dir/said" &&
        grep -q '^ready for the network: 800 bytes$' "$tap_dir/said" || return 1
    test "$2" != c++17 || grep -q '^polymorphic: a string' "$tap_dir/said"
}

for compiler in $compilers; do
    if ! command -v "$compiler" >/dev/null; then
        tap_skip "the C++ binding with $compiler" "no $compiler here"
        continue
    fi
    for standard in c++11 c++17; do
        for header in mmb.hpp mmb/error.hpp mmb/handle.hpp mmb/allocator.hpp mmb/memory_resource.hpp mmb/full_ptr.hpp \
            mmb/objects.hpp mmb/rma_ptr.hpp mmb/rma_allocator.hpp; do
            tap_run "$header as $standard with $compiler" header_alone $compiler $header $standard
        done
        tap_run "the C++ tests as $standard with $compiler" tests_pass $compiler $standard -O1
        tap_run "the C++ example as $standard with $compiler" example_shows $compiler $standard
    done
    if test -z "$sanitized"; then
        tap_run "the C++ tests with $compiler under AddressSanitizer" tests_pass $compiler c++17 -fsanitize=address,undefined
    fi
done
tap_done
