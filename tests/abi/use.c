/* SPDX-License-Identifier: BSD-3-Clause */
/* What programs write with the headers' macros, in the subset that is C and C++. Compiled, never
 * run. The header comes from the command line. */
#include <stddef.h>

double *use_allocations(mmbMemInterface *interface, mmbAllocation **allocation);
mmbMemInterfaceConfig use_configs(mmbMemSpace **space);
bool use_null_pointers(mmbOffset offset, mmbSharedPtr pointer);

double *use_allocations(mmbMemInterface *interface, mmbAllocation **allocation)
{
    mmbAllocateOptions options = MMB_ALLOCATE_OPTIONS_INIT;
    mmbEvent *event = NULL;

    options.alignment = 64;
    if (mmb_init(MMB_INIT_DEFAULT) != MMB_OK)
        return NULL;
    if (mmb_allocate_opts(64, interface, &options, allocation) != MMB_OK)
        return MMB_DEVICE_PTR(*allocation, double);
    if (MMB_NEW(interface, double, 8, allocation) != MMB_OK)
        return NULL;
    if (mmb_copy_async(*allocation, *allocation, &event) == MMB_OK)
        (void)mmb_event_wait(&event);
    return MMB_PTR(*allocation, double);
}

mmbMemInterfaceConfig use_configs(mmbMemSpace **space)
{
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    mmbMemInterfaceConfig positional = {
        MMB_BACKEND_MALLOC, {{0}}, MMB_STRATEGY_NONE, "name", {0, 0}, NULL, NULL, 0, {0}};

    config.size_opts.action = MMB_SIZE_SET;
    config.size_opts.mem_size = 8000;
    config.interface_opts.backend_opts.shm.url = "/name";
    config.interface_opts.flags = MMB_INTERFACE_FINDABLE | MMB_INTERFACE_OWN_REGION;
    if (mmb_register_memory(MMB_DRAM, MMB_CPU, &config, space) != MMB_OK)
        positional.name = mmb_error_detail();
    return positional;
}

bool use_null_pointers(mmbOffset offset, mmbSharedPtr pointer)
{
    offset = mmb_offset_is_null(offset) ? MMB_OFFSET_NULL : offset;
    pointer = mmb_shared_ptr_is_null(pointer) ? MMB_SHARED_PTR_NULL : pointer;
    return offset.value == pointer.offset;
}
