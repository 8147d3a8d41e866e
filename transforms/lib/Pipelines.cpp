// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The pipeline of a model, from import to packed weights; see the header.

#include "adze/Transforms/Pipelines.h"
#include "adze/Transforms/Activations.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

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

bool adze::isMethodName(StringRef method) { return !passesOf(method).empty(); }

/// Paths may have blanks.
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
  for (StringRef pass : passes) {
    std::string &text = texts.emplace_back((pass + "{").str());
    auto add = [&](StringRef name, StringRef value) {
      if (!value.empty())
        text += (name + "=\"" + value + "\" ").str();
    };
    add("statistics", options.calibration);
    add("store", options.store);
    // After the first the module names one.
    if (pass == passes.front() && !options.rotate)
      add("table", options.table);
    text.back() = '}';
  }
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

  if (options.rotate) {
    std::string text = "adze-rotate{store=\"" + options.store + "\"";
    if (!options.table.empty())
      text += " table=\"" + options.table + "\"";
    pass(text + "}");
  }
  point("after-import");
  if (!options.weights.empty())
    pass("adze-convert-weights{format=" + options.weights + "}");
  if (!options.calibration.empty() || !options.method.empty()) {
    std::vector<std::string> texts;
    if (!calibratedPasses(options, texts, error))
      return false;
    for (StringRef text : texts)
      pass(text);
  }
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
  pass(("adze-quantize-activations{format=" + activations + "}").str(), "",
       activationGroup(activations).has_value());
  steps.push_back({"adze-pack-weights", ""});
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
