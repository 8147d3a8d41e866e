// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where the parts of a panel of #adze.gguf lie. Private to lib/Formats.
//
// The bits of the codes are in planes of 8, 4, 2 or 1 bits, each a sequence of
// 64-byte lines. Think of the codes as lines of bytes first, two to a step of 8
// k: byte 4 * channel + j of line 2 * step + quad is the code at
// k = 8 * step + 4 * quad + j. A line of a plane of w bits holds 8 / w such
// lines, the first one in its lowest bits. After the planes: the scales
// `[blocks][16]`, minima `[blocks][16]`, sub scales `[groups][16]` and sub
// minima
// `[groups][16]`, each part padded to 64 bytes.
#ifndef ADZE_LIB_FORMATS_GGUFPANEL_H
#define ADZE_LIB_FORMATS_GGUFPANEL_H

#include "GgufBlocks.h"
#include "IntLayout.h"

namespace adze::detail {

struct GgufPanel {
  GgufPanel(const GgufBlockInfo &info, int64_t cols) {
    blocks = cols / info.elements;
    groups = cols / info.group;
    auto part = [](bool there, int64_t bytes) {
      return there ? llvm::alignTo(bytes * kPanelRows, kLine) : 0;
    };
    scales = cols * info.codeBits() * kPanelRows / 8;
    minima = scales + part(true, blocks * 2);
    subScales = minima + part(info.minimum != GgufMinimum::None, blocks * 2);
    subMinima = subScales + part(info.hasSubScales, groups);
    bytes = subMinima + part(info.minimum == GgufMinimum::Scaled, groups);
  }
  int64_t blocks, groups;
  int64_t scales, minima, subScales, subMinima, bytes; ///< offsets in bytes
};

} // namespace adze::detail

#endif // ADZE_LIB_FORMATS_GGUFPANEL_H
