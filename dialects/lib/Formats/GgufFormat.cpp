// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// #adze.gguf<...>: rows as GGUF files have them, and panels of the same
// numbers. How a block is taken apart is in a file per family; what kernels
// emit is in GgufFormatEmit.cpp.

#include "FloatBits.h"
#include "GgufPanel.h"
#include "PanelPacking.h"
#include <cstring>

using namespace mlir;
using namespace adze;
using namespace adze::detail;

const GgufBlockInfo &adze::detail::infoOf(GgufBlock type) {
  using M = GgufMinimum;
  // elements, bytes, group, planes, zero, most, sub scales, minimum, bf16,
  // place of the scale and of the minimum
  static constexpr GgufBlockInfo
      kQ4_0 = {32, 18, 32, {4}, 8, 15, false, M::None, false, 0, -1},
      kQ4_1 = {32, 20, 32, {4}, 0, 15, false, M::Direct, false, 0, 2},
      kQ5_0 = {32, 22, 32, {4, 1}, 16, 31, false, M::None, false, 0, -1},
      kQ5_1 = {32, 24, 32, {4, 1}, 0, 31, false, M::Direct, false, 0, 2},
      kQ8_0 = {32, 34, 32, {8}, 128, 255, false, M::None, false, 0, -1},
      kQ2_K = {256, 84, 16, {2}, 0, 3, true, M::Scaled, false, 80, 82},
      kQ3_K = {256, 110, 16, {2, 1}, 4, 7, true, M::None, false, 108, -1},
      kQ4_K = {256, 144, 32, {4}, 0, 15, true, M::Scaled, false, 0, 2},
      kQ5_K = {256, 176, 32, {4, 1}, 0, 31, true, M::Scaled, false, 0, 2},
      kQ6_K = {256, 210, 16, {4, 2}, 32, 63, true, M::None, false, 208, -1},
      kIQ4_NL = {32, 18, 32, {8}, 128, 241, false, M::None, false, 0, -1},
      kIQ4_XS = {256, 136, 32, {8}, 128, 241, true, M::None, false, 0, -1},
      kMXFP4 = {32, 17, 32, {4, 1}, 12, 24, false, M::None, true, -1, -1};
  switch (type) {
  case GgufBlock::Q4_0:
    return kQ4_0;
  case GgufBlock::Q4_1:
    return kQ4_1;
  case GgufBlock::Q5_0:
    return kQ5_0;
  case GgufBlock::Q5_1:
    return kQ5_1;
  case GgufBlock::Q8_0:
    return kQ8_0;
  case GgufBlock::Q2_K:
    return kQ2_K;
  case GgufBlock::Q3_K:
    return kQ3_K;
  case GgufBlock::Q4_K:
    return kQ4_K;
  case GgufBlock::Q5_K:
    return kQ5_K;
  case GgufBlock::Q6_K:
    return kQ6_K;
  case GgufBlock::IQ4_NL:
    return kIQ4_NL;
  case GgufBlock::IQ4_XS:
    return kIQ4_XS;
  case GgufBlock::MXFP4:
    return kMXFP4;
  }
  llvm_unreachable("all block types have a size");
}

GgufUnpack adze::detail::unpackOf(GgufBlock type) {
  for (auto family : {unpackPlain, unpackSuper, unpackCodebook})
    if (GgufUnpack unpack = family(type))
      return unpack;
  llvm_unreachable("each block type is of a family");
}

//===-- constants ---------------------------------------------------------===//

std::string GgufFormatAttr::getFormatName() const {
  return stringifyGgufBlock(getBlock()).str();
}
int64_t GgufFormatAttr::getGroup() const { return infoOf(getBlock()).group; }
int64_t GgufFormatAttr::getZeroCode() const { return infoOf(getBlock()).zero; }
int64_t GgufFormatAttr::getMaxCode() const { return infoOf(getBlock()).most; }
bool GgufFormatAttr::hasMinimum() const {
  return infoOf(getBlock()).minimum != GgufMinimum::None;
}
/// Of the widest plane.
int64_t GgufFormatAttr::getPanelDepth() const {
  return 32 / infoOf(getBlock()).planes[0];
}
int64_t GgufFormatAttr::getRowBytes(int64_t cols) const {
  const GgufBlockInfo &info = infoOf(getBlock());
  return llvm::divideCeil(cols, info.elements) * info.bytes;
}
int64_t GgufFormatAttr::getPanelBytes(int64_t cols) const {
  return GgufPanel(infoOf(getBlock()), cols).bytes;
}

//===-- rows --------------------------------------------------------------===//

/// Nothing is rounded to these formats (adze-convert-weights and the evaluator
/// refuse to); what asks all the same gets a row of zeros.
void GgufFormatAttr::encodeRow(ArrayRef<float>,
                               MutableArrayRef<uint8_t> row) const {
  std::memset(row.data(), 0, row.size());
}

static float widen(const GgufBlockInfo &info, uint16_t scale) {
  return info.bf16Scale ? bf16ToF32(scale) : f16ToF32(scale);
}

/// scale * (code - zero) + minimum, in the order of the interface. The scale
/// and its products are exact, so a sum is the only rounding.
void GgufFormatAttr::decodeRow(ArrayRef<uint8_t> row,
                               MutableArrayRef<float> values) const {
  const GgufBlockInfo &info = infoOf(getBlock());
  GgufUnpack unpack = unpackOf(getBlock());
  assert(int64_t(row.size()) == getRowBytes(values.size()) && "row size");
  GgufBlockParts parts;
  for (size_t at = 0, block = 0; at < values.size();
       at += info.elements, ++block) {
    unpack(row.data() + block * info.bytes, parts);
    float blockScale = widen(info, parts.scale);
    float blockMinimum = f16ToF32(parts.minimum);
    for (int64_t g = 0; g < info.elements / info.group; ++g) {
      float scale = blockScale, minimum = blockMinimum;
      if (info.hasSubScales)
        scale *= float(parts.subScales[g]);
      if (info.minimum == GgufMinimum::Scaled)
        minimum = -(minimum * float(parts.subMinima[g]));
      const uint8_t *codes = parts.codes + g * info.group;
      float *out = values.data() + at + g * info.group;
      if (info.minimum == GgufMinimum::None)
        for (int64_t i = 0; i < info.group; ++i)
          out[i] = scale * float(int32_t(codes[i]) - info.zero);
      else
        for (int64_t i = 0; i < info.group; ++i)
          out[i] = scale * float(int32_t(codes[i]) - info.zero) + minimum;
    }
  }
}

//===-- panels ------------------------------------------------------------===//

/// Lines of a plane of `width` bits from lines of bytes, of which it takes the
/// bits from `shift`.
static void packPlane(const uint8_t *lines, int64_t count, int shift, int width,
                      uint8_t *plane) {
  int perLine = 8 / width, mask = (1 << width) - 1;
  for (int64_t to = 0; to < count / perLine; ++to)
    for (int i = 0; i < perLine; ++i) {
      const uint8_t *from = lines + (to * perLine + i) * kLine;
      uint8_t *out = plane + to * kLine;
      for (int64_t b = 0; b < kLine; ++b) {
        int bits = (from[b] >> shift & mask) << width * i;
        out[b] = uint8_t(i ? out[b] | bits : bits);
      }
    }
}

void GgufFormatAttr::packPanel(ArrayRef<const uint8_t *> rows, int64_t cols,
                               MutableArrayRef<uint8_t> panel) const {
  const GgufBlockInfo &info = infoOf(getBlock());
  GgufUnpack unpack = unpackOf(getBlock());
  GgufPanel to(info, cols);
  assert(int64_t(rows.size()) == kPanelRows && "a panel has 16 rows");
  assert(int64_t(panel.size()) == to.bytes && "panel size");
  std::memset(panel.data() + to.scales, 0, to.bytes - to.scales);
  // 256 elements of each row at a time: their codes one to a byte, then in
  // lines of 16 channels, then in planes.
  constexpr int64_t kChunk = 256;
  alignas(64) uint8_t codes[kPanelRows][kChunk], lines[kPanelRows * kChunk];
  GgufBlockParts parts;
  uint32_t fill = info.zero * 0x01010101u;
  int64_t perBlock = info.elements / info.group;
  for (int64_t k = 0; k < cols; k += kChunk) {
    int64_t count = std::min(kChunk, cols - k);
    const uint8_t *sources[kPanelRows] = {};
    for (int64_t r = 0; r < kPanelRows; ++r) {
      if (!rows[r])
        continue;
      sources[r] = codes[r];
      for (int64_t i = 0; i < count; i += info.elements) {
        int64_t block = (k + i) / info.elements;
        unpack(rows[r] + block * info.bytes, parts);
        std::memcpy(codes[r] + i, parts.codes, info.elements);
        int64_t place = block * kPanelRows + r;
        std::memcpy(panel.data() + to.scales + place * 2, &parts.scale, 2);
        if (info.minimum != GgufMinimum::None)
          std::memcpy(panel.data() + to.minima + place * 2, &parts.minimum, 2);
        for (int64_t g = 0; info.hasSubScales && g < perBlock; ++g) {
          place = (block * perBlock + g) * kPanelRows + r;
          panel[to.subScales + place] = uint8_t(parts.subScales[g]);
          if (info.minimum == GgufMinimum::Scaled)
            panel[to.subMinima + place] = parts.subMinima[g];
        }
      }
    }
    packUnits(sources, count / 4, reinterpret_cast<uint32_t *>(lines), fill);
    int shift = 0;
    for (int width : info.planes) {
      if (!width)
        continue;
      uint8_t *plane = panel.data() + (cols * shift + k * width) * 2;
      packPlane(lines, count / 4, shift, width, plane);
      shift += width;
    }
  }
}

float GgufFormatAttr::decodePanel(ArrayRef<uint8_t> panel, int64_t cols,
                                  int64_t row, int64_t k) const {
  const GgufBlockInfo &info = infoOf(getBlock());
  GgufPanel at(info, cols);
  int64_t byte = row * 4 + k % 4, line = k / 4;
  int32_t code = 0;
  int shift = 0;
  for (int width : info.planes) {
    if (!width)
      continue;
    int64_t perLine = 8 / width;
    const uint8_t *plane = panel.data() + cols * shift * 2;
    int bits = plane[line / perLine * kLine + byte] >> line % perLine * width;
    code |= (bits & ((1 << width) - 1)) << shift;
    shift += width;
  }
  auto half = [&](int64_t part) {
    uint16_t value;
    std::memcpy(
        &value,
        panel.data() + part + (k / info.elements * kPanelRows + row) * 2, 2);
    return value;
  };
  int64_t group = k / info.group * kPanelRows + row;
  float scale = widen(info, half(at.scales));
  if (info.hasSubScales)
    scale *= float(int8_t(panel[at.subScales + group]));
  float value = scale * float(code - info.zero);
  if (info.minimum == GgufMinimum::None)
    return value;
  float minimum = f16ToF32(half(at.minima));
  if (info.minimum == GgufMinimum::Scaled)
    minimum = -(minimum * float(panel[at.subMinima + group]));
  return value + minimum;
}
