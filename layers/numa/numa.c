/* SPDX-License-Identifier: BSD-3-Clause */
/* The backend over mmap and mbind. Owns its instances only; takes no lock (the kernel has its own).
 *
 * The policy is set before the first touch, so that no page ever lies elsewhere. The system calls
 * are made directly: libnuma wraps these three in the same arguments, and asks and keeps far more
 * than is needed when it is loaded. */
#include "layers/numa/numa.h"
#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "layers/numa/nodes.h"
#include "src/base/checked.h"
#include "src/base/error.h"
#include "src/base/mapping.h"
#include "src/base/meta.h"
#include "src/base/os.h"

#define WORD_BITS  (8 * sizeof(unsigned long))
#define MASK_WORDS (MMB_NODES_MAX / WORD_BITS)
/* The kernel takes the number of bits and one more: it subtracts one before it looks. */
#define MASK_BITS (MMB_NODES_MAX + 1)

/* linux/mempolicy.h of older systems lacks it; the kernel then says EINVAL. */
#define PREFERRED_MANY 5

/* Ranges from here on are compared with what the nodes have left. */
#define CHECKED_BYTES ((size_t)256 << 10)

struct node_mask {
    unsigned long words[MASK_WORDS];
};

struct numa {
    struct mmb_backend base;
    mmbNumaPolicy policy;
    struct node_mask nodes;
    int first_node;
    size_t n_nodes;
    size_t kept_bytes; /* that the kernel keeps back of them */
};

static void mask_set(struct node_mask *mask, int node)
{
    mask->words[(size_t)node / WORD_BITS] |= 1UL << (size_t)node % WORD_BITS;
}

static bool mask_has(const struct node_mask *mask, int node)
{
    return mask->words[(size_t)node / WORD_BITS] >> (size_t)node % WORD_BITS & 1;
}

static bool serves(mmbMemLayer layer, mmbExecutionContext context)
{
    return layer != MMB_GDRAM && layer != MMB_SSD && context == MMB_CPU;
}

static bool read_allowed(struct node_mask *out)
{
    *out = (struct node_mask){{0}};
    return syscall(SYS_get_mempolicy, NULL, out->words, MASK_BITS, NULL, MPOL_F_MEMS_ALLOWED) == 0;
}

/* EPERM is a container that filters system calls. */
static mmbError available(void)
{
    struct node_mask allowed;
    if (read_allowed(&allowed))
        return MMB_OK;
    return mmb_fail_errno(MMB_UNSUPPORTED, errno, "numa backend: the kernel refuses get_mempolicy");
}

/* ---- options ---- */

static mmbError check_options(const struct mmb_backend_request *request)
{
    const mmbBackendOptions *options = request->options;
    if (options->numa.reserved != 0 || (unsigned int)options->numa.policy > MMB_NUMA_LOCAL)
        return mmb_fail(MMB_INVALID_ARG, "numa backend: policy %d, reserved %u",
                        (int)options->numa.policy, (unsigned int)options->numa.reserved);
    if (request->n_domains == 0)
        return mmb_fail(MMB_UNSUPPORTED,
                        "numa backend: the layer's nodes are not known; it was not discovered");
    if (request->n_domains < 64 && options->numa.domains >> request->n_domains != 0)
        return mmb_fail(MMB_INVALID_ARG, "numa backend: domains 0x%llx of a layer with %zu",
                        (unsigned long long)options->numa.domains, request->n_domains);
    return MMB_OK;
}

/* A heap of one domain: the options may not lead out of it. */
static mmbError check_domain(const struct mmb_backend_request *request)
{
    uint64_t domains = request->options->numa.domains;
    if (request->domain < 0)
        return MMB_OK;
    if (request->options->numa.policy != MMB_NUMA_BIND)
        return mmb_fail(MMB_UNSUPPORTED,
                        "numa backend: in a space with limits per domain only BIND is possible");
    if (domains != 0 && (request->domain >= 64 || !(domains >> request->domain & 1)))
        return mmb_fail(MMB_INVALID_ARG,
                        "numa backend: the space has a limit for domain %d, and the options leave "
                        "it out",
                        request->domain);
    return MMB_OK;
}

static bool is_chosen(const struct mmb_backend_request *request, size_t domain)
{
    uint64_t domains = request->options->numa.domains;
    if (request->domain >= 0)
        return domain == (size_t)request->domain;
    return domains == 0 || (domain < 64 && domains >> domain & 1);
}

/* What was found when the library started need not be there any more. */
static mmbError check_node(int node, const struct node_mask *allowed)
{
    char path[64];
    if (node < 0 || node >= (int)MMB_NODES_MAX)
        return mmb_fail(MMB_UNSUPPORTED, "numa backend: node %d is beyond what Linux has", node);
    if (mask_has(allowed, node))
        return MMB_OK;
    snprintf(path, sizeof path, "/sys/devices/system/node/node%d", node);
    if (access(path, F_OK) != 0)
        return mmb_fail(MMB_NOT_FOUND, "numa backend: node %d has vanished", node);
    return mmb_fail(MMB_PERMISSION,
                    "numa backend: node %d is not allowed to this process (cpuset), or has no "
                    "memory any more",
                    node);
}

static mmbError choose_nodes(const struct mmb_backend_request *request, struct numa *numa)
{
    struct node_mask allowed;
    if (!read_allowed(&allowed))
        return mmb_fail_errno(MMB_UNSUPPORTED, errno,
                              "numa backend: the kernel refuses get_mempolicy");
    for (size_t i = 0; i < request->n_domains; i++) {
        if (!is_chosen(request, i))
            continue;
        int node = request->os_indexes[i];
        mmbError error = check_node(node, &allowed);
        if (error != MMB_OK)
            return error;
        if (!mask_has(&numa->nodes, node)) {
            numa->n_nodes++;
            numa->kept_bytes += mmb_node_kept_bytes("", node);
        }
        if (numa->n_nodes == 1)
            numa->first_node = node;
        mask_set(&numa->nodes, node);
    }
    return MMB_OK;
}

static mmbError open_backend(const struct mmb_backend_request *request, struct mmb_backend **out)
{
    mmbError error = check_options(request);
    if (error == MMB_OK)
        error = check_domain(request);
    if (error != MMB_OK)
        return error;
    struct numa *numa = mmb_meta_alloc(sizeof *numa);
    if (!numa)
        return mmb_fail(MMB_OUT_OF_MEMORY, "numa backend: no memory for its own data");
    error = choose_nodes(request, numa);
    if (error != MMB_OK) {
        mmb_meta_free(numa, sizeof *numa);
        return error;
    }
    numa->policy = request->options->numa.policy;
    numa->base = (struct mmb_backend){.ops = &mmb_numa_backend,
                                      .bounded = SIZE_MAX,
                                      .min_alignment = mmb_os_page_bytes(),
                                      .host_accessible = true};
    *out = &numa->base;
    return MMB_OK;
}

static void close_backend(struct mmb_backend *backend)
{
    mmb_meta_free(backend, sizeof(struct numa));
}

/* ---- placing ---- */

static bool bind_range(void *start, size_t n_bytes, int mode, const struct node_mask *nodes)
{
    return syscall(SYS_mbind, start, n_bytes, mode, nodes->words, MASK_BITS, 0) == 0;
}

/* The node of the set that is nearest to the caller. */
static int nearest_node(const struct numa *numa)
{
    int here = mmb_node_here(), best = numa->first_node;
    unsigned int least = MMB_NODES_UNKNOWN + 1;
    for (int node = 0; node < (int)MMB_NODES_MAX; node++) {
        struct mmb_node_distances distances;
        if (!mask_has(&numa->nodes, node))
            continue;
        mmb_node_distances_read("", node, &distances);
        unsigned int distance = here >= 0 && here < (int)MMB_NODES_NEAR ? distances.from[here] : 0;
        if (distance < least) {
            least = distance;
            best = node;
        }
    }
    return best;
}

/* One node first, then the rest of the machine. */
static bool prefer(void *start, size_t n_bytes, int node)
{
    struct node_mask one = {{0}};
    mask_set(&one, node);
    return bind_range(start, n_bytes, MPOL_PREFERRED, &one);
}

/* A layer that holds the toucher's own node: the kernel knows best. A layer of nodes without CPUs
 * has no local one, so the nearest to the thread that wants the memory stands in. */
static bool set_local(const struct numa *numa, void *start, size_t n_bytes)
{
    int here = mmb_node_here();
    if (here < 0 || !mask_has(&numa->nodes, here))
        return prefer(start, n_bytes, nearest_node(numa));
    return syscall(SYS_mbind, start, n_bytes, MPOL_LOCAL, NULL, 0, 0) == 0;
}

static bool set_preferred(const struct numa *numa, void *start, size_t n_bytes)
{
    if (numa->n_nodes > 1 && bind_range(start, n_bytes, PREFERRED_MANY, &numa->nodes))
        return true;
    return prefer(start, n_bytes, numa->n_nodes > 1 ? nearest_node(numa) : numa->first_node);
}

static bool set_policy(const struct numa *numa, void *start, size_t n_bytes)
{
    switch (numa->policy) {
    case MMB_NUMA_BIND:
        return bind_range(start, n_bytes, MPOL_BIND, &numa->nodes);
    case MMB_NUMA_INTERLEAVE:
        return bind_range(start, n_bytes, MPOL_INTERLEAVE, &numa->nodes);
    case MMB_NUMA_PREFERRED:
        return set_preferred(numa, start, n_bytes);
    case MMB_NUMA_LOCAL:
        return set_local(numa, start, n_bytes);
    }
    errno = EINVAL;
    return false;
}

/* The layer's budget knows what the library took, not what else lies on a node: other processes'
 * memory, and this one's that is bound to nothing. A page that is bound to a full node is paid for
 * with the process, so the kernel is asked before; not for small ranges, which add up to a larger
 * one soon enough. What was mapped and not touched yet nobody sees here. */
static mmbError check_free(const struct numa *numa, size_t n_bytes)
{
    size_t left = 0;
    if (numa->policy != MMB_NUMA_BIND || n_bytes < CHECKED_BYTES)
        return MMB_OK;
    for (int node = 0; node < (int)MMB_NODES_MAX; node++) {
        size_t here = mask_has(&numa->nodes, node) ? mmb_node_free_bytes("", node) : 0;
        if (!mmb_add_size(left, here, &left))
            return MMB_OK;
    }
    left -= left < numa->kept_bytes ? left : numa->kept_bytes;
    if (left >= n_bytes)
        return MMB_OK;
    return mmb_fail(MMB_OUT_OF_MEMORY,
                    "numa backend: %zu B wanted, %zu B are left on node %d and %zu more", n_bytes,
                    left, numa->first_node, numa->n_nodes - 1);
}

static mmbError map(struct mmb_backend *backend, size_t min_bytes, size_t want_bytes,
                    size_t alignment, struct mmb_memory *out)
{
    const struct numa *numa = (const struct numa *)backend;
    MMB_ASSERT(min_bytes > 0 && min_bytes <= want_bytes);
    mmbError error = check_free(numa, min_bytes);
    if (error != MMB_OK)
        return error;
    size_t n_bytes = check_free(numa, want_bytes) == MMB_OK ? want_bytes : min_bytes;
    void *host = mmb_mapping_take(&n_bytes, alignment);
    if (!host && mmb_mapping_is_exhausted(errno) && min_bytes < want_bytes) {
        n_bytes = min_bytes;
        host = mmb_mapping_take(&n_bytes, alignment);
    }
    if (!host)
        return mmb_fail_errno(mmb_mapping_is_exhausted(errno) ? MMB_OUT_OF_MEMORY : MMB_ERROR,
                              errno, "numa backend: mmap of %zu B", min_bytes);
    if (!set_policy(numa, host, n_bytes)) {
        int cause = errno;
        mmb_mapping_drop("numa", host, n_bytes);
        return mmb_fail_errno(cause == ENOMEM ? MMB_OUT_OF_MEMORY : MMB_ERROR, cause,
                              "numa backend: mbind of %zu B to node %d and %zu more", n_bytes,
                              numa->first_node, numa->n_nodes - 1);
    }
    *out = (struct mmb_memory){
        .host = host, .address = (uintptr_t)host, .n_bytes = n_bytes, .native = host};
    return MMB_OK;
}

static mmbError unmap(struct mmb_backend *backend, const struct mmb_memory *memory)
{
    (void)backend;
    return mmb_mapping_drop("numa", memory->host, memory->n_bytes);
}

static void discard(struct mmb_backend *backend, const struct mmb_memory *memory, size_t offset,
                    size_t n_bytes)
{
    (void)backend;
    mmb_os_discard((char *)memory->host + offset, n_bytes);
}

static mmbError advise(struct mmb_backend *backend, const struct mmb_memory *memory, size_t offset,
                       size_t n_bytes, mmbAdvice advice)
{
    (void)backend;
    return mmb_mapping_advise("numa", memory->address + offset, n_bytes, advice);
}

const struct mmb_backend_ops mmb_numa_backend = {
    .size = sizeof(struct mmb_backend_ops),
    .name = "numa",
    .id = MMB_BACKEND_NUMA,
    .takes_host_memory = true,
    .aligns_freely = true,
    .gives_zeros = true,
    .binds = true,
    .places_by_domain = true,
    .serves = serves,
    .available = available,
    .open = open_backend,
    .close = close_backend,
    .map = map,
    .unmap = unmap,
    .discard = discard,
    .advise = advise,
};
