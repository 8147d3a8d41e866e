// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where the parts of a panel of #adze.masked lie. Private to lib/Formats.
#ifndef ADZE_LIB_FORMATS_MASKEDLAYOUT_H
#define ADZE_LIB_FORMATS_MASKEDLAYOUT_H

#include "IntLayout.h"

namespace adze::detail {

/// The codes of one of the two quads of a step.
inline constexpr int64_t kQuadCodes = 64;

/// Offsets in bytes.
struct MaskedPanel {
  MaskedPanel(MaskedFormatAttr format, int64_t cols)
      : element(format.getElement(), cols) {
    steps = llvm::divideCeil(cols, MaskedFormatAttr::kStepColumns);
    record =
        format.getEven() ? MaskedFormatAttr::kMaskBytes + format.getKeep() : 0;
    offsets = kLine;
    records = offsets + (record ? 0 : llvm::alignTo(steps * 4, kLine));
    scales = llvm::alignTo(
        records + (record ? steps * record : format.getKeep()), kLine);
    bytes = scales + element.zeros - element.scales;
  }
  IntPanel element; ///< the dense one
  int64_t steps, record, offsets, records, scales, bytes;
};

} // namespace adze::detail

#endif // ADZE_LIB_FORMATS_MASKEDLAYOUT_H
