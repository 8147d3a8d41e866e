// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels that need positions: the rotary table, the rotary embedding on its
// own, and appending to the KV cache on its own.

#include "BatchReader.h"
#include "Builders.h"
#include "KernelParams.h"
#include "adze/Codegen/MathExpansion.h"
#include "adze/abi.h"

using namespace mlir;
using namespace adze;

FailureOr<func::FuncOp> adze::buildRotaryTable(OpBuilder &builder,
                                               KernelOp kernel,
                                               const KernelTarget &) {
  KernelParams params(kernel);
  double scale = params.real("scale", 1.0);
  auto turns = params.attribute<DenseF64ArrayAttr>(
      "turns", "an array of f64 (frequency / 2 pi)");
  if (params.failed())
    return failure();
  KernelEmitter e(builder, kernel.getLoc());
  OpBuilder::InsertionGuard guard(builder);
  // lo, hi, scratch, batch, result
  func::FuncOp func = e.beginFunction(
      kernel.getSymName(), {e.index, e.index, e.ptr, e.ptr, e.ptr}, {}, true);
  ValueRange args = func.getArguments();
  Type f64 = builder.getF64Type();
  int64_t half = turns.size();
  e.loop(args[0], args[1], 1, [&](Value row) {
    Value position = BatchReader(e, args[3]).position(row);
    Value p = arith::SIToFPOp::create(
        e.b, e.loc, f64,
        arith::IndexCastOp::create(e.b, e.loc, e.i64, position));
    Value wide = e.broadcast(p);
    Value to = e.at(args[4], e.mul(row, 2 * half * 4));
    for (int64_t i = 0; i < half; i += kLanes) {
      int64_t count = std::min(kLanes, half - i);
      SmallVector<double> part(turns.asArrayRef().slice(i, count));
      part.resize(kLanes, 0.0);
      Value frequency = arith::ConstantOp::create(
          e.b, e.loc,
          DenseElementsAttr::get(e.lanesOf(f64), ArrayRef<double>(part)));
      auto [cosine, sine] = emitCosSin(e.b, e.loc, e.mulf(wide, frequency));
      if (scale != 1.0) {
        // A frequency of 0 is a pair that does not turn: 1 and 0, unscaled.
        SmallVector<float> factors;
        for (double turn : part)
          factors.push_back(turn == 0.0 ? 1.0f : float(scale));
        Value factor = arith::ConstantOp::create(
            e.b, e.loc,
            DenseElementsAttr::get(e.lanesOf(e.f32), ArrayRef<float>(factors)));
        cosine = e.mulf(cosine, factor);
        sine = e.mulf(sine, factor);
      }
      e.storeLanes(cosine, e.f32, e.at(to, i * 4), count);
      e.storeLanes(sine, e.f32, e.at(to, (half + i) * 4), count);
    }
  });
  e.ret();
  return func;
}

FailureOr<func::FuncOp> adze::buildRotary(OpBuilder &builder, KernelOp kernel,
                                          const KernelTarget &) {
  KernelParams params(kernel);
  int64_t heads = params.integer("heads"), headDim = params.integer("head_dim");
  Type in = params.elementType("in"), out = params.elementType("out");
  auto pairing = params.attribute<RotaryPairingAttr>("pairing", "a pairing");
  if (heads < 1)
    params.wrong("heads", "at least 1");
  if (headDim < 2 || headDim % 2)
    params.wrong("head_dim", "even");
  if (params.failed())
    return failure();
  KernelEmitter e(builder, kernel.getLoc());
  OpBuilder::InsertionGuard guard(builder);
  // lo, hi, scratch, batch, x, table, result, M, N
  func::FuncOp func = e.beginFunction(
      kernel.getSymName(),
      {e.index, e.index, e.ptr, e.ptr, e.ptr, e.ptr, e.ptr, e.index, e.index},
      {}, true);
  ValueRange args = func.getArguments();
  int64_t half = headDim / 2;
  int64_t inBytes = KernelEmitter::bytesOf(in),
          outBytes = KernelEmitter::bytesOf(out);
  auto rotate = [&](Value a, Value b, Value c, Value s) {
    return std::pair(e.subf(e.mulf(a, c), e.mulf(b, s)),
                     e.addf(e.mulf(b, c), e.mulf(a, s)));
  };
  e.loop(args[0], args[1], 1, [&](Value row) {
    Value table = e.at(args[5], e.mul(row, headDim * 4));
    e.loop(e.constant(0), e.constant(heads), 1, [&](Value head) {
      Value first = e.add(e.mul(row, heads * headDim), e.mul(head, headDim));
      Value x = e.at(args[4], e.mul(first, inBytes));
      Value y = e.at(args[6], e.mul(first, outBytes));
      if (pairing.getValue() == RotaryPairing::Half) {
        for (int64_t i = 0; i < half; i += kLanes) {
          int64_t count = std::min(kLanes, half - i);
          Value a = e.loadLanes(in, e.at(x, i * inBytes), count);
          Value b = e.loadLanes(in, e.at(x, (half + i) * inBytes), count);
          Value c = e.loadLanes(e.f32, e.at(table, i * 4), count);
          Value s = e.loadLanes(e.f32, e.at(table, (half + i) * 4), count);
          auto [low, high] = rotate(a, b, c, s);
          e.storeLanes(low, out, e.at(y, i * outBytes), count);
          e.storeLanes(high, out, e.at(y, (half + i) * outBytes), count);
        }
        return;
      }
      e.loop(e.constant(0), e.constant(half), 1, [&](Value i) {
        Value from = e.at(x, e.mul(i, 2 * inBytes));
        Value to = e.at(y, e.mul(i, 2 * outBytes));
        Value c = e.loadScalar(e.f32, e.at(table, e.mul(i, 4)));
        Value s = e.loadScalar(e.f32, e.at(table, e.mul(e.add(i, half), 4)));
        auto [even, odd] = rotate(e.loadScalar(in, from),
                                  e.loadScalar(in, e.at(from, inBytes)), c, s);
        e.storeScalar(even, out, to);
        e.storeScalar(odd, out, e.at(to, outBytes));
      });
    });
  });
  e.ret();
  return func;
}

FailureOr<func::FuncOp> adze::buildKVAppend(OpBuilder &builder, KernelOp kernel,
                                            const KernelTarget &) {
  KernelParams params(kernel);
  int64_t heads = params.integer("heads"), headDim = params.integer("head_dim");
  Type in = params.elementType("in"), kv = params.cacheType("kv");
  if (heads < 1 || headDim < 1)
    params.wrong("head_dim", "at least 1, as heads");
  if (params.failed())
    return failure();
  KernelEmitter e(builder, kernel.getLoc());
  OpBuilder::InsertionGuard guard(builder);
  // lo, hi, scratch, batch, k, v, cache, layer
  func::FuncOp func = e.beginFunction(
      kernel.getSymName(),
      {e.index, e.index, e.ptr, e.ptr, e.ptr, e.ptr, e.ptr, e.index}, {}, true);
  ValueRange args = func.getArguments();
  KVLayout layout{headDim, kv};
  int64_t inBytes = KernelEmitter::bytesOf(in);
  e.loop(args[0], args[1], 1, [&](Value row) {
    BatchReader batch(e, args[3]);
    Value position = batch.position(row), sequence = batch.sequence(row);
    Value page = e.div(position, ADZE_KV_PAGE_POSITIONS);
    Value slot = e.rem(position, ADZE_KV_PAGE_POSITIONS);
    e.loop(e.constant(0), e.constant(heads), 1, [&](Value head) {
      Value to =
          headPage(e, batch, layout, args[6], args[7], sequence, page, head);
      Value first = e.add(e.mul(row, heads * headDim), e.mul(head, headDim));
      for (bool isKey : {true, false}) {
        Value from = e.at(isKey ? args[4] : args[5], e.mul(first, inBytes));
        for (int64_t d = 0; d < headDim; d += kLanes)
          e.storeLanes(e.loadLanes(in, e.at(from, d * inBytes), headDim - d),
                       e.f32, e.at(args[2], d * 4));
        appendHead(e, layout, isKey, to, slot, args[2],
                   e.at(args[2], layout.valueColumns() * 4));
      }
    });
  });
  e.ret();
  return func;
}
