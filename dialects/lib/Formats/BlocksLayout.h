// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where the parts of a panel of #adze.blocks lie. Private to lib/Formats.
#ifndef ADZE_LIB_FORMATS_BLOCKSLAYOUT_H
#define ADZE_LIB_FORMATS_BLOCKSLAYOUT_H

#include "IntLayout.h"

namespace adze::detail {

/// Offsets in bytes. `sets` scales (and zero points) of 16 channels each.
struct BlocksPanel {
  BlocksPanel(BlocksFormatAttr format, int64_t cols) {
    tiles = format.getHeaderBytes();
    tileBytes = format.getTileBytes();
    scales = format.getScalesOffset();
    zeros = bytes = scales;
    auto codes =
        llvm::dyn_cast<IntFormatAttr>(mlir::Attribute(format.getElement()));
    if (!codes)
      return;
    int64_t group = codes.getGroupSize();
    sets = perBlock(codes) ? format.getKeep()
           : group         ? llvm::divideCeil(cols, group)
                           : 1;
    scaleBytes = codes.getScaleType().getIntOrFloatBitWidth() / 8;
    zeros = scales + llvm::alignTo(sets * kPanelRows * scaleBytes, kLine);
    bytes = zeros +
            (codes.getZeros() ? llvm::alignTo(sets * kPanelRows, kLine) : 0);
  }

  /// Whether the blocks that are held have scales of their own.
  static bool perBlock(IntFormatAttr codes) {
    return codes.getGroupSize() == BlocksFormatAttr::kBlockColumns;
  }

  int64_t tiles, tileBytes, scales, zeros, bytes;
  int64_t sets = 0, scaleBytes = 0;
};

} // namespace adze::detail

#endif // ADZE_LIB_FORMATS_BLOCKSLAYOUT_H
