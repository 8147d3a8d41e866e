// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// #adze.float<f32|f16|bf16>: elements as they are. The panel of 16 rows is
// [K/kk][16][kk]. Two consecutive k of a channel lie together in bf16 (kk = 2):
// that is what dot instructions multiply. In f16, which none multiplies, 16
// channels of one k do, to be converted by one load.

#include "FloatBits.h"
#include "PanelPacking.h"
#include "adze/Dialect/Adze/Adze.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

using namespace mlir;
using namespace adze;
using namespace adze::detail;

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
  return cols * getElementBytes();
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
  return getElementType().isBF16() ? 2 : 1;
}

int64_t FloatFormatAttr::getPanelBytes(int64_t cols) const {
  return llvm::alignTo(cols, 4 / getElementBytes()) * kPanelRows *
         getElementBytes();
}

/// Lines of 16 pairs, each to 16 first and 16 second elements.
static void splitPairs(uint32_t *lines, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    uint32_t *line = lines + i * kPanelRows;
    uint16_t halves[2 * kPanelRows];
    for (int64_t r = 0; r < kPanelRows; ++r) {
      halves[r] = uint16_t(line[r]);
      halves[kPanelRows + r] = uint16_t(line[r] >> 16);
    }
    std::memcpy(line, halves, sizeof(halves));
  }
}

void FloatFormatAttr::packPanel(ArrayRef<const uint8_t *> rows, int64_t cols,
                                MutableArrayRef<uint8_t> panel) const {
  assert(int64_t(rows.size()) == kPanelRows && "a panel has 16 rows");
  assert(int64_t(panel.size()) == getPanelBytes(cols) && "panel size");
  int64_t inUnit = 4 / getElementBytes();
  bool whole = cols % inUnit == 0;
  bool full = llvm::all_of(rows, [](const uint8_t *r) { return r != nullptr; });
  if (!whole || !full)
    std::memset(panel.data(), 0, panel.size());
  auto *out = reinterpret_cast<uint32_t *>(panel.data());
  int64_t units = cols / inUnit;
  packUnits(rows, units, out);
  if (!whole)
    for (int64_t r = 0; r < kPanelRows; ++r) // the odd k; its partner is zero
      if (rows[r])
        std::memcpy(out + units * kPanelRows + r, rows[r] + units * 4, 2);
  if (getElementType().isF16())
    splitPairs(out, llvm::divideCeil(cols, inUnit));
}

float FloatFormatAttr::decodePanel(ArrayRef<uint8_t> panel, int64_t cols,
                                   int64_t row, int64_t k) const {
  int64_t depth = getPanelDepth();
  int64_t unit = (k / depth * kPanelRows + row) * depth + k % depth;
  float value;
  decodeRow(panel.slice(unit * getElementBytes(), getElementBytes()),
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
  int64_t bytes = getElementBytes();
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
  Value distance = arith::IndexCastOp::create(b, loc, b.getI64Type(), offset);
  Value place = LLVM::GEPOp::create(b, loc, ptr, b.getI8Type(), base,
                                    ValueRange{distance});
  Value element =
      LLVM::LoadOp::create(b, loc, getElementType(), place, unsigned(bytes));
  if (getElementType().isF32())
    return element;
  return arith::ExtFOp::create(b, loc, b.getF32Type(), element);
}
