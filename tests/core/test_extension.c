/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: what a record's word cannot say is in its extension, nothing is lost when the
 * one becomes the other, and several threads may use one record at once. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <mmb/error.h>
#include "src/spi/record.h"
#include "tests/support/suite.h"

static mmbAllocation *record;
static char block[64];

static void set_up(void)
{
    CU_ASSERT_EQUAL_FATAL(mmb_records_open(), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_extensions_open(), MMB_OK);
    record = mmb_record_new(NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(record);
    record->host = block;
}

static void tear_down(void)
{
    mmb_record_drop_extension(record);
    CU_ASSERT_EQUAL(mmb_record_owner_of(record)->n_extended, 0);
    mmb_record_delete(record);
}

static uint32_t state(void)
{
    return mmb_record_state(mmb_record_word(record));
}

static void publish(uint32_t base_state, size_t n_bytes, size_t head, size_t alignment)
{
    CU_ASSERT_EQUAL_FATAL(mmb_record_publish(record, base_state, n_bytes, head, alignment), MMB_OK);
}

/* ---- being handed out ---- */

static void test_publish_keeps_what_fits_in_the_word(void)
{
    static const size_t sizes[] = {1, 4096, MMB_RECORD_LOW - 1, MMB_RECORD_LOW};
    for (uint32_t base = MMB_RECORD_PLAIN; base <= MMB_RECORD_STACKED; base++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            publish(base, sizes[i], 0, 16);
            SUITE_CHECK(state() == base && mmb_record_bytes(record) == sizes[i], "%zu B", sizes[i]);
            CU_ASSERT_TRUE(mmb_record_is_live(record));
            CU_ASSERT_EQUAL(mmb_record_head(record), 0);
            CU_ASSERT_PTR_NULL(mmb_record_extension(record));
        }
}

static void test_publish_extends_what_does_not_fit(void)
{
    static const struct {
        size_t n_bytes, head, alignment;
    } rows[] = {{MMB_RECORD_LOW + 1, 0, 1},
                {SIZE_MAX / 2, 0, 16},
                {10, 0, 32},
                {10, 48, 64},
                {MMB_RECORD_LOW + 1, 32, 4096}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmb_extension view;
        publish(MMB_RECORD_LOCKED, rows[i].n_bytes, rows[i].head, rows[i].alignment);
        SUITE_CHECK(state() == MMB_RECORD_INDIRECT && mmb_record_is_live(record), "row %zu", i);
        SUITE_CHECK(mmb_record_bytes(record) == rows[i].n_bytes, "row %zu", i);
        SUITE_CHECK(mmb_record_head(record) == rows[i].head, "row %zu", i);
        SUITE_CHECK(record->host == block + rows[i].head, "row %zu", i);
        CU_ASSERT_TRUE_FATAL(mmb_record_view(record, &view));
        size_t kept = view.alignment_log2 ? (size_t)1 << view.alignment_log2 : 16;
        SUITE_CHECK(kept == (rows[i].alignment > 16 ? rows[i].alignment : 16), "row %zu", i);
        mmb_record_drop_extension(record);
        SUITE_CHECK(record->host == block && state() == MMB_RECORD_LOCKED, "row %zu: dropped", i);
    }
}

/* Memory that the host cannot reach has no pointer to move. */
static void test_publish_without_a_host_pointer(void)
{
    record->host = NULL;
    publish(MMB_RECORD_LOCKED, 10, 48, 64);
    CU_ASSERT_PTR_NULL(record->host);
    mmb_record_drop_extension(record);
    CU_ASSERT_PTR_NULL(record->host);
}

/* ---- conversions ---- */

static void test_extend_and_drop_lose_nothing(void)
{
    for (uint32_t base = MMB_RECORD_PLAIN; base <= MMB_RECORD_STACKED; base++) {
        struct mmb_extension *extension = NULL, *again = NULL;
        publish(base, 77, 0, 16);
        CU_ASSERT_EQUAL_FATAL(mmb_record_extend(record, &extension), MMB_OK);
        CU_ASSERT_EQUAL(state(), MMB_RECORD_INDIRECT);
        CU_ASSERT_EQUAL(mmb_record_bytes(record), 77);
        CU_ASSERT(!extension->flags && !extension->label && !extension->block &&
                  !extension->parent);
        CU_ASSERT_EQUAL_FATAL(mmb_record_extend(record, &again), MMB_OK);
        CU_ASSERT_PTR_EQUAL(again, extension);
        extension->label = "left behind";
        extension->flags = MMB_EXTENSION_SLICE;
        mmb_record_drop_extension(record);
        CU_ASSERT_EQUAL(state(), base);
        CU_ASSERT_EQUAL(mmb_record_bytes(record), 77);
        mmb_record_drop_extension(record);
        CU_ASSERT_EQUAL(mmb_record_bytes(record), 77);
    }
}

static void test_set_bytes_crosses_the_word_both_ways(void)
{
    static const size_t sizes[] = {5, (size_t)MMB_RECORD_LOW + 1, (size_t)1 << 40, MMB_RECORD_LOW,
                                   1};
    publish(MMB_RECORD_LOCKED, 100, 0, 16);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        CU_ASSERT_EQUAL(mmb_record_set_bytes(record, sizes[i]), MMB_OK);
        SUITE_CHECK(mmb_record_bytes(record) == sizes[i], "%zu", sizes[i]);
        SUITE_CHECK((state() == MMB_RECORD_INDIRECT) == (sizes[i] > MMB_RECORD_LOW), "%zu",
                    sizes[i]);
    }
}

static void test_view_is_a_copy(void)
{
    struct mmb_extension view, *extension = NULL;
    publish(MMB_RECORD_LOCKED, 100, 0, 16);
    CU_ASSERT_FALSE(mmb_record_view(record, &view));
    CU_ASSERT_EQUAL_FATAL(mmb_record_extend(record, &extension), MMB_OK);
    extension->label = "a";
    CU_ASSERT_TRUE(mmb_record_view(record, &view));
    extension->label = "b";
    CU_ASSERT_STRING_EQUAL(view.label, "a");
    CU_ASSERT_EQUAL(view.n_bytes, 100);
    CU_ASSERT_EQUAL(view.base_state, MMB_RECORD_LOCKED);
}

static void test_move_joins_handle_and_block(void)
{
    struct mmb_extension *extension = NULL, view;
    char elsewhere[16];
    mmbAllocation *fresh = mmb_record_new(NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(fresh);
    fresh->host = elsewhere;
    publish(MMB_RECORD_LOCKED, 100, 48, 64);
    CU_ASSERT_EQUAL(mmb_record_publish(fresh, MMB_RECORD_LOCKED, 200, 0, 16), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_record_extend(fresh, &extension), MMB_OK);
    mmb_record_move(record, fresh, 200);
    CU_ASSERT_TRUE_FATAL(mmb_record_view(record, &view));
    CU_ASSERT_EQUAL(view.flags, MMB_EXTENSION_MOVED);
    CU_ASSERT_PTR_EQUAL(view.block, fresh);
    CU_ASSERT_EQUAL(view.n_bytes, 200);
    CU_ASSERT_EQUAL(view.head, 0);
    CU_ASSERT_EQUAL(view.alignment_log2, 6);
    CU_ASSERT_PTR_EQUAL(record->host, elsewhere);
    CU_ASSERT_TRUE_FATAL(mmb_record_view(fresh, &view));
    CU_ASSERT_EQUAL(view.flags, MMB_EXTENSION_HIDDEN);
    CU_ASSERT_PTR_EQUAL(view.parent, record);
    mmb_record_drop_extension(fresh);
    mmb_record_delete(fresh);
}

/* ---- uses ---- */

static void test_use_is_counted_by_kind(void)
{
    static const enum mmb_record_use uses[] = {MMB_USE_SLICE, MMB_USE_HOLD, MMB_USE_COPY};
    static const char *const words[] = {"2 slices, 0 holds, 0 copies",
                                        "0 slices, 2 holds, 0 copies",
                                        "0 slices, 0 holds, 2 copies"};
    publish(MMB_RECORD_LOCKED, 100, 0, 16);
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_FALSE(mmb_record_unuse(record, uses[i]));
        CU_ASSERT_EQUAL(mmb_record_use(record, uses[i]), MMB_OK);
        CU_ASSERT_EQUAL(mmb_record_use(record, uses[i]), MMB_OK);
        CU_ASSERT_EQUAL(mmb_record_check_idle(record, "test"), MMB_BUSY);
        SUITE_CHECK(strstr(mmb_error_detail(), words[i]) != NULL, "%s", mmb_error_detail());
        CU_ASSERT_FALSE(mmb_record_unuse(record, uses[(i + 1) % 3]));
        CU_ASSERT_TRUE(mmb_record_unuse(record, uses[i]));
        CU_ASSERT_EQUAL(mmb_record_check_idle(record, "test"), MMB_BUSY);
        CU_ASSERT_TRUE(mmb_record_unuse(record, uses[i]));
        CU_ASSERT_EQUAL(mmb_record_check_idle(record, "test"), MMB_OK);
        CU_ASSERT_EQUAL(state(), MMB_RECORD_LOCKED);
    }
}

/* The last use that goes takes the extension along only where nothing else needs it. */
static void test_use_leaves_a_needed_extension(void)
{
    struct mmb_extension *extension = NULL;
    publish(MMB_RECORD_LOCKED, 100, 0, 16);
    CU_ASSERT_EQUAL_FATAL(mmb_record_extend(record, &extension), MMB_OK);
    extension->label = "needed";
    CU_ASSERT_EQUAL(mmb_record_use(record, MMB_USE_HOLD), MMB_OK);
    CU_ASSERT_TRUE(mmb_record_unuse(record, MMB_USE_HOLD));
    CU_ASSERT_EQUAL(state(), MMB_RECORD_INDIRECT);
    mmb_record_drop_extension(record);
    publish(MMB_RECORD_LOCKED, 100, 16, 64);
    CU_ASSERT_EQUAL(mmb_record_use(record, MMB_USE_COPY), MMB_OK);
    CU_ASSERT_TRUE(mmb_record_unuse(record, MMB_USE_COPY));
    CU_ASSERT_EQUAL(mmb_record_head(record), 16);
}

#define N_THREADS 4

static mmbAllocation *others[N_THREADS];
static atomic_size_t n_wrong;

/* One record in common use, and one of each thread's own that takes the extensions the common one
 * gives up: nobody ever reads the size of another. */
static void *use(void *argument)
{
    size_t id = (size_t)(uintptr_t)argument;
    for (int i = 0; i < 3000; i++) {
        struct mmb_extension view;
        n_wrong += mmb_record_use(record, MMB_USE_SLICE) != MMB_OK;
        n_wrong += mmb_record_bytes(record) != 100;
        n_wrong += mmb_record_publish(others[id], MMB_RECORD_LOCKED, id + 1, 16, 64) != MMB_OK;
        n_wrong += !mmb_record_view(others[id], &view) || view.n_bytes != id + 1;
        n_wrong += !mmb_record_unuse(record, MMB_USE_SLICE);
        n_wrong += mmb_record_bytes(record) != 100;
        mmb_record_drop_extension(others[id]);
    }
    return NULL;
}

static void test_use_by_several_threads(void)
{
    pthread_t threads[N_THREADS];
    n_wrong = 0;
    publish(MMB_RECORD_LOCKED, 100, 0, 16);
    for (size_t i = 0; i < N_THREADS; i++) {
        others[i] = mmb_record_new(NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(others[i]);
    }
    for (size_t i = 0; i < N_THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, use, (void *)(uintptr_t)i), 0);
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(n_wrong, 0);
    CU_ASSERT_EQUAL(state(), MMB_RECORD_LOCKED);
    for (size_t i = 0; i < N_THREADS; i++)
        mmb_record_delete(others[i]);
}

MMB_SUITE_WITH("core/extension", set_up, tear_down, T(test_publish_keeps_what_fits_in_the_word),
               T(test_publish_extends_what_does_not_fit), T(test_publish_without_a_host_pointer),
               T(test_extend_and_drop_lose_nothing), T(test_set_bytes_crosses_the_word_both_ways),
               T(test_view_is_a_copy), T(test_move_joins_handle_and_block),
               T(test_use_is_counted_by_kind), T(test_use_leaves_a_needed_extension),
               T(test_use_by_several_threads))
