// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Prices candidates, lets the gate choose (Gate.cpp) and builds the winner.

#include "adze/Optimize.h"
#include "CompileModel.h"
#include "ModelCompiler.h"
#include "Proof.h"
#include "StepProfile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"

using namespace adze;
using llvm::StringRef;
namespace json = llvm::json;

//===-- recipes -----------------------------------------------------------===//

std::string Recipe::text() const {
  std::string text = weights;
  if (!method.empty())
    text += (text.empty() ? "method=" : " method=") + method;
  return text.empty() ? "as it is" : text;
}

Result<Recipe> adze::parseRecipe(const std::string &text) {
  Recipe recipe;
  StringRef rest = StringRef(text).trim();
  if (rest == "as it is")
    return recipe;
  if (rest.empty())
    return Error{ADZE_INVALID_ARGUMENT, "a recipe is empty",
                 "write \"as it is\", or a format such as int4:g128"};
  llvm::SmallVector<StringRef> words;
  llvm::SplitString(rest, words);
  for (StringRef word : words) {
    // Rules by tensor name have an "=" of their own.
    if (word.consume_front("method=")) {
      recipe.method = word.str();
    } else if (word.consume_front("weights=") || recipe.weights.empty()) {
      if (auto known = checkWeights(word.str()); !known)
        return known.error();
      recipe.weights = word.str();
    } else {
      return Error{ADZE_INVALID_ARGUMENT,
                   "a recipe is weights=FORMAT method=NAME, got \"" +
                       word.str() + "\" in \"" + text + "\"",
                   ""};
    }
  }
  return recipe;
}

//===-- pricing -----------------------------------------------------------===//

namespace {

/// A candidate and what only its building needs.
struct Priced {
  Candidate candidate;
  StepProfile profile;
};

CompileOptions optionsOf(const CompileOptions &base, const Recipe &recipe) {
  CompileOptions options = base;
  options.weights = recipe.weights;
  options.method = recipe.method;
  options.proofText.clear();
  if (recipe.method.empty() && !StringRef(recipe.weights).contains("int"))
    options.calibration.clear(); // nothing is rounded by it
  return options;
}

class Pricer {
public:
  Pricer(const std::string &model, const CompileOptions &base,
         const OptimizeOptions &how)
      : model(model), base(base), how(how) {}

  Result<Priced> price(const Recipe &recipe) const {
    CompileOptions options = optionsOf(base, recipe);
    options.target = "host";
    Priced priced;
    Candidate &c = priced.candidate;
    c.recipe = recipe;
    if (auto timed = time(options, priced); !timed)
      return timed.error();
    if (how.text.empty())
      return priced;
    options.cache = false; // most are never built again
    auto built = adze::compile(model, options);
    if (!built)
      return built.error();
    QualityOptions quality;
    quality.context = how.context;
    quality.threads = base.threads;
    quality.progress = base.progress;
    quality.maxTokens = how.textTokens;
    auto measured = measureQuality(*built, how.text, nullptr, quality);
    if (!measured)
      return measured.error();
    c.perplexity = measured->perplexity;
    return priced;
  }

private:
  Result<void> time(const CompileOptions &options, Priced &priced) const {
    ModelCompiler compiler(options);
    if (llvm::Error error = compiler.load(model))
      return toError(std::move(error));
    if (llvm::Error error = compiler.optimize())
      return toError(std::move(error));
    auto profile = profileStep(compiler, base.threads);
    if (!profile)
      return toError(profile.takeError());
    Candidate &c = priced.candidate;
    mlir::ModuleOp module = compiler.module();
    if (auto bytes =
            module->getAttrOfType<mlir::IntegerAttr>("adze.weight_bytes"))
      c.weightBytes = uint64_t(bytes.getInt());
    c.bitsPerWeight =
        8 * double(c.weightBytes) / double(matrixElements(module));
    c.bytesPerToken = profile->bytesPerToken;
    c.secondsPerToken = profile->seconds;
    c.prefillSeconds = profile->prefillSeconds;
    c.context = profile->context;
    c.readRate = profile->readRate;
    priced.profile = std::move(*profile);
    return {};
  }

  const std::string &model;
  const CompileOptions &base;
  const OptimizeOptions &how;
};

std::vector<Recipe> recipesOf(const CompileOptions &options,
                              const OptimizeOptions &how) {
  if (!how.recipes.empty())
    return how.recipes;
  std::vector<Recipe> recipes;
  auto add = [&](const std::string &weights, const std::string &method) {
    for (const Recipe &known : recipes)
      if (known.weights == weights && known.method == method)
        return;
    recipes.push_back({weights, method});
  };
  add("", "");
  if (!options.weights.empty())
    add(options.weights, options.method);
  bool calibrated = !options.calibration.empty();
  for (const char *weights : {"int8", "int4:g128", "int4:g32"})
    add(weights, calibrated ? options.method : "");
  return recipes;
}

json::Object candidateJson(const Candidate &c) {
  json::Object object{{"recipe", c.recipe.text()},
                      {"sparse", c.isSparse},
                      {"weight_bytes", int64_t(c.weightBytes)},
                      {"bits_per_weight", c.bitsPerWeight},
                      {"bytes_per_token", int64_t(c.bytesPerToken)},
                      {"predicted_seconds_per_token", c.secondsPerToken},
                      {"tokens_per_second", 1 / c.secondsPerToken},
                      {"prefill_seconds", c.prefillSeconds},
                      {"context", int64_t(c.context)},
                      {"read_rate", c.readRate},
                      {"beaten", c.isBeaten},
                      {"refused", c.isRefused},
                      {"within_limits", c.isWithin},
                      {"chosen", c.isChosen},
                      {"why", c.why}};
  if (c.perplexity)
    object["perplexity"] = *c.perplexity;
  return object;
}

} // namespace

json::Array adze::candidatesJson(const std::vector<Candidate> &candidates) {
  json::Array array;
  for (const Candidate &c : candidates)
    array.push_back(candidateJson(c));
  return array;
}

double OptimizeResult::predictedSecondsPerToken() const {
  const Candidate &c = candidates[chosen];
  return measuredReadRate > 0
             ? c.secondsPerToken * c.readRate / measuredReadRate
             : c.secondsPerToken;
}

Result<OptimizeResult> adze::optimizeToFile(const std::string &model,
                                            const std::string &output,
                                            const CompileOptions &options,
                                            const OptimizeOptions &how) {
  if (how.goal == Goal::Quality && how.text.empty())
    return Error{ADZE_INVALID_ARGUMENT,
                 "the goal quality needs a text to measure it on",
                 "give one, or optimize for speed or size"};
  OptimizeResult result;
  std::vector<StepProfile> profiles;
  Pricer pricer(model, options, how);
  for (const Recipe &recipe : recipesOf(options, how)) {
    auto priced = pricer.price(recipe);
    if (!priced)
      return Error{priced.error().code,
                   "candidate " + recipe.text() + ": " +
                       priced.error().message,
                   priced.error().hint};
    if (how.priced)
      how.priced(priced->candidate);
    result.candidates.push_back(std::move(priced->candidate));
    profiles.push_back(std::move(priced->profile));
  }
  judge(result.candidates, how);
  auto best = choose(result.candidates, how);
  if (!best && !how.force)
    return best.error();
  result.isForced = how.force && (!best || *best != 0);
  result.chosen = how.force ? 0 : *best;
  Candidate &winner = result.candidates[result.chosen];
  winner.isChosen = true;

  CompileOptions build = optionsOf(options, winner.recipe);
  build.proofText = how.text;
  build.proofContext = how.context;
  json::Object extra{{"candidates", candidatesJson(result.candidates)},
                     {"profile", profileJson(profiles[result.chosen])},
                     {"forced", result.isForced}};
  auto stats = compileModel(model, output, build, std::move(extra));
  if (!stats)
    return stats.error();
  result.compile = std::move(*stats);
  auto made = Model::open(output);
  if (!made)
    return made.error();
  auto measured = timeModel(*made, options.threads, winner.weightBytes);
  if (!measured)
    return toError(measured.takeError());
  result.measuredSecondsPerToken = measured->seconds;
  result.measuredReadRate = measured->readRate;
  return result;
}
