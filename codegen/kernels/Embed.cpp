// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The embed kernel: rows of a table by token id. Float tables are read in rows
// or panels; integer tables in panels, where their codes and scales are.

#include "Builders.h"
#include "KernelEmitter.h"
#include "KernelParams.h"
#include "RegionEmitter.h"

using namespace mlir;
using namespace adze;

namespace {

struct EmbedBuilder {
  KernelEmitter &e;
  LayoutKind layout;
  Type out;

  /// Writes the row of `token` to y.
  using Row = function_ref<LogicalResult(
      Value token, Value table, Value columns, Value y, Value staging)>;
  FailureOr<func::FuncOp> build(KernelOp kernel, Row row) {
    LogicalResult result = success();
    // scratch, batch, tokens, result, table, M, N
    func::FuncOp func =
        beginRows(e, kernel, 3, 2, [&](Value m, ValueRange args) {
          Value columns = args[6];
          Value token = e.loadI32(e.at(args[2], e.mul(m, 4)));
          Value y = e.at(args[3],
                         e.mul(e.mul(m, columns), KernelEmitter::bytesOf(out)));
          result = row(token, args[4], columns, y, args[0]);
        });
    if (failed(result))
      return failure();
    return func;
  }

  /// Calls `lanes` for each 16 columns and stores what it returns.
  LogicalResult storeColumns(Value columns, Value y, Value staging,
                             function_ref<Value(Value column)> lanes) {
    LogicalResult result = success();
    e.loop(e.constant(0), columns, kLanes, [&](Value column) {
      Value v = lanes(column);
      result = emitColumns(e, column, columns, {}, {y, out}, staging,
                           [&](ValueRange) -> FailureOr<Value> { return v; });
    });
    return result;
  }

  FailureOr<func::FuncOp> floatTable(KernelOp kernel, Type element);
  FailureOr<func::FuncOp> integerTable(KernelOp kernel,
                                       IntegerFormatAttrInterface format);
};

} // namespace

//===-- #adze.float -------------------------------------------------------===//

/// One row of a packed table: its elements are one line apart, kk of them
/// together. Gathers those of 16 columns into `to`.
static void gatherPanelRow(KernelEmitter &e, Value row, Type element,
                           Value column, Value columns, Value to) {
  int64_t depth = panelDepth(element);
  int64_t unitBytes = depth * KernelEmitter::bytesOf(element);
  Type unit = e.b.getIntegerType(unitBytes * 8);
  Value first = e.div(column, depth);
  Value end = e.min(e.ceilDiv(columns, depth), e.add(first, kLanes / depth));
  e.loop(first, end, 1, [&](Value u) {
    Value from = e.at(row, e.mul(u, kLanes * unitBytes));
    e.store(e.load(unit, from, unitBytes),
            e.at(to, e.mul(e.sub(u, first), unitBytes)), unitBytes);
  });
}

FailureOr<func::FuncOp> EmbedBuilder::floatTable(KernelOp kernel,
                                                 Type element) {
  int64_t bytes = KernelEmitter::bytesOf(element);
  int64_t unitBytes = panelDepth(element) * bytes, inLine = 4 / bytes;
  return build(kernel, [&](Value token, Value table, Value columns, Value y,
                           Value staging) {
    if (layout == LayoutKind::Rows) {
      Value row = e.at(table, e.mul(e.mul(token, columns), bytes));
      LogicalResult result = success();
      e.loop(e.constant(0), columns, kLanes, [&](Value column) {
        result =
            emitColumns(e, column, columns, {{row, element}}, {y, out}, staging,
                        [](ValueRange v) -> FailureOr<Value> { return v[0]; });
      });
      return result;
    }
    Value panelBytes = e.mul(e.ceilDiv(columns, inLine), kLineBytes);
    Value row = e.at(table, e.add(e.mul(e.div(token, kLanes), panelBytes),
                                  e.mul(e.rem(token, kLanes), unitBytes)));
    return storeColumns(columns, y, staging, [&](Value column) {
      Value gathered = e.at(staging, 2 * kLineBytes);
      gatherPanelRow(e, row, element, column, columns, gathered);
      return e.loadLanes(element, gathered);
    });
  });
}

//===-- formats with codes ------------------------------------------------===//

/// The codes of one output channel (`lane`) in two steps of 8 k as 16 lanes.
/// Dot products read all 16 channels of a step; here one of them is picked.
static Value pickCodes(KernelEmitter &e, IntegerFormatAttrInterface format,
                       Value panel, Value columns, Value lane,
                       ArrayRef<Value> steps) {
  KernelEmitter::Values quads;
  for (Value step : steps)
    for (Value line : format.emitCodes(e.b, e.loc, panel, columns, step)) {
      Value words = vector::BitCastOp::create(e.b, e.loc, e.vi32, line);
      quads.push_back(vector::ExtractOp::create(e.b, e.loc, words, lane));
    }
  Value bytes = vector::FromElementsOp::create(
      e.b, e.loc, VectorType::get({int64_t(quads.size())}, e.i32), quads);
  bytes = vector::BitCastOp::create(
      e.b, e.loc, VectorType::get({kLanes}, e.b.getI8Type()), bytes);
  return arith::ExtUIOp::create(e.b, e.loc, e.vi32, bytes);
}

FailureOr<func::FuncOp>
EmbedBuilder::integerTable(KernelOp kernel, IntegerFormatAttrInterface format) {
  return build(kernel, [&](Value token, Value table, Value columns, Value y,
                           Value staging) {
    Value panelBytes = format.emitPanelBytes(e.b, e.loc, columns);
    Value panel = e.at(table, e.mul(e.div(token, kLanes), panelBytes));
    Value lane = e.rem(token, kLanes);
    Value last = e.sub(e.ceilDiv(columns, 8), 1);
    Value isSecond =
        e.compare(arith::CmpIPredicate::sge, e.iota(), e.splatI32(8));
    return storeColumns(columns, y, staging, [&](Value column) {
      // Two steps of 8 k, which may lie in two groups. A second one beyond K
      // reads the last step again; its lanes are not stored.
      Value steps[2] = {e.div(column, 8)};
      steps[1] = e.min(e.add(steps[0], 1), last);
      auto perGroup = [&](auto emit) {
        Value parts[2];
        for (int i = 0; i < 2; ++i) {
          Value group = format.getGroup()
                            ? e.div(e.mul(steps[i], 8), format.getGroup())
                            : e.constant(0);
          parts[i] = e.broadcast(
              vector::ExtractOp::create(e.b, e.loc, emit(group), lane));
        }
        return arith::SelectOp::create(e.b, e.loc, isSecond, parts[1], parts[0])
            .getResult();
      };
      Value code = pickCodes(e, format, panel, columns, lane, steps);
      code = arith::SubIOp::create(e.b, e.loc, code,
                                   e.splatI32(format.getZeroCode()));
      Value value =
          e.mulf(perGroup([&](Value group) {
                   return format.emitScale(e.b, e.loc, panel, columns, group);
                 }),
                 arith::SIToFPOp::create(e.b, e.loc, e.vf32, code));
      if (format.hasMinimum())
        value = e.addf(value, perGroup([&](Value group) {
                         return format.emitMinimum(e.b, e.loc, panel, columns,
                                                   group);
                       }));
      return value;
    });
  });
}

//===----------------------------------------------------------------------===//

FailureOr<func::FuncOp> adze::buildEmbed(OpBuilder &builder, KernelOp kernel,
                                         const KernelTarget &) {
  KernelParams params(kernel);
  auto integers =
      kernel.getParams().getAs<IntegerFormatAttrInterface>("format");
  Type element = integers ? Type() : params.floatFormat("format");
  Type out = params.elementType("out");
  LayoutKind layout = LayoutKind::Rows;
  if (params.has("layout"))
    if (auto attr = params.attribute<LayoutKindAttr>("layout", "a layout"))
      layout = attr.getValue();
  if (integers && layout != LayoutKind::Panels)
    params.wrong("layout", "panels for a format with codes");
  if (params.failed())
    return failure();
  KernelEmitter e(builder, kernel.getLoc());
  OpBuilder::InsertionGuard guard(builder);
  EmbedBuilder embed = {e, layout, out};
  return integers ? embed.integerTable(kernel, integers)
                  : embed.floatTable(kernel, element);
}
