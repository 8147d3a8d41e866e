// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "TransposedRows.h"
#include "adze/Dialect/AdzeKernel/AdzeKernel.h"

using namespace mlir;
using namespace adze;

/// One vector behind the other.
static Value concatenate(KernelEmitter &e, Value low, Value high) {
  int64_t count = cast<VectorType>(low.getType()).getNumElements();
  SmallVector<int64_t> all;
  for (int64_t i = 0; i < 2 * count; ++i)
    all.push_back(i);
  return vector::ShuffleOp::create(e.b, e.loc, low, high, all);
}

/// The lanes x, y of low and x, y of high, in each four lanes.
static Value shuffleFours(KernelEmitter &e, Value low, Value high,
                          std::array<int64_t, 4> lanes) {
  SmallVector<int64_t> all;
  for (int64_t first = 0; first < kLanes; first += 4)
    for (int64_t lane : lanes)
      all.push_back(first + (lane < 4 ? lane : kLanes + lane - 4));
  return vector::ShuffleOp::create(e.b, e.loc, low, high, all);
}

KernelEmitter::Values adze::emitTransposedQuads(KernelEmitter &e, Value rows,
                                                Value stride) {
  // Each four lanes of a register hold a part of one row: rows i, i + 4, i + 8
  // and i + 12. Then each four lanes are transposed for themselves.
  auto four = VectorType::get({4}, e.i32);
  SmallVector<Value> top;
  for (int64_t first = 0; first < kLanes; first += 4)
    top.push_back(e.at(rows, e.mul(stride, first)));
  SmallVector<Value> held;
  for (int64_t i = 0; i < 4; ++i) {
    SmallVector<Value> parts;
    for (Value first : top)
      parts.push_back(e.load(four, e.at(first, e.mul(stride, i)), 4));
    held.push_back(concatenate(e, concatenate(e, parts[0], parts[1]),
                               concatenate(e, parts[2], parts[3])));
  }
  constexpr std::array<int64_t, 4> kLow = {0, 4, 1, 5}, kHigh = {2, 6, 3, 7};
  constexpr std::array<int64_t, 4> kFirst = {0, 1, 4, 5},
                                   kSecond = {2, 3, 6, 7};
  KernelEmitter::Values lines;
  for (const auto &lanes : {kLow, kHigh}) {
    Value even = shuffleFours(e, held[0], held[1], lanes);
    Value odd = shuffleFours(e, held[2], held[3], lanes);
    lines.push_back(shuffleFours(e, even, odd, kFirst));
    lines.push_back(shuffleFours(e, even, odd, kSecond));
  }
  return lines;
}

Value TransposedRows::scalesOffset(KernelEmitter &e, Value k) const {
  return e.mul(e.ceilDiv(k, kBlock), kBlockBytes);
}
Value TransposedRows::tileBytes(KernelEmitter &e, Value k) const {
  Value groups = rows.group ? e.ceilDiv(k, rows.group) : e.constant(1);
  return e.add(scalesOffset(e, k),
               e.mul(e.mul(e.ceilDiv(groups, 4), 4), kStride));
}
int64_t TransposedRows::tileBytes(int64_t k) const {
  int64_t groups = rows.group ? llvm::divideCeil(k, rows.group) : 1;
  return llvm::divideCeil(k, kBlock) * kBlockBytes +
         llvm::alignTo(groups, 4) * kStride;
}

void TransposedRows::emit(KernelEmitter &e, ValueRange args) const {
  Value x = args[0], rowBytes = args[1], k = args[2], tile = args[3];
  Type bytes = VectorType::get({kLineBytes}, e.b.getI8Type());
  Value zeros = arith::ConstantOp::create(
      e.b, e.loc,
      DenseElementsAttr::get(cast<ShapedType>(bytes),
                             e.b.getI8IntegerAttr(int8_t(zero))));
  Value scales = e.at(tile, scalesOffset(e, k));
  Value groups = rows.group ? e.ceilDiv(k, rows.group) : e.constant(1);
  e.loop(e.constant(0), e.constant(kLines), 1, [&](Value line) {
    Value first = e.at(x, e.mul(rowBytes, e.mul(line, kLanes)));
    Value offset = e.mul(line, kLineBytes);
    // Rows are zero from K on to the end of their last line.
    e.loop(e.constant(0), e.ceilDiv(k, kBlock), 1, [&](Value block) {
      Value from = e.at(first, e.mul(block, kBlock));
      Value to = e.at(tile, e.add(e.mul(block, kBlockBytes), offset));
      Value taken = e.splatI32(0);
      for (int64_t quad = 0; quad < kQuads; ++quad) {
        KernelEmitter::Values lines;
        if (quad % 4 == 0)
          lines = emitTransposedQuads(e, e.at(from, 4 * quad), rowBytes);
        for (auto [i, codes] : llvm::enumerate(lines)) {
          e.store(codes, e.at(to, (quad + int64_t(i)) * kStride), kLineBytes);
          taken = kernel::DotCodesOp::create(
              e.b, e.loc, e.vi32, taken, zeros,
              vector::BitCastOp::create(e.b, e.loc, bytes, codes),
              uint64_t(zero));
        }
      }
      e.store(arith::SubIOp::create(e.b, e.loc, e.splatI32(0), taken),
              e.at(to, kStartsOffset), kLineBytes);
    });
    // And so are their scales.
    Value from = e.at(first, rows.scalesOffset(e, k));
    e.loop(e.constant(0), groups, 4, [&](Value group) {
      Value to = e.at(scales, e.add(e.mul(group, kStride), offset));
      for (auto [i, scale] : llvm::enumerate(
               emitTransposedQuads(e, e.at(from, e.mul(group, 4)), rowBytes)))
        e.store(scale, e.at(to, int64_t(i) * kStride), kLineBytes);
    });
  });
}

func::FuncOp TransposedRows::getFunction(KernelEmitter &e) const {
  std::string name = "adze.transpose." + std::to_string(rows.group) + "." +
                     std::to_string(zero);
  if (func::FuncOp known = e.lookup(name))
    return known;
  OpBuilder::InsertionGuard guard(e.b);
  func::FuncOp func = e.beginShared(name, {e.ptr, e.index, e.index, e.ptr});
  emit(e, func.getArguments());
  e.ret();
  return func;
}
