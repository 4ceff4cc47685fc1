/* SPDX-License-Identifier: BSD-3-Clause */
/* Start and end of the library. Owns the order in which its parts come and go; takes the registry
 * mutex, under which every part is opened and closed. */
#include <mmb/library.h>
#include <mmb/version.h>
#include "interfaces/orphan.h"
#include "interfaces/page_map.h"
#include "layers/user/user.h"
#include "src/base/error.h"
#include "src/base/thread_model.h"
#include "src/base/log.h"
#include "src/base/struct_size.h"
#include "src/core/discovery.h"
#include "src/core/fork.h"
#include "src/core/interface.h"
#include "src/core/publish.h"
#include "src/core/region.h"
#include "src/core/registry.h"
#include "src/core/trace.h"
#include "src/core/worker.h"
#include "src/spi/record.h"

static mmbError check_thread_model(const mmbThreadModel *model)
{
    mmbThreadModel known = {.size = sizeof known};
    if (!model)
        return MMB_OK;
    mmbError error = mmb_struct_in(&known, sizeof known, model, sizeof known, "mmbThreadModel");
    if (error != MMB_OK)
        return error;
    if (!known.name || !known.get_id || !known.yield || !known.sleep_us || !known.tls_create ||
        !known.tls_get || !known.tls_set || !known.tls_destroy)
        return mmb_fail(MMB_INVALID_ARG, "init: the thread model lacks its name or a function");
    return MMB_OK;
}

static void stop(void)
{
    mmb_spaces_close();
    mmb_orphans_close();
    mmb_record_delete_all();
    mmb_region_providers_close();
    mmb_page_map_reset();
    mmb_address_map_reset(&mmb_wrapped_map);
    mmb_address_map_reset(&mmb_chunk_map);
    mmb_user_backends_close();
    mmb_layers_close();
}

static mmbError start(const mmbOptions *options, bool is_host_only)
{
    mmbError error = mmb_fork_open();
    if (error == MMB_OK)
        error = mmb_records_open();
    if (error == MMB_OK)
        error = mmb_extensions_open();
    if (error == MMB_OK)
        error = mmb_interfaces_open();
    if (error == MMB_OK)
        error = mmb_spaces_open();
    if (error != MMB_OK)
        return error;
    mmb_layers_open();
    error = mmb_discovery_run(options->topology_xml, is_host_only);
    if (error == MMB_OK)
        error = mmb_spaces_add_discovered(0);
    if (error != MMB_OK)
        stop();
    return error;
}

/* For a user of the library who wants devices where the first one did not. What was there stays as
 * it is, so this user has no less than the first when it fails. */
static void start_devices(void)
{
    size_t n_layers = mmb_layers_known();
    mmbError error = mmb_discovery_add_devices();
    if (error == MMB_OK)
        error = mmb_spaces_add_discovered(n_layers);
    if (error != MMB_OK)
        mmb_log(MMB_LOG_WARNING, "init: devices are not discovered: %s", mmb_error_detail());
}

static mmbError init(const mmbOptions *options, bool is_host_only)
{
    mmbOptions known = MMB_OPTIONS_INIT;
    mmbError error = mmb_struct_in(&known, sizeof known, options, sizeof known, "mmbOptions");
    if (error == MMB_OK)
        error = check_thread_model(known.thread_model);
    if (error == MMB_OK && mmb_registry_is_mine())
        error = mmb_fail(MMB_BUSY, "init: called within a call that changes the library's tables");
    if (error != MMB_OK)
        return error;
    bool is_as_asked = true, is_traced = true;
    mmb_registry_lock();
    if (mmb_registry.references == 0) {
        mmb_thread_model_set(known.thread_model);
        is_traced = mmb_trace_open();
        error = start(&known, is_host_only);
        atomic_store_explicit(&mmb_library_ready, error == MMB_OK, memory_order_release);
        is_as_asked = error != MMB_OK || mmb_publish_open();
    } else if (!is_host_only) {
        start_devices();
    }
    if (error == MMB_OK)
        mmb_registry.references++;
    mmb_registry_unlock();
    if (!is_as_asked)
        mmb_log(MMB_LOG_WARNING, "init: cannot publish statistics as MMB_PUBLISH asks");
    if (!is_traced)
        mmb_log(MMB_LOG_WARNING, "init: cannot write the file that MMB_TRACE names");
    return error;
}

mmbError mmb_init(const mmbOptions *options)
{
    return init(options, false);
}

mmbError mmb_init_host(const mmbOptions *options)
{
    return init(options, true);
}

/* The worker goes first: what it still copies lives in the interfaces, and it may need what every
 * public function needs. */
mmbError mmb_finalize(void)
{
    mmbError error = mmb_registry_enter("finalize");
    if (error != MMB_OK)
        return error;
    if (--mmb_registry.references == 0) {
        mmb_worker_close();
        mmb_publish_close();
        atomic_store_explicit(&mmb_library_ready, false, memory_order_release);
        stop();
        if (mmb_trace_is_on)
            mmb_trace_flush();
    }
    mmb_registry_unlock();
    return MMB_OK;
}

mmbError mmb_version(int *major, int *minor, int *patch)
{
    if (!major || !minor || !patch)
        return mmb_fail(MMB_INVALID_ARG, "version: %s is NULL",
                        !major   ? "major"
                        : !minor ? "minor"
                                 : "patch");
    *major = MMB_VERSION_MAJOR;
    *minor = MMB_VERSION_MINOR;
    *patch = MMB_VERSION_PATCH;
    return MMB_OK;
}
