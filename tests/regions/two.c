/* SPDX-License-Identifier: BSD-3-Clause */
/* The frame of tests with two processes (two.h). The initiator is a child of the test, the target a
 * child of the initiator; each dies with its parent and by its alarm. */
#include "tests/regions/two.h"
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/support/suite.h"

#define SECONDS 40u

struct pair {
    two_body initiator, target;
    void *argument;
};

static int wait_for(pid_t child)
{
    int status = 0;
    if (waitpid(child, &status, 0) != child)
        return 99;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int initiate(void *argument)
{
    const struct pair *pair = argument;
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
        return 97;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(SECONDS);
        close(sockets[0]);
        _exit(pair->target(sockets[1], pair->argument));
    }
    alarm(SECONDS);
    close(sockets[1]);
    int mine = child < 0 ? 97 : pair->initiator(sockets[0], pair->argument);
    close(sockets[0]); /* the target sees it and ends */
    int its = child < 0 ? 0 : wait_for(child);
    if (mine || its == 0 || its == TWO_SKIP)
        return mine ? mine : its;
    return 100 + its;
}

int two_run(two_body initiator, two_body target, void *argument)
{
    struct pair pair = {initiator, target, argument};
    struct suite_child ended = suite_run_child(initiate, &pair, SECONDS + 10);
    return ended.exited ? ended.code : 96;
}

static void judge(int code, const char *why)
{
    if (code == TWO_SKIP)
        suite_skip(why);
    else
        SUITE_CHECK(code == 0, "%d", code);
}

/* Bytes that arrive are written by threads of the network's library, which the thread sanitizer
 * does not see take turns with the test. */
void two_check(two_body initiator, two_body target, void *argument, const char *why)
{
#ifdef __SANITIZE_THREAD__
    (void)initiator;
    (void)target;
    (void)argument;
    (void)why;
    suite_skip("the thread sanitizer does not see the order of the network's own threads");
#else
    judge(two_run(initiator, target, argument), why);
#endif
}

void two_check_child(int (*body)(void *argument), const char *why)
{
    struct suite_child ended = suite_run_child(body, NULL, 20);
    judge(ended.exited ? ended.code : 96, why);
}

bool two_send(int socket, const void *from, size_t n_bytes)
{
    return send(socket, from, n_bytes, MSG_NOSIGNAL) == (ssize_t)n_bytes;
}

bool two_receive(int socket, void *to, size_t n_bytes)
{
    return recv(socket, to, n_bytes, MSG_WAITALL) == (ssize_t)n_bytes;
}

bool two_is_waiting(int socket)
{
    struct pollfd poll_it = {.fd = socket, .events = POLLIN};
    return poll(&poll_it, 1, 0) > 0;
}

/* ---- memory ---- */

bool two_memory_make(struct two_memory *memory, mmbRegionProvider *provider)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    mmbMemSpace *space = NULL;
    memory->provider = provider;
    config.strategy = MMB_STRATEGY_SCALABLE_PAGE;
    config.region_provider = provider;
    mmbAllocation *before = NULL; /* so that the block does not lie at its chunk's start */
    return mmb_register_memory(MMB_DRAM, MMB_CPU, NULL, &space) == MMB_OK &&
           mmb_create_interface(space, &config, &memory->interface) == MMB_OK &&
           mmb_allocate(1000, memory->interface, &before) == MMB_OK &&
           mmb_allocate(TWO_BYTES, memory->interface, &memory->block) == MMB_OK &&
           mmb_free(before) == MMB_OK &&
           mmb_allocation_slice(memory->block, TWO_SLICE_OFFSET, TWO_SLICE_BYTES, &memory->slice) ==
               MMB_OK;
}

bool two_memory_export(const struct two_memory *memory, struct two_exports *out)
{
    size_t block_bytes = TWO_FORM, slice_bytes = TWO_FORM;
    if (mmb_allocation_export_region(memory->block, out->block, &block_bytes) != MMB_OK ||
        mmb_allocation_export_region(memory->slice, out->slice, &slice_bytes) != MMB_OK)
        return false;
    out->block_bytes = block_bytes;
    out->slice_bytes = slice_bytes;
    return true;
}

bool two_memory_end(struct two_memory *memory)
{
    return mmb_free(memory->slice) == MMB_OK && mmb_free(memory->block) == MMB_OK &&
           mmb_destroy_interface(memory->interface) == MMB_OK &&
           mmb_region_provider_destroy(memory->provider) == MMB_OK;
}

/* ---- bytes ---- */

size_t two_part_offset(size_t part)
{
    return part * (TWO_BYTES / TWO_PARTS) + part;
}

static uint8_t byte_of_target(size_t at)
{
    return (uint8_t)(at * 7 + at / 4096);
}

static uint8_t byte_of_initiator(size_t at)
{
    return (uint8_t) ~(at * 5 + at / 4096 + 1);
}

void two_fill_target(uint8_t *bytes)
{
    for (size_t i = 0; i < TWO_BYTES; i++)
        bytes[i] = byte_of_target(i);
}

void two_fill_initiator(uint8_t *bytes)
{
    for (size_t i = 0; i < TWO_BYTES; i++)
        bytes[i] = byte_of_initiator(i);
}

static bool is_put(size_t at)
{
    size_t inner = TWO_SLICE_OFFSET + TWO_INNER_OFFSET;
    if (at >= inner && at < inner + TWO_INNER_BYTES)
        return true;
    for (size_t part = 0; part < TWO_PARTS; part++)
        if (at >= two_part_offset(part) && at < two_part_offset(part) + TWO_PART_BYTES)
            return true;
    return false;
}

size_t two_count_wrong(const uint8_t *bytes)
{
    size_t wrong = 0;
    for (size_t i = 0; i < TWO_BYTES; i++)
        wrong += bytes[i] != (is_put(i) ? byte_of_initiator(i) : byte_of_target(i));
    return wrong;
}
