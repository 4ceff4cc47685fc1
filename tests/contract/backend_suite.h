/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_CONTRACT_BACKEND_SUITE_H
#define MMB_TESTS_CONTRACT_BACKEND_SUITE_H
#include <stddef.h>
#include "src/spi/backend.h"

/* What every backend promises, whatever memory it has (src/spi/backend.h). The suite never touches
 * memory that the host cannot reach but through the backend's own copies. A test program brings a
 * list of subjects and calls the promises one by one with backend_suite_each. */

/* How to open one backend. The functions may be NULL. */
struct backend_subject {
    const char *name; /* in messages, and the backend's own */
    const struct mmb_backend_ops *ops;
    mmbMemLayer layer;
    mmbExecutionContext context;
    size_t granularity; /* sizes are rounded up to at most this; 0: an OS page */
    void (*prepare)(mmbBackendOptions *options);
    void (*tidy)(void); /* after close */
    bool has_own_heap;  /* a foreign allocator keeps what it once took, whatever is given back */
};

/* One open instance; what a promise gets. */
struct backend_fixture {
    const struct backend_subject *subject;
    const struct mmb_backend_ops *ops;
    struct mmb_backend *backend;
    size_t granularity;
};

typedef void (*backend_promise)(struct backend_fixture *fixture);

/* Opens each subject, lets the promise check it, closes it, and checks that no metadata is lost. */
void backend_suite_each(const struct backend_subject *subjects, size_t n_subjects,
                        backend_promise promise);

/* ---- for the promises ---- */

#define BACKEND_CHECK(fixture, condition, format, ...)                                             \
    SUITE_CHECK((condition), "%s: " format, (fixture)->subject->name, __VA_ARGS__)

mmbError backend_map(struct backend_fixture *fixture, size_t min, size_t want, size_t alignment,
                     struct mmb_memory *out);
void backend_unmap(struct backend_fixture *fixture, const struct mmb_memory *memory);
/* Writes every byte; the value depends on the tag and the place. */
void backend_stamp(struct backend_fixture *fixture, const struct mmb_memory *memory,
                   unsigned int tag);
/* The number of bytes of [from, to) that are not as stamped. */
size_t backend_count_changed(struct backend_fixture *fixture, const struct mmb_memory *memory,
                             unsigned int tag, size_t from, size_t to);
bool backend_is_stamped(struct backend_fixture *fixture, const struct mmb_memory *memory,
                        unsigned int tag);

/* ---- the promises ---- */

void backend_table_is_complete(struct backend_fixture *fixture);
void backend_instance_describes_itself(struct backend_fixture *fixture);
void backend_close_takes_null(struct backend_fixture *fixture);
void backend_refuses_unknown_options(struct backend_fixture *fixture);
void backend_gives_between_least_and_wish(struct backend_fixture *fixture);
void backend_aligns(struct backend_fixture *fixture);
void backend_describes_memory(struct backend_fixture *fixture);
void backend_ranges_are_apart(struct backend_fixture *fixture);
void backend_takes_everything_back(struct backend_fixture *fixture);
void backend_refuses_the_impossible(struct backend_fixture *fixture);
void backend_exhaustion_changes_nothing(struct backend_fixture *fixture);
void backend_serves_threads(struct backend_fixture *fixture);
void backend_discard_spares_the_rest(struct backend_fixture *fixture);
void backend_copies(struct backend_fixture *fixture);
void backend_advice_is_taken_or_refused(struct backend_fixture *fixture);

#endif
