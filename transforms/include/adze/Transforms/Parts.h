// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A model in parts that run one after the other: the embedding, each layer, the
// head. What calibration runs, so that only the hidden states pass from part to
// part.
#ifndef ADZE_TRANSFORMS_PARTS_H
#define ADZE_TRANSFORMS_PARTS_H

#include "adze/Dialect/Adze/Adze.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace adze {

/// The entry that adze-extract-part makes.
inline constexpr llvm::StringLiteral kPartEntry = "part";

/// The layers of an entry: its `adze.repeat` ops, in order.
struct ModelParts {
  mlir::func::FuncOp entry;
  llvm::SmallVector<RepeatOp> repeats;
  int64_t layers = 0;

  /// The repeat that runs `layer`, or null.
  RepeatOp repeatOf(int64_t layer);
  /// Values after the layers that an adze.tap shows: those of the head.
  llvm::SmallVector<TapOp> headTaps();
};

/// The parts of the entry called `name`, or where that is empty of `step`, else
/// of the first entry with layers. Fails with a diagnostic where there are no
/// layers, or they do not follow each other from 0 on.
mlir::FailureOr<ModelParts> findParts(mlir::ModuleOp module,
                                      llvm::StringRef name = "");

enum class PartKind { Embedding, Layer, Head };

/// Leaves of `module` only one part, as the entry `part`: its arguments are
/// those of the model's entry that it reads (`tokens`, the batch) and, but for
/// the embedding, the rows that the part before gave (`x`); its result is what
/// the next part takes. Weights per layer keep that layer only, and `{}` in the
/// names of taps becomes its number.
mlir::LogicalResult extractPart(mlir::ModuleOp module, ModelParts &parts,
                                PartKind kind, int64_t layer = 0);

/// "x.{}.weight" -> "x.3.weight"; a name without {} stays as it is.
std::string nameOfLayer(llvm::StringRef name, int64_t layer);

/// The checkpoint tensors that a weight is made of, `{}` for the layer not
/// filled in. What another quantizer stores as several is NAME.weight, as for
/// adze-convert-weights.
llvm::SmallVector<std::string> sourcesOf(WeightOp weight);

} // namespace adze

#endif // ADZE_TRANSFORMS_PARTS_H
