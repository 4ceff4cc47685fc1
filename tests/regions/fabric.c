/* SPDX-License-Identifier: BSD-3-Clause */
/* A connectionless end with reliable one-sided transfers (fabric.h). */
#include "tests/regions/fabric.h"
#include <rdma/fi_cm.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#include <string.h>
#include <time.h>

#define PATIENCE_S 15

static int find(struct fabric_end *end, const char *network, const char *node, uint64_t mr_mode)
{
    struct fi_info *hints = fi_allocinfo();
    if (!hints)
        return -FI_ENOMEM;
    hints->caps = FI_MSG | FI_RMA;
    hints->mode = FI_CONTEXT | FI_CONTEXT2;
    hints->ep_attr->type = FI_EP_RDM;
    hints->domain_attr->mr_mode = (int)mr_mode;
    hints->domain_attr->threading = FI_THREAD_SAFE;
    hints->fabric_attr->prov_name = strdup(network);
    int error = fi_getinfo(FI_VERSION(1, 10), node, NULL, node ? FI_SOURCE : 0, hints, &end->info);
    fi_freeinfo(hints);
    return error;
}

static int open_objects(struct fabric_end *end)
{
    struct fi_av_attr av = {.type = FI_AV_TABLE};
    struct fi_cq_attr cq = {.format = FI_CQ_FORMAT_MSG, .size = 256};
    int error = fi_fabric(end->info->fabric_attr, &end->fabric, NULL);
    if (!error)
        error = fi_domain(end->fabric, end->info, &end->domain, NULL);
    if (!error)
        error = fi_av_open(end->domain, &av, &end->addresses, NULL);
    if (!error)
        error = fi_cq_open(end->domain, &cq, &end->completions, NULL);
    if (!error)
        error = fi_endpoint(end->domain, end->info, &end->endpoint, NULL);
    if (!error)
        error = fi_ep_bind(end->endpoint, &end->addresses->fid, 0);
    if (!error)
        error = fi_ep_bind(end->endpoint, &end->completions->fid, FI_TRANSMIT | FI_RECV);
    return error ? error : fi_enable(end->endpoint);
}

int fabric_open(struct fabric_end *end, const char *network, const char *node, uint64_t mr_mode)
{
    memset(end, 0, sizeof *end);
    int error = find(end, network, node, mr_mode);
    return error ? error : open_objects(end);
}

int fabric_name(const struct fabric_end *end, struct fabric_name *out)
{
    size_t n_bytes = sizeof out->bytes;
    int error = fi_getname(&end->endpoint->fid, out->bytes, &n_bytes);
    out->n_bytes = n_bytes;
    return error;
}

int fabric_connect(struct fabric_end *end, const struct fabric_name *peer)
{
    return fi_av_insert(end->addresses, peer->bytes, 1, &end->peer, 0, NULL) == 1 ? 0 : -FI_EINVAL;
}

/* 1: one has completed; 0: none yet; else its error. */
static int poll_one(const struct fabric_end *end)
{
    struct fi_cq_msg_entry done;
    ssize_t n = fi_cq_read(end->completions, &done, 1);
    if (n == -FI_EAGAIN)
        return 0;
    if (n != -FI_EAVAIL)
        return (int)n;
    struct fi_cq_err_entry failed = {0};
    fi_cq_readerr(end->completions, &failed, 0);
    return failed.err ? -failed.err : -FI_EOTHER;
}

void fabric_progress(const struct fabric_end *end)
{
    poll_one(end);
}

static int post(const struct fabric_end *end, const struct fabric_transfer *transfer, void *context)
{
    struct iovec here = {transfer->here, transfer->n_bytes};
    struct fi_rma_iov there = {transfer->remote_address, transfer->n_bytes, transfer->remote_key};
    void *desc = transfer->local_desc;
    struct fi_msg_rma message = {
        .msg_iov = &here,
        .desc = &desc,
        .iov_count = 1,
        .addr = end->peer,
        .rma_iov = &there,
        .rma_iov_count = 1,
        .context = context,
    };
    if (transfer->is_put)
        return (int)fi_writemsg(end->endpoint, &message, FI_COMPLETION | FI_DELIVERY_COMPLETE);
    return (int)fi_readmsg(end->endpoint, &message, FI_COMPLETION);
}

int fabric_transfer(const struct fabric_end *end, const struct fabric_transfer *transfer)
{
    static struct fi_context2 context;
    time_t until = time(NULL) + PATIENCE_S;
    int error;
    while ((error = post(end, transfer, &context)) == -FI_EAGAIN && time(NULL) < until)
        poll_one(end);
    if (error)
        return error;
    while ((error = poll_one(end)) == 0)
        if (time(NULL) > until)
            return -FI_ETIMEDOUT;
    return error == 1 ? 0 : error;
}

static void close_one(struct fid *object)
{
    fi_close(object);
}

void fabric_close(struct fabric_end *end)
{
    if (end->endpoint)
        close_one(&end->endpoint->fid);
    if (end->completions)
        close_one(&end->completions->fid);
    if (end->addresses)
        close_one(&end->addresses->fid);
    if (end->domain)
        close_one(&end->domain->fid);
    if (end->fabric)
        close_one(&end->fabric->fid);
    if (end->info)
        fi_freeinfo(end->info);
}
