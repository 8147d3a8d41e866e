// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Running passes and comparing logits.

#include "Subjects.h"
#include "adze/Transforms/ChooseSparse.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include <cmath>

using namespace mlir;
using namespace adze;
using namespace adze::test;

FailureOr<Logits> adze::test::interpret(ModuleOp module, WeightSource &source,
                                        ArrayRef<Batch> steps) {
  auto interpreter = Interpreter::create(module, source);
  if (failed(interpreter))
    return failure();
  Logits logits;
  for (const Batch &step : steps) {
    auto result = (*interpreter)->step(step);
    if (failed(result))
      return failure();
    logits.push_back(std::move(*result));
  }
  return logits;
}

double adze::test::difference(const Logits &got, const Logits &expected) {
  if (got.size() != expected.size())
    return HUGE_VAL;
  double worst = 0;
  for (auto [a, b] : llvm::zip(got, expected)) {
    if (a.shape != b.shape || a.floats.size() != b.floats.size())
      return HUGE_VAL;
    double most = 0, largest = 0;
    for (auto [x, y] : llvm::zip(a.floats, b.floats)) {
      if (x == y || (std::isnan(x) && std::isnan(y)))
        continue;
      double error = std::fabs(x - y);
      most = std::isfinite(error) ? std::max(most, error) : HUGE_VAL;
    }
    for (double y : b.floats)
      if (std::isfinite(y))
        largest = std::max(largest, std::fabs(y));
    worst = std::max(worst, most == 0 ? 0 : most / largest);
  }
  return worst;
}

LogicalResult adze::test::runPasses(ModuleOp module, WeightSource &source,
                                    ArrayRef<std::string> passes,
                                    Coverage *coverage) {
  for (const std::string &text : passes) {
    PassManager manager(module.getContext());
    if (failed(parsePassPipeline(text, manager)))
      return failure();
    lendWeights(manager, module, source);
    OperationFingerPrint before(module);
    if (failed(manager.run(module)))
      return module.emitError() << "pass failed: " << text;
    if (coverage && OperationFingerPrint(module) != before)
      coverage->fired(text);
  }
  return success();
}

Subject adze::test::pipelineSubject(std::string name,
                                    std::vector<std::string> passes,
                                    Coverage *coverage) {
  auto run = [passes, coverage](ModuleOp module, WeightSource &source,
                                ArrayRef<Batch> steps) -> FailureOr<Logits> {
    if (failed(runPasses(module, source, passes, coverage)))
      return failure();
    if (coverage)
      coverage->count(module);
    return interpret(module, source, steps);
  };
  return {std::move(name), passes, run};
}

std::string adze::test::firstWrongPass(const Subject &subject, ModuleOp module,
                                       WeightSource &source,
                                       ArrayRef<Batch> steps,
                                       const Logits &expected) {
  OwningOpRef<ModuleOp> copy(module.clone());
  for (const std::string &pass : subject.passes) {
    if (failed(runPasses(*copy, source, {pass}, nullptr)))
      return pass;
    auto logits = interpret(*copy, source, steps);
    if (failed(logits) || difference(*logits, expected) > subject.tolerance)
      return pass;
  }
  return "";
}

//===-- the planted pass --------------------------------------------------===//

namespace {

struct PlantWrong : PassWrapper<PlantWrong, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(PlantWrong)
  StringRef getArgument() const final { return "test-plant-wrong"; }
  StringRef getDescription() const final {
    return "a wrong pass, to be caught";
  }
  void runOnOperation() final {
    getOperation().walk([](Operation *op) {
      if (!isa<ConcatOp, InterleaveOp>(op) || op->getNumOperands() < 2)
        return;
      unsigned last = op->getNumOperands() - 1;
      Value a = op->getOperand(last - 1), b = op->getOperand(last);
      if (a.getType() != b.getType())
        return;
      op->setOperand(last - 1, b);
      op->setOperand(last, a);
    });
  }
};

} // namespace

void adze::test::registerPlantedPass() { PassRegistration<PlantWrong>(); }
