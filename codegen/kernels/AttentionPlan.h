// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the attention kernel and its merge agree on: sizes, the layout of their
// scratch and of the partial results that threads hand to each other.
#ifndef ADZE_CODEGEN_KERNELS_ATTENTIONPLAN_H
#define ADZE_CODEGEN_KERNELS_ATTENTIONPLAN_H

#include "BatchReader.h"
#include "KernelParams.h"
#include "MicroTile.h"
#include "adze/abi.h"

namespace adze {

inline constexpr int64_t kPage = ADZE_KV_PAGE_POSITIONS;
inline constexpr int64_t kChunk = ADZE_ATTENTION_CHUNK;
inline constexpr int64_t kChunkPages = kChunk / kPage;
inline constexpr double kLog2e = 1.4426950408889634;
/// The score of a position that a row does not see.
inline constexpr double kMasked = -1e30;
/// Query rows of one work item, about: a chunk of keys and values is read from
/// L2 for so many rows.
inline constexpr int64_t kBlockRows = 64;
/// Items that a step may split between threads, and the most rows of one: what
/// memory for partial results is laid out for. Others are cut at their edges.
inline constexpr int64_t kMaxSplits = 8;
inline constexpr int64_t kSplitRows = 16;

struct AttentionPlan {
  AttentionPlan(KernelOp kernel, const KernelTarget &target);

  KernelParams params;
  int64_t heads, kvHeads, headDim, group, window;
  double scale;
  mlir::Type q, out;
  KVLayout layout;
  /// Operands of both products: rows are queries, then probabilities.
  TileTypes types;
  TileShapes shapes;

  int64_t blockTokens() const {
    return std::max<int64_t>(1, kBlockRows / group);
  }
  int64_t blockRows() const { return blockTokens() * group; }
  int64_t splitRows() const {
    return std::min(blockRows(), std::max(group, kSplitRows));
  }
  int64_t rowBytes() const { return KernelEmitter::bytesOf(types.rowType); }
  /// An int8 cache: both products are of codes (AttentionCodes.h).
  bool hasCodes() const { return layout.isQuantized(); }
  /// High or low bytes of the codes of a query.
  int64_t codeBytes() const { return layout.valueColumns(); }

  // Scratch. The cut comes first, where the merge finds it: the number of split
  // items, then four words for each (see AttentionCut.h). Then queries, running
  // output, running maximum and sum of all rows of the item; scores,
  // probabilities and output of one chunk and tile; pages.
  int64_t queryRowBytes() const {
    return llvm::alignTo(hasCodes() ? 2 * codeBytes()
                                    : layout.keyColumns() * rowBytes(),
                         kLineBytes);
  }
  int64_t outputRowBytes() const { return layout.valueColumns() * 4; }
  int64_t queryOffset() const {
    return llvm::alignTo(8 + kMaxSplits * 32, kLineBytes);
  }
  int64_t outputOffset() const {
    return queryOffset() + blockRows() * queryRowBytes();
  }
  int64_t maximumOffset() const {
    return outputOffset() + blockRows() * outputRowBytes();
  }
  // A tile's statistics are stored in whole vectors, the last ones behind all
  // rows.
  int64_t sumOffset() const {
    return maximumOffset() + statBytes(blockRows() + kLanes);
  }
  int64_t scoreOffset() const {
    return sumOffset() + statBytes(blockRows() + kLanes);
  }
  int64_t scoreRowBytes() const { return kChunk * 4; }
  int64_t weightOffset() const {
    return scoreOffset() + kMaxTileRows * scoreRowBytes();
  }
  int64_t weightRowBytes() const {
    return kChunk * (hasCodes() ? 2 : rowBytes());
  }
  int64_t chunkOutputOffset() const {
    return weightOffset() + kMaxTileRows * weightRowBytes();
  }
  int64_t statisticsOffset() const {
    return chunkOutputOffset() + kMaxTileRows * outputRowBytes();
  }
  /// Three tables: pages, pages again, and pages to prefetch.
  int64_t pagesOffset() const { return statisticsOffset() + 5 * kLineBytes; }
  /// Scales of the queries, and what sums of their products start from.
  int64_t queryScaleOffset() const { return pagesOffset() + 2 * kLineBytes; }
  int64_t queryStartOffset() const {
    return queryScaleOffset() + (hasCodes() ? statBytes(blockRows()) : 0);
  }
  int64_t scratchBytes() const {
    return queryStartOffset() + (hasCodes() ? statBytes(blockRows()) : 0);
  }

  // Partial results, shared by all threads: for each split item a header (the
  // first chunk that was not merged by the thread before, the end), then an
  // entry per chunk: maxima and sums of all rows, outputs. Entry 0 is what the
  // item's first thread has merged already.
  static int64_t statBytes(int64_t rows) {
    return llvm::alignTo(rows * 4, kLineBytes);
  }
  int64_t entrySumOffset() const { return statBytes(splitRows()); }
  int64_t entryOutputOffset() const { return 2 * statBytes(splitRows()); }
  int64_t entryBytes() const {
    return entryOutputOffset() + splitRows() * outputRowBytes();
  }
};

/// One formula merges results of a chunk (or of a run of chunks) in ascending
/// order, wherever it runs: 16 rows' maxima and sums at once.
struct MergeFactors {
  mlir::Value maximum, sum; // of both together
  mlir::Value keep, take;   // of the outputs before, of the chunk's
};
MergeFactors mergeFactors(KernelEmitter &e, mlir::Value maximumBefore,
                          mlir::Value sumBefore, mlir::Value peak,
                          mlir::Value sum);
/// output = output * keep + chunk * take for one row; factors in all lanes.
void mergeOutput(KernelEmitter &e, const AttentionPlan &plan,
                 mlir::Value output, mlir::Value chunk, mlir::Value keep,
                 mlir::Value take);
/// The bits of an entry's maximum where its thread left the chunk out, because
/// no row of the tile sees it: minus infinity.
inline constexpr int32_t kUnseenBits = int32_t(0xff800000);
/// Bytes of the partial results of one split item, for the step's `batch`.
mlir::Value splitBytes(KernelEmitter &e, const AttentionPlan &plan,
                       mlir::Value batch);
/// Attentions that differ in the type of the result only share their code under
/// this name; they give it the function that stores a row.
std::string sharedAttentionName(KernelOp kernel);
/// (output, sum, result, first row, column): stores output / sum at element
/// `column` behind the start of that row of `result`.
mlir::func::FuncOp getAttentionStore(KernelEmitter &e,
                                     const AttentionPlan &plan);
/// The kernel's own function of such arguments: calls what it shares with the
/// first `given` of them and its store.
mlir::func::FuncOp emitAttentionKernel(KernelEmitter &e, KernelOp kernel,
                                       mlir::TypeRange arguments, int64_t given,
                                       mlir::func::FuncOp shared,
                                       mlir::func::FuncOp store);
/// Element of row `row` of a block (token by token, then the heads that share a
/// KV head) in q and result, from the block's first token on.
mlir::Value attentionColumn(KernelEmitter &e, const AttentionPlan &plan,
                            mlir::Value row, mlir::Value kvHead);

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_ATTENTIONPLAN_H
