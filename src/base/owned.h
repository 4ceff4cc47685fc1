/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MMB_BASE_OWNED_H
#define MMB_BASE_OWNED_H
/* Access to words that one thread writes and others look at now and then, in the few instructions
 * that every allocation runs. Relaxed atomics would say the same, but gcc and clang never fold an
 * atomic access into an instruction's memory operand, which costs a tenth of the whole call. So
 * these are plain accesses of aligned machine words, which no processor tears; the fences of the
 * operation they are in (thread_cache.h) keep the compiler from moving or repeating them.
 * ThreadSanitizer is given the atomics, since it cannot know that. */

#if defined(__SANITIZE_THREAD__)
#define MMB_OWNED_ATOMIC 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MMB_OWNED_ATOMIC 1
#endif
#endif

#ifdef MMB_OWNED_ATOMIC
#define MMB_OWNED_LOAD(word)         __atomic_load_n(&(word), __ATOMIC_RELAXED)
#define MMB_OWNED_STORE(word, value) __atomic_store_n(&(word), (value), __ATOMIC_RELAXED)
#else
#define MMB_OWNED_LOAD(word)         (word)
#define MMB_OWNED_STORE(word, value) ((word) = (value))
#endif
/* One instruction where the accesses are plain. */
#define MMB_OWNED_ADD(word, value) MMB_OWNED_STORE(word, MMB_OWNED_LOAD(word) + (value))

#endif
