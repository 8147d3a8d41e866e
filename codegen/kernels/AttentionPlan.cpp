// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Params and sizes of an attention, and the formulas that its kernel and its
// merge have in common.

#include "AttentionPlan.h"
#include "AttentionCodes.h"
#include "Builders.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace adze;

AttentionPlan::AttentionPlan(KernelOp kernel, const KernelTarget &target)
    : params(kernel) {
  heads = params.integer("heads");
  kvHeads = params.integer("kv_heads");
  headDim = params.integer("head_dim");
  scale = params.real("scale");
  window = params.integer("window", 0);
  q = params.elementType("q");
  out = params.elementType("out");
  layout = {headDim, params.cacheType("kv")};
  if (headDim < 1)
    params.wrong("head_dim", "at least 1");
  if (!(scale > 0))
    params.wrong("scale", "positive");
  if (kvHeads < 1 || heads < 1 || heads % kvHeads)
    params.wrong("heads", "a multiple of kv_heads");
  if (window < 0)
    params.wrong("window", "0 (none) or a number of positions");
  group = params.failed() ? 1 : heads / kvHeads;
  // Where there is AMX, two fma take half the time of a dot of bf16.
  bool dots = target.hasBF16Dot && !target.hasAmx && layout.element.isBF16();
  Type f32 = Float32Type::get(kernel.getContext());
  types = {dots ? layout.element : f32, layout.element};
  shapes = hasCodes() ? codeTileShapes(target) : tileShapes(target, types);
  if (hasCodes() && headDim > kMaxCodedHeadDim)
    params.wrong("head_dim", "at most 1024 with an int8 cache");
}

//===-- one formula -------------------------------------------------------===//

MergeFactors adze::mergeFactors(KernelEmitter &e, Value maximumBefore,
                                Value sumBefore, Value peak, Value sum) {
  MergeFactors f;
  f.maximum = e.maxf(peak, maximumBefore);
  f.keep = e.exp2(e.subf(maximumBefore, f.maximum));
  f.take = e.exp2(e.subf(peak, f.maximum));
  f.sum = e.addf(e.mulf(sumBefore, f.keep), e.mulf(sum, f.take));
  return f;
}

void adze::mergeOutput(KernelEmitter &e, const AttentionPlan &plan,
                       Value output, Value chunk, Value keep, Value take) {
  e.loop(e.constant(0), e.constant(plan.outputRowBytes()), kLineBytes,
         [&](Value i) {
           Value place = e.at(output, i);
           Value old = e.mulf(e.loadLanes(e.f32, place), keep);
           Value add = e.mulf(e.loadLanes(e.f32, e.at(chunk, i)), take);
           e.storeLanes(e.addf(old, add), e.f32, place);
         });
}

//===-- what differs in the type of the result ----------------------------===//

std::string adze::sharedAttentionName(KernelOp kernel) {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (NamedAttribute param : kernel.getParams())
    if (param.getName() != "out")
      os << param.getName().getValue() << '=' << param.getValue() << ' ';
  return "adze.attention." + llvm::utohexstr(llvm::xxh3_64bits(text), true);
}

func::FuncOp adze::getAttentionStore(KernelEmitter &e,
                                     const AttentionPlan &plan) {
  std::string name;
  llvm::raw_string_ostream(name) << "adze.attention.store." << plan.out << '.'
                                 << plan.heads << '.' << plan.headDim;
  if (func::FuncOp known = e.lookup(name))
    return known;
  OpBuilder::InsertionGuard guard(e.b);
  func::FuncOp func =
      e.beginShared(name, {e.ptr, e.f32, e.ptr, e.index, e.index});
  ValueRange args = func.getArguments();
  Value output = args[0], sum = args[1], row = args[3], column = args[4];
  int64_t bytes = KernelEmitter::bytesOf(plan.out);
  Value factor = e.broadcast(e.divf(e.constantF32(1), sum));
  Value first = e.mul(row, plan.heads * plan.headDim);
  Value to = e.at(args[2], e.mul(e.add(first, column), bytes));
  for (int64_t d = 0; d < plan.headDim; d += kLanes)
    e.storeLanes(e.mulf(e.loadLanes(e.f32, e.at(output, d * 4)), factor),
                 plan.out, e.at(to, d * bytes), plan.headDim - d);
  e.ret();
  return func;
}

func::FuncOp adze::emitAttentionKernel(KernelEmitter &e, KernelOp kernel,
                                       TypeRange arguments, int64_t given,
                                       func::FuncOp shared,
                                       func::FuncOp store) {
  OpBuilder::InsertionGuard guard(e.b);
  func::FuncOp func = e.beginFunction(kernel.getSymName(), arguments, {}, true);
  SmallVector<Value> operands(func.getArguments().take_front(given));
  operands.push_back(e.address(store));
  e.call(shared, operands);
  e.ret();
  return func;
}

Value adze::attentionColumn(KernelEmitter &e, const AttentionPlan &plan,
                            Value row, Value kvHead) {
  Value token = e.div(row, plan.group), g = e.rem(row, plan.group);
  Value h = e.add(e.mul(kvHead, plan.group), g);
  return e.add(e.mul(token, plan.heads * plan.headDim), e.mul(h, plan.headDim));
}

//===-- memory ------------------------------------------------------------===//

Value adze::splitBytes(KernelEmitter &e, const AttentionPlan &plan,
                       Value batch) {
  Value chunks =
      e.ceilDiv(BatchReader(e, batch).pagesPerSequence(), kChunkPages);
  return e.add(e.mul(chunks, plan.entryBytes()), kLineBytes);
}

SharedBytes adze::attentionSharedBytes(KernelOp kernel,
                                       const KernelTarget &target) {
  AttentionPlan plan(kernel, target);
  // Whole chunks: at most one more than pages / 4.
  return {kMaxSplits * (plan.entryBytes() + kLineBytes),
          kMaxSplits * plan.entryBytes() / kChunkPages};
}

int64_t adze::attentionScratchBytes(KernelOp kernel,
                                    const KernelTarget &target) {
  return AttentionPlan(kernel, target).scratchBytes();
}
