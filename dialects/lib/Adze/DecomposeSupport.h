// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the decompositions share: shapes whose first dimension may be dynamic,
// element types narrower than f32, and linalg.generic without its boilerplate.
// Private to lib/Adze.
#ifndef ADZE_LIB_ADZE_DECOMPOSESUPPORT_H
#define ADZE_LIB_ADZE_DECOMPOSESUPPORT_H

#include "adze/Dialect/Adze/Adze.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace adze::detail {

using Sizes = llvm::SmallVector<mlir::OpFoldResult>;

/// Emits the pieces of one op's decomposition at a builder's insertion point.
class Decomposer {
public:
  Decomposer(mlir::OpBuilder &builder, mlir::Operation *op)
      : b(builder), loc(op->getLoc()), op(op) {}

  mlir::OpBuilder &b;
  mlir::Location loc;

  /// The type that arithmetic on elements of `type` is done in: f64 for f64,
  /// f32 for everything else.
  static mlir::Type computeType(mlir::Type element);

  /// A scalar or vector in another float type; itself if it has it already.
  mlir::Value convert(mlir::OpBuilder &at, mlir::Value v, mlir::Type to);
  mlir::Value constant(mlir::OpBuilder &at, mlir::Type type, double value);

  /// Sizes of a tensor, constants where its type has them.
  Sizes sizesOf(mlir::Value tensor);
  mlir::OpFoldResult size(int64_t n) { return b.getIndexAttr(n); }

  mlir::Value empty(llvm::ArrayRef<mlir::OpFoldResult> sizes,
                    mlir::Type element);
  mlir::Value filled(llvm::ArrayRef<mlir::OpFoldResult> sizes,
                     mlir::Type element, double value);

  /// The map that picks `dims` of a space of `rank` loops.
  mlir::AffineMap pick(unsigned rank, llvm::ArrayRef<unsigned> dims);

  using Body = llvm::function_ref<llvm::SmallVector<mlir::Value>(
      mlir::OpBuilder &, mlir::ValueRange)>;
  /// A linalg.generic of `rank` loops, the last `reductions` of them being
  /// reductions. Operands and maps: inputs, then outputs.
  llvm::SmallVector<mlir::Value> generic(unsigned rank, unsigned reductions,
                                         mlir::ValueRange inputs,
                                         mlir::ValueRange outputs,
                                         llvm::ArrayRef<mlir::AffineMap> maps,
                                         Body body);

  /// An elementwise generic over tensors of one shape. `body` sees and returns
  /// elements of the compute type.
  using ScalarBody =
      llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::ValueRange)>;
  mlir::Value elementwise(mlir::ValueRange inputs, mlir::Type element,
                          ScalarBody body);

  /// T x (A * B * ..) as T x A x B x .., and back.
  mlir::Value splitColumns(mlir::Value rows, llvm::ArrayRef<int64_t> parts);
  mlir::Value joinColumns(mlir::Value tensor);

  /// adze.weight_tensor of f32 values; `layer` is used if the weight is one per
  /// layer.
  mlir::Value weight(mlir::FlatSymbolRefAttr name, mlir::Value layer);

  /// The value with the static sizes that `type` asks for.
  mlir::Value fit(mlir::Value v, mlir::Type type);

private:
  mlir::Operation *op;
};

} // namespace adze::detail

#endif // ADZE_LIB_ADZE_DECOMPOSESUPPORT_H
