// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// #adze.int<8|4|3, ...>: codes with scales, rows and panels of them. How a
// scale is found is in Quantize.cpp, what a kernel emits to read a panel in
// IntFormatEmit.cpp.

#include "FloatBits.h"
#include "HostClones.h"
#include "IntLayout.h"
#include "PanelPacking.h"
#include "Quantize.h"
#include "adze/Dialect/Adze/IntRounding.h"
#include "mlir/IR/DialectImplementation.h"
#include <cstring>

using namespace mlir;
using namespace adze;
using namespace adze::detail;

//===-- syntax ------------------------------------------------------------===//

LogicalResult
IntFormatAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                      int64_t bits, int64_t group, Type scale, bool zeros) {
  if (bits != 3 && bits != 4 && bits != 8)
    return emitError() << "expects codes of 3, 4 or 8 bits, got " << bits;
  if (group && (group < kSmallestGroup || group % 8 || group > kLargestGroup))
    return emitError() << "expects a group of 0 (the whole row) or a multiple "
                          "of 8 from "
                       << kSmallestGroup << " to " << kLargestGroup << ", got "
                       << group;
  if (!scale || (!scale.isF32() && !scale.isF16() && !scale.isBF16()))
    return emitError() << "expects scales in f32, f16 or bf16, got " << scale;
  return success();
}

Attribute IntFormatAttr::parse(AsmParser &parser, Type) {
  int64_t bits = 0, group = 0;
  Type scale;
  bool zeros = false;
  auto loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseInteger(bits) || parser.parseComma())
    return {};
  if (succeeded(parser.parseOptionalKeyword("group")) &&
      (parser.parseEqual() || parser.parseInteger(group) ||
       parser.parseComma()))
    return {};
  if (parser.parseKeyword("scale") || parser.parseEqual() ||
      parser.parseType(scale))
    return {};
  if (succeeded(parser.parseOptionalComma())) {
    if (parser.parseKeyword("zeros"))
      return {};
    zeros = true;
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<IntFormatAttr>(loc, parser.getContext(), bits, group,
                                          scale, zeros);
}

void IntFormatAttr::print(AsmPrinter &printer) const {
  printer << '<' << getBits();
  if (getGroupSize())
    printer << ", group = " << getGroupSize();
  printer << ", scale = " << getScaleType();
  if (getZeros())
    printer << ", zeros";
  printer << '>';
}

/// int8, int8:g32, int4:g128, int4:g32:f16:zp, int3:g128, ...; parseFormatName
/// reads it.
std::string IntFormatAttr::getFormatName() const {
  std::string name;
  llvm::raw_string_ostream os(name);
  os << "int" << getBits();
  if (getBits() != 8 || getGroupSize())
    os << ":g" << getGroupSize();
  if (getScaleType() !=
      defaultScaleType(getContext(), getBits(), getGroupSize()))
    os << ':' << getScaleType();
  if (getZeros())
    os << ":zp";
  return name;
}

//===-- constants ---------------------------------------------------------===//

int64_t IntFormatAttr::getGroup() const { return getGroupSize(); }
int64_t IntFormatAttr::getZeroCode() const { return 1 << (getBits() - 1); }
int64_t IntFormatAttr::getMaxCode() const { return (1 << getBits()) - 1; }
bool IntFormatAttr::hasMinimum() const { return getZeros(); }
int64_t IntFormatAttr::getPanelDepth() const { return 32 / storedBits(*this); }

int64_t IntFormatAttr::getRowBytes(int64_t cols) const {
  return IntRow(*this, cols).bytes;
}

int64_t IntFormatAttr::getPanelBytes(int64_t cols) const {
  return IntPanel(*this, cols).bytes;
}

//===-- rows --------------------------------------------------------------===//

namespace {

ScaleStorage storageOf(Type type) {
  return type.isF32()   ? ScaleStorage::F32
         : type.isF16() ? ScaleStorage::F16
                        : ScaleStorage::BF16;
}

void storeScale(ScaleStorage storage, float scale, uint8_t *to) {
  if (storage == ScaleStorage::F32) {
    std::memcpy(to, &scale, 4);
    return;
  }
  uint16_t half =
      storage == ScaleStorage::F16 ? f32ToF16(scale) : f32ToBF16(scale);
  std::memcpy(to, &half, 2);
}

float loadScale(ScaleStorage storage, const uint8_t *from) {
  if (storage == ScaleStorage::F32) {
    float scale;
    std::memcpy(&scale, from, 4);
    return scale;
  }
  uint16_t half;
  std::memcpy(&half, from, 2);
  return storage == ScaleStorage::F16 ? f16ToF32(half) : bf16ToF32(half);
}

/// Codes are unpacked in pieces of this size: even, and a multiple of a line.
constexpr int64_t kPiece = 256;

ADZE_HOST_CLONES void decodeCodes(const uint8_t *codes, int64_t count,
                                  float scale, int32_t zero, float *out) {
  for (int64_t i = 0; i < count; ++i)
    out[i] = scale * float(int32_t(codes[i]) - zero);
}

ADZE_HOST_CLONES void unpackNibbles(const uint8_t *packed, int64_t count,
                                    uint8_t *codes) {
  for (int64_t i = 0; i < count / 2; ++i) {
    codes[2 * i] = packed[i] & 15;
    codes[2 * i + 1] = packed[i] >> 4;
  }
  if (count % 2)
    codes[count - 1] = packed[count / 2] & 15;
}

} // namespace

void IntFormatAttr::encodeRow(ArrayRef<float> values,
                              MutableArrayRef<uint8_t> row) const {
  int64_t cols = values.size(), bits = getBits();
  IntRow at(*this, cols);
  assert(int64_t(row.size()) == at.bytes && "row size");
  QuantSpec spec = {int(bits), storageOf(getScaleType()), getZeros()};
  uint8_t codes[kPiece];
  for (int64_t g = 0; g < at.groups; ++g) {
    int64_t begin = g * at.group, end = std::min(begin + at.group, cols);
    GroupScale scale = chooseScale(values.data() + begin, end - begin, spec);
    storeScale(spec.storage, scale.scale,
               row.data() + at.scales + g * at.scaleBytes);
    if (getZeros())
      row[at.zeros + g] = uint8_t(scale.zero);
    if (bits == 8) {
      roundToCodes(values.data() + begin, end - begin, scale, 8,
                   row.data() + begin);
      continue;
    }
    for (int64_t i = begin; i < end; i += kPiece) {
      int64_t n = std::min(kPiece, end - i);
      roundToCodes(values.data() + i, n, scale, int(bits), codes);
      packNibbles(codes, n, row.data() + i / 2);
    }
  }
}

int64_t IntRounding::groupSize(int64_t columns) const {
  return IntRow(format, columns).group;
}

CodeScale IntRounding::chooseScale(ArrayRef<float> values,
                                   ArrayRef<float> importance) const {
  assert((importance.empty() || importance.size() == values.size()) &&
         "one per element");
  GroupScale found =
      detail::chooseScale(values.data(), int64_t(values.size()),
                          {int(format.getBits()),
                           storageOf(format.getScaleType()), format.getZeros()},
                          importance.empty() ? nullptr : importance.data());
  return {found.scale, found.zero};
}

void IntRounding::storeRow(ArrayRef<uint8_t> codes, ArrayRef<CodeScale> scales,
                           MutableArrayRef<uint8_t> row) const {
  int64_t cols = codes.size();
  IntRow at(format, cols);
  assert(int64_t(row.size()) == at.bytes && "row size");
  assert(int64_t(scales.size()) == at.groups && "a scale per group");
  if (format.getBits() == 8)
    std::memcpy(row.data(), codes.data(), codes.size());
  else
    packNibbles(codes.data(), cols, row.data());
  for (auto [g, scale] : llvm::enumerate(scales)) {
    storeScale(storageOf(format.getScaleType()), scale.scale,
               row.data() + at.scales + g * at.scaleBytes);
    if (format.getZeros())
      row[at.zeros + g] = uint8_t(scale.zero);
  }
}

void IntFormatAttr::decodeRow(ArrayRef<uint8_t> row,
                              MutableArrayRef<float> values) const {
  int64_t cols = values.size();
  IntRow at(*this, cols);
  assert(int64_t(row.size()) == at.bytes && "row size");
  ScaleStorage storage = storageOf(getScaleType());
  uint8_t codes[kPiece];
  for (int64_t g = 0; g < at.groups; ++g) {
    int64_t begin = g * at.group, end = std::min(begin + at.group, cols);
    float scale =
        loadScale(storage, row.data() + at.scales + g * at.scaleBytes);
    int32_t zero = getZeros() ? row[at.zeros + g] : getZeroCode();
    if (getBits() == 8) {
      decodeCodes(row.data() + begin, end - begin, scale, zero,
                  values.data() + begin);
      continue;
    }
    for (int64_t i = begin; i < end; i += kPiece) {
      int64_t n = std::min(kPiece, end - i);
      unpackNibbles(row.data() + i / 2, n, codes);
      decodeCodes(codes, n, scale, zero, values.data() + i);
    }
  }
}

//===-- panels ------------------------------------------------------------===//

/// In each 32-bit unit, 8 nibbles in order of k become those of a panel: byte j
/// holds k = j low and k = 4 + j high.
ADZE_HOST_CLONES static void orderNibbles(uint32_t *units, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    uint32_t x = units[i];
    uint32_t t = (x >> 12 ^ x) & 0x0000f0f0; // bits 0 and 2 of the place
    x ^= t ^ t << 12;
    t = (x >> 8 ^ x) & 0x0000ff00; // then bits 1 and 2
    units[i] = x ^ t ^ t << 8;
  }
}

void IntFormatAttr::packPanel(ArrayRef<const uint8_t *> rows, int64_t cols,
                              MutableArrayRef<uint8_t> panel) const {
  IntRow from(*this, cols);
  IntPanel to(*this, cols);
  assert(int64_t(rows.size()) == kPanelRows && "a panel has 16 rows");
  assert(int64_t(panel.size()) == to.bytes && "panel size");
  // Whole steps of 8 k come from the rows, the last one from a copy that ends
  // in codes for zero.
  int64_t depth = getPanelDepth(), steps = cols / 8;
  auto *units = reinterpret_cast<uint32_t *>(panel.data());
  uint8_t zeroByte = zeroCodeByte(*this);
  uint32_t fill = zeroByte * 0x01010101u;
  packUnits(rows, steps * 8 / depth, units, fill);
  if (cols % 8) {
    uint8_t last[kPanelRows][8];
    const uint8_t *lastRows[kPanelRows] = {};
    std::memset(last, zeroByte, sizeof last);
    for (int64_t r = 0; r < kPanelRows; ++r) {
      if (!rows[r])
        continue;
      int64_t begin = steps * storedBits(*this);
      std::memcpy(last[r], rows[r] + begin, from.scales - begin);
      if (getBits() != 8 && cols % 2)
        last[r][cols % 8 / 2] =
            uint8_t((last[r][cols % 8 / 2] & 15) | (zeroByte & 0xf0));
      lastRows[r] = last[r];
    }
    packUnits(lastRows, 8 / depth, units + steps * 8 / depth * kPanelRows,
              fill);
  }
  if (getBits() != 8)
    orderNibbles(units, to.scales / 4);

  std::memset(panel.data() + to.scales, 0, to.bytes - to.scales);
  for (int64_t r = 0; r < kPanelRows; ++r) {
    if (!rows[r]) // its scales stay zero
      continue;
    const uint8_t *scales = rows[r] + from.scales;
    uint8_t *out = panel.data() + to.scales + r * to.scaleBytes;
    for (int64_t g = 0; g < to.groups; ++g)
      std::memcpy(out + g * kPanelRows * to.scaleBytes,
                  scales + g * to.scaleBytes, to.scaleBytes);
    for (int64_t g = 0; getZeros() && g < to.groups; ++g)
      panel[to.zeros + g * kPanelRows + r] = rows[r][from.zeros + g];
  }
}

float IntFormatAttr::decodePanel(ArrayRef<uint8_t> panel, int64_t cols,
                                 int64_t row, int64_t k) const {
  IntPanel at(*this, cols);
  int32_t code;
  if (getBits() == 8)
    code = panel[(k / 4 * kPanelRows + row) * 4 + k % 4];
  else
    code =
        panel[(k / 8 * kPanelRows + row) * 4 + k % 4] >> (k % 8 / 4 * 4) & 15;
  int64_t place = k / at.group * kPanelRows + row;
  int32_t zero = getZeros() ? panel[at.zeros + place] : getZeroCode();
  return loadScale(storageOf(getScaleType()),
                   panel.data() + at.scales + place * at.scaleBytes) *
         float(code - zero);
}
