/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_CONTRACT_DEVICE_PROMISES_H
#define MMB_TESTS_CONTRACT_DEVICE_PROMISES_H
/* Every promise of the backends' suite as a test over the array `subjects` of the including file,
 * which lists them with DEVICE_PROMISE_TESTS. */
#include "tests/contract/backend_suite.h"
#include "tests/support/suite.h"

#define DEVICE_PROMISE(promise)                                                                    \
    static void test_##promise(void)                                                               \
    {                                                                                              \
        backend_suite_each(subjects, sizeof subjects / sizeof subjects[0], promise);               \
    }

#define DEVICE_PROMISES                                                                            \
    DEVICE_PROMISE(backend_table_is_complete)                                                      \
    DEVICE_PROMISE(backend_instance_describes_itself)                                              \
    DEVICE_PROMISE(backend_close_takes_null)                                                       \
    DEVICE_PROMISE(backend_refuses_unknown_options)                                                \
    DEVICE_PROMISE(backend_gives_between_least_and_wish)                                           \
    DEVICE_PROMISE(backend_aligns)                                                                 \
    DEVICE_PROMISE(backend_describes_memory)                                                       \
    DEVICE_PROMISE(backend_ranges_are_apart)                                                       \
    DEVICE_PROMISE(backend_takes_everything_back)                                                  \
    DEVICE_PROMISE(backend_refuses_the_impossible)                                                 \
    DEVICE_PROMISE(backend_serves_threads)                                                         \
    DEVICE_PROMISE(backend_copies)

#define DEVICE_PROMISE_TESTS                                                                       \
    T(test_backend_table_is_complete), T(test_backend_instance_describes_itself),                  \
        T(test_backend_close_takes_null), T(test_backend_refuses_unknown_options),                 \
        T(test_backend_gives_between_least_and_wish), T(test_backend_aligns),                      \
        T(test_backend_describes_memory), T(test_backend_ranges_are_apart),                        \
        T(test_backend_takes_everything_back), T(test_backend_refuses_the_impossible),             \
        T(test_backend_serves_threads), T(test_backend_copies)

#endif
