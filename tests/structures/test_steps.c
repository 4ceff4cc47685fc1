/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a process may be killed after any instruction of a call on an object, and for
 * all others the call happened wholly or not at all.
 *
 * A child is stepped instruction by instruction through one call. What others can see of it changes
 * only when a word of the segment does, so it is killed once in each of these states: that is every
 * instruction, without asking the same question twice. MMB_TEST_STRIDE of n tests every nth state
 * only. The object is made anew each time. */
#include <stdio.h>
#include <string.h>
#include "tests/support/control.h"
#include "tests/support/objects.h"
#include "tests/support/steps.h"
#include "tests/support/suite.h"

#define SEGMENT_BYTES ((size_t)64 << 10)
#define STATES_MAX    3000
#define N             16 /* elements that fit before it has to grow */

struct element {
    uint64_t value;
    uint64_t again[3];
};

static mmbSharedRing ring;
static mmbSharedVector vector;
static mmbSharedList list;
static mmbSharedMap map;
static mmbSharedMutex mutex;
static mmbSharedRwlock rwlock;
static uint64_t middle; /* a position of the list */

static struct element element(uint64_t value)
{
    struct element made = {value, {value, value, value}};
    return made;
}

static bool is_whole(const struct element *element)
{
    return element->value == element->again[0] && element->value == element->again[1] &&
           element->value == element->again[2];
}

/* ---- the ring: 4 places, 2 elements ---- */

static void make_ring(void)
{
    mmb_shared_ring_create(objects_heap, sizeof(struct element), 4, &ring);
    for (uint64_t i = 0; i < 2; i++) {
        struct element in = element(i);
        mmb_shared_ring_push(&ring, &in);
    }
}

static bool push_ring(void)
{
    struct element in = element(2);
    return mmb_shared_ring_push(&ring, &in) == MMB_OK;
}

static bool pop_ring(void)
{
    struct element out;
    return mmb_shared_ring_pop(&ring, &out) == MMB_OK;
}

/* In order, whole, and all four places can be had again. */
static bool ring_is_right(void)
{
    struct element in = element(9), out;
    uint64_t next = UINT64_MAX, n = 0;
    while (mmb_shared_ring_pop(&ring, &out) == MMB_OK) {
        if (!is_whole(&out) || (next != UINT64_MAX && out.value != next) || out.value > 2)
            return false;
        next = out.value + 1;
        n++;
    }
    bool right = n >= 1 && n <= 3;
    for (int i = 0; i < 4; i++)
        right = right && mmb_shared_ring_push(&ring, &in) == MMB_OK;
    return right && mmb_shared_ring_push(&ring, &in) == MMB_BUSY &&
           mmb_shared_ring_destroy(&ring) == MMB_OK;
}

/* ---- the vector: element i is i, or i + 100 ---- */

static void make_vector_of(uint64_t n)
{
    mmb_shared_vector_create(objects_heap, sizeof(struct element), N, &vector);
    for (uint64_t i = 0; i < n; i++) {
        struct element in = element(i);
        mmb_shared_vector_push(&vector, &in);
    }
}

static void make_vector(void)
{
    make_vector_of(5);
}

static void make_full_vector(void)
{
    make_vector_of(N);
}

static bool push_vector(void)
{
    size_t n = 0;
    mmb_shared_vector_count(&vector, &n);
    struct element in = element(n);
    return mmb_shared_vector_push(&vector, &in) == MMB_OK;
}

static bool pop_vector(void)
{
    return mmb_shared_vector_pop(&vector, NULL) == MMB_OK;
}

static bool set_vector(void)
{
    struct element in = element(103);
    return mmb_shared_vector_set(&vector, 3, &in) == MMB_OK;
}

static bool vector_is_right(void)
{
    struct element out;
    size_t n = 0;
    bool right = mmb_shared_vector_count(&vector, &n) == MMB_OK && n >= 4 && n <= N + 1;
    for (size_t i = 0; right && i < n; i++)
        right = mmb_shared_vector_get(&vector, i, &out) == MMB_OK && is_whole(&out) &&
                out.value % 100 == i;
    size_t more = 0;
    return right && push_vector() && mmb_shared_vector_count(&vector, &more) == MMB_OK &&
           more == n + 1 && mmb_shared_vector_destroy(&vector) == MMB_OK;
}

/* ---- the list: rising values ---- */

static void make_list_of(uint64_t n)
{
    mmb_shared_list_create(objects_heap, sizeof(struct element), N - 1, &list);
    for (uint64_t i = 0; i < n; i++) {
        struct element in = element(i * 10);
        uint64_t position = 0;
        mmb_shared_list_insert(&list, 0, &in, &position);
        middle = i == 2 ? position : middle;
    }
}

static void make_list(void)
{
    make_list_of(5);
}

static void make_full_list(void)
{
    make_list_of(N - 1);
}

/* With a node in the chain of unused ones. */
static void make_used_list(void)
{
    uint64_t last = 0;
    make_list_of(6);
    mmb_shared_list_previous(&list, 0, &last);
    mmb_shared_list_remove(&list, last, NULL);
}

static bool insert_list(void)
{
    struct element in = element(15);
    return mmb_shared_list_insert(&list, middle, &in, NULL) == MMB_OK;
}

static bool remove_list(void)
{
    return mmb_shared_list_remove(&list, middle, NULL) == MMB_OK;
}

static bool set_list(void)
{
    struct element in = element(25);
    return mmb_shared_list_set(&list, middle, &in) == MMB_OK;
}

/* Rising when it is walked one way, falling the other; the counts agree. */
static bool walk_is_right(bool forward, size_t *out_n)
{
    uint64_t position = 0, last = forward ? 0 : UINT64_MAX;
    struct element out;
    *out_n = 0;
    while ((forward ? mmb_shared_list_next : mmb_shared_list_previous)(&list, position,
                                                                       &position) == MMB_OK) {
        if (mmb_shared_list_get(&list, position, &out) != MMB_OK || !is_whole(&out) ||
            (forward ? out.value < last : out.value > last) || ++*out_n > N)
            return false;
        last = out.value;
    }
    return true;
}

static bool list_is_right(void)
{
    struct element in = element(1000);
    size_t n, m, counted = 0, after = 0;
    bool right = walk_is_right(true, &n) && walk_is_right(false, &m) && n == m && n >= 4 &&
                 mmb_shared_list_count(&list, &counted) == MMB_OK && counted == n;
    for (int i = 0; i < 3; i++)
        right = right && mmb_shared_list_insert(&list, 0, &in, NULL) == MMB_OK;
    return right && mmb_shared_list_count(&list, &after) == MMB_OK && after == n + 3 &&
           mmb_shared_list_destroy(&list) == MMB_OK;
}

/* ---- the map: key i has i or i + 100 ---- */

static bool put(uint64_t key, uint64_t value)
{
    struct element in = element(value);
    return mmb_shared_map_put(&map, &key, &in) == MMB_OK;
}

static void make_map_of(uint64_t n)
{
    mmb_shared_map_create(objects_heap, sizeof(uint64_t), sizeof(struct element), N, &map);
    for (uint64_t i = 0; i < n; i++)
        put(i, i);
}

static void make_map(void)
{
    make_map_of(5);
}

static void make_full_map(void)
{
    make_map_of(N);
}

static bool put_new(void)
{
    return put(50, 50);
}

static bool put_again(void)
{
    return put(3, 103);
}

static bool remove_map(void)
{
    uint64_t key = 3;
    return mmb_shared_map_remove(&map, &key, NULL) == MMB_OK;
}

static bool map_is_right(void)
{
    uint64_t cursor = 0, key;
    struct element out;
    size_t n = 0, counted = 0;
    bool right = true;
    while (right && mmb_shared_map_next(&map, &cursor, &key, NULL) == MMB_OK) {
        right = mmb_shared_map_get(&map, &key, &out) == MMB_OK && is_whole(&out) &&
                out.value % 100 == key;
        n++;
    }
    right = right && mmb_shared_map_count(&map, &counted) == MMB_OK && counted == n && n >= 4;
    for (key = 200; key < 220; key++)
        right = right && put(key, key);
    return right && mmb_shared_map_count(&map, &counted) == MMB_OK && counted == n + 20 &&
           mmb_shared_map_destroy(&map) == MMB_OK;
}

/* ---- locks: words 1 and 2 are equal outside ---- */

static void change_data(void)
{
    atomic_fetch_add(&objects_talk->words[1], 1);
    atomic_fetch_add(&objects_talk->words[2], 1);
}

static bool data_is_right(bool *died)
{
    bool is_equal = atomic_load(&objects_talk->words[1]) == atomic_load(&objects_talk->words[2]);
    bool right = is_equal || *died;
    atomic_store(&objects_talk->words[2], atomic_load(&objects_talk->words[1]));
    return right;
}

static void make_mutex(void)
{
    mmb_shared_mutex_create(objects_heap, &mutex);
}

static bool use_mutex(void)
{
    mmbError error = mmb_shared_mutex_lock(&mutex, NULL);
    change_data();
    return error == MMB_OK && mmb_shared_mutex_unlock(&mutex) == MMB_OK;
}

static bool mutex_is_right(void)
{
    bool died = false;
    return mmb_shared_mutex_lock(&mutex, &died) == MMB_OK && data_is_right(&died) &&
           mmb_shared_mutex_unlock(&mutex) == MMB_OK && mmb_shared_mutex_destroy(&mutex) == MMB_OK;
}

static void make_rwlock(void)
{
    mmb_shared_rwlock_create(objects_heap, &rwlock);
}

static bool use_rwlock_to_write(void)
{
    mmbError error = mmb_shared_rwlock_write_lock(&rwlock, NULL);
    change_data();
    return error == MMB_OK && mmb_shared_rwlock_write_unlock(&rwlock) == MMB_OK;
}

static bool use_rwlock_to_read(void)
{
    return mmb_shared_rwlock_read_lock(&rwlock, NULL) == MMB_OK &&
           mmb_shared_rwlock_read_unlock(&rwlock) == MMB_OK;
}

static bool rwlock_is_right(void)
{
    bool died = false;
    return mmb_shared_rwlock_write_lock(&rwlock, &died) == MMB_OK && data_is_right(&died) &&
           mmb_shared_rwlock_write_unlock(&rwlock) == MMB_OK &&
           mmb_shared_rwlock_read_lock(&rwlock, NULL) == MMB_OK &&
           mmb_shared_rwlock_read_unlock(&rwlock) == MMB_OK &&
           mmb_shared_rwlock_destroy(&rwlock) == MMB_OK;
}

static bool readers_are_right(void)
{
    bool died = true;
    return mmb_shared_rwlock_write_lock(&rwlock, &died) == MMB_OK && !died &&
           mmb_shared_rwlock_write_unlock(&rwlock) == MMB_OK &&
           mmb_shared_rwlock_destroy(&rwlock) == MMB_OK;
}

/* ---- stepping ---- */

struct operation {
    const char *name;
    void (*make)(void);
    bool (*act)(void);
    bool (*is_right)(void);
};

static const struct operation operations[] = {
    {"ring push", make_ring, push_ring, ring_is_right},
    {"ring pop", make_ring, pop_ring, ring_is_right},
    {"vector push", make_vector, push_vector, vector_is_right},
    {"vector push that grows", make_full_vector, push_vector, vector_is_right},
    {"vector pop", make_vector, pop_vector, vector_is_right},
    {"vector set", make_vector, set_vector, vector_is_right},
    {"list insert", make_list, insert_list, list_is_right},
    {"list insert into a used node", make_used_list, insert_list, list_is_right},
    {"list insert that grows", make_full_list, insert_list, list_is_right},
    {"list remove", make_list, remove_list, list_is_right},
    {"list set", make_list, set_list, list_is_right},
    {"map put", make_map, put_new, map_is_right},
    {"map put that grows", make_full_map, put_new, map_is_right},
    {"map put again", make_map, put_again, map_is_right},
    {"map remove", make_map, remove_map, map_is_right},
    {"mutex", make_mutex, use_mutex, mutex_is_right},
    {"rwlock to write", make_rwlock, use_rwlock_to_write, rwlock_is_right},
    {"rwlock to read", make_rwlock, use_rwlock_to_read, readers_are_right},
};

static unsigned char seen[SEGMENT_BYTES];
static const unsigned char *segment;

static bool has_changed(void)
{
    if (memcmp(seen, segment, SEGMENT_BYTES) == 0)
        return false;
    memcpy(seen, segment, SEGMENT_BYTES);
    return true;
}

/* In how many states it was killed; 0: it may not be traced. What a kill left of blocks goes before
 * the next, for the heap is small; one that nobody is left with goes when the heap does. */
static size_t kill_everywhere(const struct operation *operation)
{
    const struct steps steps = {NULL, operation->act, has_changed, false};
    size_t stride = steps_stride(7);
    for (size_t state = 1; state < STATES_MAX; state += stride) {
        operation->make();
        struct steps_end end = steps_kill(&steps, state);
        if (end.untraced)
            return 0;
        SUITE_CHECK(end.killed || end.done, "%s, state %zu: it ended with 0x%x", operation->name,
                    state, (unsigned int)end.status);
        if (!SUITE_CHECK(operation->is_right(), "%s, state %zu: %s", operation->name, state,
                         mmb_error_detail()))
            return state;
        size_t freed = 0;
        CU_ASSERT_EQUAL(mmb_shm_reclaim(objects_heap, NULL, NULL, &freed), MMB_OK);
        SUITE_CHECK(objects_live_count() <= 1, "%s, state %zu: %zu blocks are left",
                    operation->name, state, objects_live_count());
        if (objects_live_count() > 0)
            objects_remake(MMB_STRATEGY_SCALABLE_PAGE, SEGMENT_BYTES);
        segment = objects_base();
        if (!end.killed)
            return state;
    }
    return STATES_MAX;
}

static void test_steps_of_every_call(void)
{
    if (steps_skip())
        return;
    objects_remake(MMB_STRATEGY_SCALABLE_PAGE, SEGMENT_BYTES);
    segment = objects_base();
    for (size_t i = 0; i < N_ROWS(operations); i++) {
        size_t n = kill_everywhere(&operations[i]);
        printf("# %s: %zu states\n", operations[i].name, n);
        if (n == 0) {
            suite_skip("processes may not be traced here");
            return;
        }
        SUITE_CHECK(n > 1 && n < STATES_MAX, "%s: %zu states", operations[i].name, n);
    }
}

MMB_SUITE_WITH("structures/steps", objects_set_up, objects_tear_down, T(test_steps_of_every_call))
