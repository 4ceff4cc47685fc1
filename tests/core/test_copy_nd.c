/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of two and more dimensions against a model that moves single bytes, between all places and
 * inside one object; and what is refused before a byte moves. */
#include <stdint.h>
#include <string.h>
#include "tests/support/copy_world.h"
#include "tests/support/suite.h"

#define DIMS_MAX     4
#define OBJECT_BYTES 400

static uint64_t random_state;

static size_t pick(size_t bound)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(random_state >> 33) % bound;
}

struct box {
    size_t n_dims;
    size_t dims[DIMS_MAX];
    size_t doffset[DIMS_MAX], soffset[DIMS_MAX];
    size_t dpitch[DIMS_MAX], spitch[DIMS_MAX];
};

static void pick_pitch(const struct box *box, size_t *pitch)
{
    size_t span = box->dims[box->n_dims - 1];
    for (size_t i = box->n_dims - 1; i-- > 0;) {
        pitch[i] = span + pick(4) * pick(4);
        span = (box->dims[i] - 1) * pitch[i] + span;
    }
}

static struct box pick_box(void)
{
    struct box box = {.n_dims = 1 + pick(DIMS_MAX)};
    for (size_t i = 0; i < box.n_dims; i++) {
        box.dims[i] = 1 + pick(5);
        box.doffset[i] = pick(3);
        box.soffset[i] = pick(3);
    }
    pick_pitch(&box, box.dpitch);
    pick_pitch(&box, box.spitch);
    if (pick(2) == 0)
        memcpy(box.spitch, box.dpitch, sizeof(box.spitch));
    return box;
}

static size_t offset_of(const struct box *box, const size_t *offset, const size_t *pitch,
                        const size_t *index)
{
    size_t last = box->n_dims - 1;
    size_t byte = offset[last] + index[last];
    for (size_t i = 0; i < last; i++)
        byte += (offset[i] + index[i]) * pitch[i];
    return byte;
}

static bool next_index(const struct box *box, size_t *index)
{
    for (size_t i = box->n_dims; i-- > 0;) {
        if (++index[i] < box->dims[i])
            return true;
        index[i] = 0;
    }
    return false;
}

/* Marks the box's bytes in an object; false when one lies outside. */
static bool mark(const struct box *box, const size_t *offset, const size_t *pitch, bool *marks)
{
    size_t index[DIMS_MAX] = {0};
    memset(marks, 0, OBJECT_BYTES);
    do {
        size_t byte = offset_of(box, offset, pitch, index);
        if (byte >= OBJECT_BYTES)
            return false;
        marks[byte] = true;
    } while (next_index(box, index));
    return true;
}

static void move(const struct box *box, unsigned char *dst, const unsigned char *src)
{
    size_t index[DIMS_MAX] = {0};
    do
        dst[offset_of(box, box->doffset, box->dpitch, index)] =
            src[offset_of(box, box->soffset, box->spitch, index)];
    while (next_index(box, index));
}

/* What the library must answer, and in `expected` what the destination must hold afterwards. */
static mmbError predict(const struct box *box, bool is_one_object, unsigned char *expected,
                        const unsigned char *src)
{
    static bool to[OBJECT_BYTES], from[OBJECT_BYTES];
    if (!mark(box, box->doffset, box->dpitch, to) || !mark(box, box->soffset, box->spitch, from))
        return MMB_INVALID_SIZE;
    for (size_t i = 0; is_one_object && i < OBJECT_BYTES; i++)
        if (to[i] && from[i])
            return MMB_INVALID_ARG;
    move(box, expected, src);
    return MMB_OK;
}

static mmbError copy_box(const struct box *box, mmbAllocation *dst, const mmbAllocation *src)
{
    if (box->n_dims == 2 && pick(2) == 0)
        return mmb_copy_2d(dst, box->doffset[1], box->doffset[0], box->dpitch[0], src,
                           box->soffset[1], box->soffset[0], box->spitch[0], box->dims[1],
                           box->dims[0]);
    return mmb_copy_nd(dst, box->doffset, box->dpitch, src, box->soffset, box->spitch, box->n_dims,
                       box->dims);
}

/* counts[error] of the answers. */
static void check_boxes(mmbAllocation *dst, mmbAllocation *src, int rounds, size_t *counts)
{
    static unsigned char expected[OBJECT_BYTES];
    for (int round = 0; round < rounds; round++) {
        struct box box = pick_box();
        world_fill(world_bytes(src), OBJECT_BYTES, (unsigned int)round);
        if (dst != src)
            world_fill(world_bytes(dst), OBJECT_BYTES, (unsigned int)round + 1);
        memcpy(expected, world_bytes(dst), OBJECT_BYTES);
        mmbError predicted = predict(&box, dst == src, expected, world_bytes(src));
        mmbError error = copy_box(&box, dst, src);
        counts[error]++;
        if (!SUITE_CHECK(error == predicted &&
                             memcmp(world_bytes(dst), expected, OBJECT_BYTES) == 0,
                         "round %d: error %d, predicted %d", round, (int)error, (int)predicted))
            return;
    }
}

static void test_copy_nd_does_what_the_model_does(void)
{
    random_state = 1;
    for (int to = 0; to < WORLD_PLACES; to++)
        for (int from = 0; from < WORLD_PLACES; from++) {
            size_t counts[32] = {0};
            mmbAllocation *dst = world_new((enum world_place)to, OBJECT_BYTES);
            mmbAllocation *src = world_new((enum world_place)from, OBJECT_BYTES);
            check_boxes(dst, src, 300, counts);
            SUITE_CHECK(counts[MMB_OK] > 30, "%s from %s: %zu copies", world_names[to],
                        world_names[from], counts[MMB_OK]);
            world_free(dst);
            world_free(src);
        }
}

/* covers: mmb_copy_nd MMB_INVALID_ARG MMB_INVALID_SIZE, mmb_copy_2d MMB_INVALID_ARG
 * MMB_INVALID_SIZE */
static void test_copy_nd_inside_one_object_is_refused_exactly_on_overlap(void)
{
    random_state = 2;
    for (int place = 0; place < WORLD_PLACES; place++) {
        size_t counts[32] = {0};
        mmbAllocation *object = world_new((enum world_place)place, OBJECT_BYTES);
        check_boxes(object, object, 2000, counts);
        SUITE_CHECK(counts[MMB_OK] > 50 && counts[MMB_INVALID_ARG] > 50 &&
                        counts[MMB_INVALID_SIZE] > 50,
                    "%s: %zu copied, %zu overlapping, %zu out of range", world_names[place],
                    counts[MMB_OK], counts[MMB_INVALID_ARG], counts[MMB_INVALID_SIZE]);
        world_free(object);
    }
}

static void test_copy_nd_without_pitch_is_dense(void)
{
    mmbAllocation *dst = world_new(WORLD_HOST, 24), *src = world_new(WORLD_HOST, 200);
    unsigned char *to = world_bytes(dst), *from = world_bytes(src);
    world_fill(from, 200, 1);
    CU_ASSERT_EQUAL(mmb_copy_nd(dst, (size_t[]){0, 0, 0}, NULL, src, (size_t[]){1, 2, 3},
                                (size_t[]){50, 10}, 3, (size_t[]){2, 3, 4}),
                    MMB_OK);
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < 3; j++)
            CU_ASSERT_EQUAL(memcmp(to + i * 12 + j * 4, from + (1 + i) * 50 + (2 + j) * 10 + 3, 4),
                            0);
    world_free(dst);
    world_free(src);
}

static void test_copy_nd_of_0_bytes_does_nothing(void)
{
    mmbAllocation *dst = world_new(WORLD_LEFT, 64), *src = world_new(WORLD_HOST, 64);
    size_t far[2] = {SIZE_MAX, SIZE_MAX};
    CU_ASSERT_EQUAL(mmb_copy_nd(dst, far, NULL, src, far, NULL, 2, (size_t[]){SIZE_MAX, 0}),
                    MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy_nd(dst, far, far, src, far, far, 2, (size_t[]){0, SIZE_MAX}), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy_2d(dst, 99, 99, 0, src, 99, 99, 0, 0, 5), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy_2d(dst, 99, 99, 0, src, 99, 99, 0, 5, 0), MMB_OK);
    CU_ASSERT_EQUAL(fake_device_transfers(&world.left), 0);
    world_free(dst);
    world_free(src);
}

/* ---- what is refused ---- */

struct rectangle {
    size_t x, y, pitch, width, height;
    mmbError expected;
};

static void test_copy_2d_checks_every_number(void)
{
    static const struct rectangle rows[] = {
        {0, 0, 10, 10, 10, MMB_OK},
        {0, 0, 9, 10, 10, MMB_INVALID_SIZE},
        {0, 0, 0, 10, 1, MMB_INVALID_SIZE},
        {1, 0, 10, 10, 10, MMB_INVALID_SIZE},
        {0, 1, 10, 10, 10, MMB_INVALID_SIZE},
        {0, 0, 10, 10, 11, MMB_INVALID_SIZE},
        {90, 0, 10, 10, 1, MMB_OK},
        {0, 9, 10, 10, 1, MMB_OK},
        {0, 10, 10, 10, 1, MMB_INVALID_SIZE},
        {0, SIZE_MAX, 10, 10, 1, MMB_INVALID_SIZE},
        {SIZE_MAX, 0, 10, 10, 1, MMB_INVALID_SIZE},
        {0, SIZE_MAX / 2 + 1, 2, 2, 1, MMB_INVALID_SIZE}, /* y * pitch wraps to 0 */
        {0, 0, SIZE_MAX, 10, 2, MMB_INVALID_SIZE},
        {0, 0, 10, SIZE_MAX, 1, MMB_INVALID_SIZE},
        {0, 0, 10, 10, SIZE_MAX, MMB_INVALID_SIZE},
        {0, 0, SIZE_MAX, SIZE_MAX, SIZE_MAX, MMB_INVALID_SIZE},
        {0, 0, 4, 4, SIZE_MAX / 4 + 1, MMB_INVALID_SIZE}, /* bytes wrap to 0 */
    };
    mmbAllocation *dst = world_new(WORLD_HOST, 100), *src = world_new(WORLD_HOST, 100);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct rectangle *row = &rows[i];
        size_t pitch = row->width <= 10 ? 10 : row->width;
        world_fill(world_bytes(dst), 100, 1);
        world_fill(world_bytes(src), 100, 2);
        mmbError to =
            mmb_copy_2d(dst, row->x, row->y, row->pitch, src, 0, 0, pitch, row->width, row->height);
        SUITE_CHECK(to == row->expected, "row %zu, destination: error %d", i, (int)to);
        SUITE_CHECK(to == MMB_OK || world_is_filled(world_bytes(dst), 100, 1), "row %zu moved", i);
        mmbError from =
            mmb_copy_2d(dst, 0, 0, pitch, src, row->x, row->y, row->pitch, row->width, row->height);
        SUITE_CHECK(from == row->expected, "row %zu, source: error %d", i, (int)from);
    }
    world_free(dst);
    world_free(src);
}

/* covers: mmb_copy_nd MMB_INVALID_ARG */
static void test_copy_nd_wants_dimensions_and_arrays(void)
{
    mmbAllocation *dst = world_new(WORLD_HOST, 64), *src = world_new(WORLD_HOST, 64);
    size_t zeros[17] = {0}, ones[17];
    for (size_t i = 0; i < 17; i++)
        ones[i] = 1;
    CU_ASSERT_EQUAL(mmb_copy_nd(dst, zeros, NULL, src, zeros, NULL, 16, ones), MMB_OK);
    CU_ASSERT_EQUAL(mmb_copy_nd(dst, zeros, NULL, src, zeros, NULL, 17, ones), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_copy_nd(dst, zeros, NULL, src, zeros, NULL, 0, ones), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_copy_nd(dst, zeros, NULL, src, zeros, NULL, 2, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_copy_nd(dst, NULL, NULL, src, zeros, NULL, 2, ones), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_copy_nd(dst, zeros, NULL, src, NULL, NULL, 2, ones), MMB_INVALID_ARG);
    world_free(dst);
    world_free(src);
}

/* covers: mmb_copy_2d MMB_INVALID_ALLOCATION, mmb_copy_nd MMB_INVALID_ALLOCATION */
static void test_copy_nd_refuses_what_is_no_live_object(void)
{
    mmbAllocation *good = world_new(WORLD_HOST, 64), *freed = world_new(WORLD_HOST, 64);
    world_free(freed);
    uint64_t foreign[8] = {0};
    mmbAllocation *bad[] = {NULL, freed, (mmbAllocation *)(void *)foreign};
    size_t zero[1] = {0}, eight[1] = {8}, none[1] = {0};
    for (size_t i = 0; i < 3; i++) {
        mmbAllocation *object = bad[i];
        CU_ASSERT_EQUAL(mmb_copy_2d(object, 0, 0, 8, good, 0, 0, 8, 8, 2), MMB_INVALID_ALLOCATION);
        CU_ASSERT_EQUAL(mmb_copy_2d(good, 0, 0, 8, object, 0, 0, 8, 8, 2), MMB_INVALID_ALLOCATION);
        CU_ASSERT_EQUAL(mmb_copy_nd(object, zero, NULL, good, zero, NULL, 1, eight),
                        MMB_INVALID_ALLOCATION);
        CU_ASSERT_EQUAL(mmb_copy_nd(good, zero, NULL, object, zero, NULL, 1, none),
                        MMB_INVALID_ALLOCATION);
    }
    world_free(good);
}

/* covers: mmb_copy_2d MMB_ERROR MMB_OUT_OF_MEMORY, mmb_copy_nd MMB_ERROR MMB_OUT_OF_MEMORY */
static void test_copy_nd_passes_on_a_backends_failure(void)
{
    static const mmbError errors[] = {MMB_ERROR, MMB_OUT_OF_MEMORY};
    mmbAllocation *dst = world_new(WORLD_LEFT, 64), *src = world_new(WORLD_HOST, 64);
    for (size_t i = 0; i < 2; i++) {
        fake_device_fail_after(&world.left, 2, errors[i]);
        CU_ASSERT_EQUAL(mmb_copy_2d(dst, 0, 0, 16, src, 0, 0, 8, 8, 4), errors[i]);
        CU_ASSERT_PTR_NOT_NULL(strstr(mmb_error_detail(), "left"));
        fake_device_fail_after(&world.left, 2, errors[i]);
        CU_ASSERT_EQUAL(mmb_copy_nd(dst, (size_t[]){0, 0}, (size_t[]){16}, src, (size_t[]){0, 0},
                                    NULL, 2, (size_t[]){4, 8}),
                        errors[i]);
    }
    CU_ASSERT_EQUAL(fake_device_transfers(&world.left), 4 * 3);
    world_free(dst);
    world_free(src);
}

MMB_SUITE_WITH("core/copy_nd", world_open, world_close, T(test_copy_nd_does_what_the_model_does),
               T(test_copy_nd_inside_one_object_is_refused_exactly_on_overlap),
               T(test_copy_nd_without_pitch_is_dense), T(test_copy_nd_of_0_bytes_does_nothing),
               T(test_copy_2d_checks_every_number), T(test_copy_nd_wants_dimensions_and_arrays),
               T(test_copy_nd_refuses_what_is_no_live_object),
               T(test_copy_nd_passes_on_a_backends_failure))
