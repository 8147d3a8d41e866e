// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Where the parts of a row and of a panel of #adze.int lie. Private to
// lib/Formats.
#ifndef ADZE_LIB_FORMATS_INTLAYOUT_H
#define ADZE_LIB_FORMATS_INTLAYOUT_H

#include "adze/Dialect/Adze/Adze.h"
#include "llvm/Support/MathExtras.h"

namespace adze::detail {

inline constexpr int64_t kSmallestGroup = 16, kLargestGroup = 1 << 20;
inline constexpr int64_t kLine = 64;

/// Bits that a code takes in rows and panels: codes of 3 bits lie where those
/// of 4 do, so that all that reads these reads them.
inline int64_t storedBits(IntFormatAttr format) {
  return format.getBits() == 3 ? 4 : format.getBits();
}

/// A byte of codes for zero.
inline uint8_t zeroCodeByte(IntFormatAttr format) {
  int64_t zero = format.getZeroCode();
  return uint8_t(format.getBits() == 8 ? zero : zero | zero << 4);
}

/// The scale type that a format's name leaves out: f32 for whole rows of int8,
/// where it costs nothing; else bf16. (On normal and heavy-tailed groups the
/// error with bf16 scales is that with f16 scales within 1 %, since the search
/// rounds before it compares; and bf16 has the range of f32.)
inline mlir::Type defaultScaleType(mlir::MLIRContext *context, int64_t bits,
                                   int64_t group) {
  if (bits == 8 && !group)
    return mlir::Float32Type::get(context);
  return mlir::BFloat16Type::get(context);
}

/// Whether a stored float of so many bytes is 0 or -0: all that it scales is
/// zero.
inline bool isZeroScale(const uint8_t *scale, int64_t bytes) {
  uint8_t bits = scale[bytes - 1] & 0x7f;
  for (int64_t i = 0; i < bytes - 1; ++i)
    bits |= scale[i];
  return bits == 0;
}

/// Offsets in bytes.
struct IntRow {
  IntRow(IntFormatAttr format, int64_t cols) {
    group = format.getGroupSize() ? format.getGroupSize()
                                  : std::max<int64_t>(cols, 1);
    groups = llvm::divideCeil(cols, group);
    scaleBytes = format.getScaleType().getIntOrFloatBitWidth() / 8;
    scales = llvm::divideCeil(cols * storedBits(format), 8);
    zeros = scales + groups * scaleBytes;
    bytes = zeros + (format.getZeros() ? groups : 0);
  }
  int64_t group, groups, scaleBytes, scales, zeros, bytes;
};

struct IntPanel {
  IntPanel(IntFormatAttr format, int64_t cols) {
    group = format.getGroupSize() ? format.getGroupSize()
                                  : std::max<int64_t>(cols, 1);
    groups = llvm::divideCeil(cols, group);
    scaleBytes = format.getScaleType().getIntOrFloatBitWidth() / 8;
    scales = llvm::divideCeil(cols, 8) * kPanelRows * storedBits(format);
    zeros = scales + llvm::alignTo(groups * kPanelRows * scaleBytes, kLine);
    bytes = zeros +
            (format.getZeros() ? llvm::alignTo(groups * kPanelRows, kLine) : 0);
  }
  int64_t group, groups, scaleBytes, scales, zeros, bytes;
};

} // namespace adze::detail

#endif // ADZE_LIB_FORMATS_INTLAYOUT_H
