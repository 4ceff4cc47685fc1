/* SPDX-License-Identifier: BSD-3-Clause */
/* The library's own memory: arenas of 1 MiB from the system, cut into blocks of a power of two from
 * 64 B to 64 KiB, with a list of free blocks per size. Larger blocks are mappings of their own.
 *
 * Owns the arenas, which are never given back: what the library has needed once it will need again,
 * and a stale pointer to a record then finds a record and not a hole. Everything below that is not
 * atomic belongs to meta_lock, the last lock in every order: nothing is acquired while it is held,
 * and nothing here reports a failure in words, since the words would be kept in memory from here.
 *
 * Powers of two waste up to half of an odd-sized record, but a record's size is chosen by us, and
 * those there are many of are powers of two. Blocks carry no header: the caller of free knows the
 * size. */
#include "src/base/meta.h"
#include "src/base/checked.h"
#include "src/base/lock.h"
#include "src/base/os.h"
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(start, n_bytes)   __asan_poison_memory_region((start), (n_bytes))
#define UNPOISON(start, n_bytes) __asan_unpoison_memory_region((start), (n_bytes))
#else
#define POISON(start, n_bytes)   ((void)0)
#define UNPOISON(start, n_bytes) ((void)0)
#endif

#define SMALLEST_SHIFT 6
#define LARGEST_SHIFT  16
#define N_CLASSES      (LARGEST_SHIFT - SMALLEST_SHIFT + 1)
#define SMALLEST_BYTES ((size_t)1 << SMALLEST_SHIFT)
#define LARGEST_BYTES  ((size_t)1 << LARGEST_SHIFT)
#define ARENA_BYTES    ((size_t)1 << 20)

struct free_block {
    struct free_block *next;
};

static struct mmb_lock meta_lock = MMB_LOCK_INIT;
static struct free_block *free_blocks[N_CLASSES];
static char *fresh; /* the arena in use: never handed out yet, still zero */
static size_t fresh_bytes;

/* Changed outside the lock too, by the large blocks. Sums only: they order nothing. */
static atomic_size_t used_bytes, reserved_bytes;

static void count(atomic_size_t *sum, size_t n_bytes)
{
    atomic_fetch_add_explicit(sum, n_bytes, memory_order_relaxed);
}

static void discount(atomic_size_t *sum, size_t n_bytes)
{
    atomic_fetch_sub_explicit(sum, n_bytes, memory_order_relaxed);
}

static size_t class_bytes(size_t size_class)
{
    return SMALLEST_BYTES << size_class;
}

/* The smallest class whose blocks hold n_bytes; 0 < n_bytes <= LARGEST_BYTES */
static size_t class_for(size_t n_bytes)
{
    size_t size_class = 0;

    while (class_bytes(size_class) < n_bytes)
        size_class++;
    return size_class;
}

static void push_block(size_t size_class, void *block)
{
    struct free_block *free = block;

    UNPOISON(free, sizeof(*free));
    free->next = free_blocks[size_class];
    free_blocks[size_class] = free;
    POISON(free, class_bytes(size_class));
}

static void *pop_block(size_t size_class)
{
    struct free_block *free = free_blocks[size_class];

    if (!free)
        return NULL;
    UNPOISON(free, sizeof(*free));
    free_blocks[size_class] = free->next;
    return free;
}

/* The rest of an arena goes to the free lists, largest pieces first. Every block's size is a
 * multiple of the smallest, so nothing is left over. */
static void use_up_arena(void)
{
    while (fresh_bytes > 0) {
        size_t size_class = N_CLASSES - 1;

        while (class_bytes(size_class) > fresh_bytes)
            size_class--;
        push_block(size_class, fresh);
        fresh += class_bytes(size_class);
        fresh_bytes -= class_bytes(size_class);
    }
}

static bool open_arena(void)
{
    char *arena = mmb_os_map(ARENA_BYTES);

    if (!arena)
        return false;
    use_up_arena();
    POISON(arena, ARENA_BYTES);
    count(&reserved_bytes, ARENA_BYTES);
    fresh = arena;
    fresh_bytes = ARENA_BYTES;
    return true;
}

static void *cut_block(size_t size_class)
{
    void *block;

    if (fresh_bytes < class_bytes(size_class) && !open_arena())
        return NULL;
    block = fresh;
    fresh += class_bytes(size_class);
    fresh_bytes -= class_bytes(size_class);
    return block;
}

static void *alloc_small(size_t n_bytes)
{
    size_t size_class = class_for(n_bytes);
    bool is_recycled = true;
    void *block;

    mmb_lock_acquire(&meta_lock);
    block = pop_block(size_class);
    if (!block) {
        is_recycled = false;
        block = cut_block(size_class);
    }
    mmb_lock_release(&meta_lock);
    if (!block)
        return NULL;
    count(&used_bytes, class_bytes(size_class));
    UNPOISON(block, n_bytes); /* the rest of the block stays poisoned */
    if (is_recycled)
        memset(block, 0, n_bytes);
    return block;
}

static void *alloc_large(size_t n_bytes)
{
    size_t rounded;
    void *block;

    if (!mmb_round_up_size(n_bytes, mmb_os_page_bytes(), &rounded))
        return NULL;
    block = mmb_os_map(rounded);
    if (block) {
        count(&reserved_bytes, rounded);
        count(&used_bytes, rounded);
    }
    return block;
}

/* The kernel may refuse to cut a mapping that it has merged with its neighbours, when the process
 * has too many. The addresses are then lost, and counted as reserved; the memory is not. */
static void free_large(void *block, size_t n_bytes)
{
    size_t rounded = mmb_round_up(n_bytes, mmb_os_page_bytes());

    discount(&used_bytes, rounded);
    if (mmb_os_unmap(block, rounded))
        discount(&reserved_bytes, rounded);
    else
        mmb_os_discard(block, rounded);
}

void *mmb_meta_alloc(size_t n_bytes)
{
    int saved_errno = errno;
    void *block;

    MMB_ASSERT(n_bytes > 0);
    block = n_bytes <= LARGEST_BYTES ? alloc_small(n_bytes) : alloc_large(n_bytes);
    errno = saved_errno;
    return block;
}

void mmb_meta_free(void *block, size_t n_bytes)
{
    int saved_errno = errno;
    size_t size_class;

    if (!block)
        return;
    if (n_bytes > LARGEST_BYTES) {
        free_large(block, n_bytes);
        errno = saved_errno;
        return;
    }
#ifdef HAS_ASAN
    (void)*(volatile char *)block; /* poisoned: it is being freed twice */
#endif
    size_class = class_for(n_bytes);
    discount(&used_bytes, class_bytes(size_class));
    mmb_lock_acquire(&meta_lock);
    push_block(size_class, block);
    mmb_lock_release(&meta_lock);
}

char *mmb_meta_strdup(const char *text)
{
    size_t n_bytes;
    char *copy;

    if (!text)
        return NULL;
    n_bytes = strlen(text) + 1;
    copy = mmb_meta_alloc(n_bytes);
    if (copy)
        memcpy(copy, text, n_bytes);
    return copy;
}

void mmb_meta_strfree(char *text)
{
    if (text)
        mmb_meta_free(text, strlen(text) + 1);
}

size_t mmb_meta_bytes(void)
{
    return atomic_load_explicit(&used_bytes, memory_order_relaxed);
}

size_t mmb_meta_reserved_bytes(void)
{
    return atomic_load_explicit(&reserved_bytes, memory_order_relaxed);
}

void mmb_meta_fork_prepare(void)
{
    mmb_lock_acquire(&meta_lock);
}

void mmb_meta_fork_parent(void)
{
    mmb_lock_release(&meta_lock);
}

void mmb_meta_fork_child(void)
{
    mmb_lock_release(&meta_lock);
}
