// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "ColumnScales.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/Endian.h"

using namespace mlir;
using namespace adze;
using namespace adze::detail;

/// Calls `use` with what scales the columns of `weight`, and gives the source
/// below; null where there is none. What an expression puts together reads one
/// x, so its inputs have the same factors.
static llvm::Expected<WeightOp>
forEachScale(WeightOp weight,
             llvm::function_ref<llvm::Error(ScaleColumnsOp)> use) {
  while (!weight.isSource()) {
    Value value = weight.getBody().front().getTerminator()->getOperand(0);
    Operation *op = value.getDefiningOp();
    while (op && !isa<RefOp>(op) && op->getNumOperands()) {
      if (auto scale = dyn_cast<ScaleColumnsOp>(op))
        if (llvm::Error error = use(scale))
          return std::move(error);
      op = op->getOperand(0).getDefiningOp();
    }
    auto ref = dyn_cast_or_null<RefOp>(op);
    if (!ref)
      return WeightOp();
    weight = lookupWeight(weight, ref.getWeightAttr());
  }
  return weight;
}

std::string adze::detail::columnScalesName(StringRef source) {
  return (source + "/scales").str();
}

llvm::Expected<std::vector<float>>
adze::detail::columnScales(WeightOp weight, int64_t layer,
                           const CalibratedModule &with) {
  std::vector<float> all;
  auto multiply = [&](ScaleColumnsOp scale) -> llvm::Error {
    WeightOp factors = lookupWeight(scale, scale.getFactorsAttr());
    std::vector<float> read(size_t(factors.getWeightType().getRows()));
    if (llvm::Error error =
            with.evaluator->readRows(factors, factors.isPerLayer() ? layer : 0,
                                     0, int64_t(read.size()), read.data()))
      return error;
    all.resize(read.size(), 1.0f);
    for (auto [product, factor] : llvm::zip_equal(all, read))
      product = scale.getInverse() ? product / factor : product * factor;
    return llvm::Error::success();
  };
  auto source = forEachScale(weight, multiply);
  if (!source)
    return source.takeError();
  if (!*source)
    return all;
  std::string name =
      columnScalesName(withLayer(*source->getSource(), *source, layer));
  if (!with.table->contains(name))
    return all;
  auto view = with.table->lookup(name);
  if (!view)
    return view.takeError();
  // Factors of the expression came after those of its source.
  all.resize(size_t(view->bytes / sizeof(float)), 1.0f);
  for (auto [i, product] : llvm::enumerate(all))
    product *= llvm::bit_cast<float>(
        llvm::support::endian::read32le(view->data + i * sizeof(float)));
  return all;
}

bool adze::detail::hasColumnScales(WeightOp weight) {
  bool found = false;
  (void)llvm::cantFail(forEachScale(weight, [&](ScaleColumnsOp) {
    found = true;
    return llvm::Error::success();
  }));
  return found;
}

llvm::Expected<ScaledStatistics>
ScaledStatistics::make(const InputStatistics &of, ArrayRef<float> s) {
  if (!s.empty() && int64_t(s.size()) != of.columns)
    return llvm::createStringError(
        "input \"" + of.input + "\": expected statistics of " +
        Twine(s.size()) + " values, which are scaled, found those of " +
        Twine(of.columns));
  return ScaledStatistics(of, s);
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

llvm::Expected<ScaledStatistics>
adze::detail::inputOf(const CalibratedModule &with, WeightOp weight,
                      int64_t layer, StringRef tensor, bool needsGram) {
  auto read = with.statisticsOf(tensor, needsGram);
  if (!read)
    return read.takeError();
  int64_t columns = weight.getWeightType().getCols();
  if (with.statistics && read->columns != columns)
    return llvm::createStringError(
        "tensor \"" + tensor + "\": expected statistics of " + Twine(columns) +
        " values, found those of " + Twine(read->columns));
  auto scales = columnScales(weight, layer, with);
  if (!scales)
    return scales.takeError();
  if (!with.statistics)
    scales->clear();
  return ScaledStatistics::make(*read, *scales);
}
