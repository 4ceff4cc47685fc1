/* SPDX-License-Identifier: BSD-3-Clause */
/* Which way the bytes of a prepared transfer go, for every pair of places; made by hand over the
 * contract of backends, with device memory that the host cannot touch. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "layers/user/user.h"
#include "src/core/copy.h"
#include "tests/support/fake_device.h"
#include "tests/support/suite.h"

#define AREA_BYTES ((size_t)3 << 20)

/* Two devices with tables of their own and, of the first, two instances. */
static struct fake_device left, right;
static struct mmb_backend *left_1, *left_2, *right_1;
static bool left_copies;

static struct mmb_backend *open_device(struct fake_device *device, const char *name)
{
    mmbBackendOps ops = fake_device_ops(name);
    if (!left_copies)
        ops.copy = NULL;
    mmbBackend id = MMB_BACKEND_DEFAULT;
    CU_ASSERT_EQUAL_FATAL(mmb_user_backend_add(&ops, device, &id), MMB_OK);
    const struct mmb_backend_request request = {
        .id = id, .layer = MMB_GDRAM, .context = MMB_CPU, .domain = -1, .domain_os_index = -1};
    struct mmb_backend *backend = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_user_backend_find(id)->open(&request, &backend), MMB_OK);
    return backend;
}

static struct mmb_backend *open_again(const struct mmb_backend *other)
{
    const struct mmb_backend_request request = {.id = other->ops->id,
                                                .layer = MMB_GDRAM,
                                                .context = MMB_CPU,
                                                .domain = -1,
                                                .domain_os_index = -1};
    struct mmb_backend *backend = NULL;
    CU_ASSERT_EQUAL_FATAL(other->ops->open(&request, &backend), MMB_OK);
    return backend;
}

static void open_all(bool can_copy)
{
    left_copies = can_copy;
    fake_device_open(&left);
    fake_device_open(&right);
    left_1 = open_device(&left, "left");
    left_2 = open_again(left_1);
    right_1 = open_device(&right, "right");
}

static void close_all(void)
{
    left_1->ops->close(left_1);
    left_2->ops->close(left_2);
    right_1->ops->close(right_1);
    mmb_user_backends_close();
    fake_device_close(&left);
    fake_device_close(&right);
}

/* ---- places ---- */

/* An object of n_bytes that starts 512 bytes into its range. */
static struct mmb_place make_place(struct mmb_backend *backend, size_t n_bytes)
{
    struct mmb_place place = {.backend = backend, .offset = 512, .n_bytes = n_bytes};
    size_t total = n_bytes + 512;
    if (backend != NULL) {
        CU_ASSERT_EQUAL_FATAL(backend->ops->map(backend, total, total, 0, &place.memory), MMB_OK);
        return place;
    }
    place.memory.host = calloc(1, total);
    CU_ASSERT_PTR_NOT_NULL_FATAL(place.memory.host);
    place.memory.address = (uintptr_t)place.memory.host;
    place.memory.n_bytes = total;
    place.host = (char *)place.memory.host + 512;
    return place;
}

static void drop_place(struct mmb_place *place)
{
    if (place->backend == NULL)
        free(place->memory.host);
    else
        CU_ASSERT_EQUAL(place->backend->ops->unmap(place->backend, &place->memory), MMB_OK);
}

/* Where the test can see the object's bytes. */
static char *bytes_of(const struct mmb_place *place)
{
    if (place->host != NULL)
        return place->host;
    const char *address = (const char *)place->memory.address + 512;
    return fake_device_bytes(place->backend == right_1 ? &right : &left, address);
}

static void fill_pattern(char *bytes, size_t n_bytes, unsigned int seed)
{
    for (size_t i = 0; i < n_bytes; i++)
        bytes[i] = (char)(i * 31 + (i >> 8) * 7 + seed);
}

/* 300 rows of 40 bytes, pitch 64 in the destination and 48 in the source, 16 and 8 bytes in. */
static void make_rows(struct mmb_copy_shape *shape)
{
    struct mmb_copy_request request = {
        .function = "test",
        .dst = {(size_t[]){1, 16}, (size_t[]){64}, SIZE_MAX},
        .src = {(size_t[]){2, 8}, (size_t[]){48}, SIZE_MAX},
        .n_dims = 2,
        .dims = (size_t[]){300, 40},
    };
    CU_ASSERT_EQUAL_FATAL(mmb_copy_shape_make(&request, shape), MMB_OK);
}

static bool has_rows(const char *dst, const char *src)
{
    for (size_t row = 0; row < 300; row++)
        if (memcmp(dst + (row + 1) * 64 + 16, src + (row + 2) * 48 + 8, 40) != 0)
            return false;
    return true;
}

/* ---- tests ---- */

/* Copies a run of 2.5 MiB and a comb of rows from one place to another. */
static void check_pair(const char *name, struct mmb_backend *to, struct mmb_backend *from)
{
    struct mmb_transfer transfer = {.to = make_place(to, AREA_BYTES),
                                    .from = make_place(from, AREA_BYTES)};
    char *dst = bytes_of(&transfer.to), *src = bytes_of(&transfer.from);
    size_t run = AREA_BYTES * 5 / 6;
    memset(dst, 0x5a, AREA_BYTES);
    fill_pattern(src, AREA_BYTES, 1);

    mmb_copy_shape_run(&transfer.shape, 77, 1001, run);
    CU_ASSERT_EQUAL(mmb_transfer_check_way(&transfer, "test"), MMB_OK);
    SUITE_CHECK(mmb_transfer_run(&transfer) == MMB_OK, "%s: run failed", name);
    SUITE_CHECK(memcmp(dst + 77, src + 1001, run) == 0, "%s: run differs", name);
    SUITE_CHECK(dst[76] == 0x5a && dst[77 + run] == 0x5a, "%s: run is too long", name);

    memset(dst, 0x5a, AREA_BYTES);
    make_rows(&transfer.shape);
    SUITE_CHECK(mmb_transfer_run(&transfer) == MMB_OK, "%s: rows failed", name);
    SUITE_CHECK(has_rows(dst, src), "%s: rows differ", name);
    size_t kept = 0;
    for (size_t i = 0; i < AREA_BYTES; i++)
        kept += dst[i] == 0x5a;
    size_t same = 0;
    for (size_t row = 0; row < 300; row++)
        for (size_t i = 0; i < 40; i++)
            same += src[(row + 2) * 48 + 8 + i] == 0x5a;
    SUITE_CHECK(kept == AREA_BYTES - 300 * 40 + same, "%s: bytes between rows changed", name);
    drop_place(&transfer.to);
    drop_place(&transfer.from);
}

static void check_all_pairs(void)
{
    struct mmb_backend *backends[] = {NULL, left_1, left_2, right_1};
    const char *names[] = {"host", "left 1", "left 2", "right"};
    for (size_t to = 0; to < 4; to++)
        for (size_t from = 0; from < 4; from++) {
            char name[64];
            snprintf(name, sizeof(name), "%s from %s", names[to], names[from]);
            check_pair(name, backends[to], backends[from]);
        }
}

static void test_copy_engine_serves_all_pairs(void)
{
    open_all(true);
    check_all_pairs();
    CU_ASSERT(atomic_load(&left.n_copy) > 0);
    close_all();
}

static void test_copy_engine_serves_all_pairs_without_a_copy_inside(void)
{
    open_all(false);
    check_all_pairs();
    CU_ASSERT_EQUAL(atomic_load(&left.n_copy), 0);
    close_all();
}

/* The counts say which way was taken. */
static void test_copy_engine_takes_the_shortest_way(void)
{
    open_all(true);
    struct mmb_transfer inside = {.to = make_place(left_1, 4096), .from = make_place(left_2, 4096)};
    mmb_copy_shape_run(&inside.shape, 0, 0, 4096);
    CU_ASSERT_EQUAL(mmb_transfer_run(&inside), MMB_OK);
    CU_ASSERT(left.n_copy == 1 && left.n_in == 0 && left.n_out == 0);

    struct mmb_transfer across = {.to = make_place(right_1, 4096), .from = inside.from};
    mmb_copy_shape_run(&across.shape, 0, 0, 4096);
    CU_ASSERT_EQUAL(mmb_transfer_run(&across), MMB_OK);
    CU_ASSERT(left.n_copy == 1 && left.n_out == 1 && right.n_in == 1 && right.n_copy == 0);

    drop_place(&inside.to);
    drop_place(&inside.from);
    drop_place(&across.to);
    close_all();
}

static void test_copy_engine_stops_at_the_first_failure(void)
{
    open_all(true);
    struct mmb_transfer transfer = {.to = make_place(right_1, AREA_BYTES),
                                    .from = make_place(left_1, AREA_BYTES)};
    mmb_copy_shape_run(&transfer.shape, 0, 0, AREA_BYTES);
    fake_device_fail_after(&right, 1, MMB_PERMISSION);
    CU_ASSERT_EQUAL(mmb_transfer_run(&transfer), MMB_PERMISSION);
    CU_ASSERT_EQUAL(atomic_load(&right.n_in), 2);
    CU_ASSERT_EQUAL(atomic_load(&left.n_out), 2);
    fake_device_fail_after(&left, 0, MMB_CORRUPT);
    CU_ASSERT_EQUAL(mmb_transfer_run(&transfer), MMB_CORRUPT);
    CU_ASSERT_EQUAL(atomic_load(&right.n_in), 2);
    make_rows(&transfer.shape);
    fake_device_fail_after(&right, 7, MMB_ERROR);
    fake_device_fail_after(&left, 1000, MMB_ERROR);
    CU_ASSERT_EQUAL(mmb_transfer_run(&transfer), MMB_ERROR);
    CU_ASSERT_EQUAL(atomic_load(&right.n_in), 2 + 8);
    drop_place(&transfer.to);
    drop_place(&transfer.from);
    close_all();
}

static void test_copy_engine_moves_nothing_for_0_bytes(void)
{
    open_all(true);
    struct mmb_transfer transfer = {.to = make_place(right_1, 64), .from = make_place(left_1, 64)};
    mmb_copy_shape_run(&transfer.shape, 0, 0, 0);
    CU_ASSERT_EQUAL(mmb_transfer_run(&transfer), MMB_OK);
    transfer.is_fill = true;
    CU_ASSERT_EQUAL(mmb_transfer_run(&transfer), MMB_OK);
    CU_ASSERT_EQUAL(fake_device_transfers(&left) + fake_device_transfers(&right), 0);
    drop_place(&transfer.to);
    drop_place(&transfer.from);
    close_all();
}

/* A table without the optional calls, which no user can register for such memory. */
static void test_copy_engine_says_when_there_is_no_way(void)
{
    static const struct mmb_backend_ops bare = {.size = sizeof(bare), .name = "bare"};
    struct mmb_backend backend = {.ops = &bare};
    char bytes[64] = {0};
    struct mmb_place nowhere = {.backend = &backend, .n_bytes = 64};
    struct mmb_place host = {.host = bytes, .n_bytes = 64};
    struct mmb_transfer rows[] = {
        {.to = nowhere, .from = host},
        {.to = host, .from = nowhere},
        {.to = nowhere, .from = nowhere},
        {.to = nowhere, .is_fill = true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        SUITE_CHECK(mmb_transfer_check_way(&rows[i], "test") == MMB_UNSUPPORTED, "row %zu", i);
}

static void test_copy_engine_fills(void)
{
    open_all(true);
    struct mmb_backend *backends[] = {NULL, left_1};
    for (size_t i = 0; i < 2; i++) {
        struct mmb_transfer fill = {
            .to = make_place(backends[i], 10000), .is_fill = true, .value = 0x1c3};
        char *bytes = bytes_of(&fill.to);
        memset(bytes, 0x11, 10000);
        mmb_copy_shape_run(&fill.shape, 10, 0, 9000);
        CU_ASSERT_EQUAL(mmb_transfer_check_way(&fill, "test"), MMB_OK);
        CU_ASSERT_EQUAL(mmb_transfer_run(&fill), MMB_OK);
        CU_ASSERT(bytes[9] == 0x11 && bytes[9010] == 0x11);
        size_t count = 0;
        for (size_t j = 0; j < 10000; j++)
            count += (unsigned char)bytes[j] == 0xc3;
        CU_ASSERT_EQUAL(count, 9000);
        drop_place(&fill.to);
    }
    CU_ASSERT_EQUAL(atomic_load(&left.n_set), 1);
    close_all();
}

MMB_SUITE("core/copy_engine", T(test_copy_engine_serves_all_pairs),
          T(test_copy_engine_serves_all_pairs_without_a_copy_inside),
          T(test_copy_engine_takes_the_shortest_way),
          T(test_copy_engine_stops_at_the_first_failure),
          T(test_copy_engine_moves_nothing_for_0_bytes),
          T(test_copy_engine_says_when_there_is_no_way), T(test_copy_engine_fills))
