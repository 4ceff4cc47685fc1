/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: the malloc family over an interface. Pointers of this interface and of its
 * fallbacks are taken, all others are refused; every failure gives NULL, or a code, and a reason.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <mmb.h>
#include "tests/support/lab.h"
#include "tests/support/suite.h"

static mmbMemSpace *space;
static mmbMemInterface *page, *passthrough;

static void set_up(void)
{
    lab_open();
    space = lab_space((size_t)1 << 20);
    page = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, MMB_INTERFACE_FINDABLE);
    passthrough = lab_interface(space, MMB_STRATEGY_PASSTHROUGH, LAB_MALLOC, 0);
}

static void *new_pointer(mmbMemInterface *interface, size_t n_bytes)
{
    void *ptr = mmb_malloc(interface, n_bytes);
    if (!SUITE_CHECK(ptr != NULL, "malloc: %s", mmb_error_detail()))
        CU_FAIL_FATAL("no memory");
    return ptr;
}

static void test_pointer_functions_give_null_and_a_reason(void)
{
    mmb_allocate(0, page, NULL); /* some other reason before */
    CU_ASSERT_PTR_NULL(mmb_malloc(NULL, 10));
    CU_ASSERT_TRUE(lab_detail_has("malloc"));
    CU_ASSERT_PTR_NULL(mmb_calloc(NULL, 1, 10));
    CU_ASSERT_TRUE(lab_detail_has("calloc"));
    CU_ASSERT_PTR_NULL(mmb_aligned_alloc(NULL, 16, 10));
    CU_ASSERT_TRUE(lab_detail_has("aligned_alloc"));
    CU_ASSERT_PTR_NULL(mmb_realloc(NULL, NULL, 10));
    CU_ASSERT_EQUAL(mmb_usable_size(NULL, &space), 0);
    CU_ASSERT_TRUE(lab_detail_has("usable_size"));
    CU_ASSERT_EQUAL(mmb_usable_size(page, NULL), 0);
    CU_ASSERT_TRUE(lab_detail_has("usable_size: no live block"));
    CU_ASSERT_PTR_NULL(mmb_malloc(page, 0));
    CU_ASSERT_TRUE(lab_detail_has("0 bytes"));
    CU_ASSERT_PTR_NULL(mmb_malloc(page, (size_t)2 << 20));
    CU_ASSERT_TRUE(lab_detail_has("limit 1048576"));
    CU_ASSERT_PTR_NULL(mmb_calloc(page, (size_t)1 << 62, 16));
    CU_ASSERT_TRUE(lab_detail_has("overflow"));
}

static void test_pointer_alignment_must_be_a_power_of_two(void)
{
    static const size_t wrong[] = {0, 3, 24, SIZE_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        SUITE_CHECK(!mmb_aligned_alloc(page, wrong[i], 10), "%zu", wrong[i]);
    for (size_t alignment = 1; alignment <= 65536; alignment *= 2) {
        void *ptr = mmb_aligned_alloc(passthrough, alignment, 10);
        SUITE_CHECK(ptr && (uintptr_t)ptr % alignment == 0, "%zu: %p", alignment, ptr);
        CU_ASSERT_EQUAL(mmb_free_ptr(passthrough, ptr), MMB_OK);
    }
}

/* covers: mmb_free_ptr MMB_INVALID_INTERFACE MMB_INVALID_ALLOCATION, mmb_free_sized
 * MMB_INVALID_INTERFACE MMB_INVALID_ALLOCATION */
static void test_free_ptr_refuses_foreign_pointers(void)
{
    char mine[10];
    char *ptr = new_pointer(page, 100);
    CU_ASSERT_EQUAL(mmb_free_ptr(NULL, ptr), MMB_INVALID_INTERFACE);
    CU_ASSERT_EQUAL(mmb_free_sized(NULL, ptr, 100, 0), MMB_INVALID_INTERFACE);
    CU_ASSERT_EQUAL(mmb_free_ptr(page, ptr + 16), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_free_sized(page, ptr + 16, 84, 0), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_free_ptr(page, mine), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_free_ptr(passthrough, ptr), MMB_INVALID_ALLOCATION);
    CU_ASSERT_TRUE(lab_detail_has("another interface"));
    CU_ASSERT_EQUAL(mmb_free_sized(passthrough, ptr, 100, 0), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(lab_used(space), 100);
    CU_ASSERT_EQUAL(mmb_free_ptr(page, ptr), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free_ptr(page, ptr), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_free_sized(page, ptr, 100, 0), MMB_INVALID_ALLOCATION);
}

/* covers: mmb_free_sized MMB_INVALID_SIZE MMB_INVALID_ARG */
static void test_free_sized_checks_what_the_caller_believes(void)
{
    char *ptr = mmb_aligned_alloc(page, 256, 100);
    CU_ASSERT_PTR_NOT_NULL_FATAL(ptr);
    CU_ASSERT_EQUAL(mmb_free_sized(page, ptr, 99, 256), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_free_sized(page, ptr, 0, 256), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_free_sized(page, ptr, 100, 3), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_free_sized(page, ptr, 100, (size_t)1 << 62), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(lab_used(space), 100);
    CU_ASSERT_EQUAL(mmb_free_sized(page, ptr, 100, 256), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free_sized(page, NULL, 7, 7), MMB_OK);
}

/* covers: mmb_free_ptr MMB_BUSY, mmb_free_sized MMB_BUSY */
static void test_free_ptr_refuses_what_is_in_use(void)
{
    void *ptr = new_pointer(page, 100);
    mmbAllocation *handle = NULL, *slice = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_find(ptr, &handle), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(handle, 0, 10, &slice), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free_ptr(page, ptr), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_free_sized(page, ptr, 100, 0), MMB_BUSY);
    CU_ASSERT_PTR_NULL(mmb_realloc(page, ptr, 5000));
    lab_free(slice);
    CU_ASSERT_EQUAL(mmb_free_ptr(page, ptr), MMB_OK);
}

/* Contents and charge; the pointer that failed to grow stays good. */
static void test_realloc_keeps_contents(void)
{
    static const size_t sizes[] = {10, 16, 17, 1000, 70000, 300000, 500, 1};
    for (size_t k = 0; k < 2; k++) {
        mmbMemInterface *interface = k ? passthrough : page;
        unsigned char *ptr = new_pointer(interface, 1);
        size_t n_bytes = 1;
        *ptr = 1;
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            memset(ptr, (int)i, n_bytes);
            unsigned char *moved = mmb_realloc(interface, ptr, sizes[i]);
            if (!SUITE_CHECK(moved != NULL, "to %zu: %s", sizes[i], mmb_error_detail()))
                CU_FAIL_FATAL("realloc");
            size_t kept = n_bytes < sizes[i] ? n_bytes : sizes[i];
            SUITE_CHECK(moved[0] == i && moved[kept - 1] == i, "to %zu: lost", sizes[i]);
            CU_ASSERT_EQUAL(lab_used(space), sizes[i]);
            CU_ASSERT_PTR_NULL(mmb_realloc(interface, moved, (size_t)2 << 20));
            CU_ASSERT_PTR_NULL(mmb_realloc(interface, moved, SIZE_MAX));
            CU_ASSERT_PTR_NULL(mmb_realloc(interface, moved, 0));
            CU_ASSERT_EQUAL(lab_used(space), sizes[i]);
            ptr = moved;
            n_bytes = sizes[i];
        }
        CU_ASSERT_EQUAL(mmb_free_ptr(interface, ptr), MMB_OK);
        CU_ASSERT_EQUAL(lab_used(space), 0);
    }
}

/* Only the difference is charged, also where the block has to move. */
static void test_realloc_fits_a_full_space(void)
{
    void *ptr = new_pointer(page, 700000);
    ptr = mmb_realloc(page, ptr, 1000000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(ptr);
    CU_ASSERT_EQUAL(lab_used(space), 1000000);
    CU_ASSERT_EQUAL(mmb_free_ptr(page, ptr), MMB_OK);
}

/* A handle that moved and is then used by its pointer stays one object. */
static void test_realloc_of_a_moved_handle(void)
{
    mmbAllocation *block = lab_new(passthrough, 100);
    CU_ASSERT_EQUAL(mmb_migrate(block, page), MMB_OK);
    void *ptr = mmb_realloc(page, mmb_allocation_ptr(block), 9000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(ptr);
    CU_ASSERT_PTR_EQUAL(ptr, mmb_allocation_ptr(block));
    CU_ASSERT_EQUAL(mmb_allocation_size(block), 9000);
    CU_ASSERT_EQUAL(mmb_free_ptr(page, ptr), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(lab_used(space), 0);
}

static void test_pointer_of_a_fallback_is_taken(void)
{
    mmbMemSpace *small = lab_space(1000);
    mmbMemInterfaceConfig config = lab_config(MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, 0);
    mmbMemInterface *first = NULL;
    config.fallback = passthrough;
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(small, &config, &first), MMB_OK);
    void *ptr = new_pointer(first, 5000);
    CU_ASSERT_EQUAL(lab_used(space), 5000);
    CU_ASSERT(mmb_usable_size(first, ptr) >= 5000);
    ptr = mmb_realloc(first, ptr, 50000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(ptr);
    CU_ASSERT_EQUAL(mmb_free_ptr(page, ptr), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_free_ptr(first, ptr), MMB_OK);
    ptr = new_pointer(first, 5000);
    CU_ASSERT_EQUAL(mmb_free_ptr(passthrough, ptr), MMB_OK);
    ptr = new_pointer(first, 500);
    CU_ASSERT_EQUAL(mmb_free_ptr(passthrough, ptr), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_free_ptr(first, ptr), MMB_OK);
    CU_ASSERT_EQUAL(lab_used(space) + lab_used(small), 0);
}

static void test_usable_bytes_may_be_used(void)
{
    for (size_t n_bytes = 1; n_bytes < 5000; n_bytes += 61) {
        unsigned char *a = new_pointer(page, n_bytes), *b = new_pointer(page, n_bytes);
        size_t usable = mmb_usable_size(page, a);
        memset(b, 1, mmb_usable_size(page, b));
        memset(a, 2, usable);
        SUITE_CHECK(usable >= n_bytes && b[0] == 1 && b[n_bytes - 1] == 1, "%zu B", n_bytes);
        CU_ASSERT_EQUAL(mmb_free_ptr(page, a), MMB_OK);
        CU_ASSERT_EQUAL(mmb_free_ptr(page, b), MMB_OK);
    }
}

/* The device refuses to set it: nothing is left behind. */
static void test_calloc_that_cannot_be_zeroed(void)
{
    mmbMemInterface *device = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_DEVICE, 0);
    fake_device_fail_after(&lab_device, 0, MMB_ERROR);
    CU_ASSERT_PTR_NULL(mmb_calloc(device, 10, 10));
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    mmbAllocation *out = NULL;
    options.zero = true;
    options.label = "label";
    CU_ASSERT_EQUAL(mmb_allocate_opts(100, device, &options, &out), MMB_ERROR);
    CU_ASSERT_PTR_NULL(out);
    fake_device_fail_after(&lab_device, INT32_MAX, MMB_OK);
    CU_ASSERT_EQUAL(lab_used(space), 0);
    CU_ASSERT_EQUAL(lab_stats(device).live_count, 0);
}

#define BIG ((size_t)8 << 20)

static size_t pages_in_memory(void *start, size_t n_bytes)
{
    size_t n_pages = n_bytes / (size_t)sysconf(_SC_PAGESIZE), n = 0;
    unsigned char *in = calloc(n_pages, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
    CU_ASSERT_EQUAL(mincore(start, n_bytes, in), 0);
    for (size_t i = 0; i < n_pages; i++)
        n += in[i] & 1;
    free(in);
    return n;
}

static bool is_zero(const unsigned char *bytes, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        if (bytes[i])
            return false;
    return true;
}

/* Fresh pages read as zero and are left alone, so that their first user has them in his node; what
 * was in use, and memory that does not come as zeros, is written. A debug build fills the start. */
static void test_calloc_leaves_fresh_pages_alone(void)
{
    static const mmbStrategy strategies[] = {MMB_STRATEGY_PASSTHROUGH, MMB_STRATEGY_SCALABLE_PAGE,
                                             MMB_STRATEGY_THREAD_LOCAL};
    mmbMemSpace *roomy = lab_space(8 * BIG);
    for (size_t i = 0; i < 3; i++) {
        for (enum lab_memory memory = LAB_MALLOC; memory <= LAB_MMAP; memory++) {
            mmbMemInterface *interface = lab_interface(roomy, strategies[i], memory, 0);
            unsigned char *fresh = mmb_calloc(interface, 1, BIG);
            CU_ASSERT_PTR_NOT_NULL_FATAL(fresh);
            size_t n = memory == LAB_MMAP ? pages_in_memory(fresh, BIG) : 0;
            SUITE_CHECK(n <= 32, "strategy %zu touched %zu pages", i, n);
            SUITE_CHECK(is_zero(fresh, BIG), "strategy %zu, memory %d", i, memory);
            memset(fresh, 1, BIG);
            CU_ASSERT_EQUAL(mmb_free_ptr(interface, fresh), MMB_OK);
            mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
            options.zero = true;
            mmbAllocation *used;
            CU_ASSERT_EQUAL(mmb_allocate_opts(BIG, interface, &options, &used), MMB_OK);
            SUITE_CHECK(is_zero(mmb_allocation_ptr(used), BIG), "%zu, %d again", i, memory);
            CU_ASSERT_EQUAL(mmb_free(used), MMB_OK);
        }
    }
}

MMB_SUITE_WITH("core/pointer", set_up, lab_close, T(test_pointer_functions_give_null_and_a_reason),
               T(test_pointer_alignment_must_be_a_power_of_two),
               T(test_free_ptr_refuses_foreign_pointers),
               T(test_free_sized_checks_what_the_caller_believes),
               T(test_free_ptr_refuses_what_is_in_use), T(test_realloc_keeps_contents),
               T(test_realloc_fits_a_full_space), T(test_realloc_of_a_moved_handle),
               T(test_pointer_of_a_fallback_is_taken), T(test_usable_bytes_may_be_used),
               T(test_calloc_that_cannot_be_zeroed), T(test_calloc_leaves_fresh_pages_alone))
