/* SPDX-License-Identifier: BSD-3-Clause */
/* HIP's runtime as a runtime of layers/gpu, and the four backends over it. Owns nothing; takes no
 * lock but the runtime's. A thread has a current device rather than a stack of contexts: it is set
 * for a call, and the caller's is set again after it. */
#include "layers/hip/hip.h"
#include <mmb/hip.h>
#include <string.h>
#include "layers/gpu/runtime.h"
#include "layers/hip/runtime.h"

_Static_assert(sizeof(struct mmbHipOptions) == sizeof(struct mmb_gpu_options) &&
                   offsetof(struct mmbHipOptions, device) ==
                       offsetof(struct mmb_gpu_options, device) &&
                   offsetof(struct mmbHipOptions, stream) ==
                       offsetof(struct mmb_gpu_options, stream),
               "both runtimes' options are read as one");

/* What rows may be apart on any device: hipDeviceAttributeMaxPitch, whose number changed. */
#define PITCH_MAX ((size_t)0x7fffffff)

static bool is_exhausted(int code)
{
    return code == hipErrorOutOfMemory;
}

static bool is_over(int code)
{
    return code == hipErrorDeinitialized || code == hipErrorContextIsDestroyed;
}

/* ---- devices ---- */

/* Whether a device's memory is the host's is an attribute whose number changed between releases, so
 * it is not asked for: what the runtime has, is taken. */
static int describe(int device, char pci_id[MMB_PCI_ID_BYTES], size_t *out_bytes)
{
    bool had_no_error = mmb_hip_has_no_error();
    hipError_t code = mmb_hip.p_hipDeviceGetPCIBusId(pci_id, MMB_PCI_ID_BYTES, device);
    if (code == hipSuccess)
        code = mmb_hip.p_hipDeviceTotalMem(out_bytes, device);
    mmb_hip_drop_error(had_no_error);
    return (int)code;
}

static int open_device(int device, void **out_context)
{
    (void)device;
    *out_context = NULL;
    return 0;
}

static void close_device(int device, void *context)
{
    (void)device;
    (void)context;
}

/* The state is the caller's device, and one bit: no error of his is waiting to be asked for. */
static int enter(int device, void *context, uintptr_t *state)
{
    int before = 0;
    (void)context;
    bool had_no_error = mmb_hip_has_no_error();
    hipError_t code = mmb_hip.p_hipGetDevice(&before);
    if (code == hipSuccess && before != device)
        code = mmb_hip.p_hipSetDevice(device);
    if (code != hipSuccess)
        mmb_hip_drop_error(had_no_error);
    *state = (uintptr_t)before << 1 | had_no_error;
    return (int)code;
}

static void leave(uintptr_t state)
{
    int now = -1, before = (int)(state >> 1);
    if (mmb_hip.p_hipGetDevice(&now) != hipSuccess || now != before)
        (void)mmb_hip.p_hipSetDevice(before);
    mmb_hip_drop_error(state & 1);
}

/* ---- memory ---- */

static int allocate(enum mmb_gpu_kind kind, size_t n_bytes, void **out)
{
    if (kind == MMB_GPU_HOST)
        return (int)mmb_hip.p_hipHostMalloc(out, n_bytes, hipHostMallocPortable);
    if (kind == MMB_GPU_MANAGED)
        return (int)mmb_hip.p_hipMallocManaged(out, n_bytes, hipMemAttachGlobal);
    return (int)mmb_hip.p_hipMalloc(out, n_bytes);
}

static int release(enum mmb_gpu_kind kind, void *start)
{
    return (int)(kind == MMB_GPU_HOST ? mmb_hip.p_hipHostFree(start) : mmb_hip.p_hipFree(start));
}

static int pin(void *start, size_t n_bytes)
{
    return (int)mmb_hip.p_hipHostRegister(start, n_bytes,
                                          hipHostRegisterPortable | hipHostRegisterMapped);
}

static int unpin(void *start)
{
    return (int)mmb_hip.p_hipHostUnregister(start);
}

/* ---- memory of other processes ---- */

_Static_assert(sizeof(hipIpcMemHandle_t) == MMB_IPC_HANDLE_BYTES, "a handle is carried whole");

static int name(void *start, unsigned char handle[MMB_IPC_HANDLE_BYTES])
{
    return (int)mmb_hip.p_hipIpcGetMemHandle((hipIpcMemHandle_t *)handle, start);
}

static int open_named(const unsigned char handle[MMB_IPC_HANDLE_BYTES], void **out)
{
    hipIpcMemHandle_t native;
    memcpy(&native, handle, sizeof native);
    return (int)mmb_hip.p_hipIpcOpenMemHandle(out, native, hipIpcMemLazyEnablePeerAccess);
}

static int close_named(void *start)
{
    return (int)mmb_hip.p_hipIpcCloseMemHandle(start);
}

static int measure(void *start, size_t *out_bytes)
{
    hipDeviceptr_t base = NULL;
    size_t n_bytes = 0;
    hipError_t code = mmb_hip.p_hipMemGetAddressRange(&base, &n_bytes, start);
    if (code == hipSuccess)
        *out_bytes = n_bytes - ((uintptr_t)start - (uintptr_t)base);
    return (int)code;
}

static bool is_gone(int code)
{
    return code == hipErrorInvalidHandle || code == hipErrorMapFailed ||
           code == hipErrorInvalidDevicePointer || code == hipErrorInvalidValue;
}

/* ---- streams ---- */

static int copy(void *to, const void *from, size_t n_bytes, void *stream)
{
    return (int)mmb_hip.p_hipMemcpyAsync(to, from, n_bytes, hipMemcpyDefault, stream);
}

static hipMemcpyKind kind_of(const struct mmb_gpu_box *box)
{
    if (box->to.is_host)
        return box->from.is_host ? hipMemcpyHostToHost : hipMemcpyDeviceToHost;
    return box->from.is_host ? hipMemcpyHostToDevice : hipMemcpyDeviceToDevice;
}

static hipError_t copy_rows(const struct mmb_gpu_box *box, uintptr_t to, uintptr_t from,
                            void *stream)
{
    hipError_t code = hipSuccess;
    for (size_t row = 0; row < box->n_rows && code == hipSuccess; row++)
        code = mmb_hip.p_hipMemcpyAsync((void *)(to + row * box->to.row_pitch),
                                        (const void *)(from + row * box->from.row_pitch),
                                        box->row_bytes, hipMemcpyDefault, stream);
    return code;
}

/* A command per slice. HIP's copies in three dimensions want arguments whose shape changed. */
static int copy_box(const struct mmb_gpu_box *box, void *stream)
{
    bool fits = box->to.row_pitch <= PITCH_MAX && box->from.row_pitch <= PITCH_MAX;
    hipError_t code = hipSuccess;
    for (size_t slice = 0; slice < box->n_slices && code == hipSuccess; slice++) {
        uintptr_t to = box->to.address + slice * box->to.slice_pitch;
        uintptr_t from = box->from.address + slice * box->from.slice_pitch;
        code = fits ? mmb_hip.p_hipMemcpy2DAsync((void *)to, box->to.row_pitch, (const void *)from,
                                                 box->from.row_pitch, box->row_bytes, box->n_rows,
                                                 kind_of(box), stream)
                    : copy_rows(box, to, from, stream);
    }
    return (int)code;
}

static int set(void *to, int value, size_t n_bytes, void *stream)
{
    return (int)mmb_hip.p_hipMemsetAsync(to, value & 0xff, n_bytes, stream);
}

static int finish(void *stream)
{
    return (int)mmb_hip.p_hipStreamSynchronize(stream);
}

/* Entered, with the stream's device current. */
static int mark_here(void *stream, void **out_mark)
{
    hipEvent_t event;
    hipError_t code = mmb_hip.p_hipEventCreateWithFlags(&event, hipEventDisableTiming);
    if (code != hipSuccess)
        return (int)code;
    code = mmb_hip.p_hipEventRecord(event, stream);
    if (code == hipSuccess)
        *out_mark = event;
    else
        (void)mmb_hip.p_hipEventDestroy(event);
    return (int)code;
}

/* An event is recorded in streams of its own device only, and a stream that the program names may
 * be that of the copy's other side. */
static int mark(void *stream, void **out_mark)
{
    int here = 0, device = 0;
    hipError_t code = mmb_hip.p_hipGetDevice(&here);
    if (code != hipSuccess || !stream || !mmb_hip.p_hipStreamGetDevice ||
        mmb_hip.p_hipStreamGetDevice(stream, &device) != hipSuccess || device == here)
        return code != hipSuccess ? (int)code : mark_here(stream, out_mark);
    code = mmb_hip.p_hipSetDevice(device);
    if (code != hipSuccess)
        return (int)code;
    int marked = mark_here(stream, out_mark);
    (void)mmb_hip.p_hipSetDevice(here);
    return marked;
}

static int query(void *event, bool *out_reached)
{
    hipError_t code = mmb_hip.p_hipEventQuery(event);
    *out_reached = code == hipSuccess;
    return code == hipErrorNotReady ? 0 : (int)code;
}

static int wait_for(void *event)
{
    return (int)mmb_hip.p_hipEventSynchronize(event);
}

static int order(void *stream, void *event)
{
    return (int)mmb_hip.p_hipStreamWaitEvent(stream, event, 0);
}

static void forget(void *event)
{
    (void)mmb_hip.p_hipEventDestroy(event);
}

static const struct mmb_gpu_runtime runtime = {
    .name = "hip",
    .context = MMB_GPU_HIP,
    .load = mmb_hip_load,
    .error_text = mmb_hip_error_text,
    .is_exhausted = is_exhausted,
    .is_over = is_over,
    .describe = describe,
    .open = open_device,
    .close = close_device,
    .enter = enter,
    .leave = leave,
    .allocate = allocate,
    .release = release,
    .pin = pin,
    .unpin = unpin,
    .name_range = name,
    .open_named = open_named,
    .close_named = close_named,
    .measure = measure,
    .is_gone = is_gone,
    .copy = copy,
    .copy_box = copy_box,
    .set = set,
    .finish = finish,
    .mark = mark,
    .query = query,
    .wait = wait_for,
    .order = order,
    .forget = forget,
};

MMB_GPU_RUNTIME(hip, HIP)
