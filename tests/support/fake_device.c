/* SPDX-License-Identifier: BSD-3-Clause */
/* A device made of memory files: see fake_device.h. The lock is over the table of ranges only and
 * is never held while bytes move or a transfer stands at the gate. */
#include "tests/support/fake_device.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void fake_device_open(struct fake_device *device)
{
    memset(device, 0, sizeof(*device));
    pthread_mutex_init(&device->lock, NULL);
    sem_init(&device->arrived, 0, 0);
    sem_init(&device->gate, 0, 0);
    atomic_store(&device->n_good, INT32_MAX);
}

static void drop_range(struct fake_range *range)
{
    munmap((void *)range->address, range->n_mapped);
    munmap(range->bytes, range->n_mapped);
    memset(range, 0, sizeof(*range));
}

void fake_device_close(struct fake_device *device)
{
    for (size_t i = 0; i < FAKE_DEVICE_RANGES_MAX; i++)
        if (device->ranges[i].address != 0)
            drop_range(&device->ranges[i]);
    sem_destroy(&device->gate);
    sem_destroy(&device->arrived);
    pthread_mutex_destroy(&device->lock);
}

/* ---- memory ---- */

static bool make_range(struct fake_range *range, size_t n_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (n_bytes > SIZE_MAX - page)
        return false;
    size_t n_mapped = (n_bytes + page - 1) & ~(page - 1);
    int file = memfd_create("fake-device", MFD_CLOEXEC);
    if (file < 0)
        return false;
    void *bytes = MAP_FAILED, *address = MAP_FAILED;
    if (ftruncate(file, (off_t)n_mapped) == 0) {
        bytes = mmap(NULL, n_mapped, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        address = mmap(NULL, n_mapped, PROT_NONE, MAP_SHARED, file, 0);
    }
    close(file);
    if (bytes != MAP_FAILED && address != MAP_FAILED) {
        *range = (struct fake_range){(uintptr_t)address, bytes, n_bytes, n_mapped};
        return true;
    }
    if (bytes != MAP_FAILED)
        munmap(bytes, n_mapped);
    if (address != MAP_FAILED)
        munmap(address, n_mapped);
    return false;
}

static mmbError device_map(void *user, size_t n_bytes, int domain, void **address)
{
    (void)domain;
    struct fake_device *device = user;
    mmbError error = MMB_OUT_OF_MEMORY;
    pthread_mutex_lock(&device->lock);
    for (size_t i = 0; i < FAKE_DEVICE_RANGES_MAX && error != MMB_OK; i++) {
        if (device->ranges[i].address != 0)
            continue;
        if (!make_range(&device->ranges[i], n_bytes))
            break;
        *address = (void *)device->ranges[i].address;
        error = MMB_OK;
    }
    pthread_mutex_unlock(&device->lock);
    return error;
}

static mmbError device_unmap(void *user, void *address, size_t n_bytes)
{
    struct fake_device *device = user;
    mmbError error = MMB_INVALID_ARG;
    pthread_mutex_lock(&device->lock);
    for (size_t i = 0; i < FAKE_DEVICE_RANGES_MAX; i++) {
        struct fake_range *range = &device->ranges[i];
        if (range->address != (uintptr_t)address || range->n_bytes != n_bytes)
            continue;
        drop_range(range);
        error = MMB_OK;
    }
    pthread_mutex_unlock(&device->lock);
    return error;
}

/* NULL unless all n_bytes lie in one range. */
static char *reach(struct fake_device *device, const void *address, size_t n_bytes)
{
    char *found = NULL;
    pthread_mutex_lock(&device->lock);
    for (size_t i = 0; i < FAKE_DEVICE_RANGES_MAX; i++) {
        const struct fake_range *range = &device->ranges[i];
        uintptr_t distance = (uintptr_t)address - range->address;
        if (range->address != 0 && distance < range->n_bytes &&
            n_bytes <= range->n_bytes - distance)
            found = range->bytes + distance;
    }
    pthread_mutex_unlock(&device->lock);
    return found;
}

char *fake_device_bytes(struct fake_device *device, const void *address)
{
    return reach(device, address, 1);
}

size_t fake_device_live(struct fake_device *device)
{
    size_t count = 0;
    pthread_mutex_lock(&device->lock);
    for (size_t i = 0; i < FAKE_DEVICE_RANGES_MAX; i++)
        count += device->ranges[i].address != 0;
    pthread_mutex_unlock(&device->lock);
    return count;
}

/* ---- faults and the gate ---- */

void fake_device_fail_after(struct fake_device *device, int n_good, mmbError error)
{
    atomic_store(&device->error, error);
    atomic_store(&device->n_good, n_good);
}

void fake_device_shut_gate(struct fake_device *device)
{
    atomic_store(&device->is_gated, true);
}

void fake_device_await(struct fake_device *device, unsigned int count)
{
    for (unsigned int i = 0; i < count; i++)
        while (sem_wait(&device->arrived) != 0 && errno == EINTR)
            ;
}

void fake_device_open_gate(struct fake_device *device, unsigned int count)
{
    atomic_store(&device->is_gated, false);
    for (unsigned int i = 0; i < count; i++)
        sem_post(&device->gate);
}

static mmbError begin_transfer(struct fake_device *device)
{
    if (atomic_load(&device->is_gated)) {
        sem_post(&device->arrived);
        while (sem_wait(&device->gate) != 0 && errno == EINTR)
            ;
    }
    if (atomic_fetch_sub(&device->n_good, 1) <= 0) {
        atomic_store(&device->n_good, 0);
        return atomic_load(&device->error);
    }
    return MMB_OK;
}

/* ---- transfers ---- */

static mmbError device_copy_in(void *user, void *dst, const void *host_src, size_t n)
{
    struct fake_device *device = user;
    atomic_fetch_add(&device->n_in, 1);
    mmbError error = begin_transfer(device);
    char *to = reach(device, dst, n);
    if (error != MMB_OK || to == NULL)
        return error != MMB_OK ? error : MMB_CORRUPT;
    memcpy(to, host_src, n);
    return MMB_OK;
}

static mmbError device_copy_out(void *user, void *host_dst, const void *src, size_t n)
{
    struct fake_device *device = user;
    atomic_fetch_add(&device->n_out, 1);
    mmbError error = begin_transfer(device);
    const char *from = reach(device, src, n);
    if (error != MMB_OK || from == NULL)
        return error != MMB_OK ? error : MMB_CORRUPT;
    memcpy(host_dst, from, n);
    return MMB_OK;
}

static mmbError device_copy(void *user, void *dst, const void *src, size_t n)
{
    struct fake_device *device = user;
    atomic_fetch_add(&device->n_copy, 1);
    mmbError error = begin_transfer(device);
    char *to = reach(device, dst, n);
    const char *from = reach(device, src, n);
    if (error != MMB_OK || to == NULL || from == NULL)
        return error != MMB_OK ? error : MMB_CORRUPT;
    memcpy(to, from, n);
    return MMB_OK;
}

static mmbError device_set(void *user, void *dst, int value, size_t n)
{
    struct fake_device *device = user;
    atomic_fetch_add(&device->n_set, 1);
    mmbError error = begin_transfer(device);
    char *to = reach(device, dst, n);
    if (error != MMB_OK || to == NULL)
        return error != MMB_OK ? error : MMB_CORRUPT;
    memset(to, value, n);
    return MMB_OK;
}

unsigned int fake_device_transfers(struct fake_device *device)
{
    return atomic_load(&device->n_in) + atomic_load(&device->n_out) + atomic_load(&device->n_copy) +
           atomic_load(&device->n_set);
}

mmbBackendOps fake_device_ops(const char *name)
{
    return (mmbBackendOps){.size = sizeof(mmbBackendOps),
                           .name = name,
                           .min_alignment = 256,
                           .map = device_map,
                           .unmap = device_unmap,
                           .copy_in = device_copy_in,
                           .copy_out = device_copy_out,
                           .copy = device_copy,
                           .set = device_set};
}
