/* SPDX-License-Identifier: BSD-3-Clause */
/* What test_callgrind.sh counts the instructions of: pairs of mmb_allocate and mmb_free through the
 * shared library, as a program would call it, with neighbours alive and an exact limit on.
 *     pair                says in a word or two why this build's counts mean nothing, or nothing
 *     pair STRATEGY N     does N pairs; 77: this build does not have the strategy
 *     pair BURST N        the same, thread-local, but a hundred blocks at a time
 *     pair POINTERS N     N pairs of mmb_malloc and mmb_free_ptr, thread-local
 *     pair FIND N         N times mmb_allocation_find, the same
 * A strategy with SHARED: in front is that of a heap in shared memory. */
#include <mmb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_BYTES      ((size_t)64)
#define N_NEIGHBOURS ((size_t)200)
#define N_BURST      ((size_t)100)
#define EXIT_MISSING 77

#if defined(MMB_DEBUG)
#define WHY_NOT "a debug build"
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WHY_NOT "a sanitized build"
#elif !defined(__OPTIMIZE__)
#define WHY_NOT "built without optimisation"
#else
#define WHY_NOT ""
#endif

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, mmb_error_detail());
    exit(EXIT_FAILURE);
}

static void pairs(mmbMemInterface *interface, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mmbAllocation *block;

        if (mmb_allocate(N_BYTES, interface, &block) != MMB_OK)
            fail("mmb_allocate");
        *MMB_PTR(block, volatile uint64_t) = i;
        if (mmb_free(block) != MMB_OK)
            fail("mmb_free");
    }
}

static void bursts(mmbMemInterface *interface, size_t n)
{
    mmbAllocation *blocks[N_BURST];

    for (size_t i = 0; i < n; i += N_BURST) {
        for (size_t j = 0; j < N_BURST; j++) {
            if (mmb_allocate(N_BYTES, interface, &blocks[j]) != MMB_OK)
                fail("mmb_allocate");
        }
        for (size_t j = 0; j < N_BURST; j++) {
            if (mmb_free(blocks[j]) != MMB_OK)
                fail("mmb_free");
        }
    }
}

static void pointer_pairs(mmbMemInterface *interface, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        volatile uint64_t *pointer = mmb_malloc(interface, N_BYTES);

        if (!pointer)
            fail("mmb_malloc");
        *pointer = i;
        if (mmb_free_ptr(interface, (void *)pointer) != MMB_OK)
            fail("mmb_free_ptr");
    }
}

static void finds(mmbMemInterface *interface, size_t n)
{
    mmbAllocation *block, *found;

    if (mmb_allocate(N_BYTES, interface, &block) != MMB_OK)
        fail("mmb_allocate");
    for (size_t i = 0; i < n; i++) {
        if (mmb_allocation_find(MMB_PTR(block, char) + i % N_BYTES, &found) != MMB_OK ||
            found != block)
            fail("mmb_allocation_find");
    }
}

static mmbStrategy strategy_of(const char *name)
{
    static const mmbStrategy strategies[] = {MMB_STRATEGY_PASSTHROUGH, MMB_STRATEGY_STACK,
                                             MMB_STRATEGY_SCALABLE_PAGE, MMB_STRATEGY_THREAD_LOCAL};

    for (size_t i = 0; i < sizeof strategies / sizeof strategies[0]; i++) {
        if (strcmp(mmb_strategy_name(strategies[i]), name) == 0)
            return strategies[i];
    }
    fprintf(stderr, "there is no strategy %s\n", name);
    exit(EXIT_FAILURE);
}

#define SHARED "SHARED:"

/* A segment that nobody else has; its name goes as soon as there is the heap. */
static mmbError make_interface(mmbMemSpace *space, const char *strategy, uint64_t flags,
                               mmbMemInterface **out)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    bool is_shared = strncmp(strategy, SHARED, strlen(SHARED)) == 0;
    char url[64];

    config.flags = flags;
    config.strategy = strategy_of(is_shared ? strategy + strlen(SHARED) : strategy);
    if (!is_shared)
        return mmb_create_interface(space, &config, out);
    snprintf(url, sizeof url, "/mmb-pair-%ld", (long)getpid());
    config.backend = MMB_BACKEND_SHM;
    config.backend_opts.shm.url = url;
    config.backend_opts.shm.bytes = (size_t)64 << 20;
    config.backend_opts.shm.mode = MMB_SHM_CREATE;
    mmbError error = mmb_create_interface(space, &config, out);
    if (error == MMB_OK && mmb_shm_unlink(url) != MMB_OK)
        fail("mmb_shm_unlink");
    return error;
}

static mmbMemInterface *interface_of(const char *strategy, uint64_t flags)
{
    mmbMemSpaceConfig space_config = MMB_MEMSPACE_CONFIG_DEFAULT;
    mmbMemSpace *space;
    mmbMemInterface *interface;

    if (mmb_init(MMB_INIT_DEFAULT) != MMB_OK)
        fail("mmb_init");
    space_config.size_opts.action = MMB_SIZE_SET;
    space_config.size_opts.mem_size = (size_t)64 << 20;
    if (mmb_register_memory(MMB_DRAM, MMB_CPU, &space_config, &space) != MMB_OK)
        fail("mmb_register_memory");
    mmbError error = make_interface(space, strategy, flags, &interface);
    if (error == MMB_UNSUPPORTED)
        exit(EXIT_MISSING);
    if (error != MMB_OK)
        fail("mmb_create_interface");
    return interface;
}

static void neighbours_make(mmbMemInterface *interface)
{
    mmbAllocation *blocks[N_NEIGHBOURS];

    for (size_t i = 0; i < N_NEIGHBOURS; i++) {
        if (mmb_allocate(N_BYTES, interface, &blocks[i]) != MMB_OK)
            fail("mmb_allocate");
    }
    for (size_t i = 0; i < N_NEIGHBOURS; i += 2) {
        if (mmb_free(blocks[i]) != MMB_OK)
            fail("mmb_free");
    }
}

/* What is counted besides pairs of a strategy. */
static const struct {
    const char *name;
    void (*run)(mmbMemInterface *interface, size_t n);
    uint64_t flags;
} others[] = {
    {"BURST", bursts, 0}, {"POINTERS", pointer_pairs, 0}, {"FIND", finds, MMB_INTERFACE_FINDABLE}};

int main(int argc, char **argv)
{
    if (argc != 3) {
        puts(WHY_NOT);
        return EXIT_SUCCESS;
    }
    const char *strategy = argv[1];
    void (*run)(mmbMemInterface *, size_t) = pairs;
    uint64_t flags = 0;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(others[i].name, argv[1]) != 0)
            continue;
        strategy = "THREAD_LOCAL";
        run = others[i].run;
        flags = others[i].flags;
    }
    mmbMemInterface *interface = interface_of(strategy, flags);
    neighbours_make(interface);
    run(interface, strtoul(argv[2], NULL, 10));
    return EXIT_SUCCESS;
}
