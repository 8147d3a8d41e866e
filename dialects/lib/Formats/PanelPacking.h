// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the panels of all formats have in common: 32-bit units of 16 rows,
// transposed. Private to lib/Formats.
#ifndef ADZE_LIB_FORMATS_PANELPACKING_H
#define ADZE_LIB_FORMATS_PANELPACKING_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>

namespace adze::detail {

/// `panel[u][r]` = unit u of row r, for `units` units of 16 rows. The units of
/// a row that is null are `fill`.
void packUnits(llvm::ArrayRef<const uint8_t *> rows, int64_t units,
               uint32_t *panel, uint32_t fill = 0);

} // namespace adze::detail

#endif // ADZE_LIB_FORMATS_PANELPACKING_H
