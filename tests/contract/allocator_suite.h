/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_CONTRACT_ALLOCATOR_SUITE_H
#define MMB_TESTS_CONTRACT_ALLOCATOR_SUITE_H
#include <stdbool.h>
#include <stddef.h>
#include <mmb.h>
#include "tests/support/lab.h"
#include "tests/support/places.h"
#include "tests/support/suite.h"

/* What every strategy promises over every memory, through the public functions. Memory that the
 * host cannot touch is only reached as the device reaches it, and faults otherwise. */

struct allocator_subject {
    mmbStrategy strategy;
    enum lab_memory memory;
    const struct place *place; /* NULL: memory says what it is */
    uint64_t flags;
};

/* One interface in a space of its own; what a promise gets. */
struct allocator_fixture {
    const struct allocator_subject *subject;
    mmbMemSpace *space;
    mmbMemInterface *interface;
    bool is_bounded; /* its backend cannot grow */
    bool is_stack;
    bool has_pointers; /* else the objects of its memory have none: cl_mem */
};

typedef void (*allocator_promise)(struct allocator_fixture *fixture);

/* Makes each combination of strategy, memory and flags with that limit, lets the promise check it,
 * and destroys it, which must find it empty. */
void allocator_suite_each(size_t limit, allocator_promise promise);
/* The same over every place of tests/support/places.h but the host; skips where there is none. */
void allocator_suite_each_place(size_t limit, allocator_promise promise);
/* "STACK over mmap, findable" */
const char *allocator_name(const struct allocator_subject *subject);

/* Another interface like the subject's, in that space. */
mmbMemInterface *allocator_another(const struct allocator_subject *subject, mmbMemSpace *space,
                                   uint64_t flags);

#define ALLOCATOR_CHECK(fixture, condition, format, ...)                                           \
    SUITE_CHECK((condition), "%s: " format, allocator_name((fixture)->subject), __VA_ARGS__)

/* ---- the promises ---- */

/* Without a limit. */
void allocator_serves_every_size(struct allocator_fixture *fixture);
void allocator_aligns(struct allocator_fixture *fixture);
void allocator_aligns_large_blocks(struct allocator_fixture *fixture);
void allocator_keeps_contents_through_reallocate(struct allocator_fixture *fixture);
void allocator_spares_neighbours_of_a_shrinking_block(struct allocator_fixture *fixture);
void allocator_tells_provenance(struct allocator_fixture *fixture);
void allocator_zeroes_when_asked(struct allocator_fixture *fixture);
void allocator_refuses_what_is_no_handle(struct allocator_fixture *fixture);
void allocator_refuses_what_is_no_pointer(struct allocator_fixture *fixture);
void allocator_refuses_impossible_sizes(struct allocator_fixture *fixture);
void allocator_serves_raw_pointers(struct allocator_fixture *fixture);
void allocator_finds_what_is_findable(struct allocator_fixture *fixture);
void allocator_shows_everything(struct allocator_fixture *fixture);
void allocator_coalesces_odd_sizes(struct allocator_fixture *fixture);
void allocator_gives_everything_back(struct allocator_fixture *fixture);
void allocator_counts(struct allocator_fixture *fixture);

/* With a limit of 8000 bytes. */
void allocator_limit_is_exact(struct allocator_fixture *fixture);
void allocator_is_reused_after_exhaustion(struct allocator_fixture *fixture);
void allocator_reallocates_within_the_limit(struct allocator_fixture *fixture);
void allocator_failure_leaves_no_peak(struct allocator_fixture *fixture);

#endif
