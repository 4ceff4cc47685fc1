/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: whichever allocation of metadata fails, init, registration and creation
 * answer MMB_OUT_OF_MEMORY, nothing has changed, nothing leaks and the next call works.
 * mmb_meta_alloc and mmb_meta_strdup are wrapped (tests/Makefile.inc). */
#include <stdint.h>
#include <string.h>
#include "src/base/meta.h"
#include "tests/support/control.h"
#include "tests/support/suite.h"

/* The wrapped call with this number from now on fails; 0: none does. */
static size_t fail_at;
static size_t n_calls;

static bool fails(void)
{
    return ++n_calls == fail_at;
}

void *__real_mmb_meta_alloc(size_t n_bytes);
void *__wrap_mmb_meta_alloc(size_t n_bytes);
char *__real_mmb_meta_strdup(const char *text);
char *__wrap_mmb_meta_strdup(const char *text);

void *__wrap_mmb_meta_alloc(size_t n_bytes)
{
    return fails() ? NULL : __real_mmb_meta_alloc(n_bytes);
}

char *__wrap_mmb_meta_strdup(const char *text)
{
    return text && fails() ? NULL : __real_mmb_meta_strdup(text);
}

static mmbMemSpace *space;
static size_t n_layers, n_spaces;

static void set_up(void)
{
    fail_at = 0;
    control_open();
    space = control_space(1 << 20);
    mmb_space_at(SIZE_MAX, NULL); /* a thread's first failure takes memory for its detail */
}

static void tear_down(void)
{
    fail_at = 0;
    control_close();
}

static mmbMemSpaceConfig named_config(void)
{
    mmbMemSpaceConfig config = control_limit(1000);
    config.interface_opts.name = "a name that is copied";
    return config;
}

/* ---- what is tried: MMB_OK has done something, which undo undoes ---- */

static mmbMemSpace *made_space;
static mmbMemInterface *made_interface;

static mmbError try_register(void)
{
    mmbMemSpaceConfig config = named_config();
    return mmb_register_memory(MMB_DRAM, MMB_CPU, &config, &made_space);
}
static mmbError try_create(void)
{
    mmbMemSpaceConfig config = named_config();
    return mmb_create_space(MMB_DRAM, MMB_CPU, &config, &made_space);
}
static void undo_space(void)
{
    CU_ASSERT_EQUAL(mmb_destroy_space(made_space), MMB_OK);
}
static mmbError try_interface(void)
{
    mmbMemInterfaceConfig config = control_interface_config;
    config.name = "a name";
    return mmb_create_interface(space, &config, &made_interface);
}
static mmbError try_stack(void)
{
    mmbMemInterfaceConfig config = control_interface_config;
    config.strategy = MMB_STRATEGY_STACK;
    config.strategy_opts.stack_bytes = 1 << 16;
    return mmb_create_interface(space, &config, &made_interface);
}
static mmbError try_request(void)
{
    return mmb_request_interface(space, NULL, &made_interface);
}
static void undo_interface(void)
{
    CU_ASSERT_EQUAL(mmb_destroy_interface(made_interface), MMB_OK);
}
static mmbMemLayer fresh_layer;
static mmbError try_get(void)
{
    return mmb_get_interface(fresh_layer, MMB_CPU, &made_interface);
}
static void undo_get(void)
{
    mmbMemInterfaceInfo info = MMB_MEMINTERFACE_INFO_INIT;
    CU_ASSERT_EQUAL(mmb_interface_get_info(made_interface, &info), MMB_OK);
    CU_ASSERT_EQUAL(mmb_destroy_space(info.space), MMB_OK);
}
static mmbError try_configure(void)
{
    mmbMemSpaceConfig config = named_config();
    return mmb_memspace_configure(&config, space);
}
static void undo_configure(void)
{
    CU_ASSERT_EQUAL(mmb_memspace_configure(&control_space_config, space), MMB_OK);
}

static const struct attempt {
    const char *what;
    mmbError (*run)(void);
    void (*undo)(void);
} attempts[] = {
    {"register", try_register, undo_space},       {"create", try_create, undo_space},
    {"interface", try_interface, undo_interface}, {"stack", try_stack, undo_interface},
    {"request", try_request, undo_interface},     {"get", try_get, undo_get},
    {"configure", try_configure, undo_configure},
};

/* How many calls one undisturbed run makes. */
static size_t count_calls(const struct attempt *attempt)
{
    n_calls = 0;
    fail_at = 0;
    SUITE_CHECK(attempt->run() == MMB_OK, "%s: %s", attempt->what, mmb_error_detail());
    size_t count = n_calls;
    attempt->undo();
    return count;
}

static void run_with_fault(const struct attempt *attempt, size_t at)
{
    size_t before = mmb_meta_bytes();
    size_t n_interfaces = mmb_interface_count(space);
    n_calls = 0;
    fail_at = at;
    mmbError error = attempt->run();
    fail_at = 0;
    SUITE_CHECK(error == MMB_OUT_OF_MEMORY, "%s, fault %zu: %s", attempt->what, at,
                mmb_error_name(error));
    if (error == MMB_OK)
        attempt->undo();
    SUITE_CHECK(mmb_meta_bytes() == before, "%s, fault %zu: %zu B leaked", attempt->what, at,
                mmb_meta_bytes() - before);
    SUITE_CHECK(mmb_space_count() == n_spaces && mmb_layer_count() == n_layers &&
                    mmb_interface_count(space) == n_interfaces,
                "%s, fault %zu: something has changed", attempt->what, at);
}

/* covers: mmb_register_memory MMB_OUT_OF_MEMORY, mmb_create_space MMB_OUT_OF_MEMORY,
   mmb_create_interface MMB_OUT_OF_MEMORY, mmb_request_interface MMB_OUT_OF_MEMORY,
   mmb_get_interface MMB_OUT_OF_MEMORY */
static void test_faults_change_nothing(void)
{
    fresh_layer = control_new_layer("fresh");
    for (size_t i = 0; i < N_ROWS(attempts); i++) {
        count_calls(&attempts[i]); /* pools grow for good at the first time */
        size_t count = count_calls(&attempts[i]);
        n_spaces = mmb_space_count();
        n_layers = mmb_layer_count();
        SUITE_CHECK(count > 0, "%s takes no metadata", attempts[i].what);
        for (size_t at = 1; at <= count; at++)
            run_with_fault(&attempts[i], at);
        count_calls(&attempts[i]);
    }
}

/* The first interface of a layer that nobody knows yet: not even the layer stays. */
static void test_faults_leave_a_layer_unknown(void)
{
    n_spaces = mmb_space_count();
    n_layers = mmb_layer_count();
    for (size_t at = 1; at < 4; at++) {
        fresh_layer = control_new_layer(at == 1 ? "1" : at == 2 ? "2" : "3");
        run_with_fault(&(const struct attempt){"get", try_get, undo_get}, at);
    }
    CU_ASSERT_EQUAL(try_get(), MMB_OK);
    CU_ASSERT_EQUAL(mmb_layer_count(), n_layers + 1);
}

/* covers: mmb_layer_define MMB_OUT_OF_MEMORY */
static void test_faults_of_layers(void)
{
    mmbMemLayer layer = MMB_DRAM;
    char name[] = "layer 0";
    for (size_t at = 1; at < 4; at++) {
        size_t before = mmb_meta_bytes();
        n_calls = 0;
        fail_at = at;
        mmbError error = mmb_layer_define(name, NULL, &layer);
        fail_at = 0;
        CU_ASSERT_EQUAL(error, MMB_OUT_OF_MEMORY);
        CU_ASSERT_EQUAL(mmb_meta_bytes(), before);
        CU_ASSERT_EQUAL(mmb_layer_from_name(name, &layer), MMB_NOT_FOUND);
    }
    for (name[6] = '0'; name[6] < '9'; name[6]++) /* more than the first table holds */
        CU_ASSERT_EQUAL(mmb_layer_define(name, NULL, &layer), MMB_OK);
}

static mmbError map(void *user, size_t n_bytes, int domain, void **address)
{
    (void)user;
    (void)n_bytes;
    (void)domain;
    (void)address;
    return MMB_OUT_OF_MEMORY;
}
static mmbError unmap(void *user, void *address, size_t n_bytes)
{
    (void)user;
    (void)address;
    (void)n_bytes;
    return MMB_OK;
}

/* covers: mmb_backend_register MMB_OUT_OF_MEMORY */
static void test_faults_of_user_backends(void)
{
    const mmbBackendOps ops = {
        .size = sizeof ops, .name = "mine", .host_accessible = true, .map = map, .unmap = unmap};
    mmbBackend id = MMB_BACKEND_DEFAULT;
    for (size_t at = 1; at < 4; at++) {
        size_t before = mmb_meta_bytes();
        n_calls = 0;
        fail_at = at;
        mmbError error = mmb_backend_register(&ops, NULL, &id);
        fail_at = 0;
        CU_ASSERT_EQUAL(error, MMB_OUT_OF_MEMORY);
        CU_ASSERT_EQUAL(mmb_meta_bytes(), before);
        CU_ASSERT_EQUAL(id, MMB_BACKEND_DEFAULT);
    }
    CU_ASSERT_EQUAL(mmb_backend_register(&ops, NULL, &id), MMB_OK);
}

static void faults_of(mmbError (*init)(const mmbOptions *))
{
    control_close();
    size_t before = mmb_meta_bytes();
    n_calls = 0;
    CU_ASSERT_EQUAL(init(NULL), MMB_OK);
    size_t count = n_calls;
    mmb_finalize();
    for (size_t at = 1; at <= count; at++) {
        n_calls = 0;
        fail_at = at;
        mmbError error = init(NULL);
        fail_at = 0;
        SUITE_CHECK(error == MMB_OUT_OF_MEMORY, "fault %zu: %s", at, mmb_error_name(error));
        SUITE_CHECK(mmb_finalize() == MMB_NOT_INITIALIZED, "fault %zu", at);
        SUITE_CHECK(mmb_meta_bytes() == before, "fault %zu: leak", at);
    }
    CU_ASSERT_EQUAL(init(NULL), MMB_OK);
}

/* covers: mmb_init MMB_OUT_OF_MEMORY, mmb_init_host MMB_OUT_OF_MEMORY */
static void test_faults_of_init(void)
{
    faults_of(mmb_init);
    faults_of(mmb_init_host);
}

MMB_SUITE_WITH("core/control_faults", set_up, tear_down, T(test_faults_change_nothing),
               T(test_faults_leave_a_layer_unknown), T(test_faults_of_layers),
               T(test_faults_of_user_backends), T(test_faults_of_init))
