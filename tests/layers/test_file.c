/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a file is made where the user says and nowhere else, nothing is written over,
 * what cannot be had is an error when it is asked for, and nothing stays behind but a kept file. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "layers/host/file.h"
#include "src/base/error.h"
#include "src/base/meta.h"
#include "tests/support/control.h"
#include "tests/support/suite.h"

static char directory[64], name[96];

static void set_up(void)
{
    snprintf(directory, sizeof directory, "/tmp/mmb-file-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
    snprintf(name, sizeof name, "%s/data", directory);
    mmb_fail(MMB_ERROR, "no failure yet");
}

static void tear_down(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    CU_ASSERT_EQUAL(system(command), 0);
}

static mmbError open_file(const char *path, size_t bytes, bool keep, struct mmb_backend **out)
{
    const mmbBackendOptions options = {.file = {.path = path, .bytes = bytes, .keep = keep}};
    const struct mmb_backend_request request = {.id = MMB_BACKEND_FILE,
                                                .layer = MMB_SSD,
                                                .context = MMB_CPU,
                                                .options = &options,
                                                .domain = -1,
                                                .domain_os_index = -1};
    return mmb_file_backend.open(&request, out);
}

static struct mmb_backend *must_open(const char *path, size_t bytes, bool keep)
{
    struct mmb_backend *backend = NULL;
    SUITE_CHECK(open_file(path, bytes, keep, &backend) == MMB_OK, "%s", mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(backend);
    return backend;
}

static struct mmb_memory must_map(struct mmb_backend *backend, size_t n_bytes)
{
    struct mmb_memory memory = {.host = NULL};
    SUITE_CHECK(mmb_file_backend.map(backend, n_bytes, n_bytes, 0, &memory) == MMB_OK, "%s",
                mmb_error_detail());
    CU_ASSERT_PTR_NOT_NULL_FATAL(memory.host);
    return memory;
}

static size_t count_files(void)
{
    size_t n = 0;
    DIR *listing = opendir(directory);
    CU_ASSERT_PTR_NOT_NULL_FATAL(listing);
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;)
        n += entry->d_name[0] != '.';
    closedir(listing);
    return n;
}

static off_t size_of(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? info.st_size : -1;
}

static void test_file_without_a_name_leaves_nothing(void)
{
    const char *const paths[] = {directory, name};
    for (size_t i = 0; i < N_ROWS(paths); i++) {
        struct mmb_backend *backend = must_open(paths[i], 0, false);
        struct mmb_memory memory = must_map(backend, 100000);
        memset(memory.host, 5, memory.n_bytes);
        SUITE_CHECK(count_files() == 0, "%s: %zu files", paths[i], count_files());
        mmb_file_backend.unmap(backend, &memory);
        mmb_file_backend.close(backend);
        CU_ASSERT_EQUAL(count_files(), 0);
    }
}

static void test_file_that_is_kept_has_the_bytes(void)
{
    struct mmb_backend *backend = must_open(name, 0, true);
    struct mmb_memory memory = must_map(backend, 8192);
    char back[5] = "";
    memcpy(memory.host, "hello", 5);
    mmb_file_backend.close(backend); /* as a process that ends does: nothing was unmapped */
    int fd = open(name, O_RDONLY);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(read(fd, back, 5), 5);
    CU_ASSERT_EQUAL(memcmp(back, "hello", 5), 0);
    close(fd);
    struct stat info;
    CU_ASSERT_EQUAL(stat(name, &info), 0);
    CU_ASSERT_EQUAL(info.st_mode & 0777, 0600);
}

static void test_file_kept_in_a_directory_has_a_name(void)
{
    struct mmb_backend *backend = must_open(directory, 0, true);
    struct mmb_memory memory = must_map(backend, 4096);
    mmb_file_backend.unmap(backend, &memory);
    mmb_file_backend.close(backend);
    CU_ASSERT_EQUAL(count_files(), 1);
}

/* The last range shortens the file, one in the middle becomes a hole. */
static void test_file_gives_space_back(void)
{
    struct mmb_backend *backend = must_open(name, 0, true);
    struct mmb_memory first = must_map(backend, 1 << 20), second = must_map(backend, 1 << 20);
    struct stat info;
    memset(first.host, 1, first.n_bytes);
    memset(second.host, 2, second.n_bytes);
    CU_ASSERT_EQUAL(size_of(name), 2 << 20);
    mmb_file_backend.unmap(backend, &first);
    CU_ASSERT_EQUAL(stat(name, &info), 0);
    SUITE_CHECK(info.st_blocks * 512 < 3 << 19, "%ld blocks", (long)info.st_blocks);
    CU_ASSERT_EQUAL(((char *)second.host)[77], 2);
    mmb_file_backend.unmap(backend, &second);
    CU_ASSERT_EQUAL(size_of(name), 1 << 20);
    mmb_file_backend.close(backend);
}

static void test_file_of_a_size_is_bounded(void)
{
    struct mmb_backend *backend = must_open(directory, 64 << 10, false);
    struct mmb_memory memory = must_map(backend, 64 << 10), more;
    CU_ASSERT_EQUAL(backend->bounded, 64 << 10);
    CU_ASSERT_EQUAL(mmb_file_backend.map(backend, 1, 1, 0, &more), MMB_OUT_OF_MEMORY);
    mmb_file_backend.unmap(backend, &memory);
    memory = must_map(backend, 64 << 10);
    mmb_file_backend.unmap(backend, &memory);
    mmb_file_backend.close(backend);
}

static void test_file_refuses_paths(void)
{
    char missing[128], below_a_file[128];
    snprintf(missing, sizeof missing, "%s/none/data", directory);
    CU_ASSERT_TRUE_FATAL(close(open(name, O_CREAT | O_WRONLY, 0600)) == 0);
    snprintf(below_a_file, sizeof below_a_file, "%s/data", name);
    const struct {
        const char *path;
        mmbError error;
    } rows[] = {{NULL, MMB_INVALID_ARG},  {"", MMB_INVALID_ARG},
                {missing, MMB_NOT_FOUND}, {below_a_file, MMB_NOT_FOUND},
                {name, MMB_EXISTS},       {"/proc/mmb-cannot-be", MMB_NOT_FOUND}};
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        struct mmb_backend *backend = NULL;
        mmbError error = open_file(rows[i].path, 0, false, &backend);
        SUITE_CHECK(error == rows[i].error, "row %zu: %s: %s", i, mmb_error_name(error),
                    mmb_error_detail());
        CU_ASSERT_PTR_NULL(backend);
    }
    CU_ASSERT_EQUAL(size_of(name), 0);
}

static void test_file_refuses_options(void)
{
    const mmbBackendOptions rows[] = {
        {.file = {.path = directory, .bytes = 100}},
        {.file = {.path = directory, .header_bytes = 1}},
        {.file = {.path = directory, .id = 1}},
    };
    for (size_t i = 0; i < N_ROWS(rows); i++) {
        struct mmb_backend *backend = NULL;
        const struct mmb_backend_request request = {.options = &rows[i], .domain = -1};
        SUITE_CHECK(mmb_file_backend.open(&request, &backend) == MMB_INVALID_ARG, "row %zu", i);
    }
}

static int open_without_rights(void *argument)
{
    struct mmb_backend *backend = NULL;
    (void)argument;
    if (chmod(directory, 0500) != 0 || (getuid() == 0 && setuid(65534) != 0))
        return 100;
    return (int)open_file(directory, 0, false, &backend);
}

static void test_file_needs_rights(void)
{
    struct suite_child child = suite_run_child(open_without_rights, NULL, 20);
    CU_ASSERT_TRUE(child.exited);
    CU_ASSERT_EQUAL(child.code, MMB_PERMISSION);
}

/* ---- a full disk ---- */

/* A disk of 1 MiB that only this process sees. Every byte that was handed out is written to: a page
 * without space behind it would be a SIGBUS. 77: such a disk cannot be had here. */
static int fill_disk(void *argument)
{
    bool keep = *(bool *)argument;
    struct mmb_backend *backend = NULL;
    struct mmb_memory memory[64];
    size_t n = 0;
    mmbError error = MMB_OK;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("disk", directory, "tmpfs", 0, "size=1m") != 0)
        return 77;
    if (open_file(directory, 0, keep, &backend) != MMB_OK)
        return 1;
    while (n < 64 &&
           (error = mmb_file_backend.map(backend, 100000, 100000, 0, &memory[n])) == MMB_OK)
        n++;
    if (error != MMB_OUT_OF_MEMORY || n < 8)
        return 2;
    for (size_t i = 0; i < n; i++)
        memset(memory[i].host, 1, memory[i].n_bytes);
    mmb_file_backend.unmap(backend, &memory[0]);
    return mmb_file_backend.map(backend, 100000, 100000, 0, &memory[0]) == MMB_OK ? 0 : 3;
}

static void test_file_full_disk_is_an_error_at_once(void)
{
    for (int keep = 0; keep < 2; keep++) {
        bool is_kept = keep;
        struct suite_child child = suite_run_child(fill_disk, &is_kept, 30);
        if (child.exited && child.code == 77) {
            suite_skip("no disk of its own for a test here");
            return;
        }
        SUITE_CHECK(child.exited && child.code == 0, "keep %d: exited %d, code %d", keep,
                    child.exited, child.code);
    }
}

/* ---- through the library ---- */

static void test_file_interface_over_a_drive(void)
{
    mmbMemSpace *space = NULL;
    mmbMemInterface *interface = NULL;
    mmbAllocation *block = NULL;
    mmbMemInterfaceConfig config = MMB_MEMINTERFACE_CONFIG_DEFAULT;
    config.backend = MMB_BACKEND_FILE;
    config.backend_opts.file.path = directory;
    control_open();
    CU_ASSERT_EQUAL_FATAL(mmb_register_memory(MMB_SSD, MMB_CPU, NULL, &space), MMB_OK);
    SUITE_CHECK(mmb_create_interface(space, &config, &interface) == MMB_OK, "%s",
                mmb_error_detail());
    CU_ASSERT_EQUAL_FATAL(mmb_allocate(300000, interface, &block), MMB_OK);
    memset(MMB_PTR(block, char), 1, 300000);
    for (int advice = MMB_ADVISE_NORMAL; advice <= MMB_ADVISE_HUGE_PAGES; advice++) {
        mmbError error = mmb_advise(block, 0, 300000, (mmbAdvice)advice);
        SUITE_CHECK(error == MMB_OK || error == MMB_UNSUPPORTED, "advice %d: %s", advice,
                    mmb_error_detail());
    }
    CU_ASSERT_EQUAL(mmb_free(block), MMB_OK);
    control_close();
}

MMB_SUITE_WITH("layers/file", set_up, tear_down, T(test_file_without_a_name_leaves_nothing),
               T(test_file_that_is_kept_has_the_bytes), T(test_file_kept_in_a_directory_has_a_name),
               T(test_file_gives_space_back), T(test_file_of_a_size_is_bounded),
               T(test_file_refuses_paths), T(test_file_refuses_options), T(test_file_needs_rights),
               T(test_file_full_disk_is_an_error_at_once), T(test_file_interface_over_a_drive))
