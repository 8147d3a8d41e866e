// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is compared: ways to get the logits of a case. The reference is the
// interpreter on the module as generated; a subject is a pass pipeline followed
// by the interpreter, or compiled code.
#ifndef ADZE_TEST_RANDOM_SUBJECTS_H
#define ADZE_TEST_RANDOM_SUBJECTS_H

#include "Coverage.h"
#include "RandomCase.h"
#include "mlir/IR/OwningOpRef.h"

#include <functional>

namespace adze::test {

/// Logits of each step.
using Logits = std::vector<HostTensor>;

mlir::FailureOr<Logits> interpret(mlir::ModuleOp module, WeightSource &source,
                                  llvm::ArrayRef<Batch> steps);

/// Largest difference over the largest magnitude, the worst step; infinite if
/// the shapes differ or a number is not finite on one side only.
double difference(const Logits &got, const Logits &expected);

/// Runs the passes on `module`, whose weights are in `source`, one by one;
/// counts those that changed it.
mlir::LogicalResult runPasses(mlir::ModuleOp module, WeightSource &source,
                              llvm::ArrayRef<std::string> passes,
                              Coverage *coverage);

struct Subject {
  std::string name;
  /// Pass by pass, so that the first wrong one can be named; empty for
  /// subjects that are no pipeline.
  std::vector<std::string> passes;
  /// Gets a module of its own.
  std::function<mlir::FailureOr<Logits>(mlir::ModuleOp, WeightSource &,
                                        llvm::ArrayRef<Batch>)>
      run;
  double tolerance = 1e-9;
};

/// The passes, then the interpreter.
Subject pipelineSubject(std::string name, std::vector<std::string> passes,
                        Coverage *coverage);

/// The first pass after which the logits differ from `expected`; empty if none.
std::string firstWrongPass(const Subject &subject, mlir::ModuleOp module,
                           WeightSource &source, llvm::ArrayRef<Batch> steps,
                           const Logits &expected);

/// Registers `test-plant-wrong`: exchanges two weights that a merged linear
/// holds. Any check worth its name sees it.
void registerPlantedPass();

} // namespace adze::test

#endif // ADZE_TEST_RANDOM_SUBJECTS_H
