/* SPDX-License-Identifier: BSD-3-Clause */
/* A program that knows nothing of libmmb and uses the whole malloc family, in several threads and
 * over fork and exec. test_mmb_run.sh runs it alone and under mmb-run: it must not see a
 * difference. */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_THREADS 4
#define N_SLOTS   64
#define ROUNDS    4000
#define CHECK(claim)                                                                               \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #claim);                            \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static bool is_filled(const unsigned char *bytes, size_t n_bytes, unsigned char with)
{
    for (size_t i = 0; i < n_bytes; i++)
        if (bytes[i] != with)
            return false;
    return true;
}

/* Across the sizes where the owner changes, up and down. */
static void realloc_keeps_contents(void)
{
    static const size_t sizes[] = {1,      100,     65535, 65536,   65537, 1 << 20, 200000,
                                   300000, 1 << 22, 65536, 1 << 17, 65535, 10,      70000};
    unsigned char *block = NULL;
    size_t old_bytes = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        block = realloc(block, sizes[i]);
        CHECK(block && malloc_usable_size(block) >= sizes[i]);
        CHECK(is_filled(block, old_bytes < sizes[i] ? old_bytes : sizes[i], (unsigned char)i));
        memset(block, (int)i + 1, sizes[i]);
        old_bytes = sizes[i];
    }
    CHECK(!realloc(block, 0));
}

static void calloc_gives_zeros(void)
{
    for (int round = 0; round < 3; round++)
        for (size_t n_bytes = 16; n_bytes < 1 << 22; n_bytes *= 3) {
            unsigned char *block = calloc(n_bytes, 1);
            CHECK(block && is_filled(block, n_bytes, 0));
            memset(block, 0xff, n_bytes);
            free(block);
        }
}

static void alignments_hold(void)
{
    for (size_t alignment = 8; alignment <= 1 << 16; alignment *= 2)
        for (size_t n_bytes = 100; n_bytes < 1 << 20; n_bytes *= 100) {
            void *a = aligned_alloc(alignment, n_bytes), *b = memalign(alignment, n_bytes), *c;
            CHECK(posix_memalign(&c, alignment, n_bytes) == 0);
            CHECK(a && b && ((uintptr_t)a | (uintptr_t)b | (uintptr_t)c) % alignment == 0);
            memset(a, 1, n_bytes), memset(b, 2, n_bytes), memset(c, 3, n_bytes);
            a = realloc(a, 2 * n_bytes);
            CHECK(a && is_filled(a, n_bytes, 1));
            free(a), free(b), free(c);
        }
    void *page = valloc(100000), *pages = pvalloc(100001);
    size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
    CHECK((uintptr_t)page % bytes == 0 && (uintptr_t)pages % bytes == 0);
    CHECK(malloc_usable_size(pages) >= (100001 + bytes - 1) / bytes * bytes);
    free(page), free(pages);
}

static void failures_are_told(void)
{
    volatile size_t huge = SIZE_MAX / 2, most = SIZE_MAX;
    static char mark;
    void *untouched = &mark;
    errno = 0;
    CHECK(!malloc(huge) && errno == ENOMEM);
    errno = 0;
    CHECK(!calloc(huge, 4) && errno == ENOMEM);
    errno = 0;
    CHECK(!reallocarray(NULL, huge, 4) && errno == ENOMEM);
    CHECK(!pvalloc(most) && errno == ENOMEM);
    CHECK(posix_memalign(&untouched, 24, 100000) == EINVAL && untouched == &mark);
    CHECK(posix_memalign(&untouched, 64, huge) == ENOMEM && untouched == &mark);
    char *block = malloc(100000);
    block[99999] = 'x';
    CHECK(!realloc(block, huge) && block[99999] == 'x');
    errno = EDOM;
    free(block);
    free(NULL);
    CHECK(errno == EDOM && malloc_usable_size(NULL) == 0);
    block = malloc(0);
    free(block);
}

struct slot {
    _Atomic(unsigned char *) block;
};
static struct slot slots[N_SLOTS];

static size_t bytes_of(const unsigned char *block)
{
    size_t n_bytes;
    memcpy(&n_bytes, block, sizeof n_bytes);
    return n_bytes;
}

static void check_and_free(unsigned char *block)
{
    if (!block)
        return;
    size_t n_bytes = bytes_of(block);
    CHECK(block[n_bytes - 1] == (unsigned char)n_bytes);
    free(block);
}

/* Blocks of 100 bytes to 400 KiB that whichever thread comes next frees. */
static void *swap_blocks(void *seed)
{
    unsigned state = (unsigned)(uintptr_t)seed;
    for (int i = 0; i < ROUNDS; i++) {
        size_t n_bytes = (size_t)100 << rand_r(&state) % 13;
        unsigned char *block = malloc(n_bytes);
        CHECK(block);
        memcpy(block, &n_bytes, sizeof n_bytes);
        block[n_bytes - 1] = (unsigned char)n_bytes;
        check_and_free(
            __atomic_exchange_n((unsigned char **)&slots[(unsigned)rand_r(&state) % N_SLOTS].block,
                                block, __ATOMIC_ACQ_REL));
    }
    return NULL;
}

static void fork_and_check(void)
{
    unsigned char *kept = malloc(300000);
    memset(kept, 7, 300000);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(is_filled(kept, 300000, 7));
        free(kept);
        realloc_keeps_contents();
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(is_filled(kept, 300000, 7));
    free(kept);
}

static void threads_exchange_blocks(void)
{
    pthread_t threads[N_THREADS];
    for (uintptr_t i = 0; i < N_THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, swap_blocks, (void *)(i + 1)) == 0);
    for (int i = 0; i < 10; i++)
        fork_and_check();
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < N_SLOTS; i++)
        check_and_free(slots[i].block);
}

int main(int argc, char **argv)
{
    realloc_keeps_contents();
    calloc_gives_zeros();
    alignments_hold();
    failures_are_told();
    threads_exchange_blocks();
    if (argc > 1)
        return 0;
    fork_and_check();
    execl(argv[0], argv[0], "again", (char *)NULL);
    return 1;
}
