/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: what is called available is never more than what /proc, any cgroup above this
 * process, or its limits leave; read from files of our own below a folder that stands for "/". */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ftw.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "layers/host/cgroup.h"
#include "layers/host/host_memory.h"
#include "src/base/os.h"
#include "tests/support/suite.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

static char root[64];

static void set_up(void)
{
    const char *folder = getenv("TMPDIR");
    snprintf(root, sizeof root, "%.40s/mmb-test-XXXXXX", folder ? folder : "/tmp");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(root));
}

static int remove_one(const char *path, const struct stat *status, int flag, struct FTW *ftw)
{
    (void)status;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void tear_down(void)
{
    nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A file below the root, with the folders on the way to it. */
static void put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(text, file);
    fclose(file);
}

static void put_v2_mount(void)
{
    put("/proc/self/mountinfo",
        "22 1 254:0 / / rw - ext4 /dev/root rw\n"
        "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
    put("/proc/self/cgroup", "0::/outer/inner\n");
}

static void test_available_is_what_meminfo_says(void)
{
    put("/proc/meminfo", "MemTotal:       8000 kB\nMemFree: 1000 kB\nMemAvailable:   5000 kB\n");
    CU_ASSERT_EQUAL(mmb_host_memory_available_at(root), 5000 * KIB);
}

static void test_available_is_unknown_without_files(void)
{
    CU_ASSERT_EQUAL(mmb_host_memory_available_at(root), SIZE_MAX);
    CU_ASSERT_EQUAL(mmb_cgroup_available(root), SIZE_MAX);
}

static void test_available_takes_the_tightest_group_of_version_2(void)
{
    put("/proc/meminfo", "MemAvailable: 99999999 kB\n");
    put_v2_mount();
    put("/sys/fs/cgroup/memory.stat", "inactive_file 1\n");
    put("/sys/fs/cgroup/outer/memory.max", "104857600\n");
    put("/sys/fs/cgroup/outer/memory.current", "41943040\n");
    put("/sys/fs/cgroup/outer/inner/memory.max", "max\n");
    put("/sys/fs/cgroup/outer/inner/memory.current", "41943040\n");
    CU_ASSERT_EQUAL(mmb_host_memory_available_at(root), 60 * MIB);
    put("/sys/fs/cgroup/outer/inner/memory.max", "52428800\n");
    CU_ASSERT_EQUAL(mmb_host_memory_available_at(root), 10 * MIB);
}

static void test_available_counts_reclaimable_files_as_free(void)
{
    put_v2_mount();
    put("/sys/fs/cgroup/outer/memory.max", "104857600\n");
    put("/sys/fs/cgroup/outer/memory.current", "104857600\n");
    put("/sys/fs/cgroup/outer/memory.stat",
        "anon 83886080\nfile 20971520\ninactive_anon 0\ninactive_file 10485760\n");
    CU_ASSERT_EQUAL(mmb_cgroup_available(root), 10 * MIB);
}

static void test_available_is_nothing_over_the_limit(void)
{
    put_v2_mount();
    put("/sys/fs/cgroup/outer/memory.max", "1048576\n");
    put("/sys/fs/cgroup/outer/memory.current", "2097152\n");
    CU_ASSERT_EQUAL(mmb_cgroup_available(root), 0);
}

static void test_available_reads_version_1(void)
{
    put("/proc/self/mountinfo",
        "31 22 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
        "32 22 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
    put("/proc/self/cgroup", "3:cpu:/elsewhere\n2:name=memory:/no\n1:hugetlb,memory:/job\n0::/\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1048576\n");
    put("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "10485760\n");
    put("/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "4194304\n");
    put("/sys/fs/cgroup/memory/job/memory.stat",
        "inactive_file 4194304\ntotal_inactive_file 1048576\n");
    CU_ASSERT_EQUAL(mmb_cgroup_available(root), 7 * MIB);
}

/* A container sees its own group mounted at the top, under a path that it cannot see. */
static void test_available_follows_the_root_of_the_mount(void)
{
    put("/proc/self/mountinfo", "32 22 0:28 /docker/a\\040b /sys/fs/cgroup rw master:9 - cgroup "
                                "cgroup rw,memory\n");
    put("/proc/self/cgroup", "1:memory:/docker/a b/sub\n");
    put("/sys/fs/cgroup/memory.limit_in_bytes", "8388608\n");
    put("/sys/fs/cgroup/memory.usage_in_bytes", "0\n");
    CU_ASSERT_EQUAL(mmb_cgroup_available(root), 8 * MIB);
    put("/sys/fs/cgroup/sub/memory.limit_in_bytes", "1048576\n");
    put("/sys/fs/cgroup/sub/memory.usage_in_bytes", "0\n");
    CU_ASSERT_EQUAL(mmb_cgroup_available(root), 1 * MIB);
    put("/proc/self/cgroup", "1:memory:/../other\n");
    CU_ASSERT_EQUAL(mmb_cgroup_available(root), 8 * MIB);
}

static void test_available_survives_broken_files(void)
{
    static const char *const texts[] = {
        "", "\n", "nonsense", " - ", "1 2 3 - cgroup2", "1 2 3 / /c rw - cgroup2 x rw\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        put("/proc/self/mountinfo", texts[i]);
        put("/proc/self/cgroup", i % 2 ? "::" : "0::");
        put("/c/memory.max", "12x4\n");
        put("/c/memory.current", "");
        size_t available = mmb_cgroup_available(root);
        SUITE_CHECK(available == SIZE_MAX || available == 12, "text %zu: %zu", i, available);
    }
}

static void test_available_reads_lines_longer_than_its_buffer(void)
{
    char text[9000];
    memset(text, 'x', sizeof text);
    strcpy(text + 8000, "\nMemAvailable: 7 kB\n");
    put("/proc/meminfo", text);
    CU_ASSERT_EQUAL(mmb_host_memory_available_at(root), 7 * KIB);
}

static int check_address_space_limit(void *unused)
{
    (void)unused;
    struct rlimit limit;
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = 64 * MIB;
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return 2;
    return mmb_host_memory_available() <= 64 * MIB ? 0 : 1;
}

static void test_available_keeps_to_the_address_space_limit(void)
{
    struct suite_child child = suite_run_child(check_address_space_limit, NULL, 10);
    CU_ASSERT(child.exited);
    CU_ASSERT_EQUAL(child.code, 0);
}

static void test_available_of_this_system_is_less_than_its_memory(void)
{
    size_t total = (size_t)sysconf(_SC_PHYS_PAGES) * mmb_os_page_bytes();
    size_t available = mmb_host_memory_available();
    SUITE_CHECK(available > 0 && available < total, "%zu of %zu", available, total);
}

static const char two_nodes[] = "Node 0, zone      DMA\n"
                                "  per-node stats\n"
                                "      nr_inactive_anon 5000\n"
                                "      nr_inactive_file 1000\n"
                                "      nr_active_file 600\n"
                                "      nr_slab_reclaimable 30\n"
                                "  pages free     500\n"
                                "        boost    0\n"
                                "        min      10\n"
                                "        low      20\n"
                                "        high     30\n"
                                "  pagesets\n"
                                "    cpu: 0\n"
                                "              count: 9\n"
                                "              high:  100000\n"
                                "Node 0, zone   Normal\n"
                                "  pages free     10000\n"
                                "        min      100\n"
                                "        low      200\n"
                                "        high     300\n"
                                "Node 1, zone   Normal\n"
                                "  pages free     10\n"
                                "        low      200\n"
                                "        high     300\n";

struct seen {
    size_t n_nodes;
    int os_index[4];
    size_t n_bytes[4];
};

static void see(void *user, int os_index, size_t available_bytes)
{
    struct seen *seen = user;
    CU_ASSERT_FATAL(seen->n_nodes < 4);
    seen->os_index[seen->n_nodes] = os_index;
    seen->n_bytes[seen->n_nodes++] = available_bytes;
}

static void test_node_available_adds_the_zones_of_the_node(void)
{
    struct seen seen = {0};
    put("/proc/zoneinfo", two_nodes);
    mmb_node_memory_each(root, see, &seen);
    CU_ASSERT_EQUAL_FATAL(seen.n_nodes, 2);
    CU_ASSERT_EQUAL(seen.os_index[0], 0);
    /* free 10500 - high 330, files 1600 - low 220, slab 30 - half of it */
    CU_ASSERT_EQUAL(seen.n_bytes[0], (10500 - 330 + 1600 - 220 + 15) * mmb_os_page_bytes());
    CU_ASSERT_EQUAL(seen.os_index[1], 1);
    CU_ASSERT_EQUAL(seen.n_bytes[1], 0);
}

static void test_node_available_is_unknown_without_files(void)
{
    struct seen seen = {0};
    mmb_node_memory_each(root, see, &seen);
    put("/proc/zoneinfo", "nonsense\npages free 7\nNode x, zone\n");
    mmb_node_memory_each(root, see, &seen);
    CU_ASSERT_EQUAL(seen.n_nodes, 0);
}

MMB_SUITE_WITH("layers/host_memory", set_up, tear_down, T(test_available_is_what_meminfo_says),
               T(test_available_is_unknown_without_files),
               T(test_available_takes_the_tightest_group_of_version_2),
               T(test_available_counts_reclaimable_files_as_free),
               T(test_available_is_nothing_over_the_limit), T(test_available_reads_version_1),
               T(test_available_follows_the_root_of_the_mount),
               T(test_available_survives_broken_files),
               T(test_available_reads_lines_longer_than_its_buffer),
               T(test_available_keeps_to_the_address_space_limit),
               T(test_available_of_this_system_is_less_than_its_memory),
               T(test_node_available_adds_the_zones_of_the_node),
               T(test_node_available_is_unknown_without_files))
