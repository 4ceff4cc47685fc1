/* SPDX-License-Identifier: BSD-3-Clause */
/* Holds: a transfer is under way, nothing may move or free the object. Owns nothing; the counts are
 * the record's. A held slice cannot be freed, and an object with slices is as busy as a held one,
 * so whatever a slice is part of needs no count of its own. */
#include <mmb/region.h>
#include "src/base/error.h"
#include "src/core/allocation.h"
#include "src/core/ticket.h"

mmbError mmb_region_hold(mmbAllocation *allocation)
{
    allocation = mmb_ticket_record(allocation);
    mmbError error = mmb_allocation_check(allocation, "region_hold");
    return error == MMB_OK ? mmb_record_use(allocation, MMB_USE_HOLD) : error;
}

mmbError mmb_region_unhold(mmbAllocation *allocation)
{
    allocation = mmb_ticket_record(allocation);
    mmbError error = mmb_allocation_check(allocation, "region_unhold");
    if (error != MMB_OK || mmb_record_unuse(allocation, MMB_USE_HOLD))
        return error;
    return mmb_fail(MMB_INVALID_ARG, "region_unhold: the object has no hold");
}
