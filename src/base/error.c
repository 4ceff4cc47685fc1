/* SPDX-License-Identifier: BSD-3-Clause */
/* Names and texts of the error codes, and each thread's reason for its last failure.
 *
 * Owns one thread-specific key and, per thread that ever failed, one buffer from the metadata,
 * freed when the thread ends. Takes the metadata's lock for that buffer and the log's around the
 * message, never both.
 *
 * The buffer is not a thread-local variable: the library has one such variable of 8 bytes and no
 * more, so that it can still be loaded after others have used up the space for static thread-local
 * storage. */
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/meta.h"
#include "src/base/text.h"
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t detail_key;
static bool has_key; /* written once, under key_once */

/* Stands in a thread's slot when there was no memory for its buffer. */
static char reason_lost[] = "the reason is lost: there was no memory to keep it in";

const char *mmb_error_name(mmbError error)
{
    switch (error) {
#define NAME(name, value, text)                                                                    \
    case name:                                                                                     \
        return #name;
        MMB_ERROR_LIST(NAME)
#undef NAME
    }
    return NULL;
}

const char *mmb_error_description(mmbError error)
{
    switch (error) {
#define DESCRIPTION(name, value, text)                                                             \
    case name:                                                                                     \
        return text;
        MMB_ERROR_LIST(DESCRIPTION)
#undef DESCRIPTION
    }
    return NULL;
}

static void free_detail(void *detail)
{
    if (detail != reason_lost)
        mmb_meta_free(detail, MMB_DETAIL_BYTES);
}

static void make_key(void)
{
    has_key = pthread_key_create(&detail_key, free_detail) == 0;
}

/* At load, while few keys exist: glibc keeps the first 32 in the thread itself, and setting one of
 * those never calls malloc, which may be us. The calls through key_once cover constructors that run
 * before this one. */
__attribute__((constructor)) static void make_key_at_load(void)
{
    pthread_once(&key_once, make_key);
}

static bool key_is_ready(void)
{
    pthread_once(&key_once, make_key);
    return has_key;
}

const char *mmb_error_detail(void)
{
    const char *detail = key_is_ready() ? pthread_getspecific(detail_key) : NULL;

    return detail ? detail : "";
}

/* length excludes the final 0 */
static void keep_detail(const char *text, size_t length)
{
    char *detail;

    if (!key_is_ready())
        return;
    detail = pthread_getspecific(detail_key);
    if (!detail || detail == reason_lost) {
        detail = mmb_meta_alloc(MMB_DETAIL_BYTES);
        if (pthread_setspecific(detail_key, detail ? detail : reason_lost) != 0) {
            mmb_meta_free(detail, MMB_DETAIL_BYTES);
            return;
        }
    }
    if (detail)
        memcpy(detail, text, length + 1);
}

/* strerror may translate, and loading a catalogue allocates; where libc has the untranslated text,
 * that is taken. */
static void append_errno(struct mmb_text *text, int errnum)
{
    const char *cause;

#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 32)
    cause = strerrordesc_np(errnum);
#else
    cause = strerror(errnum);
#endif
#else
    cause = strerror(errnum);
#endif
    if (cause)
        mmb_text_append(text, ": %s", cause);
    else
        mmb_text_append(text, ": errno %d", errnum);
}

/* Formatted apart and kept last: the arguments may point into the old detail, and a log callback
 * may fail itself. */
static void finish(mmbError code, struct mmb_text *text)
{
    mmb_text_mark_cut(text);
    mmb_log(MMB_LOG_DEBUG, "%s: %s", mmb_error_name(code), text->buffer);
    keep_detail(text->buffer, text->length);
}

mmbError mmb_fail(mmbError code, const char *format, ...)
{
    int saved_errno = errno;
    char buffer[MMB_DETAIL_BYTES];
    struct mmb_text text;
    va_list args;

    mmb_text_init(&text, buffer, sizeof(buffer));
    va_start(args, format);
    mmb_text_append_args(&text, format, args);
    va_end(args);
    finish(code, &text);
    errno = saved_errno;
    return code;
}

mmbError mmb_fail_errno(mmbError code, int errnum, const char *format, ...)
{
    int saved_errno = errno;
    char buffer[MMB_DETAIL_BYTES];
    struct mmb_text text;
    va_list args;

    mmb_text_init(&text, buffer, sizeof(buffer));
    va_start(args, format);
    mmb_text_append_args(&text, format, args);
    va_end(args);
    append_errno(&text, errnum);
    finish(code, &text);
    errno = saved_errno;
    return code;
}
