/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that change one object are ordered by the caller. Debug builds look whether they are: while
 * a handle is resized or migrated, another thread's change of it is refused. Release builds do
 * nothing here. Not every violation is seen: two handles may share an entry, and a free is noted by
 * nobody, since its record may be somebody else's before the call has returned. */
#ifndef MMB_CORE_CHANGING_H
#define MMB_CORE_CHANGING_H
#include <mmb/allocation.h>
#include <mmb/error.h>

#ifdef MMB_DEBUG

/* MMB_BUSY with a detail when another call is changing the handle. */
mmbError mmb_changing_check(const mmbAllocation *allocation, const char *function);
/* The same, and notes this change until the end. */
mmbError mmb_changing_begin(const mmbAllocation *allocation, const char *function);
void mmb_changing_end(const mmbAllocation *allocation);

#else

static inline mmbError mmb_changing_check(const mmbAllocation *allocation, const char *function)
{
    (void)allocation;
    (void)function;
    return MMB_OK;
}

static inline mmbError mmb_changing_begin(const mmbAllocation *allocation, const char *function)
{
    return mmb_changing_check(allocation, function);
}

static inline void mmb_changing_end(const mmbAllocation *allocation)
{
    (void)allocation;
}

#endif

#endif
