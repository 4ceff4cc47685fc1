/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a handle outlives its block. Reallocate and migrate keep the handle, its
 * contents, label and alignment, charge only what is new, and change nothing when they fail. */
#include <mmb.h>
#include "src/base/meta.h"
#include "tests/support/lab.h"
#include "tests/support/suite.h"

static mmbMemSpace *space, *other_space;
static mmbMemInterface *page, *other;

static void set_up(void)
{
    lab_open();
    space = lab_space((size_t)1 << 20);
    other_space = lab_space((size_t)1 << 20);
    page = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, MMB_INTERFACE_FINDABLE);
    other = lab_interface(other_space, MMB_STRATEGY_SCALABLE_PAGE, LAB_MALLOC, 0);
}

/* ---- refusals ---- */

/* covers: mmb_reallocate MMB_INVALID_ALLOCATION, mmb_migrate MMB_INVALID_ALLOCATION */
static void test_move_needs_an_object_that_owns_memory(void)
{
    char bytes[100];
    mmbAllocation *block = lab_new(page, 100), *slice = NULL, *wrapped = NULL;
    mmbAllocation *dead = lab_new(page, 10);
    lab_free(dead);
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(block, 0, 50, &slice), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_create_wrapped(bytes, 100, page, &wrapped), MMB_OK);
    mmbAllocation *const wrong[] = {NULL, slice, wrapped, dead, (mmbAllocation *)(void *)bytes};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        mmbError error = mmb_reallocate(wrong[i], 20);
        SUITE_CHECK(error == MMB_INVALID_ALLOCATION, "reallocate %zu: %s", i,
                    mmb_error_name(error));
        error = mmb_migrate(wrong[i], other);
        SUITE_CHECK(error == MMB_INVALID_ALLOCATION, "migrate %zu: %s", i, mmb_error_name(error));
    }
    lab_free(slice);
    lab_free(wrapped);
    lab_free(block);
}

/* covers: mmb_reallocate MMB_BUSY, mmb_migrate MMB_BUSY */
static void test_move_refuses_what_is_in_use(void)
{
    mmbAllocation *block = lab_new(page, 100), *slice = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(block, 0, 50, &slice), MMB_OK);
    CU_ASSERT_EQUAL(mmb_reallocate(block, 20), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_migrate(block, other), MMB_BUSY);
    lab_free(slice);
    CU_ASSERT_EQUAL(mmb_region_hold(block), MMB_OK);
    CU_ASSERT_EQUAL(mmb_reallocate(block, 5000), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_migrate(block, other), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_region_unhold(block), MMB_OK);
    CU_ASSERT_EQUAL(mmb_reallocate(block, 20), MMB_OK);
    lab_free(block);
}

/* A moved handle's uses count as well: they are the handle's, not the hidden block's. */
static void test_move_refuses_a_moved_object_in_use(void)
{
    mmbAllocation *block = lab_new(page, 100), *slice = NULL;
    CU_ASSERT_EQUAL(mmb_migrate(block, other), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(block, 20, 30, &slice), MMB_OK);
    CU_ASSERT_PTR_EQUAL(mmb_allocation_ptr(slice), (char *)mmb_allocation_ptr(block) + 20);
    CU_ASSERT_PTR_EQUAL(lab_info(slice).interface, other);
    CU_ASSERT_EQUAL(mmb_migrate(block, page), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_free(block), MMB_BUSY);
    lab_free(slice);
    CU_ASSERT_EQUAL(mmb_migrate(block, page), MMB_OK);
    lab_free(block);
}

/* covers: mmb_reallocate MMB_INVALID_SIZE */
static void test_reallocate_refuses_sizes_without_sense(void)
{
    static const size_t sizes[] = {0, SIZE_MAX, (size_t)PTRDIFF_MAX + 1};
    mmbAllocation *block = lab_new(page, 100);
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(mmb_reallocate(block, sizes[i]), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(mmb_allocation_size(block), 100);
    lab_free(block);
}

/* covers: mmb_migrate MMB_INVALID_INTERFACE */
static void test_migrate_needs_a_live_interface(void)
{
    mmbAllocation *block = lab_new(page, 100);
    mmbMemInterface *dead = lab_interface(space, MMB_STRATEGY_STACK, LAB_MMAP, 0);
    CU_ASSERT_EQUAL(mmb_destroy_interface(dead), MMB_OK);
    CU_ASSERT_EQUAL(mmb_migrate(block, NULL), MMB_INVALID_INTERFACE);
    CU_ASSERT_EQUAL(mmb_migrate(block, dead), MMB_INVALID_INTERFACE);
    lab_free(block);
}

static void check_unchanged(mmbAllocation *block, const mmbAllocationInfo *before, unsigned int tag)
{
    mmbAllocationInfo after = lab_info(block);
    CU_ASSERT_PTR_EQUAL(after.native, before->native);
    CU_ASSERT_PTR_EQUAL(after.interface, before->interface);
    CU_ASSERT_EQUAL(after.n_bytes, before->n_bytes);
    CU_ASSERT_EQUAL(after.usable_bytes, before->usable_bytes);
    CU_ASSERT_EQUAL(after.alignment, before->alignment);
    CU_ASSERT(lab_is_filled(block, after.n_bytes, tag));
}

/* covers: mmb_reallocate MMB_OUT_OF_MEMORY MMB_ERROR, mmb_migrate MMB_OUT_OF_MEMORY MMB_ERROR */
static void test_move_that_fails_changes_nothing(void)
{
    static const mmbStrategy strategies[] = {MMB_STRATEGY_PASSTHROUGH, MMB_STRATEGY_STACK,
                                             MMB_STRATEGY_SCALABLE_PAGE, MMB_STRATEGY_THREAD_LOCAL};
    for (size_t s = 0; s < 4; s++) {
        mmbMemInterface *faulty = lab_faulty_interface(other_space, strategies[s]);
        mmbAllocation *block = lab_new(page, 600000), *there = lab_new(faulty, 1000);
        lab_fill(block, 3);
        lab_fill(there, 4);
        mmbAllocationInfo info = lab_info(block), there_info = lab_info(there);
        lab_fail_maps_after(0, MMB_ERROR);
        SUITE_CHECK(mmb_migrate(block, faulty) == MMB_ERROR, "%zu", s);
        SUITE_CHECK(mmb_reallocate(there, 900000) == MMB_ERROR, "%zu", s);
        lab_fail_maps_after(0, MMB_OUT_OF_MEMORY);
        SUITE_CHECK(mmb_reallocate(there, 900000) == MMB_OUT_OF_MEMORY, "%zu", s);
        lab_fail_no_map();
        SUITE_CHECK(mmb_reallocate(there, (size_t)2 << 20) == MMB_OUT_OF_MEMORY, "%zu", s);
        check_unchanged(there, &there_info, 4);
        check_unchanged(block, &info, 3);
        lab_free(there);
        lab_free(block);
        CU_ASSERT_EQUAL(mmb_destroy_interface(faulty), MMB_OK);
    }
    mmbMemSpace *small = lab_space(1000);
    mmbMemInterface *narrow = lab_interface(small, MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, 0);
    mmbAllocation *block = lab_new(page, 1001);
    CU_ASSERT_EQUAL(mmb_migrate(block, narrow), MMB_OUT_OF_MEMORY);
    CU_ASSERT_PTR_EQUAL(lab_info(block).interface, page);
    lab_free(block);
    CU_ASSERT_EQUAL(lab_used(space) + lab_used(other_space) + lab_used(small), 0);
}

/* The bytes themselves cannot be moved: the device refuses. */
static void test_move_that_cannot_copy_changes_nothing(void)
{
    mmbMemInterface *device = lab_interface(space, MMB_STRATEGY_SCALABLE_PAGE, LAB_DEVICE, 0);
    mmbAllocation *block = lab_new(page, 5000), *there = lab_new(device, 5000);
    lab_fill(block, 1);
    lab_fill(there, 2);
    mmbAllocationInfo info = lab_info(block), there_info = lab_info(there);
    fake_device_fail_after(&lab_device, 0, MMB_ERROR);
    CU_ASSERT_EQUAL(mmb_migrate(block, device), MMB_ERROR);
    CU_ASSERT_EQUAL(mmb_migrate(there, page), MMB_ERROR);
    CU_ASSERT_EQUAL(mmb_reallocate(there, 50000), MMB_ERROR);
    fake_device_fail_after(&lab_device, INT32_MAX, MMB_OK);
    check_unchanged(block, &info, 1);
    check_unchanged(there, &there_info, 2);
    CU_ASSERT_EQUAL(lab_used(space), 10000);
    lab_free(block);
    lab_free(there);
}

/* ---- what is kept ---- */

struct shown {
    size_t n;
    const char *label;
};

static bool note(void *user, const mmbAllocationInfo *info, const char *label)
{
    struct shown *shown = user;
    (void)info;
    shown->n++;
    shown->label = label;
    return true;
}

/* Four times there and back; then nothing idles. */
static void test_move_keeps_label_and_alignment(void)
{
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    options.label = "kept";
    options.alignment = 2048;
    mmbAllocation *block = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_allocate_opts(300, page, &options, &block), MMB_OK);
    for (int i = 0; i < 4; i++) {
        mmbMemInterface *to = i % 2 ? page : other, *from = i % 2 ? other : page;
        lab_fill(block, (unsigned int)i);
        CU_ASSERT_EQUAL(mmb_migrate(block, to), MMB_OK);
        mmbAllocationInfo info = lab_info(block);
        SUITE_CHECK(info.alignment == 2048 && (uintptr_t)info.ptr % 2048 == 0, "move %d: %zu", i,
                    info.alignment);
        struct shown here = {0, NULL}, there = {0, NULL};
        CU_ASSERT_EQUAL(mmb_for_each_allocation(to, note, &here), MMB_OK);
        CU_ASSERT_EQUAL(mmb_for_each_allocation(from, note, &there), MMB_OK);
        SUITE_CHECK(here.n == 1 && here.label == options.label && there.n == 0,
                    "move %d: %zu shown here, %zu there", i, here.n, there.n);
        CU_ASSERT(lab_is_filled(block, 300, (unsigned int)i));
        CU_ASSERT_EQUAL(lab_used(i % 2 ? space : other_space), 300);
        CU_ASSERT_EQUAL(lab_used(i % 2 ? other_space : space), 0);
    }
    lab_free(block);
}

/* An alignment that its place happened to have is a promise all the same. */
static void test_move_keeps_an_alignment_that_cost_nothing(void)
{
    for (size_t alignment = 32; alignment <= 4096; alignment *= 2)
        for (int i = 0; i < 20; i++) {
            mmbAllocation *block = lab_new_aligned(page, alignment, alignment);
            CU_ASSERT_EQUAL(mmb_migrate(block, other), MMB_OK);
            SUITE_CHECK((uintptr_t)mmb_allocation_ptr(block) % alignment == 0, "%zu", alignment);
            CU_ASSERT_EQUAL(mmb_reallocate(block, 3 * alignment), MMB_OK);
            SUITE_CHECK((uintptr_t)mmb_allocation_ptr(block) % alignment == 0, "%zu", alignment);
            SUITE_CHECK(lab_info(block).alignment == alignment, "%zu", alignment);
            lab_free(block);
        }
}

static void test_migrate_to_where_it_is_does_nothing(void)
{
    mmbAllocation *block = lab_new(page, 100);
    void *ptr = mmb_allocation_ptr(block);
    CU_ASSERT_EQUAL(mmb_migrate(block, page), MMB_OK);
    CU_ASSERT_PTR_EQUAL(mmb_allocation_ptr(block), ptr);
    CU_ASSERT_EQUAL(lab_stats(page).total_allocations, 1);
    lab_free(block);
}

static void test_migrate_is_found_where_it_went(void)
{
    mmbMemInterface *findable =
        lab_interface(space, MMB_STRATEGY_STACK, LAB_MMAP, MMB_INTERFACE_FINDABLE);
    mmbAllocation *block = lab_new(page, 100), *found = NULL;
    char *before = mmb_allocation_ptr(block);
    CU_ASSERT_EQUAL(mmb_migrate(block, findable), MMB_OK);
    char *after = mmb_allocation_ptr(block);
    CU_ASSERT_EQUAL(mmb_allocation_find(before, &found), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_allocation_find(after + 99, &found), MMB_OK);
    CU_ASSERT_PTR_EQUAL(found, block);
    CU_ASSERT_EQUAL(mmb_migrate(block, other), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocation_find(after, &found), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL(mmb_allocation_find(mmb_allocation_ptr(block), &found), MMB_NOT_FOUND);
    lab_free(block);
}

/* ---- what is charged ---- */

/* Within one space a block that moves needs no more than its new size: a space that is full can
 * still rearrange itself. */
static void test_move_charges_only_the_difference(void)
{
    mmbMemSpace *small = lab_space(100000);
    mmbMemInterface *a = lab_interface(small, MMB_STRATEGY_SCALABLE_PAGE, LAB_MMAP, 0);
    mmbMemInterface *b = lab_interface(small, MMB_STRATEGY_PASSTHROUGH, LAB_MALLOC, 0);
    mmbMemInterface *c = lab_interface(small, MMB_STRATEGY_THREAD_LOCAL, LAB_MMAP, 0);
    mmbMemInterface *const ways[] = {b, c, b, a, c, a};
    mmbAllocation *block = lab_new(a, 90000);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        mmbError error = mmb_migrate(block, ways[i]);
        SUITE_CHECK(error == MMB_OK, "way %zu: %s", i, mmb_error_detail());
        CU_ASSERT_EQUAL(lab_used(small), 90000);
        CU_ASSERT_EQUAL(mmb_reallocate(block, 100000), MMB_OK);
        CU_ASSERT_EQUAL(lab_used(small), 100000);
        CU_ASSERT_EQUAL(mmb_reallocate(block, 100001), MMB_OUT_OF_MEMORY);
        CU_ASSERT_EQUAL(mmb_reallocate(block, 90000), MMB_OK);
        CU_ASSERT_EQUAL(lab_used(small), 90000);
    }
    CU_ASSERT_EQUAL(lab_peak(small), 100000);
    lab_free(block);
    CU_ASSERT_EQUAL(lab_used(small), 0);
    CU_ASSERT_EQUAL(mmb_destroy_space(small), MMB_OK);
}

/* What left the top of a stack is not charged there any more, though its handle lives on. */
static void test_migrate_from_a_stack_frees_its_charge(void)
{
    mmbMemSpace *small = lab_space(1000);
    mmbMemInterface *stack = lab_interface(small, MMB_STRATEGY_STACK, LAB_MMAP, 0);
    mmbAllocation *a = lab_new(stack, 200), *b = lab_new(stack, 300), *c = lab_new(stack, 500);
    CU_ASSERT_EQUAL(mmb_migrate(b, page), MMB_OK);
    CU_ASSERT_EQUAL(lab_used(small), 1000);
    CU_ASSERT_EQUAL(mmb_migrate(c, page), MMB_OK);
    CU_ASSERT_EQUAL(lab_used(small), 200);
    mmbAllocation *d = lab_new(stack, 800);
    lab_fill(d, 9);
    lab_fill(a, 8);
    lab_free(b);
    CU_ASSERT(lab_is_filled(d, 800, 9) && lab_is_filled(a, 200, 8));
    lab_free(d);
    CU_ASSERT_EQUAL(lab_used(small), 200);
    lab_free(a);
    lab_free(c);
    CU_ASSERT_EQUAL(lab_used(small), 0);
    CU_ASSERT_EQUAL(mmb_destroy_space(small), MMB_OK);
}

/* ---- homes ---- */

/* The interface in which a handle was made may go when the handle has left it. */
static void test_handle_survives_its_home(void)
{
    static const mmbStrategy strategies[] = {MMB_STRATEGY_PASSTHROUGH, MMB_STRATEGY_STACK,
                                             MMB_STRATEGY_SCALABLE_PAGE, MMB_STRATEGY_THREAD_LOCAL};
    static const size_t sizes[] = {10, 1000, 70000};
    for (size_t s = 0; s < 4; s++) {
        mmbMemInterface *home = lab_interface(space, strategies[s], LAB_MMAP, 0);
        mmbAllocation *blocks[3];
        for (size_t i = 0; i < 3; i++) {
            blocks[i] = lab_new(home, sizes[i]);
            lab_fill(blocks[i], (unsigned int)i);
            CU_ASSERT_EQUAL(mmb_destroy_interface(home), MMB_BUSY);
        }
        for (size_t i = 0; i < 3; i++)
            CU_ASSERT_EQUAL(mmb_migrate(blocks[i], other), MMB_OK);
        CU_ASSERT_EQUAL(mmb_destroy_interface(home), MMB_OK);
        for (size_t i = 0; i < 3; i++) {
            if (!SUITE_CHECK(mmb_allocation_size(blocks[i]) == sizes[i], "%zu: %zu B: %s", s,
                             sizes[i], mmb_error_detail()))
                continue;
            SUITE_CHECK(lab_is_filled(blocks[i], sizes[i], (unsigned int)i), "%zu: %zu B", s,
                        sizes[i]);
            CU_ASSERT_PTR_EQUAL(lab_info(blocks[i]).interface, other);
            CU_ASSERT_EQUAL(mmb_reallocate(blocks[i], 2 * sizes[i]), MMB_OK);
            CU_ASSERT_EQUAL(mmb_migrate(blocks[i], page), MMB_OK);
            lab_free(blocks[i]);
            CU_ASSERT_EQUAL(mmb_free(blocks[i]), MMB_INVALID_ALLOCATION);
        }
    }
    CU_ASSERT_EQUAL(lab_used(space) + lab_used(other_space), 0);
}

/* Metadata after many rounds is what it was after one. In two arrays, since the index of addresses
 * keeps its nodes, and a sanitizer's mmap never gives the same address twice. */
static void test_move_leaks_no_metadata(void)
{
    size_t after_first = 0;
    mmbMemInterfaceConfig config =
        lab_config(MMB_STRATEGY_SCALABLE_PAGE, LAB_ARRAY, (size_t)1 << 20);
    mmbMemInterface *to =
        lab_array_interface(other_space, MMB_STRATEGY_SCALABLE_PAGE, (size_t)1 << 20);
    for (int round = 0; round < 5; round++) {
        mmbMemInterface *home = NULL;
        mmbAllocation *blocks[300];
        CU_ASSERT_EQUAL_FATAL(mmb_create_interface(space, &config, &home), MMB_OK);
        for (size_t i = 0; i < 300; i++) {
            blocks[i] = lab_new(home, 1 + i * 5);
            CU_ASSERT_EQUAL(mmb_migrate(blocks[i], to), MMB_OK);
        }
        CU_ASSERT_EQUAL(mmb_destroy_interface(home), MMB_OK);
        for (size_t i = 0; i < 300; i++)
            lab_free(blocks[i]);
        CU_ASSERT_EQUAL(mmb_interface_trim(to, 0), MMB_OK);
        if (round == 0)
            after_first = mmb_meta_bytes();
        CU_ASSERT_EQUAL(mmb_meta_bytes(), after_first);
    }
}

MMB_SUITE_WITH(
    "core/allocation_move", set_up, lab_close, T(test_move_needs_an_object_that_owns_memory),
    T(test_move_refuses_what_is_in_use), T(test_move_refuses_a_moved_object_in_use),
    T(test_reallocate_refuses_sizes_without_sense), T(test_migrate_needs_a_live_interface),
    T(test_move_that_fails_changes_nothing), T(test_move_that_cannot_copy_changes_nothing),
    T(test_move_keeps_label_and_alignment), T(test_move_keeps_an_alignment_that_cost_nothing),
    T(test_migrate_to_where_it_is_does_nothing), T(test_migrate_is_found_where_it_went),
    T(test_move_charges_only_the_difference), T(test_migrate_from_a_stack_frees_its_charge),
    T(test_handle_survives_its_home), T(test_move_leaks_no_metadata))
