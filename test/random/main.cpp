// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-random-graphs: generates decoders from seeds and compares what each
// pass pipeline makes of them with the interpreter on the module as generated.
//
//   adze-random-graphs --seed 1 --count 200         the default pipelines
//   adze-random-graphs --seed 57 --count 1 --dump   one graph again, printed
//   adze-random-graphs --pipeline P [--pipeline Q]  pass lists, as adze-opt's
//   adze-random-graphs --plant                      a wrong pass must be caught

#include "Compiled.h"
#include "Subjects.h"
#include "adze/Codegen/TargetVariants.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Pipelines.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <getopt.h>

using namespace mlir;
using namespace adze;
using namespace adze::test;

namespace {

struct Options {
  uint64_t seed = 1, count = 200;
  std::vector<std::string> pipelines;
  bool dump = false, plant = false, compiled = true;
};

bool parseOptions(int argc, char **argv, Options &options) {
  const option known[] = {{"seed", required_argument, nullptr, 's'},
                          {"count", required_argument, nullptr, 'c'},
                          {"pipeline", required_argument, nullptr, 'p'},
                          {"dump", no_argument, nullptr, 'd'},
                          {"plant", no_argument, nullptr, 'w'},
                          {"interpreter-only", no_argument, nullptr, 'i'},
                          {}};
  for (int c; (c = getopt_long(argc, argv, "", known, nullptr)) != -1;) {
    llvm::StringRef value = optarg ? optarg : "";
    if (c == 's' ? value.getAsInteger(10, options.seed)
                 : c == 'c' && value.getAsInteger(10, options.count)) {
      llvm::errs() << "expects a number, got " << value << "\n";
      return false;
    }
    if (c == 'p')
      options.pipelines.push_back(value.str());
    else if (c == 'd')
      options.dump = true;
    else if (c == 'w')
      options.plant = true;
    else if (c == 'i')
      options.compiled = false;
    else if (c == '?')
      return false;
  }
  return optind == argc;
}

bool canRun(llvm::StringRef target) {
  for (const TargetVariant &variant : x86Variants())
    if (variant.name == target)
      return (variant.need & ~hostNeedBits()) == 0;
  return false;
}

std::vector<std::string> passesOf(const PipelineOptions &pipeline) {
  std::vector<PipelineStep> steps;
  std::string error;
  std::vector<std::string> passes;
  if (buildPipeline(pipeline, steps, error))
    for (const PipelineStep &step : steps)
      if (!step.pass.empty())
        passes.push_back(step.pass);
  return passes;
}

/// A random selection of the passes that can be left out.
std::vector<std::string> randomDisabled(Random &random) {
  std::vector<std::string> disabled;
  for (const std::string &pass : passesOf({})) {
    PipelineOptions tried;
    tried.disabled = disabled;
    tried.disabled.push_back(llvm::StringRef(pass).split('{').first.str());
    if (random.chance(0.35) && !passesOf(tried).empty())
      disabled = tried.disabled;
  }
  return disabled;
}

class Runner {
public:
  explicit Runner(const Options &options)
      : options(options), context(MLIRContext::Threading::DISABLED),
        coverage(mustFire()) {
    context.loadDialect<AdzeDialect, arith::ArithDialect, func::FuncDialect,
                        math::MathDialect, tensor::TensorDialect>();
  }

  int run() {
    for (uint64_t i = 0; i < options.count; ++i)
      runSeed(options.seed + i);
    if (options.plant) {
      llvm::outs() << "planted pass: caught in " << caught << " of "
                   << options.count << " graphs\n";
      return caught && !failures ? 0 : 1;
    }
    coverage.print(llvm::outs());
    llvm::outs() << options.count << " graphs from seed " << options.seed
                 << ", " << comparisons << " comparisons, largest difference "
                 << largest << ", " << failures << " failures\n";
    // A few graphs, or pipelines of the user's, need not cover everything.
    if (options.count >= 100 && options.pipelines.empty())
      if (auto missing = coverage.missing(); !missing.empty()) {
        llvm::errs() << "never appeared: " << llvm::join(missing, ", ") << "\n";
        return 1;
      }
    return failures ? 1 : 0;
  }

private:
  static std::vector<std::string> mustFire() {
    std::vector<std::string> names;
    PipelineOptions all;
    all.weights = "bf16";
    for (llvm::StringRef pass : passesOf(all))
      names.push_back(pass.split('{').first.str());
    return names;
  }

  static bool hasIntegerWeights(ModuleOp module) {
    return llvm::any_of(module.getOps<WeightOp>(), [](WeightOp weight) {
      return isa<IntegerFormatAttrInterface>(
          Attribute(weight.getWeightType().getFormat()));
    });
  }

  std::vector<Subject> subjects(Random &random, ModuleOp module) {
    std::vector<Subject> result;
    if (options.plant) {
      PipelineOptions planted;
      planted.inserted = {"after-fuse:test-plant-wrong"};
      planted.activations = "bf16";
      result.push_back(
          pipelineSubject("planted", passesOf(planted), &coverage));
      return result;
    }
    for (const std::string &text : options.pipelines)
      result.push_back(pipelineSubject(text, {text}, &coverage));
    if (!result.empty())
      return result;
    result.push_back(
        pipelineSubject("default", passesOf(unrounded()), &coverage));
    PipelineOptions some = unrounded();
    some.disabled = randomDisabled(random);
    result.push_back(
        pipelineSubject("without " + llvm::join(some.disabled, ", "),
                        passesOf(some), &coverage));
    // Compiled code, with and without the same passes, by turns on every
    // variant that this machine runs.
    std::string target = random.pick<const char *>(
        {"x86-64-v3", "x86-64-v3+avxvnni", "x86-64-v4", "x86-64-v4+vnni",
         "x86-64-v4+vnni+vbmi2", "x86-64-v4+vnni+bf16",
         "x86-64-v4+vnni+bf16+amx"});
    uint32_t threads = uint32_t(random.between(1, 3));
    double tolerance = compiledTolerance(module, target);
    std::vector<std::string> left, generic;
    if (random.chance(0.5))
      left = some.disabled;
    // One in three has ops, or all, on the generic path.
    if (random.chance(0.33))
      generic.push_back(random.pick<const char *>(
          {"all", "all", "adze.linear", "adze.attention", "adze.rms_norm",
           "adze.rotary", "adze.map", "adze.kv_append", "adze.quantize"}));
    if (options.compiled && canRun(target))
      result.push_back(
          compiledSubject(target, left, threads, tolerance, generic));
    return result;
  }

  /// The reference says what is rounded: pipelines round nothing more.
  static PipelineOptions unrounded() {
    PipelineOptions options;
    options.activations = "bf16";
    return options;
  }

  void fail(uint64_t seed, const llvm::Twine &what) {
    ++failures;
    llvm::errs() << "seed " << seed << ": " << what
                 << "\n  again: adze-random-graphs --seed " << seed
                 << " --count 1 --dump\n";
  }

  /// Gives what is rounded random ranges, in which it may be clamped.
  static void fixRanges(ModuleOp module, Random &random,
                        MemoryWeightSource &weights) {
    int made = 0;
    module.walk([&](QuantizeOp op) {
      auto reader = llvm::dyn_cast<LinearOp>(*op->user_begin());
      if (!reader)
        return;
      WeightOp beside = lookupWeight(reader, reader.getWeightAttr());
      std::string name = ("ranges" + llvm::Twine(made++)).str();
      OpBuilder builder(beside);
      FormatAttrInterface f32 =
          FloatFormatAttr::get(op.getContext(), builder.getF32Type());
      auto type = WeightType::get(op.getContext(), {op.getGroups()}, f32,
                                  LayoutKind::Rows);
      bool isPerLayer = beside.isPerLayer();
      auto weight = WeightOp::create(builder, op.getLoc(), name,
                                     isPerLayer ? name + ".{}" : name, 0, type);
      if (auto count = beside.getCountAttr())
        weight.setCountAttr(count);
      if (auto layers = beside.getLayersAttr())
        weight.setLayersAttr(layers);
      for (int64_t layer : weight.getLayerIndices()) {
        std::vector<float> ranges(size_t(op.getGroups()));
        for (float &range : ranges)
          range = float(random.between(0, 24)) / 8;
        auto *bytes = reinterpret_cast<const uint8_t *>(ranges.data());
        weights.add(weight.getSourceName(layer), "f32", {op.getGroups()},
                    {bytes, bytes + 4 * ranges.size()});
      }
      op.setRangesAttr(FlatSymbolRefAttr::get(weight));
      if (isPerLayer)
        op.getLayerMutable().assign(reader.getLayer());
    });
  }

  void runSeed(uint64_t seed) {
    RandomCase generated = makeCase(seed);
    if (options.dump)
      llvm::outs() << generated.text;
    auto module = parseSourceString<ModuleOp>(generated.text, &context);
    if (!module)
      return fail(seed, "the generated module is not valid");
    MemoryWeightSource weights;
    addWeights(*module, seed, weights);
    Random random(seed ^ 0xabcdef);
    // With another weight format, the module after conversion is the reference.
    if (random.chance(0.3) && options.pipelines.empty()) {
      const char *format =
          random.pick<const char *>({"f32", "bf16", "f16", "int8", "int4:g32"});
      std::string convert =
          (llvm::Twine("adze-convert-weights{format=") + format + "}").str();
      if (failed(runPasses(*module, weights, {convert}, &coverage)))
        return fail(seed, "weights cannot be converted");
    }
    if (hasIntegerWeights(*module) && options.pipelines.empty() &&
        random.chance(0.8)) {
      const char *format = random.pick<const char *>(
          {"int8:token", "int8:g16", "int8:g32", "int8:g128"});
      std::string quantize =
          (llvm::Twine("adze-quantize-activations{format=") + format + "}")
              .str();
      if (failed(runPasses(*module, weights, {quantize}, &coverage)))
        return fail(seed, "activations cannot be quantized");
      if (random.chance(0.5))
        fixRanges(*module, random, weights);
    }
    coverage.count(*module);
    auto expected = interpret(*module, weights, generated.steps);
    if (failed(expected))
      return fail(seed, "the generated module cannot be interpreted");
    for (Subject &subject : subjects(random, *module))
      compare(seed, subject, *module, weights, generated.steps, *expected);
  }

  void compare(uint64_t seed, Subject &subject, ModuleOp module,
               WeightSource &weights, ArrayRef<Batch> steps,
               const Logits &expected) {
    ++comparisons;
    OwningOpRef<ModuleOp> copy(module.clone());
    auto logits = subject.run(*copy, weights, steps);
    if (failed(logits))
      return fail(seed, "subject \"" + subject.name + "\" failed");
    double error = difference(*logits, expected);
    largest = std::max(largest, error);
    if (error <= subject.tolerance)
      return;
    std::string guilty =
        firstWrongPass(subject, module, weights, steps, expected);
    if (options.plant && guilty == "test-plant-wrong") {
      ++caught;
      return;
    }
    fail(seed, "\"" + subject.name + "\" differs by " +
                   llvm::formatv("{0:e}", error).str() +
                   (guilty.empty() ? "" : "; first wrong after " + guilty));
  }

  const Options &options;
  MLIRContext context;
  Coverage coverage;
  uint64_t comparisons = 0, failures = 0, caught = 0;
  double largest = 0;
};

} // namespace

int main(int argc, char **argv) {
  Options options;
  if (!parseOptions(argc, argv, options)) {
    llvm::errs() << "usage: adze-random-graphs [--seed S] [--count N] "
                    "[--pipeline TEXT]... [--dump] [--plant] "
                    "[--interpreter-only]\n";
    return 2;
  }
  adze::registerTransformsPasses();
  mlir::registerTransformsPasses();
  registerPlantedPass();
  return Runner(options).run();
}
