#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The promise: kernels can use all of <mmb/device.h>, and programs of the CUDA runtime all of libmmb, with every warning
# that nvcc has. They run where a GPU is (make check-gpu).
# shellcheck source=../support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

nvcc=$(command -v nvcc || echo "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc")
test -x "$nvcc" || tap_skip_all 'no nvcc here'
test -z "${MMB_LDFLAGS:-}" || tap_skip_all 'once is enough: the build without sanitizers runs this'

compile() {
    "$nvcc" -std=c++14 -arch="$1" -Werror all-warnings -Xcompiler -Wall,-Wextra,-Werror -I"$MMB_SRCDIR/include" \
        -c "$MMB_SRCDIR/tests/headers/kernel.cu" -o "$tap_dir/kernel.o"
}

interop_compiles() {
    vendor=$(echo "${MMB_VENDOR_CPPFLAGS:-}" | tr ' ' '\n' | grep -e '^-I' | tr '\n' ' ')
    # shellcheck disable=SC2086 # several folders
    "$nvcc" -std=c++14 -Werror all-warnings -Xcompiler -Wall,-Wextra,-Werror -I"$MMB_SRCDIR/include" \
        -I"$MMB_SRCDIR" $vendor -c "$MMB_SRCDIR/tests/gpu/interop.cu" -o "$tap_dir/interop.o"
}

tap_run 'a kernel for compute capability 8.0' compile sm_80
tap_run 'a program of the CUDA runtime beside libmmb' interop_compiles
tap_done
