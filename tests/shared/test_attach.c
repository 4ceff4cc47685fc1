/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a segment's life: made by one, attached to by others, as its mode says; what
 * cannot be is refused and leaves nothing. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "tests/support/control.h"
#include "tests/support/segment.h"
#include "tests/support/suite.h"

#define MIB ((size_t)1 << 20)

static mmbMemSpace *space;

static void set_up(void)
{
    segment_set_up();
    space = control_space(MMB_NO_LIMIT);
}

static void test_attach_survives_detaching(void)
{
    for (size_t i = 0; i < N_ROWS(segment_strategies); i++) {
        mmbMemInterface *interface = segment_interface(space, segment_strategies[i], MIB);
        mmbAllocation *block = control_allocation(interface, 100), *slice = NULL;
        memcpy(mmb_allocation_ptr(block), "left behind", 12);
        mmbSharedPtr pointer = segment_pointer(block);
        CU_ASSERT_EQUAL(mmb_allocation_slice(block, 0, 10, &slice), MMB_OK);
        CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_BUSY);
        CU_ASSERT_EQUAL(mmb_free(slice), MMB_OK);
        CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
        CU_ASSERT_EQUAL(control_used(space), 0);
        CU_ASSERT_EQUAL(mmb_allocation_from_shared(pointer, &block), MMB_NOT_FOUND);
        interface = segment_interface(space, MMB_STRATEGY_DEFAULT, 0);
        CU_ASSERT_EQUAL(mmb_allocation_from_shared(pointer, &block), MMB_OK);
        CU_ASSERT_STRING_EQUAL(mmb_allocation_ptr(block), "left behind");
        CU_ASSERT_EQUAL(mmb_allocation_size(block), segment_live_bytes(interface));
        CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
        CU_ASSERT_EQUAL(segment_live_bytes(interface), 0);
        CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
        CU_ASSERT_EQUAL(mmb_shm_unlink(segment_url()), MMB_OK);
    }
}

static void test_attach_created_anew_refuses_old_pointers(void)
{
    mmbMemInterface *interface = segment_interface(space, MMB_STRATEGY_DEFAULT, MIB);
    mmbAllocation *block = control_allocation(interface, 100);
    mmbSharedPtr pointer = segment_pointer(block);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shm_unlink(segment_url()), MMB_OK);
    interface = segment_interface(space, MMB_STRATEGY_DEFAULT, MIB);
    block = control_allocation(interface, 100);
    CU_ASSERT_EQUAL(mmb_allocation_from_shared(pointer, &block), MMB_NOT_FOUND);
}

/* covers: mmb_interface_get_header MMB_NOT_FOUND */
static void test_attach_custom_header(void)
{
    mmbMemInterfaceConfig config = segment_config(MMB_SHM_CREATE, MMB_STRATEGY_DEFAULT, MIB);
    mmbMemInterface *interface;
    void *header = NULL;
    size_t n_bytes = 0;
    config.backend_opts.shm.header_bytes = 200;
    CU_ASSERT_EQUAL_FATAL(segment_open(space, &config, &interface), MMB_OK);
    CU_ASSERT_EQUAL(mmb_interface_get_header(interface, &header, &n_bytes), MMB_OK);
    CU_ASSERT_EQUAL(n_bytes, 200);
    for (size_t i = 0; i < n_bytes; i++)
        CU_ASSERT_EQUAL(((char *)header)[i], 0);
    memset(header, 10, n_bytes);
    CU_ASSERT_EQUAL(mmb_free(control_allocation(interface, 1000)), MMB_OK);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
    interface = segment_interface(space, MMB_STRATEGY_DEFAULT, 0);
    CU_ASSERT_EQUAL(mmb_interface_get_header(interface, &header, &n_bytes), MMB_OK);
    CU_ASSERT_EQUAL(((char *)header)[199], 10);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shm_unlink(segment_url()), MMB_OK);
    interface = segment_interface(space, MMB_STRATEGY_DEFAULT, MIB);
    CU_ASSERT_EQUAL(mmb_interface_get_header(interface, &header, &n_bytes), MMB_NOT_FOUND);
}

/* covers: mmb_create_interface MMB_EXISTS MMB_NOT_FOUND */
static void test_attach_modes(void)
{
    mmbMemInterfaceConfig config = segment_config(MMB_SHM_ATTACH, MMB_STRATEGY_DEFAULT, MIB);
    mmbMemInterface *interface, *second;
    bool created = true;
    CU_ASSERT_EQUAL(segment_open(space, &config, &interface), MMB_NOT_FOUND);
    config.backend_opts.shm.mode = MMB_SHM_CREATE_OR_ATTACH;
    CU_ASSERT_EQUAL_FATAL(segment_open(space, &config, &interface), MMB_OK);
    CU_ASSERT_TRUE(mmb_shm_created(interface, &created) == MMB_OK && created);
    CU_ASSERT_EQUAL(segment_open(space, &config, &second), MMB_EXISTS);
    CU_ASSERT_TRUE(control_detail_has("attached already"));
    config.backend_opts.shm.mode = MMB_SHM_CREATE;
    CU_ASSERT_EQUAL(segment_open(space, &config, &second), MMB_EXISTS);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
    CU_ASSERT_EQUAL(segment_open(space, &config, &second), MMB_EXISTS);
    config.backend_opts.shm.mode = MMB_SHM_CREATE_OR_ATTACH;
    CU_ASSERT_EQUAL_FATAL(segment_open(space, &config, &interface), MMB_OK);
    CU_ASSERT_TRUE(mmb_shm_created(interface, &created) == MMB_OK && !created);
}

struct refusal {
    const char *url;
    size_t n_bytes;
    mmbStrategy strategy;
    int mode;
    mmbError error;
};

static void test_attach_refuses_what_cannot_be(void)
{
    static const struct refusal rows[] = {
        {NULL, MIB, MMB_STRATEGY_DEFAULT, MMB_SHM_CREATE, MMB_INVALID_ARG},
        {"", MIB, MMB_STRATEGY_DEFAULT, MMB_SHM_CREATE, MMB_INVALID_ARG},
        {"name", MIB, MMB_STRATEGY_DEFAULT, MMB_SHM_CREATE, MMB_INVALID_ARG},
        {"/", MIB, MMB_STRATEGY_DEFAULT, MMB_SHM_CREATE, MMB_INVALID_ARG},
        {"/..", MIB, MMB_STRATEGY_DEFAULT, MMB_SHM_CREATE, MMB_INVALID_ARG},
        {"/a/b", MIB, MMB_STRATEGY_DEFAULT, MMB_SHM_CREATE, MMB_INVALID_ARG},
        {"/mmb-test-no", MIB, MMB_STRATEGY_DEFAULT, 0, MMB_INVALID_ARG},
        {"/mmb-test-no", MIB, MMB_STRATEGY_DEFAULT, 4, MMB_INVALID_ARG},
        {"/mmb-test-no", 0, MMB_STRATEGY_DEFAULT, MMB_SHM_CREATE, MMB_INVALID_ARG},
        {"/mmb-test-no", 1, MMB_STRATEGY_DEFAULT, MMB_SHM_CREATE, MMB_INVALID_SIZE},
        {"/mmb-test-no", SIZE_MAX, MMB_STRATEGY_DEFAULT, MMB_SHM_CREATE, MMB_INVALID_SIZE},
        {"/mmb-test-no", MIB, MMB_STRATEGY_PASSTHROUGH, MMB_SHM_CREATE, MMB_UNSUPPORTED},
    };
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        mmbMemInterfaceConfig config =
            segment_config((mmbShmMode)rows[i].mode, rows[i].strategy, rows[i].n_bytes);
        mmbMemInterface *interface;
        config.backend_opts.shm.url = rows[i].url;
        mmbError error = segment_open(space, &config, &interface);
        SUITE_CHECK(error == rows[i].error, "row %zu: %s: %s", i, mmb_error_name(error),
                    mmb_error_detail());
    }
    CU_ASSERT_EQUAL(mmb_shm_check("/mmb-test-no", NULL), MMB_NOT_FOUND);
}

static void test_attach_attaching_must_agree(void)
{
    mmbMemInterface *interface = segment_interface(space, MMB_STRATEGY_STACK, MIB);
    mmbMemInterfaceConfig config = segment_config(MMB_SHM_ATTACH, MMB_STRATEGY_SCALABLE_PAGE, 0);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
    CU_ASSERT_EQUAL(segment_open(space, &config, &interface), MMB_INVALID_ARG);
    config.strategy = MMB_STRATEGY_DEFAULT;
    config.backend_opts.shm.id = 1234;
    CU_ASSERT_EQUAL(segment_open(space, &config, &interface), MMB_INVALID_ARG);
    config.backend_opts.shm.id = 0;
    CU_ASSERT_EQUAL(segment_open(space, &config, &interface), MMB_OK);
}

static void test_attach_ids_do_not_clash(void)
{
    char second_url[80];
    mmbMemInterfaceConfig config = segment_config(MMB_SHM_CREATE, MMB_STRATEGY_DEFAULT, MIB);
    mmbMemInterface *first, *second, *found;
    snprintf(second_url, sizeof second_url, "%s-2", segment_url());
    config.backend_opts.shm.id = 77;
    CU_ASSERT_EQUAL_FATAL(segment_open(space, &config, &first), MMB_OK);
    config.backend_opts.shm.url = second_url;
    CU_ASSERT_EQUAL(segment_open(space, &config, &second), MMB_EXISTS);
    config.backend_opts.shm.id = 78;
    CU_ASSERT_EQUAL(mmb_shm_check(second_url, NULL), MMB_NOT_FOUND);
    CU_ASSERT_EQUAL_FATAL(segment_open(space, &config, &second), MMB_OK);
    CU_ASSERT_TRUE(mmb_interface_from_id(78, &found) == MMB_OK && found == second);
    CU_ASSERT_EQUAL(mmb_shm_unlink(second_url), MMB_OK);
}

static void test_attach_files_are_private(void)
{
    char path[100];
    struct stat status;
    segment_interface(space, MMB_STRATEGY_DEFAULT, MIB);
    snprintf(path, sizeof path, "/dev/shm%s", segment_url());
    CU_ASSERT_EQUAL_FATAL(stat(path, &status), 0);
    CU_ASSERT_EQUAL(status.st_mode & 0777, 0600);
}

static void test_attach_memfd(void)
{
    char url[80];
    mmbMemInterfaceConfig config = segment_config(MMB_SHM_ATTACH, MMB_STRATEGY_DEFAULT, 16 * MIB);
    mmbMemInterface *interface;
    mmbShmInfo info = MMB_SHM_INFO_INIT;
    snprintf(url, sizeof url, "memfd:%s", segment_url() + 1);
    config.backend_opts.shm.url = url;
    CU_ASSERT_EQUAL(segment_open(space, &config, &interface), MMB_NOT_FOUND);
    config.backend_opts.shm.mode = MMB_SHM_CREATE;
    CU_ASSERT_EQUAL_FATAL(segment_open(space, &config, &interface), MMB_OK);
    CU_ASSERT_EQUAL(mmb_free(control_allocation(interface, 5000)), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shm_check(url, &info), MMB_OK);
    CU_ASSERT_EQUAL(info.owners, 1);
    CU_ASSERT_EQUAL(mmb_destroy_interface(interface), MMB_OK);
    CU_ASSERT_EQUAL(mmb_shm_check(url, &info), MMB_NOT_FOUND);
}

MMB_SUITE_WITH("shared/attach", set_up, segment_tear_down, T(test_attach_survives_detaching),
               T(test_attach_created_anew_refuses_old_pointers), T(test_attach_custom_header),
               T(test_attach_modes), T(test_attach_refuses_what_cannot_be),
               T(test_attach_attaching_must_agree), T(test_attach_ids_do_not_clash),
               T(test_attach_files_are_private), T(test_attach_memfd))
