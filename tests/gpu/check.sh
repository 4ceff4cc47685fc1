#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# usage: tests/gpu/check.sh (make check-gpu)
# The suites of device memory on the real CUDA driver, and HIP's over it; what a program of the CUDA runtime and kernels
# make of an allocation, where nvcc is; and how fast copies and pools are beside the driver's own calls. Says which device
# it ran on. Without a device, or in a build without CUDA, it says so and ends with 77: nothing was measured then.
set -eu
top=${MMB_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${MMB_BUILDDIR:-$PWD}
unset MMB_CUDA_LIBRARY MMB_FAKE_CUDA_DEVICES MMB_FAKE_CUDA_BYTES

skip() {
    echo "check-gpu: SKIP: $1"
    exit 77
}

state=$("$build/tools/mmb-info" --json | tr '{' '\n' | grep '"name":"CUDA"' || :)
case $state in
*'"available":true'*) ;;
*'"built":true'*) skip "no CUDA device: $(echo "$state" | sed 's/.*"detail":"\([^"]*\)".*/\1/')" ;;
*) skip 'this build has no CUDA backend' ;;
esac
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null || echo 'nvidia-smi does not tell the device'

# By these names the suites take the real driver, and HIP's stand-in over it.
MMB_CUDA_LIBRARY=libcuda.so.1
MMB_HIP_LIBRARY=$build/tests/support/.libs/hip_on_cuda.so
export MMB_CUDA_LIBRARY MMB_HIP_LIBRARY
failed=0

run() {
    what=$1
    shift
    status=0
    "$@" || status=$?
    case $status in
    0) echo "check-gpu: PASS: $what" ;;
    77) echo "check-gpu: SKIP: $what" ;;
    *) echo "check-gpu: FAIL: $what ended with $status" && failed=1 ;;
    esac
}

for test in contract/test_cuda_backends contract/test_hip_backends contract/test_device_allocators contract/test_places \
    layers/test_gpu_ipc; do
    if test -x "$build/tests/$test"; then
        run "$test" "$build/tests/$test"
    else
        echo "check-gpu: SKIP: $test is not part of this build"
    fi
done

nvcc=$(command -v nvcc || echo "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc")
work=$(mktemp -d "${TMPDIR:-/tmp}/mmb-check-gpu.XXXXXX")
trap 'rm -rf "$work"' EXIT
if test -x "$nvcc"; then
    run 'interop compiles' "$nvcc" -std=c++14 -I"$top/include" -I"$top" "$top/tests/gpu/interop.cu" -o "$work/interop" \
        -L"$build/.libs" -lmmb -Xlinker -rpath -Xlinker "$build/.libs"
    run interop "$work/interop"
else
    echo 'check-gpu: SKIP: interop: no nvcc'
fi
run 'example gpu_cuda' "$build/examples/gpu_cuda"
if test -x "$build/bench/mmb-bench"; then
    run 'figures' "$build/bench/mmb-bench" gpu
else
    echo 'check-gpu: SKIP: figures: mmb-bench is not part of this build'
fi
exit $failed
