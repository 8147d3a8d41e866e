// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// #adze.float<f32|f16|bf16>: elements as they are. The panel of 16 rows is
// [K/kk][16][kk]: one 64-byte line holds one (f32) or two (f16, bf16)
// consecutive k of 16 output channels, so a kernel reads one line and one
// 32-bit broadcast of the activation per step.

#include "adze/Dialect/Adze/Adze.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

using namespace mlir;
using namespace adze;

namespace {

float bf16ToF32(uint16_t h) { return llvm::bit_cast<float>(uint32_t(h) << 16); }

uint16_t f32ToBF16(float f) {
  uint32_t u = llvm::bit_cast<uint32_t>(f);
  if ((u & 0x7fffffff) > 0x7f800000) // NaN: keep the sign, make it quiet
    return uint16_t(u >> 16) | 0x40;
  return uint16_t((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

float f16ToF32(uint16_t h) {
  uint32_t sign = uint32_t(h & 0x8000) << 16, rest = h & 0x7fff;
  if (rest >= 0x7c00) // infinity or NaN
    return llvm::bit_cast<float>(sign | 0x7f800000 | (rest & 0x3ff) << 13);
  if (rest >= 0x400)
    return llvm::bit_cast<float>(sign | ((rest << 13) + 0x38000000));
  float tiny = float(rest) * 0x1p-24f; // subnormal: exact
  return sign ? -tiny : tiny;
}

uint16_t f32ToF16(float f) {
  uint32_t u = llvm::bit_cast<uint32_t>(f);
  uint16_t sign = u >> 16 & 0x8000;
  u &= 0x7fffffff;
  if (u > 0x7f800000)
    return sign | 0x7e00;
  if (u >= 0x477ff000) // rounds to infinity
    return sign | 0x7c00;
  if (u < 0x38800000) { // subnormal: let the float unit round at bit 2^-24
    float shifted = llvm::bit_cast<float>(u) + 0.5f;
    return sign | uint16_t(llvm::bit_cast<uint32_t>(shifted) - 0x3f000000);
  }
  u += 0xfff + (u >> 13 & 1);
  return sign | uint16_t((u - 0x38000000) >> 13);
}

int64_t elementBytes(FloatFormatAttr format) {
  return format.getElementType().getIntOrFloatBitWidth() / 8;
}

/// Four 32-bit units: a register on every target.
using Quad = uint32_t __attribute__((vector_size(16)));

/// out[j][i] = in[i][j] for 4 x 4 units; rows lie `fromStride` and `toStride`
/// units apart.
inline void transpose4(const uint32_t *from, int64_t fromStride, uint32_t *to,
                       int64_t toStride) {
  Quad in[4], mixed[4], out[4];
  for (int i = 0; i < 4; ++i)
    std::memcpy(&in[i], from + i * fromStride, sizeof(Quad));
  mixed[0] = __builtin_shufflevector(in[0], in[1], 0, 4, 1, 5);
  mixed[1] = __builtin_shufflevector(in[2], in[3], 0, 4, 1, 5);
  mixed[2] = __builtin_shufflevector(in[0], in[1], 2, 6, 3, 7);
  mixed[3] = __builtin_shufflevector(in[2], in[3], 2, 6, 3, 7);
  out[0] = __builtin_shufflevector(mixed[0], mixed[1], 0, 1, 4, 5);
  out[1] = __builtin_shufflevector(mixed[0], mixed[1], 2, 3, 6, 7);
  out[2] = __builtin_shufflevector(mixed[2], mixed[3], 0, 1, 4, 5);
  out[3] = __builtin_shufflevector(mixed[2], mixed[3], 2, 3, 6, 7);
  for (int i = 0; i < 4; ++i)
    std::memcpy(to + i * toStride, &out[i], sizeof(Quad));
}

/// 32-bit units of one panel line step: [units][16] of a row-major source. A
/// block of two lines of each row is gathered first, because rows often lie a
/// multiple of 4096 bytes apart and would evict each other from the cache.
void packUnits(ArrayRef<const uint8_t *> rows, int64_t units, uint32_t *panel) {
  constexpr int64_t kBlock = 32, kAhead = 4 * kBlock;
  alignas(64) uint32_t block[kPanelRows][kBlock] = {};
  for (int64_t u0 = 0; u0 < units; u0 += kBlock) {
    int64_t n = std::min(kBlock, units - u0);
    for (int64_t r = 0; r < kPanelRows; ++r) {
      if (!rows[r])
        continue;
      if (u0 + kAhead < units) {
        __builtin_prefetch(rows[r] + (u0 + kAhead) * 4);
        __builtin_prefetch(rows[r] + (u0 + kAhead) * 4 + 64);
      }
      if (n == kBlock)
        std::memcpy(block[r], rows[r] + u0 * 4, sizeof(block[r]));
      else
        std::memcpy(block[r], rows[r] + u0 * 4, n * 4);
    }
    uint32_t *out = panel + u0 * kPanelRows;
    int64_t u = 0;
    for (; u + 4 <= n; u += 4)
      for (int64_t r = 0; r < kPanelRows; r += 4)
        transpose4(&block[r][u], kBlock, out + u * kPanelRows + r, kPanelRows);
    for (; u < n; ++u)
      for (int64_t r = 0; r < kPanelRows; ++r)
        out[u * kPanelRows + r] = block[r][u];
  }
}

} // namespace

LogicalResult
FloatFormatAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                        Type type) {
  if (!type.isF32() && !type.isF16() && !type.isBF16())
    return emitError() << "expects f32, f16 or bf16, got " << type;
  return success();
}

std::string FloatFormatAttr::getFormatName() const {
  std::string name;
  llvm::raw_string_ostream(name) << getElementType();
  return name;
}

int64_t FloatFormatAttr::getRowBytes(int64_t cols) const {
  return cols * elementBytes(*this);
}

void FloatFormatAttr::encodeRow(ArrayRef<float> values,
                                MutableArrayRef<uint8_t> row) const {
  assert(int64_t(row.size()) == getRowBytes(values.size()) && "row size");
  if (getElementType().isF32()) {
    std::memcpy(row.data(), values.data(), row.size());
    return;
  }
  auto *out = reinterpret_cast<uint16_t *>(row.data());
  if (getElementType().isBF16())
    for (size_t i = 0; i < values.size(); ++i)
      out[i] = f32ToBF16(values[i]);
  else
    for (size_t i = 0; i < values.size(); ++i)
      out[i] = f32ToF16(values[i]);
}

void FloatFormatAttr::decodeRow(ArrayRef<uint8_t> row,
                                MutableArrayRef<float> values) const {
  assert(int64_t(row.size()) == getRowBytes(values.size()) && "row size");
  if (getElementType().isF32()) {
    std::memcpy(values.data(), row.data(), row.size());
    return;
  }
  bool isBF16 = getElementType().isBF16();
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t h;
    std::memcpy(&h, row.data() + 2 * i, 2);
    values[i] = isBF16 ? bf16ToF32(h) : f16ToF32(h);
  }
}

int64_t FloatFormatAttr::getPanelDepth() const {
  return 4 / elementBytes(*this);
}

int64_t FloatFormatAttr::getPanelBytes(int64_t cols) const {
  return llvm::divideCeil(cols, getPanelDepth()) * kPanelRows * 4;
}

void FloatFormatAttr::packPanel(ArrayRef<const uint8_t *> rows, int64_t cols,
                                MutableArrayRef<uint8_t> panel) const {
  assert(int64_t(rows.size()) == kPanelRows && "a panel has 16 rows");
  assert(int64_t(panel.size()) == getPanelBytes(cols) && "panel size");
  bool whole = cols % getPanelDepth() == 0;
  bool full = llvm::all_of(rows, [](const uint8_t *r) { return r != nullptr; });
  if (!whole || !full)
    std::memset(panel.data(), 0, panel.size());
  auto *out = reinterpret_cast<uint32_t *>(panel.data());
  int64_t units = cols / getPanelDepth();
  packUnits(rows, units, out);
  if (whole)
    return;
  for (int64_t r = 0; r < kPanelRows; ++r) // the odd k, its partner stays zero
    if (rows[r])
      std::memcpy(out + units * kPanelRows + r, rows[r] + units * 4, 2);
}

float FloatFormatAttr::decodePanel(ArrayRef<uint8_t> panel, int64_t cols,
                                   int64_t row, int64_t k) const {
  int64_t depth = getPanelDepth();
  int64_t unit = (k / depth * kPanelRows + row) * depth + k % depth;
  float value;
  decodeRow(panel.slice(unit * elementBytes(*this), elementBytes(*this)),
            {&value, 1});
  return value;
}

Value FloatFormatAttr::emitLoadElement(OpBuilder &b, Location loc, Value base,
                                       bool panels, int64_t cols, Value row,
                                       Value k) const {
  auto constant = [&](int64_t v) -> Value {
    return arith::ConstantIndexOp::create(b, loc, v);
  };
  auto mul = [&](Value x, int64_t y) {
    return b.createOrFold<arith::MulIOp>(loc, x, constant(y));
  };
  auto add = [&](Value x, Value y) {
    return b.createOrFold<arith::AddIOp>(loc, x, y);
  };
  auto div = [&](Value x, int64_t y) {
    return b.createOrFold<arith::DivUIOp>(loc, x, constant(y));
  };
  auto rem = [&](Value x, int64_t y) {
    return b.createOrFold<arith::RemUIOp>(loc, x, constant(y));
  };
  int64_t bytes = elementBytes(*this);
  Value offset;
  if (panels) {
    int64_t depth = getPanelDepth();
    // Rows first: that part stays the same while k runs.
    Value first = add(mul(div(row, kPanelRows), getPanelBytes(cols)),
                      mul(rem(row, kPanelRows), depth * bytes));
    Value within = add(mul(div(k, depth), kPanelRows * depth * bytes),
                       mul(rem(k, depth), bytes));
    offset = add(first, within);
  } else {
    offset = add(mul(row, getRowBytes(cols)), mul(k, bytes));
  }
  Type ptr = LLVM::LLVMPointerType::get(b.getContext());
  Value distance =
      arith::IndexCastOp::create(b, loc, b.getI64Type(), offset);
  Value place = LLVM::GEPOp::create(b, loc, ptr, b.getI8Type(), base,
                                    ValueRange{distance});
  Value element =
      LLVM::LoadOp::create(b, loc, getElementType(), place, unsigned(bytes));
  if (getElementType().isF32())
    return element;
  return arith::ExtFOp::create(b, loc, b.getF32Type(), element);
}
