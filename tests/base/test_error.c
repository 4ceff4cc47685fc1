/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise: every code has a name and a text; each thread finds the reason of its own last failure,
 * whatever happened to memory, and asking for it or leaving it never calls malloc. mmb_meta_alloc
 * is wrapped (tests/Makefile.inc). */
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/meta.h"
#include "src/base/text.h"
#include "tests/support/suite.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_bool refuse_meta;

void *__real_mmb_meta_alloc(size_t n_bytes);
void *__wrap_mmb_meta_alloc(size_t n_bytes);

void *__wrap_mmb_meta_alloc(size_t n_bytes)
{
    return atomic_load(&refuse_meta) ? NULL : __real_mmb_meta_alloc(n_bytes);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__GLIBC__)
#define COUNTS_MALLOC 1
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#undef COUNTS_MALLOC
#endif
#endif
#endif

/* The program's malloc, for libc too. Only the thread under test counts: the variable is per
 * thread. */
static _Thread_local unsigned n_mallocs;

#ifdef COUNTS_MALLOC
void *__libc_malloc(size_t n_bytes);
void *__libc_calloc(size_t n, size_t n_bytes);
void *__libc_realloc(void *block, size_t n_bytes);

__attribute__((visibility("default"))) void *malloc(size_t n_bytes)
{
    n_mallocs++;
    return __libc_malloc(n_bytes);
}

__attribute__((visibility("default"))) void *calloc(size_t n, size_t n_bytes)
{
    n_mallocs++;
    return __libc_calloc(n, n_bytes);
}

__attribute__((visibility("default"))) void *realloc(void *block, size_t n_bytes)
{
    n_mallocs++;
    return __libc_realloc(block, n_bytes);
}
#endif

static void set_up(void)
{
    atomic_store(&refuse_meta, false);
    mmb_logging_set_level(MMB_LOG_NONE);
}

static void test_error_names_and_texts_come_from_the_list(void)
{
    static const struct {
        int value;
        mmbError code;
        const char *name, *text;
    } rows[] = {
#define ROW(name, value, text) {value, name, #name, text},
        MMB_ERROR_LIST(ROW)
#undef ROW
    };

    CU_ASSERT_EQUAL(MMB_OK, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CU_ASSERT_EQUAL((int)rows[i].code, rows[i].value);
        CU_ASSERT_STRING_EQUAL(mmb_error_name(rows[i].code), rows[i].name);
        CU_ASSERT_STRING_EQUAL(mmb_error_description(rows[i].code), rows[i].text);
        CU_ASSERT_TRUE(rows[i].text[0] != '\0');
    }
}

static void test_error_unknown_codes_have_no_name(void)
{
    static const int values[] = {-1, 18, 9999};

    mmb_fail(MMB_BUSY, "before");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        CU_ASSERT_PTR_NULL(mmb_error_name((mmbError)values[i]));
        CU_ASSERT_PTR_NULL(mmb_error_description((mmbError)values[i]));
    }
    CU_ASSERT_STRING_EQUAL(mmb_error_detail(), "before");
}

static void test_error_fail_gives_code_and_detail(void)
{
    errno = 4711;
    CU_ASSERT_EQUAL(mmb_fail(MMB_OUT_OF_MEMORY, "allocate %d B: limit %s", 8001, "8000"),
                    MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(errno, 4711);
    CU_ASSERT_STRING_EQUAL(mmb_error_detail(), "allocate 8001 B: limit 8000");
    CU_ASSERT_EQUAL(mmb_fail(MMB_BUSY, "later"), MMB_BUSY);
    CU_ASSERT_STRING_EQUAL(mmb_error_detail(), "later");
}

static void test_error_fail_errno_names_the_cause(void)
{
    errno = 4711;
    CU_ASSERT_EQUAL(mmb_fail_errno(MMB_PERMISSION, EACCES, "open %s", "x"), MMB_PERMISSION);
    CU_ASSERT_EQUAL(errno, 4711);
    CU_ASSERT_STRING_EQUAL(mmb_error_detail(), "open x: Permission denied");
    mmb_fail_errno(MMB_ERROR, 99999, "odd");
    CU_ASSERT_NSTRING_EQUAL(mmb_error_detail(), "odd: ", 5);
    CU_ASSERT_PTR_NOT_NULL(strstr(mmb_error_detail(), "99999"));
}

/* A wider function puts the lower one's reason into its own, and that again. */
static void test_error_fail_may_quote_the_detail(void)
{
    mmb_fail(MMB_ERROR, "inner");
    mmb_fail(MMB_ERROR, "middle: %s", mmb_error_detail());
    mmb_fail_errno(MMB_ERROR, ENOENT, "outer: %s", mmb_error_detail());
    CU_ASSERT_STRING_EQUAL(mmb_error_detail(), "outer: middle: inner: No such file or directory");
}

static void test_error_long_details_are_cut(void)
{
    char text[MMB_DETAIL_BYTES + 100];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    mmb_fail(MMB_ERROR, "%s", text);
    CU_ASSERT_EQUAL(strlen(mmb_error_detail()), MMB_DETAIL_BYTES - 1);
    CU_ASSERT_STRING_EQUAL(mmb_error_detail() + MMB_DETAIL_BYTES - 4, "...");

    text[MMB_DETAIL_BYTES - 1] = '\0'; /* the longest that fits */
    mmb_fail(MMB_ERROR, "%s", text);
    CU_ASSERT_STRING_EQUAL(mmb_error_detail(), text);
}

/* Threads report by their result: NULL is success, else what went wrong. */
static void *fail_alone(void *argument)
{
    (void)argument;
    if (strcmp(mmb_error_detail(), "") != 0)
        return "a new thread has a detail";
    for (int i = 0; i < 100; i++) {
        char own[32];
        struct mmb_text text;

        mmb_text_init(&text, own, sizeof(own));
        mmb_text_append(&text, "%p %d", (void *)own, i);
        mmb_fail(MMB_ERROR, "%s", own);
        if (strcmp(mmb_error_detail(), own) != 0)
            return "the detail is another's";
    }
    return NULL;
}

static void test_error_each_thread_has_its_own_detail(void)
{
    pthread_t threads[4];

    mmb_fail(MMB_ERROR, "mine");
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, fail_alone, NULL), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;

        pthread_join(threads[i], &wrong);
        SUITE_CHECK(!wrong, "%s", (const char *)wrong);
    }
    CU_ASSERT_STRING_EQUAL(mmb_error_detail(), "mine");
}

static void run_thread(void *(*body)(void *))
{
    pthread_t thread;
    void *wrong;

    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, body, NULL), 0);
    pthread_join(thread, &wrong);
    SUITE_CHECK(!wrong, "%s", (const char *)wrong);
}

static void test_error_detail_goes_with_its_thread(void)
{
    size_t before;

    mmb_fail(MMB_ERROR, "this thread's buffer exists");
    before = mmb_meta_bytes();
    for (int i = 0; i < 50; i++)
        run_thread(fail_alone);
    CU_ASSERT_EQUAL(mmb_meta_bytes(), before);
}

static pthread_key_t late_key;

static void fail_late(void *argument)
{
    (void)argument;
    mmb_fail(MMB_ERROR, "after this thread's detail was freed");
}

static void *fail_in_destructor(void *argument)
{
    (void)argument;
    mmb_fail(MMB_ERROR, "first");
    return pthread_setspecific(late_key, &late_key) == 0 ? NULL : "no thread-specific value";
}

/* The destructor of a key made later than ours runs after ours, and fails once more. */
static void test_error_fail_in_a_thread_destructor_leaves_nothing(void)
{
    size_t before;

    mmb_fail(MMB_ERROR, "this thread's buffer exists");
    before = mmb_meta_bytes();
    CU_ASSERT_EQUAL_FATAL(pthread_key_create(&late_key, fail_late), 0);
    run_thread(fail_in_destructor);
    pthread_key_delete(late_key);
    CU_ASSERT_EQUAL(mmb_meta_bytes(), before);
}

static void *fail_without_memory(void *argument)
{
    (void)argument;
    atomic_store(&refuse_meta, true);
    if (mmb_fail(MMB_BUSY, "unkept") != MMB_BUSY)
        return "another code";
    if (!strstr(mmb_error_detail(), "no memory"))
        return "the lost reason is not mentioned";
    mmb_fail(MMB_ERROR, "around: %s", mmb_error_detail());
    atomic_store(&refuse_meta, false);
    if (mmb_fail(MMB_ERROR, "kept") != MMB_ERROR || strcmp(mmb_error_detail(), "kept") != 0)
        return "the next detail with memory is not kept";
    return NULL;
}

static void *end_without_memory(void *argument)
{
    (void)argument;
    atomic_store(&refuse_meta, true);
    mmb_fail(MMB_BUSY, "unkept");
    atomic_store(&refuse_meta, false);
    return NULL;
}

static void test_error_detail_without_memory_is_a_fixed_text(void)
{
    size_t before = mmb_meta_bytes();

    run_thread(fail_without_memory);
    run_thread(end_without_memory);
    CU_ASSERT_EQUAL(mmb_meta_bytes(), before);
}

static char logged[256];

static void keep_message(mmbLogLevel level, const char *message, void *user)
{
    struct mmb_text text;

    (void)user;
    mmb_text_init(&text, logged, sizeof(logged));
    mmb_text_append(&text, "%d %s", (int)level, message);
}

static void test_error_fail_logs_once_at_debug_level(void)
{
    logged[0] = '\0';
    mmb_logging_set_callback(keep_message, NULL);
    mmb_logging_set_level(MMB_LOG_INFO);
    mmb_fail(MMB_BUSY, "quiet");
    CU_ASSERT_STRING_EQUAL(logged, "");
    mmb_logging_set_level(MMB_LOG_DEBUG);
    mmb_fail(MMB_BUSY, "in use by %d", 3);
    CU_ASSERT_STRING_EQUAL(logged, "4 MMB_BUSY: in use by 3");
    mmb_logging_set_callback(NULL, NULL);
}

static void fail_inside(mmbLogLevel level, const char *message, void *user)
{
    (void)level, (void)message, (void)user;
    mmb_fail(MMB_ERROR, "from the callback");
}

static void test_error_detail_is_not_a_callbacks(void)
{
    mmb_logging_set_callback(fail_inside, NULL);
    mmb_logging_set_level(MMB_LOG_DEBUG);
    mmb_fail(MMB_BUSY, "the caller's");
    mmb_logging_set_callback(NULL, NULL);
    CU_ASSERT_STRING_EQUAL(mmb_error_detail(), "the caller's");
}

static void ignore_message(mmbLogLevel level, const char *message, void *user)
{
    (void)level, (void)message, (void)user;
}

static void *fail_and_count_mallocs(void *argument)
{
    unsigned before = n_mallocs;

    (void)argument;
    mmb_fail_errno(MMB_ERROR, EIO, "first in this thread: %s %zu", "text", (size_t)1);
    mmb_fail(MMB_ERROR, "again: %s", mmb_error_detail());
    return n_mallocs == before ? NULL : "malloc was called";
}

static void test_error_fail_never_calls_malloc(void)
{
#ifdef COUNTS_MALLOC
    unsigned before = n_mallocs;
    void *volatile block = malloc(1);

    free(block);
    CU_ASSERT_EQUAL(n_mallocs, before + 1); /* the counter counts */
    mmb_logging_set_callback(ignore_message, NULL);
    mmb_logging_set_level(MMB_LOG_DEBUG);
    run_thread(fail_and_count_mallocs);
    mmb_logging_set_callback(NULL, NULL);
#else
    (void)ignore_message;
    (void)fail_and_count_mallocs;
    (void)n_mallocs;
    suite_skip("malloc belongs to the sanitizer");
#endif
}

MMB_SUITE_WITH("base/error", set_up, NULL, T(test_error_names_and_texts_come_from_the_list),
               T(test_error_unknown_codes_have_no_name), T(test_error_fail_gives_code_and_detail),
               T(test_error_fail_errno_names_the_cause), T(test_error_fail_may_quote_the_detail),
               T(test_error_long_details_are_cut), T(test_error_each_thread_has_its_own_detail),
               T(test_error_detail_goes_with_its_thread),
               T(test_error_fail_in_a_thread_destructor_leaves_nothing),
               T(test_error_detail_without_memory_is_a_fixed_text),
               T(test_error_fail_logs_once_at_debug_level), T(test_error_detail_is_not_a_callbacks),
               T(test_error_fail_never_calls_malloc))
