/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: whichever piece of metadata cannot be had, making a provider, registering and
 * importing answer MMB_OUT_OF_MEMORY, nothing has changed, and the next call works.
 * mmb_meta_alloc, mmb_meta_strdup, mmb_handles_take and mmb_os_commit are wrapped
 * (tests/Makefile.inc). */
#include <string.h>
#include "src/base/meta.h"
#include "src/core/handles.h"
#include "tests/support/control.h"
#include "tests/support/fake_provider.h"
#include "tests/support/suite.h"

/* The wrapped call with this number fails; 0: none does. */
static size_t fail_at, n_calls;

static bool fails(void)
{
    return ++n_calls == fail_at;
}

void *__real_mmb_meta_alloc(size_t n_bytes);
void *__wrap_mmb_meta_alloc(size_t n_bytes);
char *__real_mmb_meta_strdup(const char *text);
char *__wrap_mmb_meta_strdup(const char *text);
void *__real_mmb_handles_take(struct mmb_handles *handles);
void *__wrap_mmb_handles_take(struct mmb_handles *handles);

void *__wrap_mmb_meta_alloc(size_t n_bytes)
{
    return fails() ? NULL : __real_mmb_meta_alloc(n_bytes);
}

char *__wrap_mmb_meta_strdup(const char *text)
{
    return text && fails() ? NULL : __real_mmb_meta_strdup(text);
}

void *__wrap_mmb_handles_take(struct mmb_handles *handles)
{
    return fails() ? NULL : __real_mmb_handles_take(handles);
}

/* Nothing can be committed any more. */
static bool is_full;

bool __real_mmb_os_commit(void *start, size_t n_bytes);
bool __wrap_mmb_os_commit(void *start, size_t n_bytes);

bool __wrap_mmb_os_commit(void *start, size_t n_bytes)
{
    return !is_full && __real_mmb_os_commit(start, n_bytes);
}

static struct fake_provider fake;
static mmbRegionProvider *provider;
static mmbMemInterface *interface;
static uint8_t form[512];
static size_t form_bytes;

static void set_up(void)
{
    mmbMemInterfaceConfig config = control_interface_config;
    fail_at = 0;
    control_open();
    fake_provider_init(&fake);
    provider = fake_provider_make(&fake);
    config.region_provider = provider;
    config.strategy = MMB_STRATEGY_PASSTHROUGH;
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(control_space(1 << 20), &config, &interface),
                          MMB_OK);
    mmbAllocation *block = control_allocation(interface, 100);
    form_bytes = sizeof form;
    CU_ASSERT_EQUAL(mmb_allocation_export_region(block, form, &form_bytes), MMB_OK);
    mmb_space_at(SIZE_MAX, NULL); /* a thread's first failure takes memory for its detail */
}

static void tear_down(void)
{
    fail_at = 0;
    is_full = false;
    control_close();
    CU_ASSERT_TRUE(fake.live == 0 && fake.wrong == 0);
}

/* ---- what is tried: what it has done is undone at once ---- */

static mmbError create(void)
{
    mmbRegionProvider *made = NULL;
    struct fake_provider other;
    fake_provider_init(&other);
    mmbError error = mmb_region_provider_create(&fake_provider_ops, &other, &made);
    CU_ASSERT_EQUAL(other.opened, error == MMB_OK);
    if (error == MMB_OK)
        CU_ASSERT_EQUAL(mmb_region_provider_destroy(made), MMB_OK);
    return error;
}

static mmbError create_mlock(void)
{
    mmbRegionProvider *made = NULL;
    mmbError error = mmb_region_provider_create_mlock(&made);
    return error == MMB_OK ? mmb_region_provider_destroy(made) : error;
}

static mmbError allocate(void)
{
    mmbAllocation *block = NULL;
    size_t live = fake.live;
    mmbError error = mmb_allocate(5000, interface, &block);
    if (error == MMB_OK)
        error = mmb_free(block);
    CU_ASSERT_EQUAL(fake.live, live);
    return error;
}

static mmbError wrap(void)
{
    static char buffer[50];
    mmbAllocation *wrapped = NULL;
    size_t live = fake.live;
    mmbError error = mmb_allocation_create_wrapped(buffer, sizeof buffer, interface, &wrapped);
    if (error == MMB_OK)
        error = mmb_free(wrapped);
    CU_ASSERT_EQUAL(fake.live, live);
    return error;
}

static mmbError import(void)
{
    mmbRegionView view = MMB_REGION_VIEW_INIT;
    mmbError error = mmb_region_import(form, form_bytes, provider, &view);
    return error == MMB_OK ? mmb_region_release(&view) : error;
}

/* covers: mmb_region_provider_create MMB_OUT_OF_MEMORY, mmb_region_provider_create_mlock
   MMB_OUT_OF_MEMORY, mmb_region_import MMB_OUT_OF_MEMORY */
static void test_region_faults_in_every_call(void)
{
    static const struct {
        const char *what;
        mmbError (*try)(void);
    } rows[] = {{"create", create},
                {"create_mlock", create_mlock},
                {"allocate", allocate},
                {"wrap", wrap},
                {"import", import}};
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        size_t refused = 0;
        for (size_t number = 1;; number++) {
            n_calls = 0;
            fail_at = number;
            mmbError error = rows[i].try();
            fail_at = 0;
            refused += error != MMB_OK;
            SUITE_CHECK(error == MMB_OK || error == MMB_OUT_OF_MEMORY, "%s, %zu: %s", rows[i].what,
                        number, mmb_error_detail());
            SUITE_CHECK(rows[i].try() == MMB_OK, "%s after %zu: %s", rows[i].what, number,
                        mmb_error_detail());
            if (n_calls < number)
                break;
        }
        SUITE_CHECK(refused > 0, "%s was never refused", rows[i].what);
    }
}

#define MOST_BLOCKS 20000u

/* Held one after the other until there is no room to count; what was held stays held.
   covers: mmb_region_hold MMB_OUT_OF_MEMORY */
static void test_region_faults_in_hold(void)
{
    static mmbAllocation *blocks[MOST_BLOCKS];
    mmbMemInterface *page = control_interface(control_space(MMB_NO_LIMIT),
                                              MMB_STRATEGY_SCALABLE_PAGE, MMB_BACKEND_DEFAULT);
    for (size_t i = 0; i < MOST_BLOCKS; i++)
        blocks[i] = control_allocation(page, 16);
    is_full = true;
    size_t held = 0;
    mmbError error = MMB_OK;
    while (held < MOST_BLOCKS && (error = mmb_region_hold(blocks[held])) == MMB_OK)
        held++;
    CU_ASSERT_EQUAL(error, MMB_OUT_OF_MEMORY);
    is_full = false;
    CU_ASSERT_EQUAL(mmb_free(blocks[held]), MMB_OK);
    for (size_t i = 0; i < held; i++) {
        CU_ASSERT_EQUAL(mmb_free(blocks[i]), MMB_BUSY);
        CU_ASSERT_EQUAL(mmb_region_unhold(blocks[i]), MMB_OK);
        CU_ASSERT_EQUAL(mmb_free(blocks[i]), MMB_OK);
    }
}

MMB_SUITE_WITH("core/region_faults", set_up, tear_down, T(test_region_faults_in_every_call),
               T(test_region_faults_in_hold))
