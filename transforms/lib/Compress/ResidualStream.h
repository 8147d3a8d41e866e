// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The values of a model that embeddings begin and layers add to, and all that
// writes and reads them: what has to change if each is multiplied with one
// orthogonal matrix.
#ifndef ADZE_LIB_COMPRESS_RESIDUALSTREAM_H
#define ADZE_LIB_COMPRESS_RESIDUALSTREAM_H

#include "adze/Dialect/Adze/Adze.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include <string>

namespace adze::detail {

struct ResidualStream {
  int64_t columns = 0;
  llvm::SmallVector<EmbedOp> embeds;
  llvm::SmallVector<LinearOp> writers; ///< whose results are added
  /// Norms of whole rows, and the linears that read each.
  llvm::MapVector<mlir::Operation *, llvm::SmallVector<LinearOp>> norms;
  /// Norms with other users too, such as the result of an entry.
  llvm::SetVector<mlir::Operation *> shown;

  /// Fills this in; says where and why it cannot be done.
  mlir::LogicalResult find(mlir::ModuleOp module, mlir::Operation *&where,
                           std::string &why);

private:
  bool follow(mlir::Value value);
  bool followRepeat(RepeatOp repeat);
  bool use(mlir::Value value, mlir::Operation *user);
  bool readNorm(RmsNormOp norm, mlir::Value result);
  bool fail(mlir::Operation *op, std::string why);

  llvm::SetVector<mlir::Value> values;
  llvm::DenseSet<mlir::Value> ofLayers; ///< arguments that repeats pass on
  mlir::Operation *failedAt = nullptr;
  std::string reason;
};

} // namespace adze::detail

#endif // ADZE_LIB_COMPRESS_RESIDUALSTREAM_H
