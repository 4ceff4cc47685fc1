/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two processes pass messages by shared pointers through a lock-free queue. The messages are blocks
 * of a shared heap, which the producer allocates and the consumer frees; the queue is a ring in the
 * same heap, which the segment's custom header leads to. Halfway the consumer is killed, and
 * another one goes on where it was.
 *
 *     gcc shared_queue.c $(pkg-config --cflags --libs mmb) -o shared_queue && ./shared_queue
 */
#define _POSIX_C_SOURCE 200809L
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <mmb.h>

#define N_MESSAGES 2000
#define N_PLACES   64
#define BYTES      ((size_t)4 << 20)

#define CHECK(call)   check((call), #call)
#define EXPECT(claim) check((claim) ? MMB_OK : MMB_ERROR, #claim)

struct message {
    uint64_t number;
    char text[40];
};

/* [queue] */
/* What the segment's header says. The offset is a count of what was received. */
struct header {
    mmbSharedPtr ring; /* of shared pointers to messages */
    mmbAtomicOffset received;
};
/* [queue] */

static char url[64];

static void check(mmbError error, const char *what)
{
    if (error == MMB_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, mmb_error_name(error), mmb_error_detail());
    if (url[0])
        mmb_shm_unlink(url);
    exit(EXIT_FAILURE);
}

/* [open] */
static mmbMemInterface *open_heap(mmbShmMode mode, struct header **out_header)
{
    mmbMemSpace *space;
    mmbMemInterface *interface;
    void *header;
    size_t n_bytes;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.backend = MMB_BACKEND_SHM;
    config.backend_opts.shm.url = url;
    config.backend_opts.shm.mode = mode;
    config.backend_opts.shm.bytes = BYTES;
    config.backend_opts.shm.header_bytes = sizeof(struct header);
    CHECK(mmb_init(NULL));
    CHECK(mmb_register_memory(MMB_DRAM, MMB_CPU, NULL, &space));
    CHECK(mmb_create_interface(space, &config, &interface));
    CHECK(mmb_interface_get_header(interface, &header, &n_bytes));
    *out_header = header;
    return interface;
}
/* [open] */

/* [consume] */
/* A consumer that is killed may take the message with it that it has in its hands. Nobody else is
 * held up, and no message comes twice. */
static void consume(void)
{
    struct header *header;
    mmbSharedRing ring;
    mmbSharedPtr pointer;
    mmbAllocation *block;
    uint64_t number = 0;
    mmbMemInterface *interface = open_heap(MMB_SHM_ATTACH, &header);
    CHECK(mmb_shared_ring_open(interface, header->ring, &ring));
    while (number < N_MESSAGES - 1) {
        if (mmb_shared_ring_pop(&ring, &pointer) == MMB_NOT_FOUND) {
            sched_yield();
            continue;
        }
        CHECK(mmb_allocation_from_shared(pointer, &block));
        EXPECT(number == 0 || MMB_PTR(block, struct message)->number == number + 1);
        number = MMB_PTR(block, struct message)->number;
        CHECK(mmb_free(block));
        mmb_atomic_offset_fetch_add(&header->received, 1);
    }
    CHECK(mmb_finalize());
}
/* [consume] */

/* Forked before the library is initialised, so that each process has its own; it waits for its
 * turn. */
static pid_t start_consumer(int turn[2])
{
    EXPECT(pipe(turn) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        EXPECT(read(turn[0], &byte, 1) == 1);
        consume();
        exit(EXIT_SUCCESS);
    }
    EXPECT(pid > 0);
    return pid;
}

/* [produce] */
static void send(mmbMemInterface *interface, const mmbSharedRing *ring, uint64_t number)
{
    mmbAllocation *block;
    mmbSharedPtr pointer;
    mmbError error;
    CHECK(mmb_allocate(sizeof(struct message), interface, &block));
    struct message *message = MMB_PTR(block, struct message);
    message->number = number;
    snprintf(message->text, sizeof message->text, "message %d", (int)number);
    CHECK(mmb_allocation_get_shared(block, &pointer));
    while ((error = mmb_shared_ring_push(ring, &pointer)) == MMB_BUSY)
        sched_yield();
    check(error, "push");
}
/* [produce] */

static void end_of(pid_t pid, int signal_expected)
{
    int status;
    EXPECT(waitpid(pid, &status, 0) == pid);
    if (signal_expected)
        EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == signal_expected);
    else
        EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

int main(void)
{
    int turns[2][2];
    struct header *header;
    mmbSharedRing ring;
    mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
    snprintf(url, sizeof url, "/mmb-queue-%d", (int)getpid());
    pid_t first = start_consumer(turns[0]), second = start_consumer(turns[1]);

    mmbMemInterface *interface = open_heap(MMB_SHM_CREATE, &header);
    CHECK(mmb_shared_ring_create(interface, sizeof(mmbSharedPtr), N_PLACES, &ring));
    header->ring = ring.object.pointer;
    EXPECT(write(turns[0][1], "1", 1) == 1);
    uint64_t number = 0;
    while (number < N_MESSAGES / 2)
        send(interface, &ring, number++);
    EXPECT(kill(first, SIGKILL) == 0);
    end_of(first, SIGKILL);
    printf("killed the consumer after %d messages\n", N_MESSAGES / 2);
    EXPECT(write(turns[1][1], "2", 1) == 1);
    while (number < N_MESSAGES)
        send(interface, &ring, number++);
    end_of(second, 0);
    EXPECT(mmb_atomic_offset_load(&header->received).value >= N_MESSAGES - 1);
    printf("%d messages went through %d places\n", N_MESSAGES, N_PLACES);

    /* What the killed consumer had in its hands is a block of the producer's, who lives. */
    CHECK(mmb_shared_ring_destroy(&ring));
    CHECK(mmb_shm_reclaim(interface, NULL, NULL, NULL));
    CHECK(mmb_interface_get_stats(interface, &stats));
    EXPECT(stats.live_count <= 1);
    printf("the heap is whole: %s\n", mmb_error_name(mmb_shm_check(url, NULL)));
    CHECK(mmb_shm_unlink(url));
    url[0] = 0;
    CHECK(mmb_finalize());
    return EXIT_SUCCESS;
}
