/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_CONTRACT_ALLOCATOR_PROMISES_H
#define MMB_TESTS_CONTRACT_ALLOCATOR_PROMISES_H
/* Every promise of the allocators' suite as a test, over what `each` goes through:
 * ALLOCATOR_PROMISES(each) defines them, ALLOCATOR_PROMISE_TESTS lists them. */
#include "tests/contract/allocator_suite.h"
#include "tests/support/suite.h"

#define SMALL_LIMIT ((size_t)8000)

#define ALLOCATOR_PROMISE(each, promise, limit)                                                    \
    static void test_##promise(void)                                                               \
    {                                                                                              \
        each(limit, promise);                                                                      \
    }

#define ALLOCATOR_PROMISES(each)                                                                   \
    ALLOCATOR_PROMISE(each, allocator_serves_every_size, MMB_NO_LIMIT)                             \
    ALLOCATOR_PROMISE(each, allocator_aligns, MMB_NO_LIMIT)                                        \
    ALLOCATOR_PROMISE(each, allocator_aligns_large_blocks, MMB_NO_LIMIT)                           \
    ALLOCATOR_PROMISE(each, allocator_keeps_contents_through_reallocate, MMB_NO_LIMIT)             \
    ALLOCATOR_PROMISE(each, allocator_spares_neighbours_of_a_shrinking_block, MMB_NO_LIMIT)        \
    ALLOCATOR_PROMISE(each, allocator_tells_provenance, MMB_NO_LIMIT)                              \
    ALLOCATOR_PROMISE(each, allocator_zeroes_when_asked, MMB_NO_LIMIT)                             \
    ALLOCATOR_PROMISE(each, allocator_refuses_what_is_no_handle, MMB_NO_LIMIT)                     \
    ALLOCATOR_PROMISE(each, allocator_refuses_what_is_no_pointer, MMB_NO_LIMIT)                    \
    ALLOCATOR_PROMISE(each, allocator_refuses_impossible_sizes, MMB_NO_LIMIT)                      \
    ALLOCATOR_PROMISE(each, allocator_serves_raw_pointers, MMB_NO_LIMIT)                           \
    ALLOCATOR_PROMISE(each, allocator_finds_what_is_findable, MMB_NO_LIMIT)                        \
    ALLOCATOR_PROMISE(each, allocator_shows_everything, MMB_NO_LIMIT)                              \
    ALLOCATOR_PROMISE(each, allocator_coalesces_odd_sizes, MMB_NO_LIMIT)                           \
    ALLOCATOR_PROMISE(each, allocator_gives_everything_back, MMB_NO_LIMIT)                         \
    ALLOCATOR_PROMISE(each, allocator_counts, MMB_NO_LIMIT)                                        \
    ALLOCATOR_PROMISE(each, allocator_limit_is_exact, SMALL_LIMIT)                                 \
    ALLOCATOR_PROMISE(each, allocator_is_reused_after_exhaustion, SMALL_LIMIT)                     \
    ALLOCATOR_PROMISE(each, allocator_reallocates_within_the_limit, SMALL_LIMIT)                   \
    ALLOCATOR_PROMISE(each, allocator_failure_leaves_no_peak, SMALL_LIMIT)

#define ALLOCATOR_PROMISE_TESTS                                                                    \
    T(test_allocator_serves_every_size), T(test_allocator_aligns),                                 \
        T(test_allocator_aligns_large_blocks),                                                     \
        T(test_allocator_keeps_contents_through_reallocate),                                       \
        T(test_allocator_spares_neighbours_of_a_shrinking_block),                                  \
        T(test_allocator_tells_provenance), T(test_allocator_zeroes_when_asked),                   \
        T(test_allocator_refuses_what_is_no_handle), T(test_allocator_refuses_what_is_no_pointer), \
        T(test_allocator_refuses_impossible_sizes), T(test_allocator_serves_raw_pointers),         \
        T(test_allocator_finds_what_is_findable), T(test_allocator_shows_everything),              \
        T(test_allocator_coalesces_odd_sizes), T(test_allocator_gives_everything_back),            \
        T(test_allocator_counts), T(test_allocator_limit_is_exact),                                \
        T(test_allocator_is_reused_after_exhaustion),                                              \
        T(test_allocator_reallocates_within_the_limit), T(test_allocator_failure_leaves_no_peak)

#endif
