/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: what of the mmap backend is its own: whole OS pages, zero when new, alignment
 * beyond the OS page without keeping what is too much, the kernel's refusals, discard and advice.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <mmb/error.h>
#include "layers/host/mmap.h"
#include "src/base/os.h"
#include "tests/support/failing_mmap.h"
#include "tests/support/suite.h"

static const mmbBackendOptions no_options;
static const struct mmb_backend_request request = {
    .id = MMB_BACKEND_MMAP,
    .layer = MMB_DRAM,
    .context = MMB_CPU,
    .options = &no_options,
    .domain = -1,
    .domain_os_index = -1,
};
static struct mmb_backend *backend;
static size_t page;

static void set_up(void)
{
    failing_mmap_none();
    page = mmb_os_page_bytes();
    CU_ASSERT_EQUAL_FATAL(mmb_mmap_backend.open(&request, &backend), MMB_OK);
}

static void tear_down(void)
{
    failing_mmap_none();
    mmb_mmap_backend.close(backend);
}

static mmbError map(size_t min, size_t want, size_t alignment, struct mmb_memory *out)
{
    return mmb_mmap_backend.map(backend, min, want, alignment, out);
}

static void unmap(const struct mmb_memory *memory)
{
    CU_ASSERT_EQUAL(mmb_mmap_backend.unmap(backend, memory), MMB_OK);
}

static void test_mmap_gives_zeroed_whole_pages(void)
{
    struct mmb_memory memory;
    CU_ASSERT_EQUAL_FATAL(map(1, page + 1, 0, &memory), MMB_OK);
    CU_ASSERT_EQUAL(memory.n_bytes, 2 * page);
    CU_ASSERT_EQUAL(memory.address % page, 0);
    size_t n_nonzero = 0;
    for (size_t i = 0; i < memory.n_bytes; i++)
        n_nonzero += ((unsigned char *)memory.host)[i] != 0;
    CU_ASSERT_EQUAL(n_nonzero, 0);
    unmap(&memory);
}

static void test_mmap_trims_what_alignment_needed_more(void)
{
    static const size_t alignments[] = {8192, 65536, (size_t)1 << 21, (size_t)1 << 30};
#ifdef MMB_DEBUG
    const size_t guard = page; /* behind the mapping */
#else
    const size_t guard = 0;
#endif
    for (size_t i = 0; i < sizeof alignments / sizeof alignments[0]; i++) {
        long before = failing_mmap_balance();
        struct mmb_memory memory;
        CU_ASSERT_EQUAL_FATAL(map(3 * page, 3 * page, alignments[i], &memory), MMB_OK);
        SUITE_CHECK(memory.address % alignments[i] == 0, "alignment %zu", alignments[i]);
        SUITE_CHECK(failing_mmap_balance() - before == (long)(3 * page + guard),
                    "alignment %zu: %ld B are mapped", alignments[i],
                    failing_mmap_balance() - before);
        unmap(&memory);
        SUITE_CHECK(failing_mmap_balance() == before, "alignment %zu: something stayed",
                    alignments[i]);
    }
}

/* Ranges of aligned sizes, aligned a little, come one beside the other, so that the kernel counts
 * them as one: a process may have no more than 65,530. */
static void test_mmap_joins_ranges_that_are_aligned_a_little(void)
{
#ifdef MMB_DEBUG
    suite_skip("the page behind each range keeps them apart");
#else
    struct mmb_memory ranges[64];
    size_t n_bytes = 16 * page, n_apart = 0;
    for (size_t i = 0; i < 64; i++) {
        CU_ASSERT_EQUAL_FATAL(map(n_bytes, n_bytes, 4 * page, &ranges[i]), MMB_OK);
        CU_ASSERT_EQUAL(ranges[i].address % (4 * page), 0);
        n_apart += i > 0 && ranges[i].address + n_bytes != ranges[i - 1].address &&
                   ranges[i - 1].address + n_bytes != ranges[i].address;
    }
    SUITE_CHECK(n_apart <= 8, "%zu of 64 have gaps", n_apart);
    for (size_t i = 0; i < 64; i++)
        unmap(&ranges[i]);
#endif
}

static void test_mmap_names_the_native_cause(void)
{
    static const struct {
        int errnum;
        mmbError error;
    } rows[] = {{ENOMEM, MMB_OUT_OF_MEMORY}, {EAGAIN, MMB_OUT_OF_MEMORY}, {EPERM, MMB_ERROR}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmb_memory memory = {.n_bytes = 77};
        failing_mmap_after(0, rows[i].errnum);
        mmbError error = map(page, 4 * page, 0, &memory);
        failing_mmap_none();
        SUITE_CHECK(error == rows[i].error, "errno %d: %s", rows[i].errnum, mmb_error_name(error));
        SUITE_CHECK(strstr(mmb_error_detail(), strerror(rows[i].errnum)), "errno %d: \"%s\"",
                    rows[i].errnum, mmb_error_detail());
        CU_ASSERT_EQUAL(memory.n_bytes, 77);
    }
}

static void test_mmap_falls_back_to_the_least(void)
{
    struct mmb_memory memory;
    failing_mmap_beyond(3 * page, ENOMEM);
    CU_ASSERT_EQUAL_FATAL(map(2 * page, 64 * page, 0, &memory), MMB_OK);
    CU_ASSERT_EQUAL(memory.n_bytes, 2 * page);
    CU_ASSERT_EQUAL(map(4 * page, 64 * page, 0, &(struct mmb_memory){0}), MMB_OUT_OF_MEMORY);
    failing_mmap_none();
    unmap(&memory);
}

/* The kernel may be unable to split a mapping; then nothing of it may stay mapped. A gibibyte and a
 * page without either end to trim: the address would have to be a multiple of a gibibyte. */
static void test_mmap_undoes_when_trimming_fails(void)
{
    for (unsigned int n_good = 0; n_good < 2; n_good++) {
        long before = failing_mmap_balance();
        struct mmb_memory memory = {.n_bytes = 77};
        failing_munmap_once(n_good, ENOMEM);
        mmbError error = map(page, page, (size_t)1 << 30, &memory);
        failing_mmap_none();
        SUITE_CHECK(error == MMB_OUT_OF_MEMORY, "call %u: %s", n_good, mmb_error_name(error));
        SUITE_CHECK(failing_mmap_balance() == before, "call %u: %ld B stayed", n_good,
                    failing_mmap_balance() - before);
        CU_ASSERT_EQUAL(memory.n_bytes, 77);
    }
}

static void test_mmap_reports_a_failed_unmap(void)
{
    struct mmb_memory memory;
    CU_ASSERT_EQUAL_FATAL(map(page, page, 0, &memory), MMB_OK);
    *(char *)memory.host = 1;
    failing_munmap_once(0, ENOMEM);
    CU_ASSERT_EQUAL(mmb_mmap_backend.unmap(backend, &memory), MMB_OUT_OF_MEMORY);
    failing_mmap_none();
    /* The addresses stayed, the page went back. */
    CU_ASSERT_EQUAL(*(char *)memory.host, 0);
    unmap(&memory);
}

static void test_mmap_discard_gives_whole_pages_back(void)
{
    struct mmb_memory memory;
    CU_ASSERT_EQUAL_FATAL(map(4 * page, 4 * page, 0, &memory), MMB_OK);
    unsigned char *bytes = memory.host;
    memset(bytes, 0xa5, memory.n_bytes);
    mmb_mmap_backend.discard(backend, &memory, page / 2, 2 * page);
    CU_ASSERT_EQUAL(bytes[0], 0xa5);
    CU_ASSERT_EQUAL(bytes[page - 1], 0xa5);
    CU_ASSERT_EQUAL(bytes[page], 0);
    CU_ASSERT_EQUAL(bytes[2 * page - 1], 0);
    CU_ASSERT_EQUAL(bytes[2 * page], 0xa5);
    unmap(&memory);
}

static void test_mmap_advice_reaches_the_kernel(void)
{
    static const struct {
        mmbAdvice advice;
        int native;
    } rows[] = {
        {MMB_ADVISE_NORMAL, MADV_NORMAL},      {MMB_ADVISE_SEQUENTIAL, MADV_SEQUENTIAL},
        {MMB_ADVISE_RANDOM, MADV_RANDOM},      {MMB_ADVISE_WILL_NEED, MADV_WILLNEED},
        {MMB_ADVISE_DONT_NEED, MADV_DONTNEED}, {MMB_ADVISE_HUGE_PAGES, MADV_HUGEPAGE},
    };
    struct mmb_memory memory;
    CU_ASSERT_EQUAL_FATAL(map(4 * page, 4 * page, 0, &memory), MMB_OK);
    memset(memory.host, 0xa5, memory.n_bytes);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mmbError error =
            mmb_mmap_backend.advise(backend, &memory, 0, memory.n_bytes, rows[i].advice);
        SUITE_CHECK(error == MMB_OK || error == MMB_UNSUPPORTED, "advice %d: %s",
                    (int)rows[i].advice, mmb_error_detail());
        SUITE_CHECK(failing_mmap_last_advice() == rows[i].native, "advice %d: madvise(%d)",
                    (int)rows[i].advice, failing_mmap_last_advice());
        unsigned char left = rows[i].advice == MMB_ADVISE_DONT_NEED ? 0 : 0xa5;
        CU_ASSERT_EQUAL(((unsigned char *)memory.host)[page], left);
        memset(memory.host, 0xa5, memory.n_bytes);
    }
    unmap(&memory);
}

static void test_mmap_advice_spares_partial_pages(void)
{
    struct mmb_memory memory;
    CU_ASSERT_EQUAL_FATAL(map(2 * page, 2 * page, 0, &memory), MMB_OK);
    mmbError error = mmb_mmap_backend.advise(backend, &memory, 1, page, MMB_ADVISE_RANDOM);
    CU_ASSERT_EQUAL(error, MMB_OK);
    CU_ASSERT_EQUAL(failing_mmap_last_advice(), -1);
    unmap(&memory);
}

static void test_mmap_advice_refusals_are_reported(void)
{
    static const struct {
        int errnum;
        mmbError error;
    } rows[] = {{EINVAL, MMB_UNSUPPORTED}, {ENOMEM, MMB_ERROR}, {EPERM, MMB_ERROR}};
    struct mmb_memory memory;
    CU_ASSERT_EQUAL_FATAL(map(page, page, 0, &memory), MMB_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        failing_madvise(rows[i].errnum);
        mmbError error = mmb_mmap_backend.advise(backend, &memory, 0, page, MMB_ADVISE_HUGE_PAGES);
        failing_mmap_none();
        SUITE_CHECK(error == rows[i].error, "errno %d: %s", rows[i].errnum, mmb_error_name(error));
    }
    CU_ASSERT_EQUAL(mmb_mmap_backend.advise(backend, &memory, 0, page, (mmbAdvice)99),
                    MMB_INVALID_ARG);
    unmap(&memory);
}

MMB_SUITE_WITH("layers/mmap", set_up, tear_down, T(test_mmap_gives_zeroed_whole_pages),
               T(test_mmap_trims_what_alignment_needed_more),
               T(test_mmap_joins_ranges_that_are_aligned_a_little),
               T(test_mmap_names_the_native_cause), T(test_mmap_falls_back_to_the_least),
               T(test_mmap_undoes_when_trimming_fails), T(test_mmap_reports_a_failed_unmap),
               T(test_mmap_discard_gives_whole_pages_back), T(test_mmap_advice_reaches_the_kernel),
               T(test_mmap_advice_spares_partial_pages), T(test_mmap_advice_refusals_are_reported))
