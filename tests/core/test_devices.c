/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: what hwloc saw of GPUs and what their runtimes say becomes one list, in which
 * every device stands once, with its runtime's size and numbers. The runtimes are the fakes, whose
 * devices lie at 0000:81:00.0 and the buses after it, and an OpenCL of this file. */
#include "src/core/devices.h"
#include <mmb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"
#include "src/core/layer.h"
#include "src/core/registry.h"
#include "tests/support/fakes.h"
#include "tests/support/suite.h"

#define MIB          ((size_t)1 << 20)
#define DEVICE_BYTES (64 * MIB)

/* ---- an OpenCL with GPUs, which PoCL has not ---- */

#ifdef MMB_HAVE_OPENCL
#include <fcntl.h>
#include <unistd.h>
#include <mmb/opencl.h>

static struct gpu {
    size_t total_bytes;
    bool is_unified;
    bool has_khr;
    cl_uint pci[4]; /* domain, bus, device, function */
    bool has_nv;
} gpus[3];
static cl_uint n_gpus;
static struct _cl_platform_id {
    int unused;
} platform;

cl_int clGetPlatformIDs(cl_uint capacity, cl_platform_id *out, cl_uint *n)
{
    if (out && capacity > 0)
        out[0] = (cl_platform_id)&platform;
    if (n)
        *n = 1;
    return CL_SUCCESS;
}

cl_int clGetDeviceIDs(cl_platform_id of, cl_device_type type, cl_uint capacity, cl_device_id *out,
                      cl_uint *n)
{
    (void)of;
    if (type != CL_DEVICE_TYPE_GPU || n_gpus == 0)
        return CL_DEVICE_NOT_FOUND;
    for (cl_uint i = 0; out && i < capacity && i < n_gpus; i++)
        out[i] = (cl_device_id)(void *)&gpus[i];
    *n = n_gpus;
    return CL_SUCCESS;
}

/* The system shows a GPU: without one OpenCL is not asked. */
int access(const char *path, int mode)
{
    return strcmp(path, "/dev/kfd") == 0 ? 0 : faccessat(AT_FDCWD, path, mode, 0);
}

static cl_int give(const void *value, size_t n_bytes, size_t capacity, void *out, size_t *n)
{
    if (capacity < n_bytes)
        return CL_INVALID_VALUE;
    memcpy(out, value, n_bytes);
    if (n)
        *n = n_bytes;
    return CL_SUCCESS;
}

cl_int clGetDeviceInfo(cl_device_id device, cl_device_info name, size_t capacity, void *out,
                       size_t *n)
{
    const struct gpu *gpu = (const struct gpu *)(void *)device;
    const cl_ulong n_bytes = gpu->total_bytes;
    const cl_bool is_unified = gpu->is_unified;
    const cl_uint slot = gpu->pci[2] << 3 | gpu->pci[3];
    if (name == CL_DEVICE_GLOBAL_MEM_SIZE)
        return give(&n_bytes, sizeof n_bytes, capacity, out, n);
    if (name == CL_DEVICE_HOST_UNIFIED_MEMORY)
        return give(&is_unified, sizeof is_unified, capacity, out, n);
    if (name == 0x410f && gpu->has_khr)
        return give(gpu->pci, sizeof gpu->pci, capacity, out, n);
    if (name == 0x4008 && gpu->has_nv)
        return give(&gpu->pci[1], sizeof gpu->pci[1], capacity, out, n);
    if (name == 0x4009 && gpu->has_nv)
        return give(&slot, sizeof slot, capacity, out, n);
    return CL_INVALID_VALUE;
}
#endif

/* ---- a machine ---- */

static bool has(mmbExecutionContext context)
{
    for (size_t i = 0; mmb_builtin_device_probes[i]; i++)
        if (mmb_builtin_device_probes[i]->context == context)
            return true;
    return false;
}

static bool has_fakes(void)
{
    bool is_here = has(MMB_GPU_CUDA) && has(MMB_GPU_HIP) && fakes_cuda();
    if (!is_here)
        suite_skip("the fakes of CUDA and HIP are not built");
    return is_here;
}

static struct mmb_machine make(struct mmb_probe_domain *seen, size_t n_seen, bool is_this_system)
{
    const struct mmb_probe_report report = {seen, n_seen, n_seen, is_this_system, false};
    struct mmb_machine machine = {NULL, 0, 0};
    CU_ASSERT_EQUAL_FATAL(mmb_machine_make(&report, &machine), MMB_OK);
    return machine;
}

struct row {
    int os_index;
    size_t total_bytes;
    int cuda, hip;
};

static void check(const char *what, struct mmb_machine *machine, const struct row *rows,
                  size_t n_rows)
{
    size_t first = 0;
    while (first < machine->n_domains && machine->domains[first].layer != MMB_GDRAM)
        first++;
    SUITE_CHECK(machine->n_domains - first == n_rows, "%s: %zu devices, not %zu", what,
                machine->n_domains - first, n_rows);
    for (size_t i = 0; i < n_rows && first + i < machine->n_domains; i++) {
        const struct mmb_probe_domain *domain = &machine->domains[first + i];
        SUITE_CHECK(
            domain->os_index == rows[i].os_index && domain->total_bytes == rows[i].total_bytes &&
                domain->numbers.by[MMB_GPU_CUDA] == rows[i].cuda &&
                domain->numbers.by[MMB_GPU_HIP] == rows[i].hip,
            "%s: device %zu is number %d of %zu B, cuda %d, hip %d", what, i, domain->os_index,
            domain->total_bytes, domain->numbers.by[MMB_GPU_CUDA], domain->numbers.by[MMB_GPU_HIP]);
    }
    mmb_machine_free(machine);
}

static void set_up(void)
{
    fakes_use();
#ifdef MMB_HAVE_OPENCL
    n_gpus = 0;
#endif
}

static void tear_down(void)
{
    while (mmb_finalize() == MMB_OK)
        continue;
    unsetenv("HWLOC_XMLFILE");
    unsetenv("HWLOC_THISSYSTEM");
}

/* ---- CUDA and HIP ---- */

static void test_devices_that_hwloc_did_not_see_are_added(void)
{
    static const struct row rows[] = {{0, DEVICE_BYTES, 0, 0}, {1, DEVICE_BYTES, 1, 1}};
    struct mmb_probe_domain dram = {.layer = MMB_DRAM, .total_bytes = 1};
    if (!has_fakes())
        return;
    struct mmb_machine machine = make(&dram, 1, true);
    CU_ASSERT_EQUAL(machine.domains[0].layer, MMB_DRAM);
    check("none seen", &machine, rows, 2);
}

/* The size is the runtime's; a node and a device of the same id are one; letters and the digits of
 * the domain may be written otherwise. */
static void test_devices_are_matched_by_pci_id(void)
{
    static const struct row rows[] = {
        {0, DEVICE_BYTES, 0, 0}, {1, DEVICE_BYTES, 1, 1}, {7, 5, -1, -1}};
    struct mmb_probe_domain seen[] = {
        {.layer = MMB_GDRAM, .os_index = 0, .total_bytes = 9, .pci_id = "0000:82:00.0"},
        {.layer = MMB_GDRAM, .os_index = 7, .total_bytes = 5, .pci_id = "0000:0A:00.0"},
        {.layer = MMB_GDRAM, .os_index = 1, .total_bytes = 9, .pci_id = "00000000:81:00.0"},
    };
    if (!has_fakes())
        return;
    struct mmb_machine machine = make(seen, 3, true);
    check("three seen", &machine, rows, 3);
}

/* hwloc's plug-in gave the number, but the bus is hidden. */
static void test_devices_without_pci_id_are_matched_by_number(void)
{
    static const struct row rows[] = {{0, DEVICE_BYTES, 0, 0}, {1, DEVICE_BYTES, 1, 1}};
    struct mmb_probe_domain seen = {
        .layer = MMB_GDRAM, .os_index = 1, .total_bytes = 9, .numbered_by = MMB_GPU_CUDA};
    if (!has_fakes())
        return;
    struct mmb_machine machine = make(&seen, 1, true);
    check("one seen", &machine, rows, 2);
}

static void test_devices_of_another_machine_are_left_alone(void)
{
    struct mmb_probe_domain seen = {.layer = MMB_GDRAM, .os_index = 3, .total_bytes = 9};
    struct mmb_machine machine = make(&seen, 1, false);
    CU_ASSERT_EQUAL(machine.n_domains, 1);
    CU_ASSERT_EQUAL(machine.domains[0].numbers.asked, 0);
    CU_ASSERT_EQUAL(machine.domains[0].total_bytes, 9);
    mmb_machine_free(&machine);
}

static int list_without_the_integrated(void *unused)
{
    struct mmb_probe_report nothing = {NULL, 0, 0, true, false};
    struct mmb_machine machine;
    (void)unused;
    setenv("MMB_FAKE_CUDA_INTEGRATED", "0", 1);
    setenv("MMB_HIP_LIBRARY", "/nowhere", 1);
    if (mmb_machine_make(&nothing, &machine) != MMB_OK || machine.n_domains != 1)
        return 1;
    return machine.domains[0].os_index == 1 && machine.domains[0].numbers.by[MMB_GPU_HIP] == -1 ? 0
                                                                                                : 2;
}

static void test_devices_without_memory_of_their_own_are_left_out(void)
{
    if (!has_fakes())
        return;
    struct suite_child child = suite_run_child(list_without_the_integrated, NULL, 60);
    SUITE_CHECK(child.exited && child.code == 0, "%d", child.code);
}

/* ---- OpenCL ---- */

#ifdef MMB_HAVE_OPENCL
#include "layers/opencl/opencl.h"

static const struct gpu discrete = {.total_bytes = 77 * MIB, .has_khr = true, .pci = {0, 0x82}},
                        integrated = {.total_bytes = 99 * MIB, .is_unified = true},
                        by_vendor = {.total_bytes = 88 * MIB, .has_nv = true, .pci = {0, 9, 3, 1}},
                        nowhere = {.total_bytes = 55 * MIB};

static void test_devices_of_opencl_are_gpus_with_memory_of_their_own(void)
{
    struct mmb_probe_device devices[3];
    size_t n = 0;
    gpus[0] = integrated;
    gpus[1] = discrete;
    gpus[2] = by_vendor;
    n_gpus = 3;
    CU_ASSERT_EQUAL(mmb_opencl_probe.list(devices, 3, &n), MMB_OK);
    CU_ASSERT_EQUAL_FATAL(n, 2);
    CU_ASSERT_TRUE(devices[0].number == 1 && devices[0].total_bytes == 77 * MIB);
    CU_ASSERT_STRING_EQUAL(devices[0].pci_id, "0000:82:00.0");
    CU_ASSERT_TRUE(devices[1].number == 2 && devices[1].total_bytes == 88 * MIB);
    CU_ASSERT_STRING_EQUAL(devices[1].pci_id, "0000:09:03.1");
}

static void test_devices_of_opencl_are_matched_to_those_of_cuda(void)
{
    struct mmb_probe_domain none = {.layer = MMB_DRAM, .total_bytes = 1};
    if (!has_fakes())
        return;
    gpus[0] = nowhere;
    gpus[1] = discrete;
    n_gpus = 2;
    struct mmb_machine machine = make(&none, 1, true);
    SUITE_CHECK(machine.n_domains == 3, "%zu domains", machine.n_domains);
    SUITE_CHECK(machine.domains[1].numbers.by[MMB_OPENCL] == -1 &&
                    machine.domains[2].numbers.by[MMB_OPENCL] == 1 &&
                    machine.domains[2].total_bytes == DEVICE_BYTES,
                "%d, %d", machine.domains[1].numbers.by[MMB_OPENCL],
                machine.domains[2].numbers.by[MMB_OPENCL]);
    mmb_machine_free(&machine);
}

static int list_opencl_alone(void *unused)
{
    const struct mmb_probe_report nothing = {NULL, 0, 0, true, false};
    struct mmb_machine machine;
    (void)unused;
    setenv("MMB_CUDA_LIBRARY", "/nowhere", 1);
    setenv("MMB_HIP_LIBRARY", "/nowhere", 1);
    gpus[0] = nowhere;
    gpus[1] = discrete;
    n_gpus = 2;
    if (mmb_machine_make(&nothing, &machine) != MMB_OK || machine.n_domains != 2)
        return 1;
    return machine.domains[0].total_bytes == 55 * MIB &&
                   machine.domains[1].total_bytes == 77 * MIB &&
                   machine.domains[1].numbers.by[MMB_OPENCL] == 1
               ? 0
               : 2;
}

static void test_devices_of_opencl_count_where_it_is_the_only_one(void)
{
    struct suite_child child = suite_run_child(list_opencl_alone, NULL, 60);
    SUITE_CHECK(child.exited && child.code == 0, "%d", child.code);
}

#define OPENCL_TESTS                                                                               \
    T(test_devices_of_opencl_are_gpus_with_memory_of_their_own),                                   \
        T(test_devices_of_opencl_are_matched_to_those_of_cuda),
#define FIRST_OPENCL_TEST T(test_devices_of_opencl_count_where_it_is_the_only_one),
#else
#define OPENCL_TESTS
#define FIRST_OPENCL_TEST
#endif

/* ---- the whole way ---- */

/* A machine of a file that hwloc takes for this one, with both of the fake's devices in it, each
 * seen as a CUDA and an OpenCL device. */
static void test_devices_are_one_layer_with_a_domain_each(void)
{
#ifdef MMB_HAVE_HWLOC
    char path[4096];
    const char *folder = getenv("MMB_SRCDIR");
    mmbLayerInfo info = MMB_LAYER_INFO_INIT;
    if (!has_fakes())
        return;
    snprintf(path, sizeof path, "%s/tests/topology/fake-devices.xml", folder ? folder : ".");
    setenv("HWLOC_XMLFILE", path, 1);
    setenv("HWLOC_THISSYSTEM", "1", 1);
    mmbError error = mmb_init(NULL);
    SUITE_CHECK(error == MMB_OK, "%s", mmb_error_detail());
    CU_ASSERT_EQUAL(mmb_layer_get_info(MMB_GDRAM, &info), MMB_OK);
    CU_ASSERT_TRUE(info.discovered);
    SUITE_CHECK(info.domains == 3, "%zu domains", info.domains);
    SUITE_CHECK(info.total_bytes == 2 * DEVICE_BYTES + 4096 * MIB, "%zu B", info.total_bytes);
    mmbMemSpace *space = NULL;
    mmbSpaceInfo known = MMB_SPACE_INFO_INIT;
    CU_ASSERT_EQUAL_FATAL(mmb_request_space(MMB_GDRAM, MMB_GPU_CUDA, NULL, &space), MMB_OK);
    CU_ASSERT_EQUAL(mmb_space_get_info(space, &known), MMB_OK);
    SUITE_CHECK(known.limit == 2 * DEVICE_BYTES, "limit %zu: the third is none of CUDA's",
                known.limit);
#else
    suite_skip("discovery is not built in");
#endif
}

/* covers: mmb_create_interface MMB_UNSUPPORTED */
static void test_devices_serve_only_the_contexts_that_have_them(void)
{
#ifdef MMB_HAVE_HWLOC
    static const size_t sizes[] = {4 * MIB, 4 * MIB, 4 * MIB};
    char path[4096];
    const char *folder = getenv("MMB_SRCDIR");
    if (!has_fakes())
        return;
    snprintf(path, sizeof path, "%s/tests/topology/fake-devices.xml", folder ? folder : ".");
    setenv("HWLOC_XMLFILE", path, 1);
    setenv("HWLOC_THISSYSTEM", "1", 1);
    mmbError error = mmb_init(NULL);
    SUITE_CHECK(error == MMB_OK, "%s", mmb_error_detail());
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    config.size_opts.action = MMB_SIZE_SET;
    config.size_opts.is_numa_aware = true;
    config.size_opts.numa_sizes.d_size = 3;
    config.size_opts.numa_sizes.sizes = (size_t *)(uintptr_t)sizes;
    mmbMemSpace *space = NULL;
    mmbMemInterface *interface = NULL;
    CU_ASSERT_EQUAL_FATAL(mmb_create_space(MMB_GDRAM, MMB_GPU_CUDA, &config, &space), MMB_OK);
    CU_ASSERT_EQUAL(mmb_create_interface(space, NULL, &interface), MMB_UNSUPPORTED);
    SUITE_CHECK(strstr(mmb_error_detail(), "no device that CUDA has"), "%s", mmb_error_detail());
#else
    suite_skip("discovery is not built in");
#endif
}

/* A runtime is loaded once in a process: those that want another one in a child come first. */
MMB_SUITE_WITH("core/devices", set_up, tear_down,
               FIRST_OPENCL_TEST T(test_devices_without_memory_of_their_own_are_left_out),
               T(test_devices_that_hwloc_did_not_see_are_added),
               T(test_devices_are_matched_by_pci_id),
               T(test_devices_without_pci_id_are_matched_by_number),
               T(test_devices_of_another_machine_are_left_alone),
               OPENCL_TESTS T(test_devices_are_one_layer_with_a_domain_each),
               T(test_devices_serve_only_the_contexts_that_have_them))
