/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: no input kills the program. Every public function, with NULL for everything,
 * refuses politely before mmb_init, after mmb_finalize and in between; every handle of an earlier
 * life of the library is dead in the next one. The list is compared with the export list. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mmb.h>
#include "src/base/meta.h"
#include "tests/support/lab.h"
#include "tests/support/suite.h"

/* CODE: returns an error when everything is NULL or 0. QUIET: accepts that, and does nothing or
 * what it is meant to do. ZERO: returns NULL or 0. ALWAYS: works before mmb_init. */
#define FUNCTIONS(CODE, QUIET, ZERO, ALWAYS)                                                       \
    ALWAYS(mmb_atomic_offset_compare_exchange)                                                     \
    ALWAYS(mmb_atomic_offset_exchange)                                                             \
    ALWAYS(mmb_atomic_offset_fetch_add)                                                            \
    ALWAYS(mmb_atomic_offset_load)                                                                 \
    ALWAYS(mmb_atomic_offset_store)                                                                \
    ALWAYS(mmb_atomic_shared_ptr_exchange)                                                         \
    ALWAYS(mmb_atomic_shared_ptr_load)                                                             \
    ALWAYS(mmb_atomic_shared_ptr_store)                                                            \
    ALWAYS(mmb_error_description)                                                                  \
    ALWAYS(mmb_error_detail)                                                                       \
    ALWAYS(mmb_error_name)                                                                         \
    ALWAYS(mmb_init_host)                                                                          \
    ALWAYS(mmb_init)                                                                               \
    ALWAYS(mmb_finalize)                                                                           \
    ALWAYS(mmb_logging_set_callback)                                                               \
    ALWAYS(mmb_logging_set_level)                                                                  \
    ALWAYS(mmb_offset_is_null)                                                                     \
    ALWAYS(mmb_shared_ptr_is_null)                                                                 \
    ALWAYS(mmb_version)                                                                            \
    CODE(mmb_advise, NULL, 0, 0, MMB_ADVISE_NORMAL)                                                \
    ZERO(mmb_aligned_alloc, NULL, 0, 0)                                                            \
    CODE(mmb_allocate, 0, NULL, NULL)                                                              \
    CODE(mmb_allocate_array, 0, 0, NULL, NULL)                                                     \
    CODE(mmb_allocate_opts, 0, NULL, NULL, NULL)                                                   \
    CODE(mmb_allocation_create_wrapped, NULL, 0, NULL, NULL)                                       \
    CODE(mmb_allocation_export_region, NULL, NULL, NULL)                                           \
    CODE(mmb_allocation_find, NULL, NULL)                                                          \
    CODE(mmb_allocation_from_shared, MMB_SHARED_PTR_NULL, NULL)                                    \
    CODE(mmb_allocation_get_info, NULL, NULL)                                                      \
    CODE(mmb_allocation_get_region, NULL, 0, 0, NULL)                                              \
    CODE(mmb_allocation_get_shared, NULL, NULL)                                                    \
    CODE(mmb_allocation_native, NULL, NULL, NULL)                                                  \
    ZERO(mmb_allocation_ptr, NULL)                                                                 \
    ZERO(mmb_allocation_size, NULL)                                                                \
    CODE(mmb_allocation_slice, NULL, 0, 0, NULL)                                                   \
    CODE(mmb_backend_get_info, MMB_BACKEND_DEFAULT, NULL)                                          \
    ZERO(mmb_backend_name, (mmbBackend)-1)                                                         \
    CODE(mmb_backend_register, NULL, NULL, NULL)                                                   \
    ZERO(mmb_calloc, NULL, 0, 0)                                                                   \
    ZERO(mmb_contains_ptr, NULL, NULL)                                                             \
    CODE(mmb_copy, NULL, NULL)                                                                     \
    CODE(mmb_copy_1d, NULL, 0, NULL, 0, 0)                                                         \
    CODE(mmb_copy_1d_async, NULL, 0, NULL, 0, 0, NULL)                                             \
    CODE(mmb_copy_1d_on, NULL, 0, NULL, 0, 0, NULL, NULL)                                          \
    CODE(mmb_copy_2d, NULL, 0, 0, 0, NULL, 0, 0, 0, 0, 0)                                          \
    CODE(mmb_copy_2d_async, NULL, 0, 0, 0, NULL, 0, 0, 0, 0, 0, NULL)                              \
    CODE(mmb_copy_async, NULL, NULL, NULL)                                                         \
    CODE(mmb_copy_nd, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL)                                 \
    CODE(mmb_copy_nd_async, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL)                     \
    CODE(mmb_copy_nd_on, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL)                  \
    CODE(mmb_create_interface, NULL, NULL, NULL)                                                   \
    CODE(mmb_create_space, MMB_DRAM, MMB_CPU, NULL, NULL)                                          \
    QUIET(mmb_destroy_interface, NULL)                                                             \
    QUIET(mmb_destroy_space, NULL)                                                                 \
    ZERO(mmb_device_ptr, NULL)                                                                     \
    CODE(mmb_event_query, NULL, NULL)                                                              \
    CODE(mmb_event_stream_wait, NULL, NULL)                                                        \
    CODE(mmb_event_wait, NULL)                                                                     \
    ZERO(mmb_execution_context_name, (mmbExecutionContext)-1)                                      \
    CODE(mmb_for_each_allocation, NULL, NULL, NULL)                                                \
    QUIET(mmb_free, NULL)                                                                          \
    QUIET(mmb_free_opts, NULL, NULL)                                                               \
    CODE(mmb_free_ptr, NULL, NULL)                                                                 \
    CODE(mmb_free_sized, NULL, NULL, 0, 0)                                                         \
    CODE(mmb_get_interface, MMB_DRAM, MMB_CPU, NULL)                                               \
    CODE(mmb_interface_at, NULL, 0, NULL)                                                          \
    ZERO(mmb_interface_count, NULL)                                                                \
    CODE(mmb_interface_from_id, 0, NULL)                                                           \
    CODE(mmb_interface_get_header, NULL, NULL, NULL)                                               \
    CODE(mmb_interface_get_info, NULL, NULL)                                                       \
    CODE(mmb_interface_get_stats, NULL, NULL)                                                      \
    CODE(mmb_interface_trim, NULL, 0)                                                              \
    CODE(mmb_ipc_export, NULL, NULL, NULL)                                                         \
    CODE(mmb_ipc_import, NULL, 0, NULL, NULL)                                                      \
    CODE(mmb_layer_at, 0, NULL)                                                                    \
    QUIET(mmb_layer_count_code)                                                                    \
    CODE(mmb_layer_define, NULL, NULL, NULL)                                                       \
    CODE(mmb_layer_from_name, NULL, NULL)                                                          \
    CODE(mmb_layer_get_info, MMB_DRAM, NULL)                                                       \
    ZERO(mmb_layer_name, (mmbMemLayer)-1)                                                          \
    CODE(mmb_layer_set_info, MMB_DRAM, NULL)                                                       \
    ZERO(mmb_malloc, NULL, 0)                                                                      \
    CODE(mmb_memset, NULL, 0, 0, 0)                                                                \
    CODE(mmb_memset_async, NULL, 0, 0, 0, NULL)                                                    \
    CODE(mmb_memspace_configure, NULL, NULL)                                                       \
    CODE(mmb_migrate, NULL, NULL)                                                                  \
    ZERO(mmb_realloc, NULL, NULL, 0)                                                               \
    CODE(mmb_reallocate, NULL, 0)                                                                  \
    CODE(mmb_region_hold, NULL)                                                                    \
    CODE(mmb_region_import, NULL, 0, NULL, NULL)                                                   \
    CODE(mmb_region_provider_create, NULL, NULL, NULL)                                             \
    CODE(mmb_region_provider_create_mlock, NULL)                                                   \
    QUIET(mmb_region_provider_destroy, NULL)                                                       \
    QUIET(mmb_region_release, NULL)                                                                \
    CODE(mmb_region_unhold, NULL)                                                                  \
    QUIET(mmb_register_memory, MMB_DRAM, MMB_CPU, NULL, NULL)                                      \
    CODE(mmb_request_best_space, MMB_MOST_FREE, MMB_CPU, 0, NULL)                                  \
    CODE(mmb_request_interface, NULL, NULL, NULL)                                                  \
    CODE(mmb_request_space, MMB_DRAM, MMB_CPU, NULL, NULL)                                         \
    CODE(mmb_shared_offset, NULL, NULL, NULL)                                                      \
    ZERO(mmb_shared_ptr, NULL, MMB_OFFSET_NULL)                                                    \
    ZERO(mmb_shared_range, NULL, MMB_OFFSET_NULL, 0)                                               \
    CODE(mmb_shared_list_count, NULL, NULL)                                                        \
    CODE(mmb_shared_list_create, NULL, 0, 0, NULL)                                                 \
    QUIET(mmb_shared_list_destroy, NULL)                                                           \
    CODE(mmb_shared_list_get, NULL, 0, NULL)                                                       \
    CODE(mmb_shared_list_insert, NULL, 0, NULL, NULL)                                              \
    CODE(mmb_shared_list_next, NULL, 0, NULL)                                                      \
    CODE(mmb_shared_list_open, NULL, MMB_SHARED_PTR_NULL, NULL)                                    \
    CODE(mmb_shared_list_previous, NULL, 0, NULL)                                                  \
    CODE(mmb_shared_list_remove, NULL, 0, NULL)                                                    \
    CODE(mmb_shared_list_set, NULL, 0, NULL)                                                       \
    CODE(mmb_shared_map_count, NULL, NULL)                                                         \
    CODE(mmb_shared_map_create, NULL, 0, 0, 0, NULL)                                               \
    QUIET(mmb_shared_map_destroy, NULL)                                                            \
    CODE(mmb_shared_map_get, NULL, NULL, NULL)                                                     \
    CODE(mmb_shared_map_next, NULL, NULL, NULL, NULL)                                              \
    CODE(mmb_shared_map_open, NULL, MMB_SHARED_PTR_NULL, NULL)                                     \
    CODE(mmb_shared_map_put, NULL, NULL, NULL)                                                     \
    CODE(mmb_shared_map_remove, NULL, NULL, NULL)                                                  \
    CODE(mmb_shared_mutex_create, NULL, NULL)                                                      \
    QUIET(mmb_shared_mutex_destroy, NULL)                                                          \
    CODE(mmb_shared_mutex_lock, NULL, NULL)                                                        \
    CODE(mmb_shared_mutex_open, NULL, MMB_SHARED_PTR_NULL, NULL)                                   \
    CODE(mmb_shared_mutex_repaired, NULL)                                                          \
    CODE(mmb_shared_mutex_try_lock, NULL, NULL)                                                    \
    CODE(mmb_shared_mutex_unlock, NULL)                                                            \
    CODE(mmb_shared_ring_count, NULL, NULL)                                                        \
    CODE(mmb_shared_ring_create, NULL, 0, 0, NULL)                                                 \
    QUIET(mmb_shared_ring_destroy, NULL)                                                           \
    CODE(mmb_shared_ring_open, NULL, MMB_SHARED_PTR_NULL, NULL)                                    \
    CODE(mmb_shared_ring_pop, NULL, NULL)                                                          \
    CODE(mmb_shared_ring_push, NULL, NULL)                                                         \
    CODE(mmb_shared_rwlock_create, NULL, NULL)                                                     \
    QUIET(mmb_shared_rwlock_destroy, NULL)                                                         \
    CODE(mmb_shared_rwlock_open, NULL, MMB_SHARED_PTR_NULL, NULL)                                  \
    CODE(mmb_shared_rwlock_read_lock, NULL, NULL)                                                  \
    CODE(mmb_shared_rwlock_read_unlock, NULL)                                                      \
    CODE(mmb_shared_rwlock_repaired, NULL)                                                         \
    CODE(mmb_shared_rwlock_try_read_lock, NULL, NULL)                                              \
    CODE(mmb_shared_rwlock_try_write_lock, NULL, NULL)                                             \
    CODE(mmb_shared_rwlock_write_lock, NULL, NULL)                                                 \
    CODE(mmb_shared_rwlock_write_unlock, NULL)                                                     \
    CODE(mmb_shared_vector_count, NULL, NULL)                                                      \
    CODE(mmb_shared_vector_create, NULL, 0, 0, NULL)                                               \
    QUIET(mmb_shared_vector_destroy, NULL)                                                         \
    CODE(mmb_shared_vector_get, NULL, 0, NULL)                                                     \
    CODE(mmb_shared_vector_open, NULL, MMB_SHARED_PTR_NULL, NULL)                                  \
    CODE(mmb_shared_vector_pop, NULL, NULL)                                                        \
    CODE(mmb_shared_vector_push, NULL, NULL)                                                       \
    CODE(mmb_shared_vector_set, NULL, 0, NULL)                                                     \
    CODE(mmb_shm_adopt, NULL, MMB_SHARED_PTR_NULL)                                                 \
    CODE(mmb_shm_check, NULL, NULL)                                                                \
    CODE(mmb_shm_created, NULL, NULL)                                                              \
    CODE(mmb_shm_reclaim, NULL, NULL, NULL, NULL)                                                  \
    CODE(mmb_shm_unlink, NULL)                                                                     \
    CODE(mmb_space_at, 0, NULL)                                                                    \
    QUIET(mmb_space_count_code)                                                                    \
    CODE(mmb_space_get_domain_info, NULL, 0, NULL)                                                 \
    CODE(mmb_space_get_info, NULL, NULL)                                                           \
    CODE(mmb_stack_mark, NULL, NULL)                                                               \
    CODE(mmb_stack_release, NULL, (mmbStackMark){{0}})                                             \
    CODE(mmb_stack_reset, NULL)                                                                    \
    ZERO(mmb_strategy_name, (mmbStrategy)-1)                                                       \
    ZERO(mmb_usable_size, NULL, NULL)

/* Counts are not 0 once there is something to count. */
static mmbError mmb_layer_count_code(void)
{
    return mmb_layer_count() ? MMB_OK : MMB_NOT_INITIALIZED;
}
static mmbError mmb_space_count_code(void)
{
    return mmb_space_count() ? MMB_OK : MMB_NOT_INITIALIZED;
}

enum kind { CODE, QUIET, ZERO, ALWAYS };

#define DEFINE_CODE(name, ...)                                                                     \
    static mmbError call_##name(void)                                                              \
    {                                                                                              \
        return name(__VA_ARGS__);                                                                  \
    }
#define DEFINE_ZERO(name, ...)                                                                     \
    static mmbError call_##name(void)                                                              \
    {                                                                                              \
        return (uintptr_t)name(__VA_ARGS__) == 0 ? MMB_INVALID_ARG : MMB_OK;                       \
    }
#define DEFINE_ALWAYS(name)
FUNCTIONS(DEFINE_CODE, DEFINE_CODE, DEFINE_ZERO, DEFINE_ALWAYS)

#define ROW_CODE(name, ...)  {#name, CODE, call_##name},
#define ROW_QUIET(name, ...) {#name, QUIET, call_##name},
#define ROW_ZERO(name, ...)  {#name, ZERO, call_##name},
#define ROW_ALWAYS(name)     {#name, ALWAYS, NULL},
static const struct {
    const char *name;
    enum kind kind;
    mmbError (*call)(void);
} rows[] = {FUNCTIONS(ROW_CODE, ROW_QUIET, ROW_ZERO, ROW_ALWAYS)};
#define N_ROWS (sizeof rows / sizeof rows[0])

/* ---- the list ---- */

static bool is_listed(const char *name)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        size_t length = strlen(name);
        if (strncmp(rows[i].name, name, length) == 0 &&
            (rows[i].name[length] == '\0' || strcmp(rows[i].name + length, "_code") == 0))
            return true;
    }
    return false;
}

static void test_bad_input_list_has_every_export(void)
{
    char path[4096], line[256], name[128];
    const char *sources = getenv("MMB_SRCDIR");
    size_t n = 0;
    snprintf(path, sizeof path, "%s/libmmb.map", sources ? sources : ".");
    FILE *map = fopen(path, "r");
    if (!map) {
        suite_skip("the export list is not at hand; MMB_SRCDIR names its folder");
        return;
    }
    while (fgets(line, sizeof line, map))
        if (sscanf(line, " %127[a-z0-9_];", name) == 1 && strncmp(name, "mmb_", 4) == 0) {
            SUITE_CHECK(is_listed(name), "%s is not in this test's list", name);
            n++;
        }
    fclose(map);
    CU_ASSERT(n > 100);
}

/* ---- outside and with NULL ---- */

static void check_outside(const char *when)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        if (rows[i].kind == ALWAYS)
            continue;
        mmbError error = rows[i].call();
        mmbError expected = rows[i].kind == ZERO ? MMB_INVALID_ARG : MMB_NOT_INITIALIZED;
        SUITE_CHECK(error == expected, "%s %s: %s", rows[i].name, when, mmb_error_name(error));
        SUITE_CHECK(lab_detail_has("mmb_init") || !strcmp(rows[i].name, "mmb_allocation_ptr"),
                    "%s %s: the detail says \"%s\"", rows[i].name, when, mmb_error_detail());
    }
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_NOT_INITIALIZED);
}

static void test_bad_input_before_init(void)
{
    check_outside("before init");
}

static void test_bad_input_after_finalize(void)
{
    lab_open();
    lab_close();
    check_outside("after finalize");
}

static void test_bad_input_null_everywhere(void)
{
    lab_open();
    lab_space(1000);
    for (size_t i = 0; i < N_ROWS; i++) {
        if (rows[i].kind == ALWAYS)
            continue;
        mmbError error = rows[i].call();
        if (rows[i].kind == QUIET)
            SUITE_CHECK(error == MMB_OK, "%s: %s", rows[i].name, mmb_error_detail());
        else
            SUITE_CHECK(error != MMB_OK && error != MMB_NOT_INITIALIZED, "%s: %s", rows[i].name,
                        mmb_error_name(error));
    }
    lab_close();
}

/* ---- handles of an earlier life ---- */

#define N_HANDLES 10

static mmbMemSpace *space;
static mmbMemInterface *interfaces[4];
static mmbAllocation *handles[N_HANDLES];
static char bytes[100];

/* One of each kind, and of each strategy. */
static void make_handles(void)
{
    mmb_logging_set_level(MMB_LOG_ERROR); /* leaks are warnings, and meant */
    space = lab_space((size_t)1 << 20);
    for (size_t i = 0; i < 4; i++) {
        interfaces[i] = lab_interface(space, (mmbStrategy)(MMB_STRATEGY_PASSTHROUGH + (int)i),
                                      LAB_MMAP, MMB_INTERFACE_FINDABLE);
        handles[i] = lab_new(interfaces[i], 100);
    }
    handles[4] = lab_new(interfaces[2], 70000);
    handles[5] = lab_new(interfaces[2], 200);
    handles[6] = lab_new(interfaces[2], 70000);
    handles[7] = lab_new(interfaces[1], 200);
    for (size_t i = 5; i < 8; i++)
        CU_ASSERT_EQUAL(mmb_migrate(handles[i], interfaces[3]), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocation_slice(handles[0], 10, 10, &handles[8]), MMB_OK);
    CU_ASSERT_EQUAL(mmb_allocation_create_wrapped(bytes, 100, interfaces[2], &handles[9]), MMB_OK);
}

static void check_dead(mmbAllocation *handle, mmbMemInterface *live, size_t which)
{
    mmbAllocation *out = NULL, *other = lab_new(live, 10);
    mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
    const mmbError errors[] = {
        mmb_allocation_get_info(handle, &info),
        mmb_reallocate(handle, 10),
        mmb_migrate(handle, live),
        mmb_allocation_slice(handle, 0, 1, &out),
        mmb_copy_1d(other, 0, handle, 0, 1),
        mmb_copy_1d(handle, 0, other, 0, 1),
        mmb_memset(handle, 0, 0, 1),
        mmb_region_hold(handle),
        mmb_free(handle),
    };
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        SUITE_CHECK(errors[i] == MMB_INVALID_ALLOCATION, "handle %zu, call %zu: %s", which, i,
                    mmb_error_name(errors[i]));
    lab_free(other);
}

static void test_bad_input_handles_of_an_earlier_life(void)
{
    lab_open();
    make_handles();
    mmbMemSpace *old_space = space;
    mmbMemInterface *old_interface = interfaces[2];
    lab_close();
    for (size_t i = 0; i < N_HANDLES; i++)
        CU_ASSERT_EQUAL(mmb_free(handles[i]), MMB_NOT_INITIALIZED);
    lab_open();
    mmbAllocation *found = NULL;
    mmbSpaceInfo info = MMB_SPACE_INFO_INIT;
    CU_ASSERT_EQUAL(mmb_allocate(1, old_interface, &found), MMB_INVALID_INTERFACE);
    CU_ASSERT_EQUAL(mmb_space_get_info(old_space, &info), MMB_INVALID_SPACE);
    CU_ASSERT_EQUAL(mmb_allocation_find(bytes, &found), MMB_NOT_FOUND);
    mmbMemInterface *live =
        lab_interface(lab_space(MMB_NO_LIMIT), MMB_STRATEGY_SCALABLE_PAGE, LAB_MALLOC, 0);
    for (size_t i = 0; i < N_HANDLES; i++)
        check_dead(handles[i], live, i);
    lab_close();
}

/* Twenty lives: nothing piles up. */
static void test_bad_input_many_lives(void)
{
    size_t after_second = 0;
    for (int life = 0; life < 20; life++) {
        lab_open();
        make_handles();
        lab_close();
        if (life == 1)
            after_second = mmb_meta_bytes();
    }
    CU_ASSERT_EQUAL(mmb_meta_bytes(), after_second);
}

MMB_SUITE("core/bad_input", T(test_bad_input_list_has_every_export), T(test_bad_input_before_init),
          T(test_bad_input_after_finalize), T(test_bad_input_null_everywhere),
          T(test_bad_input_handles_of_an_earlier_life), T(test_bad_input_many_lives))
