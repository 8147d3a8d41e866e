// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Parts of a model as they are once their integer weights are rounded by
// statistics: what a sequential calibration runs after it has observed a part.
#ifndef ADZE_CODEGEN_DRIVER_PARTROUNDING_H
#define ADZE_CODEGEN_DRIVER_PARTROUNDING_H

#include "adze/Compiler.h"
#include "adze/Transforms/Parts.h"
#include "adze/Weights/WeightTable.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/FileUtilities.h"

namespace adze {

class ModelCompiler;

/// How weights are rounded where there is a calibration: "int4:g32 with gptq".
std::string roundingName(const CompileOptions &options);

class PartRounding {
public:
  /// Of the compiler's module as it was imported, whose identity is `model`.
  /// Weights, method and store are those of `options`; the compiler and the
  /// options outlive this. Files that are needed on the way are in `folder`.
  static llvm::Expected<std::unique_ptr<PartRounding>>
  create(ModelCompiler &compiler, const CompileOptions &options,
         llvm::StringRef model, llvm::StringRef folder);

  struct Part {
    mlir::OwningOpRef<mlir::ModuleOp> module;
    std::unique_ptr<WeightTable> weights; ///< null: those of the compiler
  };
  /// A part, rounded by the statistics in `statistics`; empty: to nearest
  /// codes, where nothing was observed.
  llvm::Expected<Part> round(PartKind kind, int64_t layer,
                             llvm::StringRef statistics);

  /// How, for the origin of statistics.
  std::string recipe() const;

private:
  PartRounding(ModelCompiler &compiler, const CompileOptions &options)
      : compiler(compiler), options(options) {}

  ModelCompiler &compiler;
  const CompileOptions &options;
  std::string store;
  mlir::OwningOpRef<mlir::ModuleOp> whole; // with the formats of the weights
  llvm::SmallString<256> table;
  llvm::FileRemover tableRemover;
};

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_PARTROUNDING_H
