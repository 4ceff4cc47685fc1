/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two processes pass messages by shared pointers through a lock-free queue. The queue lies in the
 * segment's custom header, the messages are blocks of its heap: the producer allocates them, the
 * consumer frees them. Halfway the consumer is killed, and another one goes on where it was.
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
/* Zero-filled memory is an empty queue: null offsets, and counts that are 0. The offsets of atomic
 * type serve as counts too. */
struct queue {
    mmbAtomicOffset places[N_PLACES];
    mmbAtomicOffset sent;
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
static mmbMemInterface *open_heap(mmbShmMode mode, struct queue **queue)
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
    config.backend_opts.shm.header_bytes = sizeof(struct queue);
    CHECK(mmb_init(NULL));
    CHECK(mmb_register_memory(MMB_DRAM, MMB_CPU, NULL, &space));
    CHECK(mmb_create_interface(space, &config, &interface));
    CHECK(mmb_interface_get_header(interface, &header, &n_bytes));
    *queue = header;
    return interface;
}
/* [open] */

/* [consume] */
/* A place is emptied only after its message was read: a consumer that dies in between leaves it to
 * the next one. One that dies after it leaves a place that is empty although it was sent, or that
 * has a later message by now. */
static void consume(void)
{
    struct queue *queue;
    mmbMemInterface *interface = open_heap(MMB_SHM_ATTACH, &queue);
    uint64_t next = mmb_atomic_offset_load(&queue->received).value;
    while (next < N_MESSAGES) {
        mmbAtomicOffset *place = &queue->places[next % N_PLACES];
        mmbOffset done = {next + 1};
        /* Only then: a message that comes after the place was looked at must not count as taken. */
        if (mmb_atomic_offset_load(&queue->sent).value <= next) {
            sched_yield();
            continue;
        }
        mmbOffset offset = mmb_atomic_offset_load(place);
        struct message *message = mmb_shared_range(interface, offset, sizeof *message);
        EXPECT(mmb_offset_is_null(offset) || (message && message->number >= next));
        if (message && message->number == next) {
            mmb_atomic_offset_store(place, MMB_OFFSET_NULL);
            CHECK(mmb_free_ptr(interface, message));
        }
        mmb_atomic_offset_store(&queue->received, done);
        next++;
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
static void send(mmbMemInterface *interface, struct queue *queue, uint64_t number)
{
    mmbAtomicOffset *place = &queue->places[number % N_PLACES];
    mmbAllocation *block;
    mmbSharedPtr pointer;
    mmbOffset sent = {number + 1}, offset;
    while (!mmb_offset_is_null(mmb_atomic_offset_load(place)))
        sched_yield();
    CHECK(mmb_allocate(sizeof(struct message), interface, &block));
    struct message *message = MMB_PTR(block, struct message);
    message->number = number;
    snprintf(message->text, sizeof message->text, "message %d", (int)number);
    CHECK(mmb_allocation_get_shared(block, &pointer));
    offset.value = pointer.offset;
    mmb_atomic_offset_store(place, offset);
    mmb_atomic_offset_store(&queue->sent, sent);
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
    struct queue *queue;
    size_t n_freed;
    mmbMemInterfaceStats stats = MMB_MEMINTERFACE_STATS_INIT;
    snprintf(url, sizeof url, "/mmb-queue-%d", (int)getpid());
    pid_t first = start_consumer(turns[0]), second = start_consumer(turns[1]);

    mmbMemInterface *interface = open_heap(MMB_SHM_CREATE, &queue);
    EXPECT(write(turns[0][1], "1", 1) == 1);
    uint64_t number = 0;
    while (number < N_MESSAGES / 2)
        send(interface, queue, number++);
    EXPECT(kill(first, SIGKILL) == 0);
    end_of(first, SIGKILL);
    printf("killed the consumer after %d messages\n", N_MESSAGES / 2);
    EXPECT(write(turns[1][1], "2", 1) == 1);
    while (number < N_MESSAGES)
        send(interface, queue, number++);
    end_of(second, 0);
    EXPECT(mmb_atomic_offset_load(&queue->received).value == N_MESSAGES);
    printf("%d messages went through %d places\n", N_MESSAGES, N_PLACES);

    /* The consumer may have died with one message in its hands, which is the producer's block. */
    CHECK(mmb_shm_reclaim(interface, NULL, NULL, &n_freed));
    CHECK(mmb_interface_get_stats(interface, &stats));
    EXPECT(stats.live_count <= 1);
    printf("the heap is whole: %s\n", mmb_error_name(mmb_shm_check(url, NULL)));
    CHECK(mmb_shm_unlink(url));
    url[0] = 0;
    CHECK(mmb_finalize());
    return EXIT_SUCCESS;
}
