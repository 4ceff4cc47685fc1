/* SPDX-License-Identifier: BSD-3-Clause */
/* A program to look at: allocates 1000 bytes of a space of 4000 from an interface named
 * "looked-at", says so, and lives until its input ends. */
#include <stdio.h>
#include <mmb.h>

int main(void)
{
    mmbMemSpaceConfig config = MMB_MEMSPACE_CONFIG_DEFAULT;
    mmbMemSpace *space;
    mmbMemInterface *interface;
    mmbAllocation *block;
    config.size_opts.action = MMB_SIZE_SET;
    config.size_opts.mem_size = 4000;
    config.interface_opts.name = "looked-at";
    if (mmb_init(MMB_INIT_DEFAULT) != MMB_OK ||
        mmb_register_memory(MMB_DRAM, MMB_CPU, &config, &space) != MMB_OK ||
        mmb_request_interface(space, NULL, &interface) != MMB_OK ||
        mmb_allocate(1000, interface, &block) != MMB_OK)
        return 1;
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF) {
    }
    return mmb_free(block) != MMB_OK || mmb_finalize() != MMB_OK;
}
