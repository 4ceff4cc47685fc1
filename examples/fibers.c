/* SPDX-License-Identifier: BSD-3-Clause */
/* User-level threads with a shared heap: fibers that one system thread switches between, and the
 * table that tells libmmb of them. Each fiber has a cache of its own in the heap, which the next
 * one inherits when it ends; and one thread can allocate for another by naming it. A library such
 * as Argobots fills the table with its own functions. */
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <mmb.h>

#define N_FIBERS    3
#define N_KEYS      8
#define STACK_BYTES (256 * 1024)

struct key {
    void (*destructor)(void *);
    void *values[N_FIBERS + 1];
};

/* Fiber 0 is the system thread itself. */
static ucontext_t contexts[N_FIBERS + 1];
static struct key *keys[N_KEYS];
static size_t current;
static mmbMemInterface *heap;

static void check(mmbError error, const char *what)
{
    if (error == MMB_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, mmb_error_name(error), mmb_error_detail());
    exit(1);
}

static void switch_to(size_t fiber)
{
    size_t from = current;
    current = fiber;
    swapcontext(&contexts[from], &contexts[fiber]);
}

/* [table] */
static uint64_t get_id(void)
{
    return 1000 + current;
}

static void yield(void)
{
    if (current != 0)
        switch_to(0);
}

static void sleep_us(uint64_t microseconds)
{
    struct timespec time = {0, (long)microseconds * 1000};
    if (current == 0)
        nanosleep(&time, NULL);
    yield();
}

static int tls_create(void **out_key, void (*destructor)(void *))
{
    size_t i = 0;
    while (i < N_KEYS && keys[i])
        i++;
    if (i == N_KEYS || !(keys[i] = calloc(1, sizeof *keys[i])))
        return 1;
    keys[i]->destructor = destructor;
    *out_key = keys[i];
    return 0;
}

static void *tls_get(void *key)
{
    return ((struct key *)key)->values[current];
}

static int tls_set(void *key, void *value)
{
    ((struct key *)key)->values[current] = value;
    return 0;
}

static void tls_destroy(void *key)
{
    size_t i;
    for (i = 0; i < N_KEYS; i++)
        if (keys[i] == key)
            keys[i] = NULL;
    free(key);
}

static const mmbThreadModel model = {sizeof model, "fibers", get_id,  yield,      sleep_us,
                                     tls_create,   tls_get,  tls_set, tls_destroy};
/* [table] */

/* What every library of threads does when one ends. */
static void destroy_values(void)
{
    size_t i;
    for (i = 0; i < N_KEYS; i++) {
        void *value = keys[i] ? keys[i]->values[current] : NULL;
        if (!value)
            continue;
        keys[i]->values[current] = NULL;
        if (keys[i]->destructor)
            keys[i]->destructor(value);
    }
}

static void live(void)
{
    mmbAllocation *block;
    check(mmb_allocate(100, heap, &block), "mmb_allocate");
    sprintf(MMB_PTR(block, char), "fiber %zu's own", current);
    yield();
    printf("%s, and nobody else wrote there\n", MMB_PTR(block, char));
    check(mmb_free(block), "mmb_free");
    destroy_values();
    yield(); /* for the last time: nobody switches here again */
}

static void make_fiber(ucontext_t *context, char *stack)
{
    getcontext(context);
    context->uc_stack.ss_sp = stack;
    context->uc_stack.ss_size = STACK_BYTES;
    makecontext(context, live, 0);
}

static void run_fibers(void)
{
    char *stacks = malloc(N_FIBERS * (size_t)STACK_BYTES);
    size_t i, turn;
    if (!stacks)
        exit(1);
    for (i = 1; i <= N_FIBERS; i++)
        make_fiber(&contexts[i], stacks + (i - 1) * STACK_BYTES);
    for (turn = 0; turn < 2; turn++)
        for (i = 1; i <= N_FIBERS; i++)
            switch_to(i);
    free(stacks);
}

/* As if fiber 2 had asked: what it frees later comes back to its own cache. */
static void allocate_for_another(void)
{
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    mmbAllocation *block;
    options.thread = 1002;
    check(mmb_allocate_opts(100, heap, &options, &block), "mmb_allocate_opts");
    check(mmb_free_opts(block, &options), "mmb_free_opts");
    printf("allocated and freed for fiber 2\n");
}

int main(void)
{
    mmbOptions options = MMB_OPTIONS_INIT;
    mmbMemSpaceConfig any = MMB_MEMSPACE_CONFIG_DEFAULT;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemSpace *space;
    char url[64];
    options.thread_model = &model;
    check(mmb_init(&options), "mmb_init");
    any.size_opts.action = MMB_SIZE_ANY;
    check(mmb_register_memory(MMB_DRAM, MMB_CPU, &any, &space), "mmb_register_memory");
    sprintf(url, "memfd:mmb-fibers-%ld", (long)getpid());
    config.backend = MMB_BACKEND_SHM;
    config.backend_opts.shm.url = url;
    config.backend_opts.shm.bytes = 8 << 20;
    config.backend_opts.shm.mode = MMB_SHM_CREATE;
    check(mmb_create_interface(space, &config, &heap), "mmb_create_interface");
    run_fibers();
    allocate_for_another();
    check(mmb_destroy_interface(heap), "mmb_destroy_interface");
    check(mmb_finalize(), "mmb_finalize");
    return 0;
}
