// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels over whole rows: rms_norm, quantize, take_rows, map; embed is in
// Embed.cpp. Their domain is rows, so that a sum over a row stays in one thread
// and one order.

#include "Builders.h"
#include "KernelEmitter.h"
#include "KernelParams.h"
#include "QuantizedRows.h"
#include "RegionEmitter.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace adze;

func::FuncOp
adze::beginRows(KernelEmitter &e, KernelOp kernel, int64_t pointers,
                int64_t sizes,
                function_ref<void(Value row, ValueRange arguments)> body) {
  SmallVector<Type> types(2, e.index);
  types.append(2 + pointers, e.ptr);
  types.append(sizes, e.index);
  func::FuncOp func = e.beginFunction(kernel.getSymName(), types, {}, true);
  ValueRange args = func.getArguments();
  e.loop(args[0], args[1], 1,
         [&](Value row) { body(row, args.drop_front(2)); });
  e.ret();
  return func;
}

//===----------------------------------------------------------------------===//
// rms_norm
//===----------------------------------------------------------------------===//

/// Sum of squares of `count` elements: four chains of 16 lanes, then one, then
/// a last part through scratch.
static Value sumOfSquares(KernelEmitter &e, Value x, Type element, Value count,
                          Value staging) {
  int64_t bytes = KernelEmitter::bytesOf(element);
  constexpr int64_t kChains = 4, kStep = kChains * kLanes;
  Value zero = e.constant(0);
  auto square = [&](Value place, Value sum) {
    Value v = e.loadLanes(element, place);
    return e.fma(v, v, sum);
  };
  Value wide = e.mul(e.div(count, kStep), kStep);
  KernelEmitter::Values sums(kChains, e.splat(0));
  sums = e.loop(zero, wide, kStep, sums, [&](Value i, ValueRange carried) {
    KernelEmitter::Values next;
    for (int64_t c = 0; c < kChains; ++c)
      next.push_back(square(e.at(e.at(x, e.mul(i, bytes)), c * kLanes * bytes),
                            carried[c]));
    return next;
  });
  Value sum = e.addf(e.addf(sums[0], sums[1]), e.addf(sums[2], sums[3]));
  Value narrow = e.mul(e.div(count, kLanes), kLanes);
  sum = e.loop(wide, narrow, kLanes, sum, [&](Value i, ValueRange carried) {
    return KernelEmitter::Values{square(e.at(x, e.mul(i, bytes)), carried[0])};
  })[0];
  Value part = e.compare(arith::CmpIPredicate::slt, narrow, count);
  sum = e.ifElse(
      part, {e.vf32},
      [&] {
        e.store(e.splat(0), staging, kLineBytes);
        e.copyElements(staging, e.at(x, e.mul(narrow, bytes)),
                       e.sub(count, narrow), bytes);
        return KernelEmitter::Values{square(staging, sum)};
      },
      [&] { return KernelEmitter::Values{sum}; })[0];
  return e.reduceAdd(sum);
}

FailureOr<func::FuncOp> adze::buildRmsNorm(OpBuilder &builder, KernelOp kernel,
                                           const KernelTarget &) {
  KernelParams params(kernel);
  double eps = params.real("eps");
  int64_t heads = params.integer("heads", 1);
  Type in = params.elementType("in"), out;
  bool quantizes = params.isInteger8("out"), hasRanges = false;
  QuantizedRows layout;
  if (quantizes) {
    layout = QuantizedRows::read(params);
    hasRanges = params.flag("ranges");
  } else {
    out = params.elementType("out");
  }
  if (heads < 1 || (quantizes && heads != 1))
    params.wrong("heads", quantizes ? "1 where out = i8" : "at least 1");
  if (params.failed())
    return failure();
  KernelEmitter e(builder, kernel.getLoc());
  LogicalResult result = success();
  OpBuilder::InsertionGuard guard(builder);
  // scratch, batch, x, result, weight, ranges (if there are any), M, N
  func::FuncOp func =
      beginRows(e, kernel, 3 + hasRanges, 2, [&](Value row, ValueRange args) {
        Value scratch = args[0], columns = args.back();
        Value ranges = hasRanges ? args[5] : Value();
        Value size = e.div(columns, heads);
        e.loop(e.constant(0), e.constant(heads), 1, [&](Value head) {
          Value first = e.add(e.mul(row, columns), e.mul(head, size));
          Value x = e.at(args[2], e.mul(first, KernelEmitter::bytesOf(in)));
          Value total = sumOfSquares(e, x, in, size, scratch);
          Value count = arith::SIToFPOp::create(
              e.b, e.loc, e.f32,
              arith::IndexCastOp::create(e.b, e.loc, e.i64, size));
          Value mean = e.addf(e.divf(total, count), e.constantF32(eps));
          Value root = math::SqrtOp::create(e.b, e.loc, mean);
          Value factor = e.broadcast(e.divf(e.constantF32(1), root));
          if (quantizes) {
            Value y = e.at(args[3], e.mul(row, layout.rowBytes(e, columns)));
            result = emitQuantizedRow(
                e, layout, y, columns, ranges,
                [&](Value column) -> FailureOr<Value> {
                  Value v = loadPadded(e, x, in, column, columns, scratch);
                  Value w =
                      loadPadded(e, args[4], e.f32, column, columns, scratch);
                  return e.mulf(e.mulf(v, factor), w);
                });
            return;
          }
          Value y = e.at(args[3], e.mul(first, KernelEmitter::bytesOf(out)));
          e.loop(e.constant(0), size, kLanes, [&](Value column) {
            result = emitColumns(e, column, size, {{x, in}, {args[4], e.f32}},
                                 {y, out}, scratch,
                                 [&](ValueRange v) -> FailureOr<Value> {
                                   return e.mulf(e.mulf(v[0], factor), v[1]);
                                 });
          });
        });
      });
  if (failed(result))
    return failure();
  return func;
}

//===----------------------------------------------------------------------===//
// quantize
//===----------------------------------------------------------------------===//

FailureOr<func::FuncOp> adze::buildQuantize(OpBuilder &builder, KernelOp kernel,
                                            const KernelTarget &) {
  KernelParams params(kernel);
  Type in = params.elementType("in");
  QuantizedRows layout = QuantizedRows::read(params);
  bool hasRanges = params.flag("ranges");
  if (params.failed())
    return failure();
  KernelEmitter e(builder, kernel.getLoc());
  LogicalResult result = success();
  OpBuilder::InsertionGuard guard(builder);
  // scratch, batch, x, result, ranges (if there are any), M, N
  func::FuncOp func =
      beginRows(e, kernel, 2 + hasRanges, 2, [&](Value row, ValueRange args) {
        Value columns = args.back();
        Value ranges = hasRanges ? args[4] : Value();
        Value x = e.at(args[2],
                       e.mul(e.mul(row, columns), KernelEmitter::bytesOf(in)));
        Value y = e.at(args[3], e.mul(row, layout.rowBytes(e, columns)));
        result = emitQuantizedRow(e, layout, y, columns, ranges,
                                  [&](Value column) -> FailureOr<Value> {
                                    return loadPadded(e, x, in, column, columns,
                                                      args[0]);
                                  });
      });
  if (failed(result))
    return failure();
  return func;
}

//===----------------------------------------------------------------------===//
// take_rows and map
//===----------------------------------------------------------------------===//

FailureOr<func::FuncOp> adze::buildTakeRows(OpBuilder &builder, KernelOp kernel,
                                            const KernelTarget &) {
  KernelParams params(kernel);
  Type element = params.elementType("elem");
  if (params.failed())
    return failure();
  KernelEmitter e(builder, kernel.getLoc());
  OpBuilder::InsertionGuard guard(builder);
  int64_t bytes = KernelEmitter::bytesOf(element);
  // scratch, batch, x, rows, result, R, N
  return beginRows(e, kernel, 3, 2, [&](Value row, ValueRange args) {
    Value columns = args[6], size = e.mul(columns, bytes);
    Value taken = e.loadI32(e.at(args[3], e.mul(row, 4)));
    Value from = e.at(args[2], e.mul(taken, size));
    Value to = e.at(args[4], e.mul(row, size));
    Value whole = e.mul(e.div(size, kLineBytes), kLineBytes);
    e.loop(e.constant(0), whole, kLineBytes, [&](Value i) {
      e.store(e.load(e.vi32, e.at(from, i), bytes), e.at(to, i), bytes);
    });
    e.copyElements(e.at(to, whole), e.at(from, whole),
                   e.div(e.sub(size, whole), bytes), bytes);
  });
}

FailureOr<func::FuncOp> adze::buildMap(OpBuilder &builder, KernelOp kernel,
                                       const KernelTarget &) {
  KernelParams params(kernel);
  SmallVector<Type> inputs = params.elementTypes("in");
  Type out = params.elementType("out");
  if (kernel.getBody().empty() ||
      kernel.getBody().front().getNumArguments() != inputs.size())
    params.wrong("in", "one element type per argument of the region");
  if (params.failed())
    return failure();
  KernelEmitter e(builder, kernel.getLoc());
  LogicalResult result = success();
  OpBuilder::InsertionGuard guard(builder);
  size_t count = inputs.size();
  // scratch, batch, inputs ..., result, M, N
  func::FuncOp func =
      beginRows(e, kernel, count + 1, 2, [&](Value row, ValueRange args) {
        Value columns = args[count + 4];
        auto rowOf = [&](Value base, Type element) {
          int64_t bytes = KernelEmitter::bytesOf(element);
          return ColumnStream{e.at(base, e.mul(e.mul(row, columns), bytes)),
                              element};
        };
        SmallVector<ColumnStream> streams;
        for (size_t i = 0; i < count; ++i)
          streams.push_back(rowOf(args[2 + i], inputs[i]));
        ColumnStream output = rowOf(args[2 + count], out);
        e.loop(e.constant(0), columns, kLanes, [&](Value column) {
          result = emitColumns(
              e, column, columns, streams, output, args[0],
              [&](ValueRange v) { return emitRegion(e, kernel.getBody(), v); });
        });
      });
  if (failed(result))
    return failure();
  return func;
}

int64_t adze::rowScratchBytes(KernelOp kernel) {
  int64_t inputs = 2;
  if (auto in = kernel.getParams().getAs<ArrayAttr>("in"))
    inputs = std::max<int64_t>(inputs, in.size());
  return (inputs + 2) * kLineBytes;
}
