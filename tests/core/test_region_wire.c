/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: an export carries the key, the address and the size to the peer; what is no
 * export is refused, whichever byte is wrong or missing. */
#include <stdint.h>
#include <string.h>
#include "tests/support/control.h"
#include "tests/support/fake_provider.h"
#include "tests/support/suite.h"

#define ROOM 512u

static struct fake_provider fake, other;
static mmbRegionProvider *provider;
static mmbMemInterface *interface;
static mmbAllocation *block;
static uint8_t form[ROOM];
static size_t form_bytes;

static mmbMemInterface *make(mmbRegionProvider *named)
{
    mmbMemInterfaceConfig config = control_interface_config;
    mmbMemInterface *made = NULL;
    config.region_provider = named;
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(control_space(1 << 20), &config, &made), MMB_OK);
    return made;
}

static void set_up(void)
{
    control_open();
    fake_provider_init(&fake);
    fake_provider_init(&other);
    provider = fake_provider_make(&fake);
    interface = make(provider);
    block = control_allocation(interface, 1000);
    form_bytes = ROOM;
    CU_ASSERT_EQUAL(mmb_allocation_export_region(block, form, &form_bytes), MMB_OK);
}

static void tear_down(void)
{
    control_close();
    CU_ASSERT_TRUE(fake.live == 0 && fake.wrong == 0);
}

static void test_wire_carries_key_and_address(void)
{
    mmbRegionView here = MMB_REGION_VIEW_INIT, there = MMB_REGION_VIEW_INIT;
    CU_ASSERT_EQUAL(mmb_allocation_get_region(block, 0, 1000, &here), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(mmb_region_import(form, form_bytes, provider, &there), MMB_OK);
    CU_ASSERT_TRUE(!there.ptr && !there.local_desc && !there.native && there.n_bytes == 1000);
    CU_ASSERT_EQUAL(there.remote_address, here.remote_address);
    CU_ASSERT_EQUAL_FATAL(there.remote_key_bytes, here.remote_key_bytes);
    CU_ASSERT_EQUAL(memcmp(there.remote_key, here.remote_key, here.remote_key_bytes), 0);
    CU_ASSERT_TRUE(there.remote_key != here.remote_key);
    CU_ASSERT_EQUAL(mmb_region_release(&there), MMB_OK);
    CU_ASSERT_TRUE(!there.remote_key && there.n_bytes == 0 && there.size == sizeof there);
    CU_ASSERT_EQUAL(mmb_region_release(&here), MMB_OK);
    CU_ASSERT_TRUE(!here.ptr && !here.remote_key);
}

static void test_wire_of_a_slice_is_the_slice(void)
{
    mmbAllocation *slice = NULL;
    mmbRegionView whole = MMB_REGION_VIEW_INIT, part = MMB_REGION_VIEW_INIT;
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_slice(block, 100, 20, &slice), MMB_OK);
    CU_ASSERT_EQUAL(mmb_region_import(form, form_bytes, provider, &whole), MMB_OK);
    size_t n_bytes = ROOM;
    CU_ASSERT_EQUAL(mmb_allocation_export_region(slice, form, &n_bytes), MMB_OK);
    CU_ASSERT_EQUAL(mmb_region_import(form, n_bytes, provider, &part), MMB_OK);
    CU_ASSERT_TRUE(part.n_bytes == 20 && part.remote_address == whole.remote_address + 100);
    CU_ASSERT_EQUAL(mmb_region_release(&whole), MMB_OK);
    CU_ASSERT_EQUAL(mmb_region_release(&part), MMB_OK);
}

static void test_wire_size_is_told(void)
{
    size_t n_bytes = 0;
    CU_ASSERT_EQUAL(mmb_allocation_export_region(block, NULL, &n_bytes), MMB_OK);
    CU_ASSERT_EQUAL(n_bytes, form_bytes);
}

static void test_wire_longest_key(void)
{
    mmbRegionView view = MMB_REGION_VIEW_INIT;
    other.key_bytes = other.caps.remote_key_bytes = 256;
    mmbRegionProvider *long_keys = fake_provider_make(&other);
    mmbAllocation *far = control_allocation(make(long_keys), 10);
    size_t n_bytes = ROOM;
    CU_ASSERT_EQUAL_FATAL(mmb_allocation_export_region(far, form, &n_bytes), MMB_OK);
    CU_ASSERT_EQUAL(mmb_region_import(form, n_bytes, long_keys, &view), MMB_OK);
    CU_ASSERT_TRUE(view.remote_key_bytes == 256 && view.remote_key[255] == 0x5a);
    CU_ASSERT_EQUAL(mmb_region_release(&view), MMB_OK);
}

/* Every bit of every byte, and every length. covers: mmb_region_import MMB_CORRUPT */
static void test_wire_damage_is_noticed(void)
{
    for (size_t bit = 0; bit < form_bytes * 8; bit++) {
        mmbRegionView view = MMB_REGION_VIEW_INIT;
        form[bit / 8] ^= (uint8_t)(1u << bit % 8);
        mmbError error = mmb_region_import(form, form_bytes, provider, &view);
        bool is_version = bit / 8 == 4;
        SUITE_CHECK(error == (is_version ? MMB_UNSUPPORTED : MMB_CORRUPT) && !view.remote_key,
                    "bit %zu: %s", bit, mmb_error_name(error));
        form[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t n_bytes = 0; n_bytes < form_bytes; n_bytes++) {
        mmbRegionView view = MMB_REGION_VIEW_INIT;
        CU_ASSERT_EQUAL(mmb_region_import(form, n_bytes, provider, &view), MMB_CORRUPT);
    }
    mmbRegionView view = MMB_REGION_VIEW_INIT;
    CU_ASSERT_EQUAL(mmb_region_import(form, form_bytes, provider, &view), MMB_OK);
    CU_ASSERT_EQUAL(mmb_region_release(&view), MMB_OK);
}

/* covers: mmb_allocation_export_region MMB_INVALID_ALLOCATION MMB_INVALID_ARG MMB_INVALID_SIZE
   MMB_UNSUPPORTED */
static void test_wire_export_refuses(void)
{
    size_t n_bytes = form_bytes - 1;
    CU_ASSERT_EQUAL(mmb_allocation_export_region(NULL, form, &n_bytes), MMB_INVALID_ALLOCATION);
    CU_ASSERT_EQUAL(mmb_allocation_export_region(block, form, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_allocation_export_region(block, form, &n_bytes), MMB_INVALID_SIZE);
    CU_ASSERT_EQUAL(n_bytes, form_bytes - 1);
    mmbAllocation *plain = control_allocation(
        control_interface(control_space(1000), MMB_STRATEGY_PASSTHROUGH, MMB_BACKEND_DEFAULT), 10);
    CU_ASSERT_EQUAL(mmb_allocation_export_region(plain, NULL, &n_bytes), MMB_UNSUPPORTED);
    other.key_bytes = 0;
    mmbAllocation *keyless = control_allocation(make(fake_provider_make(&other)), 10);
    CU_ASSERT_EQUAL(mmb_allocation_export_region(keyless, NULL, &n_bytes), MMB_UNSUPPORTED);
    CU_ASSERT_TRUE(control_detail_has("no remote keys"));
}

/* covers: mmb_region_import MMB_INVALID_ARG MMB_UNSUPPORTED, mmb_region_release MMB_INVALID_ARG */
static void test_wire_import_refuses(void)
{
    mmbRegionView view = MMB_REGION_VIEW_INIT;
    mmbRegionProviderOps ops = fake_provider_ops;
    mmbRegionProvider *other_kind = NULL;
    ops.name = "fakes";
    CU_ASSERT_EQUAL_FATAL(mmb_region_provider_create(&ops, &other, &other_kind), MMB_OK);
    CU_ASSERT_EQUAL(mmb_region_import(NULL, 1, provider, &view), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_region_import(form, form_bytes, provider, NULL), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_region_import(form, form_bytes, NULL, &view), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(
        mmb_region_import(form, form_bytes, (mmbRegionProvider *)(void *)interface, &view),
        MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_region_import(form, form_bytes, other_kind, &view), MMB_UNSUPPORTED);
    CU_ASSERT_TRUE(control_detail_has("fakes") && !view.remote_key);
    view.remote_key = form;
    CU_ASSERT_EQUAL(mmb_region_release(&view), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_region_release(NULL), MMB_OK);
}

/* A view is a use of its provider, and dead after finalize. */
static void test_wire_view_keeps_its_provider(void)
{
    mmbRegionView view = MMB_REGION_VIEW_INIT, copy;
    mmbRegionProvider *peer = fake_provider_make(&other);
    CU_ASSERT_EQUAL(mmb_region_import(form, form_bytes, peer, &view), MMB_OK);
    copy = view;
    CU_ASSERT_EQUAL(mmb_region_provider_destroy(peer), MMB_BUSY);
    CU_ASSERT_EQUAL(mmb_region_release(&view), MMB_OK);
    CU_ASSERT_EQUAL(mmb_region_release(&copy), MMB_INVALID_ARG);
    CU_ASSERT_EQUAL(mmb_region_import(form, form_bytes, peer, &view), MMB_OK);
    control_close();
    control_open();
    CU_ASSERT_EQUAL(mmb_region_release(&view), MMB_INVALID_ARG);
    CU_ASSERT_TRUE(other.closed == 1);
}

MMB_SUITE_WITH("core/region_wire", set_up, tear_down, T(test_wire_carries_key_and_address),
               T(test_wire_of_a_slice_is_the_slice), T(test_wire_size_is_told),
               T(test_wire_longest_key), T(test_wire_damage_is_noticed),
               T(test_wire_export_refuses), T(test_wire_import_refuses),
               T(test_wire_view_keeps_its_provider))
