// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// attention and kv_append of the generic family: plain scalar loops through the
// page table, one row at a time. A second, independent reading of the KV page:
// it shares the layout's constants with the kernels, and none of their loops.

#include "BatchReader.h"
#include "Generic.h"
#include "KernelParams.h"
#include "adze/abi.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <limits>

using namespace mlir;
using namespace adze;

/// Where channel `d` of the position in `slot` of a head's page lies.
static Value placeInPage(KernelEmitter &e, const KVLayout &layout, bool isKey,
                         Value page, Value slot, Value d) {
  int64_t depth = layout.depth(), bytes = layout.bytes();
  // Keys have positions in lanes and channels along the panel; values the
  // other way round.
  Value lane = isKey ? slot : d, along = isKey ? d : slot;
  int64_t panel = isKey ? layout.keyPanelBytes() : layout.valuePanelBytes();
  Value offset = e.mul(e.div(lane, kLanes), panel);
  offset = e.add(offset, e.mul(e.rem(lane, kLanes), depth * bytes));
  offset = e.add(offset, e.mul(e.div(along, depth), layout.lineBytes()));
  offset = e.add(offset, e.mul(e.rem(along, depth), bytes));
  return e.at(page, isKey ? offset : e.add(offset, layout.keyBytes()));
}

static Value scaleInPage(KernelEmitter &e, const KVLayout &layout, bool isKey,
                         Value page, Value slot) {
  return e.at(e.at(page, layout.scalesOffset(isKey)), e.mul(slot, 4));
}

/// Channel `d` of the position in `slot`, as f32.
static Value loadFromPage(KernelEmitter &e, const KVLayout &layout, bool isKey,
                          Value page, Value slot, Value d) {
  Value place = placeInPage(e, layout, isKey, page, slot, d);
  if (!layout.isQuantized())
    return e.loadScalar(layout.element, place);
  Value code = e.load(layout.element, place, 1);
  Value wide =
      isKey ? Value(arith::SubIOp::create(
                  e.b, e.loc, arith::ExtUIOp::create(e.b, e.loc, e.i32, code),
                  e.constantI32(128)))
            : Value(arith::ExtSIOp::create(e.b, e.loc, e.i32, code));
  return e.mulf(arith::SIToFPOp::create(e.b, e.loc, e.f32, wide),
                e.loadScalar(e.f32, scaleInPage(e, layout, isKey, page, slot)));
}

/// Rounds a head of f32 to codes with one scale, as adze.quantize does.
static void appendCodes(KernelEmitter &e, const KVLayout &layout, bool isKey,
                        Value page, Value slot, Value from) {
  Value zero = e.constant(0), size = e.constant(layout.headDim);
  auto channel = [&](Value d) {
    return e.loadScalar(e.f32, e.at(from, e.mul(d, 4)));
  };
  Value most = e.loop(zero, size, 1, {e.constantF32(0)},
                      [&](Value d, ValueRange carried) {
                        Value x = math::AbsFOp::create(e.b, e.loc, channel(d));
                        return KernelEmitter::Values{e.maxf(x, carried[0])};
                      })[0];
  Value none = arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OEQ,
                                     most, e.constantF32(0));
  Value inverse =
      e.select(none, e.constantF32(0), e.divf(e.constantF32(127), most));
  e.store(e.divf(most, e.constantF32(127)),
          scaleInPage(e, layout, isKey, page, slot), 4);
  e.loop(zero, size, 1, [&](Value d) {
    Value rounded =
        math::RoundEvenOp::create(e.b, e.loc, e.mulf(channel(d), inverse));
    Value code = arith::FPToSIOp::create(e.b, e.loc, e.i32, rounded);
    if (isKey)
      code = arith::AddIOp::create(e.b, e.loc, code, e.constantI32(128));
    e.store(arith::TruncIOp::create(e.b, e.loc, layout.element, code),
            placeInPage(e, layout, isKey, page, slot, d), 1);
  });
}

FailureOr<func::FuncOp> adze::buildGenericKVAppend(OpBuilder &builder,
                                                   KernelOp kernel) {
  KernelParams params(kernel);
  int64_t heads = params.integer("heads"), headDim = params.integer("head_dim");
  Type kv = params.cacheType("kv");
  if (params.failed())
    return failure();
  KernelEmitter e(builder, kernel.getLoc());
  OpBuilder::InsertionGuard guard(builder);
  // lo, hi, scratch, batch, k, v, cache, layer, M
  func::FuncOp func = e.beginFunction(
      kernel.getSymName(),
      {e.index, e.index, e.ptr, e.ptr, e.ptr, e.ptr, e.ptr, e.index, e.index},
      {}, true);
  ValueRange args = func.getArguments();
  KVLayout layout{headDim, kv};
  e.loop(args[0], args[1], 1, [&](Value row) {
    BatchReader batch(e, args[3]);
    Value position = batch.position(row), sequence = batch.sequence(row);
    Value slot = e.rem(position, ADZE_KV_PAGE_POSITIONS);
    e.loop(e.constant(0), e.constant(heads), 1, [&](Value head) {
      Value page = headPage(e, batch, layout, args[6], args[7], sequence,
                            e.div(position, ADZE_KV_PAGE_POSITIONS), head);
      Value first = e.add(e.mul(row, heads * headDim), e.mul(head, headDim));
      if (layout.isQuantized()) {
        for (bool isKey : {true, false})
          appendCodes(e, layout, isKey, page, slot,
                      e.at(args[isKey ? 4 : 5], e.mul(first, 4)));
        return;
      }
      e.loop(e.constant(0), e.constant(headDim), 1, [&](Value d) {
        for (bool isKey : {true, false}) {
          Value from = e.at(args[isKey ? 4 : 5], e.mul(e.add(first, d), 4));
          e.storeScalar(e.loadScalar(e.f32, from), kv,
                        placeInPage(e, layout, isKey, page, slot, d));
        }
      });
    });
  });
  e.ret();
  return func;
}

namespace {

/// What one query head of one row attends to.
struct Query {
  Value q; // headDim elements
  Type element;
  Value sequence, kvHead;
  Value cache, layer;
  double scale;
};

/// scale * q . k of the key at `position`, summed over ascending channels.
Value emitScore(KernelEmitter &e, BatchReader &batch, const KVLayout &layout,
                const Query &query, Value page, Value slot) {
  Value sum = e.loop(
      e.constant(0), e.constant(layout.headDim), 1, {e.constantF32(0)},
      [&](Value d, ValueRange carried) {
        Value a = e.loadScalar(
            query.element,
            e.at(query.q, e.mul(d, KernelEmitter::bytesOf(query.element))));
        Value b = loadFromPage(e, layout, true, page, slot, d);
        return KernelEmitter::Values{e.addf(carried[0], e.mulf(a, b))};
      })[0];
  return e.mulf(sum, e.constantF32(query.scale));
}

} // namespace

FailureOr<func::FuncOp> adze::buildGenericAttention(OpBuilder &builder,
                                                    KernelOp kernel) {
  KernelParams params(kernel);
  int64_t heads = params.integer("heads"), kvHeads = params.integer("kv_heads"),
          headDim = params.integer("head_dim"),
          window = params.integer("window", 0);
  double scale = params.real("scale");
  Type in = params.elementType("q"), out = params.elementType("out"),
       kv = params.cacheType("kv");
  if (params.failed())
    return failure();
  KernelEmitter e(builder, kernel.getLoc());
  OpBuilder::InsertionGuard guard(builder);
  // lo, hi, scratch, batch, q, result, cache, layer, M
  func::FuncOp func = e.beginFunction(
      kernel.getSymName(),
      {e.index, e.index, e.ptr, e.ptr, e.ptr, e.ptr, e.ptr, e.index, e.index},
      {}, true);
  ValueRange args = func.getArguments();
  KVLayout layout{headDim, kv};
  Value zero = e.constant(0), size = e.constant(headDim), mixed = args[2];
  e.loop(args[0], args[1], 1, [&](Value row) {
    BatchReader batch(e, args[3]);
    Value sequence = batch.sequence(row), position = batch.position(row);
    Value end = e.add(position, 1);
    Value begin = window ? e.max(e.sub(end, window), zero) : zero;
    e.loop(zero, e.constant(heads), 1, [&](Value head) {
      Value first = e.add(e.mul(row, heads * headDim), e.mul(head, headDim));
      Query query{e.at(args[4], e.mul(first, KernelEmitter::bytesOf(in))),
                  in,
                  sequence,
                  e.div(head, heads / kvHeads),
                  args[6],
                  args[7],
                  scale};
      auto pageOf = [&](Value p) {
        return headPage(e, batch, layout, query.cache, query.layer, sequence,
                        e.div(p, ADZE_KV_PAGE_POSITIONS), query.kvHead);
      };
      auto score = [&](Value p, Value page) {
        return emitScore(e, batch, layout, query, page,
                         e.rem(p, ADZE_KV_PAGE_POSITIONS));
      };
      Value largest =
          e.loop(begin, end, 1,
                 {e.constantF32(-std::numeric_limits<float>::infinity())},
                 [&](Value p, ValueRange carried) {
                   return KernelEmitter::Values{
                       e.maxf(score(p, pageOf(p)), carried[0])};
                 })[0];
      e.loop(zero, size, 1, [&](Value d) {
        e.storeScalar(e.constantF32(0), e.f32, e.at(mixed, e.mul(d, 4)));
      });
      Value total = e.loop(
          begin, end, 1, {e.constantF32(0)}, [&](Value p, ValueRange carried) {
            Value page = pageOf(p);
            Value weight = math::ExpOp::create(e.b, e.loc,
                                               e.subf(score(p, page), largest));
            e.loop(zero, size, 1, [&](Value d) {
              Value to = e.at(mixed, e.mul(d, 4));
              Value v = loadFromPage(e, layout, false, page,
                                     e.rem(p, ADZE_KV_PAGE_POSITIONS), d);
              e.storeScalar(e.addf(e.loadScalar(e.f32, to), e.mulf(weight, v)),
                            e.f32, to);
            });
            return KernelEmitter::Values{e.addf(carried[0], weight)};
          })[0];
      e.loop(zero, size, 1, [&](Value d) {
        Value v = e.divf(e.loadScalar(e.f32, e.at(mixed, e.mul(d, 4))), total);
        e.storeScalar(
            v, out,
            e.at(args[5], e.mul(e.add(first, d), KernelEmitter::bytesOf(out))));
      });
    });
  });
  e.ret();
  return func;
}
