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
#include "PartRounding.h"
#include "PartRunner.h"
#include "adze/Weights/ModelIdentity.h"
#include "adze/Weights/Statistics.h"
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
  /// A pass that rounds the part that is being worked on is so far: with
  /// `sequential`.
  bool reportPass(StringRef stage, uint64_t done, uint64_t total);

private:
  /// A part: the embedding, a layer, or the head.
  struct Part {
    PartKind kind;
    int64_t layer = 0;
    /// The weights that read each of its inputs, by the name of the tap.
    std::map<std::string, std::vector<std::string>> readers = {};
  };

  llvm::Error prepare(StringRef text);
  llvm::Error nameInputs(ModelParts &found);
  llvm::Error runPart(uint32_t index);
  /// `done` runs of sequences are behind this part already.
  llvm::Error runSequences(uint32_t index, PartRunner &runner,
                           uint32_t done = 0);
  llvm::Error runRounded(uint32_t index, const PartRunner &observed);
  llvm::Error write(uint32_t index, const PartRunner &runner,
                    StatisticsWriter &to);
  uint32_t firstToRun();
  bool report(uint64_t part, uint64_t sequence) {
    // Rounding a part counts as as many runs as there are before and behind it.
    uint64_t runs = uint64_t(options.sequences) * (rounding ? 3 : 1);
    return options.progress &&
           options.progress("calibrate", part * runs + sequence,
                            parts.size() * runs);
  }
  void tell(double seconds);
  void estimate(uint32_t index, double perSequence);

  ModelCompiler &compiler;
  const CalibrateOptions &options;
  std::string path;
  CalibrateStats &stats;
  llvm::DefaultThreadPool pool;

  StatisticsOrigin origin;
  std::vector<std::vector<int32_t>> sequences;
  OwningOpRef<ModuleOp> module; // with observers
  std::vector<Part> parts;
  std::unique_ptr<CalibrationFolder> folder;
  std::unique_ptr<StatisticsWriter> writer;
  std::unique_ptr<PartRounding> rounding; // of a sequential calibration
  uint32_t roundedPart = 0;               // or the one to be rounded next
  double compileSeconds = 0;              // of the last part
  bool estimated = false;
};

} // namespace

//===-- before it runs ----------------------------------------------------===//

/// What the metadata of a model says under `key`; 0: nothing.
static uint64_t metaNumber(ModuleOp module, StringRef key) {
  auto attr = module->getAttrOfType<StringAttr>(kMetaAttrName);
  if (!attr)
    return 0;
  auto parsed = llvm::json::parse(attr.getValue());
  if (!parsed) {
    llvm::consumeError(parsed.takeError());
    return 0;
  }
  const llvm::json::Object *object = parsed->getAsObject();
  return object ? uint64_t(object->getInteger(key).value_or(0)) : 0;
}

/// Rows of the table that tokens are looked up in.
static int64_t vocabularyOf(ModuleOp module) {
  int64_t rows = INT32_MAX;
  module.walk([&](EmbedOp op) {
    rows = std::min(
        rows, lookupWeight(op, op.getTableAttr()).getWeightType().getRows());
  });
  return rows;
}

/// The weights of linears by the names of the taps on what they read.
llvm::Error Calibration::nameInputs(ModelParts &found) {
  std::set<std::string> known;
  for (Part &part : parts) {
    if (part.kind == PartKind::Embedding)
      continue;
    bool isLayer = part.kind == PartKind::Layer;
    auto filled = [&](StringRef name) {
      return isLayer ? nameOfLayer(name, part.layer) : name.str();
    };
    auto func = isLayer ? module->lookupSymbol<func::FuncOp>(
                              found.repeatOf(part.layer).getCallee())
                        : found.entry;
    func.walk([&](LinearOp op) {
      Value x = op.getX();
      while (auto quantize = x.getDefiningOp<QuantizeOp>())
        x = quantize.getX();
      for (Operation *user : x.getUsers())
        if (auto tap = dyn_cast<TapOp>(user))
          for (const std::string &source :
               sourcesOf(lookupWeight(op, op.getWeightAttr())))
            part.readers[filled(tap.getName())].push_back(filled(source));
    });
    for (auto &[input, weights] : part.readers) {
      llvm::sort(weights);
      weights.erase(llvm::unique(weights), weights.end());
      if (!known.insert(input).second)
        return asError("what reads \"" + input +
                       "\" is observed in two parts of the model: a weight "
                       "that layers share cannot be calibrated");
    }
  }
  return llvm::Error::success();
}

llvm::Error Calibration::prepare(StringRef text) {
  if (!compiler.weights())
    return asError("the module has no weight table: there is nothing to run");
  uint64_t context = metaNumber(compiler.module(), "context");
  if (context && options.tokens > context)
    return asError("sequences of " + llvm::Twine(options.tokens) +
                   " tokens do not fit the model's context of " +
                   llvm::Twine(context));
  TextTokens tokens{options.ids};
  if (options.ids.empty()) {
    auto made =
        tokenizeText(compiler.textTable(), text, "the calibration text");
    if (!made)
      return made.takeError();
    tokens = std::move(*made);
  }
  int64_t vocabulary = vocabularyOf(compiler.module());
  for (int32_t id : tokens.ids)
    if (id < 0 || id >= vocabulary)
      return asError("token " + llvm::Twine(id) +
                     " is not in the model's vocabulary of " +
                     llvm::Twine(vocabulary));
  StringRef content =
      options.ids.empty()
          ? text
          : StringRef(reinterpret_cast<const char *>(options.ids.data()),
                      options.ids.size() * sizeof(int32_t));
  auto cut = cutSequences(tokens, options.sequences, options.tokens);
  if (!cut)
    return cut.takeError();
  sequences = std::move(*cut);

  if (llvm::Error error = compiler.optimize("after-import"))
    return error;
  auto hash = modelIdentity(compiler.module(), *compiler.weights());
  if (!hash)
    return hash.takeError();
  origin = {*hash, sha256Hex(content),
            int64_t(options.sequences) * options.tokens, options.sequences};
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
  return nameInputs(*found);
}

//===-- a part ------------------------------------------------------------===//

/// The compilation of a part: the model as it is, for this machine.
static CompileOptions partOptions(const CalibrateOptions &options) {
  CompileOptions made = withoutCompression(options);
  made.insert.clear();
  made.rotate = false; // it is already
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
  if (rounding)
    if (llvm::Error error = runRounded(index, **runner))
      return error;
  if (llvm::Error error = write(index, **runner, *writer))
    return error;
  // The others are taken to be as long.
  if (rounding && parts[index].kind == PartKind::Layer)
    tell(since(start));
  return llvm::Error::success();
}

/// Rounds a part by what was observed of it, and runs it again: the rows that
/// it leaves then are what the next part reads. Its statistics come last, since
/// a part that has them is taken for done.
llvm::Error Calibration::runRounded(uint32_t index,
                                    const PartRunner &observed) {
  if (parts[index].kind == PartKind::Head)
    return llvm::Error::success();
  auto start = Clock::now();
  std::string own;
  if (!parts[index].readers.empty()) {
    own = path + "/part";
    (void)llvm::sys::fs::remove_directories(own);
    auto made = StatisticsWriter::create(own, origin);
    if (!made)
      return made.takeError();
    if (llvm::Error error = write(index, observed, **made))
      return error;
    if (llvm::Error error = (*made)->finish())
      return error;
  }
  roundedPart = index;
  auto part = rounding->round(parts[index].kind, parts[index].layer, own);
  if (!part)
    return part.takeError();
  if (!own.empty())
    (void)llvm::sys::fs::remove_directories(own);
  stats.roundingSeconds += since(start);
  CompileOptions compile = partOptions(options);
  WeightSource &weights = part->weights ? *part->weights : *compiler.weights();
  auto runner = PartRunner::create(*part->module, weights, compile,
                                   options.tokens, false, pool);
  if (!runner)
    return runner.takeError();
  return runSequences(index, **runner, 2 * options.sequences);
}

bool Calibration::reportPass(StringRef stage, uint64_t done, uint64_t total) {
  // One pass scales and another one rounds where the method is of both.
  double part = double(done) / double(total);
  if (StringRef(options.method).contains('+'))
    part = (stage == "scale" ? part : 1 + part) / 2;
  return report(roundedPart,
                options.sequences + uint64_t(part * options.sequences));
}

llvm::Error Calibration::write(uint32_t index, const PartRunner &runner,
                               StatisticsWriter &to) {
  struct Vectors {
    std::vector<float> gram, squares, largest, magnitudes;
  };
  std::vector<Vectors> vectors;
  std::vector<StatisticsWriter::Input> inputs;
  vectors.reserve(runner.inputs().size()); // inputs refer to them
  for (const auto &[name, sums] : runner.inputs()) {
    auto reader = parts[index].readers.find(name);
    if (reader == parts[index].readers.end())
      continue; // somebody else's tap
    if (!sums.isFinite())
      return asError("what \"" + name +
                     "\" reads is not finite: the model overflows on this "
                     "text");
    vectors.push_back({{}, sums.sumSquares(), sums.absMax(), sums.absSum()});
    Vectors &v = vectors.back();
    if (options.gram)
      v.gram = sums.gram();
    inputs.push_back({name, reader->second, sums.count(), v.gram, v.squares,
                      v.largest, v.magnitudes});
  }
  if (inputs.empty())
    return llvm::Error::success();
  std::string file = parts[index].kind == PartKind::Head
                         ? "head"
                         : "layer-" + std::to_string(parts[index].layer);
  return to.add(file, inputs);
}

/// Behind the last part whose inputs are all done: its hidden states are whole.
uint32_t Calibration::firstToRun() {
  uint32_t first = 0;
  for (uint32_t i = 0; i < parts.size(); ++i) {
    for (const auto &entry : parts[i].readers)
      if (!writer->isDone(entry.first))
        return first;
    if (!parts[i].readers.empty())
      first = i + 1;
  }
  return first;
}

llvm::Error Calibration::runSequences(uint32_t index, PartRunner &runner,
                                      uint32_t done) {
  bool isHead = parts[index].kind == PartKind::Head;
  uint64_t rows = options.tokens;
  int64_t columns = runner.inputColumns();
  const float *in = nullptr;
  float *out = nullptr;
  if (columns) {
    auto mapped =
        folder->writtenBy(index - 1, uint64_t(columns) * rows * sizeof(float) *
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
    if (report(index, done + s))
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
  return llvm::Error::success();
}

/// Told from the first layer that runs: the others are taken to be as long.
void Calibration::estimate(uint32_t index, double perSequence) {
  if (!rounding && parts[index].kind == PartKind::Layer)
    tell(perSequence * options.sequences + compileSeconds);
}

/// A layer takes so long.
void Calibration::tell(double seconds) {
  if (estimated)
    return;
  estimated = true;
  uint32_t layers = 0;
  for (uint32_t i = stats.resumed; i < parts.size(); ++i)
    layers += parts[i].kind == PartKind::Layer;
  stats.estimatedSeconds = layers * seconds;
  if (options.estimate)
    options.estimate(stats.estimatedSeconds);
}

//===-- all of it ---------------------------------------------------------===//

/// A finished folder has what is asked for.
static llvm::Error checkFinished(StringRef path, bool wantGram) {
  auto statistics = Statistics::open(path);
  if (!statistics)
    return statistics.takeError();
  for (StringRef input : (*statistics)->inputs()) {
    auto found = (*statistics)->of(input);
    if (!found)
      return found.takeError();
    if (wantGram && found->gram.empty())
      return asError(path + ": has statistics without Gram matrices, expected "
                            "them; give another folder, or remove this one");
  }
  return llvm::Error::success();
}

static uint64_t bytesIn(const std::string &folder) {
  uint64_t total = 0, size = 0;
  std::error_code code;
  for (llvm::sys::fs::directory_iterator it(folder, code), end;
       it != end && !code; it.increment(code))
    if (!llvm::sys::fs::file_size(it->path(), size))
      total += size;
  return total;
}

llvm::Error Calibration::run(StringRef text) {
  if (llvm::Error error = prepare(text))
    return error;
  std::string choices =
      options.gram ? "with Gram matrices" : "without Gram matrices";
  if (options.sequential) {
    auto made = PartRounding::create(compiler, options, origin.model, path);
    if (!made)
      return made.takeError();
    rounding = std::move(*made);
    origin.rounding = rounding->recipe();
    choices +=
        ", layers rounded by " + sha256Hex(origin.rounding).substr(0, 16);
  }
  auto opened = CalibrationFolder::open(path, choices);
  if (!opened)
    return opened.takeError();
  folder = std::move(*opened);
  auto made = StatisticsWriter::create(path, origin);
  if (!made)
    return made.takeError();
  writer = std::move(*made);
  if (llvm::Error error = folder->begin(choices))
    return error;
  for (const Part &part : parts)
    stats.inputs += uint32_t(part.readers.size());
  stats.parts = uint32_t(parts.size());
  stats.resumed = firstToRun();
  for (uint32_t i = stats.resumed; i < parts.size(); ++i)
    if (llvm::Error error = runPart(i))
      return error;
  if (!writer->isComplete())
    if (llvm::Error error = writer->finish())
      return error;
  folder->finish();
  if (llvm::Error error = checkFinished(path, options.gram))
    return error;
  stats.bytes = bytesIn(path);
  report(parts.size(), 0);
  return llvm::Error::success();
}

Result<CalibrateStats> adze::calibrate(const std::string &model,
                                       const std::string &text,
                                       const std::string &folder,
                                       const CalibrateOptions &given) {
  auto start = Clock::now();
  AnonymousPeak memory;
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
  CompileOptions import = withoutCompression(options);
  Calibration *running = nullptr;
  if (options.progress)
    import.progress = [&](const char *stage, uint64_t done, uint64_t total) {
      StringRef name = stage;
      if (running && (name == "scale" || name == "round"))
        return running->reportPass(name, done, total);
      return name == "rotate" && options.progress(stage, done, total);
    };
  if (import.store.empty())
    import.store = folder + "/weights";
  CalibrateStats stats;
  stats.sequences = options.sequences;
  stats.tokens = options.tokens;
  ModelCompiler compiler(import);
  if (llvm::Error error = compiler.load(model))
    return toError(std::move(error));
  Calibration calibration(compiler, options, folder, stats);
  running = &calibration;
  if (llvm::Error error = calibration.run(text))
    return toError(std::move(error));
  stats.warnings = compiler.stats().warnings;
  stats.peakAnonBytes = memory.bytes();
  stats.peakRssBytes = peakResidentBytes();
  stats.seconds = since(start);
  return stats;
}
