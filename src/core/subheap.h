/* SPDX-License-Identifier: BSD-3-Clause */
/* The heaps of an interface: one allocator over one source over one backend. An interface has one
 * of them, or one per domain in a space that has a limit per domain; a block then lies in one
 * domain. */
#ifndef MMB_CORE_SUBHEAP_H
#define MMB_CORE_SUBHEAP_H
#include "layers/numa/nodes.h"
#include "src/core/budget.h"
#include "src/spi/allocator.h"
#include "src/spi/backend.h"

struct mmb_subheap {
    struct mmb_allocator *allocator;
    struct mmb_backend *backend;
    struct mmb_source *source;
    struct mmb_budget budget; /* of its own, where it draws on some of the layer's domains */
    struct mmb_node_distances distances; /* of its domain's node, where there are several heaps */
};

/* Opens the heaps of an interface whose space, name and flags are set; on success all else that is
 * derived from them is. The registry mutex is held, as for close. Every error of backends and
 * strategies; MMB_UNSUPPORTED where the backend cannot place by domain. */
mmbError mmb_subheaps_open(mmbMemInterface *interface, const mmbMemInterfaceConfig *config);
void mmb_subheaps_close(mmbMemInterface *interface);

/* From one domain, or with -1 from the nearest that has room. The interface is live. */
mmbError mmb_subheaps_allocate(mmbMemInterface *interface, int domain,
                               const struct mmb_request *request, mmbAllocation **out_record);

/* Sums over the heaps. */
void mmb_subheaps_get_stats(const mmbMemInterface *interface, struct mmb_allocator_stats *out);
size_t mmb_subheaps_reserved(const mmbMemInterface *interface);
size_t mmb_subheaps_chunks(const mmbMemInterface *interface);
void mmb_subheaps_trim(mmbMemInterface *interface, size_t keep_bytes);

#endif
