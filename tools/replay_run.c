/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes the calls of a trace again, in the order of the trace, by one thread: what differs between
 * strategies and layers is then theirs. Owns one space and interface per traced interface and one
 * handle per live block. */
#include "tools/replay.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGE_BYTES 4096
/* Looking at statistics takes longer than a call: in the timed run nobody looks. */
#define LOOK_EVERY 16

struct player {
    const struct replay_trace *trace;
    const struct replay_wish *wish;
    mmbMemSpace **spaces;
    mmbMemInterface **interfaces;
    mmbAllocation **blocks;
    bool is_looking;
    struct replay_result *out;
};

static mmbError open_interface(struct player *player, uint32_t i)
{
    const struct replay_interface *traced = &player->trace->interfaces[i];
    const char *name = player->wish->layer ? player->wish->layer : traced->layer;
    mmbMemSpaceConfig space = MMB_MEMSPACE_CONFIG_DEFAULT;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemLayer layer;
    config.strategy = player->wish->strategy ? player->wish->strategy : traced->strategy;
    space.size_opts.action = traced->limit ? MMB_SIZE_SET : MMB_SIZE_ANY;
    space.size_opts.mem_size = traced->limit;
    mmbError error = mmb_layer_from_name(name, &layer);
    if (!error)
        error = mmb_register_memory(layer, MMB_CPU, &space, &player->spaces[i]);
    if (!error)
        error = mmb_create_interface(player->spaces[i], &config, &player->interfaces[i]);
    return error;
}

static void close_interface(struct player *player, uint32_t i)
{
    mmb_destroy_interface(player->interfaces[i]);
    mmb_destroy_space(player->spaces[i]);
    player->interfaces[i] = NULL;
    player->spaces[i] = NULL;
}

static void touch(const struct player *player, const mmbAllocation *block)
{
    volatile char *bytes = mmb_allocation_ptr(block);
    size_t n_bytes = mmb_allocation_size(block);
    for (size_t i = 0; player->wish->touch && bytes && i < n_bytes; i += PAGE_BYTES)
        bytes[i] = 1;
}

static mmbError allocate(struct player *player, const struct replay_call *call)
{
    mmbAllocation **block = &player->blocks[call->block];
    mmbMemInterface *interface = player->interfaces[call->interface];
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    options.alignment = call->alignment;
    return call->alignment <= 16 ? mmb_allocate(call->n_bytes, interface, block)
                                 : mmb_allocate_opts(call->n_bytes, interface, &options, block);
}

/* The block may be elsewhere afterwards, and where it was refused at first it is not there. */
static mmbError resize(struct player *player, const struct replay_call *call)
{
    mmbAllocation *block = player->blocks[call->block];
    mmbMemInterface *to = player->interfaces[call->interface];
    mmbAllocationInfo info = MMB_ALLOCATION_INFO_INIT;
    if (!block || !to)
        return MMB_OK;
    mmbError error = mmb_allocation_get_info(block, &info);
    if (!error && info.interface != to)
        error = mmb_migrate(block, to);
    return error ? error : mmb_reallocate(block, call->n_bytes);
}

static mmbError make(struct player *player, const struct replay_call *call)
{
    mmbError error = MMB_OK;
    switch (call->kind) {
    case REPLAY_OPEN:
        return open_interface(player, call->interface);
    case REPLAY_CLOSE:
        close_interface(player, call->interface);
        return MMB_OK;
    case REPLAY_ALLOCATE:
        error = allocate(player, call);
        break;
    case REPLAY_FREE:
        error = mmb_free(player->blocks[call->block]);
        player->blocks[call->block] = NULL;
        break;
    case REPLAY_RESIZE:
        error = resize(player, call);
        break;
    }
    player->out->calls++;
    if (error)
        player->out->refused++;
    else if (call->kind != REPLAY_FREE && player->blocks[call->block])
        touch(player, player->blocks[call->block]);
    return MMB_OK;
}

/* Blocks with nobody to free them when the traced program ended. */
static void end_all(struct player *player)
{
    for (uint32_t i = 0; i < player->trace->n_blocks; i++)
        mmb_free(player->blocks[i]);
    memset(player->blocks, 0, player->trace->n_blocks * sizeof *player->blocks);
    for (uint32_t i = 0; i < player->trace->n_interfaces; i++)
        if (player->interfaces[i])
            close_interface(player, i);
}

static void look(struct player *player)
{
    size_t live = 0, reserved = 0;
    for (uint32_t i = 0; i < player->trace->n_interfaces; i++) {
        mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
        if (!player->interfaces[i] || mmb_interface_get_stats(player->interfaces[i], &stats))
            continue;
        live += stats.live_bytes;
        reserved += stats.reserved_bytes;
    }
    if (live > player->out->peak_bytes)
        player->out->peak_bytes = live;
    if (reserved > player->out->peak_reserved ||
        (reserved == player->out->peak_reserved && live > player->out->live_at_peak)) {
        player->out->peak_reserved = reserved;
        player->out->live_at_peak = live;
    }
}

static mmbError play(struct player *player)
{
    struct timespec start, end;
    const struct replay_trace *trace = player->trace;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (size_t i = 0; i < trace->n_calls; i++) {
        mmbError error = make(player, &trace->calls[i]);
        if (error)
            return error;
        if (player->is_looking && (i % LOOK_EVERY == 0 || trace->n_calls < 10000))
            look(player);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    player->out->seconds =
        (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    end_all(player);
    return MMB_OK;
}

/* Twice: once to look at the memory, once for the time. */
const char *replay_run(const struct replay_trace *trace, const struct replay_wish *wish,
                       struct replay_result *out)
{
    struct replay_result timed = {.calls = 0};
    *out = timed;
    struct player player = {trace, wish, NULL, NULL, NULL, true, out};
    player.spaces = calloc(trace->n_interfaces + 1, sizeof *player.spaces);
    player.interfaces = calloc(trace->n_interfaces + 1, sizeof *player.interfaces);
    player.blocks = calloc(trace->n_blocks + 1, sizeof *player.blocks);
    const char *why = NULL;
    if (!player.spaces || !player.interfaces || !player.blocks)
        why = "no memory for the blocks' handles";
    else if (play(&player))
        why = mmb_error_detail();
    player.is_looking = false;
    player.out = &timed;
    if (!why && play(&player))
        why = mmb_error_detail();
    out->seconds = timed.seconds;
    free(player.spaces);
    free(player.interfaces);
    free(player.blocks);
    return why;
}
