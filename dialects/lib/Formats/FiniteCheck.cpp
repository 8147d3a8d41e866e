// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Looks at all elements of floats and at the scales of codes; see the header.

#include "FiniteCheck.h"
#include "GgufBlocks.h"
#include "HostClones.h"
#include "IntLayout.h"
#include <cstring>

using namespace mlir;
using namespace adze;
using namespace adze::detail;

/// All bits of the exponent are set.
static bool isBad(Type type, const uint8_t *at) {
  if (type.isF32()) {
    uint32_t bits;
    std::memcpy(&bits, at, 4);
    return (bits & 0x7f800000) == 0x7f800000;
  }
  uint16_t mask = type.isF16() ? 0x7c00 : 0x7f80;
  return (loadU16(at) & mask) == mask;
}

/// True if all bits of the exponent are set in one of the elements, of which a
/// word holds two or four. The lowest of these bits, added to the exponent
/// alone, carries into the sign of such elements and no further. No early exit:
/// the loop vectorises.
ADZE_HOST_CLONES
static bool anyIsBad(ArrayRef<uint8_t> row, uint64_t exponents,
                     uint64_t lowest) {
  uint64_t carried = 0, last = 0;
  size_t words = row.size() / sizeof last;
  for (size_t i = 0; i < words; ++i) {
    uint64_t word;
    std::memcpy(&word, row.data() + i * sizeof word, sizeof word);
    carried |= (word & exponents) + lowest;
  }
  std::memcpy(&last, row.data() + words * sizeof last,
              row.size() % sizeof last);
  carried |= (last & exponents) + lowest;
  return carried & (exponents + lowest);
}

static std::optional<int64_t> findIn(FloatFormatAttr format,
                                     ArrayRef<uint8_t> row) {
  Type type = format.getElementType();
  bool anyBad =
      type.isF32()   ? anyIsBad(row, 0x7f8000007f800000, 0x0080000000800000)
      : type.isF16() ? anyIsBad(row, 0x7c007c007c007c00, 0x0400040004000400)
                     : anyIsBad(row, 0x7f807f807f807f80, 0x0080008000800080);
  if (!anyBad)
    return std::nullopt;
  int64_t k = 0;
  while (!isBad(type, row.data() + k * format.getElementBytes()))
    ++k;
  return k;
}

static std::optional<int64_t> findIn(IntFormatAttr format, const uint8_t *row,
                                     int64_t cols) {
  IntRow at(format, cols);
  for (int64_t g = 0; g < at.groups; ++g)
    if (isBad(format.getScaleType(), row + at.scales + g * at.scaleBytes))
      return g * at.group;
  return std::nullopt;
}

static std::optional<int64_t> findIn(GgufFormatAttr format, const uint8_t *row,
                                     int64_t cols) {
  const GgufBlockInfo &info = infoOf(format.getBlock());
  Type f16 = Float16Type::get(format.getContext());
  for (int64_t k = 0; k < cols; k += info.elements, row += info.bytes)
    for (int16_t at : {info.scaleAt, info.minimumAt})
      if (at >= 0 && isBad(f16, row + at))
        return k;
  return std::nullopt;
}

/// Elements may be NaN too.
static std::optional<int64_t> findIn(Fp8FormatAttr format, const uint8_t *row,
                                     int64_t cols) {
  if (isBad(format.getScaleType(), row + cols))
    return 0;
  for (int64_t k = 0; k < cols; ++k)
    if ((row[k] & 0x7f) == 0x7f)
      return k;
  return std::nullopt;
}

std::optional<int64_t> adze::detail::findNotFinite(FormatAttrInterface format,
                                                   llvm::ArrayRef<uint8_t> row,
                                                   int64_t cols) {
  if (auto floats = dyn_cast<FloatFormatAttr>(Attribute(format)))
    return findIn(floats, row);
  if (auto integers = dyn_cast<IntFormatAttr>(Attribute(format)))
    return findIn(integers, row.data(), cols);
  if (auto gguf = dyn_cast<GgufFormatAttr>(Attribute(format)))
    return findIn(gguf, row.data(), cols);
  if (auto floats = dyn_cast<Fp8FormatAttr>(Attribute(format)))
    return findIn(floats, row.data(), cols);
  return std::nullopt;
}
