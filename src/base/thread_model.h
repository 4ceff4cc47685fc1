/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BASE_THREAD_MODEL_H
#define MMB_BASE_THREAD_MODEL_H
/* Whom the library takes for a thread: POSIX threads, or the program's user-level threads
 * (mmbThreadModel). Set by the first mmb_init, before anything asks. */
#include <stdbool.h>
#include <stdint.h>
#include <mmb/library.h>

/* NULL: POSIX threads. The model's functions stay the program's. */
void mmb_thread_model_set(const mmbThreadModel *model);

/* Never 0. */
uint64_t mmb_thread_id(void);
void mmb_thread_yield(void);
/* At least that long; other user-level threads run meanwhile. */
void mmb_thread_sleep_us(uint64_t microseconds);
/* The program's threads are not POSIX threads: who waits long lets others run, holding no lock. */
bool mmb_thread_is_users(void);

struct mmb_thread_key {
    void *native;
};
/* One value per thread. The destructor runs with a value that is not NULL when its thread ends.
 * False: there is no key left. */
bool mmb_thread_key_make(struct mmb_thread_key *key, void (*destructor)(void *));
void *mmb_thread_key_get(struct mmb_thread_key key);
bool mmb_thread_key_set(struct mmb_thread_key key, void *value);
void mmb_thread_key_drop(struct mmb_thread_key key);

#endif
