/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: what mmb_init does with this system and with a topology file: a file that
 * cannot be used is an error, never a silent fallback; nothing of hwloc stays behind. */
#include "config.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <mmb.h>
#include "src/core/discovery.h"
#include "src/core/layer.h"
#include "src/core/registry.h"
#include "tests/support/suite.h"

static char file_name[64];

/* What mmb_init_host says of a file is the same. */
static mmbError init_with(const char *path)
{
    mmbOptions options = MMB_OPTIONS_INIT;
    options.topology_xml = path;
    mmbError of_host = mmb_init_host(&options);
    if (of_host == MMB_OK)
        mmb_finalize();
    mmbError error = mmb_init(&options);
    SUITE_CHECK(of_host == error, "for the host alone: %s", mmb_error_name(of_host));
    return error;
}

static void set_up(void)
{
    unsetenv("MMB_TOPOLOGY_XML");
    file_name[0] = '\0';
}

static void tear_down(void)
{
    unsetenv("MMB_TOPOLOGY_XML");
    if (file_name[0])
        unlink(file_name);
    mmb_finalize();
}

#ifndef MMB_HAVE_HWLOC

/* covers: mmb_init MMB_UNSUPPORTED, mmb_init_host MMB_UNSUPPORTED */
static void test_discovery_that_is_not_built_in_refuses_files(void)
{
    CU_ASSERT_EQUAL(init_with("/dev/null"), MMB_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(mmb_error_detail(), "discovery"));
}

static void test_discovery_that_is_not_built_in_finds_nothing(void)
{
    CU_ASSERT_EQUAL_FATAL(mmb_init(NULL), MMB_OK);
    CU_ASSERT_EQUAL(mmb_layer_count(), 0);
}

MMB_SUITE_WITH("core/discovery", set_up, tear_down,
               T(test_discovery_that_is_not_built_in_refuses_files),
               T(test_discovery_that_is_not_built_in_finds_nothing))

#else

#include <dlfcn.h>
#include <hwloc.h>

/* A file with that text; the name is file_name. */
static void put_file(const char *text)
{
    const char *folder = getenv("TMPDIR");
    snprintf(file_name, sizeof file_name, "%.40s/mmb-xml-XXXXXX", folder ? folder : "/tmp");
    int fd = mkstemp(file_name);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* hwloc's own, with counts, and a load that can be told to fail. */
static int n_topologies, load_errnum;

static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        __builtin_trap();
    return found;
}

int hwloc_topology_init(hwloc_topology_t *topology)
{
    int (*real)(hwloc_topology_t *);
    *(void **)&real = next("hwloc_topology_init");
    n_topologies++;
    return real(topology);
}

void hwloc_topology_destroy(hwloc_topology_t topology)
{
    void (*real)(hwloc_topology_t);
    *(void **)&real = next("hwloc_topology_destroy");
    n_topologies--;
    real(topology);
}

int hwloc_topology_load(hwloc_topology_t topology)
{
    int (*real)(hwloc_topology_t);
    *(void **)&real = next("hwloc_topology_load");
    if (load_errnum) {
        errno = load_errnum;
        return -1;
    }
    return real(topology);
}

static const char *machine_path(const char *name)
{
    static char path[4096];
    const char *folder = getenv("MMB_SRCDIR");
    snprintf(path, sizeof path, "%s/tests/topology/%s.xml", folder ? folder : ".", name);
    return path;
}

/* covers: mmb_init MMB_NOT_FOUND, mmb_init_host MMB_NOT_FOUND */
static void test_discovery_refuses_a_missing_file(void)
{
    static const char *const paths[] = {"/nonexistent/machine.xml", "", "/dev/null/machine.xml"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        SUITE_CHECK(init_with(paths[i]) == MMB_NOT_FOUND, "\"%s\"", paths[i]);
        SUITE_CHECK(strstr(mmb_error_detail(), paths[i]), "\"%s\"", mmb_error_detail());
    }
    CU_ASSERT_EQUAL(n_topologies, 0);
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_NOT_INITIALIZED);
}

/* covers: mmb_init MMB_CORRUPT, mmb_init_host MMB_CORRUPT */
static void test_discovery_refuses_a_broken_file(void)
{
    static const char *const texts[] = {
        "",
        "not a topology\n",
        "<?xml version=\"1.0\"?>\n<topology version=\"2.0\">\n  <object type=\"Machine\"",
        "<?xml version=\"1.0\"?>\n<topology version=\"2.0\">\n</topology>\n",
        "<?xml version=\"1.0\"?>\n<html></html>\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        put_file(texts[i]);
        mmbError error = init_with(file_name);
        SUITE_CHECK(error == MMB_CORRUPT, "text %zu: %s", i, mmb_error_name(error));
        SUITE_CHECK(strstr(mmb_error_detail(), file_name), "\"%s\"", mmb_error_detail());
        unlink(file_name);
    }
    CU_ASSERT_EQUAL(n_topologies, 0);
    CU_ASSERT_EQUAL(mmb_finalize(), MMB_NOT_INITIALIZED);
}

/* The superuser may read everything, so somebody else asks. */
static int init_as_nobody(void *path)
{
    if (geteuid() == 0 && seteuid(65534) != 0)
        return 2;
    return init_with(path) == MMB_PERMISSION ? 0 : 1;
}

/* covers: mmb_init MMB_PERMISSION, mmb_init_host MMB_PERMISSION */
static void test_discovery_refuses_a_file_it_may_not_read(void)
{
    put_file("<topology/>\n");
    chmod(file_name, 0);
    struct suite_child child = suite_run_child(init_as_nobody, file_name, 20);
    CU_ASSERT(child.exited);
    CU_ASSERT_EQUAL(child.code, 0);
}

/* covers: mmb_init MMB_ERROR, mmb_init_host MMB_ERROR */
static void test_discovery_reports_what_hwloc_cannot_do(void)
{
    load_errnum = ENOSYS;
    mmbError error = mmb_init(NULL);
    CU_ASSERT_EQUAL(mmb_init_host(NULL), MMB_ERROR);
    load_errnum = 0;
    CU_ASSERT_EQUAL(error, MMB_ERROR);
    SUITE_CHECK(strstr(mmb_error_detail(), strerror(ENOSYS)), "\"%s\"", mmb_error_detail());
    CU_ASSERT_EQUAL(n_topologies, 0);
    CU_ASSERT_EQUAL(mmb_init(NULL), MMB_OK);
}

static void test_discovery_keeps_no_topology(void)
{
    CU_ASSERT_EQUAL_FATAL(mmb_init(NULL), MMB_OK);
    CU_ASSERT_EQUAL(n_topologies, 0);
}

static void test_discovery_reads_the_file_of_the_environment(void)
{
    mmbLayerInfo info = MMB_LAYER_INFO_INIT;
    setenv("MMB_TOPOLOGY_XML", machine_path("knl-mcdram"), 1);
    CU_ASSERT_EQUAL_FATAL(mmb_init(NULL), MMB_OK);
    CU_ASSERT_EQUAL(mmb_layer_get_info(MMB_HBM, &info), MMB_OK);
    CU_ASSERT_EQUAL(info.total_bytes, (size_t)16 << 30);
    CU_ASSERT(info.discovered);
}

static void test_discovery_takes_an_empty_variable_for_none(void)
{
    setenv("MMB_TOPOLOGY_XML", "", 1);
    CU_ASSERT_EQUAL_FATAL(mmb_init(NULL), MMB_OK);
    CU_ASSERT(mmb_discovery_is_this_system());
}

static void test_discovery_prefers_the_option_to_the_environment(void)
{
    mmbLayerInfo info = MMB_LAYER_INFO_INIT;
    setenv("MMB_TOPOLOGY_XML", "/nonexistent", 1);
    CU_ASSERT_EQUAL_FATAL(init_with(machine_path("cxl")), MMB_OK);
    CU_ASSERT_EQUAL(mmb_layer_get_info(MMB_CXL, &info), MMB_OK);
    CU_ASSERT_EQUAL(info.domains, 3);
}

/* Environment variables of hwloc's own must not turn a named file into this system. */
static void test_discovery_never_takes_a_file_for_this_system(void)
{
    setenv("HWLOC_THISSYSTEM", "1", 1);
    CU_ASSERT_EQUAL_FATAL(init_with(machine_path("hbm-by-bandwidth")), MMB_OK);
    unsetenv("HWLOC_THISSYSTEM");
    CU_ASSERT_FALSE(mmb_discovery_is_this_system());
    mmb_finalize();
    CU_ASSERT_EQUAL_FATAL(mmb_init(NULL), MMB_OK);
    CU_ASSERT(mmb_discovery_is_this_system());
}

static void test_discovery_finds_this_systems_dram(void)
{
    CU_ASSERT_EQUAL_FATAL(mmb_init(NULL), MMB_OK);
    mmb_registry_lock();
    const struct mmb_layer *dram = mmb_layer_lookup(MMB_DRAM);
    CU_ASSERT(dram->discovered);
    size_t total = 0;
    for (size_t i = 0; i < dram->n_domains; i++) {
        const struct mmb_domain *domain = &dram->domains[i];
        SUITE_CHECK(domain->budget.capacity > 0 && domain->budget.capacity < domain->total_bytes,
                    "domain %zu can give %zu of %zu", i, domain->budget.capacity,
                    domain->total_bytes);
        total += domain->total_bytes;
    }
    CU_ASSERT(total > 0);
    CU_ASSERT_EQUAL(total, dram->total_bytes);
    mmb_registry_unlock();
}

MMB_SUITE_WITH("core/discovery", set_up, tear_down, T(test_discovery_refuses_a_missing_file),
               T(test_discovery_refuses_a_broken_file),
               T(test_discovery_refuses_a_file_it_may_not_read),
               T(test_discovery_reports_what_hwloc_cannot_do), T(test_discovery_keeps_no_topology),
               T(test_discovery_reads_the_file_of_the_environment),
               T(test_discovery_takes_an_empty_variable_for_none),
               T(test_discovery_prefers_the_option_to_the_environment),
               T(test_discovery_never_takes_a_file_for_this_system),
               T(test_discovery_finds_this_systems_dram))

#endif
