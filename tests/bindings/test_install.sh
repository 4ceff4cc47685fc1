#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The promise: `make install` gives C, C++ and Fortran programs what they need, by pkg-config and by find_package(mmb CONFIG),
# also below another folder than it was configured for.
# shellcheck disable=SC2046,SC2086 # words are wanted
# shellcheck source=../support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

stage=$tap_dir/stage
case $MMB_LDFLAGS in
*-fsanitize*) tap_skip_all 'a library built under a sanitizer is not for installing' ;;
esac

installs() {
    # The outer make's flags, -n or a jobserver, are not for this one.
    (cd "$MMB_BUILDDIR" && MAKEFLAGS='' make -s install DESTDIR="$stage") || return 1
    library=$(find "$stage" -name libmmb.so) && test -n "$library"
}

cat >"$tap_dir/program.cc" <<'PROGRAM'
#include <mmb.hpp>
#include <vector>
int main()
{
    mmb::library library;
    auto space = mmb::register_memory(MMB_DRAM, MMB_CPU, 8000);
    auto interface = mmb::make_interface(space.get());
    std::vector<double, mmb::allocator<double>> field(1000, 1.0, interface.get());
    return field[999] == 1.0 ? 0 : 1;
}
PROGRAM

builds_by_pkg_config() {
    PKG_CONFIG_PATH=$(dirname "$(find "$stage" -name mmb.pc)") PKG_CONFIG_SYSROOT_DIR=$stage
    export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
    g++ -std=c++11 "$tap_dir/program.cc" -o "$tap_dir/program" $(pkg-config --cflags --libs mmb) &&
        LD_LIBRARY_PATH=$(dirname "$library") "$tap_dir/program"
}

# with_cmake WANTED-VERSION: configures, and builds and runs the program.
with_cmake() {
    rm -rf "$tap_dir/project"
    mkdir -p "$tap_dir/project"
    cat >"$tap_dir/project/CMakeLists.txt" <<PROJECT
cmake_minimum_required(VERSION 3.10)
project(user CXX)
find_package(mmb $1 CONFIG REQUIRED)
find_package(mmb $1 CONFIG REQUIRED)
add_executable(program ../program.cc)
target_link_libraries(program mmb::mmb)
PROJECT
    cmake -S "$tap_dir/project" -B "$tap_dir/project/b" -Dmmb_DIR="$(dirname "$(find "$stage" -name mmb-config.cmake)")" &&
        cmake --build "$tap_dir/project/b" && "$tap_dir/project/b/program"
}

# Modules are read by the compiler that wrote them, and no other.
fortran_by_pkg_config() {
    PKG_CONFIG_PATH=$(dirname "$(find "$stage" -name mmb-fortran.pc)") PKG_CONFIG_SYSROOT_DIR=$stage
    export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
    gfortran -std=f2008 "$MMB_SRCDIR/examples/placement.f90" -o "$tap_dir/placement" \
        $(pkg-config --cflags --libs mmb-fortran) || return 1
    LD_LIBRARY_PATH=$(dirname "$library") "$tap_dir/placement" | tee "$tap_dir/said"
    grep -q '^sum of the copy: 1500.0$' "$tap_dir/said" && grep -q '^a block of 8000 bytes in layer ' "$tap_dir/said" &&
        grep -q '^refused with MMB_OUT_OF_MEMORY: .*limit 16000, used 16000' "$tap_dir/said"
}

fortran_by_cmake() {
    rm -rf "$tap_dir/project"
    mkdir -p "$tap_dir/project"
    cat >"$tap_dir/project/CMakeLists.txt" <<PROJECT
cmake_minimum_required(VERSION 3.10)
project(user Fortran)
find_package(mmb CONFIG REQUIRED)
add_executable(program $MMB_SRCDIR/examples/placement.f90)
target_link_libraries(program mmb::fortran)
PROJECT
    cmake -S "$tap_dir/project" -B "$tap_dir/project/b" -Dmmb_DIR="$(dirname "$(find "$stage" -name mmb-config.cmake)")" &&
        cmake --build "$tap_dir/project/b" && LD_LIBRARY_PATH=$(dirname "$library") "$tap_dir/project/b/program"
}

# places MMB-RUN: it finds the library to preload by itself, below whatever folder both are.
places() {
    (
        unset MMB_RUN_LIBRARY
        LD_LIBRARY_PATH=$(dirname "$library") "$1" --layer DRAM --stats sort --buffer-size=8M /etc/passwd 2>&1 >/dev/null |
            tee "$tap_dir/said"
    )
    grep -q '^mmb-run: DRAM: [1-9]' "$tap_dir/said"
}

installed_mmb_run_places() {
    places "$(find "$stage" -path '*/bin/mmb-run')"
}

moved_mmb_run_places() {
    prefix=$(dirname "$(dirname "$(find "$stage" -path '*/bin/mmb-run')")")
    rm -rf "$tap_dir/moved" && cp -R "$prefix" "$tap_dir/moved" && rm "$(find "$prefix" -name libmmb-preload.so)" &&
        places "$tap_dir/moved/bin/mmb-run"
}

refuses_another_version() {
    for version in 99.0 0.99; do
        ! with_cmake $version >"$tap_dir/refusal" 2>&1 && grep -q 'not accepted' "$tap_dir/refusal" || return 1
    done
}

tap_run 'make install' installs
if test -n "$(find "$stage" -name libmmb-preload.so)" && "$MMB_BUILDDIR/tools/mmb-info" --json | grep -q '"name":"DRAM"'; then
    tap_run 'mmb-run as it is installed' installed_mmb_run_places
    tap_run 'mmb-run with its prefix moved' moved_mmb_run_places
else
    tap_skip 'mmb-run as it is installed' 'it has no library to preload, or no discovery'
fi
for tool in g++ cmake pkg-config; do
    command -v $tool >/dev/null || missing=$tool
done
if test -n "${missing:-}"; then
    tap_skip 'programs against the installation' "no $missing here"
else
    tap_run 'a C++ program by pkg-config' builds_by_pkg_config
    tap_run 'a C++ program by find_package' with_cmake ''
    tap_run 'a C++ program by find_package with a version' with_cmake "${MMB_VERSION:-0.1.0}"
    tap_run 'find_package refuses another version' refuses_another_version
    if test -n "$(find "$stage" -name libmmb_fortran.so)" && command -v gfortran >/dev/null; then
        tap_run 'the Fortran example by pkg-config' fortran_by_pkg_config
        tap_run 'the Fortran example by find_package' fortran_by_cmake
    else
        tap_skip 'the Fortran example' 'it was built without gfortran'
    fi
fi
tap_done
