/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: the array backend hands out every byte of the user's array that lies on its
 * granularity, never one outside it, and puts neighbours together again, in whatever order ranges
 * come back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <mmb/error.h>
#include "layers/host/array.h"
#include "src/base/meta.h"
#include "tests/support/suite.h"

#define BUFFER_BYTES 8192

static _Alignas(4096) unsigned char buffer[BUFFER_BYTES + 64];
static mmbBackendOptions options;
static struct mmb_backend_request request = {
    .id = MMB_BACKEND_ARRAY,
    .layer = MMB_DRAM,
    .context = MMB_CPU,
    .options = &options,
    .domain = -1,
    .domain_os_index = -1,
};
static struct mmb_backend *backend;

static mmbError open_array(void *base, size_t n_bytes)
{
    memset(&options, 0, sizeof options);
    options.array.base = base;
    options.array.bytes = n_bytes;
    return mmb_array_backend.open(&request, &backend);
}

static void open_buffer(void *base, size_t n_bytes)
{
    CU_ASSERT_EQUAL_FATAL(open_array(base, n_bytes), MMB_OK);
}

static void tear_down(void)
{
    mmb_array_backend.close(backend);
    backend = NULL;
}

static mmbError map(size_t min, size_t want, size_t alignment, struct mmb_memory *out)
{
    return mmb_array_backend.map(backend, min, want, alignment, out);
}

static struct mmb_memory must_map(size_t n_bytes, size_t alignment)
{
    struct mmb_memory memory = {0};
    SUITE_CHECK(map(n_bytes, n_bytes, alignment, &memory) == MMB_OK, "%zu B: %s", n_bytes,
                mmb_error_detail());
    return memory;
}

static void unmap(const struct mmb_memory *memory)
{
    CU_ASSERT_EQUAL(mmb_array_backend.unmap(backend, memory), MMB_OK);
}

static void test_array_refuses_what_is_no_array(void)
{
    static const struct {
        const char *what;
        void *base;
        size_t n_bytes;
    } rows[] = {
        {"no base", NULL, 100},
        {"no bytes", buffer, 0},
        {"beyond the last address", buffer, SIZE_MAX},
        {"no aligned byte", buffer + 1, 15},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SUITE_CHECK(open_array(rows[i].base, rows[i].n_bytes) == MMB_INVALID_ARG, "%s",
                    rows[i].what);
        SUITE_CHECK(!backend, "%s: output was written", rows[i].what);
    }
}

static void test_array_refuses_options_of_shared_heaps(void)
{
    memset(&options, 0, sizeof options);
    options.array.base = buffer;
    options.array.bytes = BUFFER_BYTES;
    options.array.header_bytes = 64;
    CU_ASSERT_EQUAL(mmb_array_backend.open(&request, &backend), MMB_INVALID_ARG);
    options.array.header_bytes = 0;
    options.array.id = 1;
    CU_ASSERT_EQUAL(mmb_array_backend.open(&request, &backend), MMB_INVALID_ARG);
    CU_ASSERT_PTR_NULL(backend);
}

static void test_array_gives_its_last_byte(void)
{
    static const size_t sizes[] = {16, 100, 8000, 8001, 8191, BUFFER_BYTES};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        open_buffer(buffer, sizes[i]);
        SUITE_CHECK(backend->bounded == sizes[i], "%zu B: bounded %zu", sizes[i], backend->bounded);
        struct mmb_memory memory = must_map(sizes[i], 0);
        SUITE_CHECK(memory.n_bytes == sizes[i], "%zu B: got %zu", sizes[i], memory.n_bytes);
        SUITE_CHECK(map(1, 1, 0, &(struct mmb_memory){0}) == MMB_OUT_OF_MEMORY, "%zu B", sizes[i]);
        unmap(&memory);
        tear_down();
    }
}

static void test_array_aligns_to_addresses_not_offsets(void)
{
    for (size_t shift = 0; shift < 64; shift++) {
        open_buffer(buffer + shift, BUFFER_BYTES);
        struct mmb_memory first = must_map(1, 0), page = must_map(1, 4096);
        SUITE_CHECK(first.address % 16 == 0 && first.address >= (uintptr_t)buffer + shift,
                    "shift %zu", shift);
        SUITE_CHECK(page.address % 4096 == 0, "shift %zu", shift);
        tear_down();
    }
}

static void test_array_never_leaves_the_buffer(void)
{
    memset(buffer, 0, sizeof buffer);
    open_buffer(buffer + 8, BUFFER_BYTES - 8);
    struct mmb_memory memory;
    while (map(1, 48, 0, &memory) == MMB_OK)
        memset(memory.host, 0xff, memory.n_bytes);
    size_t n_outside = 0;
    for (size_t i = 0; i < sizeof buffer; i++)
        if (i < 8 || i >= BUFFER_BYTES)
            n_outside += buffer[i] != 0;
    CU_ASSERT_EQUAL(n_outside, 0);
    CU_ASSERT_EQUAL(buffer[16], 0xff);
    CU_ASSERT_EQUAL(buffer[BUFFER_BYTES - 1], 0xff);
}

static void test_array_fills_the_first_hole_that_fits(void)
{
    open_buffer(buffer, 1024);
    struct mmb_memory ranges[8];
    for (size_t i = 0; i < 8; i++)
        ranges[i] = must_map(128, 0);
    unmap(&ranges[1]); /* 128 B */
    unmap(&ranges[3]);
    unmap(&ranges[4]); /* 256 B */
    unmap(&ranges[6]); /* 128 B */
    struct mmb_memory large = must_map(200, 0), small = must_map(100, 0);
    CU_ASSERT_EQUAL(large.address, ranges[3].address);
    CU_ASSERT_EQUAL(small.address, ranges[1].address);
}

static void test_array_gives_the_largest_run_between_least_and_wish(void)
{
    open_buffer(buffer, 1024);
    struct mmb_memory ranges[8], memory;
    for (size_t i = 0; i < 8; i++)
        ranges[i] = must_map(128, 0);
    unmap(&ranges[1]);
    unmap(&ranges[3]);
    unmap(&ranges[4]);
    CU_ASSERT_EQUAL_FATAL(map(100, 1000, 0, &memory), MMB_OK);
    CU_ASSERT_EQUAL(memory.address, ranges[3].address);
    CU_ASSERT_EQUAL(memory.n_bytes, 256);
}

static void test_array_names_the_largest_free_run(void)
{
    open_buffer(buffer, 1024);
    struct mmb_memory ranges[8], memory = {.n_bytes = 77};
    for (size_t i = 0; i < 8; i++)
        ranges[i] = must_map(128, 0);
    unmap(&ranges[1]);
    unmap(&ranges[3]);
    unmap(&ranges[4]);
    CU_ASSERT_EQUAL(map(300, 300, 0, &memory), MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(memory.n_bytes, 77);
    SUITE_CHECK(strstr(mmb_error_detail(), "largest free run 256 B"), "\"%s\"", mmb_error_detail());
    SUITE_CHECK(strstr(mmb_error_detail(), "300 B"), "\"%s\"", mmb_error_detail());
}

/* Ranges come back in every order of four; each time the array must be one run again. */
static void test_array_coalesces_in_every_order(void)
{
    open_buffer(buffer, 1024);
    for (unsigned int code = 0; code < 4 * 4 * 4 * 4; code++) {
        unsigned int order[4] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6};
        unsigned int seen = 0;
        for (size_t i = 0; i < 4; i++)
            seen |= 1u << order[i];
        if (seen != 15)
            continue;
        struct mmb_memory ranges[4];
        for (size_t i = 0; i < 4; i++)
            ranges[i] = must_map(256, 0);
        for (size_t i = 0; i < 4; i++)
            unmap(&ranges[order[i]]);
        struct mmb_memory whole = must_map(1024, 0);
        SUITE_CHECK(whole.n_bytes == 1024, "order %u%u%u%u", order[0], order[1], order[2],
                    order[3]);
        unmap(&whole);
    }
}

/* The gap that alignment leaves in front of a range is memory like any other. */
static void test_array_uses_the_gap_before_aligned_ranges(void)
{
    open_buffer(buffer, 8192);
    struct mmb_memory first = must_map(16, 0), aligned = must_map(16, 4096);
    CU_ASSERT_EQUAL(aligned.address, (uintptr_t)buffer + 4096);
    struct mmb_memory gap = must_map(4096 - 16, 0);
    CU_ASSERT_EQUAL(gap.address, (uintptr_t)buffer + 16);
    unmap(&aligned);
    unmap(&first);
    unmap(&gap);
    struct mmb_memory whole = must_map(8192, 0);
    unmap(&whole);
}

/* Random ranges against a map of which byte is taken. */
static void test_array_ranges_never_overlap(void)
{
    enum { N_RANGES = 64, N_STEPS = 20000 };
    static unsigned char taken[BUFFER_BYTES + 64];
    struct mmb_memory ranges[N_RANGES] = {{0}};
    unsigned int seed = 20240229;
    size_t n_bad = 0;
    memset(taken, 0, sizeof taken);
    open_buffer(buffer + 24, BUFFER_BYTES - 24);
    for (size_t step = 0; step < N_STEPS; step++) {
        struct mmb_memory *range = &ranges[(size_t)rand_r(&seed) % N_RANGES];
        size_t n_bytes = 1 + (size_t)rand_r(&seed) % 600, alignment = 1u << rand_r(&seed) % 10;
        if (range->host) {
            memset(taken + (range->address - (uintptr_t)buffer), 0, range->n_bytes);
            unmap(range);
            range->host = NULL;
        } else if (map(n_bytes, 2 * n_bytes, alignment, range) == MMB_OK) {
            size_t offset = range->address - (uintptr_t)buffer;
            n_bad += range->address % alignment != 0 || range->n_bytes < n_bytes;
            n_bad += offset < 24 || offset + range->n_bytes > BUFFER_BYTES;
            n_bad += memchr(taken + offset, 1, range->n_bytes) != NULL;
            memset(taken + offset, 1, range->n_bytes);
        }
    }
    CU_ASSERT_EQUAL(n_bad, 0);
}

static void test_array_close_frees_what_is_still_mapped(void)
{
    size_t before = mmb_meta_bytes();
    open_buffer(buffer, BUFFER_BYTES);
    struct mmb_memory first = must_map(100, 0), second = must_map(100, 64);
    (void)second;
    unmap(&first);
    tear_down();
    CU_ASSERT_EQUAL(mmb_meta_bytes(), before);
}

MMB_SUITE_WITH("layers/array", NULL, tear_down, T(test_array_refuses_what_is_no_array),
               T(test_array_refuses_options_of_shared_heaps), T(test_array_gives_its_last_byte),
               T(test_array_aligns_to_addresses_not_offsets), T(test_array_never_leaves_the_buffer),
               T(test_array_fills_the_first_hole_that_fits),
               T(test_array_gives_the_largest_run_between_least_and_wish),
               T(test_array_names_the_largest_free_run), T(test_array_coalesces_in_every_order),
               T(test_array_uses_the_gap_before_aligned_ranges), T(test_array_ranges_never_overlap),
               T(test_array_close_frees_what_is_still_mapped))
