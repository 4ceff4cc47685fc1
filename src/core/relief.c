/* SPDX-License-Identifier: BSD-3-Clause */
/* Give-back across interfaces (relief.h). Owns nothing; takes the registry mutex unless the caller
 * has it (an allocator may want its first chunk while its interface is being made), then the
 * allocators' locks one at a time. */
#include "src/core/relief.h"
#include "src/core/interface.h"
#include "src/core/registry.h"
#include "src/core/source.h"
#include "src/core/subheap.h"

static bool could_help(const struct mmb_budget *exhausted, const struct mmb_source *wanting,
                       const struct mmb_source *giving)
{
    if (exhausted)
        return mmb_source_draws_on(giving, exhausted);
    if (mmb_source_provider(wanting) && mmb_source_provider(giving) == mmb_source_provider(wanting))
        return true;
    return giving == wanting || mmb_source_backend(giving)->ops == mmb_source_backend(wanting)->ops;
}

static size_t trim(const struct mmb_subheap *heap)
{
    size_t before = mmb_source_reserved(heap->source);
    heap->allocator->ops->trim(heap->allocator, 0);
    size_t after = mmb_source_reserved(heap->source);
    return before > after ? before - after : 0;
}

static size_t trim_space(mmbMemSpace *space, const struct mmb_budget *exhausted,
                         const struct mmb_source *source)
{
    size_t given_back = 0;
    MMB_LIST_FOR_EACH (node, &space->interfaces) {
        const mmbMemInterface *interface = MMB_CONTAINER_OF(node, mmbMemInterface, link);
        for (size_t i = 0; i < interface->n_heaps; i++)
            if (could_help(exhausted, source, interface->heaps[i].source))
                given_back += trim(&interface->heaps[i]);
    }
    return given_back;
}

bool mmb_relieve(const struct mmb_budget *exhausted, const struct mmb_source *source)
{
    size_t given_back = 0;
    bool was_mine = mmb_registry_is_mine();
    if (!was_mine)
        mmb_registry_lock();
    MMB_LIST_FOR_EACH (node, &mmb_registry.spaces)
        given_back += trim_space(MMB_CONTAINER_OF(node, mmbMemSpace, link), exhausted, source);
    if (!was_mine)
        mmb_registry_unlock();
    return given_back > 0;
}
