/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: every backend of the enumeration can be asked whether it is here, and what is
 * not here says why. */
#include <string.h>
#include <mmb.h>
#include "src/spi/backend.h"
#include "tests/support/suite.h"

static void set_up(void)
{
    CU_ASSERT_EQUAL_FATAL(mmb_init(NULL), MMB_OK);
}

static void tear_down(void)
{
    mmb_finalize();
}

static bool is_built_in(mmbBackend id)
{
    for (size_t i = 0; mmb_builtin_backends[i]; i++)
        if (mmb_builtin_backends[i]->id == id)
            return true;
    return false;
}

static void test_backend_info_knows_every_backend(void)
{
    for (int id = MMB_BACKEND_MALLOC; id <= MMB_BACKEND_OPENACC; id++) {
        mmbBackendInfo info = MMB_BACKEND_INFO_INIT;
        mmbError error = mmb_backend_get_info((mmbBackend)id, &info);
        SUITE_CHECK(error == MMB_OK, "%d: %s", id, mmb_error_detail());
        SUITE_CHECK(strcmp(info.name, mmb_backend_name((mmbBackend)id)) == 0, "%d: \"%s\"", id,
                    info.name);
        SUITE_CHECK(info.built == is_built_in((mmbBackend)id), "%s", info.name);
        SUITE_CHECK(!info.available || info.built, "%s", info.name);
        SUITE_CHECK(!info.available == (info.detail[0] != '\0'), "%s: \"%s\"", info.name,
                    info.detail);
    }
}

static void test_backend_info_finds_host_backends_usable(void)
{
    static const mmbBackend ids[] = {MMB_BACKEND_MALLOC, MMB_BACKEND_MMAP, MMB_BACKEND_ARRAY};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        mmbBackendInfo info = MMB_BACKEND_INFO_INIT;
        CU_ASSERT_EQUAL(mmb_backend_get_info(ids[i], &info), MMB_OK);
        SUITE_CHECK(info.built && info.available, "%s: \"%s\"", info.name, info.detail);
    }
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

static void test_backend_info_knows_the_users_backends(void)
{
    const mmbBackendOps ops = {.size = sizeof ops,
                               .name = "nothing",
                               .host_accessible = true,
                               .min_alignment = 16,
                               .map = map,
                               .unmap = unmap};
    mmbBackendInfo info = MMB_BACKEND_INFO_INIT;
    mmbBackend id;
    CU_ASSERT_EQUAL_FATAL(mmb_backend_register(&ops, NULL, &id), MMB_OK);
    CU_ASSERT_EQUAL(mmb_backend_get_info(id, &info), MMB_OK);
    CU_ASSERT_STRING_EQUAL(info.name, "nothing");
    CU_ASSERT(info.built && info.available);
}

/* covers: mmb_backend_get_info MMB_INVALID_ARG */
static void test_backend_info_refuses_what_is_no_backend(void)
{
    mmbBackendInfo info = MMB_BACKEND_INFO_INIT;
    static const int ids[] = {MMB_BACKEND_DEFAULT, MMB_BACKEND_OPENACC + 1, MMB_BACKEND_USER + 1000,
                              -1};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        SUITE_CHECK(mmb_backend_get_info((mmbBackend)ids[i], &info) == MMB_INVALID_ARG, "%d",
                    ids[i]);
    CU_ASSERT_PTR_NULL(info.name);
    CU_ASSERT_EQUAL(mmb_backend_get_info(MMB_BACKEND_MMAP, NULL), MMB_INVALID_ARG);
    info.size = 8;
    CU_ASSERT_EQUAL(mmb_backend_get_info(MMB_BACKEND_MMAP, &info), MMB_INVALID_ARG);
    CU_ASSERT_PTR_NULL(info.name);
}

static void test_backend_info_needs_the_library(void)
{
    mmbBackendInfo info = MMB_BACKEND_INFO_INIT;
    mmb_finalize();
    CU_ASSERT_EQUAL(mmb_backend_get_info(MMB_BACKEND_MMAP, &info), MMB_NOT_INITIALIZED);
    CU_ASSERT_EQUAL_FATAL(mmb_init(NULL), MMB_OK);
}

MMB_SUITE_WITH("core/backend_info", set_up, tear_down, T(test_backend_info_knows_every_backend),
               T(test_backend_info_finds_host_backends_usable),
               T(test_backend_info_knows_the_users_backends),
               T(test_backend_info_refuses_what_is_no_backend),
               T(test_backend_info_needs_the_library))
