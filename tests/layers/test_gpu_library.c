/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: a runtime's library is looked for under its name and then under others, a
 * file that the user named alone; what it lacks is told, unless it can be done without. libm stands
 * in for a runtime. */
#include "layers/gpu/library.h"
#include <mmb.h>
#include <stdlib.h>
#include <string.h>
#include "tests/support/suite.h"

#define VARIABLE "MMB_TEST_RUNTIME_LIBRARY"

static double (*root)(double);
static void *missing;

static int count(int *out_n_devices, const char **out_what)
{
    *out_what = "sqrt";
    *out_n_devices = (int)root(9);
    return 0;
}

static const char *text(int code, char out[MMB_GPU_TEXT_BYTES])
{
    return mmb_gpu_text(out, code, NULL, NULL);
}

static struct mmb_gpu_library make(const char *file, const char *const *others)
{
    static const struct mmb_gpu_symbol symbols[] = {{"sqrt", &root, false},
                                                    {"no_such_function", &missing, true}};
    root = NULL;
    missing = &root;
    return (struct mmb_gpu_library){.backend = "test",
                                    .variable = VARIABLE,
                                    .file = file,
                                    .others = others,
                                    .symbols = symbols,
                                    .n_symbols = 2,
                                    .count = count,
                                    .error_text = text,
                                    .mutex = MMB_MUTEX_INIT};
}

static void tear_down(void)
{
    unsetenv(VARIABLE);
}

static void test_library_is_found_under_another_name(void)
{
    static const char *const others[] = {"libmmb-nowhere.so.2", "libm.so.6", NULL};
    struct mmb_gpu_library library = make("libmmb-nowhere.so.1", others);
    size_t n_devices = 0;
    CU_ASSERT_EQUAL_FATAL(mmb_gpu_library_load(&library, &n_devices), MMB_OK);
    CU_ASSERT_EQUAL(n_devices, 3);
}

static void test_library_that_is_nowhere_is_told_by_its_first_name(void)
{
    static const char *const others[] = {"libmmb-nowhere.so.2", NULL};
    struct mmb_gpu_library library = make("libmmb-nowhere.so.1", others);
    size_t n_devices = 7;
    CU_ASSERT_EQUAL(mmb_gpu_library_load(&library, &n_devices), MMB_UNSUPPORTED);
    SUITE_CHECK(strstr(mmb_error_detail(), "libmmb-nowhere.so.1"), "%s", mmb_error_detail());
    CU_ASSERT_EQUAL(n_devices, 7);
}

static void test_library_that_the_user_named_is_taken_alone(void)
{
    static const char *const others[] = {"libm.so.6", NULL};
    struct mmb_gpu_library library = make("libm.so.6", others);
    size_t n_devices;
    setenv(VARIABLE, "/nowhere/libmine.so", 1);
    CU_ASSERT_EQUAL(mmb_gpu_library_load(&library, &n_devices), MMB_UNSUPPORTED);
    SUITE_CHECK(strstr(mmb_error_detail(), "/nowhere/libmine.so"), "%s", mmb_error_detail());
}

static void test_library_may_lack_what_is_optional(void)
{
    struct mmb_gpu_library library = make("libm.so.6", NULL);
    size_t n_devices = 0;
    CU_ASSERT_EQUAL(mmb_gpu_library_load(&library, &n_devices), MMB_OK);
    CU_ASSERT_PTR_NULL(missing);
    struct mmb_gpu_symbol mandatory[] = {{"sqrt", &root, false},
                                         {"no_such_function", &missing, false}};
    library = make("libm.so.6", NULL);
    library.symbols = mandatory;
    CU_ASSERT_EQUAL(mmb_gpu_library_load(&library, &n_devices), MMB_UNSUPPORTED);
    SUITE_CHECK(strstr(mmb_error_detail(), "no_such_function"), "%s", mmb_error_detail());
}

MMB_SUITE_WITH("layers/gpu_library_files", NULL, tear_down,
               T(test_library_is_found_under_another_name),
               T(test_library_that_is_nowhere_is_told_by_its_first_name),
               T(test_library_that_the_user_named_is_taken_alone),
               T(test_library_may_lack_what_is_optional))
