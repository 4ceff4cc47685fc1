/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: blocks of size classes in spans of pages. They do not overlap and are where
 * their records say, what comes back is given out again, chunks are as large as the space's limit
 * makes sensible, and empty memory goes back when it was idle for half a second, or on trim.
 *
 * The clock of this program is its own. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <mmb/interface.h>
#include "src/base/meta.h"
#include "tests/support/bare_heap.h"
#include "tests/support/lab.h"
#include "tests/support/suite.h"

static struct bare_heap bare;

/* ---- the clock ---- */

static uint64_t now_ms = 1000000;

/* POSIX lets a function's address pass through void *, ISO C does not. */
int clock_gettime(clockid_t clock, struct timespec *out)
{
    static int (*real)(clockid_t, struct timespec *);
    if (clock == CLOCK_MONOTONIC_COARSE) {
        *out = (struct timespec){(time_t)(now_ms / 1000), (long)(now_ms % 1000) * 1000000};
        return 0;
    }
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    return real(clock, out);
}

static void open_unlimited(void)
{
    bare_heap_open(&bare, SIZE_MAX, NULL, 0);
}

static void close_heap(void)
{
    const char *flaw = bare_heap_flaw(&bare);
    SUITE_CHECK(!flaw, "%s", flaw);
    bare_heap_close(&bare);
}

static mmbAllocation *take(size_t n_bytes)
{
    mmbAllocation *record = bare_heap_take(&bare, n_bytes);
    if (!SUITE_CHECK(record != NULL, "%zu B: %s", n_bytes, mmb_error_detail()))
        CU_FAIL_FATAL("no block");
    return record;
}

/* ---- blocks ---- */

/* A whole span of each small class, every byte of it written. */
static void test_heap_blocks_of_a_class_do_not_overlap(void)
{
    open_unlimited();
    static mmbAllocation *records[5000];
    for (uint32_t c = 0; c < MMB_CLASS_FIRST_LARGE; c++) {
        size_t n = 0, n_bytes = mmb_class_bytes[c], n_wrong = 0;
        do {
            records[n] = take(n_bytes - n % 16);
            memset(records[n]->host, (int)(n % 251), n_bytes);
        } while (++n < 5000 && n * n_bytes < 300000);
        for (size_t i = 0; i < n; i++) {
            const unsigned char *bytes = records[i]->host;
            struct mmb_block block = bare_heap_block(records[i]);
            n_wrong += bytes[0] != i % 251 || bytes[n_bytes - 1] != i % 251;
            n_wrong += block.usable != n_bytes || (uintptr_t)bytes % 16 != 0;
            n_wrong += block.chunk->memory.address + block.offset != (uintptr_t)bytes;
            n_wrong += block.offset + n_bytes > block.chunk->memory.n_bytes;
        }
        SUITE_CHECK(n_wrong == 0, "class of %zu B: %zu of %zu blocks", n_bytes, n_wrong, n);
        for (size_t i = 0; i < n; i++)
            bare_heap_put(&bare, records[i]);
    }
    close_heap();
}

static void test_heap_gives_the_last_block_again(void)
{
    open_unlimited();
    mmbAllocation *first = take(100), *second = take(100);
    bare_heap_put(&bare, first);
    CU_ASSERT_PTR_EQUAL(take(97), first);
    bare_heap_put(&bare, first);
    bare_heap_put(&bare, second);
    close_heap();
}

static void test_heap_batch_is_of_one_class(void)
{
    open_unlimited();
    mmbAllocation *batch[64];
    mmbAllocation *seed = take(200);
    bare_heap_put(&bare, seed);
    mmb_biased_acquire(&bare.heap.lock);
    uint32_t n = mmb_heap_take_batch(&bare.heap, mmb_class_of(200), batch, 64);
    mmb_biased_release(&bare.heap.lock);
    CU_ASSERT_EQUAL(n, 64);
    for (uint32_t i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(bare_heap_block(batch[i]).usable, 208);
        CU_ASSERT_FALSE(mmb_record_is_live(batch[i]));
        bare_heap_put(&bare, batch[i]);
    }
    close_heap();
}

/* What a request becomes always has room for the bytes at the alignment. */
static void test_heap_request_has_room_for_the_alignment(void)
{
    open_unlimited();
    for (size_t alignment = 1; alignment <= (size_t)4 << 20; alignment *= 2)
        for (size_t n_bytes = 1; n_bytes <= (size_t)1 << 20; n_bytes = n_bytes * 3 / 2 + 1) {
            size_t need = 0;
            if (!SUITE_CHECK(mmb_heap_request(&bare.heap, n_bytes, alignment, &need),
                             "%zu B at %zu", n_bytes, alignment))
                continue;
            mmbAllocation *record = take(need);
            struct mmb_block block = bare_heap_block(record);
            size_t head = mmb_align_head(block.chunk->memory.address + block.offset, alignment);
            SUITE_CHECK(head + n_bytes <= block.usable, "%zu B at %zu: %zu B skipped of %zu",
                        n_bytes, alignment, head, block.usable);
            bare_heap_put(&bare, record);
        }
    size_t need = 0, half = (size_t)1 << 63;
    CU_ASSERT_FALSE(mmb_heap_request(&bare.heap, half + 8192, half, &need));
    close_heap();
}

/* 64 B at 64, as a cache line wants it, costs no slack where pages are aligned. */
static void test_heap_request_of_a_cache_line_is_exact(void)
{
    open_unlimited();
    size_t need = 0;
    for (size_t n = 64; n <= 4096; n *= 2) {
        CU_ASSERT_TRUE(mmb_heap_request(&bare.heap, n, n, &need));
        CU_ASSERT_EQUAL(need, n);
    }
    close_heap();
}

/* ---- finding ---- */

static mmbAllocation *find(uintptr_t address)
{
    struct mmb_chunk *chunk = mmb_chunk_find(address);
    return chunk ? mmb_heap_find(chunk, &bare.heap, address) : NULL;
}

static void test_heap_finds_the_record_of_every_byte(void)
{
    open_unlimited();
    static const size_t sizes[] = {1, 16, 100, 5000, 65536, 65537, 1000000};
    mmbAllocation *records[7];
    for (size_t i = 0; i < 7; i++)
        records[i] = take(sizes[i]);
    for (size_t i = 0; i < 7; i++) {
        uintptr_t first = (uintptr_t)records[i]->host;
        size_t usable = bare_heap_block(records[i]).usable;
        CU_ASSERT_PTR_EQUAL(find(first), records[i]);
        CU_ASSERT_PTR_EQUAL(find(first + sizes[i] / 2), records[i]);
        CU_ASSERT_PTR_EQUAL(find(first + usable - 1), records[i]);
        CU_ASSERT_PTR_NOT_EQUAL(find(first + usable), records[i]);
    }
    for (size_t i = 0; i < 7; i++)
        bare_heap_put(&bare, records[i]);
    CU_ASSERT_PTR_NULL(find((uintptr_t)&bare));
    close_heap();
}

/* A block whose handle has moved away: a large one is free at once, a small one when its handle is.
 */
static void test_heap_vacated_blocks(void)
{
    open_unlimited();
    mmbAllocation *small = take(100), *large = take(100000);
    uintptr_t address = (uintptr_t)large->host;
    mmb_biased_acquire(&bare.heap.lock);
    mmb_heap_vacate(&bare.heap, small);
    mmb_heap_vacate(&bare.heap, large);
    mmb_biased_release(&bare.heap.lock);
    CU_ASSERT_PTR_NULL(find(address));
    CU_ASSERT_PTR_NOT_EQUAL(take(100), small);
    small->host = NULL; /* as after a move */
    mmb_biased_acquire(&bare.heap.lock);
    mmb_heap_reclaim(&bare.heap, small);
    mmb_biased_release(&bare.heap.lock);
    mmbAllocation *again = take(100);
    CU_ASSERT_PTR_EQUAL(again, small);
    CU_ASSERT_PTR_NOT_NULL(again->host);
    mmb_record_drop_extension(large);
    mmb_record_delete(large);
    close_heap();
}

/* ---- chunks ---- */

/* One class of the whole space, block by block: never more from the backend than the limit and the
 * larger of 64 KiB and an eighth. */
static void check_bound(size_t limit, size_t n_bytes)
{
    static mmbAllocation *records[1 << 18];
    size_t n = 0, slack = limit / 8 > 65536 ? limit / 8 : 65536;
    bare_heap_open(&bare, limit, NULL, 0);
    while ((n + 1) * n_bytes <= limit && n < 1 << 18)
        records[n++] = take(n_bytes);
    size_t reserved = mmb_source_reserved(bare.source);
    SUITE_CHECK(reserved <= limit + slack, "limit %zu, blocks of %zu B: %zu B of the backend",
                limit, n_bytes, reserved);
    while (n > 0)
        bare_heap_put(&bare, records[--n]);
    mmb_heap_trim(&bare.heap, 0);
    SUITE_CHECK(mmb_source_reserved(bare.source) == 0, "limit %zu, blocks of %zu B: %zu B stay",
                limit, n_bytes, mmb_source_reserved(bare.source));
    close_heap();
}

static void test_heap_takes_little_more_than_the_limit(void)
{
    for (size_t limit = 8000; limit <= (size_t)64 << 20; limit = limit * 3 / 2)
        for (uint32_t c = 0; c < MMB_CLASS_FIRST_LARGE; c++)
            if (mmb_class_bytes[c] <= limit && limit / mmb_class_bytes[c] < 1 << 18)
                check_bound(limit, mmb_class_bytes[c]);
}

/* Metadata of a heap that is empty and trimmed is what it was when it was new. */
static void test_heap_metadata_goes_back(void)
{
    static mmbAllocation *records[3000];
    size_t after_first = 0;
    static char array[(size_t)16 << 20];
    for (int round = 0; round < 4; round++) {
        bare_heap_open(&bare, SIZE_MAX, array, sizeof array);
        for (size_t i = 0; i < 3000; i++)
            records[i] = take(1 + i * 17 % 5000);
        for (size_t i = 0; i < 3000; i++)
            bare_heap_put(&bare, records[i * 7 % 3000]);
        mmb_heap_trim(&bare.heap, 0);
        if (round == 0)
            after_first = mmb_meta_bytes();
        CU_ASSERT_EQUAL(mmb_meta_bytes(), after_first);
        CU_ASSERT_EQUAL(mmb_source_chunks(bare.source), 0);
        close_heap();
    }
}

static void test_heap_of_an_array_uses_nearly_all_of_it(void)
{
    static char array[100000];
    for (size_t n_bytes = 2000; n_bytes <= sizeof array; n_bytes = n_bytes * 2 - 1000) {
        bare_heap_open(&bare, SIZE_MAX, array, n_bytes);
        size_t n = 0;
        while (bare_heap_take(&bare, 48))
            n++;
        SUITE_CHECK(n * 48 >= n_bytes * 8 / 10, "%zu B hold %zu blocks of 48 B", n_bytes, n);
        SUITE_CHECK(strstr(mmb_error_detail(), "largest free run"), "%s", mmb_error_detail());
        close_heap(); /* with all of them live */
    }
}

/* ---- giving back ---- */

static void test_heap_trim_keeps_what_it_is_told(void)
{
    open_unlimited();
    mmbAllocation *records[6];
    for (size_t i = 0; i < 6; i++)
        records[i] = take((size_t)4 << 20);
    CU_ASSERT_EQUAL(mmb_source_chunks(bare.source), 6);
    for (size_t i = 0; i < 6; i++)
        bare_heap_put(&bare, records[i]);
    mmb_heap_trim(&bare.heap, (size_t)9 << 20);
    CU_ASSERT(mmb_source_reserved(bare.source) >= (size_t)8 << 20);
    CU_ASSERT(mmb_source_reserved(bare.source) <= (size_t)12 << 20);
    mmb_heap_trim(&bare.heap, 0);
    CU_ASSERT_EQUAL(mmb_source_reserved(bare.source), 0);
    close_heap();
}

static void test_heap_decays_after_half_a_second(void)
{
    open_unlimited();
    mmbAllocation *record = take((size_t)1 << 20);
    bare_heap_put(&bare, record);
    mmb_heap_decay(&bare.heap);
    CU_ASSERT_EQUAL(mmb_source_chunks(bare.source), 1);
    now_ms += 400;
    mmb_heap_decay(&bare.heap);
    CU_ASSERT_EQUAL(mmb_source_chunks(bare.source), 1);
    now_ms += 400;
    mmb_heap_decay(&bare.heap);
    CU_ASSERT_EQUAL(mmb_source_chunks(bare.source), 0);
    close_heap();
}

/* The clock of milliseconds wraps after 49 days; that is not half a second of idleness, nor ever
 * less. */
static void test_heap_decays_across_the_clocks_end(void)
{
    open_unlimited();
    now_ms = ((uint64_t)1 << 32) * 3 - 200;
    mmbAllocation *record = take((size_t)1 << 20);
    bare_heap_put(&bare, record);
    now_ms += 300;
    mmb_heap_decay(&bare.heap);
    CU_ASSERT_EQUAL(mmb_source_chunks(bare.source), 1);
    now_ms += 300;
    mmb_heap_decay(&bare.heap);
    CU_ASSERT_EQUAL(mmb_source_chunks(bare.source), 0);
    close_heap();
}

MMB_SUITE("interfaces/heap", T(test_heap_blocks_of_a_class_do_not_overlap),
          T(test_heap_gives_the_last_block_again), T(test_heap_batch_is_of_one_class),
          T(test_heap_request_has_room_for_the_alignment),
          T(test_heap_request_of_a_cache_line_is_exact),
          T(test_heap_finds_the_record_of_every_byte), T(test_heap_vacated_blocks),
          T(test_heap_takes_little_more_than_the_limit), T(test_heap_metadata_goes_back),
          T(test_heap_of_an_array_uses_nearly_all_of_it), T(test_heap_trim_keeps_what_it_is_told),
          T(test_heap_decays_after_half_a_second), T(test_heap_decays_across_the_clocks_end))
