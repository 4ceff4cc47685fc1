/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_REGIONS_FABRIC_H
#define MMB_TESTS_REGIONS_FABRIC_H
/* One end of a libfabric connection for one-sided transfers on this machine. */
#include <rdma/fabric.h>
#include <rdma/fi_domain.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FABRIC_NAME_BYTES 256u

struct fabric_end {
    struct fi_info *info;
    struct fid_fabric *fabric;
    struct fid_domain *domain;
    struct fid_av *addresses;
    struct fid_cq *completions;
    struct fid_ep *endpoint;
    fi_addr_t peer;
};

/* An end's name, as the peer wants it. */
struct fabric_name {
    uint64_t n_bytes;
    uint8_t bytes[FABRIC_NAME_BYTES];
};

/* One transfer between here and there. */
struct fabric_transfer {
    bool is_put;
    void *here;
    size_t n_bytes;
    void *local_desc;
    uint64_t remote_address, remote_key;
};

/* 0, or libfabric's negative number; -FI_ENODATA: there is no such network here. `node` is the
 * address to listen on, NULL for shm. */
int fabric_open(struct fabric_end *end, const char *network, const char *node, uint64_t mr_mode);
int fabric_name(const struct fabric_end *end, struct fabric_name *out);
int fabric_connect(struct fabric_end *end, const struct fabric_name *peer);
/* Lets the network go on; for the side that does nothing itself. */
void fabric_progress(const struct fabric_end *end);
/* Until the bytes have arrived, or the reason why they have not. */
int fabric_transfer(const struct fabric_end *end, const struct fabric_transfer *transfer);
void fabric_close(struct fabric_end *end);

#endif
