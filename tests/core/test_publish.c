/* SPDX-License-Identifier: BSD-3-Clause */
/* The promise: with MMB_PUBLISH set, other processes find this one's statistics in a file that is
 * whole at every moment, private, and gone with the library; without it there is no file and no
 * thread. Files appear in their own time: the tests wait for them, and never for a number of
 * seconds. */
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "tests/support/control.h"
#include "tests/support/suite.h"

#define PATIENCE_S 20

/* ThreadSanitizer ends a child of a process with threads that starts one. */
#if defined(__SANITIZE_THREAD__)
#define CAN_START_THREADS_IN_A_CHILD false
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CAN_START_THREADS_IN_A_CHILD false
#endif
#endif
#ifndef CAN_START_THREADS_IN_A_CHILD
#define CAN_START_THREADS_IN_A_CHILD true
#endif

static char folder[64], path[128], text[1 << 19];

static void set_up(void)
{
    snprintf(folder, sizeof folder, "/tmp/mmb-publish.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/mmb-stats.%d", folder, (int)getpid());
    setenv("MMB_PUBLISH", folder, 1);
}

static void tear_down(void)
{
    while (mmb_finalize() == MMB_OK) {
    }
    unsetenv("MMB_PUBLISH");
    CU_ASSERT_EQUAL(rmdir(folder), 0); /* nothing is left behind */
}

/* The file as it is now; false when there is none. */
static bool read_file(const char *name)
{
    FILE *file = fopen(name, "r");
    if (!file)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, file);
    text[n] = 0;
    fclose(file);
    return true;
}

/* Waits for a snapshot with these words; each one that is seen must be whole. */
static bool wait_for(const char *words)
{
    time_t end = time(NULL) + PATIENCE_S;
    while (time(NULL) < end) {
        if (read_file(path)) {
            CU_ASSERT_EQUAL(strncmp(text, "mmb-stats 1\nprocess\t", 20), 0);
            CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nend\t0\n"));
            if (strstr(text, words))
                return true;
        }
        sched_yield();
    }
    return false;
}

static size_t count_threads(void)
{
    size_t n = 0;
    DIR *tasks = opendir("/proc/self/task");
    while (tasks && readdir(tasks))
        n++;
    if (tasks)
        closedir(tasks);
    return n;
}

static void test_publish_shows_what_lives(void)
{
    CU_ASSERT_EQUAL_FATAL(mmb_init(MMB_INIT_DEFAULT), MMB_OK);
    mmbMemSpace *space = control_space(8000);
    mmbMemInterface *interface;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.name = "my\ttab";
    config.backend = MMB_BACKEND_MMAP;
    config.strategy = MMB_STRATEGY_SCALABLE_PAGE;
    CU_ASSERT_EQUAL_FATAL(mmb_create_interface(space, &config, &interface), MMB_OK);
    mmbAllocation *block = control_allocation(interface, 1234);
    CU_ASSERT(wait_for("\nspace\tDRAM\tCPU\t8000\t1234\t1234\t"));
    CU_ASSERT(wait_for("\ninterface\tmy?tab\tMMAP\tSCALABLE_PAGE\t1234\t1\t1234\t1\t0\t0\t1\t"));
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
    CU_ASSERT(wait_for("\ninterface\tmy?tab\tMMAP\tSCALABLE_PAGE\t0\t0\t1234\t1\t1\t0\t"));
}

static void test_publish_is_private(void)
{
    struct stat status;
    CU_ASSERT_EQUAL_FATAL(mmb_init(MMB_INIT_DEFAULT), MMB_OK);
    CU_ASSERT(wait_for("\nprocess\t") || wait_for("process\t"));
    CU_ASSERT_EQUAL_FATAL(stat(path, &status), 0);
    CU_ASSERT_EQUAL(status.st_mode & 0777, 0600);
    CU_ASSERT_EQUAL(status.st_uid, geteuid());
}

static void test_publish_ends_with_the_library(void)
{
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL_FATAL(mmb_init(MMB_INIT_DEFAULT), MMB_OK);
        CU_ASSERT(wait_for("process\t"));
        CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
        CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
    }
}

static void test_publish_starts_nothing_unasked(void)
{
    static const char *const unasked[] = {NULL, "", "0"};
    for (size_t i = 0; i < N_ROWS(unasked); i++) {
        if (unasked[i])
            setenv("MMB_PUBLISH", unasked[i], 1);
        else
            unsetenv("MMB_PUBLISH");
        size_t before = count_threads();
        CU_ASSERT_EQUAL_FATAL(mmb_init(MMB_INIT_DEFAULT), MMB_OK);
        CU_ASSERT_EQUAL(count_threads(), before);
        CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    }
}

static void test_publish_folder_that_cannot_be_is_no_failure(void)
{
    char long_name[400];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[0] = '/';
    long_name[sizeof long_name - 1] = 0;
    setenv("MMB_PUBLISH", long_name, 1);
    mmb_logging_set_level(MMB_LOG_NONE);
    CU_ASSERT_EQUAL(mmb_init(MMB_INIT_DEFAULT), MMB_OK);
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    setenv("MMB_PUBLISH", "/nonexistent/folder", 1);
    CU_ASSERT_EQUAL(mmb_init(MMB_INIT_DEFAULT), MMB_OK);
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_OK);
    mmb_logging_set_level(MMB_LOG_WARNING);
}

/* A link that waits where the file is to be written is not followed. */
static void test_publish_follows_no_link(void)
{
    char next[160], victim[160];
    snprintf(next, sizeof next, "%s.new", path);
    snprintf(victim, sizeof victim, "%s/victim", folder);
    CU_ASSERT_EQUAL_FATAL(symlink(victim, next), 0);
    CU_ASSERT_EQUAL_FATAL(mmb_init(MMB_INIT_DEFAULT), MMB_OK);
    CU_ASSERT(wait_for("process\t"));
    CU_ASSERT_NOT_EQUAL(access(victim, F_OK), 0);
}

static int finalize_in_child(void *argument)
{
    (void)argument;
    if (mmb_finalize() != MMB_OK || access(path, F_OK) != 0)
        return 1;
    if (!CAN_START_THREADS_IN_A_CHILD)
        return 0;
    /* Its own statistics, when it starts anew. */
    if (mmb_init(MMB_INIT_DEFAULT) != MMB_OK)
        return 2;
    snprintf(path, sizeof path, "%s/mmb-stats.%d", folder, (int)getpid());
    if (!wait_for("process\t") || mmb_finalize() != MMB_OK || access(path, F_OK) == 0)
        return 3;
    return 0;
}

static void test_publish_child_leaves_the_file_of_its_parent(void)
{
    CU_ASSERT_EQUAL_FATAL(mmb_init(MMB_INIT_DEFAULT), MMB_OK);
    CU_ASSERT_FATAL(wait_for("process\t"));
    struct suite_child child = suite_run_child(finalize_in_child, NULL, 2 * PATIENCE_S);
    CU_ASSERT(child.exited);
    CU_ASSERT_EQUAL(child.code, 0);
    CU_ASSERT_EQUAL(access(path, F_OK), 0);
}

MMB_SUITE_WITH("core/publish", set_up, tear_down, T(test_publish_shows_what_lives),
               T(test_publish_is_private), T(test_publish_ends_with_the_library),
               T(test_publish_starts_nothing_unasked),
               T(test_publish_folder_that_cannot_be_is_no_failure), T(test_publish_follows_no_link),
               T(test_publish_child_leaves_the_file_of_its_parent))
