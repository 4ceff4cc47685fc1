/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: with what one process exports another puts into and gets from exactly those
 * bytes over UCX, with the key packed once per chunk. */
#include <mmb/ucx.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucp/api/ucp.h>
#include "tests/regions/exhaust.h"
#include "tests/regions/two.h"
#include "tests/support/suite.h"

#define ADDRESS_BYTES 4096u
#define PATIENCE_S    15

struct end {
    ucp_context_h context;
    ucp_worker_h worker;
    ucp_ep_h peer;
};

struct address {
    uint64_t n_bytes;
    uint8_t bytes[ADDRESS_BYTES];
};

static bool open_end(struct end *end)
{
    const ucp_params_t params = {
        .field_mask = UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_MT_WORKERS_SHARED,
        .features = UCP_FEATURE_RMA,
        .mt_workers_shared = 1,
    };
    const ucp_worker_params_t worker = {
        .field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE,
        .thread_mode = UCS_THREAD_MODE_SINGLE,
    };
    return ucp_init(&params, NULL, &end->context) == UCS_OK &&
           ucp_worker_create(end->context, &worker, &end->worker) == UCS_OK;
}

static bool address_of(const struct end *end, struct address *out)
{
    ucp_address_t *address;
    size_t n_bytes;
    if (ucp_worker_get_address(end->worker, &address, &n_bytes) != UCS_OK)
        return false;
    bool fits = n_bytes <= sizeof out->bytes;
    if (fits)
        memcpy(out->bytes, address, n_bytes);
    out->n_bytes = n_bytes;
    ucp_worker_release_address(end->worker, address);
    return fits;
}

static bool connect_to(struct end *end, const struct address *peer)
{
    const ucp_ep_params_t params = {
        .field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS,
        .address = (const ucp_address_t *)(const void *)peer->bytes,
    };
    return ucp_ep_create(end->worker, &params, &end->peer) == UCS_OK;
}

static ucs_status_t finish(const struct end *end, ucs_status_ptr_t request)
{
    time_t until = time(NULL) + PATIENCE_S;
    if (!UCS_PTR_IS_PTR(request))
        return UCS_PTR_STATUS(request);
    ucs_status_t status;
    while ((status = ucp_request_check_status(request)) == UCS_INPROGRESS) {
        ucp_worker_progress(end->worker);
        if (time(NULL) > until)
            return UCS_ERR_TIMED_OUT;
    }
    ucp_request_free(request);
    return status;
}

static int begin(int socket, const char *transports, struct end *end, struct two_memory *memory)
{
    mmbRegionProvider *provider = NULL;
    setenv("UCX_TLS", transports, 1);
    setenv("UCX_WARN_UNUSED_ENV_VARS", "n", 1);
    bool is_here = open_end(end), peer_is_here = false;
    if (!two_send(socket, &is_here, sizeof is_here) ||
        !two_receive(socket, &peer_is_here, sizeof peer_is_here))
        return 1;
    if (!is_here || !peer_is_here)
        return TWO_SKIP;
    if (mmb_init(NULL) != MMB_OK ||
        mmb_region_provider_create_ucx(end->context, &provider) != MMB_OK)
        return 2;
    return two_memory_make(memory, provider) ? 0 : 3;
}

static int end_all(struct end *end, struct two_memory *memory)
{
    if (!two_memory_end(memory))
        return 20;
    ucp_worker_destroy(end->worker);
    ucp_cleanup(end->context);
    return mmb_finalize() == MMB_OK ? 0 : 21;
}

/* ---- the target: 'v' counts wrong bytes ---- */

static int serve(int socket, const struct end *end, const struct two_memory *memory)
{
    char command;
    for (;;) {
        ucp_worker_progress(end->worker);
        if (!two_is_waiting(socket))
            continue;
        if (!two_receive(socket, &command, 1))
            return 0;
        size_t wrong = two_count_wrong(mmb_allocation_ptr(memory->block));
        if (!two_send(socket, &wrong, sizeof wrong))
            return 0;
    }
}

static int target(int socket, void *argument)
{
    struct end end = {0};
    struct two_memory memory;
    struct two_exports exports;
    struct address address;
    int failed = begin(socket, argument, &end, &memory);
    if (failed)
        return failed;
    two_fill_target(mmb_allocation_ptr(memory.block));
    if (!address_of(&end, &address) || !two_memory_export(&memory, &exports) ||
        !two_send(socket, &address, sizeof address) || !two_send(socket, &exports, sizeof exports))
        return 10;
    failed = serve(socket, &end, &memory);
    return failed ? failed : end_all(&end, &memory);
}

/* ---- the initiator ---- */

struct initiator {
    struct end end;
    struct two_memory memory;
    mmbRegionView block, slice;
    ucp_rkey_h block_key, slice_key;
};

static bool move(const struct initiator *self, bool is_put, bool is_slice, size_t offset,
                 size_t n_bytes)
{
    const mmbRegionView *there = is_slice ? &self->slice : &self->block;
    ucp_rkey_h key = is_slice ? self->slice_key : self->block_key;
    mmbRegionView here = MMB_REGION_VIEW_INIT;
    size_t base = is_slice ? TWO_SLICE_OFFSET : 0;
    if (mmb_allocation_get_region(self->memory.block, base + offset, n_bytes, &here) != MMB_OK)
        return false;
    const ucp_request_param_t params = {.op_attr_mask = UCP_OP_ATTR_FIELD_MEMH,
                                        .memh = here.local_desc};
    uint64_t address = there->remote_address + offset;
    ucs_status_ptr_t request =
        is_put ? ucp_put_nbx(self->end.peer, here.ptr, n_bytes, address, key, &params)
               : ucp_get_nbx(self->end.peer, here.ptr, n_bytes, address, key, &params);
    return finish(&self->end, request) == UCS_OK;
}

static bool move_all(const struct initiator *self, bool is_put)
{
    const ucp_request_param_t none = {0};
    for (size_t part = 0; part < TWO_PARTS; part++)
        if (!move(self, is_put, false, two_part_offset(part), TWO_PART_BYTES))
            return false;
    return move(self, is_put, true, TWO_INNER_OFFSET, TWO_INNER_BYTES) &&
           finish(&self->end, ucp_ep_flush_nbx(self->end.peer, &none)) == UCS_OK;
}

static int put_and_get(const struct initiator *self, int socket)
{
    uint8_t *bytes = mmb_allocation_ptr(self->memory.block);
    size_t wrong = SIZE_MAX;
    two_fill_initiator(bytes);
    if (!move_all(self, true))
        return 30;
    if (!two_send(socket, "v", 1) || !two_receive(socket, &wrong, sizeof wrong) || wrong)
        return 31;
    two_fill_target(bytes);
    if (!move_all(self, false))
        return 32;
    return two_count_wrong(bytes) == 0 ? 0 : 33;
}

static bool import(struct initiator *self, const struct two_exports *exports)
{
    mmbRegionProvider *provider = self->memory.provider;
    return mmb_region_import(exports->block, exports->block_bytes, provider, &self->block) ==
               MMB_OK &&
           mmb_region_import(exports->slice, exports->slice_bytes, provider, &self->slice) ==
               MMB_OK &&
           ucp_ep_rkey_unpack(self->end.peer, self->block.remote_key, &self->block_key) == UCS_OK &&
           ucp_ep_rkey_unpack(self->end.peer, self->slice.remote_key, &self->slice_key) == UCS_OK;
}

static int initiator(int socket, void *argument)
{
    struct initiator self = {.block = MMB_REGION_VIEW_INIT, .slice = MMB_REGION_VIEW_INIT};
    struct two_exports exports;
    struct address address;
    int failed = begin(socket, argument, &self.end, &self.memory);
    if (failed)
        return failed;
    if (!two_receive(socket, &address, sizeof address) ||
        !two_receive(socket, &exports, sizeof exports) || !connect_to(&self.end, &address))
        return 4;
    if (!import(&self, &exports))
        return 5;
    failed = put_and_get(&self, socket);
    if (failed)
        return failed;
    ucp_rkey_destroy(self.block_key);
    ucp_rkey_destroy(self.slice_key);
    const ucp_request_param_t none = {0};
    finish(&self.end, ucp_ep_close_nbx(self.end.peer, &none));
    if (mmb_region_release(&self.block) != MMB_OK || mmb_region_release(&self.slice) != MMB_OK)
        return 6;
    return end_all(&self.end, &self.memory);
}

static void run(const char *transports)
{
    two_check(initiator, target, (void *)(uintptr_t)transports,
              "this UCX has no such transport here");
}

static void test_ucx_tcp(void)
{
    run("tcp");
}

static void test_ucx_shared_memory(void)
{
    run("posix,self");
}

static void test_ucx_what_is_best_here(void)
{
    run("all");
}

static int refuse(void *unused)
{
    struct end end = {0};
    mmbRegionProvider *provider = NULL;
    (void)unused;
    if (mmb_init(NULL) != MMB_OK)
        return 1;
    if (mmb_region_provider_create_ucx(NULL, &provider) != MMB_INVALID_ARG)
        return 2;
    if (!open_end(&end))
        return TWO_SKIP;
    return mmb_region_provider_create_ucx(end.context, NULL) == MMB_INVALID_ARG && !provider ? 0
                                                                                             : 3;
}

/* covers: mmb_region_provider_create_ucx MMB_INVALID_ARG */
static void test_ucx_refuses(void)
{
    two_check_child(refuse, "UCX does not start here");
}

/* Refused before what it is for is looked at. */
static int without_memory(void *unused)
{
    static char here[64];
    mmbRegionProvider *provider = NULL;
    (void)unused;
    if (mmb_init(NULL) != MMB_OK)
        return 1;
    if (!exhaust_malloc())
        return TWO_SKIP;
    return mmb_region_provider_create_ucx((struct ucp_context *)(void *)here, &provider) ==
                   MMB_OUT_OF_MEMORY
               ? 0
               : 2;
}

/* covers: mmb_region_provider_create_ucx MMB_OUT_OF_MEMORY */
static void test_ucx_without_memory(void)
{
    two_check_child(without_memory, "malloc cannot be exhausted here");
}

MMB_SUITE("regions/ucx", T(test_ucx_tcp), T(test_ucx_shared_memory), T(test_ucx_what_is_best_here),
          T(test_ucx_refuses), T(test_ucx_without_memory))
