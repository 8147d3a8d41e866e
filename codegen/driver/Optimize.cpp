// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Prices candidates, lets the gate choose (Gate.cpp) and builds the winner.

#include "adze/Optimize.h"
#include "CompileModel.h"
#include "LinkModel.h"
#include "ModelCompiler.h"
#include "StepTiming.h"
#include "TextTokens.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "adze/Transforms/Pipelines.h"
#include "adze/Transforms/PruneRules.h"
#include "adze/Transforms/WeightExpr.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

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
                             {"model", &Recipe::model},
                             {"calibration", &Recipe::calibration}};
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
                   "a recipe is weights=FORMAT, with method=, prune=, "
                   "prune-method=, model= and calibration= where they are "
                   "wanted, got \"" +
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
  if (!recipe.pruneMethod.empty())
    if (auto known = parsePruneMethod(recipe.pruneMethod); !known)
      return toError(known.takeError());
  return recipe;
}

//===-- pricing -----------------------------------------------------------===//

namespace {

/// Formats chosen for each matrix within so many bits per weight.
std::string mixedName(double bits) {
  char text[32];
  std::snprintf(text, sizeof text, "mixed:%.4gbpw",
                std::floor(bits * 100) / 100);
  return text;
}

bool roundsWeights(const Recipe &recipe) {
  return StringRef(recipe.weights).contains("int") ||
         mixedBudget(recipe.weights);
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
  bool prunesByIt =
      (!recipe.prune.empty() && recipe.pruneMethod != "magnitude") ||
      base.pruneNeurons != 0 || base.pruneHeads != 0;
  bool goesByIt = !recipe.method.empty() || roundsWeights(recipe) ||
                  prunesByIt || hasStaticRanges(base.activations);
  if (!recipe.model.empty() || !recipe.calibration.empty())
    options.calibration = recipe.calibration; // the options' is of the model
  if (!goesByIt) {
    options.calibration.clear();
    options.activations = withDynamicRanges(base.activations).str();
  }
  return options;
}

/// Numbers of the matrices of a checkpoint.
int64_t checkpointElements(mlir::ModuleOp imported) {
  int64_t elements = 0;
  for (auto weight : imported.getOps<WeightOp>()) {
    WeightType type = weight.getWeightType();
    if ((weight.isSource() || getUnpack(weight)) && !type.isVector())
      elements += type.getRows() * type.getCols() *
                  int64_t(weight.getLayerIndices().size());
  }
  return std::max<int64_t>(1, elements);
}

/// Bytes of what is stored beside matrices: norms and biases.
int64_t vectorBytes(mlir::ModuleOp packed) {
  int64_t bytes = 0;
  for (auto weight : packed.getOps<WeightOp>())
    if (weight.getWeightType().isVector() &&
        (weight->hasAttr("adze.offset") || weight->hasAttr("adze.offsets")))
      bytes += int64_t(weight.getLayerIndices().size()) *
               int64_t(llvm::alignTo(
                   uint64_t(weight.getWeightType().getStorageBytes()),
                   ADZE_TENSOR_ALIGN));
  return bytes;
}

/// Bytes that zeros save, which are not stored.
int64_t savedBytes(mlir::ModuleOp packed) {
  int64_t bytes = 0;
  for (auto weight : packed.getOps<WeightOp>()) {
    WeightType type = weight.getWeightType();
    FormatAttrInterface dense;
    if (auto blocks =
            mlir::dyn_cast<BlocksFormatAttr>(mlir::Attribute(type.getFormat())))
      dense = blocks.getElement();
    else if (auto masked = mlir::dyn_cast<MaskedFormatAttr>(
                 mlir::Attribute(type.getFormat())))
      dense = masked.getElement();
    else
      continue;
    bytes +=
        int64_t(weight.getLayerIndices().size()) *
        (withFormat(type, dense).getStorageBytes() - type.getStorageBytes());
  }
  return bytes;
}

/// A candidate with the compilation that prices it.
struct Trial {
  Trial(const CompileOptions &base, const Recipe &recipe)
      : options(optionsOf(base, recipe)), compiler(options) {
    options.target = "host";
    candidate.recipe = recipe;
    candidate.isSparse = !recipe.prune.empty();
  }

  Candidate candidate;
  CompileOptions options; // before the compiler, which refers to it
  ModelCompiler compiler;
  std::optional<Model> standIn; ///< what is timed
  double vectorBits = 0;        ///< bits per weight that no format changes
  double denseBits = 0;         ///< bits per weight if zeros were stored
};

class Pricer {
public:
  Pricer(const std::string &model, const CompileOptions &base,
         const OptimizeOptions &how)
      : model(model), base(base), how(how) {}

  /// Prices recipes side by side.
  Result<void> add(const std::vector<Recipe> &recipes);
  /// The perplexity of the model with nothing done to it, if there is a text.
  Result<void> measureSource();
  void judgeAll() { judge(candidates, how, source); }

  std::vector<Candidate> candidates;
  std::vector<double> denseBits; ///< of each: see Trial
  std::optional<double> source;
  /// Of the first candidate, the model as it is: see Trial.
  double vectorBits = 0;

private:
  /// How `built` reads the text.
  Result<TextTokens> tokensOf(const Model &built) const;
  const std::string &pathOf(const Recipe &recipe) const {
    return recipe.model.empty() ? model : recipe.model;
  }
  Result<void> prepare(Trial &trial) const;
  Result<void> time(std::vector<std::unique_ptr<Trial>> &trials) const;
  Result<void> measure(Trial &trial) const;
  Result<double> perplexityOf(const Model &built) const;

  const std::string &model;
  const CompileOptions &base;
  const OptimizeOptions &how;
  TextTokens sourceTokens; ///< of the text
};

} // namespace

/// Up to a model whose steps cost what those of the candidate will.
Result<void> Pricer::prepare(Trial &trial) const {
  ModelCompiler &compiler = trial.compiler;
  if (llvm::Error error = compiler.load(pathOf(trial.candidate.recipe)))
    return toError(std::move(error));
  int64_t elements = checkpointElements(compiler.module());
  if (llvm::Error error = compiler.optimize())
    return toError(std::move(error));
  Candidate &c = trial.candidate;
  mlir::ModuleOp module = compiler.module();
  for (auto weight : module.getOps<WeightOp>())
    c.isSparse |= mlir::isa<BlocksFormatAttr, MaskedFormatAttr>(
        mlir::Attribute(weight.getWeightType().getFormat()));
  if (auto bytes =
          module->getAttrOfType<mlir::IntegerAttr>("adze.weight_bytes"))
    c.weightBytes = uint64_t(bytes.getInt());
  c.bitsPerWeight = 8 * double(c.weightBytes) / double(elements);
  trial.vectorBits = 8 * double(vectorBytes(module)) / double(elements);
  trial.denseBits =
      c.bitsPerWeight + 8 * double(savedBytes(module)) / double(elements);
  if (llvm::Error error = compiler.generate())
    return toError(std::move(error));
  auto linked = linkModel(compiler, /*standIn=*/true);
  if (!linked)
    return linked.error();
  trial.standIn = std::move(*linked);
  return {};
}

/// Times what is prepared, in turn, and lets go of it.
Result<void> Pricer::time(std::vector<std::unique_ptr<Trial>> &trials) const {
  std::vector<Trial *> timed;
  std::vector<const Model *> models;
  for (auto &trial : trials)
    if (trial->standIn) {
      timed.push_back(trial.get());
      models.push_back(&*trial->standIn);
    }
  auto timings = timeSteps(models, base.threads);
  if (!timings)
    return timings.error();
  for (auto [trial, timing] : llvm::zip_equal(timed, *timings)) {
    Candidate &c = trial->candidate;
    c.bytesPerToken = timing.bytesPerToken;
    c.secondsPerToken = timing.seconds;
    c.prefillSeconds = timing.prefillSeconds;
    c.context = timing.context;
    c.readRate = timing.readRate;
    c.isDisturbed = timing.isDisturbed;
    trial->standIn.reset();
  }
  return {};
}

Result<TextTokens> Pricer::tokensOf(const Model &built) const {
  auto text = readTextFile(how.text);
  if (!text)
    return text.error();
  return tokenizeText(built, *text, how.text);
}

Result<double> Pricer::perplexityOf(const Model &built) const {
  QualityOptions quality;
  quality.context = how.context;
  quality.threads = base.threads;
  quality.progress = base.progress;
  quality.maxTokens = how.textTokens;
  auto measured = measureQuality(built, how.text, nullptr, quality);
  if (!measured)
    return measured.error();
  return measured->perplexity;
}

/// Builds the candidate from what prepare() left, and runs it on the text.
Result<void> Pricer::measure(Trial &trial) const {
  llvm::SmallString<128> path;
  if (std::error_code code =
          llvm::sys::fs::createTemporaryFile("adze-candidate", "so", path))
    return Error{ADZE_IO_ERROR,
                 "cannot make a temporary file: " + code.message(), ""};
  llvm::FileRemover remover(path);
  if (llvm::Error error = trial.compiler.generate())
    return toError(std::move(error));
  if (llvm::Error error = trial.compiler.write(path))
    return toError(std::move(error));
  auto built = Model::open(path.str().str());
  if (!built)
    return built.error();
  if (const std::string &other = trial.candidate.recipe.model; !other.empty()) {
    auto tokens = tokensOf(*built);
    if (!tokens)
      return tokens.error();
    if (tokens->ids != sourceTokens.ids || tokens->bos != sourceTokens.bos)
      return Error{ADZE_INVALID_ARGUMENT,
                   other + " reads the text as other tokens than " + model,
                   "perplexities compare only over the same tokens: take a "
                   "checkpoint with the same tokenizer"};
  }
  auto perplexity = perplexityOf(*built);
  if (!perplexity)
    return perplexity.error();
  trial.candidate.perplexity = *perplexity;
  return {};
}

Result<void> Pricer::measureSource() {
  if (how.text.empty())
    return {};
  auto opened = adze::compile(model, sourceOptions(base));
  if (!opened)
    return opened.error();
  auto perplexity = perplexityOf(*opened);
  if (!perplexity)
    return perplexity.error();
  Quality quality;
  quality.perplexity = *perplexity;
  QualityOptions named;
  named.name = model;
  if (auto finite = checkFinite(quality, named); !finite)
    return finite.error();
  source = *perplexity;
  auto tokens = tokensOf(*opened);
  if (!tokens)
    return tokens.error();
  sourceTokens = std::move(*tokens);
  return {};
}

Result<void> Pricer::add(const std::vector<Recipe> &recipes) {
  // Stand-ins that are timed side by side are in memory together.
  constexpr uint64_t kTogether = uint64_t(4) << 30;
  std::vector<std::unique_ptr<Trial>> trials;
  auto named = [&](const Recipe &recipe, Result<void> done) -> Result<void> {
    if (done)
      return done;
    return Error{done.error().code,
                 "candidate \"" + recipe.text() + "\": " + done.error().message,
                 done.error().hint};
  };
  uint64_t waiting = 0;
  for (const Recipe &recipe : recipes) {
    auto trial = std::make_unique<Trial>(base, recipe);
    if (auto done = named(recipe, prepare(*trial)); !done)
      return done;
    waiting += trial->candidate.weightBytes;
    trials.push_back(std::move(trial));
    if (waiting > kTogether) {
      if (auto done = time(trials); !done)
        return done;
      waiting = 0;
    }
  }
  if (waiting)
    if (auto done = time(trials); !done)
      return done;
  for (auto &trial : trials) {
    if (!how.text.empty())
      if (auto done = named(trial->candidate.recipe, measure(*trial)); !done)
        return done;
    if (candidates.empty())
      vectorBits = trial->vectorBits;
    candidates.push_back(std::move(trial->candidate));
    denseBits.push_back(trial->denseBits);
    trial.reset();
  }
  return {};
}

namespace {

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
/// What takes more than they were chosen for (some matrices keep theirs,
/// whatever the budget of the others is) is taken off their budget, and it is
/// tried again. They are chosen as if zeros were stored: what sparse weights do
/// not store is put onto it.
Result<void> addBudgeted(Pricer &pricer, const CompileOptions &options,
                         const OptimizeOptions &how, bool isPruned) {
  constexpr int kLooks = 3;
  constexpr double kMost = 16;    // bits that are of use
  constexpr double kUnused = .02; // of a budget, which is not worth a look
  Recipe recipe{"", options.method, "", "", ""};
  if (isPruned) {
    recipe.prune = options.prune;
    recipe.pruneMethod = options.pruneMethod;
  }
  double budget = how.budgetBits;
  if (how.budgetBytes) {
    const Candidate &first = pricer.candidates.front();
    double whole = double(how.budgetBytes) / double(first.weightBytes) *
                   first.bitsPerWeight;
    budget = budget > 0 ? std::min(budget, whole) : whole;
  }
  double plain = 0, least = INFINITY, asDense = 1; // of the smallest
  for (auto [c, dense] : llvm::zip_equal(pricer.candidates, pricer.denseBits)) {
    if (c.recipe.prune != recipe.prune)
      continue;
    if (c.recipe.weights.empty())
      plain = c.bitsPerWeight;
    if (c.bitsPerWeight < least) {
      least = c.bitsPerWeight;
      asDense = (dense - pricer.vectorBits) / (least - pricer.vectorBits);
    }
  }
  double bits = budget - pricer.vectorBits;
  if (least >= budget || bits >= plain)
    return {};
  bits = std::min(bits * asDense, kMost);
  for (int i = 0; i < kLooks; ++i) {
    recipe.weights = mixedName(bits);
    if (auto added = pricer.add({recipe}); !added)
      return added;
    double stored = pricer.candidates.back().bitsPerWeight;
    double dense = pricer.denseBits.back(), over = stored - budget;
    bool hasRoom = dense > stored && -over > kUnused * budget && bits < kMost;
    if (over <= 0 && !hasRoom)
      break;
    bits = std::min(bits - over * dense / stored, kMost);
  }
  return {};
}

/// Where eight bits are within the limits and four are not, or the model as it
/// is and eight bits are not, looks between them: formats chosen for each
/// matrix, under a budget that is halved towards the limit.
Result<void> addMixed(Pricer &pricer, const CompileOptions &options,
                      const OptimizeOptions &how) {
  constexpr int kLooks = 3;
  auto find = [&](StringRef weights) -> const Candidate * {
    for (const Candidate &c : pricer.candidates)
      if (c.recipe.weights == weights && c.recipe.prune.empty())
        return &c;
    return nullptr;
  };
  const Candidate *small = find("int4:g128"), *large = find("int8");
  if (large && !large->isWithin) {
    small = large;
    large = find("");
  }
  if (how.text.empty() || !small || !large || small->isWithin ||
      !large->isWithin)
    return {};
  // More than sixteen bits are no use to it.
  double low = small->bitsPerWeight, high = std::min(large->bitsPerWeight, 16.);
  if (low >= high)
    return {};
  for (int i = 0; i < kLooks; ++i) {
    double bits = (low + high) / 2;
    Recipe recipe{mixedName(bits), options.method, "", "", ""};
    if (auto added = pricer.add({recipe}); !added)
      return added;
    pricer.judgeAll();
    (pricer.candidates.back().isWithin ? high : low) = bits;
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
                      {"disturbed", c.isDisturbed},
                      {"beaten", c.isBeaten},
                      {"refused", c.isRefused},
                      {"within_limits", c.isWithin},
                      {"chosen", c.isChosen},
                      {"why", c.why}};
  if (c.perplexity && std::isfinite(*c.perplexity))
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

std::optional<double> OptimizeResult::predictedSecondsPerToken() const {
  constexpr double kShort = 1e-4;
  const Candidate &c = candidates[chosen];
  if (c.isDisturbed || isDisturbed)
    return std::nullopt;
  if (c.readRate <= 0 || measuredReadRate <= 0)
    return c.secondsPerToken;
  double reading =
      std::min(c.secondsPerToken, double(c.bytesPerToken) / c.readRate);
  if (c.secondsPerToken < kShort && reading < c.secondsPerToken / 2)
    return std::nullopt;
  return c.secondsPerToken - reading + reading * c.readRate / measuredReadRate;
}

/// Another checkpoint that the model's calibration says nothing of.
static bool lacksCalibration(const Recipe &recipe) {
  return !recipe.model.empty() && recipe.calibration.empty();
}

/// Nothing rounds activations by ranges of another checkpoint.
static Result<void> checkRanges(const CompileOptions &options,
                                const OptimizeOptions &how) {
  for (const Recipe &recipe : how.recipes)
    if (lacksCalibration(recipe) && hasStaticRanges(options.activations))
      return Error{ADZE_INVALID_ARGUMENT,
                   "candidate \"" + recipe.text() +
                       "\": " + options.activations + " needs ranges of " +
                       recipe.model + ", and the calibration is of the model",
                   "add calibration=FOLDER to the candidate: what adze "
                   "calibrate makes of " +
                       recipe.model};
  return {};
}

/// Says which candidates were rounded plainly while others were not.
static void warnOfPlainRounding(const std::vector<Candidate> &candidates,
                                const CompileOptions &options,
                                std::vector<std::string> &warnings) {
  for (const Candidate &c : candidates)
    if (lacksCalibration(c.recipe) && !options.calibration.empty() &&
        roundsWeights(c.recipe))
      warnings.push_back(
          "candidate \"" + c.recipe.text() +
          "\" was rounded without a calibration: " + options.calibration +
          " is of the model; add calibration=FOLDER");
}

static Result<void> priceAll(Pricer &pricer, const CompileOptions &options,
                             const OptimizeOptions &how) {
  if (!how.text.empty())
    if (auto runs = checkRunsHere(options, "measuring candidates on a text");
        !runs)
      return runs;
  if (auto good = checkRanges(options, how); !good)
    return good;
  if (auto done = pricer.measureSource(); !done)
    return done;
  if (auto done = pricer.add(recipesOf(options, how)); !done)
    return done;
  if (how.recipes.empty() && (how.budgetBits || how.budgetBytes))
    for (bool isPruned : {false, true})
      if (!isPruned || !options.prune.empty())
        if (auto done = addBudgeted(pricer, options, how, isPruned); !done)
          return done;
  pricer.judgeAll();
  return how.recipes.empty() ? addMixed(pricer, options, how) : Result<void>();
}

Result<std::vector<Candidate>>
adze::priceCandidates(const std::string &model, const CompileOptions &options,
                      const OptimizeOptions &how) {
  Pricer pricer(model, options, how);
  if (auto priced = priceAll(pricer, options, how); !priced)
    return priced.error();
  return std::move(pricer.candidates);
}

Result<OptimizeResult> adze::optimizeToFile(const std::string &model,
                                            const std::string &output,
                                            const CompileOptions &options,
                                            const OptimizeOptions &how) {
  if (how.goal == Goal::Quality && how.text.empty())
    return Error{ADZE_INVALID_ARGUMENT,
                 "the goal quality needs a text to measure it on",
                 "give one, or optimize for speed or size"};
  if (auto file = outputFile(output); !file)
    return file.error();
  if (auto runs = checkRunsHere(options, "timing what was built"); !runs)
    return runs.error();
  Pricer pricer(model, options, how);
  if (auto priced = priceAll(pricer, options, how); !priced)
    return priced.error();
  OptimizeResult result;
  result.candidates = std::move(pricer.candidates);
  auto best = choose(result.candidates, how, pricer.source);
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
                     {"forced", result.isForced}};
  const Recipe &recipe = winner.recipe;
  if (!recipe.model.empty())
    extra["checkpoint"] = recipe.model;
  auto stats = compileModel(recipe.model.empty() ? model : recipe.model, output,
                            build, std::move(extra), model);
  if (!stats)
    return stats.error();
  result.compile = std::move(*stats);
  warnOfPlainRounding(result.candidates, options, result.compile.warnings);
  auto made = Model::open(output);
  if (!made)
    return made.error();
  auto measured = timeSteps(&*made, options.threads);
  if (!measured)
    return measured.error();
  result.measuredSecondsPerToken = measured->front().seconds;
  result.measuredReadRate = measured->front().readRate;
  result.isDisturbed = measured->front().isDisturbed;
  return result;
}
