// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// #adze.fp8<scale = ...>: 8-bit floats (E4M3) with a scale per output channel.
// An element is widened through f16, whose exponent has the same layout but for
// a bias that is 8 larger: exact, subnormal numbers included. The scale makes
// up for the bias.

#include "EmitSupport.h"
#include "FloatBits.h"
#include "HostClones.h"
#include "PanelPacking.h"
#include "adze/Dialect/Adze/Adze.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>
#include <cstring>
#include <limits>

using namespace mlir;
using namespace adze;
using namespace adze::detail;

namespace {

constexpr int64_t kLine = 64;
constexpr float kLargest = 448.0f, kBias = 256.0f;
constexpr uint8_t kLargestCode = 0x7e;

/// The value without the scale, divided by kBias.
float widenCode(uint8_t code) {
  if ((code & 0x7f) == 0x7f)
    return std::numeric_limits<float>::quiet_NaN();
  return f16ToF32(uint16_t((code & 0x80) << 8 | (code & 0x7f) << 7));
}

/// To the nearest, ties to even; what is too large becomes the largest.
uint8_t f32ToFp8(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value);
  uint8_t sign = bits >> 24 & 0x80;
  float magnitude = std::fabs(value);
  if (!(magnitude <= kLargest))
    return sign | (std::isnan(value) ? 0x7f : kLargestCode);
  if (magnitude < 0x1p-6f) // subnormal: a multiple of 2^-9
    return sign | uint8_t(std::nearbyint(magnitude * 0x1p9f));
  bits &= 0x7fffffff;
  bits += 0x7ffff + (bits >> 20 & 1);
  return sign | uint8_t((bits >> 20) - (120 << 3));
}

int64_t bytesOf(Type type) { return type.getIntOrFloatBitWidth() / 8; }

float loadScale(Type type, const uint8_t *from) {
  if (type.isF32()) {
    float scale;
    std::memcpy(&scale, from, 4);
    return scale;
  }
  uint16_t half;
  std::memcpy(&half, from, 2);
  return type.isF16() ? f16ToF32(half) : bf16ToF32(half);
}

void storeScale(Type type, float scale, uint8_t *to) {
  if (type.isF32()) {
    std::memcpy(to, &scale, 4);
    return;
  }
  uint16_t half = type.isF16() ? f32ToF16(scale) : f32ToBF16(scale);
  std::memcpy(to, &half, 2);
}

int64_t codeBytes(int64_t cols) { return llvm::alignTo(cols, 8) * kPanelRows; }

} // namespace

LogicalResult
Fp8FormatAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                      Type scale) {
  if (!scale.isF32() && !scale.isF16() && !scale.isBF16())
    return emitError() << "expects scales in f32, f16 or bf16, got " << scale;
  return success();
}

std::string Fp8FormatAttr::getFormatName() const {
  std::string name;
  llvm::raw_string_ostream(name) << "fp8:" << getScaleType();
  return name;
}

int64_t Fp8FormatAttr::getRowBytes(int64_t cols) const {
  return cols + bytesOf(getScaleType());
}

/// The largest element becomes the largest number.
void Fp8FormatAttr::encodeRow(ArrayRef<float> values,
                              MutableArrayRef<uint8_t> row) const {
  assert(int64_t(row.size()) == getRowBytes(values.size()) && "row size");
  float largest = 0;
  for (float value : values)
    largest = std::max(largest, std::fabs(value));
  uint8_t *at = row.data() + values.size();
  storeScale(getScaleType(), largest / kLargest, at);
  float scale = loadScale(getScaleType(), at);
  for (size_t i = 0; i < values.size(); ++i)
    row[i] = scale == 0 ? 0 : f32ToFp8(values[i] / scale);
}

void Fp8FormatAttr::decodeRow(ArrayRef<uint8_t> row,
                              MutableArrayRef<float> values) const {
  assert(int64_t(row.size()) == getRowBytes(values.size()) && "row size");
  float factor = loadScale(getScaleType(), row.data() + values.size()) * kBias;
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = widenCode(row[i]) * factor;
}

int64_t Fp8FormatAttr::getPanelDepth() const { return 4; }

int64_t Fp8FormatAttr::getPanelBytes(int64_t cols) const {
  return codeBytes(cols) +
         llvm::alignTo(kPanelRows * bytesOf(getScaleType()), kLine);
}

void Fp8FormatAttr::packPanel(ArrayRef<const uint8_t *> rows, int64_t cols,
                              MutableArrayRef<uint8_t> panel) const {
  assert(int64_t(rows.size()) == kPanelRows && "a panel has 16 rows");
  assert(int64_t(panel.size()) == getPanelBytes(cols) && "panel size");
  std::memset(panel.data(), 0, panel.size());
  auto *units = reinterpret_cast<uint32_t *>(panel.data());
  packUnits(rows, cols / 4, units);
  int64_t scaleBytes = bytesOf(getScaleType());
  for (int64_t r = 0; r < kPanelRows; ++r) {
    if (!rows[r])
      continue;
    std::memcpy(units + cols / 4 * kPanelRows + r, rows[r] + cols / 4 * 4,
                cols % 4);
    std::memcpy(panel.data() + codeBytes(cols) + r * scaleBytes, rows[r] + cols,
                scaleBytes);
  }
}

float Fp8FormatAttr::decodePanel(ArrayRef<uint8_t> panel, int64_t cols,
                                 int64_t row, int64_t k) const {
  float scale = loadScale(getScaleType(), panel.data() + codeBytes(cols) +
                                              row * bytesOf(getScaleType()));
  return widenCode(panel[(k / 4 * kPanelRows + row) * 4 + k % 4]) *
         (scale * kBias);
}

//===-- emission ----------------------------------------------------------===//

/// Byte `byte` of each i32 as an f32 that is 2^-8 of its value: the bits of an
/// f16, whose sign is in place and whose exponent and mantissa are one to the
/// right once the byte is the high one.
static Value widen(FormatEmitter &e, Value lanes, int64_t byte) {
  OpBuilder &b = e.b;
  Type i32 = lanes.getType();
  auto shaped = [&](Type element) -> Type {
    if (auto vec = dyn_cast<VectorType>(i32))
      return vec.clone(element);
    return element;
  };
  Value bits = lanes;
  if (byte < 3)
    bits =
        arith::ShLIOp::create(b, e.loc, bits, e.constant(i32, 8 * (3 - byte)));
  bits = arith::ShRSIOp::create(b, e.loc, bits, e.constant(i32, 1));
  bits = arith::AndIOp::create(b, e.loc, bits,
                               e.constant(i32, int32_t(0xbf800000)));
  bits = arith::ShRUIOp::create(b, e.loc, bits, e.constant(i32, 16));
  bits = arith::TruncIOp::create(b, e.loc, shaped(b.getI16Type()), bits);
  Value half = arith::BitcastOp::create(b, e.loc, shaped(b.getF16Type()), bits);
  return arith::ExtFOp::create(b, e.loc, shaped(b.getF32Type()), half);
}

/// Scales times 2^8.
static Value loadFactor(FormatEmitter &e, Type type, Value base, Value at,
                        int64_t lanes, unsigned align) {
  Value scale = e.loadFloats(type, base, at, lanes, align);
  TypedAttr factor = e.b.getF32FloatAttr(kBias);
  if (auto vec = dyn_cast<VectorType>(scale.getType()))
    factor = DenseElementsAttr::get(vec, Attribute(factor));
  return arith::MulFOp::create(e.b, e.loc, scale,
                               arith::ConstantOp::create(e.b, e.loc, factor));
}

Value Fp8FormatAttr::emitPanelBytes(OpBuilder &b, Location loc,
                                    Value cols) const {
  FormatEmitter e = {b, loc};
  return e.add(e.mul(e.alignTo(cols, 8), kPanelRows),
               llvm::alignTo(kPanelRows * bytesOf(getScaleType()), kLine));
}

SmallVector<Value> Fp8FormatAttr::emitValues(OpBuilder &b, Location loc,
                                             Value panel, Value cols,
                                             Value step) const {
  FormatEmitter e = {b, loc};
  Value at = e.mul(e.alignTo(cols, 8), kPanelRows);
  Value factor = loadFactor(e, getScaleType(), panel, at, kPanelRows,
                            kPanelRows * bytesOf(getScaleType()));
  Type lanes = e.vector(kPanelRows, b.getI32Type());
  SmallVector<Value> values;
  for (int64_t half = 0; half < 2; ++half) {
    Value line = e.load(lanes, panel,
                        e.add(e.mul(step, 2 * kLine), half * kLine), kLine);
    for (int64_t byte = 0; byte < 4; ++byte)
      values.push_back(
          arith::MulFOp::create(b, loc, widen(e, line, byte), factor));
  }
  return values;
}

Value Fp8FormatAttr::emitLoadElement(OpBuilder &b, Location loc, Value base,
                                     bool panels, int64_t cols, Value row,
                                     Value k) const {
  FormatEmitter e = {b, loc};
  int64_t scaleBytes = bytesOf(getScaleType());
  Value codeAt, scaleAt;
  if (panels) {
    Value panel = e.mul(e.div(row, kPanelRows), getPanelBytes(cols));
    Value lane = e.rem(row, kPanelRows);
    Value within = e.add(e.mul(e.div(k, 4), kLine), e.rem(k, 4));
    codeAt = e.add(e.add(panel, e.mul(lane, 4)), within);
    scaleAt = e.add(e.add(panel, codeBytes(cols)), e.mul(lane, scaleBytes));
  } else {
    Value start = e.mul(row, getRowBytes(cols));
    codeAt = e.add(start, k);
    scaleAt = e.add(start, cols);
  }
  // Scales of rows need not be aligned.
  return arith::MulFOp::create(
      b, loc, widen(e, e.loadBytes(base, codeAt, 0, 1), 0),
      loadFactor(e, getScaleType(), base, scaleAt, 0, panels ? scaleBytes : 1));
}
