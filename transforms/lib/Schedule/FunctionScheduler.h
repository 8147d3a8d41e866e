// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The scheduler of one function: see Schedule.cpp for what a schedule is. Its
// methods are in Buffers.cpp (values and memory), Launches.cpp (ops to kernels
// and barriers) and Functions.cpp (layers and entries).
#ifndef ADZE_TRANSFORMS_SCHEDULE_FUNCTIONSCHEDULER_H
#define ADZE_TRANSFORMS_SCHEDULE_FUNCTIONSCHEDULER_H

#include "ArenaPlan.h"
#include "KernelTable.h"
#include "adze/Dialect/Adze/Adze.h"
#include "adze/Transforms/OneRow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"
#include <optional>

namespace adze::schedule {

using namespace mlir; // names of MLIR, in this namespace only

/// Which symbol counts the rows of a buffer.
enum class Rows { Tokens, LogitRows };

/// A value in memory.
struct Buffer {
  Value handle; // !adze.buffer in the scheduled function
  Rows rows = Rows::Tokens;
  std::optional<ArenaSpan> span; // none: an argument of the entry
  std::optional<ArenaSpan> own;  // of each thread, in steps of one row
  bool owned = false;            // its spans are released when it dies

  BufferType type() const { return cast<BufferType>(handle.getType()); }
};

/// Places that outlive one function: the arguments of a layer kind.
struct LayerFrame {
  SmallVector<ArenaSpan> args; // of the tensor arguments; 0 is carried
  int64_t localEnd = 0;
  int64_t ownEnd = 0;
};

/// What was touched since all threads met.
struct Touched {
  SmallVector<Buffer> read, written;
  bool cacheRead = false, cacheWritten = false;
  bool merged = false; // an attention was merged

  bool any() const {
    return !read.empty() || !written.empty() || cacheRead || cacheWritten;
  }
};

/// The tensor type of a value, if it has one.
inline RankedTensorType rowsType(Value v) {
  return dyn_cast<RankedTensorType>(v.getType());
}
/// Elements of a row; of a tensor without rows, all.
int64_t columns(Value v);
/// The argument that says which rows `op` takes, if that is what it does.
Value rowsTaken(Operation *op);

/// What the functions of a module have in common.
struct ScheduleContext {
  bool bf16Dot = false;
  KernelTable *kernels = nullptr;
  llvm::MapVector<StringAttr, LayerFrame> layerFrames;
};

/// Schedules one function.
class FunctionScheduler {
public:
  FunctionScheduler(ScheduleContext &pass, func::FuncOp source,
                    int64_t planBase, int64_t ownBase = 0)
      : pass(pass), source(source), tokenPlan(planBase), ownPlan(ownBase) {}

  LogicalResult runOnLayer(LayerFrame &frame);
  LogicalResult runOnEntry();

private:
  // Values.
  BufferType storageOf(Value v);
  Type elementOf(Value v);
  Rows rowsOf(Operation *op);
  Buffer &bufferOf(Value v) { return buffers.find(v)->second; }
  Buffer arenaBuffer(ArenaSpan span, Rows rows, BufferType type,
                     std::optional<ArenaSpan> own = std::nullopt);
  BufferType f32Rows(Value v) {
    return BufferType::get(builder.getContext(), columns(v),
                           builder.getF32Type());
  }
  Buffer frameBuffer(int64_t index, int64_t cols, Type element, Rows rows);
  void defineResult(Operation *op, Value result);
  bool isOccupied(ArenaSpan span, Operation *op);
  void release(const Buffer &buffer);
  void releaseDead(Operation *op);
  bool diesAt(Value v, Operation *op);

  // Launches.
  LogicalResult scheduleBody(Block &block);
  LogicalResult scheduleOp(Operation *op);
  LogicalResult checkRows(Operation *op);
  LogicalResult scheduleLinear(LinearOp op);
  void scheduleNorm(RmsNormOp op);
  void mergeAttention(Operation *op, ArrayRef<NamedAttribute> params,
                      const Buffer &result);
  LogicalResult scheduleGeneric(GenericOp op);
  LogicalResult scheduleRepeat(RepeatOp op);
  void moveOut(ArenaSpan span, RepeatOp op, Value settled);
  void copy(Location loc, Buffer from, Buffer to);
  void move(Value value, Buffer place);
  void launch(Operation *op, KernelFamily family,
              ArrayRef<NamedAttribute> params, Region *region, Domain domain,
              ArrayRef<Buffer> reads, ArrayRef<Buffer> writes,
              ArrayRef<Value> order, ArrayRef<Attribute> weights,
              FlatSymbolRefAttr cache, Value layer, ArrayRef<int64_t> sizes,
              int64_t extent = 0, int64_t unit = 1);
  DomainAttr domainAttr(Domain domain) {
    return DomainAttr::get(builder.getContext(), domain);
  }
  void waitFor(ArrayRef<Buffer> reads, ArrayRef<Buffer> writes, bool readsCache,
               bool writesCache);
  void barrier(bool ofOneRow = true);

  ScheduleContext &pass;
  func::FuncOp source;
  ArenaPlan tokenPlan, rowPlan, ownPlan;
  OpBuilder builder{source.getContext()};
  Value frame, layer;
  llvm::MapVector<Value, Buffer> buffers;
  /// Buffers decided before their value is defined: results of the function,
  /// arguments of layers.
  DenseMap<Value, Buffer> preassigned;
  Touched since, sinceOfOne;         // in steps of several rows, of one row
  SmallVector<Operation *> arenaOps; // logit-row buffers, offsets patched last
};
} // namespace adze::schedule

#endif // ADZE_TRANSFORMS_SCHEDULE_FUNCTIONSCHEDULER_H
