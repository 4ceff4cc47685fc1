/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test, on a real device only: memory goes between libmmb and a program of the CUDA
 * runtime. A kernel works on an allocation, a copy on a stream of the program's waits for the
 * kernel, cudaMalloc's memory is wrapped and copied from, and a list that a kernel built by offsets
 * in shared memory is walked on the host. Ends with 77 where there is no device. */
#include <cuda_runtime.h>
#include <mmb/cuda.h>
#include <mmb.h>
#include <stdio.h>
#include <stdlib.h>
#include "tests/headers/kernel.cu"

enum { N = 100000, NODES = 256, RANGE_BYTES = 1 << 20 };

#define CHECK(call)      check((call) == MMB_OK, #call, mmb_error_detail())
#define CHECK_CUDA(call) check_cuda((call), #call)
#define EXPECT(claim)    check((claim), #claim, "")

static void check(bool holds, const char *what, const char *why)
{
    if (holds)
        return;
    printf("# %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static void check_cuda(cudaError_t code, const char *what)
{
    check(code == cudaSuccess, what, cudaGetErrorString(code));
}

static mmbMemInterface *open_interface(mmbMemLayer layer, mmbBackend backend, cudaStream_t stream)
{
    mmbCudaOptions options = {sizeof options, 0, (CUstream)stream};
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemSpace *space;
    mmbMemInterface *interface;
    config.backend = backend;
    config.backend_opts.cuda = &options;
    CHECK(mmb_register_memory(layer, MMB_GPU_CUDA, NULL, &space));
    CHECK(mmb_create_interface(space, &config, &interface));
    return interface;
}

__global__ void add(unsigned int *numbers, unsigned int what)
{
    unsigned int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < N)
        numbers[i] += what;
}

static void run_kernel_and_copy_behind_it(void)
{
    cudaStream_t stream;
    mmbAllocation *numbers, *result;
    mmbMemInterface *host;
    mmbEvent *event;
    CHECK_CUDA(cudaStreamCreate(&stream));
    mmbMemInterface *pool = open_interface(MMB_GDRAM, MMB_BACKEND_CUDA, stream);
    CHECK(mmb_get_interface(MMB_DRAM, MMB_CPU, &host));
    CHECK(mmb_allocate(N * sizeof(unsigned int), pool, &numbers));
    CHECK(mmb_allocate(N * sizeof(unsigned int), host, &result));
    CHECK(mmb_memset(numbers, 0, 0, N * sizeof(unsigned int)));
    add<<<(N + 255) / 256, 256, 0, stream>>>((unsigned int *)mmb_device_ptr(numbers), 40);
    add<<<(N + 255) / 256, 256, 0, stream>>>((unsigned int *)mmb_device_ptr(numbers), 2);
    CHECK_CUDA(cudaGetLastError());
    CHECK(mmb_copy_async(result, numbers, &event));
    CHECK(mmb_event_wait(&event));
    for (int i = 0; i < N; i++)
        EXPECT(MMB_PTR(result, unsigned int)[i] == 42);
    CHECK(mmb_free(numbers));
    CHECK(mmb_free(result));
    CHECK(mmb_destroy_interface(pool));
    CHECK_CUDA(cudaStreamDestroy(stream));
    printf("ok 1 - a kernel works on an allocation, and a copy waits for it\n");
}

static void wrap_memory_of_the_runtime(void)
{
    unsigned char bytes[1000];
    void *theirs;
    mmbAllocation *wrapped, *ours;
    mmbMemInterface *pool = open_interface(MMB_GDRAM, MMB_BACKEND_CUDA, NULL);
    CHECK_CUDA(cudaMalloc(&theirs, sizeof bytes));
    CHECK_CUDA(cudaMemset(theirs, 7, sizeof bytes));
    CHECK(mmb_allocation_create_wrapped(theirs, sizeof bytes, pool, &wrapped));
    CHECK(mmb_allocate(sizeof bytes, pool, &ours));
    CHECK(mmb_copy(ours, wrapped));
    CHECK_CUDA(cudaMemcpy(bytes, mmb_device_ptr(ours), sizeof bytes, cudaMemcpyDeviceToHost));
    EXPECT(bytes[0] == 7 && bytes[sizeof bytes - 1] == 7);
    CHECK(mmb_free(wrapped));
    CHECK(mmb_free(ours));
    CHECK_CUDA(cudaFree(theirs));
    printf("ok 2 - memory of the runtime is wrapped, ours is read by it\n");
}

static void build_by_offsets_in_a_kernel(void)
{
    mmbAllocation *range, *words;
    mmbMemInterface *shared = open_interface(MMB_DRAM, MMB_BACKEND_CUDA_SHM, NULL);
    CHECK(mmb_allocate(RANGE_BYTES, shared, &range));
    CHECK(mmb_allocate(64, shared, &words));
    mmbDevicePool *pool = MMB_PTR(range, mmbDevicePool);
    mmbDeviceStack *stack = (mmbDeviceStack *)((char *)pool + RANGE_BYTES / 2);
    mmbOffset *head = MMB_PTR(words, mmbOffset);
    uint64_t *sum = (uint64_t *)(head + 1);
    head->value = 0;
    *sum = 0;
    make<<<1, 1>>>(pool, RANGE_BYTES);
    build<<<NODES / 32, 32>>>(pool, stack, head, sum);
    CHECK_CUDA(cudaDeviceSynchronize());
    uint64_t n = 0, seen = 0;
    for (node *at = (node *)mmb_device_at(pool, *head); at;
         at = (node *)mmb_device_at(pool, at->next), n++)
        seen += at->value;
    EXPECT(n == NODES && seen == *sum);
    *sum = 0;
    walk<<<1, 1>>>(pool, stack, *head, sum);
    CHECK_CUDA(cudaDeviceSynchronize());
    EXPECT(*sum == seen);
    CHECK(mmb_free(range));
    CHECK(mmb_free(words));
    printf("ok 3 - a list built by offsets in a kernel is walked on the host and in another\n");
}

int main(void)
{
    int n_devices = 0;
    if (cudaGetDeviceCount(&n_devices) != cudaSuccess || n_devices == 0) {
        printf("1..0 # SKIP no CUDA device here\n");
        return 77;
    }
    printf("1..3\n");
    CHECK(mmb_init(MMB_INIT_DEFAULT));
    run_kernel_and_copy_behind_it();
    wrap_memory_of_the_runtime();
    build_by_offsets_in_a_kernel();
    CHECK(mmb_finalize());
    return EXIT_SUCCESS;
}
