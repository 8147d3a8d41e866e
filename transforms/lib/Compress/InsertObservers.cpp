// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-insert-observers: adze.tap on each value that linears read, so that a
// calibration run sees it. Running and counting is the driver's.

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "adze/Transforms/Parts.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Remark.h"
#include "adze/Weights/WeightStore.h"

namespace adze {
#define GEN_PASS_DEF_INSERTOBSERVERS
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;

std::string adze::nameOfLayer(StringRef name, int64_t layer) {
  std::string text = name.str();
  if (size_t at = text.find("{}"); at != std::string::npos)
    text.replace(at, 2, std::to_string(layer));
  return text;
}

static void collectSources(WeightOp weight, SmallVectorImpl<std::string> &out) {
  auto add = [&](std::string name) {
    if (!llvm::is_contained(out, name))
      out.push_back(std::move(name));
  };
  if (weight.isSource())
    return add(nameInCheckpoint(*weight.getSource()));
  weight.walk([&](Operation *op) {
    if (auto unpack = dyn_cast<UnpackOp>(op))
      add(unpack.getSource().str() + ".weight");
    else if (auto ref = dyn_cast<RefOp>(op))
      if (WeightOp other = lookupWeight(weight, ref.getWeightAttr()))
        collectSources(other, out);
  });
}

SmallVector<std::string> adze::sourcesOf(WeightOp weight) {
  SmallVector<std::string> sources;
  collectSources(weight, sources);
  return sources;
}

namespace {

constexpr llvm::StringLiteral kPass = "adze-insert-observers";

struct InsertObservers : adze::impl::InsertObserversBase<InsertObservers> {
  void runOnOperation() override {
    // By block: a value of another block may not be computed each time.
    DenseSet<std::pair<Block *, Value>> seen;
    SmallVector<LinearOp> linears;
    getOperation().walk([&](LinearOp op) { linears.push_back(op); });
    for (LinearOp op : linears) {
      // What is rounded for integer dots is observed before it is.
      Value x = op.getX();
      while (auto quantize = x.getDefiningOp<QuantizeOp>())
        x = quantize.getX();
      if (seen.insert({op->getBlock(), x}).second)
        observe(op, x);
    }
  }

  void observe(LinearOp op, Value x) {
    SmallVector<std::string> sources =
        sourcesOf(lookupWeight(op, op.getWeightAttr()));
    if (sources.empty())
      return reportMissed(op, kPass,
                          "its weight is made of no tensor of the checkpoint");
    for (Operation *user : x.getUsers())
      if (auto tap = dyn_cast<TapOp>(user);
          tap && tap.getName() == sources.front())
        return; // a run of this pass made it
    OpBuilder builder(op);
    TapOp::create(builder, op.getLoc(), x, sources.front());
    reportFired(op, kPass, "observes what it reads");
  }
};

} // namespace
