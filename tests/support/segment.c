/* SPDX-License-Identifier: BSD-3-Clause */
/* See segment.h. */
#include "tests/support/segment.h"
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/support/control.h"
#include "tests/support/suite.h"

const mmbStrategy segment_strategies[3] = {MMB_STRATEGY_STACK, MMB_STRATEGY_SCALABLE_PAGE,
                                           MMB_STRATEGY_THREAD_LOCAL};

static char url[64];

const char *segment_url(void)
{
    if (!url[0])
        snprintf(url, sizeof url, "/mmb-test-%ld", (long)getpid());
    return url;
}

mmbMemInterfaceConfig segment_config(mmbShmMode mode, mmbStrategy strategy, size_t n_bytes)
{
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.backend = MMB_BACKEND_SHM;
    config.strategy = strategy;
    config.backend_opts.shm.url = segment_url();
    config.backend_opts.shm.bytes = n_bytes;
    config.backend_opts.shm.mode = mode;
    return config;
}

mmbError segment_open(mmbMemSpace *space, const mmbMemInterfaceConfig *config,
                      mmbMemInterface **out)
{
    *out = NULL;
    return mmb_create_interface(space, config, out);
}

mmbMemInterface *segment_interface(mmbMemSpace *space, mmbStrategy strategy, size_t n_bytes)
{
    mmbMemInterfaceConfig config =
        segment_config(n_bytes ? MMB_SHM_CREATE : MMB_SHM_ATTACH, strategy, n_bytes);
    mmbMemInterface *interface;
    SUITE_CHECK(segment_open(space, &config, &interface) == MMB_OK, "segment: %s",
                mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(interface);
    return interface;
}

mmbSharedPtr segment_pointer(mmbAllocation *allocation)
{
    mmbSharedPtr pointer = MMB_SHARED_PTR_NULL;
    SUITE_CHECK(mmb_allocation_get_shared(allocation, &pointer) == MMB_OK, "get_shared: %s",
                mmb_error_detail());
    return pointer;
}

static mmbMemInterfaceStats stats_of(mmbMemInterface *interface)
{
    mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
    CU_ASSERT_EQUAL(mmb_interface_get_stats(interface, &stats), MMB_OK);
    return stats;
}

size_t segment_live_bytes(mmbMemInterface *interface)
{
    return stats_of(interface).live_bytes;
}

size_t segment_live_count(mmbMemInterface *interface)
{
    return stats_of(interface).live_count;
}

void segment_set_up(void)
{
    control_open();
    mmb_shm_unlink(segment_url());
}

void segment_tear_down(void)
{
    mmb_shm_unlink(segment_url());
    control_close();
}

mmbMemInterface *segment_attach_anew(void)
{
    mmbMemInterfaceConfig config = segment_config(MMB_SHM_ATTACH, MMB_STRATEGY_DEFAULT, 0);
    mmbMemSpaceConfig any = control_limit((size_t)1 << 40);
    mmbMemSpace *space = NULL;
    mmbMemInterface *interface = NULL;
    control_close();
    if (mmb_init(NULL) != MMB_OK ||
        mmb_register_memory(MMB_DRAM, MMB_CPU, &any, &space) != MMB_OK ||
        segment_open(space, &config, &interface) != MMB_OK)
        return NULL;
    return interface;
}

bool segment_run_killed(int (*body)(void *), void *argument)
{
    int status;
    segment_url();
    pid_t pid = fork();
    if (pid == 0) {
        int result = body(argument);
        if (result == 0)
            raise(SIGKILL);
        _exit(result);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
           WTERMSIG(status) == SIGKILL;
}
