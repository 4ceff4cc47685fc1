/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a segment that is short, foreign, damaged or changed by somebody under our
 * hands gives errors, never a crash or a hang.
 *
 * A whole segment is made once; each round writes it back, breaks something by the round's own
 * seed, and lets a child attach and use whatever it still can. MMB_TEST_ROUNDS sets how many. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "src/shared/layout.h"
#include "tests/support/control.h"
#include "tests/support/segment.h"
#include "tests/support/suite.h"

#define SEGMENT_BYTES ((size_t)256 << 10)
#define HEAD_BYTES    256u
#define TRIES         200

static mmbMemSpace *space;
static unsigned char *image;
static size_t image_bytes;
static char path[100];

static uint32_t next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void set_up(void)
{
    segment_set_up();
    space = control_space(MMB_NO_LIMIT);
    snprintf(path, sizeof path, "/dev/shm%s", segment_url());
}

/* A segment in use: spans of many classes, blocks of a dead and of a detached process. */
static int fill(void *argument)
{
    mmbMemInterface *interface = argument;
    mmbAllocation *block;
    for (size_t i = 0; i < 40; i++)
        if (mmb_allocate((size_t)16 << i % 9, interface, &block) != MMB_OK)
            return 1;
    return 0;
}

static void make_image(mmbStrategy strategy)
{
    struct stat status;
    unlink(path);
    mmbMemInterface *interface = segment_interface(space, strategy, SEGMENT_BYTES);
    fill(interface);
    CU_ASSERT_TRUE(segment_run_killed(fill, interface));
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CU_ASSERT_EQUAL_FATAL(fstat(fd, &status), 0);
    image_bytes = (size_t)status.st_size;
    image = malloc(image_bytes);
    CU_ASSERT_EQUAL_FATAL(read(fd, image, image_bytes), (ssize_t)image_bytes);
    close(fd);
    CU_ASSERT_EQUAL(mmb_shm_unlink(segment_url()), MMB_OK);
}

static void drop_image(void)
{
    free(image);
    image = NULL;
}

static void write_file(const unsigned char *bytes, size_t n_bytes)
{
    unlink(path);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CU_ASSERT_TRUE_FATAL(fd >= 0 && write(fd, bytes, n_bytes) == (ssize_t)n_bytes);
    close(fd);
}

/* ---- heads ---- */

static mmbError attach(void)
{
    mmbMemInterfaceConfig config = segment_config(MMB_SHM_ATTACH, MMB_STRATEGY_DEFAULT, 0);
    mmbMemInterface *interface;
    mmbError error = segment_open(space, &config, &interface);
    if (interface)
        mmb_destroy_interface(interface);
    return error;
}

/* covers: mmb_create_interface MMB_CORRUPT, mmb_shm_check MMB_CORRUPT */
static void test_hostile_short_and_foreign_files(void)
{
    static const size_t lengths[] = {0, 1, 100, 255, 256, 4096, SEGMENT_BYTES / 2};
    make_image(MMB_STRATEGY_THREAD_LOCAL);
    for (size_t i = 0; i < N_ROWS(lengths); i++) {
        write_file(image, lengths[i]);
        SUITE_CHECK(attach() == MMB_CORRUPT && mmb_shm_check(segment_url(), NULL) == MMB_CORRUPT,
                    "%zu bytes: %s", lengths[i], mmb_error_detail());
    }
    memset(image, 0, image_bytes);
    write_file(image, image_bytes);
    CU_ASSERT_EQUAL(attach(), MMB_CORRUPT);
    memset(image, 0x5a, image_bytes);
    write_file(image, image_bytes);
    CU_ASSERT_EQUAL(attach(), MMB_CORRUPT);
    unlink(path);
    CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
    CU_ASSERT_EQUAL(attach(), MMB_CORRUPT);
    rmdir(path);
    drop_image();
}

static void test_hostile_every_bit_of_the_head_counts(void)
{
    make_image(MMB_STRATEGY_SCALABLE_PAGE);
    size_t n_accepted = 0;
    for (size_t byte = 0; byte < 128; byte++) {
        image[byte] ^= (unsigned char)(1u << byte % 8);
        write_file(image, image_bytes);
        n_accepted += attach() != MMB_CORRUPT;
        image[byte] ^= (unsigned char)(1u << byte % 8);
    }
    CU_ASSERT_EQUAL(n_accepted, 0);
    write_file(image, image_bytes);
    CU_ASSERT_EQUAL(attach(), MMB_OK);
    drop_image();
}

/* covers: mmb_create_interface MMB_PERMISSION, mmb_shm_check MMB_PERMISSION, mmb_shm_unlink
   MMB_PERMISSION */
static void test_hostile_files_of_another_user(void)
{
    make_image(MMB_STRATEGY_SCALABLE_PAGE);
    write_file(image, image_bytes);
    if (geteuid() != 0 || chown(path, 12345, 12345) != 0) {
        drop_image();
        suite_skip("only root can give a file away");
        return;
    }
    CU_ASSERT_EQUAL(attach(), MMB_PERMISSION);
    CU_ASSERT_EQUAL(mmb_shm_check(segment_url(), NULL), MMB_PERMISSION);
    CU_ASSERT_EQUAL(mmb_shm_unlink(segment_url()), MMB_PERMISSION);
    unlink(path);
    drop_image();
}

/* ---- contradictions ---- */

/* covers: mmb_allocation_from_shared MMB_CORRUPT, mmb_shm_reclaim MMB_CORRUPT */
static void test_hostile_contradictions_are_told(void)
{
    mmbMemInterface *interface = segment_interface(space, MMB_STRATEGY_THREAD_LOCAL, SEGMENT_BYTES);
    mmbAllocation *block = control_allocation(interface, 16), *found = NULL;
    mmbSharedPtr pointer = segment_pointer(block);
    unsigned char *base = (unsigned char *)mmb_allocation_ptr(block) - pointer.offset;
    const struct mmb_shared_layout *layout = &((struct mmb_shared_head *)base)->layout;
    uint64_t *descriptor = (uint64_t *)(base + layout->descriptors) +
                           ((pointer.offset - layout->data) >> layout->granule_log2);
    uint64_t right = *descriptor;
    *descriptor = right ^ (uint64_t)1 << 52; /* another class than this process made it for */
    CU_ASSERT_EQUAL(mmb_allocation_from_shared(pointer, &found), MMB_CORRUPT);
    *descriptor = (uint64_t)15 << 60;
    CU_ASSERT_EQUAL(mmb_shm_reclaim(interface, NULL, NULL, NULL), MMB_CORRUPT);
    CU_ASSERT_EQUAL(mmb_shm_check(segment_url(), NULL), MMB_CORRUPT);
    *descriptor = right;
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shm_reclaim(interface, NULL, NULL, NULL), MMB_OK);
}

/* ---- what changes ---- */

/* Everything that reads or writes the segment. The results do not matter. */
static int use(void *argument)
{
    uint32_t state = *(uint32_t *)argument;
    mmbMemInterfaceConfig config = segment_config(MMB_SHM_ATTACH, MMB_STRATEGY_DEFAULT, 0);
    mmbMemInterface *interface;
    mmbAllocation *blocks[TRIES] = {NULL}, *found;
    mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
    mmbStackMark mark;
    mmb_shm_check(segment_url(), NULL);
    if (segment_open(space, &config, &interface) != MMB_OK)
        return 1;
    mmb_interface_get_stats(interface, &stats);
    mmb_allocate(16, interface, &blocks[0]);
    mmbSharedPtr pointer = MMB_SHARED_PTR_NULL;
    mmb_allocation_get_shared(blocks[0], &pointer);
    for (int i = 1; i < TRIES; i++)
        if (mmb_allocate(1 + next(&state) % 9000, interface, &blocks[i]) == MMB_OK)
            memset(mmb_allocation_ptr(blocks[i]), 1, mmb_allocation_size(blocks[i]));
    for (int i = 0; i < TRIES; i++) {
        pointer.offset = (next(&state) % SEGMENT_BYTES) & ~(uint64_t)15;
        if (mmb_allocation_from_shared(pointer, &found) == MMB_OK && i % 2)
            mmb_free(found);
        mmb_shm_adopt(interface, pointer);
    }
    for (int i = 0; i < TRIES; i += 2)
        mmb_free(blocks[i]);
    mmb_shm_reclaim(interface, NULL, NULL, NULL);
    if (mmb_stack_mark(interface, &mark) == MMB_OK)
        mmb_stack_release(interface, mark);
    mmb_interface_trim(interface, 0);
    mmb_interface_get_stats(interface, &stats);
    return mmb_destroy_interface(interface) == MMB_OK ? 0 : 2;
}

/* Words behind the head: any of them, at times all descriptors at once. */
static void damage(unsigned char *bytes, uint32_t *state)
{
    size_t reach = next(state) % 3 ? (size_t)16 << 10 : image_bytes;
    size_t n = 1 + next(state) % (next(state) % 2 ? 16 : 2000);
    while (n-- > 0) {
        size_t at = HEAD_BYTES + next(state) % (reach - HEAD_BYTES - 8);
        uint64_t word = (uint64_t)next(state) << 32 | next(state);
        switch (next(state) % 4) {
        case 0:
            bytes[at] ^= (unsigned char)(1u << word % 8);
            break;
        case 1: /* a descriptor as it could be */
            word = (uint64_t)(1 + word % 2) << 60 | (word >> 8 & 63) << 52 |
                   (word >> 16 & 7) << 40 | (word >> 24 & 31);
            memcpy(&bytes[at & ~(size_t)7], &word, 8);
            break;
        case 2: /* a small number */
            word %= 600;
            memcpy(&bytes[at & ~(size_t)7], &word, 8);
            break;
        default:
            memcpy(&bytes[at & ~(size_t)7], &word, 8);
        }
    }
}

static void test_hostile_damaged_words(void)
{
    const char *rounds_text = getenv("MMB_TEST_ROUNDS");
    int n_rounds = rounds_text ? atoi(rounds_text) : 60;
    for (size_t s = 0; s < N_ROWS(segment_strategies); s++) {
        make_image(segment_strategies[s]);
        unsigned char *bytes = malloc(image_bytes);
        for (int round = 0; round < n_rounds; round++) {
            uint32_t state = 4242u + (uint32_t)round * 7919u;
            memcpy(bytes, image, image_bytes);
            damage(bytes, &state);
            write_file(bytes, image_bytes);
            struct suite_child child = suite_run_child(use, &state, 20);
            SUITE_CHECK(child.exited && child.code < 2,
                        "strategy %zu round %d: exited %d signalled %d timed out %d code %d", s,
                        round, child.exited, child.signalled, child.timed_out, child.code);
        }
        free(bytes);
        drop_image();
    }
}

MMB_SUITE_WITH("shared/hostile", set_up, segment_tear_down, T(test_hostile_short_and_foreign_files),
               T(test_hostile_every_bit_of_the_head_counts), T(test_hostile_files_of_another_user),
               T(test_hostile_contradictions_are_told), T(test_hostile_damaged_words))
