/* SPDX-License-Identifier: BSD-3-Clause */
/* Statistics for other processes to look at: with MMB_PUBLISH set, a file that is written anew a
 * few times a second (`mmb-info --live` reads it). Nothing on the way of an allocation knows of it.
 */
#ifndef MMB_CORE_PUBLISH_H
#define MMB_CORE_PUBLISH_H

#include <stdbool.h>

/* Starts when the environment asks for it; false when that fails, which is no failure of the
 * library. The registry mutex is held, as for close. */
bool mmb_publish_open(void);
/* Stops and removes the file. In a child of fork that did not start it: forgets it. */
void mmb_publish_close(void);

#endif
