/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of OpenACC's queues are the library's, and marks in queues. A queue is a number that the
 * program chooses freely; the library uses NUMBER_FIRST and those above it, the lowest that is
 * free, since runtimes keep every queue that was ever used in an array. Owns the list of those that
 * are taken, guarded by a mutex inside which nothing is called.
 *
 * OpenACC can tell whether a queue is empty, but not how far it has come. So a mark is a queue of
 * its own that waits for the one that is marked, and holds nothing else: once it is empty the mark
 * was reached. Where no number is left the marked queue stands for itself, and is told to be
 * reached late. */
#include "layers/openacc/instance.h"

#define NUMBER_FIRST 1000
#define N_NUMBERS    1024
#define WORD_BITS    64

static struct mmb_mutex mutex = MMB_MUTEX_INIT;
static uint64_t taken[N_NUMBERS / WORD_BITS];

/* -1: all are taken. */
static int take(void)
{
    int number = -1;
    mmb_mutex_lock(&mutex);
    for (int i = 0; i < N_NUMBERS / WORD_BITS && number < 0; i++)
        if (~taken[i] != 0) {
            int bit = __builtin_ctzll(~taken[i]);
            taken[i] |= (uint64_t)1 << bit;
            number = NUMBER_FIRST + 1 + i * WORD_BITS + bit;
        }
    mmb_mutex_unlock(&mutex);
    return number;
}

static void give(int number)
{
    int i = number - NUMBER_FIRST - 1;
    mmb_mutex_lock(&mutex);
    taken[i / WORD_BITS] &= ~((uint64_t)1 << (i % WORD_BITS));
    mmb_mutex_unlock(&mutex);
}

int mmb_openacc_queue_take(void)
{
    int number = take();
    return number >= 0 ? number : NUMBER_FIRST;
}

void mmb_openacc_queue_give(int queue)
{
    if (queue != NUMBER_FIRST)
        give(queue);
}

/* ---- marks: the queue's number, and one bit that tells whether it is the mark's own ---- */

void *mmb_openacc_mark(int queue)
{
    int own = take();
    if (own >= 0)
        mmb_openacc.order(queue, own);
    return (void *)((uintptr_t)(own >= 0 ? own : queue) << 1 | (own >= 0));
}

int mmb_openacc_mark_queue(const void *mark)
{
    return (int)((uintptr_t)mark >> 1);
}

void mmb_openacc_forget(void *mark)
{
    if ((uintptr_t)mark & 1)
        give(mmb_openacc_mark_queue(mark));
}
