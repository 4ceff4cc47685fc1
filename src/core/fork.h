/* SPDX-License-Identifier: BSD-3-Clause */
/* fork: the child has the heaps of the parent as they were, no async worker and no device contexts.
 */
#ifndef MMB_CORE_FORK_H
#define MMB_CORE_FORK_H
#include <mmb/error.h>

/* Installs the handlers, once per process. */
mmbError mmb_fork_open(void);

#endif
