/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: what the fuzzer ever found in segments (tests/fuzz/segment.c) stays mended:
 * every file of tests/fuzz/corpus runs to its end, each in a process of its own. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/fuzz/segment.h"
#include "tests/support/suite.h"

#define INPUT_MOST ((size_t)64 << 10)
#define TIMEOUT_S  60
#define REAL       "real-" /* what make_corpus wrote */

enum { ATTACHED = 10, REFUSED = 11, UNREADABLE = 12 };

static const char *corpus(void)
{
    static char path[1000];
    const char *tree = getenv("MMB_SRCDIR");
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus", tree ? tree : ".");
    return path;
}

static int replay(void *argument)
{
    static uint8_t bytes[INPUT_MOST];
    char path[1300];
    snprintf(path, sizeof path, "%s/%s", corpus(), (const char *)argument);
    FILE *file = fopen(path, "re");
    size_t n = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (!file || ferror(file) || fclose(file) != 0)
        return UNREADABLE;
    LLVMFuzzerTestOneInput(bytes, n);
    return fuzz_n_attached ? ATTACHED : REFUSED;
}

static void test_corpus_is_survived(void)
{
    size_t n_files = 0, n_real = 0;
    DIR *directory = opendir(corpus());
    if (!directory) {
        suite_skip("there is no corpus here; MMB_SRCDIR names the tree");
        return;
    }
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] == '.')
            continue;
        struct suite_child child = suite_run_child(replay, entry->d_name, TIMEOUT_S);
        bool is_real = strncmp(entry->d_name, REAL, strlen(REAL)) == 0;
        n_files++;
        n_real += is_real && child.code == ATTACHED;
        SUITE_CHECK(child.exited && (child.code == ATTACHED || (child.code == REFUSED && !is_real)),
                    "%s: exited %d, signalled %d, timed out %d, %d", entry->d_name, child.exited,
                    child.signalled, child.timed_out, child.code);
    }
    closedir(directory);
    printf("# %zu files, %zu of them segments as they were made\n", n_files, n_real);
    CU_ASSERT_EQUAL(n_real, 12);
}

MMB_SUITE("fuzz/corpus", T(test_corpus_is_survived))
