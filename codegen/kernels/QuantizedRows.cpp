// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "QuantizedRows.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace adze;

QuantizedRows QuantizedRows::read(KernelParams &params, StringRef group,
                                  StringRef sums) {
  QuantizedRows rows;
  rows.group = params.integer(group, 0);
  rows.sums = params.integer(sums);
  if (rows.group < 0 || rows.group % kLanes)
    params.wrong(group, "0 (the whole row) or a multiple of 16");
  if (rows.sums < 8 || rows.sums % 8 || rows.group % rows.sums)
    params.wrong(sums, "a multiple of 8 that divides the group");
  return rows;
}

static Value alignToLine(KernelEmitter &e, Value bytes) {
  return e.mul(e.ceilDiv(bytes, kLineBytes), kLineBytes);
}

/// Groups (or runs of sums) of `size` elements in k; size 0: one.
static Value countOf(KernelEmitter &e, Value k, int64_t size) {
  return size ? e.ceilDiv(k, size) : e.constant(1);
}

Value QuantizedRows::scalesOffset(KernelEmitter &e, Value k) const {
  return alignToLine(e, k);
}
Value QuantizedRows::sumsOffset(KernelEmitter &e, Value k) const {
  return e.add(scalesOffset(e, k),
               alignToLine(e, e.mul(countOf(e, k, group), 4)));
}
Value QuantizedRows::rowBytes(KernelEmitter &e, Value k) const {
  return e.add(sumsOffset(e, k), alignToLine(e, e.mul(countOf(e, k, sums), 4)));
}

Value adze::loadPadded(KernelEmitter &e, Value row, Type element, Value column,
                       Value columns, Value staging) {
  int64_t bytes = KernelEmitter::bytesOf(element);
  Value place = e.at(row, e.mul(column, bytes));
  Value left = e.sub(columns, column);
  Value whole = e.compare(arith::CmpIPredicate::sge, left, kLanes);
  Value from = e.ifElse(
      whole, {e.ptr}, [&] { return KernelEmitter::Values{place}; },
      [&] {
        e.store(e.splat(0), staging, 4);
        e.copyElements(staging, place, left, bytes);
        return KernelEmitter::Values{staging};
      })[0];
  return e.loadLanes(element, from);
}

namespace {

class QuantizeEmitter {
public:
  QuantizeEmitter(KernelEmitter &e, const QuantizedRows &layout, Value row,
                  Value k, Value ranges, ColumnLoader load)
      : e(e), layout(layout), row(row), k(k), ranges(ranges), load(load),
        scales(e.at(row, layout.scalesOffset(e, k))),
        sums(e.at(row, layout.sumsOffset(e, k))),
        vi8(e.lanesOf(e.b.getI8Type())) {}

  void group(Value index);
  LogicalResult result = success();

private:
  Value columns(Value column) {
    FailureOr<Value> lanes = load(column);
    if (succeeded(lanes))
      return *lanes;
    result = failure();
    return e.splat(0);
  }
  Value magnitude(Value lanes) {
    Value bits = arith::BitcastOp::create(e.b, e.loc, e.vi32, lanes);
    return arith::AndIOp::create(e.b, e.loc, bits, e.splatI32(0x7fffffff));
  }
  Value largest(Value begin, Value end);
  KernelEmitter::Values startOf(Value sum);
  KernelEmitter::Values codes(Value column, Value inverse, ValueRange carried);
  Value clamp(Value scaled);
  Value sumUp(Value lanes);
  void sumsOfEights(Value begin, Value end);

  KernelEmitter &e;
  const QuantizedRows &layout;
  Value row, k, ranges;
  ColumnLoader load;
  Value scales, sums;
  VectorType vi8;
};

/// max |x|, compared as integers: in the order of floats, and a NaN is above
/// all, so that it ends up in the scale and is not lost.
Value QuantizeEmitter::largest(Value begin, Value end) {
  Value zero = e.splatI32(0);
  Value lanes =
      e.loop(begin, end, kLanes, zero, [&](Value column, ValueRange carried) {
        Value bits = magnitude(columns(column));
        return KernelEmitter::Values{
            arith::MaxUIOp::create(e.b, e.loc, bits, carried[0])};
      })[0];
  Value bits = vector::ReductionOp::create(e.b, e.loc,
                                           vector::CombiningKind::MAXUI, lanes);
  return arith::BitcastOp::create(e.b, e.loc, e.f32, bits);
}

/// What loops over the codes of a group carry: the sum of codes and, with
/// ranges, lanes that become NaN where a value is not finite (x - x).
KernelEmitter::Values QuantizeEmitter::startOf(Value sum) {
  KernelEmitter::Values start{sum};
  if (ranges)
    start.push_back(e.splat(0));
  return start;
}

/// Between -127 and 127, also where it is NaN.
Value QuantizeEmitter::clamp(Value scaled) {
  auto nearer = [&](arith::CmpFPredicate within, double bound) {
    Value limit = e.splat(bound);
    Value isWithin = arith::CmpFOp::create(e.b, e.loc, within, scaled, limit);
    scaled = e.select(isWithin, scaled, limit);
  };
  nearer(arith::CmpFPredicate::OLT, 127);
  nearer(arith::CmpFPredicate::OGT, -127);
  return scaled;
}

/// Stores 16 codes and adds them to what is carried.
KernelEmitter::Values QuantizeEmitter::codes(Value column, Value inverse,
                                             ValueRange carried) {
  Value x = columns(column), scaled = e.mulf(x, inverse);
  if (ranges)
    scaled = clamp(scaled);
  Value rounded = math::RoundEvenOp::create(e.b, e.loc, scaled);
  Value codes = arith::FPToSIOp::create(e.b, e.loc, e.vi32, rounded);
  e.store(arith::TruncIOp::create(e.b, e.loc, vi8, codes), e.at(row, column),
          kLanes);
  KernelEmitter::Values next{
      arith::AddIOp::create(e.b, e.loc, carried[0], codes)};
  if (ranges)
    next.push_back(e.addf(carried[1], e.subf(x, x)));
  return next;
}

Value QuantizeEmitter::sumUp(Value lanes) {
  return vector::ReductionOp::create(e.b, e.loc, vector::CombiningKind::ADD,
                                     lanes);
}

/// Sums of runs that are no multiple of 16 codes, from the stored codes.
void QuantizeEmitter::sumsOfEights(Value begin, Value end) {
  auto eight = VectorType::get({8}, e.b.getI8Type());
  auto wide = VectorType::get({8}, e.i32);
  e.loop(begin, end, layout.sums, [&](Value first) {
    Value last = e.min(e.add(first, layout.sums), end);
    Value zero = e.constantI32(0);
    Value sum = e.loop(first, last, 8, zero, [&](Value i, ValueRange carried) {
      Value codes = arith::ExtSIOp::create(e.b, e.loc, wide,
                                           e.load(eight, e.at(row, i), 8));
      return KernelEmitter::Values{
          arith::AddIOp::create(e.b, e.loc, carried[0], sumUp(codes))};
    })[0];
    e.store(sum, e.at(sums, e.mul(e.div(first, layout.sums), 4)), 4);
  });
}

void QuantizeEmitter::group(Value index) {
  Value begin = layout.group ? e.mul(index, layout.group) : e.constant(0);
  Value end = layout.group ? e.min(e.add(begin, layout.group), k) : k;
  Value most = ranges ? e.loadScalar(e.f32, e.at(ranges, e.mul(index, 4)))
                      : largest(begin, end);
  Value top = e.constantF32(127), zero = e.constantF32(0);
  Value isZero =
      arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::OEQ, most, zero);
  Value inverse = e.broadcast(e.select(isZero, zero, e.divf(top, most)));
  Value scale = e.at(scales, e.mul(index, 4));
  e.store(e.divf(most, top), scale, 4);
  auto run = [&](Value first, Value last, KernelEmitter::Values start) {
    return e.loop(first, last, kLanes, start,
                  [&](Value column, ValueRange carried) {
                    return codes(column, inverse, carried);
                  });
  };
  KernelEmitter::Values done = startOf(e.splatI32(0));
  if (layout.sums % kLanes) {
    done = run(begin, end, done);
    sumsOfEights(begin, end);
  } else {
    KernelEmitter::Values start = done;
    start.erase(start.begin());
    done = e.loop(begin, end, layout.sums, start,
                  [&](Value first, ValueRange carried) {
                    Value last = e.min(e.add(first, layout.sums), end);
                    KernelEmitter::Values next{e.splatI32(0)};
                    llvm::append_range(next, carried);
                    next = run(first, last, next);
                    e.store(sumUp(next[0]),
                            e.at(sums, e.mul(e.div(first, layout.sums), 4)), 4);
                    next.erase(next.begin());
                    return next;
                  });
  }
  if (ranges) // through memory: no register is held over the loops
    e.store(e.addf(e.loadScalar(e.f32, scale), e.reduceAdd(done.back())), scale,
            4);
}

} // namespace

LogicalResult adze::emitQuantizedGroups(KernelEmitter &e,
                                        const QuantizedRows &layout, Value row,
                                        Value k, Value first, Value end,
                                        Value ranges, ColumnLoader load) {
  QuantizeEmitter emitter(e, layout, row, k, ranges, load);
  e.loop(first, end, 1, [&](Value index) { emitter.group(index); });
  return emitter.result;
}

void adze::emitRowPadding(KernelEmitter &e, const QuantizedRows &layout,
                          Value row, Value k) {
  // Codes are stored 16 at a time.
  Value scales = layout.scalesOffset(e, k), sums = layout.sumsOffset(e, k);
  Value end = layout.rowBytes(e, k);
  auto fill = [&](Value begin, Value end, Type type) {
    int64_t bytes = type.isInteger(32) ? 4 : kLanes;
    Value zero = arith::ConstantOp::create(e.b, e.loc, e.b.getZeroAttr(type));
    e.loop(begin, end, bytes,
           [&](Value at) { e.store(zero, e.at(row, at), bytes); });
  };
  fill(e.mul(e.ceilDiv(k, kLanes), kLanes), scales, e.lanesOf(e.b.getI8Type()));
  fill(e.add(scales, e.mul(countOf(e, k, layout.group), 4)), sums, e.i32);
  fill(e.add(sums, e.mul(countOf(e, k, layout.sums), 4)), end, e.i32);
}

LogicalResult adze::emitQuantizedRow(KernelEmitter &e,
                                     const QuantizedRows &layout, Value row,
                                     Value k, Value ranges, ColumnLoader load) {
  emitRowPadding(e, layout, row, k);
  return emitQuantizedGroups(e, layout, row, k, e.constant(0),
                             countOf(e, k, layout.group), ranges, load);
}
