/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a kind is found by its name or made of a directory, and one that this machine
 * does not have is refused with memkind's own words. */
#include "config.h"
#include <string.h>
#include "src/spi/backend.h"
#include "tests/support/control.h"
#include "tests/support/node.h"
#include "tests/support/suite.h"
#ifdef MMB_HAVE_MEMKIND
#include "layers/memkind/memkind.h"

static mmbError open_kind(mmbMemLayer layer, const char *kind, struct mmb_backend **out)
{
    const mmbBackendOptions options = {.memkind = {kind}};
    const struct mmb_backend_request request = {.id = MMB_BACKEND_MEMKIND,
                                                .layer = layer,
                                                .context = MMB_CPU,
                                                .options = &options,
                                                .domain = -1,
                                                .domain_os_index = -1};
    return mmb_memkind_backend.open(&request, out);
}

static bool is_usable(void)
{
    if (mmb_memkind_backend.available() == MMB_OK)
        return true;
    suite_skip(mmb_error_detail());
    return false;
}

static void test_memkind_finds_kinds_by_name(void)
{
    static const struct {
        mmbMemLayer layer;
        const char *kind;
    } rows[] = {{MMB_DRAM, "regular"},
                {MMB_DRAM, "MEMKIND_DEFAULT"},
                {MMB_DRAM, "memkind_Regular"},
                {MMB_DRAM, NULL},
                {MMB_SSD, "/tmp"}};
    if (!is_usable())
        return;
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        struct mmb_backend *backend = NULL;
        struct mmb_memory memory;
        if (!SUITE_CHECK(open_kind(rows[i].layer, rows[i].kind, &backend) == MMB_OK, "row %zu: %s",
                         i, mmb_error_detail()))
            continue;
        CU_ASSERT_EQUAL_FATAL(backend->ops->map(backend, 100000, 100000, 4096, &memory), MMB_OK);
        memset(memory.host, 1, memory.n_bytes);
        CU_ASSERT_EQUAL(memory.address % 4096, 0);
        CU_ASSERT_EQUAL(backend->is_file, rows[i].layer == MMB_SSD);
        if (!backend->is_file)
            CU_ASSERT_EQUAL(node_of(memory.host), 0);
        CU_ASSERT_EQUAL(backend->ops->unmap(backend, &memory), MMB_OK);
        backend->ops->close(backend);
    }
}

static void test_memkind_refuses_what_is_not_there(void)
{
    static const struct {
        mmbMemLayer layer;
        const char *kind;
        mmbError error;
        const char *detail;
    } rows[] = {{MMB_DRAM, "fast", MMB_INVALID_ARG, "fast"},
                {MMB_DRAM, "", MMB_INVALID_ARG, "name a kind"},
                {MMB_SSD, NULL, MMB_INVALID_ARG, "name a kind"},
                {MMB_SSD, "/tmp/mmb-no-such-directory", MMB_NOT_FOUND, "mmb-no-such-directory"},
                {MMB_SSD, "/proc/version/x", MMB_NOT_FOUND, "/proc/version/x"}};
    if (!is_usable())
        return;
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        struct mmb_backend *backend = NULL;
        mmbError error = open_kind(rows[i].layer, rows[i].kind, &backend);
        SUITE_CHECK(error == rows[i].error, "row %zu: %s: %s", i, mmb_error_name(error),
                    mmb_error_detail());
        CU_ASSERT_TRUE(control_detail_has(rows[i].detail));
        CU_ASSERT_PTR_NULL(backend);
    }
}

/* Either there is high-bandwidth memory, or memkind says why not. */
static void test_memkind_without_the_kind(void)
{
    struct mmb_backend *backend = NULL;
    if (!is_usable())
        return;
    mmbError error = open_kind(MMB_HBM, NULL, &backend);
    if (error == MMB_OK) {
        backend->ops->close(backend);
        suite_skip("this machine has high-bandwidth memory");
        return;
    }
    CU_ASSERT_EQUAL(error, MMB_UNSUPPORTED);
    CU_ASSERT_TRUE(control_detail_has("<memkind>"));
}

static void test_memkind_interface(void)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemInterface *interface = NULL;
    mmbAllocation *blocks[100];
    if (!is_usable())
        return;
    control_open();
    config.backend = MMB_BACKEND_MEMKIND;
    mmbMemSpace *space = control_space(1 << 20);
    SUITE_CHECK(mmb_create_interface(space, &config, &interface) == MMB_OK, "%s",
                mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(interface);
    for (size_t i = 0; i < N_ROWS(blocks); i++) {
        CU_ASSERT_EQUAL_FATAL(mmb_allocate(1000, interface, &blocks[i]), MMB_OK);
        memset(MMB_PTR(blocks[i], char), (int)i, 1000);
    }
    for (size_t i = 0; i < N_ROWS(blocks); i++) {
        CU_ASSERT_EQUAL(MMB_PTR(blocks[i], char)[999], (char)i);
        CU_ASSERT_EQUAL(mmb_free(blocks[i]), MMB_OK);
    }
    control_close();
}

MMB_SUITE("layers/memkind", T(test_memkind_finds_kinds_by_name),
          T(test_memkind_refuses_what_is_not_there), T(test_memkind_without_the_kind),
          T(test_memkind_interface))
#else
static void test_memkind_is_not_built_in(void)
{
    suite_skip("memkind is not built in");
}
MMB_SUITE("layers/memkind", T(test_memkind_is_not_built_in))
#endif
