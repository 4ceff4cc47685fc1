/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's answers about pages (node.h). Owns nothing. */
#include "tests/support/node.h"
#include <errno.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <mmb/backend.h>

int node_of(const void *address)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    void *pages[1] = {(void *)((uintptr_t)address & ~(page - 1))};
    int status = -ENOENT;
    if (syscall(SYS_move_pages, 0, 1, pages, NULL, &status, 0) != 0)
        return -errno;
    return status;
}

int node_policy_of(const void *address)
{
    int mode = -1;
    if (syscall(SYS_get_mempolicy, &mode, NULL, 0, address, MPOL_F_ADDR) != 0)
        return -1;
    return mode;
}

int node_policy_for(int policy)
{
    switch (policy) {
    case MMB_NUMA_BIND:
        return MPOL_BIND;
    case MMB_NUMA_INTERLEAVE:
        return MPOL_INTERLEAVE;
    case MMB_NUMA_PREFERRED:
        return MPOL_PREFERRED;
    default:
        return MPOL_LOCAL;
    }
}

bool node_run_on_cpu(size_t cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return sched_setaffinity(0, sizeof one, &one) == 0;
}
