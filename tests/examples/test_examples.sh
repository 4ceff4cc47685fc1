#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The promise: every example is a C99 program of the public headers alone, runs to its end on this machine, whatever it
# has, and says what it shows. The examples check what they claim by themselves; here stands what a reader must see.
# shellcheck disable=SC2086 # CC may carry arguments
# shellcheck source=../support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

examples=$MMB_SRCDIR/examples

# A line of each that is the same on every machine, as a basic regular expression.
lines_of() {
    case $1 in
    placement)
        echo '^layer DRAM: '
        echo '^space in DRAM: limit 2097152 bytes$'
        echo '^block of 1048576 bytes: .* context CPU, PASSTHROUGH over .*, space limit 4194304$'
        echo '^block of 1048576 bytes: .* context CPU, STACK over .*, space limit 4194304$'
        echo '^block of 1048576 bytes: .* context CPU, SCALABLE_PAGE over .*, space limit 4194304$'
        echo '^moved block of 1048576 bytes: layer DRAM, context CPU, .*, space limit 2097152$'
        echo '^copied 1048576 bytes across two interfaces$'
        echo '^copied 1048576 bytes in the background$'
        echo '^refused with MMB_OUT_OF_MEMORY: allocate 1 B: limit 2097152, used 2097152$'
        ;;
    register)
        echo "^headers $MMB_VERSION\$"
        echo "^library $MMB_VERSION\$"
        echo '^registered DRAM: 8000 bytes from MALLOC$'
        echo '^registered SCRATCHPAD: an array of 262144 bytes$'
        echo '^copied 8000 bytes from the program through SCRATCHPAD to DRAM$'
        echo '^refused with MMB_OUT_OF_MEMORY: allocate 1 B: limit 8000, used 8000$'
        echo '^layers:.* SCRATCHPAD$'
        ;;
    fibers)
        echo "^fiber 1's own, and nobody else wrote there\$"
        echo "^fiber 3's own, and nobody else wrote there\$"
        echo '^allocated and freed for fiber 2$'
        ;;
    hbm)
        echo '^1000000 numbers in [A-Z]*$'
        ;;
    shared_queue)
        echo '^killed the consumer after 1000 messages$'
        echo '^2000 messages went through 64 places$'
        echo '^the heap is whole: MMB_OK$'
        ;;
    strategies)
        echo '^PASSTHROUGH: 2 blocks, 2 chunks'
        echo '^STACK: 10 blocks released to the mark, 1 kept$'
        echo '^SCALABLE_PAGE: 1000 blocks of 16 to 271 bytes$'
        echo '^THREAD_LOCAL: '
        echo '^raw pointers: 8 bytes grown to 8000, 100 bytes aligned to 4096$'
        echo '^slice: 800 bytes at offset 5600 of its parent$'
        echo '^stack  *STACK  *11  *11  *11000$'
        ;;
    mpi_allocator)
        echo '^rank 0 of 2: the header reads 10$'
        echo '^rank 1 of 2: the header reads 10$'
        echo '^two allocators in one segment, left by all and then unlinked$'
        ;;
    rma_put)
        echo '^put 800 bytes into the other.s slice$'
        echo '^received 800 bytes at offset 1600 of a field of 8000, the rest is untouched$'
        ;;
    gpu_cuda)
        echo '^the space is full: .*limit 800000, used 800000'
        echo '^copied 100000 numbers to the device$'
        echo '^copied 10 columns of 100 rows on it$'
        echo '^the second array moved to the host$'
        ;;
    gpu_opencl)
        echo '^\(two kernels added 42 to each of 10000 numbers\|no OpenCL device here\)$'
        ;;
    *)
        echo .
        ;;
    esac
}

vendor=$(echo "${MMB_VENDOR_CPPFLAGS:-}" | sed 's/-I/-isystem /g')

compiles_alone() {
    $CC -std=c99 -Wall -Wextra -Wshadow -Wpedantic -Werror -fsyntax-only -I"$MMB_SRCDIR/include" $vendor "$1"
}

# Two processes of MPI on this machine, whatever it thinks of its processors.
two_ranks() {
    as_root=
    test "$(id -u)" != 0 || as_root=--allow-run-as-root
    OMPI_MCA_rmaps_base_oversubscribe=1 timeout 80 mpirun $as_root --oversubscribe -n 2 "$@" </dev/null
}

# Why an example cannot be run here, or nothing.
lacks() {
    case $1 in
    mpi_*)
        # A sanitizer's runtime finds what MPI itself never frees.
        case ${MMB_LDFLAGS:-} in *-fsanitize*) echo 'MPI leaks under a sanitizer' && return ;; esac
        two_ranks true >/dev/null 2>&1 || echo 'no mpirun that starts two processes here'
        ;;
    esac
}

start() {
    case $1 in
    mpi_*) two_ranks "$MMB_BUILDDIR/examples/$1" ;;
    *) timeout 120 "$MMB_BUILDDIR/examples/$1" ;;
    esac
}

says_it() {
    lines_of "$1" >"$tap_dir/lines"
    start "$1" >"$tap_dir/said"
    ended=$?
    cat "$tap_dir/said"
    test $ended != 77 || return 0 # it said what this machine lacks
    test $ended = 0 || return 1
    missing=0
    while read -r line; do
        grep -q -e "$line" "$tap_dir/said" || { echo "no line like: $line"; missing=1; }
    done <"$tap_dir/lines"
    return $missing
}

fake_cuda=$MMB_BUILDDIR/tests/support/.libs/fake_cuda.so

runs_over_the_stand_in() {
    MMB_CUDA_LIBRARY=$fake_cuda
    export MMB_CUDA_LIBRARY
    says_it "$1" && test "$ended" = 0
    ended=$?
    unset MMB_CUDA_LIBRARY
    return $ended
}

for source in "$examples"/*.c; do
    test -f "$source" || tap_skip_all 'no examples in this tree'
    name=$(basename "$source" .c)
    if ! test -x "$MMB_BUILDDIR/examples/$name"; then
        tap_skip "example $name" 'what it shows is not part of this build'
        continue
    fi
    tap_run "example $name compiles as C99" compiles_alone "$source"
    lack=$(lacks "$name")
    if test -n "$lack"; then
        tap_skip "example $name" "$lack"
    else
        tap_run "example $name" says_it "$name"
    fi
    test "$name" = gpu_cuda || continue
    if test -f "$fake_cuda"; then
        tap_run "example $name over a stand-in for the driver" runs_over_the_stand_in "$name"
    else
        tap_skip "example $name over a stand-in for the driver" 'it is not part of this build'
    fi
done
tap_done
