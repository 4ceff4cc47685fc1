/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: every backend of host memory that is compiled in keeps the contract of
 * src/spi/backend.h. A backend without a subject here fails the first test. */
#include "src/spi/backend.h"
#include "config.h"
#include <stdio.h>
#include <unistd.h>
#include "layers/host/array.h"
#include "layers/host/file.h"
#include "layers/host/malloc.h"
#include "layers/host/mmap.h"
#ifdef MMB_HAVE_MEMKIND
#include "layers/memkind/memkind.h"
#endif
#ifdef MMB_HAVE_NUMA
#include "layers/numa/numa.h"
#endif
#include "tests/contract/backend_suite.h"
#include "tests/support/suite.h"

static _Alignas(65536) unsigned char buffer[1 << 20];

static void prepare_array(mmbBackendOptions *options)
{
    options->array.base = buffer + 8;
    options->array.bytes = sizeof buffer - 8;
}

static void prepare_directory(mmbBackendOptions *options)
{
    options->file.path = "/tmp";
}

/* Without a name once it is open, so each time it is new. */
static void prepare_name(mmbBackendOptions *options)
{
    static char name[64];
    snprintf(name, sizeof name, "/tmp/mmb-backends-%ld", (long)getpid());
    options->file.path = name;
}

#ifdef MMB_HAVE_MEMKIND
static void prepare_kind(mmbBackendOptions *options)
{
    options->memkind.kind = "regular";
}

static void prepare_directory_kind(mmbBackendOptions *options)
{
    options->memkind.kind = "/tmp";
}
#endif

static const struct backend_subject subjects[] = {
    {"malloc", &mmb_malloc_backend, MMB_DRAM, MMB_CPU, 16, NULL, NULL, false},
    {"mmap", &mmb_mmap_backend, MMB_DRAM, MMB_CPU, 0, NULL, NULL, false},
    {"array", &mmb_array_backend, MMB_DRAM, MMB_CPU, 16, prepare_array, NULL, false},
    {"file", &mmb_file_backend, MMB_SSD, MMB_CPU, 0, prepare_directory, NULL, false},
    {"file", &mmb_file_backend, MMB_SSD, MMB_CPU, 0, prepare_name, NULL, false},
#ifdef MMB_HAVE_MEMKIND
    {"memkind", &mmb_memkind_backend, MMB_DRAM, MMB_CPU, 16, prepare_kind, NULL, true},
    {"memkind", &mmb_memkind_backend, MMB_NVDIMM, MMB_CPU, 16, prepare_directory_kind, NULL, true},
#endif
#ifdef MMB_HAVE_NUMA
    {"numa", &mmb_numa_backend, MMB_DRAM, MMB_CPU, 0, NULL, NULL, false},
#endif
};
#define N_SUBJECTS (sizeof subjects / sizeof subjects[0])

static bool has_subject(const struct mmb_backend_ops *ops)
{
    for (size_t i = 0; i < N_SUBJECTS; i++)
        if (subjects[i].ops == ops)
            return true;
    return false;
}

/* Device backends have suites of their own, on machines that have one. */
static void test_backends_all_have_a_subject(void)
{
    for (size_t i = 0; mmb_builtin_backends[i]; i++) {
        const struct mmb_backend_ops *ops = mmb_builtin_backends[i];
        /* A segment is one range with its own heap in it: tests/shared has its promises. */
        bool elsewhere = ops->id == MMB_BACKEND_SHM || !ops->serves(MMB_DRAM, MMB_CPU);
        SUITE_CHECK(has_subject(ops) || elsewhere, "%s is not tested", ops->name);
    }
}

static void test_backends_have_their_public_name(void)
{
    for (size_t i = 0; mmb_builtin_backends[i]; i++) {
        const struct mmb_backend_ops *ops = mmb_builtin_backends[i];
        SUITE_CHECK(ops->id > MMB_BACKEND_DEFAULT && ops->id < MMB_BACKEND_USER, "%s: id %d",
                    ops->name, (int)ops->id);
        for (size_t j = 0; j < i; j++)
            SUITE_CHECK(mmb_builtin_backends[j]->id != ops->id, "%s has the id of %s", ops->name,
                        mmb_builtin_backends[j]->name);
    }
}

#define PROMISE(promise)                                                                           \
    static void test_##promise(void)                                                               \
    {                                                                                              \
        backend_suite_each(subjects, N_SUBJECTS, promise);                                         \
    }
PROMISE(backend_table_is_complete)
PROMISE(backend_instance_describes_itself)
PROMISE(backend_close_takes_null)
PROMISE(backend_refuses_unknown_options)
PROMISE(backend_gives_between_least_and_wish)
PROMISE(backend_aligns)
PROMISE(backend_describes_memory)
PROMISE(backend_ranges_are_apart)
PROMISE(backend_takes_everything_back)
PROMISE(backend_refuses_the_impossible)
PROMISE(backend_exhaustion_changes_nothing)
PROMISE(backend_serves_threads)
PROMISE(backend_discard_spares_the_rest)
PROMISE(backend_copies)
PROMISE(backend_advice_is_taken_or_refused)

MMB_SUITE("contract/backends", T(test_backends_all_have_a_subject),
          T(test_backends_have_their_public_name), T(test_backend_table_is_complete),
          T(test_backend_instance_describes_itself), T(test_backend_close_takes_null),
          T(test_backend_refuses_unknown_options), T(test_backend_gives_between_least_and_wish),
          T(test_backend_aligns), T(test_backend_describes_memory),
          T(test_backend_ranges_are_apart), T(test_backend_takes_everything_back),
          T(test_backend_refuses_the_impossible), T(test_backend_exhaustion_changes_nothing),
          T(test_backend_serves_threads), T(test_backend_discard_spares_the_rest),
          T(test_backend_copies), T(test_backend_advice_is_taken_or_refused))
