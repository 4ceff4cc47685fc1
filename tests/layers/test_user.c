/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: the user's functions are called as their contract says, whatever alignment
 * and size the library wants, and what they return reaches the caller. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "layers/user/user.h"
#include "tests/support/control.h"
#include "tests/support/suite.h"

/* A backend that notes what it was asked, with memory from an array of its own. */
static struct {
    _Alignas(4096) unsigned char memory[65536];
    size_t offset; /* where the next range starts, to be as unaligned as was promised */
    size_t limit;  /* the largest range that is given */
    void *user, *last_address;
    size_t last_bytes;
    int last_domain;
    size_t n_live, n_maps, n_copies;
    mmbError error; /* what the next function returns */
} fake;

static mmbError fake_map(void *user, size_t n_bytes, int domain, void **address)
{
    fake.user = user;
    fake.n_maps++;
    fake.last_bytes = n_bytes;
    fake.last_domain = domain;
    if (fake.error != MMB_OK)
        return fake.error;
    if (n_bytes > fake.limit)
        return MMB_OUT_OF_MEMORY;
    fake.n_live++;
    *address = fake.last_address = fake.memory + fake.offset;
    return MMB_OK;
}

static mmbError fake_unmap(void *user, void *address, size_t n_bytes)
{
    fake.n_live--;
    if (user != fake.user || address != fake.last_address || n_bytes != fake.last_bytes)
        return MMB_INVALID_ARG;
    return fake.error;
}

static mmbError fake_copy_in(void *user, void *dst, const void *host_src, size_t n)
{
    (void)user;
    fake.n_copies++;
    memcpy(dst, host_src, n);
    return fake.error;
}

static mmbError fake_copy_out(void *user, void *host_dst, const void *src, size_t n)
{
    (void)user;
    memcpy(host_dst, src, n);
    return fake.error;
}

static mmbError fake_copy(void *user, void *dst, const void *src, size_t n)
{
    (void)user;
    memmove(dst, src, n);
    return fake.error;
}

static mmbError fake_set(void *user, void *dst, int value, size_t n)
{
    (void)user;
    memset(dst, value, n);
    return fake.error;
}

static mmbBackendOps table;
static struct mmb_backend *backend;
static int token; /* the user's pointer */

static void set_up(void)
{
    memset(&fake, 0, sizeof fake);
    fake.limit = SIZE_MAX;
    table = (mmbBackendOps){.size = sizeof table,
                            .name = "fake",
                            .host_accessible = true,
                            .map = fake_map,
                            .unmap = fake_unmap};
}

static void tear_down(void)
{
    if (backend)
        backend->ops->close(backend);
    backend = NULL;
    mmb_user_backends_close();
}

static void open_backend(int domain)
{
    static const mmbBackendOptions options;
    mmbBackend id = MMB_BACKEND_DEFAULT;
    CU_ASSERT_EQUAL_FATAL(mmb_user_backend_add(&table, &token, &id), MMB_OK);
    const struct mmb_backend_request request = {.id = id,
                                                .layer = MMB_DRAM,
                                                .context = MMB_CPU,
                                                .options = &options,
                                                .domain = domain,
                                                .domain_os_index = -1};
    const struct mmb_backend_ops *ops = mmb_user_backend_find(id);
    CU_ASSERT_PTR_NOT_NULL_FATAL(ops);
    CU_ASSERT_EQUAL_FATAL(ops->open(&request, &backend), MMB_OK);
    CU_ASSERT_PTR_EQUAL(backend->ops, ops);
}

static mmbError map(size_t min, size_t want, size_t alignment, struct mmb_memory *out)
{
    return backend->ops->map(backend, min, want, alignment, out);
}

/* ---- memory ---- */

static void test_user_map_and_unmap(void)
{
    struct mmb_memory memory;
    open_backend(3);
    CU_ASSERT_TRUE(backend->bounded == SIZE_MAX && backend->min_alignment == 16 &&
                   backend->host_accessible);
    CU_ASSERT_EQUAL(map(1000, 1000, 0, &memory), MMB_OK);
    CU_ASSERT_TRUE(fake.last_bytes == 1000 && fake.last_domain == 3 && fake.user == &token);
    CU_ASSERT_TRUE(memory.n_bytes == 1000 && memory.host == fake.memory &&
                   memory.address == (uintptr_t)fake.memory && memory.native == fake.memory &&
                   memory.native_offset == 0);
    CU_ASSERT_EQUAL(backend->ops->unmap(backend, &memory), MMB_OK);
    CU_ASSERT_EQUAL(fake.n_live, 0);
}

static void test_user_memory_without_the_host(void)
{
    struct mmb_memory memory;
    table.host_accessible = false;
    table.copy_in = fake_copy_in;
    table.copy_out = fake_copy_out;
    open_backend(-1);
    CU_ASSERT_EQUAL(map(10, 10, 0, &memory), MMB_OK);
    CU_ASSERT_PTR_NULL(memory.host);
    CU_ASSERT_EQUAL(memory.address, (uintptr_t)fake.memory);
    CU_ASSERT_EQUAL(backend->ops->unmap(backend, &memory), MMB_OK);
}

/* Whatever the user promises and wherever his range starts, what is given back is what he gave. */
static void test_user_alignment(void)
{
    static const size_t promised[] = {1, 8, 16, 64, 4096};
    for (size_t i = 0; i < N_ROWS(promised); i++) {
        table.min_alignment = promised[i];
        open_backend(-1);
        for (size_t wanted = 1; wanted <= 8192; wanted *= 2) {
            struct mmb_memory memory;
            fake.offset = promised[i];
            CU_ASSERT_EQUAL_FATAL(map(5000, 5000, wanted, &memory), MMB_OK);
            size_t least = wanted > 16 ? wanted : 16;
            SUITE_CHECK(memory.address % least == 0 && memory.n_bytes == 5000 &&
                            memory.address >= (uintptr_t)fake.last_address &&
                            memory.address + 5000 <= (uintptr_t)fake.last_address + fake.last_bytes,
                        "promised %zu, wanted %zu", promised[i], wanted);
            SUITE_CHECK(backend->ops->unmap(backend, &memory) == MMB_OK, "promised %zu, wanted %zu",
                        promised[i], wanted);
        }
        tear_down();
    }
}

static void test_user_map_takes_less_when_more_is_not_there(void)
{
    struct mmb_memory memory;
    open_backend(-1);
    fake.limit = 5000;
    CU_ASSERT_EQUAL(map(4000, 8000, 0, &memory), MMB_OK);
    CU_ASSERT_EQUAL(memory.n_bytes, 4000);
    CU_ASSERT_EQUAL(fake.n_maps, 2);
    CU_ASSERT_EQUAL(backend->ops->unmap(backend, &memory), MMB_OK);
    CU_ASSERT_EQUAL(map(5001, 8000, 0, &memory), MMB_OUT_OF_MEMORY);
    CU_ASSERT_TRUE(control_detail_has("fake") && control_detail_has("5001"));
    CU_ASSERT_EQUAL(map(SIZE_MAX, SIZE_MAX, 4096, &memory), MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(fake.n_live, 0);
}

/* ---- what the user does wrong ---- */

static void test_user_errors_reach_the_caller(void)
{
    struct mmb_memory memory;
    open_backend(-1);
    fake.error = MMB_PERMISSION;
    CU_ASSERT_EQUAL(map(1, 1, 0, &memory), MMB_PERMISSION);
    CU_ASSERT_TRUE(control_detail_has("fake") && control_detail_has("MMB_PERMISSION"));
    fake.error = (mmbError)4711;
    CU_ASSERT_EQUAL(map(1, 1, 0, &memory), MMB_ERROR);
    CU_ASSERT_TRUE(control_detail_has("4711"));
    fake.error = MMB_OK;
    CU_ASSERT_EQUAL(map(1, 1, 0, &memory), MMB_OK);
    fake.error = MMB_BUSY;
    CU_ASSERT_EQUAL(backend->ops->unmap(backend, &memory), MMB_BUSY);
}

static mmbError map_nothing(void *user, size_t n_bytes, int domain, void **address)
{
    (void)user;
    (void)n_bytes;
    (void)domain;
    (void)address;
    return MMB_OK;
}

static void test_user_map_without_an_address(void)
{
    struct mmb_memory memory;
    table.map = map_nothing;
    open_backend(-1);
    CU_ASSERT_EQUAL(map(1, 1, 0, &memory), MMB_ERROR);
}

static void test_user_map_that_breaks_its_alignment(void)
{
    struct mmb_memory memory;
    table.min_alignment = 64;
    open_backend(-1);
    fake.offset = 32;
    CU_ASSERT_EQUAL(map(100, 100, 0, &memory), MMB_ERROR);
    CU_ASSERT_EQUAL(fake.n_live, 0); /* it was given back */
}

/* ---- copying ---- */

static void test_user_copies(void)
{
    static const unsigned char bytes[] = "between the host and the device";
    unsigned char back[sizeof bytes] = "";
    struct mmb_memory memory;
    table.copy_in = fake_copy_in;
    table.copy_out = fake_copy_out;
    table.copy = fake_copy;
    open_backend(-1);
    const struct mmb_backend_ops *ops = backend->ops;
    CU_ASSERT_EQUAL(map(4096, 4096, 0, &memory), MMB_OK);
    CU_ASSERT_EQUAL(ops->copy_in(backend, &memory, 100, bytes, sizeof bytes), MMB_OK);
    CU_ASSERT_EQUAL(memcmp(fake.memory + 100, bytes, sizeof bytes), 0);
    CU_ASSERT_EQUAL(ops->copy(backend, &memory, 2000, &memory, 100, sizeof bytes), MMB_OK);
    CU_ASSERT_EQUAL(ops->copy_out(backend, back, &memory, 2000, sizeof bytes), MMB_OK);
    CU_ASSERT_EQUAL(memcmp(back, bytes, sizeof bytes), 0);
    fake.error = MMB_ERROR;
    CU_ASSERT_EQUAL(ops->copy_in(backend, &memory, 0, bytes, 1), MMB_ERROR);
    CU_ASSERT_EQUAL(ops->copy_out(backend, back, &memory, 0, 1), MMB_ERROR);
    CU_ASSERT_EQUAL(ops->copy(backend, &memory, 0, &memory, 1, 1), MMB_ERROR);
    CU_ASSERT_EQUAL(ops->set(backend, &memory, 0, 0, 1), MMB_ERROR);
}

/* With `set` and without, where the same is done by copying in. */
static void test_user_set(void)
{
    for (int with_set = 0; with_set < 2; with_set++) {
        struct mmb_memory memory;
        table.copy_in = fake_copy_in;
        table.copy_out = fake_copy_out;
        table.set = with_set ? fake_set : NULL;
        open_backend(-1);
        memset(fake.memory, 0x11, sizeof fake.memory);
        fake.n_copies = 0;
        CU_ASSERT_EQUAL(map(8192, 8192, 0, &memory), MMB_OK);
        CU_ASSERT_EQUAL(backend->ops->set(backend, &memory, 5, 0x2ab, 5000), MMB_OK);
        CU_ASSERT_EQUAL(fake.memory[4], 0x11);
        CU_ASSERT_EQUAL(fake.memory[5], 0xab);
        CU_ASSERT_EQUAL(fake.memory[5004], 0xab);
        CU_ASSERT_EQUAL(fake.memory[5005], 0x11);
        CU_ASSERT_EQUAL(fake.n_copies > 0, !with_set);
        tear_down();
    }
}

/* The CPU copies and fills where it can and the user does not want to. */
static void test_user_optional_functions(void)
{
    open_backend(-1);
    CU_ASSERT_TRUE(!backend->ops->copy_in && !backend->ops->copy_out && !backend->ops->copy &&
                   !backend->ops->set && !backend->ops->discard && !backend->ops->advise);
}

/* ---- what it serves ---- */

static void test_user_serves(void)
{
    open_backend(-1);
    const struct mmb_backend_ops *ops = backend->ops;
    CU_ASSERT_TRUE(ops->serves(MMB_DRAM, MMB_CPU) && ops->serves(MMB_GDRAM, MMB_CPU) &&
                   ops->serves((mmbMemLayer)MMB_LAYER_USER, MMB_CPU));
    CU_ASSERT_FALSE(ops->serves(MMB_GDRAM, MMB_GPU_CUDA));
    CU_ASSERT_EQUAL(ops->available(), MMB_OK);
    tear_down();
    table.host_accessible = false;
    table.copy_in = fake_copy_in;
    table.copy_out = fake_copy_out;
    open_backend(-1);
    CU_ASSERT_TRUE(backend->ops->serves(MMB_GDRAM, MMB_GPU_CUDA) &&
                   backend->ops->serves(MMB_DRAM, MMB_CPU));
}

static void test_user_find(void)
{
    open_backend(-1);
    CU_ASSERT_PTR_EQUAL(mmb_user_backend_at(0), backend->ops);
    CU_ASSERT_PTR_NULL(mmb_user_backend_at(1));
    CU_ASSERT_PTR_NULL(mmb_user_backend_find((mmbBackend)(MMB_BACKEND_USER + 1)));
    CU_ASSERT_PTR_NULL(mmb_user_backend_find(MMB_BACKEND_MMAP));
    CU_ASSERT_PTR_NULL(mmb_user_backend_find((mmbBackend)-1));
}

MMB_SUITE_WITH("layers/user", set_up, tear_down, T(test_user_map_and_unmap),
               T(test_user_memory_without_the_host), T(test_user_alignment),
               T(test_user_map_takes_less_when_more_is_not_there),
               T(test_user_errors_reach_the_caller), T(test_user_map_without_an_address),
               T(test_user_map_that_breaks_its_alignment), T(test_user_copies), T(test_user_set),
               T(test_user_optional_functions), T(test_user_serves), T(test_user_find))
