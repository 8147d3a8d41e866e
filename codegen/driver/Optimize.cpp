// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Prices candidates, lets the gate choose (Gate.cpp) and builds the winner.

#include "adze/Optimize.h"
#include "CompileModel.h"
#include "ModelCompiler.h"
#include "Proof.h"
#include "StepProfile.h"
#include "adze/Transforms/Pipelines.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"

using namespace adze;
using llvm::StringRef;
namespace json = llvm::json;

//===-- recipes -----------------------------------------------------------===//

namespace {
/// The named fields of a recipe but the weights, in the order of its text.
struct Field {
  StringRef name;
  std::string Recipe::*value;
};
constexpr Field kFields[] = {{"method", &Recipe::method},
                             {"prune", &Recipe::prune},
                             {"prune-method", &Recipe::pruneMethod},
                             {"model", &Recipe::model}};
} // namespace

std::string Recipe::text() const {
  std::string text = weights;
  for (auto [name, value] : kFields)
    if (!(this->*value).empty())
      text += (text.empty() ? "" : " ") + name.str() + "=" + this->*value;
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
    const Field *field = llvm::find_if(kFields, [&](const Field &f) {
      return word.split('=').first == f.name && word.contains('=');
    });
    if (field != std::end(kFields)) {
      recipe.*field->value = word.split('=').second.str();
    } else if (word.consume_front("weights=") || recipe.weights.empty()) {
      recipe.weights = word.str();
    } else {
      return Error{ADZE_INVALID_ARGUMENT,
                   "a recipe is weights=FORMAT with method=, prune= and "
                   "prune-method= where they are wanted, got \"" +
                       word.str() + "\" in \"" + text + "\"",
                   ""};
    }
  }
  if (!recipe.weights.empty())
    if (auto known = checkWeights(recipe.weights); !known)
      return known.error();
  if (auto known = checkMethod(recipe.method); !known)
    return known.error();
  if (!recipe.prune.empty())
    if (auto known = checkPrune(recipe.prune); !known)
      return known.error();
  return recipe;
}

//===-- pricing -----------------------------------------------------------===//

namespace {

/// A candidate and what only its building needs.
struct Priced {
  Candidate candidate;
  StepProfile profile;
};

/// Formats chosen for each matrix within so many bits per weight.
std::string mixedName(double bits) {
  char text[32];
  std::snprintf(text, sizeof text, "mixed:%.3gbpw", bits);
  return text;
}

CompileOptions optionsOf(const CompileOptions &base, const Recipe &recipe) {
  CompileOptions options = base;
  options.weights = recipe.weights;
  options.method = recipe.method;
  options.prune = recipe.prune;
  options.pruneMethod = recipe.pruneMethod;
  if (recipe.prune.empty())
    options.pruneAllocate.clear();
  options.proofText.clear();
  StringRef weights = recipe.weights;
  bool rounds = weights.contains("int") || mixedBudget(weights);
  bool prunesByIt =
      (!recipe.prune.empty() && recipe.pruneMethod != "magnitude") ||
      base.pruneNeurons != 0 || base.pruneHeads != 0;
  bool goesByIt = !recipe.method.empty() || rounds || prunesByIt;
  if (!goesByIt || !recipe.model.empty()) // it is of the model
    options.calibration.clear();
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
    c.isSparse = !recipe.prune.empty();
    if (auto timed = time(modelOf(recipe), options, priced); !timed)
      return timed.error();
    if (how.text.empty())
      return priced;
    options.cache = false; // most are never built again
    auto built = adze::compile(modelOf(recipe), options);
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
  const std::string &modelOf(const Recipe &recipe) const {
    return recipe.model.empty() ? model : recipe.model;
  }

  Result<void> time(const std::string &path, const CompileOptions &options,
                    Priced &priced) const {
    ModelCompiler compiler(options);
    if (llvm::Error error = compiler.load(path))
      return toError(std::move(error));
    if (llvm::Error error = compiler.optimize())
      return toError(std::move(error));
    auto profile = profileStep(compiler, base.threads);
    if (!profile)
      return toError(profile.takeError());
    Candidate &c = priced.candidate;
    mlir::ModuleOp module = compiler.module();
    for (auto weight : module.getOps<WeightOp>())
      c.isSparse |= mlir::isa<BlocksFormatAttr>(
          mlir::Attribute(weight.getWeightType().getFormat()));
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
  std::vector<std::string> formats = {"", "int8", "int4:g128", "int4:g32"};
  if (!options.weights.empty() && !llvm::is_contained(formats, options.weights))
    formats.insert(formats.begin() + 1, options.weights);
  for (const std::string &weights : formats)
    recipes.push_back(
        {weights, weights.empty() ? "" : options.method, "", "", ""});
  if (!options.prune.empty())
    for (size_t i = 0, n = recipes.size(); i < n; ++i) {
      Recipe pruned = recipes[i];
      pruned.prune = options.prune;
      pruned.pruneMethod = options.pruneMethod;
      recipes.push_back(std::move(pruned));
    }
  return recipes;
}

/// Under a budget that the smallest candidate meets: formats for each matrix.
Result<void> addBudgeted(const std::vector<Candidate> &candidates,
                         const CompileOptions &options,
                         const OptimizeOptions &how,
                         llvm::function_ref<Result<void>(const Recipe &)> add) {
  const Candidate &plain = candidates.front();
  double bits = how.budgetBits;
  if (how.budgetBytes) {
    double whole = double(how.budgetBytes) / double(plain.weightBytes) *
                   plain.bitsPerWeight;
    bits = bits > 0 ? std::min(bits, whole) : whole;
  }
  // Norms, which are no matrices, have their part of the bytes.
  bits -= 0.02;
  bool fits = llvm::any_of(candidates, [&](const Candidate &c) {
    return c.recipe.prune.empty() && c.bitsPerWeight < bits;
  });
  return fits && bits < plain.bitsPerWeight
             ? add({mixedName(bits), options.method, "", "", ""})
             : Result<void>();
}

/// Where eight bits are within the limits and four are not, looks between them:
/// formats chosen for each matrix, under a budget that is halved or doubled
/// towards the limit.
Result<void> addMixed(std::vector<Candidate> &candidates,
                      const CompileOptions &options, const OptimizeOptions &how,
                      llvm::function_ref<Result<void>(const Recipe &)> add) {
  constexpr int kLooks = 3;
  auto find = [&](StringRef weights) -> const Candidate * {
    for (const Candidate &c : candidates)
      if (c.recipe.weights == weights && c.recipe.prune.empty())
        return &c;
    return nullptr;
  };
  const Candidate *small = find("int4:g128"), *large = find("int8");
  if (how.text.empty() || !small || !large || small->isWithin ||
      !large->isWithin)
    return {};
  double low = small->bitsPerWeight, high = large->bitsPerWeight;
  for (int i = 0; i < kLooks; ++i) {
    double bits = (low + high) / 2;
    if (auto added = add({mixedName(bits), options.method, "", "", ""}); !added)
      return added;
    judge(candidates, how);
    (candidates.back().isWithin ? high : low) = bits;
  }
  return {};
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

/// Prices and judges; `profiles` are those of the candidates.
static Result<void> priceAll(const std::string &model,
                             const CompileOptions &options,
                             const OptimizeOptions &how,
                             std::vector<Candidate> &candidates,
                             std::vector<StepProfile> &profiles) {
  Pricer pricer(model, options, how);
  auto add = [&](const Recipe &recipe) -> Result<void> {
    auto priced = pricer.price(recipe);
    if (!priced)
      return Error{priced.error().code,
                   "candidate " + recipe.text() + ": " + priced.error().message,
                   priced.error().hint};
    if (how.priced)
      how.priced(priced->candidate);
    candidates.push_back(std::move(priced->candidate));
    profiles.push_back(std::move(priced->profile));
    return {};
  };
  for (const Recipe &recipe : recipesOf(options, how))
    if (auto added = add(recipe); !added)
      return added;
  if (how.recipes.empty() && (how.budgetBits > 0 || how.budgetBytes))
    if (auto added = addBudgeted(candidates, options, how, add); !added)
      return added;
  judge(candidates, how);
  return how.recipes.empty() ? addMixed(candidates, options, how, add)
                             : Result<void>();
}

Result<std::vector<Candidate>>
adze::priceCandidates(const std::string &model, const CompileOptions &options,
                      const OptimizeOptions &how) {
  std::vector<Candidate> candidates;
  std::vector<StepProfile> profiles;
  if (auto priced = priceAll(model, options, how, candidates, profiles);
      !priced)
    return priced.error();
  return candidates;
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
  if (auto priced = priceAll(model, options, how, result.candidates, profiles);
      !priced)
    return priced.error();
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
  auto stats =
      compileModel(winner.recipe.model.empty() ? model : winner.recipe.model,
                   output, build, std::move(extra));
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
