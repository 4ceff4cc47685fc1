/* SPDX-License-Identifier: BSD-3-Clause */
/* See thread_model.h. Owns the copy of the program's table. Written while no other thread is in the
 * library, so no lock is taken. */
#include "src/base/thread_model.h"
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

/* A pthread_key_t may be 0, a key's native value must not be NULL. */
static pthread_key_t key_of(void *native)
{
    return (pthread_key_t)((uintptr_t)native - 1);
}

static uint64_t posix_get_id(void)
{
    static __thread uint64_t id;
    if (!id)
        id = (uint64_t)gettid();
    return id;
}

static void posix_yield(void)
{
    sched_yield();
}

static void posix_sleep_us(uint64_t microseconds)
{
    struct timespec time = {(time_t)(microseconds / 1000000),
                            (long)(microseconds % 1000000) * 1000};
    nanosleep(&time, NULL);
}

static int posix_tls_create(void **key, void (*destructor)(void *))
{
    pthread_key_t made;
    int result = pthread_key_create(&made, destructor);
    if (result == 0)
        *key = (void *)((uintptr_t)made + 1);
    return result;
}

static void *posix_tls_get(void *key)
{
    return pthread_getspecific(key_of(key));
}

static int posix_tls_set(void *key, void *value)
{
    return pthread_setspecific(key_of(key), value);
}

static void posix_tls_destroy(void *key)
{
    pthread_key_delete(key_of(key));
}

#define POSIX_MODEL                                                                                \
    {                                                                                              \
        .size = sizeof(mmbThreadModel), .name = "posix", .get_id = posix_get_id,                   \
        .yield = posix_yield, .sleep_us = posix_sleep_us, .tls_create = posix_tls_create,          \
        .tls_get = posix_tls_get, .tls_set = posix_tls_set, .tls_destroy = posix_tls_destroy,      \
    }
static const mmbThreadModel posix_model = POSIX_MODEL;
static mmbThreadModel model = POSIX_MODEL;

void mmb_thread_model_set(const mmbThreadModel *given)
{
    model = given ? *given : posix_model;
}

uint64_t mmb_thread_id(void)
{
    uint64_t id = model.get_id();
    return id ? id : UINT64_MAX;
}

void mmb_thread_yield(void)
{
    model.yield();
}

void mmb_thread_sleep_us(uint64_t microseconds)
{
    model.sleep_us(microseconds);
}

bool mmb_thread_is_users(void)
{
    return model.yield != posix_yield;
}

bool mmb_thread_key_make(struct mmb_thread_key *key, void (*destructor)(void *))
{
    return model.tls_create(&key->native, destructor) == 0;
}

void *mmb_thread_key_get(struct mmb_thread_key key)
{
    return model.tls_get(key.native);
}

bool mmb_thread_key_set(struct mmb_thread_key key, void *value)
{
    return model.tls_set(key.native, value) == 0;
}

void mmb_thread_key_drop(struct mmb_thread_key key)
{
    model.tls_destroy(key.native);
}
