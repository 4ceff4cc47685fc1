/* SPDX-License-Identifier: BSD-3-Clause */
/* See fibers.h. */
#include "tests/support/fibers.h"
#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>

#define STACK_BYTES ((size_t)256 << 10)
#define KEYS_MOST   8u
#define FIRST_ID    1000u

struct key {
    void (*destructor)(void *);
    void *values[FIBERS_MOST + 1];
};

static struct {
    ucontext_t contexts[FIBERS_MOST + 1];
    char *stacks[FIBERS_MOST + 1];
    bool has_ended[FIBERS_MOST + 1];
    struct key *keys[KEYS_MOST];
    void (*body)(void);
    size_t current;
    uint64_t n_made;
} fibers;

size_t fibers_current(void)
{
    return fibers.current;
}

static void switch_to(size_t fiber)
{
    size_t from = fibers.current;
    fibers.current = fiber;
    swapcontext(&fibers.contexts[from], &fibers.contexts[fiber]);
}

bool fibers_run(size_t fiber)
{
    switch_to(fiber);
    return !fibers.has_ended[fiber];
}

void fibers_yield(void)
{
    if (fibers.current != 0)
        switch_to(0);
}

static void destroy_values(void)
{
    for (size_t i = 0; i < KEYS_MOST; i++) {
        void *value = fibers.keys[i] ? fibers.keys[i]->values[fibers.current] : NULL;
        if (!value)
            continue;
        fibers.keys[i]->values[fibers.current] = NULL;
        if (fibers.keys[i]->destructor)
            fibers.keys[i]->destructor(value);
    }
}

static void live(void)
{
    fibers.body();
    destroy_values();
    fibers.has_ended[fibers.current] = true;
    fibers_yield();
}

static void make_one(ucontext_t *context, char *stack)
{
    getcontext(context);
    context->uc_stack.ss_sp = stack;
    context->uc_stack.ss_size = STACK_BYTES;
    context->uc_link = NULL;
    makecontext(context, live, 0);
}

void fibers_make(void (*body)(void))
{
    fibers.body = body;
    fibers.n_made += FIBERS_MOST;
    for (size_t i = 1; i <= FIBERS_MOST; i++) {
        fibers.stacks[i] = malloc(STACK_BYTES);
        fibers.has_ended[i] = false;
        make_one(&fibers.contexts[i], fibers.stacks[i]);
    }
}

void fibers_free(void)
{
    for (size_t i = 1; i <= FIBERS_MOST; i++)
        free(fibers.stacks[i]);
}

/* ---- the table ---- */

/* Of a fiber that was made in the place of another it is a new one. */
static uint64_t get_id(void)
{
    return FIRST_ID + (fibers.current ? fibers.n_made + fibers.current : 0);
}

static void sleep_us(uint64_t microseconds)
{
    (void)microseconds;
    fibers_yield();
}

static int key_create(void **out, void (*destructor)(void *))
{
    for (size_t i = 0; i < KEYS_MOST; i++)
        if (!fibers.keys[i]) {
            fibers.keys[i] = calloc(1, sizeof(struct key));
            fibers.keys[i]->destructor = destructor;
            *out = fibers.keys[i];
            return 0;
        }
    return 1;
}

static void *key_get(void *key)
{
    return ((struct key *)key)->values[fibers.current];
}

static int key_set(void *key, void *value)
{
    ((struct key *)key)->values[fibers.current] = value;
    return 0;
}

static void key_destroy(void *key)
{
    for (size_t i = 0; i < KEYS_MOST; i++)
        if (fibers.keys[i] == key)
            fibers.keys[i] = NULL;
    free(key);
}

const mmbThreadModel fibers_model = {
    .size = sizeof(mmbThreadModel),
    .name = "fibers",
    .get_id = get_id,
    .yield = fibers_yield,
    .sleep_us = sleep_us,
    .tls_create = key_create,
    .tls_get = key_get,
    .tls_set = key_set,
    .tls_destroy = key_destroy,
};
