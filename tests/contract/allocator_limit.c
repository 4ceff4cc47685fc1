/* SPDX-License-Identifier: BSD-3-Clause */
/* The promises of allocator_suite.h that need a limit of 8000 bytes. Owns nothing. */
#include "tests/contract/allocator_suite.h"

void allocator_limit_is_exact(struct allocator_fixture *fixture)
{
    for (int round = 0; round < 3; round++) {
        mmbAllocation *all = lab_new(fixture->interface, 8000), *more = NULL;
        mmbError error = mmb_allocate(1, fixture->interface, &more);
        ALLOCATOR_CHECK(fixture, error == MMB_OUT_OF_MEMORY && !more, "one byte more: %s",
                        mmb_error_name(error));
        ALLOCATOR_CHECK(fixture, lab_detail_has("limit 8000") && lab_detail_has("used 8000"),
                        "detail: %s", mmb_error_detail());
        ALLOCATOR_CHECK(fixture, lab_stats(fixture->interface).refused == (size_t)round * 2 + 1,
                        "%zu are counted as refused", lab_stats(fixture->interface).refused);
        lab_free(all);
        error = mmb_allocate(8001, fixture->interface, &more);
        ALLOCATOR_CHECK(fixture, error == MMB_OUT_OF_MEMORY && !more, "8001 bytes: %s",
                        mmb_error_name(error));
    }
}

void allocator_is_reused_after_exhaustion(struct allocator_fixture *fixture)
{
    mmbAllocation *blocks[32];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 32; i++)
            blocks[i] = lab_new(fixture->interface, 250);
        mmbAllocation *more = NULL;
        ALLOCATOR_CHECK(fixture, mmb_allocate(1, fixture->interface, &more) == MMB_OUT_OF_MEMORY,
                        "round %d: no end", round);
        for (size_t i = 32; i > 0; i--)
            lab_free(blocks[i - 1]);
        lab_free(lab_new(fixture->interface, 8000));
    }
}

/* Only the difference is charged: a block of nearly everything can grow to everything. */
void allocator_reallocates_within_the_limit(struct allocator_fixture *fixture)
{
    mmbAllocation *block = lab_new(fixture->interface, 7900);
    lab_fill(block, 5);
    mmbError error = mmb_reallocate(block, 8000);
    ALLOCATOR_CHECK(fixture, error == MMB_OK, "to the limit: %s", mmb_error_detail());
    error = mmb_reallocate(block, 8001);
    ALLOCATOR_CHECK(fixture, error == MMB_OUT_OF_MEMORY, "beyond it: %s", mmb_error_name(error));
    ALLOCATOR_CHECK(fixture, mmb_allocation_size(block) == 8000 && lab_is_filled(block, 7900, 5),
                    "%s", "a refused reallocate changed the block");
    CU_ASSERT_EQUAL(mmb_reallocate(block, 10), MMB_OK);
    ALLOCATOR_CHECK(fixture, lab_used(fixture->space) == 10, "%zu B charged after shrinking",
                    lab_used(fixture->space));
    mmbAllocation *rest = lab_new(fixture->interface, 7990);
    lab_free(rest);
    lab_free(block);
}

void allocator_failure_leaves_no_peak(struct allocator_fixture *fixture)
{
    mmbAllocation *block = NULL;
    lab_free(lab_new(fixture->interface, 100));
    ALLOCATOR_CHECK(fixture, mmb_allocate(8001, fixture->interface, &block), "%s", "8001");
    ALLOCATOR_CHECK(fixture, lab_peak(fixture->space) == 100, "the peak is %zu",
                    lab_peak(fixture->space));
}
