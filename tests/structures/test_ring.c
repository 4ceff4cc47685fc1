/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a queue between processes loses, doubles and reorders nothing, says when it
 * is full or empty, and goes on whoever is killed. */
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "tests/support/control.h"
#include "tests/support/objects.h"
#include "tests/support/suite.h"

#define N_EACH      3000
#define N_PRODUCERS 2
#define N_CONSUMERS 2

/* Larger than a word, so that half an element would show. */
struct element {
    uint64_t producer;
    uint64_t number;
    uint64_t again[5];
};

static mmbSharedRing ring;

static void make(size_t n_elements)
{
    CU_ASSERT_EQUAL_FATAL(
        mmb_shared_ring_create(objects_heap, sizeof(struct element), n_elements, &ring), MMB_OK);
    objects_talk->pointer[0] = ring.object.pointer;
}

static struct element element(uint64_t producer, uint64_t number)
{
    struct element made = {producer, number, {number, number, number, number, number}};
    return made;
}

static bool is_whole(const struct element *element)
{
    for (size_t i = 0; i < N_ROWS(element->again); i++)
        if (element->again[i] != element->number)
            return false;
    return true;
}

static size_t count(void)
{
    size_t n = 999;
    CU_ASSERT_EQUAL(mmb_shared_ring_count(&ring, &n), MMB_OK);
    return n;
}

/* covers: mmb_shared_ring_push MMB_BUSY, mmb_shared_ring_pop MMB_NOT_FOUND */
static void test_ring_is_first_in_first_out(void)
{
    struct element in, out;
    make(5); /* 8 places */
    for (uint64_t round = 0; round < 100; round++) {
        CU_ASSERT_EQUAL(mmb_shared_ring_pop(&ring, &out), MMB_NOT_FOUND);
        for (uint64_t i = 0; i < 8; i++) {
            in = element(0, round * 8 + i);
            CU_ASSERT_EQUAL(mmb_shared_ring_push(&ring, &in), MMB_OK);
        }
        CU_ASSERT_EQUAL(mmb_shared_ring_push(&ring, &in), MMB_BUSY);
        CU_ASSERT_EQUAL(count(), 8);
        for (uint64_t i = 0; i < 8; i++) {
            CU_ASSERT_EQUAL(mmb_shared_ring_pop(&ring, &out), MMB_OK);
            CU_ASSERT_TRUE(is_whole(&out) && out.number == round * 8 + i);
        }
        CU_ASSERT_EQUAL(count(), 0);
    }
    CU_ASSERT_EQUAL(mmb_shared_ring_destroy(&ring), MMB_OK);
    CU_ASSERT_EQUAL(objects_live_count(), 0);
}

static void test_ring_of_one_place(void)
{
    struct element in = element(0, 1), out;
    make(1);
    for (uint64_t i = 0; i < 20; i++) {
        in = element(0, i);
        CU_ASSERT_EQUAL(mmb_shared_ring_push(&ring, &in), MMB_OK);
        CU_ASSERT_EQUAL(mmb_shared_ring_push(&ring, &in), MMB_BUSY);
        CU_ASSERT_EQUAL(mmb_shared_ring_pop(&ring, &out), MMB_OK);
        CU_ASSERT_EQUAL(out.number, i);
        CU_ASSERT_EQUAL(mmb_shared_ring_pop(&ring, &out), MMB_NOT_FOUND);
    }
}

/* ---- many processes ---- */

static mmbError open_ring(mmbSharedRing *out)
{
    mmbMemInterface *mine = objects_attach();
    return mine ? mmb_shared_ring_open(mine, objects_talk->pointer[0], out) : MMB_ERROR;
}

static int produce(void *argument)
{
    uint64_t self = *(uint64_t *)argument;
    mmbSharedRing own;
    if (open_ring(&own) != MMB_OK)
        return 1;
    for (uint64_t i = 0; i < N_EACH; i++) {
        struct element in = element(self, i);
        mmbError error;
        while ((error = mmb_shared_ring_push(&own, &in)) == MMB_BUSY)
            sched_yield();
        if (error != MMB_OK)
            return 2;
    }
    return 0;
}

/* Each producer's numbers rise, whoever else takes some of them; each is tallied once. */
static int consume(void *unused)
{
    (void)unused;
    uint64_t next[N_PRODUCERS] = {0};
    mmbSharedRing own;
    struct element out;
    if (open_ring(&own) != MMB_OK)
        return 1;
    while (atomic_load(&objects_talk->words[1]) < (uint64_t)N_PRODUCERS * N_EACH) {
        mmbError error = mmb_shared_ring_pop(&own, &out);
        if (error == MMB_NOT_FOUND)
            sched_yield();
        else if (error != MMB_OK)
            return 2;
        if (error != MMB_OK)
            continue;
        if (!is_whole(&out) || out.producer >= N_PRODUCERS || out.number >= N_EACH ||
            out.number < next[out.producer])
            return 3;
        next[out.producer] = out.number + 1;
        atomic_fetch_add(&objects_talk->tally[out.number], (uint64_t)1 << 8 * out.producer);
        atomic_fetch_add(&objects_talk->words[1], 1);
    }
    return 0;
}

static void test_ring_between_processes(void)
{
    uint64_t numbers[N_PRODUCERS] = {0, 1};
    pid_t pids[N_PRODUCERS + N_CONSUMERS];
    size_t n_wrong = 0;
    make(16);
    for (size_t i = 0; i < N_PRODUCERS; i++)
        pids[i] = objects_spawn(produce, &numbers[i]);
    for (size_t i = 0; i < N_CONSUMERS; i++)
        pids[N_PRODUCERS + i] = objects_spawn(consume, NULL);
    for (size_t i = 0; i < N_ROWS(pids); i++)
        objects_ended(pids[i]);
    for (size_t i = 0; i < N_EACH; i++)
        n_wrong += atomic_load(&objects_talk->tally[i]) != 0x0101;
    CU_ASSERT_EQUAL(n_wrong, 0);
    CU_ASSERT_EQUAL(count(), 0);
}

/* ---- stopped and killed ---- */

static int push_for_ever(void *unused)
{
    (void)unused;
    for (uint64_t i = 0;; i++) {
        struct element in = element(1, i);
        mmbError error = mmb_shared_ring_push(&ring, &in);
        if (error != MMB_OK && error != MMB_BUSY)
            return 1;
        atomic_fetch_add(&objects_talk->words[0], 1);
    }
}

static int pop_for_ever(void *unused)
{
    (void)unused;
    struct element out;
    for (;;) {
        mmbError error = mmb_shared_ring_pop(&ring, &out);
        if ((error != MMB_OK && error != MMB_NOT_FOUND) || (error == MMB_OK && !is_whole(&out)))
            return 1;
        atomic_fetch_add(&objects_talk->words[0], 1);
    }
}

static int push_and_pop(void *seed)
{
    uint32_t state = *(uint32_t *)seed;
    struct element in = element(1, state), out;
    for (;;) {
        mmbError error = objects_random(&state) % 2 ? mmb_shared_ring_push(&ring, &in)
                                                    : mmb_shared_ring_pop(&ring, &out);
        if (error != MMB_OK && error != MMB_BUSY && error != MMB_NOT_FOUND)
            return 1;
        atomic_fetch_add(&objects_talk->words[0], 1);
    }
}

/* Whole elements come out, and then as many fit in as were promised: no place is lost. */
static bool is_as_new(void)
{
    struct element in = element(0, 7), out;
    mmbError error;
    while ((error = mmb_shared_ring_pop(&ring, &out)) == MMB_OK)
        if (!is_whole(&out))
            return false;
    if (error != MMB_NOT_FOUND)
        return false;
    for (int i = 0; i < 8; i++)
        if (mmb_shared_ring_push(&ring, &in) != MMB_OK)
            return false;
    if (mmb_shared_ring_push(&ring, &in) != MMB_BUSY)
        return false;
    for (int i = 0; i < 4; i++)
        if (mmb_shared_ring_pop(&ring, &out) != MMB_OK)
            return false;
    return true;
}

static void test_ring_survives_random_kills(void)
{
    make(8);
    objects_kill_many(push_and_pop, is_as_new);
    objects_kill_many(push_for_ever, is_as_new);
    objects_kill_many(pop_for_ever, is_as_new);
}

/* A process that is stopped anywhere does not hold up the others: no call waits for it. */
static void test_ring_is_not_held_up_by_the_stopped(void)
{
    uint32_t state = 99;
    struct element in = element(0, 3), out;
    make(8);
    for (int n = 0; n < objects_n_kills(); n++) {
        uint32_t seed = objects_random(&state) | 1;
        atomic_store(&objects_talk->words[0], 0);
        pid_t pid = objects_spawn(push_and_pop, &seed);
        CU_ASSERT_TRUE(objects_await(&objects_talk->words[0], objects_random(&state) % 100));
        kill(pid, SIGSTOP);
        /* It has one place at most. */
        while (mmb_shared_ring_pop(&ring, &out) == MMB_OK)
            CU_ASSERT_TRUE(is_whole(&out));
        for (int i = 0; i < 7; i++)
            CU_ASSERT_EQUAL(mmb_shared_ring_push(&ring, &in), MMB_OK);
        objects_kill(pid);
        CU_ASSERT_TRUE(is_as_new());
    }
}

MMB_SUITE_WITH("structures/ring", objects_set_up, objects_tear_down,
               T(test_ring_is_first_in_first_out), T(test_ring_of_one_place),
               T(test_ring_between_processes), T(test_ring_survives_random_kills),
               T(test_ring_is_not_held_up_by_the_stopped))
