/* SPDX-License-Identifier: BSD-3-Clause */
/* The promises of src/spi/backend.h, as checks over one open backend. Owns no state. */
#include "tests/contract/backend_suite.h"
#include <stdint.h>
#include <string.h>
#include <mmb/backend.h>
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/meta.h"
#include "src/base/os.h"
#include "tests/support/suite.h"

/* ---- opening, touching ---- */

/* Every system has it, one without NUMA too. */
static const int first_node = 0;

static mmbError open_subject(const struct backend_subject *subject, mmbBackendOptions *options,
                             struct mmb_backend **out)
{
    const struct mmb_backend_request request = {
        .id = subject->ops->id,
        .layer = subject->layer,
        .context = subject->context,
        .options = options,
        .domain = -1,
        .domain_os_index = -1,
        .os_indexes = &first_node,
        .n_domains = 1,
    };
    return subject->ops->open(&request, out);
}

static void run_subject(const struct backend_subject *subject, backend_promise promise)
{
    struct backend_fixture fixture = {subject, subject->ops, NULL, subject->granularity};
    mmbBackendOptions options = {{0}};
    size_t meta_before = mmb_meta_bytes();
    if (fixture.granularity == 0)
        fixture.granularity = mmb_os_page_bytes();
    if (subject->prepare)
        subject->prepare(&options);
    mmbError error = open_subject(subject, &options, &fixture.backend);
    if (BACKEND_CHECK(&fixture, error == MMB_OK, "open: %s", mmb_error_detail())) {
        promise(&fixture);
        fixture.ops->close(fixture.backend);
    }
    if (subject->tidy)
        subject->tidy();
    BACKEND_CHECK(&fixture, mmb_meta_bytes() == meta_before, "%zu B of metadata were %zu before",
                  mmb_meta_bytes(), meta_before);
}

void backend_suite_each(const struct backend_subject *subjects, size_t n_subjects,
                        backend_promise promise)
{
    size_t n_run = 0;
    /* This thread's detail is metadata too: it must be there before any is counted. */
    mmb_fail(MMB_ERROR, "no failure yet");
    for (size_t i = 0; i < n_subjects; i++) {
        if (subjects[i].ops->available() != MMB_OK)
            continue;
        run_subject(&subjects[i], promise);
        n_run++;
    }
    if (n_run == 0)
        suite_skip("no backend of this suite is available here");
}

mmbError backend_map(struct backend_fixture *fixture, size_t min, size_t want, size_t alignment,
                     struct mmb_memory *out)
{
    return fixture->ops->map(fixture->backend, min, want, alignment, out);
}

void backend_unmap(struct backend_fixture *fixture, const struct mmb_memory *memory)
{
    mmbError error = fixture->ops->unmap(fixture->backend, memory);
    BACKEND_CHECK(fixture, error == MMB_OK, "unmap: %s", mmb_error_detail());
}

static void put(struct backend_fixture *fixture, const struct mmb_memory *memory, size_t offset,
                const void *bytes, size_t n_bytes)
{
    if (memory->host)
        memcpy((char *)memory->host + offset, bytes, n_bytes);
    else
        fixture->ops->copy_in(fixture->backend, memory, offset, bytes, n_bytes);
}

static void get(struct backend_fixture *fixture, const struct mmb_memory *memory, size_t offset,
                void *bytes, size_t n_bytes)
{
    if (memory->host)
        memcpy(bytes, (const char *)memory->host + offset, n_bytes);
    else
        fixture->ops->copy_out(fixture->backend, bytes, memory, offset, n_bytes);
}

void backend_stamp(struct backend_fixture *fixture, const struct mmb_memory *memory,
                   unsigned int tag)
{
    unsigned char bytes[256];
    for (size_t at = 0; at < memory->n_bytes; at += sizeof bytes) {
        size_t n_bytes = memory->n_bytes - at < sizeof bytes ? memory->n_bytes - at : sizeof bytes;
        for (size_t i = 0; i < n_bytes; i++)
            bytes[i] = (unsigned char)(tag * 31 + (at + i) / 7);
        put(fixture, memory, at, bytes, n_bytes);
    }
}

size_t backend_count_changed(struct backend_fixture *fixture, const struct mmb_memory *memory,
                             unsigned int tag, size_t from, size_t to)
{
    unsigned char bytes[256];
    size_t n_changed = 0;
    for (size_t at = from; at < to; at += sizeof bytes) {
        size_t n_bytes = to - at < sizeof bytes ? to - at : sizeof bytes;
        get(fixture, memory, at, bytes, n_bytes);
        for (size_t i = 0; i < n_bytes; i++)
            n_changed += bytes[i] != (unsigned char)(tag * 31 + (at + i) / 7);
    }
    return n_changed;
}

bool backend_is_stamped(struct backend_fixture *fixture, const struct mmb_memory *memory,
                        unsigned int tag)
{
    return backend_count_changed(fixture, memory, tag, 0, memory->n_bytes) == 0;
}

/* ---- the table and the instance ---- */

void backend_table_is_complete(struct backend_fixture *fixture)
{
    const struct mmb_backend_ops *ops = fixture->ops;
    BACKEND_CHECK(fixture, ops->size == sizeof *ops, "size %zu", ops->size);
    BACKEND_CHECK(fixture, ops->name && ops->name[0], "%s", "has no name");
    BACKEND_CHECK(fixture, ops->serves && ops->available && ops->open && ops->close, "%s",
                  "a mandatory member is missing");
    BACKEND_CHECK(fixture, ops->map && ops->unmap, "%s", "a mandatory member is missing");
    BACKEND_CHECK(fixture, !ops->copy_in == !ops->copy_out && !ops->copy_in == !ops->set, "%s",
                  "copy_in, copy_out and set do not come together");
    BACKEND_CHECK(fixture, fixture->backend->host_accessible || ops->copy_in, "%s",
                  "nobody can copy to its memory");
    BACKEND_CHECK(fixture, ops->serves(fixture->subject->layer, fixture->subject->context), "%s",
                  "does not serve what it was opened for");
}

void backend_instance_describes_itself(struct backend_fixture *fixture)
{
    const struct mmb_backend *backend = fixture->backend;
    BACKEND_CHECK(fixture, backend->ops == fixture->ops, "%s", "instance of another table");
    BACKEND_CHECK(fixture, backend->bounded > 0, "%s", "has no bytes");
    BACKEND_CHECK(fixture,
                  mmb_is_power_of_two(backend->min_alignment) && backend->min_alignment >= 16,
                  "minimum alignment %zu", backend->min_alignment);
}

void backend_close_takes_null(struct backend_fixture *fixture)
{
    size_t before = mmb_meta_bytes();
    fixture->ops->close(NULL);
    BACKEND_CHECK(fixture, mmb_meta_bytes() == before, "%s", "close(NULL) did something");
}

/* The last word is nobody's yet. A backend with options of its own cannot look at it: a program
 * that initialises just the union's member it uses leaves the other words to the compiler. */
void backend_refuses_unknown_options(struct backend_fixture *fixture)
{
    if (fixture->ops->id != MMB_BACKEND_MALLOC && fixture->ops->id != MMB_BACKEND_MMAP)
        return;
    struct mmb_backend *backend = NULL;
    mmbBackendOptions options = {{0}};
    options.reserved[7] = 1;
    mmbError error = open_subject(fixture->subject, &options, &backend);
    BACKEND_CHECK(fixture, error == MMB_INVALID_ARG, "open gives %s", mmb_error_name(error));
    BACKEND_CHECK(fixture, !backend, "%s", "output was written");
}

/* ---- mapping ---- */

void backend_gives_between_least_and_wish(struct backend_fixture *fixture)
{
    static const size_t rows[][2] = {{1, 1},      {1, 15},       {1, 4096},        {17, 17},
                                     {100, 5000}, {4096, 4096},  {4097, 65536},    {65536, 65536},
                                     {1, 262144}, {1000, 99999}, {100000, 100001}, {16, 16}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t most = mmb_round_up(rows[i][1], fixture->granularity);
        struct mmb_memory memory;
        mmbError error = backend_map(fixture, rows[i][0], rows[i][1], 0, &memory);
        if (!BACKEND_CHECK(fixture, error == MMB_OK, "%zu..%zu B: %s", rows[i][0], rows[i][1],
                           mmb_error_detail()))
            continue;
        BACKEND_CHECK(fixture, memory.n_bytes >= rows[i][0] && memory.n_bytes <= most,
                      "%zu..%zu B: got %zu", rows[i][0], rows[i][1], memory.n_bytes);
        backend_stamp(fixture, &memory, 1);
        BACKEND_CHECK(fixture, backend_is_stamped(fixture, &memory, 1),
                      "%zu B do not keep what is written", memory.n_bytes);
        backend_unmap(fixture, &memory);
    }
}

void backend_aligns(struct backend_fixture *fixture)
{
    size_t least = fixture->backend->min_alignment;
    for (size_t alignment = 0; alignment <= 65536; alignment = alignment ? 2 * alignment : 1) {
        struct mmb_memory memory;
        mmbError error = backend_map(fixture, 48, 48, alignment, &memory);
        if (error == MMB_UNSUPPORTED && alignment > least)
            continue;
        if (!BACKEND_CHECK(fixture, error == MMB_OK, "alignment %zu: %s", alignment,
                           mmb_error_detail()))
            continue;
        BACKEND_CHECK(fixture, memory.address % least == 0, "alignment %zu: %zx", alignment,
                      (size_t)memory.address);
        BACKEND_CHECK(fixture, alignment == 0 || memory.address % alignment == 0,
                      "alignment %zu: %zx", alignment, (size_t)memory.address);
        backend_stamp(fixture, &memory, 2);
        BACKEND_CHECK(fixture, backend_is_stamped(fixture, &memory, 2), "alignment %zu", alignment);
        backend_unmap(fixture, &memory);
    }
}

void backend_describes_memory(struct backend_fixture *fixture)
{
    struct mmb_memory memory;
    if (!BACKEND_CHECK(fixture, backend_map(fixture, 64, 64, 0, &memory) == MMB_OK, "%s",
                       mmb_error_detail()))
        return;
    BACKEND_CHECK(fixture, memory.address != 0, "%s", "no address");
    BACKEND_CHECK(fixture, !memory.host || (uintptr_t)memory.host == memory.address, "%s",
                  "host and address differ");
    BACKEND_CHECK(fixture, memory.host || !fixture->backend->host_accessible, "%s",
                  "no host address");
    BACKEND_CHECK(fixture,
                  !memory.host || (memory.native == memory.host && memory.native_offset == 0), "%s",
                  "the native handle of host memory is its address");
    backend_unmap(fixture, &memory);
}

void backend_ranges_are_apart(struct backend_fixture *fixture)
{
    enum { N_RANGES = 20 };
    struct mmb_memory ranges[N_RANGES];
    size_t n_ranges = 0;
    while (n_ranges < N_RANGES &&
           backend_map(fixture, 100, 100 + 700 * n_ranges, 0, &ranges[n_ranges]) == MMB_OK) {
        backend_stamp(fixture, &ranges[n_ranges], (unsigned int)n_ranges);
        n_ranges++;
    }
    BACKEND_CHECK(fixture, n_ranges == N_RANGES, "%zu ranges: %s", n_ranges, mmb_error_detail());
    for (size_t i = 0; i < n_ranges; i++)
        BACKEND_CHECK(fixture, backend_is_stamped(fixture, &ranges[i], (unsigned int)i),
                      "range %zu", i);
    for (size_t i = 0; i < n_ranges; i++)
        backend_unmap(fixture, &ranges[i]);
}

/* A thousand rounds would exhaust anything that keeps a byte; a bounded backend must be whole. */
void backend_takes_everything_back(struct backend_fixture *fixture)
{
    size_t largest = fixture->backend->bounded;
    if (largest > 65536)
        largest = 65536;
    for (size_t round = 0; round < 1000; round++) {
        struct mmb_memory first, second;
        if (!BACKEND_CHECK(fixture,
                           backend_map(fixture, largest / 4, largest / 4, 0, &first) == MMB_OK,
                           "round %zu: %s", round, mmb_error_detail()))
            return;
        if (BACKEND_CHECK(fixture,
                          backend_map(fixture, largest / 2, largest / 2, 0, &second) == MMB_OK,
                          "round %zu: %s", round, mmb_error_detail()))
            backend_unmap(fixture, &second);
        backend_unmap(fixture, &first);
    }
    struct mmb_memory whole;
    if (BACKEND_CHECK(fixture, backend_map(fixture, largest, largest, 0, &whole) == MMB_OK,
                      "%zu B: %s", largest, mmb_error_detail()))
        backend_unmap(fixture, &whole);
}

void backend_refuses_the_impossible(struct backend_fixture *fixture)
{
    static const size_t top = (size_t)1 << (sizeof(size_t) * 8 - 2);
    const size_t rows[][2] = {
        {SIZE_MAX, 0},         {SIZE_MAX - 1, 4096}, {SIZE_MAX - 15, 0}, {SIZE_MAX - 4096, 16},
        {SIZE_MAX / 2 + 1, 0}, {top, top},           {16, top}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmb_memory memory = {.n_bytes = 77};
        mmbError error = backend_map(fixture, rows[i][0], rows[i][0], rows[i][1], &memory);
        BACKEND_CHECK(fixture, error == MMB_OUT_OF_MEMORY || error == MMB_UNSUPPORTED,
                      "%zu B aligned to %zu: %s", rows[i][0], rows[i][1], mmb_error_name(error));
        BACKEND_CHECK(fixture, memory.n_bytes == 77, "%zu B: output was written", rows[i][0]);
        BACKEND_CHECK(fixture, strstr(mmb_error_detail(), fixture->ops->name), "detail \"%s\"",
                      mmb_error_detail());
    }
    backend_describes_memory(fixture);
}

/* ---- optional members ---- */

void backend_discard_spares_the_rest(struct backend_fixture *fixture)
{
    struct mmb_memory memory;
    size_t from = 5000, n_bytes = 40000;
    if (!fixture->ops->discard)
        return;
    if (!BACKEND_CHECK(fixture, backend_map(fixture, 65536, 65536, 0, &memory) == MMB_OK, "%s",
                       mmb_error_detail()))
        return;
    backend_stamp(fixture, &memory, 3);
    fixture->ops->discard(fixture->backend, &memory, from, n_bytes);
    BACKEND_CHECK(fixture, backend_count_changed(fixture, &memory, 3, 0, from) == 0, "%s",
                  "bytes before changed");
    BACKEND_CHECK(fixture,
                  backend_count_changed(fixture, &memory, 3, from + n_bytes, memory.n_bytes) == 0,
                  "%s", "bytes behind changed");
    fixture->ops->discard(fixture->backend, &memory, 10, 0);
    fixture->ops->discard(fixture->backend, &memory, memory.n_bytes, 0);
    backend_stamp(fixture, &memory, 4);
    BACKEND_CHECK(fixture, backend_is_stamped(fixture, &memory, 4), "%s", "not usable afterwards");
    backend_unmap(fixture, &memory);
}

static void check_copies(struct backend_fixture *fixture, const struct mmb_memory *a,
                         const struct mmb_memory *b)
{
    const struct mmb_backend_ops *ops = fixture->ops;
    unsigned char from[1000], to[1000];
    memset(to, 0, sizeof to);
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (unsigned char)(i * 13 + 1);
    BACKEND_CHECK(fixture, ops->copy_in(fixture->backend, a, 37, from, sizeof from) == MMB_OK, "%s",
                  mmb_error_detail());
    if (ops->copy)
        BACKEND_CHECK(fixture, ops->copy(fixture->backend, b, 5, a, 37, sizeof from) == MMB_OK,
                      "%s", mmb_error_detail());
    BACKEND_CHECK(fixture,
                  ops->copy_out(fixture->backend, to, ops->copy ? b : a, ops->copy ? 5 : 37,
                                sizeof to) == MMB_OK,
                  "%s", mmb_error_detail());
    BACKEND_CHECK(fixture, memcmp(from, to, sizeof from) == 0, "%s", "what came back differs");
    BACKEND_CHECK(fixture, ops->set(fixture->backend, a, 40, 0x5a, 10) == MMB_OK, "%s",
                  mmb_error_detail());
    memset(from + 3, 0x5a, 10);
    BACKEND_CHECK(fixture, ops->copy_out(fixture->backend, to, a, 37, sizeof to) == MMB_OK, "%s",
                  mmb_error_detail());
    BACKEND_CHECK(fixture, memcmp(from, to, sizeof from) == 0, "%s", "set missed its range");
}

void backend_copies(struct backend_fixture *fixture)
{
    struct mmb_memory a, b;
    if (!fixture->ops->copy_in)
        return;
    if (!BACKEND_CHECK(fixture, backend_map(fixture, 4096, 4096, 0, &a) == MMB_OK, "%s",
                       mmb_error_detail()))
        return;
    if (BACKEND_CHECK(fixture, backend_map(fixture, 4096, 4096, 0, &b) == MMB_OK, "%s",
                      mmb_error_detail())) {
        check_copies(fixture, &a, &b);
        backend_unmap(fixture, &b);
    }
    backend_unmap(fixture, &a);
}

void backend_advice_is_taken_or_refused(struct backend_fixture *fixture)
{
    struct mmb_memory memory;
    if (!fixture->ops->advise)
        return;
    if (!BACKEND_CHECK(fixture, backend_map(fixture, 65536, 65536, 0, &memory) == MMB_OK, "%s",
                       mmb_error_detail()))
        return;
    for (int advice = MMB_ADVISE_NORMAL; advice <= MMB_ADVISE_HUGE_PAGES; advice++) {
        backend_stamp(fixture, &memory, 5);
        mmbError error =
            fixture->ops->advise(fixture->backend, &memory, 100, 50000, (mmbAdvice)advice);
        BACKEND_CHECK(fixture, error == MMB_OK || error == MMB_UNSUPPORTED, "advice %d: %s", advice,
                      mmb_error_detail());
        BACKEND_CHECK(fixture,
                      advice == MMB_ADVISE_DONT_NEED || backend_is_stamped(fixture, &memory, 5),
                      "advice %d changed the contents", advice);
        BACKEND_CHECK(fixture, backend_count_changed(fixture, &memory, 5, 0, 100) == 0,
                      "advice %d changed bytes outside", advice);
    }
    backend_unmap(fixture, &memory);
}
