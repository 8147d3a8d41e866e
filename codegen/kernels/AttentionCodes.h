// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention over an int8 cache. What is read from the cache is int8; what is
// multiplied with it is rounded so finely that only the cache's own rounding
// counts: queries to 15 bits, weights to 16, in two bytes each, high and low.
// Integer dots of the two are exact, so every tile and every variant gives the
// same bits.
//
//   score(j) = float(sum over d of q code * (K code - 128)) * q scale * K
//   scale,
//              in units of log 2: the q scale has the attention's in it
//   weight(j) = exp2(..) * V scale(j), to 0 .. 65535 by the chunk's largest
//   output(d) = float(sum over j of weight code * V code) * largest / 65535
#ifndef ADZE_CODEGEN_KERNELS_ATTENTIONCODES_H
#define ADZE_CODEGEN_KERNELS_ATTENTIONCODES_H

#include "AttentionPlan.h"

namespace adze {

/// The largest magnitude of a query code; its high byte is a signed int8.
inline constexpr int64_t kQueryCodes = 127 * 128;
/// The largest head for which sums of codes fit 32 bits.
inline constexpr int64_t kMaxCodedHeadDim = 1024;

TileShapes codeTileShapes(const KernelTarget &target);

/// Writes the codes of the query at `from` (headDim stored elements) to `to`,
/// plan.codeBytes() high ones, then the low ones; its scale and what sums of
/// products with K codes start from.
void storeQueryCodes(KernelEmitter &e, const AttentionPlan &plan,
                     mlir::Value from, mlir::Value to, mlir::Value scale,
                     mlir::Value start);

/// Writes the codes of the weights at `from` (16 f32 per vector): kChunk high
/// ones, then the low ones, and the factor of the output. `largest` has their
/// largestMagnitude.
void storeWeightCodes(KernelEmitter &e, mlir::Value from, mlir::Value vectors,
                      mlir::Value largest, mlir::Value to, mlir::Value factor);

/// (queries, rowBytes, lowOffset, panels, panelBytes, words, panelScales,
///  rowScales, starts, out, outBytes, ahead, step): scores of `rows` queries
///  with
/// 16 * panels keys; `words` are channels / 4.
mlir::func::FuncOp getKeyCodeTile(KernelEmitter &e, const KernelTarget &target,
                                  int64_t rows, int64_t panels);

/// (weights, rowBytes, bases, segments, offset, panelBytes, factors, out,
///  outBytes, aheadOffset, step): output of `rows` rows of weights, in segments
///  of a page; see
/// getSegmentedTile.
mlir::func::FuncOp getValueCodeTile(KernelEmitter &e,
                                    const KernelTarget &target, int64_t rows,
                                    int64_t panels);

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_ATTENTIONCODES_H
