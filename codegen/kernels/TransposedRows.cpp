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

static Value groupsOf(KernelEmitter &e, const QuantizedRows &rows, Value k) {
  return rows.group ? e.ceilDiv(k, rows.group) : e.constant(1);
}

Value TransposedRows::blocksBytes(KernelEmitter &e, Value k) const {
  return e.mul(e.ceilDiv(k, kBlock), kBlockLines * kLineBytes);
}
Value TransposedRows::lineBytes(KernelEmitter &e, Value k) const {
  Value scales = e.mul(e.ceilDiv(groupsOf(e, rows, k), 4), 4 * kLineBytes);
  return e.add(blocksBytes(e, k), scales);
}
int64_t TransposedRows::lineBytes(int64_t k) const {
  int64_t groups = rows.group ? llvm::divideCeil(k, rows.group) : 1;
  return (llvm::divideCeil(k, kBlock) * kBlockLines +
          llvm::alignTo(groups, 4)) *
         kLineBytes;
}

/// Rows are prefetched so far ahead.
static constexpr int64_t kAheadBytes = 256;

void TransposedRows::emit(KernelEmitter &e, ValueRange args) const {
  Value x = args[0], rowBytes = args[1], k = args[2], tile = args[3];
  Value lines = args[4], stride = e.mul(lines, kLineBytes);
  Type bytes = VectorType::get({kLineBytes}, e.b.getI8Type());
  Value zeros = arith::ConstantOp::create(
      e.b, e.loc,
      DenseElementsAttr::get(cast<ShapedType>(bytes),
                             e.b.getI8IntegerAttr(int8_t(zero))));
  Value scales = e.at(tile, e.mul(blocksBytes(e, k), lines));
  e.loop(e.constant(0), lines, 1, [&](Value line) {
    Value first = e.at(x, e.mul(rowBytes, e.mul(line, kLanes)));
    Value place = e.mul(line, kLineBytes);
    auto storeQuads = [&](ArrayRef<Value> quads, Value to) {
      for (auto [i, quad] : llvm::enumerate(quads))
        e.store(quad, e.at(to, e.mul(stride, int64_t(i))), kLineBytes);
    };
    // Rows are zero from K on to the end of their last line.
    e.loop(e.constant(0), e.ceilDiv(k, kBlock), 1, [&](Value block) {
      Value from = e.at(first, e.mul(block, kBlock));
      Value to =
          e.at(e.at(tile, place), e.mul(e.mul(block, kBlockLines), stride));
      for (int64_t row = 0; row < kLanes; ++row)
        e.prefetch(e.at(e.at(from, e.mul(rowBytes, row)), kAheadBytes), 1);
      KernelEmitter::Values quads;
      for (int64_t quad = 0; quad < kQuads; quad += 4)
        llvm::append_range(
            quads, emitTransposedQuads(e, e.at(from, 4 * quad), rowBytes));
      Value taken = e.splatI32(0);
      for (Value quad : quads)
        taken = kernel::DotCodesOp::create(
            e.b, e.loc, e.vi32, taken, zeros,
            vector::BitCastOp::create(e.b, e.loc, bytes, quad), uint64_t(zero));
      quads.push_back(arith::SubIOp::create(e.b, e.loc, e.splatI32(0), taken));
      storeQuads(quads, to);
    });
    // And so are their scales.
    Value from = e.at(first, rows.scalesOffset(e, k));
    e.loop(e.constant(0), groupsOf(e, rows, k), 4, [&](Value group) {
      storeQuads(emitTransposedQuads(e, e.at(from, e.mul(group, 4)), rowBytes),
                 e.at(e.at(scales, place), e.mul(group, stride)));
    });
  });
}

func::FuncOp TransposedRows::getFunction(KernelEmitter &e) const {
  std::string name = "adze.transpose." + std::to_string(rows.group) + "." +
                     std::to_string(zero);
  if (func::FuncOp known = e.lookup(name))
    return known;
  OpBuilder::InsertionGuard guard(e.b);
  func::FuncOp func =
      e.beginShared(name, {e.ptr, e.index, e.index, e.ptr, e.index});
  emit(e, func.getArguments());
  e.ret();
  return func;
}
