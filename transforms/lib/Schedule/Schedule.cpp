// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-schedule: values -> buffers, ops -> launches, and barriers between.
//
//   %n = adze.rms_norm %x, @n1[%l]           %n = adze.arena %f at (T * 256)
//   %q = adze.linear %n, @q[%l]        ->    adze.launch @k0 over tokens (%x,
//   %n)
//                                            adze.barrier %f
//                                            adze.launch @k1 over panels (%n,
//                                            %q)
//
// Memory. Each layer kind has its arguments and its own buffers at fixed places
// at the start of the arena, shared by all layers; an entry's buffers come
// after them. A result takes over the bytes of a captured operand that dies
// with it: the residual stream stays in one buffer.
//
// Barriers. A launch waits when it reads bytes written, or writes bytes read or
// written, since the last barrier.
//
// Steps of one row: decoding a sequence. A launch over rows would keep one
// thread busy and the others waiting for it. Where it is cheap, all threads do
// it, each in memory of its own, and no barrier stands before or behind; what
// they do not do alike stays shared. Both kinds of step run one code: a barrier
// that only steps of several rows need says so.
//
// It does not choose kernels or tiles: that is code generation's.

#include "FunctionScheduler.h"
#include "GenericOutline.h"
#include "RowAccess.h"
#include "adze/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace adze {
#define GEN_PASS_DEF_SCHEDULE
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;
using namespace adze::schedule;

namespace {

struct Schedule : adze::impl::ScheduleBase<Schedule> {
  using ScheduleBase::ScheduleBase;

  void runOnOperation() override;
  LogicalResult planLayerFrames(ScheduleContext &context);

  int64_t fixedEnd = 0, layersEnd = 0, ownEnd = 0;
};

/// Fixed places of the arguments of layer kinds. The carried rows are shared by
/// all kinds of the same width: they hand them on to each other. What is given
/// to several kinds, such as a table of angles, lies in one place for all.
LogicalResult Schedule::planLayerFrames(ScheduleContext &context) {
  ArenaPlan plan;
  llvm::DenseMap<int64_t, ArenaSpan> carried;
  llvm::DenseMap<Value, ArenaSpan> given;
  WalkResult walk = getOperation().walk([&](RepeatOp repeat) -> WalkResult {
    auto name = FlatSymbolRefAttr::get(&getContext(), repeat.getCallee());
    auto caller = repeat->getParentOfType<func::FuncOp>();
    if (!caller->hasAttr(kEntryAttrName))
      return repeat.emitOpError() << "stands in @" << caller.getName()
                                  << ", which is no entry; layers cannot "
                                     "repeat layers";
    if (context.layerFrames.contains(name.getAttr()))
      return WalkResult::advance();
    LayerFrame layers;
    for (Value arg : repeat.getArgs()) {
      RankedTensorType type = rowsType(arg);
      if (!type)
        continue;
      if (!isRowTensor(type) || type.getRank() != 2 ||
          !type.getElementType().isF32())
        return repeat.emitOpError()
               << "expects tensors of type tensor<?xNxf32>, got " << type;
      int64_t bytes = columns(arg) * 4;
      if (!layers.args.empty()) {
        // Two arguments of one kind need two places: a later call may differ.
        auto [it, isNew] = given.try_emplace(arg);
        if (isNew || llvm::is_contained(layers.args, it->second))
          it->second = plan.allocate(bytes);
        layers.args.push_back(it->second);
        continue;
      }
      auto [it, isNew] = carried.try_emplace(columns(arg));
      if (isNew)
        it->second = plan.allocate(bytes);
      layers.args.push_back(it->second);
    }
    context.layerFrames[name.getAttr()] = layers;
    return WalkResult::advance();
  });
  fixedEnd = layersEnd = plan.highWater();
  return failure(walk.wasInterrupted());
}

/// Entries and layers are what is scheduled: straight lines of ops.
static LogicalResult checkBodies(ModuleOp module) {
  auto check = [](func::FuncOp func) -> LogicalResult {
    if (func.getBody().hasOneBlock())
      return success();
    return func.emitError()
           << "expects a body of one block in @" << func.getName() << ", got "
           << func.getBlocks().size()
           << " blocks: entries and layers have no branches";
  };
  for (auto func : module.getOps<func::FuncOp>())
    if (func->hasAttr(kEntryAttrName) && failed(check(func)))
      return failure();
  WalkResult walk = module.walk([&](RepeatOp repeat) -> WalkResult {
    return check(module.lookupSymbol<func::FuncOp>(repeat.getCallee()));
  });
  return failure(walk.wasInterrupted());
}

void Schedule::runOnOperation() {
  ModuleOp module = getOperation();
  if (failed(checkBodies(module)))
    return signalPassFailure();
  KernelTable kernels(module);
  ScheduleContext context;
  context.bf16Dot = bf16Dot;
  context.kernels = &kernels;
  if (failed(outlineGeneric(module, llvm::to_vector(generic))))
    return signalPassFailure();
  if (failed(planLayerFrames(context)))
    return signalPassFailure();
  for (auto &[name, layers] : context.layerFrames) {
    auto func = module.lookupSymbol<func::FuncOp>(name);
    if (failed(FunctionScheduler(context, func, fixedEnd).runOnLayer(layers)))
      return signalPassFailure();
    layersEnd = std::max(layersEnd, layers.localEnd);
    ownEnd = std::max(ownEnd, layers.ownEnd);
  }
  SmallVector<func::FuncOp> entries;
  for (auto func : llvm::make_early_inc_range(module.getOps<func::FuncOp>())) {
    if (func->hasAttr(kEntryAttrName)) {
      entries.push_back(func);
    } else if (context.layerFrames.contains(func.getSymNameAttr())) {
      continue;
    } else if (func.isPrivate()) {
      func.erase(); // nobody applies it
    } else {
      func.emitError() << "@" << func.getName()
                       << " is neither an entry nor a layer: give it the "
                          "attribute adze.entry or make it private";
      return signalPassFailure();
    }
  }
  for (func::FuncOp func : entries)
    if (failed(
            FunctionScheduler(context, func, layersEnd, ownEnd).runOnEntry()))
      return signalPassFailure();
  module->setAttr(kLevelAttrName,
                  LevelAttr::get(&getContext(), Level::Scheduled));
}

} // namespace
