// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pipeline of a model, from import to packed weights; see the header.

#include "adze/Transforms/Pipelines.h"
#include "adze/Transforms/Activations.h"
#include "adze/Transforms/PruneRules.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace adze;
using llvm::StringRef;

static constexpr llvm::StringLiteral kPoints[] = {
    "after-import", "after-compress", "after-fuse", "before-codegen"};

llvm::ArrayRef<llvm::StringLiteral> adze::extensionPoints() { return kPoints; }

/// The passes of a method, SCALING, ROUNDING or SCALING+ROUNDING; none if it is
/// no method.
static std::vector<StringRef> passesOf(StringRef method) {
  StringRef scaling = llvm::StringSwitch<StringRef>(method.split('+').first)
                          .Case("awq", "adze-awq")
                          .Case("smoothquant", "adze-smooth-quant")
                          .Default("");
  bool isBoth = method.contains('+');
  StringRef last = isBoth ? method.split('+').second : method;
  StringRef rounding = llvm::StringSwitch<StringRef>(last)
                           .Case("gptq", "adze-gptq")
                           .Case("search", "adze-search-scales")
                           .Default("");
  if (isBoth && !scaling.empty() && !rounding.empty())
    return {scaling, rounding};
  if (isBoth || (scaling.empty() && rounding.empty()))
    return {};
  return {scaling.empty() ? rounding : scaling};
}

std::optional<double> adze::mixedBudget(StringRef weights) {
  double bits = 0;
  if (!weights.consume_front("mixed:"))
    return std::nullopt;
  weights.consume_back("bpw");
  if (weights.getAsDouble(bits) || !(bits > 0) || bits > 64)
    return std::nullopt;
  return bits;
}

bool adze::isMethodName(StringRef method) { return !passesOf(method).empty(); }

/// "pass{a="b" ...}" of the options that are not empty. Paths may have blanks.
static std::string
passWith(StringRef name, llvm::ArrayRef<std::pair<StringRef, StringRef>> list) {
  std::string text;
  for (auto [option, value] : list)
    if (!value.empty())
      text += ((text.empty() ? "" : " ") + option + "=\"" + value + "\"").str();
  return text.empty() ? name.str() : name.str() + "{" + text + "}";
}

/// Whether masks are chosen with the codes, in one sweep of adze-gptq.
static bool prunesInSweep(const PipelineOptions &options) {
  auto isDefault = [](StringRef value, StringRef name) {
    return value.empty() || value == name;
  };
  return !options.prune.empty() && !options.calibration.empty() &&
         !options.weights.empty() && isDefault(options.method, "gptq") &&
         isDefault(options.pruneMethod, "sparsegpt") &&
         isDefault(options.pruneAllocate, "uniform");
}

/// The pass that prunes.
static bool pruningPass(const PipelineOptions &options, std::string &text,
                        std::string &error) {
  StringRef method = options.pruneMethod, allocate = options.pruneAllocate;
  auto wrong = [&](const llvm::Twine &message) {
    error = message.str();
    return false;
  };
  if (options.prune.empty())
    return wrong("a method of pruning is given, and nothing to prune: say what "
                 "becomes zero, such as 0.5 or 2:4");
  if (!method.empty())
    if (auto parsed = parsePruneMethod(method); !parsed)
      return wrong(llvm::toString(parsed.takeError()));
  if (!allocate.empty() &&
      !llvm::is_contained({"uniform", "global", "sensitivity"}, allocate))
    return wrong("unknown allocation \"" + allocate +
                 "\": expected uniform, global or sensitivity");
  bool needs =
      allocate == "sensitivity" || (!method.empty() && method != "magnitude");
  if (options.calibration.empty() && needs)
    return wrong((allocate == "sensitivity" ? "the allocation sensitivity"
                                            : "the method " + method) +
                 llvm::Twine(" needs a calibration"));
  text = passWith("adze-prune", {{"rules", options.prune},
                                 {"method", method},
                                 {"allocate", allocate},
                                 {"statistics", options.calibration},
                                 {"store", options.store},
                                 {"table", options.table}});
  return true;
}

static std::string structurePass(const PipelineOptions &options) {
  auto text = [](double amount) {
    std::string number;
    llvm::raw_string_ostream(number) << llvm::format("%g", amount);
    return amount ? number : "";
  };
  return passWith("adze-prune-structure",
                  {{"neurons", text(options.pruneNeurons)},
                   {"heads", text(options.pruneHeads)},
                   {"statistics", options.calibration},
                   {"store", options.store},
                   {"table", options.table}});
}

static std::string sparsePass(const PipelineOptions &options) {
  auto rows = llvm::map_range(
      options.expectRows, [](uint32_t count) { return std::to_string(count); });
  return passWith("adze-choose-sparse",
                  {{"rows", llvm::join(rows, ",")},
                   {"targets", llvm::join(options.targets, ",")},
                   {"rates", options.kernelRates}});
}

std::vector<std::string> adze::formatPasses(const PipelineOptions &options) {
  if (auto budget = mixedBudget(options.weights))
    return {
        passWith("adze-choose-formats", {{"budget", std::to_string(*budget)},
                                         {"statistics", options.calibration},
                                         {"table", options.table}})};
  std::vector<std::string> texts;
  if (StringRef(options.weights).contains('='))
    texts.push_back("adze-split-layers{format=" + options.weights + "}");
  if (!options.weights.empty())
    texts.push_back("adze-convert-weights{format=" + options.weights + "}");
  return texts;
}

bool adze::calibratedPasses(const PipelineOptions &options,
                            std::vector<std::string> &texts,
                            std::string &error) {
  StringRef method = options.method;
  if (method.empty())
    method = "gptq";
  std::vector<StringRef> passes = passesOf(method);
  if (passes.empty()) {
    error =
        ("unknown method \"" + method + "\": expected " + kMethodNames).str();
    return false;
  }
  if (options.calibration.empty()) {
    error = ("the method " + method + " needs a calibration").str();
    return false;
  }
  if (options.weights.empty()) {
    error =
        "a calibration is for weights that are rounded to integers: choose a "
        "format, such as int4:g128, for them";
    return false;
  }
  bool inSweep = prunesInSweep(options);
  for (StringRef pass : passes)
    texts.push_back(passWith(pass, {{"prune", inSweep && pass == "adze-gptq"
                                                  ? StringRef(options.prune)
                                                  : StringRef()},
                                    {"statistics", options.calibration},
                                    {"store", options.store},
                                    {"table", options.table}}));
  return true;
}

bool adze::buildPipeline(const PipelineOptions &options,
                         std::vector<PipelineStep> &steps, std::string &error) {
  std::vector<std::string> known;
  auto point = [&](StringRef name) {
    steps.push_back({"", name.str()});
    for (StringRef inserted : options.inserted) {
      auto [where, pass] = inserted.split(':');
      if (where == name)
        steps.push_back({pass.str(), ""});
    }
  };
  // Sinks hide norms, rotary and appends inside of linears, and only a kernel
  // builder knows them.
  bool noSinks = llvm::any_of(options.generic, [](StringRef op) {
    return llvm::is_contained({"all", "adze.linear", "adze.rms_norm",
                               "adze.rotary", "adze.kv_append"},
                              op);
  });
  auto pass = [&](StringRef text, StringRef whenDisabled = "",
                  bool wanted = true) {
    StringRef name = text.split('{').first;
    known.push_back(name.str());
    if (!wanted)
      return;
    bool isSink = name == "adze-fuse-head-sinks" || name == "adze-merge-qkv";
    if (noSinks && isSink)
      return;
    if (!llvm::is_contained(options.disabled, name))
      steps.push_back({text.str(), ""});
    else if (!whenDisabled.empty())
      steps.push_back({whenDisabled.str(), ""});
  };

  for (StringRef inserted : options.inserted) {
    auto [where, name] = inserted.split(':');
    if (!llvm::is_contained(kPoints, where) || name.empty()) {
      error = ("\"" + inserted +
               "\" is no place to insert a pass: expected POINT:PASS{options} "
               "with POINT one of " +
               llvm::join(extensionPoints(), ", "))
                  .str();
      return false;
    }
  }

  StringRef activations = options.activations.empty()
                              ? StringRef(kDefaultActivations)
                              : StringRef(options.activations);
  if (!isActivationName(activations)) {
    error = ("unknown activations \"" + activations + "\": expected " +
             kActivationNames)
                .str();
    return false;
  }
  bool fixesRanges = hasStaticRanges(activations);
  if (fixesRanges && options.calibration.empty()) {
    error = ("activations " + activations +
             " need a calibration, which says how large they are: make one "
             "with adze calibrate, or take " +
             withDynamicRanges(activations) +
             ", whose ranges are found at run time")
                .str();
    return false;
  }

  if (options.rotate)
    pass(passWith("adze-rotate",
                  {{"store", options.store}, {"table", options.table}}));
  point("after-import");
  bool prunes = !options.prune.empty() || !options.pruneMethod.empty() ||
                !options.pruneAllocate.empty();
  std::string prune;
  if (prunes && !pruningPass(options, prune, error))
    return false;
  bool inSweep = prunesInSweep(options);
  if (prunes && !inSweep)
    pass(prune);
  bool prunesStructure = options.pruneNeurons != 0 || options.pruneHeads != 0;
  if (prunesStructure)
    pass(structurePass(options));
  if (prunesStructure || options.removeDead)
    pass(passWith("adze-remove-dead",
                  {{"store", options.store}, {"table", options.table}}));
  for (StringRef text : formatPasses(options))
    pass(text);
  // A calibration may be for pruning only, or for the ranges of activations.
  if (!options.method.empty() ||
      (!options.calibration.empty() &&
       !((prunes || prunesStructure || fixesRanges) &&
         options.weights.empty()))) {
    std::vector<std::string> texts;
    if (!calibratedPasses(options, texts, error))
      return false;
    for (StringRef text : texts)
      pass(text);
  }
  if (inSweep)
    pass(prune); // what is left in floating point
  point("after-compress");
  pass("adze-hoist-take-rows");
  pass("adze-normalize-rotary");
  pass("cse"); // equal norms become one
  steps.push_back({"adze-split-attention", ""});
  pass("adze-fuse-head-sinks");
  pass("adze-merge-qkv");
  pass("adze-merge-gate-up");
  pass("adze-fuse-linear-regions");
  // Elementwise ops need a kernel: without fusion each is a map of its own.
  pass("adze-fuse-maps", "adze-fuse-maps{fuse=false}");
  point("after-fuse");
  steps.push_back({"adze-fuse-maps", ""}); // what a plug-in added
  pass(("adze-quantize-activations{format=" + withDynamicRanges(activations) +
        "}")
           .str(),
       "", activationGroup(activations).has_value());
  pass(passWith("adze-static-ranges", {{"statistics", options.calibration},
                                       {"store", options.store},
                                       {"table", options.table}}),
       "", fixesRanges);
  steps.push_back({"adze-pack-weights", ""});
  pass(sparsePass(options));
  pass("adze-eliminate-dead-weights");
  point("before-codegen");
  steps.push_back({"adze-assign-weight-offsets", ""});

  for (StringRef name : options.disabled)
    if (!llvm::is_contained(known, name)) {
      error = ("\"" + name + "\" cannot be disabled: expected one of " +
               llvm::join(known, ", "))
                  .str();
      return false;
    }
  return true;
}

std::string adze::pipelineText(llvm::ArrayRef<PipelineStep> steps) {
  std::vector<std::string> passes;
  for (const PipelineStep &step : steps)
    if (!step.pass.empty())
      passes.push_back(step.pass);
  return "builtin.module(" + llvm::join(passes, ",") + ")";
}
