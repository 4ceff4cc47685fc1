/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_TESTS_SUPPORT_OBJECTS_H
#define MMB_TESTS_SUPPORT_OBJECTS_H
/* What the tests of objects in shared heaps share: a heap, words that parent and children see, and
 * children that attach to the heap at an address of their own. */
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>
#include <mmb.h>

struct objects_talk {
    _Atomic uint64_t words[16];
    _Atomic uint64_t tally[4096];
    mmbSharedPtr pointer[4];
};

extern struct objects_talk *objects_talk;
extern mmbMemSpace *objects_space;
extern mmbMemInterface *objects_heap;

/* set_up and tear_down: a thread-local heap of 4 MiB, talk zeroed. */
void objects_set_up(void);
void objects_tear_down(void);
/* The heap anew, with another strategy or size. */
void objects_remake(mmbStrategy strategy, size_t n_bytes);
size_t objects_live_count(void);
/* Where it starts in this process. */
const unsigned char *objects_base(void);

/* In a child: the library anew and the heap attached where the parent does not have it; NULL when
 * it cannot. */
mmbMemInterface *objects_attach(void);
/* A child that runs body and ends with what it returns; it dies with the parent. */
pid_t objects_spawn(int (*body)(void *argument), void *argument);
/* It ended by itself with 0. */
bool objects_ended(pid_t pid);
bool objects_kill(pid_t pid);
/* Spawned, and ended with 0. */
bool objects_run(int (*body)(void *argument), void *argument);
/* Forked with all that the parent has, not attached anew; killed by SIGKILL when body has returned
 * 0. */
bool objects_run_killed(int (*body)(void *argument), void *argument);
/* Waits, for as long as a machine may be busy, until the word is at least `least`. */
bool objects_await(const _Atomic uint64_t *word, uint64_t least);
/* How many processes a test of random kills kills: MMB_TEST_KILLS, or a few. */
int objects_n_kills(void);
uint32_t objects_random(uint32_t *state);

/* Kills a forked child that works on an object after it has done some number of beats, `n` times,
 * and lets `check` look in between. body counts its beats in words[0]. */
bool objects_kill_many(int (*body)(void *argument), bool (*check)(void));

#endif
