// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "ColumnScales.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"

using namespace mlir;
using namespace adze;
using namespace adze::detail;

llvm::Expected<std::vector<float>>
adze::detail::columnScales(WeightOp weight, int64_t layer,
                           const WeightEvaluator &evaluator) {
  std::vector<float> all;
  // Down to the source. What an expression puts together reads one x, so its
  // inputs have the same factors.
  while (!weight.isSource()) {
    Value value = weight.getBody().front().getTerminator()->getOperand(0);
    Operation *op = value.getDefiningOp();
    while (op && !isa<RefOp>(op) && op->getNumOperands()) {
      if (auto scale = dyn_cast<ScaleColumnsOp>(op)) {
        WeightOp factors = lookupWeight(weight, scale.getFactorsAttr());
        std::vector<float> read(size_t(factors.getWeightType().getRows()));
        if (llvm::Error error =
                evaluator.readRows(factors, factors.isPerLayer() ? layer : 0, 0,
                                   int64_t(read.size()), read.data()))
          return std::move(error);
        all.resize(read.size(), 1.0f);
        for (auto [product, factor] : llvm::zip_equal(all, read))
          product = scale.getInverse() ? product / factor : product * factor;
      }
      op = op->getOperand(0).getDefiningOp();
    }
    auto ref = dyn_cast_or_null<RefOp>(op);
    if (!ref)
      break;
    weight = lookupWeight(weight, ref.getWeightAttr());
  }
  return all;
}

ScaledStatistics::ScaledStatistics(const InputStatistics &of, ArrayRef<float> s)
    : view(of) {
  if (s.empty())
    return;
  auto k = size_t(of.columns);
  // Products first: a symmetric matrix stays one.
  gram.resize(of.gram.size());
  for (size_t at = 0; at < gram.size(); ++at)
    gram[at] =
        float(double(of.gram[at]) / (double(s[at / k]) * double(s[at % k])));
  for (size_t i = 0; i < k; ++i) {
    double by = double(s[i]);
    sumSquares.push_back(float(double(of.sumSquares[i]) / (by * by)));
    absMax.push_back(float(double(of.absMax[i]) / by));
    absSum.push_back(float(double(of.absSum[i]) / by));
  }
  view.gram = gram;
  view.sumSquares = sumSquares;
  view.absMax = absMax;
  view.absSum = absSum;
}
