/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices, contexts and errors of OpenCL (native.h). Owns the contexts for programs that bring
 * none: one per device, for as long as an interface uses it, because copies from buffer to buffer
 * work within one context only. A mutex of its own guards them; no other lock is taken inside it.
 *
 * The library is linked to the ICD loader, which loads no driver before its first call. */
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include "layers/opencl/native.h"
#include <stdio.h>
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/lock.h"
#include "src/base/meta.h"

#define PLATFORMS_MAX 32u
#define DEVICES_MAX   64u
/* Fills, markers and barriers with lists came with it. */
#define VERSION_MIN 120u

/* ---- errors ---- */

static const struct {
    cl_int code;
    const char *name;
} names[] = {
    {CL_DEVICE_NOT_FOUND, "CL_DEVICE_NOT_FOUND"},
    {CL_DEVICE_NOT_AVAILABLE, "CL_DEVICE_NOT_AVAILABLE"},
    {CL_MEM_OBJECT_ALLOCATION_FAILURE, "CL_MEM_OBJECT_ALLOCATION_FAILURE"},
    {CL_OUT_OF_RESOURCES, "CL_OUT_OF_RESOURCES"},
    {CL_OUT_OF_HOST_MEMORY, "CL_OUT_OF_HOST_MEMORY"},
    {CL_MEM_COPY_OVERLAP, "CL_MEM_COPY_OVERLAP"},
    {CL_MISALIGNED_SUB_BUFFER_OFFSET, "CL_MISALIGNED_SUB_BUFFER_OFFSET"},
    {CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST"},
    {CL_MAP_FAILURE, "CL_MAP_FAILURE"},
    {CL_INVALID_VALUE, "CL_INVALID_VALUE"},
    {CL_INVALID_DEVICE_TYPE, "CL_INVALID_DEVICE_TYPE"},
    {CL_INVALID_PLATFORM, "CL_INVALID_PLATFORM"},
    {CL_INVALID_DEVICE, "CL_INVALID_DEVICE"},
    {CL_INVALID_CONTEXT, "CL_INVALID_CONTEXT"},
    {CL_INVALID_QUEUE_PROPERTIES, "CL_INVALID_QUEUE_PROPERTIES"},
    {CL_INVALID_COMMAND_QUEUE, "CL_INVALID_COMMAND_QUEUE"},
    {CL_INVALID_HOST_PTR, "CL_INVALID_HOST_PTR"},
    {CL_INVALID_MEM_OBJECT, "CL_INVALID_MEM_OBJECT"},
    {CL_INVALID_EVENT, "CL_INVALID_EVENT"},
    {CL_INVALID_EVENT_WAIT_LIST, "CL_INVALID_EVENT_WAIT_LIST"},
    {CL_INVALID_OPERATION, "CL_INVALID_OPERATION"},
    {CL_INVALID_BUFFER_SIZE, "CL_INVALID_BUFFER_SIZE"},
    {CL_INVALID_PROPERTY, "CL_INVALID_PROPERTY"},
    {-1001, "CL_PLATFORM_NOT_FOUND_KHR"},
};

const char *mmb_opencl_error_text(char text[MMB_OPENCL_TEXT_BYTES], cl_int code)
{
    const char *name = "OpenCL error";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].code == code)
            name = names[i].name;
    snprintf(text, MMB_OPENCL_TEXT_BYTES, "%s (%d)", name, (int)code);
    return text;
}

static mmbError kind_of(cl_int code)
{
    switch (code) {
    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
    case CL_OUT_OF_RESOURCES:
    case CL_OUT_OF_HOST_MEMORY:
    case CL_INVALID_BUFFER_SIZE:
        return MMB_OUT_OF_MEMORY;
    default:
        return MMB_ERROR;
    }
}

mmbError mmb_opencl_fail(cl_int code, const char *what, size_t n_bytes)
{
    return mmb_fail(kind_of(code), "opencl backend: %s of %zu B: %s", what, n_bytes,
                    mmb_opencl_error_text((char[MMB_OPENCL_TEXT_BYTES]){0}, code));
}

/* ---- devices ---- */

static mmbError list_platforms(cl_platform_id platforms[PLATFORMS_MAX], cl_uint *out_n)
{
    cl_int code = clGetPlatformIDs(PLATFORMS_MAX, platforms, out_n);
    if (code == CL_SUCCESS && *out_n == 0)
        code = -1001;
    if (code != CL_SUCCESS)
        return mmb_fail(MMB_UNSUPPORTED, "opencl backend: clGetPlatformIDs: %s",
                        mmb_opencl_error_text((char[MMB_OPENCL_TEXT_BYTES]){0}, code));
    if (*out_n > PLATFORMS_MAX)
        *out_n = PLATFORMS_MAX;
    return MMB_OK;
}

/* The n-th device of a type over all platforms, or NULL. */
static cl_device_id find_device(const cl_platform_id *platforms, cl_uint n_platforms,
                                cl_device_type type, size_t n)
{
    for (cl_uint i = 0; i < n_platforms; i++) {
        cl_device_id devices[DEVICES_MAX];
        cl_uint count = 0;
        if (clGetDeviceIDs(platforms[i], type, DEVICES_MAX, devices, &count) != CL_SUCCESS)
            continue;
        if (count > DEVICES_MAX)
            count = DEVICES_MAX;
        if (n < count)
            return devices[n];
        n -= count;
    }
    return NULL;
}

/* number -1: the first GPU, else the first accelerator, else the first CPU. */
static mmbError choose_device(int number, cl_device_id *out)
{
    static const cl_device_type types[] = {CL_DEVICE_TYPE_GPU, CL_DEVICE_TYPE_ACCELERATOR,
                                           CL_DEVICE_TYPE_CPU};
    cl_platform_id platforms[PLATFORMS_MAX];
    cl_uint n_platforms = 0;
    mmbError error = list_platforms(platforms, &n_platforms);
    if (error != MMB_OK)
        return error;
    size_t n_types = number < 0 ? sizeof types / sizeof types[0] : 1;
    cl_device_id device = NULL;
    for (size_t i = 0; i < n_types && !device; i++)
        device = find_device(platforms, n_platforms, types[i], number < 0 ? 0 : (size_t)number);
    if (!device && number >= 0)
        return mmb_fail(MMB_UNSUPPORTED, "opencl backend: there is no GPU number %d", number);
    if (!device)
        return mmb_fail(MMB_UNSUPPORTED, "opencl backend: %u platforms, but no device",
                        (unsigned int)n_platforms);
    *out = device;
    return MMB_OK;
}

mmbError mmb_opencl_list_gpus(cl_device_id *devices, size_t capacity, size_t *out_n_devices)
{
    cl_platform_id platforms[PLATFORMS_MAX];
    cl_uint n_platforms = 0;
    mmbError error = list_platforms(platforms, &n_platforms);
    if (error != MMB_OK)
        return error;
    size_t n = 0;
    while (n < capacity &&
           (devices[n] = find_device(platforms, n_platforms, CL_DEVICE_TYPE_GPU, n)) != NULL)
        n++;
    *out_n_devices = n;
    return MMB_OK;
}

bool mmb_opencl_gpu_number(cl_device_id device, int *out_number)
{
    cl_device_id gpus[DEVICES_MAX];
    size_t n_gpus = 0;
    cl_device_type type = 0;
    clGetDeviceInfo(device, CL_DEVICE_TYPE, sizeof type, &type, NULL);
    if (!(type & CL_DEVICE_TYPE_GPU) || mmb_opencl_list_gpus(gpus, DEVICES_MAX, &n_gpus) != MMB_OK)
        return false;
    for (size_t i = 0; i < n_gpus; i++)
        if (gpus[i] == device) {
            *out_number = (int)i;
            return true;
        }
    return false;
}

mmbError mmb_opencl_available(void)
{
    cl_device_id device;
    return choose_device(-1, &device);
}

/* ---- contexts of our own ---- */

struct own {
    struct mmb_list link;
    cl_device_id device;
    cl_context context;
    size_t n_users;
};

static struct mmb_mutex mutex = MMB_MUTEX_INIT;
static struct mmb_list own_contexts = MMB_LIST_INIT(own_contexts);

/* Mutex held. */
static struct own *find_own(cl_device_id device, cl_context context)
{
    MMB_LIST_FOR_EACH (node, &own_contexts) {
        struct own *own = MMB_CONTAINER_OF(node, struct own, link);
        if (own->device == device || own->context == context)
            return own;
    }
    return NULL;
}

/* Mutex held. */
static mmbError make_own(cl_device_id device, struct own **out)
{
    struct own *own = mmb_meta_alloc(sizeof *own);
    if (!own)
        return mmb_fail(MMB_OUT_OF_MEMORY, "opencl backend: no memory for its own data");
    cl_int code;
    own->context = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    if (!own->context) {
        mmb_meta_free(own, sizeof *own);
        return mmb_fail(MMB_UNSUPPORTED, "opencl backend: clCreateContext: %s",
                        mmb_opencl_error_text((char[MMB_OPENCL_TEXT_BYTES]){0}, code));
    }
    own->device = device;
    mmb_list_push_back(&own_contexts, &own->link);
    *out = own;
    return MMB_OK;
}

static mmbError use_own(cl_device_id device, cl_context *out)
{
    mmbError error = MMB_OK;
    mmb_mutex_lock(&mutex);
    struct own *own = find_own(device, NULL);
    if (!own)
        error = make_own(device, &own);
    if (error == MMB_OK) {
        own->n_users++;
        *out = own->context;
    }
    mmb_mutex_unlock(&mutex);
    return error;
}

static void unuse_own(cl_context context)
{
    mmb_mutex_lock(&mutex);
    struct own *own = find_own(NULL, context);
    if (--own->n_users == 0) {
        mmb_list_remove(&own->link);
        clReleaseContext(own->context);
        mmb_meta_free(own, sizeof *own);
    }
    mmb_mutex_unlock(&mutex);
}

/* ---- versions ---- */

/* 120 of "OpenCL 1.2 something"; 0: the device says none. Functions of a later version than the
 * driver has are not there behind the loader: calling one ends the program. */
static unsigned int version_of(cl_device_id device)
{
    char text[128] = "";
    unsigned int major = 0, minor = 0;
    clGetDeviceInfo(device, CL_DEVICE_VERSION, sizeof text - 1, text, NULL);
    return sscanf(text, "OpenCL %u.%u", &major, &minor) == 2 ? major * 100 + minor * 10 : 0;
}

static mmbError check_version(cl_device_id device)
{
    unsigned int version = version_of(device);
    if (version >= VERSION_MIN)
        return MMB_OK;
    return mmb_fail(MMB_UNSUPPORTED,
                    "opencl backend: the device has OpenCL %u.%u, and 1.2 is the least",
                    version / 100, version % 100 / 10);
}

cl_command_queue mmb_opencl_new_queue(cl_context context, cl_device_id device, cl_int *out_code)
{
    if (version_of(device) < 200)
        return clCreateCommandQueue(context, device, 0, out_code);
    return clCreateCommandQueueWithProperties(context, device, NULL, out_code);
}

/* ---- the objects of an interface ---- */

static mmbError fail_object(cl_int code, const char *what)
{
    return mmb_fail(MMB_INVALID_ARG, "opencl backend: the options' %s: %s", what,
                    mmb_opencl_error_text((char[MMB_OPENCL_TEXT_BYTES]){0}, code));
}

/* What a queue belongs to; both outputs may hold the caller's wish. */
static mmbError read_queue(cl_command_queue queue, struct mmb_opencl_objects *objects)
{
    cl_context context;
    cl_device_id device;
    cl_int code = clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof context, &context, NULL);
    if (code == CL_SUCCESS)
        code = clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof device, &device, NULL);
    if (code != CL_SUCCESS)
        return fail_object(code, "queue");
    if ((objects->context && objects->context != context) ||
        (objects->device && objects->device != device))
        return mmb_fail(MMB_INVALID_ARG,
                        "opencl backend: the options' queue is of another context or device");
    objects->context = context;
    objects->device = device;
    return MMB_OK;
}

/* The first device of a context, or the wanted one if the context has it. */
static mmbError read_context(cl_context context, cl_device_id *device)
{
    cl_device_id devices[DEVICES_MAX];
    size_t n_bytes = 0;
    cl_int code = clGetContextInfo(context, CL_CONTEXT_DEVICES, sizeof devices, devices, &n_bytes);
    if (code != CL_SUCCESS)
        return fail_object(code, "context");
    for (size_t i = 0; i < n_bytes / sizeof devices[0]; i++) {
        if (*device && devices[i] != *device)
            continue;
        *device = devices[i];
        return MMB_OK;
    }
    return mmb_fail(MMB_INVALID_ARG, "opencl backend: the options' context has not that device");
}

/* Which objects are meant. Nothing is retained yet. */
static mmbError resolve(int number, struct mmb_opencl_objects *objects)
{
    mmbError error = MMB_OK;
    if (objects->queue)
        error = read_queue(objects->queue, objects);
    if (error != MMB_OK)
        return error;
    if (objects->context)
        return read_context(objects->context, &objects->device);
    return number >= 0 || !objects->device ? choose_device(number, &objects->device) : MMB_OK;
}

static mmbError take_context(struct mmb_opencl_objects *objects)
{
    objects->is_own_context = !objects->context;
    if (objects->is_own_context)
        return use_own(objects->device, &objects->context);
    cl_int code = clRetainContext(objects->context);
    return code == CL_SUCCESS ? MMB_OK : fail_object(code, "context");
}

static mmbError take_queue(struct mmb_opencl_objects *objects)
{
    cl_int code = CL_SUCCESS;
    if (objects->queue) {
        code = clRetainCommandQueue(objects->queue);
        return code == CL_SUCCESS ? MMB_OK : fail_object(code, "queue");
    }
    objects->queue = mmb_opencl_new_queue(objects->context, objects->device, &code);
    if (objects->queue)
        return MMB_OK;
    return mmb_fail(MMB_UNSUPPORTED, "opencl backend: clCreateCommandQueue: %s",
                    mmb_opencl_error_text((char[MMB_OPENCL_TEXT_BYTES]){0}, code));
}

static void release_context(const struct mmb_opencl_objects *objects)
{
    if (objects->is_own_context)
        unuse_own(objects->context);
    else
        clReleaseContext(objects->context);
}

mmbError mmb_opencl_objects_open(const struct mmbOpenCLOptions *options, int number,
                                 struct mmb_opencl_objects *out)
{
    struct mmb_opencl_objects objects = {options->context, options->queue, options->device, false};
    mmbError error = resolve(number, &objects);
    if (error == MMB_OK)
        error = check_version(objects.device);
    if (error == MMB_OK)
        error = take_context(&objects);
    if (error != MMB_OK)
        return error;
    error = take_queue(&objects);
    if (error != MMB_OK) {
        release_context(&objects);
        return error;
    }
    *out = objects;
    return MMB_OK;
}

void mmb_opencl_objects_close(struct mmb_opencl_objects *objects)
{
    clReleaseCommandQueue(objects->queue);
    release_context(objects);
}
