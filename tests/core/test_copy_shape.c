/* SPDX-License-Identifier: BSD-3-Clause */
/* The geometry of copies of n dimensions against a model that writes down every single byte: the
 * same bytes in the same order, refused exactly when one lies outside, overlapping exactly when one
 * is shared; and no number, however large, gets past the checks. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "src/core/copy_shape.h"
#include "tests/support/suite.h"

#define DIMS_MAX  5
#define BYTES_MAX 4096 /* of a model copy */

static uint64_t random_state;

static size_t pick(size_t bound)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(random_state >> 33) % bound;
}

/* ---- the model ---- */

struct model {
    size_t n_bytes;
    size_t dst[BYTES_MAX], src[BYTES_MAX]; /* offset of each byte, in the order of indices */
};

static size_t dense_pitch(const struct mmb_copy_request *request, size_t dimension)
{
    size_t pitch = 1;
    for (size_t i = dimension + 1; i < request->n_dims; i++)
        pitch *= request->dims[i];
    return pitch;
}

static size_t byte_offset(const struct mmb_copy_request *request, const struct mmb_copy_side *side,
                          const size_t *index)
{
    size_t last = request->n_dims - 1;
    size_t offset = side->offset[last] + index[last];
    for (size_t i = 0; i < last; i++)
        offset += (side->offset[i] + index[i]) *
                  (side->pitch != NULL ? side->pitch[i] : dense_pitch(request, i));
    return offset;
}

static bool next_index(size_t *index, const size_t *dims, size_t n_dims)
{
    for (size_t i = n_dims; i-- > 0;) {
        if (++index[i] < dims[i])
            return true;
        index[i] = 0;
    }
    return false;
}

static void fill_model(const struct mmb_copy_request *request, struct model *model)
{
    size_t index[DIMS_MAX] = {0};
    model->n_bytes = 0;
    for (size_t i = 0; i < request->n_dims; i++)
        if (request->dims[i] == 0)
            return;
    do {
        model->dst[model->n_bytes] = byte_offset(request, &request->dst, index);
        model->src[model->n_bytes++] = byte_offset(request, &request->src, index);
    } while (next_index(index, request->dims, request->n_dims));
}

static bool is_inside(const size_t *offsets, size_t count, size_t n_bytes)
{
    for (size_t i = 0; i < count; i++)
        if (offsets[i] >= n_bytes)
            return false;
    return true;
}

static bool has_common(const struct model *model, size_t dst_object, size_t src_object)
{
    for (size_t i = 0; i < model->n_bytes; i++)
        for (size_t j = 0; j < model->n_bytes; j++)
            if (dst_object + model->dst[i] == src_object + model->src[j])
                return true;
    return false;
}

/* ---- random requests ---- */

struct numbers {
    size_t dims[DIMS_MAX];
    size_t doffset[DIMS_MAX], soffset[DIMS_MAX];
    size_t dpitch[DIMS_MAX], spitch[DIMS_MAX];
};

static void pick_pitch(size_t *pitch, const size_t *dims, size_t n_dims)
{
    size_t span = dims[n_dims - 1];
    for (size_t i = n_dims - 1; i-- > 0;) {
        pitch[i] = span + (pick(2) == 0 ? 0 : pick(6));
        span = dims[i] == 0 ? 0 : (dims[i] - 1) * pitch[i] + span;
    }
}

static struct mmb_copy_request pick_request(struct numbers *numbers, bool may_be_empty)
{
    struct mmb_copy_request request = {.function = "test", .n_dims = 1 + pick(DIMS_MAX)};
    for (size_t i = 0; i < request.n_dims; i++) {
        numbers->dims[i] = pick(4) == 0 ? 1 : 1 + pick(4);
        numbers->doffset[i] = pick(3);
        numbers->soffset[i] = pick(3);
    }
    if (may_be_empty && pick(20) == 0)
        numbers->dims[pick(request.n_dims)] = 0;
    pick_pitch(numbers->dpitch, numbers->dims, request.n_dims);
    pick_pitch(numbers->spitch, numbers->dims, request.n_dims);
    if (pick(3) == 0)
        memcpy(numbers->spitch, numbers->dpitch, sizeof(numbers->spitch));
    request.dims = numbers->dims;
    request.dst = (struct mmb_copy_side){numbers->doffset, numbers->dpitch, SIZE_MAX};
    request.src = (struct mmb_copy_side){numbers->soffset, numbers->spitch, SIZE_MAX};
    if (pick(4) == 0)
        request.dst.pitch = NULL;
    if (pick(4) == 0)
        request.src.pitch = NULL;
    return request;
}

static size_t shape_offset(const struct mmb_copy_shape *shape, const struct mmb_strided *side,
                           const size_t *index)
{
    size_t offset = side->start;
    for (size_t i = 0; i < shape->n_dims; i++)
        offset += index[i] * side->pitch[i];
    return offset;
}

static bool is_same(const struct mmb_copy_shape *shape, const struct model *model)
{
    size_t index[MMB_COPY_DIMENSIONS_MAX] = {0};
    size_t i = 0;
    if (shape->n_bytes != model->n_bytes)
        return false;
    if (shape->n_bytes == 0)
        return true;
    do {
        if (i == model->n_bytes || shape_offset(shape, &shape->dst, index) != model->dst[i] ||
            shape_offset(shape, &shape->src, index) != model->src[i])
            return false;
        i++;
    } while (next_index(index, shape->count, shape->n_dims));
    return i == model->n_bytes;
}

/* ---- tests ---- */

static void test_copy_shape_has_the_bytes_of_the_model(void)
{
    static struct model model;
    random_state = 1;
    for (int round = 0; round < 20000; round++) {
        struct numbers numbers;
        struct mmb_copy_request request = pick_request(&numbers, true);
        struct mmb_copy_shape shape;
        fill_model(&request, &model);
        mmbError error = mmb_copy_shape_make(&request, &shape);
        if (!SUITE_CHECK(error == MMB_OK && is_same(&shape, &model), "round %d: error %d", round,
                         (int)error))
            return;
    }
}

static void test_copy_shape_refuses_exactly_what_lies_outside(void)
{
    static struct model model;
    random_state = 2;
    size_t refused = 0;
    for (int round = 0; round < 20000; round++) {
        struct numbers numbers;
        struct mmb_copy_request request = pick_request(&numbers, false);
        struct mmb_copy_shape shape;
        fill_model(&request, &model);
        size_t last = model.n_bytes - 1; /* the highest byte of either side: indices ascend */
        request.dst.n_bytes = model.dst[last] + pick(3);
        request.src.n_bytes = model.src[last] + pick(3);
        bool fits = is_inside(model.dst, model.n_bytes, request.dst.n_bytes) &&
                    is_inside(model.src, model.n_bytes, request.src.n_bytes);
        refused += !fits;
        mmbError error = mmb_copy_shape_make(&request, &shape);
        if (!SUITE_CHECK(error == (fits ? MMB_OK : MMB_INVALID_SIZE), "round %d: error %d", round,
                         (int)error))
            return;
    }
    CU_ASSERT(refused > 1000 && refused < 19000);
}

static void test_copy_shape_overlap_is_exact(void)
{
    static struct model model;
    random_state = 3;
    size_t meeting = 0;
    for (int round = 0; round < 20000; round++) {
        struct numbers numbers;
        struct mmb_copy_request request = pick_request(&numbers, true);
        struct mmb_copy_shape shape;
        fill_model(&request, &model);
        size_t dst_object = 1000 + pick(40);
        size_t src_object = 1000 + pick(40);
        bool expected = has_common(&model, dst_object, src_object);
        meeting += expected;
        mmbError error = mmb_copy_shape_make(&request, &shape);
        if (!SUITE_CHECK(error == MMB_OK &&
                             mmb_copy_shape_overlaps(&shape, dst_object, src_object) == expected,
                         "round %d: error %d, expected %d", round, (int)error, expected))
            return;
    }
    CU_ASSERT(meeting > 1000 && meeting < 19000);
}

/* 2^40 rows: this ends today only if nobody goes over them. */
static void test_copy_shape_settles_interleaved_columns_at_once(void)
{
    size_t rows = (size_t)1 << 40;
    size_t doffset[2] = {0, 8}, soffset[2] = {0, 24};
    struct mmb_copy_request request = {.function = "test",
                                       .dst = {doffset, (size_t[]){64}, SIZE_MAX},
                                       .src = {soffset, (size_t[]){64}, SIZE_MAX},
                                       .n_dims = 2,
                                       .dims = (size_t[]){rows, 16}};
    struct mmb_copy_shape shape;
    CU_ASSERT_EQUAL_FATAL(mmb_copy_shape_make(&request, &shape), MMB_OK);
    CU_ASSERT_FALSE(mmb_copy_shape_overlaps(&shape, 4096, 4096));
    CU_ASSERT_TRUE(mmb_copy_shape_overlaps(&shape, 4096, 4095)); /* 24..40 moves to 23..39 */
    soffset[0] = rows;                                           /* the rows behind it */
    CU_ASSERT_EQUAL_FATAL(mmb_copy_shape_make(&request, &shape), MMB_OK);
    CU_ASSERT_FALSE(mmb_copy_shape_overlaps(&shape, 4096, 4096));
}

static void test_copy_shape_overlap_works_at_the_top_of_the_address_space(void)
{
    struct mmb_copy_shape shape;
    mmb_copy_shape_run(&shape, 0, 0, 16);
    CU_ASSERT_FALSE(mmb_copy_shape_overlaps(&shape, UINTPTR_MAX - 15, UINTPTR_MAX - 31));
    CU_ASSERT_TRUE(mmb_copy_shape_overlaps(&shape, UINTPTR_MAX - 15, UINTPTR_MAX - 30));
    CU_ASSERT_FALSE(mmb_copy_shape_overlaps(&shape, 0, UINTPTR_MAX - 31));
    mmb_copy_shape_run(&shape, 8, 8, 0);
    CU_ASSERT_FALSE(mmb_copy_shape_overlaps(&shape, 64, 64));
}

struct fold_row {
    size_t n_dims;
    size_t dims[4], dpitch[3], spitch[3];
    size_t folded_dims, row;
};

static void test_copy_shape_folds_what_is_dense_on_both_sides(void)
{
    static const struct fold_row rows[] = {
        {3, {4, 5, 6}, {30, 6}, {30, 6}, 1, 120}, /* all dense */
        {3, {4, 5, 6}, {31, 6}, {30, 6}, 2, 30},  /* planes apart in one */
        {3, {4, 5, 6}, {36, 7}, {30, 6}, 3, 6},   /* rows and planes apart in one */
        {3, {4, 5, 6}, {35, 7}, {30, 6}, 2, 6},   /* rows apart in one, the planes follow on */
        {3, {4, 5, 6}, {35, 7}, {35, 7}, 2, 6},   /* rows fold into one pitch of 7 */
        {3, {4, 1, 6}, {9, 8}, {9, 7}, 2, 6},     /* one index needs no dimension */
        {4, {1, 1, 1, 9}, {99, 50, 20}, {9, 9, 9}, 1, 9},   /* only the row is left */
        {4, {2, 1, 3, 4}, {12, 12, 4}, {12, 12, 4}, 1, 24}, /* dense over a single index */
        {4, {2, 2, 3, 4}, {99, 12, 4}, {99, 12, 4}, 2, 24},
    };
    size_t zero[4] = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct fold_row *row = &rows[i];
        struct mmb_copy_request request = {.function = "test",
                                           .dst = {zero, row->dpitch, SIZE_MAX},
                                           .src = {zero, row->spitch, SIZE_MAX},
                                           .n_dims = row->n_dims,
                                           .dims = row->dims};
        struct mmb_copy_shape shape;
        CU_ASSERT_EQUAL_FATAL(mmb_copy_shape_make(&request, &shape), MMB_OK);
        SUITE_CHECK(shape.n_dims == row->folded_dims && shape.count[shape.n_dims - 1] == row->row,
                    "row %zu: %zu dimensions, rows of %zu", i, shape.n_dims,
                    shape.count[shape.n_dims - 1]);
    }
}

/* ---- refusals ---- */

struct refusal {
    const char *what;
    size_t n_dims;
    size_t dims[3], offset[3], pitch[2];
    size_t n_bytes;
    mmbError expected;
};

/* Both sides in turn get the row's numbers; the other one stands at 0 in an endless object. */
static void check_refusal(const struct refusal *row)
{
    static const size_t zero[MMB_COPY_DIMENSIONS_MAX + 1];
    const struct mmb_copy_side bad = {row->offset, row->pitch, row->n_bytes};
    const struct mmb_copy_side good = {zero, row->n_dims > 1 ? row->pitch : NULL, SIZE_MAX};
    for (int side = 0; side < 2; side++) {
        struct mmb_copy_request request = {.function = "test",
                                           .dst = side == 0 ? bad : good,
                                           .src = side == 0 ? good : bad,
                                           .n_dims = row->n_dims,
                                           .dims = row->dims};
        struct mmb_copy_shape shape;
        mmbError error = mmb_copy_shape_make(&request, &shape);
        SUITE_CHECK(error == row->expected, "%s, side %d: error %d", row->what, side, (int)error);
    }
}

static void test_copy_shape_checks_every_number(void)
{
    static const size_t big = SIZE_MAX, half = SIZE_MAX / 2 + 1;
    const struct refusal rows[] = {
        {"whole", 1, {64}, {0}, {0}, 64, MMB_OK},
        {"offset past the end", 1, {1}, {64}, {0}, 64, MMB_INVALID_SIZE},
        {"offset far past the end", 1, {1}, {big}, {0}, 64, MMB_INVALID_SIZE},
        {"a byte too long", 1, {64}, {1}, {0}, 64, MMB_INVALID_SIZE},
        {"offset and length wrap", 1, {2}, {big}, {0}, big, MMB_INVALID_SIZE},
        {"up to the last byte there is", 1, {1}, {big - 1}, {0}, big, MMB_OK},
        {"product wraps to 0", 2, {half, 2}, {0}, {2}, big, MMB_INVALID_SIZE},
        {"product wraps to a little", 2, {half + 1, 2}, {0}, {2}, big, MMB_INVALID_SIZE},
        {"huge but empty", 3, {big, big, 0}, {0}, {0}, 64, MMB_OK},
        {"huge behind nothing", 3, {0, big, big}, {0}, {0}, 64, MMB_OK},
        {"empty far outside", 1, {0}, {big}, {0}, 64, MMB_OK},
        {"empty with a small pitch", 2, {0, 8}, {0}, {1}, 64, MMB_OK},
        {"pitch 1 too small", 2, {2, 8}, {0}, {7}, 64, MMB_INVALID_SIZE},
        {"pitch 0", 2, {2, 8}, {0}, {0}, 64, MMB_INVALID_SIZE},
        {"small pitch of one row", 2, {1, 8}, {0}, {7}, 64, MMB_INVALID_SIZE},
        {"planes closer than they are large", 3, {2, 2, 4}, {0}, {11, 8}, 64, MMB_INVALID_SIZE},
        {"planes just apart", 3, {2, 2, 4}, {0}, {12, 8}, 24, MMB_OK},
        {"one byte short of it", 3, {2, 2, 4}, {0}, {12, 8}, 23, MMB_INVALID_SIZE},
        {"rows times pitch wraps", 2, {3, 8}, {0}, {half}, big, MMB_INVALID_SIZE},
        {"rows times pitch plus row wraps", 2, {2, 8}, {0}, {big - 7}, big, MMB_INVALID_SIZE},
        {"huge pitch never used", 2, {1, 8}, {0}, {big}, 8, MMB_OK},
        {"index times pitch wraps to 0", 2, {1, 8}, {2, 0}, {half}, big, MMB_INVALID_SIZE},
        {"start wraps", 2, {1, 8}, {1, 9}, {big - 8}, big, MMB_INVALID_SIZE},
        {"start plus extent wraps", 2, {2, 8}, {1, 0}, {half - 1}, big, MMB_INVALID_SIZE},
        {"last row runs over the end", 2, {4, 8}, {0, 0}, {16}, 55, MMB_INVALID_SIZE},
        {"last row needs no full pitch", 2, {4, 8}, {0, 0}, {16}, 56, MMB_OK},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_refusal(&rows[i]);
}

static void test_copy_shape_wants_1_to_16_dimensions_and_all_arrays(void)
{
    size_t ones[MMB_COPY_DIMENSIONS_MAX + 1], zeros[MMB_COPY_DIMENSIONS_MAX + 1] = {0};
    for (size_t i = 0; i < sizeof(ones) / sizeof(ones[0]); i++)
        ones[i] = 1;
    const struct mmb_copy_request good = {"test", {zeros, NULL, 1}, {zeros, NULL, 1}, 16, ones};
    struct mmb_copy_request request = good;
    struct mmb_copy_shape shape;
    CU_ASSERT_EQUAL(mmb_copy_shape_make(&request, &shape), MMB_OK);
    request.n_dims = 0;
    CU_ASSERT_EQUAL(mmb_copy_shape_make(&request, &shape), MMB_INVALID_ARG);
    request.n_dims = 17;
    CU_ASSERT_EQUAL(mmb_copy_shape_make(&request, &shape), MMB_INVALID_ARG);
    request.n_dims = SIZE_MAX;
    CU_ASSERT_EQUAL(mmb_copy_shape_make(&request, &shape), MMB_INVALID_ARG);
    request = good;
    request.dims = NULL;
    CU_ASSERT_EQUAL(mmb_copy_shape_make(&request, &shape), MMB_INVALID_ARG);
    request = good;
    request.dst.offset = NULL;
    CU_ASSERT_EQUAL(mmb_copy_shape_make(&request, &shape), MMB_INVALID_ARG);
    request = good;
    request.src.offset = NULL;
    CU_ASSERT_EQUAL(mmb_copy_shape_make(&request, &shape), MMB_INVALID_ARG);
}

MMB_SUITE("core/copy_shape", T(test_copy_shape_has_the_bytes_of_the_model),
          T(test_copy_shape_refuses_exactly_what_lies_outside), T(test_copy_shape_overlap_is_exact),
          T(test_copy_shape_settles_interleaved_columns_at_once),
          T(test_copy_shape_overlap_works_at_the_top_of_the_address_space),
          T(test_copy_shape_folds_what_is_dense_on_both_sides),
          T(test_copy_shape_checks_every_number),
          T(test_copy_shape_wants_1_to_16_dimensions_and_all_arrays))
