/* SPDX-License-Identifier: BSD-3-Clause */
/* A space's accounting of requested bytes. 0 <= used <= limit at every moment, under any number of
 * threads; `peak` is the highest `used` that was reached. Allocators charge every block before they
 * hand it out and uncharge it when it is freed. */
#ifndef MMB_SPI_QUOTA_H
#define MMB_SPI_QUOTA_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <mmb/error.h>

/* used + room <= limit at every moment, equal while nobody charges, uncharges or sets the limit. */
struct mmb_quota {
    _Atomic size_t limit; /* SIZE_MAX: none */
    _Atomic size_t room;
    _Atomic size_t used;
    _Atomic size_t peak;
};

void mmb_quota_init(struct mmb_quota *quota, size_t limit);
/* MMB_OUT_OF_MEMORY with requested, used and limit in the detail; then nothing is charged. */
mmbError mmb_quota_charge(struct mmb_quota *quota, size_t n_bytes);
void mmb_quota_uncharge(struct mmb_quota *quota, size_t n_bytes);
/* MMB_BUSY when more than the new limit is in use; then nothing has changed. Exact against charges
 * under way; the caller orders calls for one quota. */
mmbError mmb_quota_set_limit(struct mmb_quota *quota, size_t limit);
size_t mmb_quota_limit(const struct mmb_quota *quota);
size_t mmb_quota_used(const struct mmb_quota *quota);
size_t mmb_quota_peak(const struct mmb_quota *quota);
size_t mmb_quota_room(const struct mmb_quota *quota);

#endif
