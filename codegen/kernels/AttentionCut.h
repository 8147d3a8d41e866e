// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How the work of an attention is cut between threads: by cost, at chunks, the
// same on every thread. Items are in order of sequence, KV head and block of
// rows; a thread takes a run of (item, chunk). The cut never changes a number:
// see AttentionMerge.cpp.
#ifndef ADZE_CODEGEN_KERNELS_ATTENTIONCUT_H
#define ADZE_CODEGEN_KERNELS_ATTENTIONCUT_H

#include "AttentionPlan.h"

namespace adze {

/// The rows of one block of a sequence and the chunks that they see.
struct BlockShape {
  mlir::Value firstRow, tokens, rows, firstPosition;
  mlir::Value begin, end; // chunks
  mlir::Value weight;     // cost of a page
  mlir::Value cost;
};

class AttentionCut {
public:
  AttentionCut(KernelEmitter &e, const AttentionPlan &plan, mlir::Value batch)
      : e(e), plan(plan), batch(e, batch), batchPointer(batch) {}

  mlir::Value blocksOf(mlir::Value sequence);
  BlockShape shapeOf(mlir::Value sequence, mlir::Value block);

  /// Emits (parts, batch, table) -> total cost: writes to `table` the number of
  /// items that the cuts between `parts` parts split, then the place, sequence,
  /// KV head and block of each.
  static mlir::func::FuncOp
  emitTable(KernelEmitter &e, const AttentionPlan &plan, llvm::StringRef name);

  struct Piece {
    mlir::Value sequence, head, block;
    mlir::Value begin, end; // chunks of this piece
    mlir::Value split;      // which split item it belongs to; -1: whole
  };
  /// Calls `body` for every piece of part `part` of `parts`.
  void pieces(mlir::Value part, mlir::Value parts, mlir::Value total,
              mlir::Value table, llvm::function_ref<void(const Piece &)> body);

private:
  void emitTableBody(mlir::Value parts, mlir::Value table);
  mlir::Value costOf(mlir::Value sequence);
  void record(mlir::Value table, mlir::Value sequence, mlir::Value head,
              mlir::Value block, mlir::Value place, const BlockShape &shape,
              mlir::Value pagesIn);
  mlir::Value chunkAt(const BlockShape &shape, mlir::Value into);
  mlir::Value cutAt(const BlockShape &shape, mlir::Value place,
                    mlir::Value split, mlir::Value at);
  mlir::Value splitOf(mlir::Value table, mlir::Value place);

  KernelEmitter &e;
  const AttentionPlan &plan;
  BatchReader batch;
  mlir::Value batchPointer;
};

/// Leaves what the first thread of a split item has merged, up to `endChunk`.
void leaveSplitState(KernelEmitter &e, const AttentionPlan &plan,
                     mlir::Value scratch, mlir::Value split,
                     const BlockShape &shape, mlir::Value endChunk);

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_ATTENTIONCUT_H
