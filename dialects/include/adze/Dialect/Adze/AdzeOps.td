// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// All ops of the dialect, in the order of the levels.
#ifndef ADZE_OPS_TD
#define ADZE_OPS_TD
include "adze/Dialect/Adze/AdzeSymbolOps.td"
include "adze/Dialect/Adze/AdzeModelOps.td"
include "adze/Dialect/Adze/AdzeFusedOps.td"
include "adze/Dialect/Adze/AdzeScheduleOps.td"
#endif // ADZE_OPS_TD
