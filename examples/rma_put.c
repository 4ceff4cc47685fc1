/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A put over the network: one process exports a slice of its field, another writes into it, and the
 * first does nothing for it. Memory is registered once per chunk, not once per transfer.
 *
 *     gcc -std=c99 rma_put.c $(pkg-config --cflags --libs mmb-libfabric libfabric) -o rma_put
 *     ./rma_put                         both processes on this machine
 *     ./rma_put serve HERE PORT         on one machine, HERE being its own address
 *     ./rma_put put HERE THERE PORT     on another
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <mmb.h>
#include <mmb/libfabric.h>

#define NETWORK "tcp;ofi_rxm"
#define N_FIELD 1000
#define FIRST   200 /* of the slice */
#define N_SLICE 100
#define SECONDS 60
#define SKIPPED 77 /* what a test that cannot run answers */

/* Every call is checked, and so is whatever this program claims. */
#define CHECK(call)   check((call), #call)
#define FABRIC(call)  check_fabric((int)(call), #call)
#define EXPECT(claim) check((claim) ? MMB_OK : MMB_ERROR, #claim)

static void check(mmbError error, const char *what)
{
    if (error == MMB_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, mmb_error_name(error), mmb_error_detail());
    exit(EXIT_FAILURE);
}

static void check_fabric(int error, const char *what)
{
    if (error == 0)
        return;
    fprintf(stderr, "%s: %s\n", what, fi_strerror(-error));
    exit(EXIT_FAILURE);
}

/* ---- libfabric, as any program opens it ---- */

struct end {
    struct fi_info *info;
    struct fid_fabric *fabric;
    struct fid_domain *domain;
    struct fid_av *addresses;
    struct fid_cq *completions;
    struct fid_ep *endpoint;
    fi_addr_t peer;
};

static void open_end(struct end *end, const char *here)
{
    struct fi_av_attr av = {.type = FI_AV_TABLE};
    struct fi_cq_attr cq = {.format = FI_CQ_FORMAT_MSG};
    struct fi_info *hints = fi_allocinfo();
    EXPECT(hints != NULL);
    hints->caps = FI_MSG | FI_RMA;
    hints->mode = FI_CONTEXT;
    hints->ep_attr->type = FI_EP_RDM;
    hints->domain_attr->mr_mode =
        FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_ENDPOINT;
    hints->fabric_attr->prov_name = strdup(NETWORK);
    int error = fi_getinfo(FI_VERSION(1, 10), here, NULL, FI_SOURCE, hints, &end->info);
    fi_freeinfo(hints);
    if (error) {
        printf("libfabric has no %s at %s: %s\n", NETWORK, here, fi_strerror(-error));
        exit(SKIPPED);
    }
    FABRIC(fi_fabric(end->info->fabric_attr, &end->fabric, NULL));
    FABRIC(fi_domain(end->fabric, end->info, &end->domain, NULL));
    FABRIC(fi_av_open(end->domain, &av, &end->addresses, NULL));
    FABRIC(fi_cq_open(end->domain, &cq, &end->completions, NULL));
    FABRIC(fi_endpoint(end->domain, end->info, &end->endpoint, NULL));
    FABRIC(fi_ep_bind(end->endpoint, &end->addresses->fid, 0));
    FABRIC(fi_ep_bind(end->endpoint, &end->completions->fid, FI_TRANSMIT | FI_RECV));
    FABRIC(fi_enable(end->endpoint));
}

static void close_end(struct end *end)
{
    FABRIC(fi_close(&end->endpoint->fid));
    FABRIC(fi_close(&end->completions->fid));
    FABRIC(fi_close(&end->addresses->fid));
    FABRIC(fi_close(&end->domain->fid));
    FABRIC(fi_close(&end->fabric->fid));
    fi_freeinfo(end->info);
}

/* ---- what is told over an ordinary connection: names and the export ---- */

struct hello {
    size_t name_bytes, export_bytes;
    char name[256];
    unsigned char exported[512];
};

static void tell(int connection, const void *from, size_t n_bytes)
{
    EXPECT(send(connection, from, n_bytes, MSG_NOSIGNAL) == (ssize_t)n_bytes);
}

static void hear(int connection, void *to, size_t n_bytes)
{
    EXPECT(recv(connection, to, n_bytes, MSG_WAITALL) == (ssize_t)n_bytes);
}

static void meet(struct end *end, int connection, struct hello *mine, struct hello *theirs)
{
    mine->name_bytes = sizeof mine->name;
    FABRIC(fi_getname(&end->endpoint->fid, mine->name, &mine->name_bytes));
    tell(connection, mine, sizeof *mine);
    hear(connection, theirs, sizeof *theirs);
    EXPECT(fi_av_insert(end->addresses, theirs->name, 1, &end->peer, 0, NULL) == 1);
}

/* ---- a registered field ---- */

struct field {
    mmbRegionProvider *provider;
    mmbMemInterface *interface;
    mmbAllocation *block;
    double *values;
};

/* [registered field] */
static void make_field(struct field *field, const struct end *end)
{
    mmbMemSpace *space;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    CHECK(mmb_init(NULL));
    CHECK(mmb_register_memory(MMB_DRAM, MMB_CPU, NULL, &space));
    CHECK(mmb_region_provider_create_libfabric(end->domain, end->info, end->endpoint,
                                               &field->provider));
    config.region_provider = field->provider;
    CHECK(mmb_create_interface(space, &config, &field->interface));
    CHECK(mmb_allocate(N_FIELD * sizeof(double), field->interface, &field->block));
    field->values = mmb_allocation_ptr(field->block);
}
/* [registered field] */

static void end_field(struct field *field)
{
    CHECK(mmb_free(field->block));
    CHECK(mmb_destroy_interface(field->interface));
    CHECK(mmb_region_provider_destroy(field->provider));
    CHECK(mmb_finalize());
}

/* ---- the one who is written to ---- */

/* The network goes on only while this side looks at it, and it looks until the other side is done.
 */
static void wait_for_end(const struct end *end, int connection)
{
    struct pollfd done = {connection, POLLIN, 0};
    struct fi_cq_msg_entry ignored;
    while (poll(&done, 1, 0) == 0)
        fi_cq_read(end->completions, &ignored, 1);
}

/* [serve] */
static void serve(const char *here, int connection)
{
    struct end end;
    struct field field;
    struct hello mine = {0}, theirs;
    mmbAllocation *slice;
    open_end(&end, here);
    make_field(&field, &end);
    for (int i = 0; i < N_FIELD; i++)
        field.values[i] = -1;
    CHECK(mmb_allocation_slice(field.block, FIRST * sizeof(double), N_SLICE * sizeof(double),
                               &slice));
    mine.export_bytes = sizeof mine.exported;
    CHECK(mmb_allocation_export_region(slice, mine.exported, &mine.export_bytes));
    CHECK(mmb_region_hold(slice));
    meet(&end, connection, &mine, &theirs);
    wait_for_end(&end, connection);
    CHECK(mmb_region_unhold(slice));
    for (int i = 0; i < N_FIELD; i++)
        EXPECT(field.values[i] == (i >= FIRST && i < FIRST + N_SLICE ? i : -1));
    printf("received %zu bytes at offset %zu of a field of %zu, the rest is untouched\n",
           N_SLICE * sizeof(double), FIRST * sizeof(double), N_FIELD * sizeof(double));
    CHECK(mmb_free(slice));
    end_field(&field);
    close_end(&end);
}
/* [serve] */

/* ---- the one who writes ---- */

static void wait_for_completion(const struct end *end)
{
    struct fi_cq_msg_entry done;
    ssize_t n;
    while ((n = fi_cq_read(end->completions, &done, 1)) == -FI_EAGAIN)
        continue;
    FABRIC(n == 1 ? 0 : n);
}

static uint64_t key_of(const mmbRegionView *view)
{
    uint64_t key;
    EXPECT(view->remote_key_bytes == sizeof key);
    memcpy(&key, view->remote_key, sizeof key);
    return key;
}

/* [put] */
/* From our field into the peer's memory, with what the two views say. */
static void put_bytes(const struct end *end, const mmbRegionView *here, const mmbRegionView *there)
{
    struct fi_context context;
    struct iovec from = {here->ptr, here->n_bytes};
    struct fi_rma_iov to = {there->remote_address, there->n_bytes, key_of(there)};
    void *desc = here->local_desc;
    struct fi_msg_rma message = {&from, &desc, 1, end->peer, &to, 1, &context, 0};
    ssize_t error;
    while ((error = fi_writemsg(end->endpoint, &message, FI_COMPLETION | FI_DELIVERY_COMPLETE)) ==
           -FI_EAGAIN)
        fi_cq_read(end->completions, NULL, 0);
    FABRIC(error);
    wait_for_completion(end);
}

static void put(const char *here, int connection)
{
    struct end end;
    struct field field;
    struct hello mine = {0}, theirs;
    mmbRegionView local = MMB_REGION_VIEW_INIT, remote = MMB_REGION_VIEW_INIT;
    open_end(&end, here);
    make_field(&field, &end);
    meet(&end, connection, &mine, &theirs);
    CHECK(mmb_region_import(theirs.exported, theirs.export_bytes, field.provider, &remote));
    for (int i = 0; i < N_FIELD; i++)
        field.values[i] = i;
    CHECK(mmb_allocation_get_region(field.block, FIRST * sizeof(double), remote.n_bytes, &local));
    put_bytes(&end, &local, &remote);
    printf("put %zu bytes into the other's slice\n", remote.n_bytes);
    tell(connection, "", 1);
    CHECK(mmb_region_release(&remote));
    end_field(&field);
    close_end(&end);
}
/* [put] */

/* ---- the ordinary connection ---- */

static struct sockaddr_in address_of(const char *host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    EXPECT(inet_pton(AF_INET, host, &address.sin_addr) == 1);
    return address;
}

/* *port 0: any; afterwards the one it is. */
static int listen_on(const char *here, int *port)
{
    struct sockaddr_in address = address_of(here, *port);
    socklen_t length = sizeof address;
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    EXPECT(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    EXPECT(listen(listener, 1) == 0);
    getsockname(listener, (struct sockaddr *)&address, &length);
    *port = ntohs(address.sin_port);
    return listener;
}

/* Until the other side is there; the alarm ends it. */
static int connect_to(const char *there, int port)
{
    struct sockaddr_in address = address_of(there, port);
    for (;;) {
        int connection = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(connection, (struct sockaddr *)&address, sizeof address) == 0)
            return connection;
        close(connection);
        poll(NULL, 0, 50);
    }
}

static int both_here(void)
{
    int port = 0, status = 0;
    int listener = listen_on("127.0.0.1", &port);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(SECONDS);
        serve("127.0.0.1", accept(listener, NULL, NULL));
        exit(EXIT_SUCCESS);
    }
    put("127.0.0.1", connect_to("127.0.0.1", port));
    EXPECT(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    alarm(SECONDS);
    if (argc == 1)
        return both_here();
    if (argc == 4 && strcmp(argv[1], "serve") == 0) {
        int port = atoi(argv[3]);
        serve(argv[2], accept(listen_on(argv[2], &port), NULL, NULL));
        return EXIT_SUCCESS;
    }
    if (argc == 5 && strcmp(argv[1], "put") == 0) {
        put(argv[2], connect_to(argv[3], atoi(argv[4])));
        return EXIT_SUCCESS;
    }
    fprintf(stderr, "usage: rma_put [serve HERE PORT | put HERE THERE PORT]\n");
    return EXIT_FAILURE;
}
