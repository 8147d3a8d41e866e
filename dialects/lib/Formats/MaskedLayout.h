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
  MaskedPanel(MaskedFormatAttr format, int64_t cols) {
    steps = llvm::divideCeil(cols, MaskedFormatAttr::kStepColumns);
    record =
        format.getEven() ? MaskedFormatAttr::kMaskBytes + format.getKeep() : 0;
    offsets = kLine;
    records = offsets + (record ? 0 : llvm::alignTo(steps * 4, kLine));
    scales = llvm::alignTo(
        records + (record ? steps * record : format.getKeep()), kLine);
    bytes = scales + kLine;
    if (IntFormatAttr codes = format.getCodes()) {
      IntPanel dense(codes, cols);
      bytes = scales + dense.zeros - dense.scales;
    }
  }
  int64_t steps, record, offsets, records;
  int64_t scales; ///< of floats: the padding
  int64_t bytes;
};

} // namespace adze::detail

#endif // ADZE_LIB_FORMATS_MASKEDLAYOUT_H
