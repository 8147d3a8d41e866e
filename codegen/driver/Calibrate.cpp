// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze::calibrate: the embedding, each layer and the head run on all sequences
// one after the other, so that of the model only one layer is in memory, and of
// the values only the hidden states between two layers, in mapped files.

#include "adze/Calibrate.h"
#include "CalibrationFolder.h"
#include "CalibrationText.h"
#include "Memory.h"
#include "ModelCompiler.h"
#include "PartRunner.h"
#include "StatisticsFiles.h"
#include "adze/Weights/ModelIdentity.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include <chrono>
#include <set>

using namespace mlir;
using namespace adze;

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

llvm::Error asError(const llvm::Twine &message) {
  return llvm::createStringError(message);
}

/// One calibration, from the loaded model to the finished folder.
class Calibration {
public:
  Calibration(ModelCompiler &compiler, const CalibrateOptions &options,
              StringRef path, CalibrateStats &stats)
      : compiler(compiler), options(options), path(path), stats(stats),
        pool(llvm::hardware_concurrency(options.threads)) {}

  llvm::Error run(StringRef text);

private:
  /// A part: the embedding, a layer, or the head.
  struct Part {
    PartKind kind;
    int64_t layer = 0;
  };

  llvm::Error prepare(StringRef text);
  void nameInputs();
  llvm::Error runPart(uint32_t index);
  llvm::Error runSequences(uint32_t index, PartRunner &runner);
  bool report(uint64_t part, uint64_t sequence) {
    stats.peakAnonBytes = std::max(stats.peakAnonBytes, anonymousBytes());
    return options.progress &&
           options.progress("calibrate", part * options.sequences + sequence,
                            parts.size() * options.sequences);
  }
  void estimate(uint32_t index, double perSequence);

  ModelCompiler &compiler;
  const CalibrateOptions &options;
  std::string path;
  CalibrateStats &stats;
  llvm::DefaultThreadPool pool;

  CalibrationIdentity identity;
  std::vector<std::vector<int32_t>> sequences;
  OwningOpRef<ModuleOp> module; // with observers
  std::vector<Part> parts;
  /// Names of weights, by the input that they read.
  std::map<std::string, std::vector<std::string>> readers;
  std::unique_ptr<CalibrationFolder> folder;
  StatisticsFiles files{path};
  double compileSeconds = 0; // of the last part
  bool estimated = false;
};

} // namespace

//===-- before it runs ----------------------------------------------------===//

/// What the metadata of a model says it can take at most; 0: nothing.
static uint64_t contextOf(ModuleOp module) {
  auto attr = module->getAttrOfType<StringAttr>(kMetaAttrName);
  if (!attr)
    return 0;
  auto parsed = llvm::json::parse(attr.getValue());
  if (!parsed) {
    llvm::consumeError(parsed.takeError());
    return 0;
  }
  const llvm::json::Object *object = parsed->getAsObject();
  return object ? uint64_t(object->getInteger("context").value_or(0)) : 0;
}

/// The linears' weights by the names of the taps on what they read.
void Calibration::nameInputs() {
  auto add = [&](func::FuncOp func, std::optional<int64_t> layer) {
    auto filled = [&](StringRef name) {
      std::string text = name.str();
      if (size_t at = text.find("{}"); layer && at != std::string::npos)
        text.replace(at, 2, std::to_string(*layer));
      return text;
    };
    func.walk([&](LinearOp op) {
      Value x = op.getX();
      while (auto quantize = x.getDefiningOp<QuantizeOp>())
        x = quantize.getX();
      for (Operation *user : x.getUsers())
        if (auto tap = dyn_cast<TapOp>(user))
          for (StringRef source :
               sourcesOf(lookupWeight(op, op.getWeightAttr())))
            readers[filled(tap.getName())].push_back(filled(source));
    });
  };
  auto found = findParts(*module);
  add(found->entry, std::nullopt);
  for (RepeatOp repeat : found->repeats)
    for (int64_t i : llvm::seq<int64_t>(repeat.getCount()))
      add(module->lookupSymbol<func::FuncOp>(repeat.getCallee()),
          repeat.getFirst() + i);
}

llvm::Error Calibration::prepare(StringRef text) {
  if (!compiler.weights())
    return asError("the module has no weight table: there is nothing to run");
  uint64_t context = contextOf(compiler.module());
  if (context && options.tokens > context)
    return asError("sequences of " + llvm::Twine(options.tokens) +
                   " tokens do not fit the model's context of " +
                   llvm::Twine(context));
  auto cut = calibrationSequences(compiler.textTable(), text, options.sequences,
                                  options.tokens);
  if (!cut)
    return cut.takeError();
  sequences = std::move(*cut);

  if (llvm::Error error = compiler.optimize("after-import"))
    return error;
  auto hash = modelIdentity(compiler.module(), *compiler.weights());
  if (!hash)
    return hash.takeError();
  identity = {*hash, sha256Hex(text), options.sequences, options.tokens,
              options.gram};
  module = compiler.module().clone();
  if (llvm::Error error = compiler.runPasses(*module, "adze-insert-observers"))
    return error;
  auto found = findParts(*module);
  if (failed(found))
    return compiler.diagnosed("the model has no layers");
  parts.push_back({PartKind::Embedding});
  for (int64_t layer : llvm::seq(found->layers))
    parts.push_back({PartKind::Layer, layer});
  if (!found->headTaps().empty())
    parts.push_back({PartKind::Head});
  nameInputs();
  return llvm::Error::success();
}

//===-- a part ------------------------------------------------------------===//

/// The compilation of a part: the model as it is, for this machine.
static CompileOptions partOptions(const CalibrateOptions &options) {
  CompileOptions made = options;
  made.weights.clear();
  made.insert.clear();
  made.progress = nullptr;
  made.target = "host";
  if (made.activations.empty())
    made.activations = "f32";
  return made;
}

llvm::Error Calibration::runPart(uint32_t index) {
  auto start = Clock::now();
  OwningOpRef<ModuleOp> copy = module->clone();
  auto found = findParts(*copy);
  if (failed(found) ||
      failed(extractPart(*copy, *found, parts[index].kind, parts[index].layer)))
    return compiler.diagnosed("a part of the model cannot be extracted");
  CompileOptions compile = partOptions(options);
  auto runner = PartRunner::create(*copy, *compiler.weights(), compile,
                                   options.tokens, options.gram, pool);
  if (!runner)
    return runner.takeError();
  compileSeconds = since(start);
  if (llvm::Error error = runSequences(index, **runner))
    return error;
  if (llvm::Error error = files.write(index, (*runner)->inputs(), options.gram))
    return error;
  return folder->setDone(index + 1);
}

llvm::Error Calibration::runSequences(uint32_t index, PartRunner &runner) {
  bool isHead = parts[index].kind == PartKind::Head;
  uint64_t rows = options.tokens;
  int64_t columns = runner.inputColumns();
  float *in = nullptr, *out = nullptr;
  if (columns) {
    auto mapped =
        folder->rowsOf(index - 1, uint64_t(columns) * rows * sizeof(float) *
                                      options.sequences);
    if (!mapped)
      return mapped.takeError();
    in = *mapped;
  }
  std::vector<float> last; // nobody reads the rows of the head
  uint64_t outRows = rows * uint64_t(runner.resultColumns());
  if (isHead) {
    last.resize(outRows);
  } else {
    auto mapped =
        folder->rowsOf(index, outRows * sizeof(float) * options.sequences);
    if (!mapped)
      return mapped.takeError();
    out = *mapped;
  }
  auto start = Clock::now();
  double firstSeconds = 0;
  for (uint32_t s = 0; s < options.sequences; ++s) {
    if (report(index, s))
      return llvm::createStringError(
          std::make_error_code(std::errc::operation_canceled),
          "stopped; the same call goes on from the last whole layer");
    if (llvm::Error error = runner.run(
            sequences[s], in ? in + s * rows * uint64_t(columns) : in,
            isHead ? last.data() : out + s * outRows))
      return error;
    // The first run of all pays for pages and caches.
    if (s == 0)
      firstSeconds = since(start);
    else if (s == 3)
      estimate(index, (since(start) - firstSeconds) / 3);
  }
  if (options.sequences < 4)
    estimate(index, since(start) / options.sequences);
  for (const auto &[name, sums] : runner.inputs())
    if (!sums.isFinite())
      return asError("what " + name +
                     " reads is not finite: the model overflows on this text");
  return llvm::Error::success();
}

/// Told from the first layer that runs: the others are taken to be as long.
void Calibration::estimate(uint32_t index, double perSequence) {
  if (estimated || parts[index].kind != PartKind::Layer)
    return;
  estimated = true;
  uint32_t layers = 0;
  for (uint32_t i = index; i < parts.size(); ++i)
    layers += parts[i].kind == PartKind::Layer;
  stats.estimatedSeconds =
      layers * (perSequence * options.sequences + compileSeconds);
  if (options.estimate)
    options.estimate(stats.estimatedSeconds);
}

//===-- all of it ---------------------------------------------------------===//

llvm::Error Calibration::run(StringRef text) {
  if (llvm::Error error = prepare(text))
    return error;
  auto opened = CalibrationFolder::open(path, identity);
  if (!opened)
    return opened.takeError();
  folder = std::move(*opened);
  stats.parts = uint32_t(parts.size());
  stats.resumed = std::min(folder->done(), stats.parts);
  for (uint32_t i = stats.resumed; i < parts.size(); ++i)
    if (llvm::Error error = runPart(i))
      return error;
  if (!folder->isFinished()) {
    auto count = files.finish(stats.parts, identity.header(), readers);
    if (!count)
      return count.takeError();
  }
  folder->finish();
  stats.inputs = uint32_t(readers.size());
  stats.bytes = files.bytes(stats.parts);
  report(parts.size(), 0);
  return llvm::Error::success();
}

Result<CalibrateStats> adze::calibrate(const std::string &model,
                                       const std::string &text,
                                       const std::string &folder,
                                       const CalibrateOptions &given) {
  auto start = Clock::now();
  CalibrateOptions options = given;
  if (!options.threads)
    options.threads = adze_default_threads();
  if (!options.sequences || options.tokens < 2)
    return adze::Error{ADZE_INVALID_ARGUMENT,
                       "calibration needs at least 1 sequence of 2 tokens, "
                       "got " +
                           std::to_string(options.sequences) + " of " +
                           std::to_string(options.tokens),
                       ""};
  CompileOptions import = options;
  import.weights.clear();
  import.progress = nullptr;
  CalibrateStats stats;
  stats.sequences = options.sequences;
  stats.tokens = options.tokens;
  ModelCompiler compiler(import);
  if (llvm::Error error = compiler.load(model))
    return toError(std::move(error));
  Calibration calibration(compiler, options, folder, stats);
  if (llvm::Error error = calibration.run(text))
    return toError(std::move(error));
  stats.warnings = compiler.stats().warnings;
  stats.peakAnonBytes = std::max(stats.peakAnonBytes, anonymousBytes());
  stats.peakRssBytes = peakResidentBytes();
  stats.seconds = since(start);
  return stats;
}
