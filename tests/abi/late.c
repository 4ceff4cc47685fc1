/* SPDX-License-Identifier: BSD-3-Clause */
/* Loads the library after everything else has started, as an interpreter does: other libraries have
 * taken most of the spare static TLS, threads run, and the handle is closed while they live on.
 * Given the library's path. Says nothing when all is well. */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <mmb.h>

static void *library;
static mmbMemInterface *interface;
static _Atomic int step;
static volatile sig_atomic_t ticks;

/* POSIX lets a function pointer come out of dlsym; ISO C has no cast for it. */
#define CALL(function) (*(__typeof__(&function) *)find(#function))

static void **find(const char *name)
{
    static _Thread_local void *found;
    found = dlsym(library, name);
    if (!found) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return &found;
}

static void must(mmbError error, const char *what)
{
    if (error == MMB_OK)
        return;
    fprintf(stderr, "%s: error %d\n", what, (int)error);
    exit(1);
}

static void wait_for(int wanted)
{
    while (atomic_load(&step) < wanted)
        ;
}

/* Has a cache, and ends after the library was finalized and closed. */
static void *outlive(void *unused)
{
    mmbAllocation *block;
    must(CALL(mmb_allocate)(100, interface, &block), "allocate in a thread");
    must(CALL(mmb_free)(block), "free in a thread");
    atomic_store(&step, 1);
    wait_for(2);
    return unused;
}

static void tick(int number)
{
    (void)number;
    ticks = ticks + 1;
}

/* Signals that return are nothing to the library, wherever they strike. */
static void allocate_under_signals(void)
{
    struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    mmbError (*allocate)(size_t, mmbMemInterface *, mmbAllocation **) = CALL(mmb_allocate);
    mmbError (*release)(mmbAllocation *) = CALL(mmb_free);
    signal(SIGALRM, tick);
    setitimer(ITIMER_REAL, &often, NULL);
    while (ticks < 200) {
        mmbAllocation *blocks[64];
        for (size_t i = 0; i < 64; i++)
            must(allocate(16 + i * 40, interface, &blocks[i]), "allocate under signals");
        for (size_t i = 0; i < 64; i++)
            must(release(blocks[i]), "free under signals");
    }
    setitimer(ITIMER_REAL, &never, NULL);
}

int main(int argc, char **argv)
{
    pthread_t thread;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemSpace *space;
    if (argc != 2 || !(library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL))) {
        fprintf(stderr, "%s\n", argc == 2 ? dlerror() : "usage: late LIBRARY");
        return 1;
    }
    must(CALL(mmb_init)(NULL), "init");
    must(CALL(mmb_register_memory)(MMB_DRAM, MMB_CPU, NULL, &space), "register");
    config.strategy = MMB_STRATEGY_THREAD_LOCAL;
    must(CALL(mmb_create_interface)(space, &config, &interface), "create");
    if (pthread_create(&thread, NULL, outlive, NULL))
        return 1;
    wait_for(1);
    allocate_under_signals();
    must(CALL(mmb_finalize)(), "finalize");
    if (dlclose(library))
        return 1;
    atomic_store(&step, 2);
    return pthread_join(thread, NULL) ? 1 : 0;
}
