/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: with what one process exports another puts into and gets from exactly those
 * bytes, over every kind of libfabric network that needs no hardware, in both ways of addressing;
 * where the network checks keys, a wrong one and a released chunk are denied. */
#include <mmb/libfabric.h>
#include <rdma/fi_errno.h>
#include <string.h>
#include "tests/regions/exhaust.h"
#include "tests/regions/fabric.h"
#include "tests/regions/two.h"
#include "tests/support/suite.h"

#define MODE_VIRTUAL                                                                               \
    (FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_ENDPOINT)
#define MODE_OFFSET 0

struct network {
    const char *name, *node;
    uint64_t mr_mode;
    bool denies; /* wrong keys */
};

static mmbRegionProvider *provider_of(const struct fabric_end *end)
{
    mmbRegionProvider *provider = NULL;
    mmb_region_provider_create_libfabric(end->domain, end->info, end->endpoint, &provider);
    return provider;
}

/* Both sides: the network, the memory, and the peer's name. */
static int begin(int socket, const struct network *network, struct fabric_end *end,
                 struct two_memory *memory)
{
    struct fabric_name mine, peers;
    int error = fabric_open(end, network->name, network->node, network->mr_mode);
    bool is_here = error == 0, peer_is_here = false;
    if (!two_send(socket, &is_here, sizeof is_here) ||
        !two_receive(socket, &peer_is_here, sizeof peer_is_here))
        return 1;
    if (!is_here || !peer_is_here)
        return TWO_SKIP;
    mmbRegionProvider *provider = NULL;
    if (mmb_init(NULL) != MMB_OK || !(provider = provider_of(end)))
        return 2;
    if (!two_memory_make(memory, provider))
        return 3;
    if (fabric_name(end, &mine) || !two_send(socket, &mine, sizeof mine) ||
        !two_receive(socket, &peers, sizeof peers))
        return 4;
    return fabric_connect(end, &peers) ? 5 : 0;
}

/* ---- the target: 'v' counts wrong bytes, 'r' releases everything, the end of the socket ends ----
 */

static int serve(int socket, struct fabric_end *end, struct two_memory *memory)
{
    char command;
    size_t wrong = 0;
    bool is_released = false;
    for (;;) {
        fabric_progress(end);
        if (!two_is_waiting(socket))
            continue;
        if (!two_receive(socket, &command, 1))
            break;
        if (command == 'v')
            wrong = two_count_wrong(mmb_allocation_ptr(memory->block));
        if (command == 'r')
            wrong = !(is_released = two_memory_end(memory));
        if (!two_send(socket, &wrong, sizeof wrong))
            break;
    }
    return is_released || two_memory_end(memory) ? 0 : 20;
}

static int target(int socket, void *argument)
{
    struct fabric_end end;
    struct two_memory memory;
    struct two_exports exports;
    int failed = begin(socket, argument, &end, &memory);
    if (failed)
        return failed;
    two_fill_target(mmb_allocation_ptr(memory.block));
    if (!two_memory_export(&memory, &exports) || !two_send(socket, &exports, sizeof exports))
        return 10;
    failed = serve(socket, &end, &memory);
    fabric_close(&end);
    return mmb_finalize() == MMB_OK ? failed : 11;
}

/* ---- the initiator ---- */

struct initiator {
    struct fabric_end end;
    struct two_memory memory;
    mmbRegionView block, slice; /* the target's */
    int socket;
};

static uint64_t key_of(const mmbRegionView *view)
{
    uint64_t key = 0;
    if (view->remote_key_bytes == sizeof key)
        memcpy(&key, view->remote_key, sizeof key);
    return key;
}

/* Between the same offsets of a view of the target's and of our block. */
static int move(const struct initiator *self, bool is_put, const mmbRegionView *there,
                size_t offset, size_t n_bytes)
{
    mmbRegionView here = MMB_REGION_VIEW_INIT;
    size_t base = there == &self->slice ? TWO_SLICE_OFFSET : 0;
    if (mmb_allocation_get_region(self->memory.block, base + offset, n_bytes, &here) != MMB_OK)
        return -1;
    const struct fabric_transfer transfer = {
        is_put, here.ptr, n_bytes, here.local_desc, there->remote_address + offset, key_of(there),
    };
    return fabric_transfer(&self->end, &transfer);
}

static int move_all(const struct initiator *self, bool is_put)
{
    for (size_t part = 0; part < TWO_PARTS; part++)
        if (move(self, is_put, &self->block, two_part_offset(part), TWO_PART_BYTES))
            return 1;
    return move(self, is_put, &self->slice, TWO_INNER_OFFSET, TWO_INNER_BYTES) ? 2 : 0;
}

static size_t ask(int socket, char command)
{
    size_t answer = SIZE_MAX;
    return two_send(socket, &command, 1) && two_receive(socket, &answer, sizeof answer) ? answer
                                                                                        : SIZE_MAX;
}

static int put_and_get(struct initiator *self)
{
    uint8_t *bytes = mmb_allocation_ptr(self->memory.block);
    two_fill_initiator(bytes);
    if (mmb_region_hold(self->memory.block) != MMB_OK || move_all(self, true))
        return 30;
    if (ask(self->socket, 'v') != 0)
        return 31;
    two_fill_target(bytes);
    if (move_all(self, false))
        return 32;
    if (two_count_wrong(bytes) != 0)
        return 33;
    return mmb_free(self->memory.block) == MMB_BUSY &&
                   mmb_region_unhold(self->memory.block) == MMB_OK
               ? 0
               : 34;
}

/* A wrong key, then a right one, then the right one for what was released. */
static int be_denied(const struct initiator *self)
{
    mmbRegionView wrong = self->block;
    uint64_t key = key_of(&wrong) ^ 0x5a5au;
    wrong.remote_key = (const uint8_t *)&key;
    if (move(self, false, &wrong, 0, 64) == 0)
        return 40;
    if (move(self, false, &self->block, 0, 64) != 0)
        return 41;
    if (ask(self->socket, 'r') != 0)
        return 42;
    return move(self, false, &self->block, 0, 64) == 0 ? 43 : 0;
}

static int initiator(int socket, void *argument)
{
    const struct network *network = argument;
    struct initiator self = {.block = MMB_REGION_VIEW_INIT, .slice = MMB_REGION_VIEW_INIT};
    struct two_exports exports;
    self.socket = socket;
    int failed = begin(socket, network, &self.end, &self.memory);
    if (failed)
        return failed;
    mmbRegionProvider *provider = self.memory.provider;
    if (!two_receive(socket, &exports, sizeof exports) ||
        mmb_region_import(exports.block, exports.block_bytes, provider, &self.block) != MMB_OK ||
        mmb_region_import(exports.slice, exports.slice_bytes, provider, &self.slice) != MMB_OK)
        return 6;
    if (self.block.n_bytes != TWO_BYTES || self.slice.n_bytes != TWO_SLICE_BYTES)
        return 7;
    failed = put_and_get(&self);
    if (!failed && network->denies)
        failed = be_denied(&self);
    if (failed)
        return failed;
    if (mmb_region_release(&self.block) != MMB_OK || mmb_region_release(&self.slice) != MMB_OK ||
        !two_memory_end(&self.memory))
        return 8;
    fabric_close(&self.end);
    return mmb_finalize() == MMB_OK ? 0 : 9;
}

static void run(const char *name, const char *node, uint64_t mr_mode, bool denies)
{
    struct network network = {name, node, mr_mode, denies};
    two_check(initiator, target, &network, "this libfabric has no such network here");
}

static void test_libfabric_sockets_virtual(void)
{
    run("sockets", "127.0.0.1", MODE_VIRTUAL, true);
}

static void test_libfabric_sockets_offset(void)
{
    run("sockets", "127.0.0.1", MODE_OFFSET, true);
}

static void test_libfabric_tcp_rxm(void)
{
    run("tcp;ofi_rxm", "127.0.0.1", MODE_VIRTUAL, false);
}

static void test_libfabric_shm(void)
{
    run("shm", NULL, MODE_VIRTUAL, false);
}

/* ---- in one process ---- */

static int register_something(mmbRegionProvider *provider, mmbRegionView *out)
{
    struct two_memory memory;
    return two_memory_make(&memory, provider) &&
                   mmb_allocation_get_region(memory.block, 0, 1, out) == MMB_OK
               ? 0
               : 1;
}

/* The program has the keys that the provider would choose next: it takes others. */
static int clash(void *unused)
{
    struct fabric_end end;
    static char buffers[8][64];
    struct fid_mr *taken[8];
    mmbRegionView view = MMB_REGION_VIEW_INIT;
    (void)unused;
    if (fabric_open(&end, "sockets", "127.0.0.1", MODE_OFFSET))
        return TWO_SKIP;
    for (uint64_t i = 0; i < 8; i++)
        if (fi_mr_reg(end.domain, buffers[i], 64, FI_REMOTE_READ, 0, ((uint64_t)1 << 63) + i, 0,
                      &taken[i], NULL))
            return 1;
    mmbRegionProvider *provider = NULL;
    if (mmb_init(NULL) != MMB_OK || !(provider = provider_of(&end)) ||
        register_something(provider, &view))
        return 2;
    return key_of(&view) >= ((uint64_t)1 << 63) + 8 ? 0 : 3;
}

static void test_libfabric_key_clash(void)
{
    two_check_child(clash, "this libfabric has no such network here");
}

static int refuse(void *unused)
{
    struct fabric_end end;
    mmbRegionProvider *provider = NULL;
    (void)unused;
    if (fabric_open(&end, "sockets", "127.0.0.1", MODE_OFFSET))
        return TWO_SKIP;
    if (mmb_init(NULL) != MMB_OK)
        return 1;
    end.info->domain_attr->mr_mode = FI_MR_ENDPOINT;
    if (mmb_region_provider_create_libfabric(end.domain, end.info, NULL, &provider) !=
            MMB_INVALID_ARG ||
        !strstr(mmb_error_detail(), "FI_MR_ENDPOINT"))
        return 2;
    if (mmb_region_provider_create_libfabric(NULL, end.info, NULL, &provider) != MMB_INVALID_ARG ||
        mmb_region_provider_create_libfabric(end.domain, NULL, NULL, &provider) != MMB_INVALID_ARG)
        return 3;
    return mmb_region_provider_create_libfabric(end.domain, end.info, NULL, NULL) == MMB_INVALID_ARG
               ? 0
               : 4;
}

/* covers: mmb_region_provider_create_libfabric MMB_INVALID_ARG */
static void test_libfabric_refuses(void)
{
    two_check_child(refuse, "this libfabric has no such network here");
}

/* Refused before what it is for is looked at. */
static int without_memory(void *unused)
{
    static char here[64];
    static struct fi_domain_attr attr;
    static struct fi_info info[1] = {{.domain_attr = &attr}};
    mmbRegionProvider *provider = NULL;
    (void)unused;
    if (mmb_init(NULL) != MMB_OK)
        return 1;
    if (!exhaust_malloc())
        return TWO_SKIP;
    return mmb_region_provider_create_libfabric((struct fid_domain *)(void *)here, info, NULL,
                                                &provider) == MMB_OUT_OF_MEMORY
               ? 0
               : 2;
}

/* covers: mmb_region_provider_create_libfabric MMB_OUT_OF_MEMORY */
static void test_libfabric_without_memory(void)
{
    two_check_child(without_memory, "malloc cannot be exhausted here");
}

MMB_SUITE("regions/libfabric", T(test_libfabric_sockets_virtual), T(test_libfabric_sockets_offset),
          T(test_libfabric_tcp_rxm), T(test_libfabric_shm), T(test_libfabric_key_clash),
          T(test_libfabric_refuses), T(test_libfabric_without_memory))
