/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: handles that move keep their bytes while everything around them moves too:
 * other threads reallocate, align, slice and free, memory goes back to the system under them, and
 * the interfaces that the handles were made in are destroyed while their handles are freed
 * elsewhere.
 *
 * MMB_STRESS=full makes it a hundred times longer. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <mmb.h>
#include "tests/support/lab.h"
#include "tests/support/suite.h"

#define N_THREADS    4
#define N_INTERFACES 6
#define N_BLOCKS     48
#define STEPS        4000
#define LARGEST      ((size_t)150000)

static mmbMemSpace *space;
static mmbMemInterface *interfaces[N_INTERFACES];
static atomic_size_t n_failed, n_damaged;
static atomic_bool done;

static size_t steps(void)
{
    const char *stress = getenv("MMB_STRESS");
    return stress && strcmp(stress, "full") == 0 ? 100 * STEPS : STEPS;
}

static void expect(mmbError error)
{
    if (error != MMB_OK)
        atomic_fetch_add(&n_failed, 1);
}

struct block {
    mmbAllocation *handle;
    size_t n_bytes;
    size_t alignment;
    unsigned char tag;
};

/* The edges and some bytes between tell. */
static void stamp(struct block *block, unsigned char tag)
{
    unsigned char *bytes = mmb_allocation_ptr(block->handle);
    block->tag = tag;
    for (size_t i = 0; i < block->n_bytes; i += 509)
        bytes[i] = (unsigned char)(tag + i);
    bytes[block->n_bytes - 1] = tag;
}

static void check(const struct block *block, size_t n_bytes)
{
    const unsigned char *bytes = mmb_allocation_ptr(block->handle);
    bool good = (uintptr_t)bytes % block->alignment == 0;
    for (size_t i = 0; i + 1 < n_bytes; i += 509)
        good = good && bytes[i] == (unsigned char)(block->tag + i);
    if (!good)
        atomic_fetch_add(&n_damaged, 1);
}

static void make(struct block *block, uint64_t *state)
{
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    options.alignment = (size_t)1 << (lab_random(state) % 4 ? 4 : lab_random(state) % 14);
    block->alignment = options.alignment < 16 ? 1 : options.alignment;
    block->n_bytes = 1 + lab_random(state) % (lab_random(state) % 4 ? 2000 : LARGEST);
    mmbError error = mmb_allocate_opts(block->n_bytes, interfaces[lab_random(state) % N_INTERFACES],
                                       &options, &block->handle);
    expect(error);
    if (error == MMB_OK)
        stamp(block, (unsigned char)lab_random(state));
    else
        block->handle = NULL;
}

/* While a slice lives, nothing may move. */
static void slice(struct block *block, uint64_t *state)
{
    mmbAllocation *part = NULL;
    size_t offset = lab_random(state) % block->n_bytes;
    expect(mmb_allocation_slice(block->handle, offset, block->n_bytes - offset, &part));
    if (mmb_reallocate(block->handle, 1) != MMB_BUSY ||
        mmb_allocation_ptr(part) != (char *)mmb_allocation_ptr(block->handle) + offset)
        atomic_fetch_add(&n_failed, 1);
    expect(mmb_free(part));
}

static void resize(struct block *block, uint64_t *state)
{
    size_t n_bytes = 1 + lab_random(state) % LARGEST;
    size_t kept = n_bytes < block->n_bytes ? n_bytes : block->n_bytes;
    expect(mmb_reallocate(block->handle, n_bytes));
    check(block, kept);
    block->n_bytes = n_bytes;
    stamp(block, (unsigned char)lab_random(state));
}

static void act(struct block *block, uint64_t *state)
{
    if (!block->handle) {
        make(block, state);
        return;
    }
    check(block, block->n_bytes);
    switch (lab_random(state) % 8) {
    case 0:
        slice(block, state);
        break;
    case 1:
    case 2:
        resize(block, state);
        break;
    case 3:
    case 4:
    case 5:
        expect(mmb_migrate(block->handle, interfaces[lab_random(state) % N_INTERFACES]));
        check(block, block->n_bytes);
        break;
    default:
        expect(mmb_free(block->handle));
        block->handle = NULL;
    }
}

static void *move(void *argument)
{
    uint64_t state = (uintptr_t)argument;
    struct block blocks[N_BLOCKS];
    memset(blocks, 0, sizeof blocks);
    for (size_t i = steps(); i > 0; i--)
        act(&blocks[lab_random(&state) % N_BLOCKS], &state);
    for (size_t i = 0; i < N_BLOCKS; i++) {
        if (blocks[i].handle)
            check(&blocks[i], blocks[i].n_bytes);
        expect(mmb_free(blocks[i].handle));
    }
    return NULL;
}

static void *trim(void *argument)
{
    (void)argument;
    for (size_t i = 0; !atomic_load(&done); i++)
        expect(mmb_interface_trim(interfaces[i % N_INTERFACES], i % 3 ? 0 : (size_t)1 << 20));
    return NULL;
}

static void start(size_t limit)
{
    static const mmbStrategy strategies[N_INTERFACES] = {
        MMB_STRATEGY_SCALABLE_PAGE, MMB_STRATEGY_THREAD_LOCAL,  MMB_STRATEGY_PASSTHROUGH,
        MMB_STRATEGY_STACK,         MMB_STRATEGY_SCALABLE_PAGE, MMB_STRATEGY_THREAD_LOCAL};
    n_failed = n_damaged = 0;
    done = false;
    space = lab_space(limit);
    for (size_t i = 0; i < N_INTERFACES; i++)
        interfaces[i] = lab_interface(space, strategies[i], i < 4 ? LAB_MMAP : LAB_MALLOC,
                                      MMB_INTERFACE_FINDABLE);
}

static void finish(void)
{
    SUITE_CHECK(n_failed == 0, "%zu calls failed", (size_t)n_failed);
    SUITE_CHECK(n_damaged == 0, "%zu times bytes or alignment were lost", (size_t)n_damaged);
    SUITE_CHECK(lab_used(space) == 0, "%zu B stay charged", lab_used(space));
    for (size_t i = 0; i < N_INTERFACES; i++) {
        CU_ASSERT_EQUAL(mmb_interface_trim(interfaces[i], 0), MMB_OK);
        mmbMemInterfaceStats stats = lab_stats(interfaces[i]);
        SUITE_CHECK(stats.live_count == 0 && stats.live_bytes == 0 && stats.chunks == 0,
                    "interface %zu: %zu blocks with %zu B live, %zu chunks", i, stats.live_count,
                    stats.live_bytes, stats.chunks);
    }
    CU_ASSERT_EQUAL(mmb_destroy_space(space), MMB_OK);
}

static void test_move_against_give_back(void)
{
    pthread_t threads[N_THREADS], trimmer;
    start(MMB_NO_LIMIT);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&trimmer, NULL, trim, NULL), 0);
    for (size_t i = 0; i < N_THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(
            pthread_create(&threads[i], NULL, move, (void *)(uintptr_t)(i * 77 + 1)), 0);
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    done = true;
    pthread_join(trimmer, NULL);
    finish();
}

/* ---- one object, many readers ---- */

static mmbAllocation *shared;

/* Slices, holds and questions of several threads at once: none sees the extension of another. */
static void *use(void *argument)
{
    uint64_t state = (uintptr_t)argument;
    for (size_t i = steps() / 2; i > 0; i--) {
        mmbAllocation *part = NULL;
        mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
        size_t n_bytes = 1 + lab_random(&state) % 1000;
        expect(mmb_allocation_slice(shared, 1000 - n_bytes, n_bytes, &part));
        expect(mmb_region_hold(part));
        expect(mmb_allocation_get_info(shared, &info));
        if (info.n_bytes != 1000 || info.parent || !info.owned ||
            mmb_allocation_size(shared) != 1000)
            atomic_fetch_add(&n_damaged, 1);
        expect(mmb_region_unhold(part));
        expect(mmb_free(part));
    }
    return NULL;
}

/* Its size at each moment, while its extension comes and goes. */
static void *ask(void *argument)
{
    (void)argument;
    while (!atomic_load(&done))
        if (mmb_allocation_size(shared) != 1000)
            atomic_fetch_add(&n_damaged, 1);
    return NULL;
}

static void test_move_of_an_object_in_common_use(void)
{
    pthread_t threads[N_THREADS], asker;
    start(MMB_NO_LIMIT);
    shared = lab_new(interfaces[0], 1000);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&asker, NULL, ask, NULL), 0);
    for (size_t i = 0; i < N_THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, use, (void *)(uintptr_t)(i + 1)),
                              0);
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    done = true;
    pthread_join(asker, NULL);
    CU_ASSERT_EQUAL(mmb_migrate(shared, interfaces[1]), MMB_OK);
    lab_free(shared);
    finish();
}

/* ---- homes that go ---- */

#define N_HANDLES 64

static mmbAllocation *handles[N_HANDLES];
static pthread_barrier_t barrier;

static void *free_handles(void *argument)
{
    size_t first = (size_t)(uintptr_t)argument;
    pthread_barrier_wait(&barrier);
    for (size_t i = first; i < N_HANDLES; i += 2)
        expect(mmb_free(handles[i]));
    return NULL;
}

/* The handles were made in `home` and have left it; it is destroyed while two threads free them. */
static void lose_home(mmbStrategy strategy)
{
    pthread_t threads[2];
    mmbMemInterface *home = lab_interface(space, strategy, LAB_MMAP, 0);
    for (size_t i = 0; i < N_HANDLES; i++) {
        handles[i] = lab_new(home, 100 * (i + 1));
        expect(mmb_migrate(handles[i], interfaces[i % 2]));
    }
    pthread_barrier_init(&barrier, NULL, 3);
    for (size_t i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, free_handles, (void *)(uintptr_t)i),
                              0);
    pthread_barrier_wait(&barrier);
    CU_ASSERT_EQUAL(mmb_destroy_interface(home), MMB_OK);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
}

static void test_move_away_from_a_home_that_goes(void)
{
    static const mmbStrategy strategies[] = {MMB_STRATEGY_SCALABLE_PAGE, MMB_STRATEGY_STACK,
                                             MMB_STRATEGY_THREAD_LOCAL, MMB_STRATEGY_PASSTHROUGH};
    start(MMB_NO_LIMIT);
    for (size_t i = 0; i < steps() / 20; i++)
        lose_home(strategies[i % 4]);
    finish();
}

MMB_SUITE_WITH("stress/move", lab_open, lab_close, T(test_move_against_give_back),
               T(test_move_of_an_object_in_common_use), T(test_move_away_from_a_home_that_goes))
