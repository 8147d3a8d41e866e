// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Values x that can be divided by s, column by column, where all that reads
// them is multiplied with s: which there are, and the rewriting. What a model
// computes stays the same but for rounding.
#ifndef ADZE_LIB_COMPRESS_SCALEGROUPS_H
#define ADZE_LIB_COMPRESS_SCALEGROUPS_H

#include "adze/Dialect/Adze/Adze.h"
#include "mlir/IR/BuiltinOps.h"
#include <string>

namespace adze::detail {

/// Linears that have to be scaled by the same s, since they read one value or
/// share a weight, and what makes the values that they read.
struct ScaleGroup {
  /// Symbols of what multiplies x: casts of floats to an integer format.
  llvm::SmallVector<std::string> weights;
  /// x is one of these, by whose weight it is divided,
  llvm::SmallVector<RmsNormOp> norms;
  /// or its columns are rows of these: `v` of attention, or a factor of a
  /// product.
  llvm::SmallVector<LinearOp> producers;
  int64_t columns = 0;
  /// Query heads that read one head of values have to agree: how many there
  /// are, and of what size. 1: no heads.
  int64_t sharing = 1, headSize = 1;

  /// Numbers that can be chosen: rows of the producers.
  int64_t factors() const { return columns / sharing; }
  /// Which of them divides a column.
  int64_t factorOf(int64_t column) const {
    int64_t head = column / headSize;
    return sharing == 1 ? column
                        : head / sharing * headSize + column % headSize;
  }
};

/// All groups in which every weight is rounded to integers and everything can
/// be scaled. Remarks of `pass` say why others are left.
std::vector<ScaleGroup> findScaleGroups(mlir::ModuleOp module,
                                        llvm::StringRef pass);

/// A group in the module: `columnSource` and `rowSource` name the tensors with
/// its factors, for each column of the weights and each row of the producers
/// (norms take the first). Layers are those of the weights.
void foldScales(mlir::ModuleOp module, const ScaleGroup &group,
                llvm::StringRef columnSource, llvm::StringRef rowSource);

} // namespace adze::detail

#endif // ADZE_LIB_COMPRESS_SCALEGROUPS_H
