/* SPDX-License-Identifier: BSD-3-Clause */
/* Figures of device memory (gpu.h). Both sides of a row run in turns in one process, and medians
 * are compared. The driver is the one that the library has opened. Owns the blocks of the row that
 * runs, and the device's context for the driver's own calls; takes no lock. */
#include "bench/gpu.h"
#include <mmb.h>
#include <stdio.h>
#include <stdlib.h>
#include "config.h"

#ifndef MMB_HAVE_CUDA

int bench_gpu(void)
{
    puts("mmb-bench gpu: no device: this build has no CUDA backend");
    return 77;
}

#else

#include <cuda.h>
#include <dlfcn.h>
#include <time.h>
#include "bench/support.h"

#define ROUNDS     7
#define COPY_BYTES ((size_t)64 << 20)
#define COPIES     ((size_t)10)
#define BOX_BYTES  ((size_t)1000)
#define BOX_ROWS   ((size_t)200)
#define BOX_SLICES ((size_t)100)
#define ROW_PITCH  ((size_t)1024)
#define BLOCK      ((size_t)64 << 10)

/* ---- the driver ---- */

#define FUNCTIONS(X)                                                                               \
    X(cuDeviceGet)                                                                                 \
    X(cuDeviceGetName)                                                                             \
    X(cuDriverGetVersion)                                                                          \
    X(cuDevicePrimaryCtxRetain)                                                                    \
    X(cuCtxPushCurrent)                                                                            \
    X(cuMemAlloc)                                                                                  \
    X(cuMemFree)                                                                                   \
    X(cuMemAllocAsync)                                                                             \
    X(cuMemFreeAsync)                                                                              \
    X(cuStreamSynchronize)                                                                         \
    X(cuMemcpy)                                                                                    \
    X(cuMemcpy3D)
#define MEMBER(name) static __typeof__(&name) p_##name;
FUNCTIONS(MEMBER)

#define TEXT(name)     #name
#define EXPANDED(name) TEXT(name)

static void check(CUresult code, const char *what)
{
    if (code != CUDA_SUCCESS)
        bench_fail("%s gives %d", what, (int)code);
}

static void check_mmb(mmbError error, const char *what)
{
    if (error != MMB_OK)
        bench_fail("%s: %s", what, mmb_error_detail());
}

static void open_driver(void)
{
    CUdevice device;
    CUcontext context;
    const char *file = getenv("MMB_CUDA_LIBRARY");
    void *driver = dlopen(file && *file ? file : "libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!driver)
        bench_fail("%s", dlerror());
#define FIND(name)                                                                                 \
    if (!(*(void **)&p_##name = dlsym(driver, EXPANDED(name))))                                    \
        bench_fail("the driver has no %s", EXPANDED(name));
    FUNCTIONS(FIND)
#undef FIND
    check(p_cuDeviceGet(&device, 0), "cuDeviceGet");
    check(p_cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
    check(p_cuCtxPushCurrent(context), "cuCtxPushCurrent");
}

static void print_head(void)
{
    char name[256] = "", date[32];
    int version = 0;
    time_t now = time(NULL);
    check(p_cuDeviceGetName(name, sizeof name, 0), "cuDeviceGetName");
    check(p_cuDriverGetVersion(&version), "cuDriverGetVersion");
    strftime(date, sizeof date, "%Y-%m-%d", gmtime(&now));
    printf("# Device memory\n\n%s, CUDA driver %d.%d, %s. Medians of %d turns.\n\n", name,
           version / 1000, version % 1000 / 10, date, ROUNDS);
    puts("| what | libmmb, ns | driver, ns | driver / libmmb | target |");
    puts("|---|---|---|---|---|");
}

/* ---- the rows ---- */

static struct sides {
    mmbMemInterface *pool;
    mmbAllocation *device, *other, *pinned;
} sides;

static CUdeviceptr at(const mmbAllocation *allocation)
{
    return (CUdeviceptr)(uintptr_t)mmb_device_ptr(allocation);
}

static void up_mmb(void)
{
    check_mmb(mmb_copy(sides.device, sides.pinned), "mmb_copy");
}
static void up_driver(void)
{
    check(p_cuMemcpy(at(sides.device), at(sides.pinned), COPY_BYTES), "cuMemcpy");
}
static void down_mmb(void)
{
    check_mmb(mmb_copy(sides.pinned, sides.device), "mmb_copy");
}
static void down_driver(void)
{
    check(p_cuMemcpy(at(sides.pinned), at(sides.device), COPY_BYTES), "cuMemcpy");
}
/* cuMemcpy inside a device does not wait for itself, mmb_copy does. */
static void inside_mmb(void)
{
    check_mmb(mmb_copy(sides.other, sides.device), "mmb_copy");
}
static void inside_driver(void)
{
    check(p_cuMemcpy(at(sides.other), at(sides.device), COPY_BYTES), "cuMemcpy");
    check(p_cuStreamSynchronize(NULL), "cuStreamSynchronize");
}

static void box_mmb(void)
{
    static const size_t zero[3], dims[3] = {BOX_SLICES, BOX_ROWS, BOX_BYTES};
    static const size_t pitch[2] = {ROW_PITCH * BOX_ROWS, ROW_PITCH};
    check_mmb(mmb_copy_nd(sides.other, zero, pitch, sides.device, zero, pitch, 3, dims),
              "mmb_copy_nd");
}
static void box_driver(void)
{
    const CUDA_MEMCPY3D box = {.srcMemoryType = CU_MEMORYTYPE_DEVICE,
                               .srcDevice = at(sides.device),
                               .srcPitch = ROW_PITCH,
                               .srcHeight = BOX_ROWS,
                               .dstMemoryType = CU_MEMORYTYPE_DEVICE,
                               .dstDevice = at(sides.other),
                               .dstPitch = ROW_PITCH,
                               .dstHeight = BOX_ROWS,
                               .WidthInBytes = BOX_BYTES,
                               .Height = BOX_ROWS,
                               .Depth = BOX_SLICES};
    check(p_cuMemcpy3D(&box), "cuMemcpy3D");
    check(p_cuStreamSynchronize(NULL), "cuStreamSynchronize");
}

static void pair_mmb(void)
{
    mmbAllocation *block;
    check_mmb(mmb_allocate(BLOCK, sides.pool, &block), "mmb_allocate");
    check_mmb(mmb_free(block), "mmb_free");
}
static void pair_driver(void)
{
    CUdeviceptr block;
    check(p_cuMemAlloc(&block, BLOCK), "cuMemAlloc");
    check(p_cuMemFree(block), "cuMemFree");
}
static void pair_async(void)
{
    CUdeviceptr block;
    check(p_cuMemAllocAsync(&block, BLOCK, NULL), "cuMemAllocAsync");
    check(p_cuMemFreeAsync(block, NULL), "cuMemFreeAsync");
}

static const struct row {
    const char *what;
    void (*mmb)(void), (*driver)(void);
    size_t n_mmb, n_driver;
    double target;
} rows[] = {
    {"mmb_copy of 64 MiB to the device, cuMemcpy", up_mmb, up_driver, COPIES, COPIES, 0.99},
    {"mmb_copy of 64 MiB from the device, cuMemcpy", down_mmb, down_driver, COPIES, COPIES, 0.99},
    {"mmb_copy of 64 MiB on the device, cuMemcpy", inside_mmb, inside_driver, COPIES, COPIES, 0.99},
    {"mmb_copy_nd of 100 x 200 x 1000 B, cuMemcpy3D", box_mmb, box_driver, COPIES, COPIES, 0.98},
    {"allocate and free 64 KiB, cuMemAlloc", pair_mmb, pair_driver, 100000, 500, 100},
    {"allocate and free 64 KiB, cuMemAllocAsync", pair_mmb, pair_async, 100000, 5000, 5},
};

/* ---- measuring ---- */

/* Nanoseconds of the clock per operation: the device's work is nobody's processor time. */
static double measure(void (*body)(void), size_t n)
{
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (size_t i = 0; i < n; i++)
        body();
    clock_gettime(CLOCK_MONOTONIC, &end);
    return ((double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec)) /
           (double)n;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void run_row(const struct row *row)
{
    double mmb[ROUNDS], driver[ROUNDS];
    row->mmb();
    row->driver();
    for (size_t i = 0; i < ROUNDS; i++) {
        mmb[i] = measure(row->mmb, row->n_mmb);
        driver[i] = measure(row->driver, row->n_driver);
    }
    qsort(mmb, ROUNDS, sizeof mmb[0], compare);
    qsort(driver, ROUNDS, sizeof driver[0], compare);
    printf("| %s | %.0f | %.0f | %.3g | >= %g |\n", row->what, mmb[ROUNDS / 2], driver[ROUNDS / 2],
           driver[ROUNDS / 2] / mmb[ROUNDS / 2], row->target);
}

static void make_sides(void)
{
    mmbMemInterface *pinned;
    check_mmb(mmb_get_interface(MMB_GDRAM, MMB_GPU_CUDA, &sides.pool), "a pool of device memory");
    check_mmb(mmb_register_memory(MMB_DRAM, MMB_GPU_CUDA, NULL, NULL), "pinned memory");
    check_mmb(mmb_get_interface(MMB_DRAM, MMB_GPU_CUDA, &pinned), "pinned memory");
    check_mmb(mmb_allocate(COPY_BYTES, sides.pool, &sides.device), "a block of the device");
    check_mmb(mmb_allocate(COPY_BYTES, sides.pool, &sides.other), "a block of the device");
    check_mmb(mmb_allocate(COPY_BYTES, pinned, &sides.pinned), "a pinned block");
    check_mmb(mmb_memset(sides.pinned, 0, 1, COPY_BYTES), "mmb_memset");
    check_mmb(mmb_memset(sides.device, 0, 1, COPY_BYTES), "mmb_memset");
}

int bench_gpu(void)
{
    check_mmb(mmb_init(MMB_INIT_DEFAULT), "mmb_init");
    if (mmb_register_memory(MMB_GDRAM, MMB_GPU_CUDA, NULL, NULL) != MMB_OK) {
        printf("mmb-bench gpu: no device: %s\n", mmb_error_detail());
        check_mmb(mmb_finalize(), "mmb_finalize");
        return 77;
    }
    open_driver();
    make_sides();
    print_head();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        run_row(&rows[i]);
    check_mmb(mmb_free(sides.device), "mmb_free");
    check_mmb(mmb_free(sides.other), "mmb_free");
    check_mmb(mmb_free(sides.pinned), "mmb_free");
    check_mmb(mmb_finalize(), "mmb_finalize");
    return EXIT_SUCCESS;
}

#endif
