/* SPDX-License-Identifier: BSD-3-Clause */
/* See lab.h. Owns the device and the arrays of the running test; one thread sets up. */
#include "tests/support/lab.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "tests/support/suite.h"

#define ARRAYS_MAX    256
#define ARRAY_BYTES   ((size_t)32 << 20)
#define FULL_BYTES    ((size_t)64 << 10)
#define SAMPLE_STRIDE 4096u

const char *const lab_memory_names[LAB_MEMORIES] = {"malloc", "mmap", "array", "device"};
struct fake_device lab_device;
mmbBackend lab_device_backend, lab_faulty_backend;

static struct {
    void *start;
    size_t n_bytes;
} arrays[ARRAYS_MAX];
static size_t n_arrays;
static mmbMemInterface *window; /* of host memory, where a test copies; NULL: none was needed */

/* ---- host memory that can be refused ---- */

static atomic_int n_good;
static _Atomic mmbError map_error;
static atomic_size_t n_maps, n_unmaps;

static mmbError faulty_map(void *user, size_t n_bytes, int domain, void **address)
{
    (void)user;
    (void)domain;
    atomic_fetch_add(&n_maps, 1);
    if (atomic_fetch_sub(&n_good, 1) <= 0) {
        atomic_store(&n_good, 0);
        return atomic_load(&map_error);
    }
    return posix_memalign(address, 64, n_bytes) ? MMB_OUT_OF_MEMORY : MMB_OK;
}

static mmbError faulty_unmap(void *user, void *address, size_t n_bytes)
{
    (void)user;
    (void)n_bytes;
    atomic_fetch_add(&n_unmaps, 1);
    free(address);
    return MMB_OK;
}

void lab_fail_maps_after(int good, mmbError error)
{
    atomic_store(&map_error, error);
    atomic_store(&n_good, good);
}

void lab_fail_no_map(void)
{
    atomic_store(&n_good, INT32_MAX);
}

size_t lab_maps(void)
{
    return atomic_load(&n_maps);
}

size_t lab_unmaps(void)
{
    return atomic_load(&n_unmaps);
}

void lab_open(void)
{
    const mmbBackendOps faulty = {.size = sizeof faulty,
                                  .name = "lab faulty",
                                  .host_accessible = true,
                                  .min_alignment = 64,
                                  .map = faulty_map,
                                  .unmap = faulty_unmap};
    fake_device_open(&lab_device);
    lab_fail_no_map();
    CU_ASSERT_EQUAL_FATAL(mmb_init(MMB_INIT_DEFAULT), MMB_OK);
    mmbBackendOps ops = fake_device_ops("lab device");
    CU_ASSERT_EQUAL_FATAL(mmb_backend_register(&ops, &lab_device, &lab_device_backend), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_backend_register(&faulty, NULL, &lab_faulty_backend), MMB_OK);
}

void lab_close(void)
{
    while (mmb_finalize() == MMB_OK)
        continue;
    window = NULL;
    CU_ASSERT_EQUAL(fake_device_live(&lab_device), 0);
    lab_fail_no_map();
    fake_device_close(&lab_device);
    while (n_arrays > 0) {
        n_arrays--;
        munmap(arrays[n_arrays].start, arrays[n_arrays].n_bytes);
    }
}

mmbMemSpace *lab_space(size_t limit)
{
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    config.size_opts.action = limit == MMB_NO_LIMIT ? MMB_SIZE_ANY : MMB_SIZE_SET;
    config.size_opts.mem_size = limit;
    mmbMemSpace *space = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_register_memory(MMB_DRAM, MMB_CPU, &config, &space), MMB_OK);
    return space;
}

/* n_bytes that end where memory that may not be touched begins. */
static void *new_array(size_t n_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t rounded = (n_bytes + page - 1) / page * page;
    CU_ASSERT_FATAL(n_arrays < ARRAYS_MAX);
    char *start = mmap(NULL, rounded + page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CU_ASSERT_FATAL(start != MAP_FAILED);
    CU_ASSERT_FATAL(mprotect(start + rounded, page, PROT_NONE) == 0);
    arrays[n_arrays].start = start;
    arrays[n_arrays++].n_bytes = rounded + page;
    return start + (rounded - n_bytes);
}

mmbMemInterfaceConfig lab_config(mmbStrategy strategy, enum lab_memory memory, size_t array_bytes)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    const mmbBackend backends[LAB_MEMORIES] = {MMB_BACKEND_MALLOC, MMB_BACKEND_MMAP,
                                               MMB_BACKEND_ARRAY, lab_device_backend};
    config.backend = backends[memory];
    config.strategy = strategy;
    if (memory == LAB_ARRAY) {
        config.backend_opts.array.base = new_array(array_bytes);
        config.backend_opts.array.bytes = array_bytes;
    }
    return config;
}

static mmbMemInterface *create(mmbMemSpace *space, const mmbMemInterfaceConfig *config)
{
    mmbMemInterface *interface = NULL;
    mmbError error = mmb_create_interface(space, config, &interface);
    if (!SUITE_CHECK(error == MMB_OK, "create_interface: %s", mmb_error_detail()))
        CU_FAIL_FATAL("no interface");
    return interface;
}

mmbMemInterface *lab_interface(mmbMemSpace *space, mmbStrategy strategy, enum lab_memory memory,
                               uint64_t flags)
{
    mmbMemInterfaceConfig config = lab_config(strategy, memory, ARRAY_BYTES);
    config.flags = flags;
    return create(space, &config);
}

mmbMemInterface *lab_array_interface(mmbMemSpace *space, mmbStrategy strategy, size_t n_bytes)
{
    mmbMemInterfaceConfig config = lab_config(strategy, LAB_ARRAY, n_bytes);
    return create(space, &config);
}

mmbMemInterface *lab_faulty_interface(mmbMemSpace *space, mmbStrategy strategy)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.backend = lab_faulty_backend;
    config.strategy = strategy;
    return create(space, &config);
}

mmbAllocation *lab_new_aligned(mmbMemInterface *interface, size_t n_bytes, size_t alignment)
{
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    options.alignment = alignment;
    mmbAllocation *allocation = NULL;
    mmbError error = mmb_allocate_opts(n_bytes, interface, &options, &allocation);
    if (!SUITE_CHECK(error == MMB_OK, "allocate %zu B: %s", n_bytes, mmb_error_detail()))
        CU_FAIL_FATAL("no block");
    return allocation;
}

mmbAllocation *lab_new(mmbMemInterface *interface, size_t n_bytes)
{
    mmbAllocation *allocation = NULL;
    mmbError error = mmb_allocate(n_bytes, interface, &allocation);
    if (!SUITE_CHECK(error == MMB_OK, "allocate %zu B: %s", n_bytes, mmb_error_detail()))
        CU_FAIL_FATAL("no block");
    return allocation;
}

mmbAllocation *lab_new_host(size_t n_bytes, int value)
{
    mmbMemInterface *interface = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_get_interface(MMB_DRAM, MMB_CPU, &interface), MMB_OK);
    mmbAllocation *allocation = lab_new(interface, n_bytes);
    memset(mmb_allocation_ptr(allocation), value, n_bytes);
    return allocation;
}

void lab_free(mmbAllocation *allocation)
{
    mmbError error = mmb_free(allocation);
    SUITE_CHECK(error == MMB_OK, "free: %s", mmb_error_detail());
}

mmbAllocationInfo lab_info(const mmbAllocation *allocation)
{
    mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
    mmbError error = mmb_allocation_get_info(allocation, &info);
    if (!SUITE_CHECK(error == MMB_OK, "info: %s", mmb_error_detail()))
        CU_FAIL_FATAL("no info");
    return info;
}

mmbMemInterfaceStats lab_stats(const mmbMemInterface *interface)
{
    mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
    CU_ASSERT_EQUAL_FATAL(mmb_interface_get_stats(interface, &stats), MMB_OK);
    return stats;
}

static mmbSpaceInfo space_info(const mmbMemSpace *space)
{
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
    CU_ASSERT_EQUAL_FATAL(mmb_space_get_info(space, &info), MMB_OK);
    return info;
}

size_t lab_used(const mmbMemSpace *space)
{
    return space_info(space).used;
}

size_t lab_peak(const mmbMemSpace *space)
{
    return space_info(space).peak;
}

/* ---- bytes ---- */

/* NULL: only copies lead there. */
static unsigned char *reach(const mmbAllocation *allocation)
{
    mmbAllocationInfo info = lab_info(allocation);
    return info.ptr ? info.ptr : (unsigned char *)fake_device_bytes(&lab_device, info.native);
}

unsigned char *lab_bytes(const mmbAllocation *allocation)
{
    unsigned char *bytes = reach(allocation);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    return bytes;
}

/* The test's own bytes as an object to copy from and to. */
static mmbAllocation *wrap(const void *bytes, size_t n_bytes)
{
    mmbAllocation *wrapped = NULL;
    if (!window)
        window = lab_interface(lab_space(MMB_NO_LIMIT), MMB_STRATEGY_PASSTHROUGH, LAB_MALLOC, 0);
    CU_ASSERT_EQUAL_FATAL(
        mmb_allocation_create_wrapped((void *)(uintptr_t)bytes, n_bytes, window, &wrapped), MMB_OK);
    return wrapped;
}

void lab_write(const mmbAllocation *allocation, const void *bytes, size_t n_bytes)
{
    unsigned char *at = reach(allocation);
    if (at) {
        memcpy(at, bytes, n_bytes);
        return;
    }
    mmbAllocation *from = wrap(bytes, n_bytes);
    mmbError error = mmb_copy_1d((mmbAllocation *)(uintptr_t)allocation, 0, from, 0, n_bytes);
    SUITE_CHECK(error == MMB_OK, "write: %s", mmb_error_detail());
    lab_free(from);
}

void lab_read(const mmbAllocation *allocation, void *bytes, size_t n_bytes)
{
    const unsigned char *at = reach(allocation);
    if (at) {
        memcpy(bytes, at, n_bytes);
        return;
    }
    mmbAllocation *to = wrap(bytes, n_bytes);
    mmbError error = mmb_copy_1d(to, 0, allocation, 0, n_bytes);
    SUITE_CHECK(error == MMB_OK, "read: %s", mmb_error_detail());
    lab_free(to);
}

size_t lab_count_set(const mmbAllocation *allocation, size_t n_bytes)
{
    unsigned char *bytes = malloc(n_bytes);
    size_t n_set = 0;
    lab_read(allocation, bytes, n_bytes);
    for (size_t i = 0; i < n_bytes; i++)
        n_set += bytes[i] != 0;
    free(bytes);
    return n_set;
}

static unsigned char pattern(size_t i, unsigned int tag)
{
    return (unsigned char)(i * 7 + (i >> 8) * 31 + tag * 113 + 1);
}

static bool is_looked_at(size_t i, size_t n_bytes)
{
    return n_bytes <= FULL_BYTES || i < FULL_BYTES || n_bytes - i <= FULL_BYTES ||
           i % SAMPLE_STRIDE == 0;
}

/* The next place after i that is looked at. */
static size_t step(size_t i, size_t n_bytes)
{
    i++;
    if (is_looked_at(i, n_bytes))
        return i;
    size_t next = (i + SAMPLE_STRIDE - 1) / SAMPLE_STRIDE * SAMPLE_STRIDE;
    return next < n_bytes - FULL_BYTES ? next : n_bytes - FULL_BYTES;
}

/* The loops are the test's own, and ten times slower with every byte checked for races. */
#define UNWATCHED __attribute__((no_sanitize("thread")))

UNWATCHED static void fill(unsigned char *bytes, size_t n_bytes, unsigned int tag)
{
    for (size_t i = 0; i < n_bytes; i = step(i, n_bytes))
        bytes[i] = pattern(i, tag);
}

/* Only what every fill of at least n_bytes has written: the first 64 KiB and the samples. */
UNWATCHED static bool is_filled(const unsigned char *bytes, size_t n_bytes, unsigned int tag)
{
    for (size_t i = 0; i < n_bytes; i = i < FULL_BYTES ? i + 1 : i + SAMPLE_STRIDE)
        if (bytes[i] != pattern(i, tag))
            return false;
    return true;
}

void lab_fill(const mmbAllocation *allocation, unsigned int tag)
{
    unsigned char *bytes = reach(allocation);
    size_t n_bytes = mmb_allocation_size(allocation);
    if (bytes) {
        fill(bytes, n_bytes, tag);
        return;
    }
    bytes = calloc(1, n_bytes);
    fill(bytes, n_bytes, tag);
    lab_write(allocation, bytes, n_bytes);
    free(bytes);
}

bool lab_is_filled(const mmbAllocation *allocation, size_t n_bytes, unsigned int tag)
{
    const unsigned char *bytes = reach(allocation);
    if (bytes)
        return is_filled(bytes, n_bytes, tag);
    unsigned char *copy = malloc(n_bytes);
    lab_read(allocation, copy, n_bytes);
    bool is_as_filled = is_filled(copy, n_bytes, tag);
    free(copy);
    return is_as_filled;
}

bool lab_detail_has(const char *text)
{
    return strstr(mmb_error_detail(), text) != NULL;
}

uint64_t lab_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x * 0x2545f4914f6cdd1du >> 16;
}
