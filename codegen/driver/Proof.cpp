// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Proof.h"
#include "ModelCompiler.h"
#include "TextTokens.h"
#include "adze/Interpreter/Interpreter.h"
#include "adze/Transforms/WeightExpr.h"
#include "llvm/Support/ThreadPool.h"
#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace adze;
namespace json = llvm::json;

json::Object adze::recipeJson(const CompileOptions &options) {
  std::string rows;
  for (uint32_t count : options.expectRows)
    rows += (rows.empty() ? "" : ",") + std::to_string(count);
  return json::Object{{"weights", options.weights},
                      {"activations", options.activations},
                      {"kv", options.kv},
                      {"method", options.method},
                      {"prune", options.prune},
                      {"prune_method", options.pruneMethod},
                      {"prune_allocate", options.pruneAllocate},
                      {"rotate", options.rotate},
                      {"prune_neurons", options.pruneNeurons},
                      {"prune_heads", options.pruneHeads},
                      {"remove_dead", options.removeDead},
                      {"expect_rows", rows},
                      {"kernel_rates", options.kernelRates},
                      {"disabled", json::Array(options.disable)},
                      {"inserted", json::Array(options.insert)}};
}

json::Object adze::qualityJson(const Quality &quality) {
  json::Object object{{"perplexity", quality.perplexity},
                      {"tokens", int64_t(quality.tokens)},
                      {"bits_per_byte", quality.bitsPerByte},
                      {"bytes", int64_t(quality.bytes)},
                      {"context", int64_t(quality.context)},
                      {"text_sha256", quality.textHash}};
  if (quality.against)
    object["against"] =
        json::Object{{"perplexity", quality.against->perplexity},
                     {"kl_divergence", quality.against->klDivergence},
                     {"top1_agreement", quality.against->top1Agreement}};
  return object;
}

//===-- errors of weights -------------------------------------------------===//

namespace {
constexpr int64_t kRows = 16;

/// One layer of a weight that is a cast of another one to an integer format.
struct RoundedWeight {
  WeightOp rounded, exact;
  int64_t layer;
};
} // namespace

static llvm::Expected<json::Object> errorOf(RoundedWeight pair,
                                            const WeightEvaluator &weights) {
  WeightType type = pair.rounded.getWeightType();
  int64_t columns = type.getCols(),
          stride = (type.getRows() + kRows - 1) / kRows;
  std::vector<float> rounded(columns), exact(columns);
  double error = 0, norm = 0;
  int64_t rows = 0;
  for (int64_t row = 0; row < type.getRows(); row += stride, ++rows) {
    if (llvm::Error e =
            weights.readRows(pair.rounded, pair.layer, row, 1, rounded.data()))
      return std::move(e);
    if (llvm::Error e =
            weights.readRows(pair.exact, pair.layer, row, 1, exact.data()))
      return std::move(e);
    for (int64_t k = 0; k < columns; ++k) {
      double d = double(rounded[k]) - double(exact[k]);
      error += d * d;
      norm += double(exact[k]) * double(exact[k]);
    }
  }
  WeightOp source = pair.exact;
  return json::Object{
      {"weight", source.isSource() ? source.getSourceName(pair.layer)
                                   : source.getSymName().str()},
      {"format", FormatAttrInterface(type.getFormat()).getFormatName()},
      {"relative_error", norm > 0 ? std::sqrt(error / norm) : 0.0},
      {"rows", rows}};
}

llvm::Expected<json::Array> adze::weightErrors(ModuleOp module,
                                               const WeightEvaluator &weights,
                                               unsigned threads) {
  std::vector<RoundedWeight> pairs;
  for (auto weight : module.getOps<WeightOp>())
    if (WeightOp exact = getCastSource(weight);
        exact && isa<IntegerFormatAttrInterface>(
                     Attribute(weight.getWeightType().getFormat())))
      for (int64_t layer : weight.getLayerIndices())
        pairs.push_back({weight, exact, layer});
  std::vector<json::Object> found(pairs.size());
  std::vector<std::string> problems(pairs.size());
  llvm::DefaultThreadPool pool(llvm::hardware_concurrency(threads));
  for (size_t i = 0; i < pairs.size(); ++i)
    pool.async([&, i] {
      if (auto error = errorOf(pairs[i], weights))
        found[i] = std::move(*error);
      else
        problems[i] = llvm::toString(error.takeError());
    });
  pool.wait();
  json::Array errors;
  for (auto [error, problem] : llvm::zip(found, problems)) {
    if (!problem.empty())
      return llvm::createStringError(problem);
    errors.push_back(std::move(error));
  }
  return errors;
}

//===-- packing -----------------------------------------------------------===//

static llvm::Error checkPanel(WeightOp weight, int64_t layer,
                              const WeightEvaluator &weights) {
  WeightType type = weight.getWeightType();
  auto format = FormatAttrInterface(type.getFormat());
  int64_t unit = numWeightUnits(type) / 2, columns = type.getCols();
  std::vector<uint8_t> panel(
      size_t(weightUnitOffset(type, unit + 1) - weightUnitOffset(type, unit)));
  if (llvm::Error e =
          weights.evaluate(weight, layer, unit, unit + 1, panel.data()))
    return e;
  std::vector<float> row(columns);
  int64_t first = unit * kPanelRows,
          end = std::min(first + kPanelRows, type.getRows());
  for (int64_t r = first; r < end; ++r) {
    if (llvm::Error e = weights.readRows(weight, layer, r, 1, row.data()))
      return e;
    for (int64_t k = 0; k < columns; ++k)
      if (float packed = format.decodePanel(panel, columns, r - first, k);
          packed != row[k])
        return llvm::createStringError(
            "weight @" + weight.getSymName() + ", layer " + llvm::Twine(layer) +
            ": element (" + llvm::Twine(r) + ", " + llvm::Twine(k) + ") is " +
            std::to_string(row[k]) + ", and " + std::to_string(packed) +
            " once it is packed; report this as a defect of the compiler");
  }
  return llvm::Error::success();
}

llvm::Expected<json::Object>
adze::checkPacking(ModuleOp module, const WeightEvaluator &weights) {
  int64_t count = 0, elements = 0;
  for (auto weight : module.getOps<WeightOp>()) {
    WeightType type = weight.getWeightType();
    if (type.getLayout() != LayoutKind::Panels)
      continue;
    for (int64_t layer : weight.getLayerIndices()) {
      if (!weight.getOffset(layer))
        break; // part of another weight only
      if (llvm::Error e = checkPanel(weight, layer, weights))
        return std::move(e);
      ++count;
      elements += std::min(kPanelRows, type.getRows()) * type.getCols();
    }
  }
  return json::Object{{"weights", count}, {"elements", elements}};
}

//===-- kernels against the interpreter -----------------------------------===//

/// Elements of all matrices that the artefact stores, each layer counted: what
/// a token costs.
static int64_t matrixElements(ModuleOp module) {
  int64_t elements = 0;
  for (auto weight : module.getOps<WeightOp>())
    if ((weight->hasAttr("adze.offset") || weight->hasAttr("adze.offsets")) &&
        !weight.getWeightType().isVector())
      elements += weight.getWeightType().getRows() *
                  weight.getWeightType().getCols() *
                  int64_t(weight.getLayerIndices().size());
  return std::max<int64_t>(1, elements);
}

Result<json::Object> adze::checkKernels(ModelCompiler &compiler,
                                        const Model &model,
                                        const std::string &textFile) {
  constexpr int64_t kMostTokens = 16, kMostProducts = int64_t(2) << 30;
  auto text = readTextFile(textFile);
  if (!text)
    return text.error();
  auto encoded = tokenizeText(model, *text, textFile);
  if (!encoded)
    return encoded.error();
  std::vector<int32_t> tokens;
  if (encoded->bos >= 0)
    tokens.push_back(encoded->bos);
  tokens.insert(tokens.end(), encoded->ids.begin(), encoded->ids.end());
  int64_t most = std::clamp<int64_t>(
      kMostProducts / matrixElements(compiler.module()), 2, kMostTokens);
  tokens.resize(std::min<size_t>(tokens.size(), size_t(most)));

  auto session = model.session();
  if (!session)
    return session.error();
  std::vector<uint32_t> rows(tokens.size());
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i] = uint32_t(i);
  auto logits = session->eval(tokens, rows);
  if (!logits)
    return logits.error();
  auto reference = compiler.interpret(tokens);
  if (!reference)
    return toError(reference.takeError());
  double worst = 0;
  size_t vocabulary = logits->vocabulary;
  for (size_t i = 0; i < rows.size(); ++i) {
    const float *got = logits->row(i);
    const double *expected = reference->data() + i * vocabulary;
    double difference = 0, largest = 0;
    for (size_t v = 0; v < vocabulary; ++v) {
      difference =
          std::max(difference, std::fabs(double(got[v]) - expected[v]));
      largest = std::max(largest, std::fabs(expected[v]));
    }
    worst = std::max(worst, largest > 0 ? difference / largest : difference);
  }
  return json::Object{{"tokens", int64_t(tokens.size())},
                      {"relative_error", worst}};
}
