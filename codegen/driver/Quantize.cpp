// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze::quantizeToFile: calibrate(), then compileToFile() by it.

#include "adze/Quantize.h"
#include "CompileModel.h"
#include "Memory.h"
#include "ModelCompiler.h"
#include "RoundingTime.h"
#include "llvm/Support/FileSystem.h"
#include <chrono>

using namespace adze;
using llvm::StringRef;

static Error invalid(std::string message, std::string hint = "") {
  return Error{ADZE_INVALID_ARGUMENT, std::move(message), std::move(hint)};
}

/// What comes after a calibration.
static Result<double> predict(const std::string &model,
                              const QuantizeOptions &options) {
  CompileOptions import = withoutCompression(options);
  import.progress = nullptr;
  import.rotate = false;
  ModelCompiler compiler(import);
  if (llvm::Error error = compiler.load(model))
    return toError(std::move(error));
  return predictRounding(compiler.module(), options.method, options.threads);
}

Result<QuantizeStats> adze::quantizeToFile(const std::string &model,
                                           const std::string &text,
                                           const std::string &output,
                                           const QuantizeOptions &given) {
  auto start = std::chrono::steady_clock::now();
  AnonymousPeak memory;
  QuantizeOptions options = given;
  if (!options.threads)
    options.threads = adze_default_threads();
  if (options.weights.empty())
    return invalid("expected the weights' format, such as int4:g128");
  for (auto checked :
       {checkWeights(options.weights), checkMethod(options.method),
        checkActivations(options.activations)})
    if (!checked)
      return checked.error();
  StringRef method =
      options.method.empty() ? "gptq" : StringRef(options.method);
  if (!options.gram && method.contains("gptq"))
    return invalid(("the method " + method + " needs Gram matrices").str(),
                   "use search or awq without them");
  if (auto file = outputFile(output); !file)
    return file.error();
  std::string work = options.work.empty() ? output + ".work" : options.work;
  CompileOptions compile = options;
  compile.calibration = work;
  // What compilation would refuse is better known before the calibration.
  if (auto passes = ModelCompiler(compile).pipeline(); !passes)
    return toError(passes.takeError());
  QuantizeStats stats;
  CalibrateOptions calibration = options;
  calibration.activations.clear(); // what linears read is not rounded
  if (options.store.empty())
    calibration.store = compile.store = work + "/weights";
  if (options.estimate) {
    auto rest = predict(model, options);
    if (!rest)
      return rest.error();
    // Layers that were rounded in between are rounded once more, as one.
    calibration.estimate = [&, rest = *rest](double seconds) {
      stats.estimatedSeconds = seconds + rest;
      options.estimate(stats.estimatedSeconds);
    };
  }
  auto seen = calibrate(model, text, work, calibration);
  if (!seen)
    return seen.error();
  stats.calibration = std::move(*seen);
  auto made = compileToFile(model, output, compile);
  if (!made)
    return made.error();
  stats.compile = std::move(*made);
  if (options.work.empty())
    (void)llvm::sys::fs::remove_directories(work);
  stats.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  stats.peakAnonBytes = memory.bytes();
  return stats;
}
