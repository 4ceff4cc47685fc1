/* SPDX-License-Identifier: BSD-3-Clause */
/* See barrier.h. Owns the knowledge whether the process is registered; no lock: registering twice
 * does no harm. */
#include "src/base/barrier.h"
#include <linux/membarrier.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "src/base/debug.h"

static _Atomic bool forbidden;
static _Atomic bool registered;

static long membarrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0);
}

bool mmb_barrier_open(void)
{
    if (atomic_load(&forbidden) || secure_getenv("MMB_NO_MEMBARRIER"))
        return false;
    if (!atomic_load(&registered))
        atomic_store(&registered, membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0);
    return atomic_load(&registered);
}

void mmb_barrier_threads(void)
{
    long result = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    (void)result;
    MMB_ASSERT(result == 0);
}

void mmb_barrier_forbid(bool forbid)
{
    atomic_store(&forbidden, forbid);
}
