/* SPDX-License-Identifier: BSD-3-Clause */
/* CUDA's driver as a runtime of layers/gpu, and the four backends over it. Owns nothing; takes no
 * lock but the driver's.
 *
 * Each device is used in its primary context, the one that the CUDA runtime uses too. It is pushed
 * for a call and popped again, whatever the caller's thread had current. */
#include "layers/cuda/cuda.h"
#include <mmb/cuda.h>
#include <string.h>
#include "layers/cuda/driver.h"
#include "layers/gpu/runtime.h"

_Static_assert(sizeof(struct mmbCudaOptions) == sizeof(struct mmb_gpu_options) &&
                   offsetof(struct mmbCudaOptions, device) ==
                       offsetof(struct mmb_gpu_options, device) &&
                   offsetof(struct mmbCudaOptions, stream) ==
                       offsetof(struct mmb_gpu_options, stream),
               "both runtimes' options are read as one");

/* CU_DEVICE_ATTRIBUTE_MAX_PITCH of every device there is. */
#define PITCH_MAX ((size_t)0x7fffffff)

static bool is_exhausted(int code)
{
    return code == CUDA_ERROR_OUT_OF_MEMORY;
}

static bool is_over(int code)
{
    return code == CUDA_ERROR_DEINITIALIZED || code == CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

/* ---- devices and contexts ---- */

static int describe(int number, char pci_id[MMB_PCI_ID_BYTES], size_t *out_bytes)
{
    CUdevice device;
    int is_integrated = 0;
    CUresult code = mmb_cuda.p_cuDeviceGet(&device, number);
    if (code == CUDA_SUCCESS)
        code = mmb_cuda.p_cuDeviceGetPCIBusId(pci_id, MMB_PCI_ID_BYTES, device);
    if (code == CUDA_SUCCESS)
        code =
            mmb_cuda.p_cuDeviceGetAttribute(&is_integrated, CU_DEVICE_ATTRIBUTE_INTEGRATED, device);
    if (code == CUDA_SUCCESS && !is_integrated)
        code = mmb_cuda.p_cuDeviceTotalMem(out_bytes, device);
    return (int)code;
}

static int open_device(int number, void **out_context)
{
    CUdevice device;
    CUresult code = mmb_cuda.p_cuDeviceGet(&device, number);
    if (code != CUDA_SUCCESS)
        return (int)code;
    return (int)mmb_cuda.p_cuDevicePrimaryCtxRetain((CUcontext *)out_context, device);
}

static void close_device(int number, void *context)
{
    CUdevice device;
    (void)context;
    if (mmb_cuda.p_cuDeviceGet(&device, number) == CUDA_SUCCESS)
        mmb_cuda.p_cuDevicePrimaryCtxRelease(device);
}

static int enter(int device, void *context, uintptr_t *state)
{
    (void)device;
    *state = 0;
    return (int)mmb_cuda.p_cuCtxPushCurrent(context);
}

static void leave(uintptr_t state)
{
    CUcontext context;
    (void)state;
    mmb_cuda.p_cuCtxPopCurrent(&context);
}

/* ---- memory ---- */

static int allocate(enum mmb_gpu_kind kind, size_t n_bytes, void **out)
{
    CUdeviceptr address = 0;
    CUresult code;
    if (kind == MMB_GPU_HOST)
        return (int)mmb_cuda.p_cuMemHostAlloc(out, n_bytes, CU_MEMHOSTALLOC_PORTABLE);
    if (kind == MMB_GPU_MANAGED)
        code = mmb_cuda.p_cuMemAllocManaged(&address, n_bytes, CU_MEM_ATTACH_GLOBAL);
    else
        code = mmb_cuda.p_cuMemAlloc(&address, n_bytes);
    if (code == CUDA_SUCCESS)
        *out = (void *)(uintptr_t)address;
    return (int)code;
}

static int release(enum mmb_gpu_kind kind, void *start)
{
    if (kind == MMB_GPU_HOST)
        return (int)mmb_cuda.p_cuMemFreeHost(start);
    return (int)mmb_cuda.p_cuMemFree((CUdeviceptr)(uintptr_t)start);
}

static int pin(void *start, size_t n_bytes)
{
    return (int)mmb_cuda.p_cuMemHostRegister(
        start, n_bytes, CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP);
}

static int unpin(void *start)
{
    return (int)mmb_cuda.p_cuMemHostUnregister(start);
}

/* ---- memory of other processes ---- */

_Static_assert(sizeof(CUipcMemHandle) == MMB_IPC_HANDLE_BYTES, "a handle is carried whole");

static int name(void *start, unsigned char handle[MMB_IPC_HANDLE_BYTES])
{
    return (int)mmb_cuda.p_cuIpcGetMemHandle((CUipcMemHandle *)handle,
                                             (CUdeviceptr)(uintptr_t)start);
}

static int open_named(const unsigned char handle[MMB_IPC_HANDLE_BYTES], void **out)
{
    CUipcMemHandle native;
    CUdeviceptr address = 0;
    memcpy(&native, handle, sizeof native);
    CUresult code =
        mmb_cuda.p_cuIpcOpenMemHandle(&address, native, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS);
    if (code == CUDA_SUCCESS)
        *out = (void *)(uintptr_t)address;
    return (int)code;
}

static int close_named(void *start)
{
    return (int)mmb_cuda.p_cuIpcCloseMemHandle((CUdeviceptr)(uintptr_t)start);
}

static int measure(void *start, size_t *out_bytes)
{
    CUdeviceptr base = 0;
    size_t n_bytes = 0;
    CUresult code = mmb_cuda.p_cuMemGetAddressRange(&base, &n_bytes, (CUdeviceptr)(uintptr_t)start);
    if (code == CUDA_SUCCESS)
        *out_bytes = n_bytes - ((uintptr_t)start - (uintptr_t)base);
    return (int)code;
}

static bool is_gone(int code)
{
    return code == CUDA_ERROR_INVALID_HANDLE || code == CUDA_ERROR_MAP_FAILED ||
           code == CUDA_ERROR_INVALID_VALUE;
}

/* ---- streams ---- */

static int copy(void *to, const void *from, size_t n_bytes, void *stream)
{
    return (int)mmb_cuda.p_cuMemcpyAsync((CUdeviceptr)(uintptr_t)to, (CUdeviceptr)(uintptr_t)from,
                                         n_bytes, stream);
}

static void set_source(CUDA_MEMCPY3D *native, const struct mmb_gpu_side *side)
{
    native->srcMemoryType = side->is_host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
    native->srcHost = (const void *)side->address;
    native->srcDevice = (CUdeviceptr)side->address;
    native->srcPitch = side->row_pitch;
}

static void set_destination(CUDA_MEMCPY3D *native, const struct mmb_gpu_side *side)
{
    native->dstMemoryType = side->is_host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
    native->dstHost = (void *)side->address;
    native->dstDevice = (CUdeviceptr)side->address;
    native->dstPitch = side->row_pitch;
}

/* Between two devices the driver wants to be told both contexts. */
static bool is_between_devices(const struct mmb_gpu_box *box)
{
    const struct mmb_gpu_side *to = &box->to, *from = &box->from;
    return !to->is_host && !from->is_host && to->context && from->context &&
           to->context != from->context;
}

static int copy_3d(const CUDA_MEMCPY3D *native, const struct mmb_gpu_box *box, void *stream)
{
    if (!is_between_devices(box))
        return (int)mmb_cuda.p_cuMemcpy3DAsync(native, stream);
    const CUDA_MEMCPY3D_PEER peer = {.srcMemoryType = native->srcMemoryType,
                                     .srcDevice = native->srcDevice,
                                     .srcContext = box->from.context,
                                     .srcPitch = native->srcPitch,
                                     .srcHeight = native->srcHeight,
                                     .dstMemoryType = native->dstMemoryType,
                                     .dstDevice = native->dstDevice,
                                     .dstContext = box->to.context,
                                     .dstPitch = native->dstPitch,
                                     .dstHeight = native->dstHeight,
                                     .WidthInBytes = native->WidthInBytes,
                                     .Height = native->Height,
                                     .Depth = native->Depth};
    return (int)mmb_cuda.p_cuMemcpy3DPeerAsync(&peer, stream);
}

static int copy_rows(const struct mmb_gpu_box *box, size_t to, size_t from, void *stream)
{
    CUresult code = CUDA_SUCCESS;
    for (size_t row = 0; row < box->n_rows && code == CUDA_SUCCESS; row++)
        code = mmb_cuda.p_cuMemcpyAsync(box->to.address + to + row * box->to.row_pitch,
                                        box->from.address + from + row * box->from.row_pitch,
                                        box->row_bytes, stream);
    return (int)code;
}

static int copy_slices(const struct mmb_gpu_box *box, void *stream)
{
    bool fits = box->to.row_pitch <= PITCH_MAX && box->from.row_pitch <= PITCH_MAX;
    int code = 0;
    for (size_t slice = 0; slice < box->n_slices && code == 0; slice++) {
        struct mmb_gpu_side to = box->to, from = box->from;
        to.address += slice * to.slice_pitch;
        from.address += slice * from.slice_pitch;
        CUDA_MEMCPY3D native = {.WidthInBytes = box->row_bytes, .Height = box->n_rows, .Depth = 1};
        set_source(&native, &from);
        set_destination(&native, &to);
        code = fits ? copy_3d(&native, box, stream)
                    : copy_rows(box, slice * to.slice_pitch, slice * from.slice_pitch, stream);
    }
    return code;
}

/* CUDA states a slice as a number of rows, so one command serves only where that comes out even. */
static bool is_even(const struct mmb_gpu_side *side)
{
    return side->row_pitch <= PITCH_MAX && side->slice_pitch % side->row_pitch == 0;
}

static int copy_box(const struct mmb_gpu_box *box, void *stream)
{
    if (box->n_rows == 1 || box->n_slices == 1 || !is_even(&box->to) || !is_even(&box->from))
        return copy_slices(box, stream);
    CUDA_MEMCPY3D native = {.WidthInBytes = box->row_bytes,
                            .Height = box->n_rows,
                            .Depth = box->n_slices,
                            .srcHeight = box->from.slice_pitch / box->from.row_pitch,
                            .dstHeight = box->to.slice_pitch / box->to.row_pitch};
    set_source(&native, &box->from);
    set_destination(&native, &box->to);
    return copy_3d(&native, box, stream);
}

static int set(void *to, int value, size_t n_bytes, void *stream)
{
    return (int)mmb_cuda.p_cuMemsetD8Async((CUdeviceptr)(uintptr_t)to, (unsigned char)value,
                                           n_bytes, stream);
}

static int finish(void *stream)
{
    return (int)mmb_cuda.p_cuStreamSynchronize(stream);
}

/* Entered in the context of the stream. */
static int mark_here(void *stream, void **out_mark)
{
    CUevent event;
    CUresult code = mmb_cuda.p_cuEventCreate(&event, CU_EVENT_DISABLE_TIMING);
    if (code != CUDA_SUCCESS)
        return (int)code;
    code = mmb_cuda.p_cuEventRecord(event, stream);
    if (code == CUDA_SUCCESS)
        *out_mark = event;
    else
        mmb_cuda.p_cuEventDestroy(event);
    return (int)code;
}

/* An event is recorded in streams of its own device only, and a stream that the program names may
 * be that of the copy's other side. */
static int mark(void *stream, void **out_mark)
{
    CUcontext context = NULL;
    if (!stream)
        return mark_here(stream, out_mark);
    CUresult code = mmb_cuda.p_cuStreamGetCtx(stream, &context);
    if (code == CUDA_SUCCESS)
        code = mmb_cuda.p_cuCtxPushCurrent(context);
    if (code != CUDA_SUCCESS)
        return (int)code;
    int marked = mark_here(stream, out_mark);
    mmb_cuda.p_cuCtxPopCurrent(&context);
    return marked;
}

static int query(void *event, bool *out_reached)
{
    CUresult code = mmb_cuda.p_cuEventQuery(event);
    *out_reached = code == CUDA_SUCCESS;
    return code == CUDA_ERROR_NOT_READY ? 0 : (int)code;
}

static int wait_for(void *event)
{
    return (int)mmb_cuda.p_cuEventSynchronize(event);
}

static int order(void *stream, void *event)
{
    return (int)mmb_cuda.p_cuStreamWaitEvent(stream, event, 0);
}

static void forget(void *event)
{
    mmb_cuda.p_cuEventDestroy(event);
}

static const struct mmb_gpu_runtime runtime = {
    .name = "cuda",
    .context = MMB_GPU_CUDA,
    .load = mmb_cuda_load,
    .error_text = mmb_cuda_error_text,
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

MMB_GPU_RUNTIME(cuda, CUDA)
