/* SPDX-License-Identifier: BSD-3-Clause */
/* The promises of allocator_suite.h on what is refused and on raw pointers. */
#include <string.h>
#include "tests/contract/allocator_suite.h"

/* ---- refusals ---- */

static void check_no_handle(struct allocator_fixture *fixture, const void *pointer,
                            const char *what)
{
    mmbAllocation *handle = (mmbAllocation *)(uintptr_t)pointer;
    mmbError error = mmb_free(handle);
    ALLOCATOR_CHECK(fixture, error == MMB_INVALID_ALLOCATION, "free of %s: %s", what,
                    mmb_error_name(error));
    error = mmb_reallocate(handle, 10);
    ALLOCATOR_CHECK(fixture, error == MMB_INVALID_ALLOCATION, "reallocate of %s: %s", what,
                    mmb_error_name(error));
    ALLOCATOR_CHECK(fixture, mmb_allocation_size(handle) == 0, "size of %s", what);
}

void allocator_refuses_what_is_no_handle(struct allocator_fixture *fixture)
{
    static const size_t sizes[] = {1, 100, 70000};
    char on_the_stack[64] __attribute__((aligned(64))) = "";
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        mmbAllocation *block = lab_new(fixture->interface, sizes[i]);
        check_no_handle(fixture, (char *)block + 8, "a handle + 8");
        check_no_handle(fixture, (char *)block + 1, "a handle + 1");
        check_no_handle(fixture, lab_info(block).native, "its bytes");
        check_no_handle(fixture, on_the_stack, "the stack");
        check_no_handle(fixture, &check_no_handle, "code");
        check_no_handle(fixture, (void *)UINTPTR_MAX, "the last address");
        check_no_handle(fixture, fixture->interface, "an interface");
        ALLOCATOR_CHECK(fixture, mmb_allocation_size(block) == sizes[i], "%zu B", sizes[i]);
        lab_free(block);
        check_no_handle(fixture, block, "a freed handle");
        ALLOCATOR_CHECK(fixture, lab_stats(fixture->interface).live_count == 0, "%s", "live");
    }
}

/* Memory without pointers gives none. */
static bool refuses_pointers(struct allocator_fixture *fixture)
{
    if (!fixture->has_pointers)
        ALLOCATOR_CHECK(fixture, !mmb_malloc(fixture->interface, 100), "%s", "gives a pointer");
    return !fixture->has_pointers;
}

void allocator_refuses_what_is_no_pointer(struct allocator_fixture *fixture)
{
    char outside[16] = "";
    if (refuses_pointers(fixture))
        return;
    char *ptr = mmb_malloc(fixture->interface, 100);
    CU_ASSERT_PTR_NOT_NULL_FATAL(ptr);
    char *const wrong[] = {ptr + 1, ptr + 50, ptr + 99, outside, (char *)16};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        mmbError error = mmb_free_ptr(fixture->interface, wrong[i]);
        ALLOCATOR_CHECK(fixture, error == MMB_INVALID_ALLOCATION, "free_ptr %zu: %s", i,
                        mmb_error_name(error));
        ALLOCATOR_CHECK(fixture, !mmb_realloc(fixture->interface, wrong[i], 10), "realloc %zu", i);
        ALLOCATOR_CHECK(fixture, mmb_usable_size(fixture->interface, wrong[i]) == 0, "usable %zu",
                        i);
    }
    mmbMemInterface *other = allocator_another(fixture->subject, fixture->space, 0);
    ALLOCATOR_CHECK(fixture, mmb_free_ptr(other, ptr) == MMB_INVALID_ALLOCATION, "%s",
                    "another interface frees it");
    CU_ASSERT_EQUAL(mmb_free_ptr(fixture->interface, ptr), MMB_OK);
    ALLOCATOR_CHECK(fixture, mmb_free_ptr(fixture->interface, ptr) == MMB_INVALID_ALLOCATION, "%s",
                    "freed twice");
}

/* covers: mmb_allocate MMB_INVALID_SIZE, mmb_allocate_array MMB_INVALID_SIZE */
void allocator_refuses_impossible_sizes(struct allocator_fixture *fixture)
{
    static const size_t sizes[] = {0, SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 4096,
                                   (size_t)PTRDIFF_MAX + 1};
    mmbAllocation *block = NULL, *live = lab_new(fixture->interface, 1);
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    options.alignment = (size_t)1 << 63;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        mmbError error = mmb_allocate(sizes[i], fixture->interface, &block);
        ALLOCATOR_CHECK(fixture, error == MMB_INVALID_SIZE, "allocate %zu: %s", sizes[i],
                        mmb_error_name(error));
        error = mmb_reallocate(live, sizes[i]);
        ALLOCATOR_CHECK(fixture, error == MMB_INVALID_SIZE, "reallocate %zu: %s", sizes[i],
                        mmb_error_name(error));
        ALLOCATOR_CHECK(fixture, !mmb_malloc(fixture->interface, sizes[i]), "malloc %zu", sizes[i]);
        error = mmb_allocate_opts(sizes[i], fixture->interface, &options, &block);
        ALLOCATOR_CHECK(fixture, error == MMB_INVALID_SIZE, "aligned %zu: %s", sizes[i],
                        mmb_error_name(error));
    }
    ALLOCATOR_CHECK(fixture, mmb_allocate(PTRDIFF_MAX, fixture->interface, &block), "%s",
                    "allocates half of all addresses");
    ALLOCATOR_CHECK(fixture, mmb_allocate_opts(100, fixture->interface, &options, &block), "%s",
                    "aligns to half of all addresses");
    mmbError error = mmb_allocate_array(((size_t)1 << 60) + 1, 16, fixture->interface, &block);
    ALLOCATOR_CHECK(fixture, error == MMB_INVALID_SIZE, "array: %s", mmb_error_name(error));
    error = mmb_allocate_array(0, 16, fixture->interface, &block);
    ALLOCATOR_CHECK(fixture, error == MMB_INVALID_SIZE, "empty array: %s", mmb_error_name(error));
    ALLOCATOR_CHECK(fixture, !block && mmb_allocation_size(live) == 1, "%s", "output");
    lab_free(live);
    ALLOCATOR_CHECK(fixture, lab_used(fixture->space) == 0, "%zu B stay charged",
                    lab_used(fixture->space));
}

/* ---- raw pointers ---- */

static void check_calloc(struct allocator_fixture *fixture)
{
    ALLOCATOR_CHECK(fixture, !mmb_calloc(fixture->interface, ((size_t)1 << 60) + 1, 16), "%s",
                    "calloc of 2^60+1 times 16");
    ALLOCATOR_CHECK(fixture, !mmb_calloc(fixture->interface, 0, 16), "%s", "calloc of none");
    void *ptr = mmb_calloc(fixture->interface, 100, 50);
    mmbAllocation *found = NULL;
    CU_ASSERT_PTR_NOT_NULL_FATAL(ptr);
    mmbAllocation *wrapped = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_create_wrapped(ptr, 5000, fixture->interface, &wrapped),
                          MMB_OK);
    size_t n_set = lab_count_set(wrapped, 5000);
    lab_free(wrapped);
    ALLOCATOR_CHECK(fixture, n_set == 0, "calloc: %zu B are not 0", n_set);
    bool findable = fixture->subject->flags & MMB_INTERFACE_FINDABLE;
    ALLOCATOR_CHECK(fixture, !mmb_allocation_find(ptr, &found) == findable, "%s", "find");
    CU_ASSERT_EQUAL(mmb_free_ptr(fixture->interface, ptr), MMB_OK);
}

void allocator_serves_raw_pointers(struct allocator_fixture *fixture)
{
    if (refuses_pointers(fixture))
        return;
    check_calloc(fixture);
    void *ptr = mmb_aligned_alloc(fixture->interface, 1024, 100);
    ALLOCATOR_CHECK(fixture, ptr && (uintptr_t)ptr % 1024 == 0, "aligned_alloc: %p", ptr);
    ALLOCATOR_CHECK(fixture, mmb_usable_size(fixture->interface, ptr) >= 100, "%s", "usable_size");
    ALLOCATOR_CHECK(fixture, !mmb_realloc(fixture->interface, ptr, 0), "%s", "realloc to 0");
    void *moved = mmb_realloc(fixture->interface, ptr, 90000);
    ALLOCATOR_CHECK(fixture, moved != NULL, "realloc: %s", mmb_error_detail());
    ALLOCATOR_CHECK(fixture, lab_used(fixture->space) == 90000, "%zu B are charged",
                    lab_used(fixture->space));
    mmbError error = mmb_free_sized(fixture->interface, moved, 90001, 0);
    ALLOCATOR_CHECK(fixture, error == MMB_INVALID_SIZE, "free_sized: %s", mmb_error_name(error));
    CU_ASSERT_EQUAL(mmb_free_sized(fixture->interface, moved, 90000, 16), MMB_OK);
    ptr = mmb_realloc(fixture->interface, NULL, 10);
    ALLOCATOR_CHECK(fixture, ptr != NULL, "realloc of NULL: %s", mmb_error_detail());
    CU_ASSERT_EQUAL(mmb_free_ptr(fixture->interface, ptr), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free_ptr(fixture->interface, NULL), MMB_OK);
}
