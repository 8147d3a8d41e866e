// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One compilation; see the header.
//
// Kernels are built once for all variants that can share their code
// (KernelPool.h), and all modules of all variants are compiled in parallel.

#include "ModelCompiler.h"
#include "KernelPool.h"
#include "PartRounding.h"
#include "Proof.h"
#include "Schedule.h"
#include "adze/Codegen/KernelLowering.h"
#include "adze/Codegen/ObjectEmitter.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "adze/Frontend/CheckpointSource.h"
#include "adze/Frontend/Importer.h"
#include "adze/Frontend/ModuleFile.h"
#include "adze/Frontend/Tokenizer.h"
#include "adze/InitAll.h"
#include "adze/Interpreter/Interpreter.h"
#include "adze/PluginLoader.h"
#include "adze/Transforms/Activations.h"
#include "adze/Transforms/ChooseSparse.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Pipelines.h"
#include "adze/Transforms/Progress.h"
#include "adze/Transforms/Rounding.h"
#include "adze/Weights/Statistics.h"
#include "adze/Weights/WeightTable.h"
#include "adze/abi.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Threading.h"
#include <chrono>
#include <map>

using namespace mlir;
using namespace adze;

namespace {

class Stopwatch {
public:
  explicit Stopwatch(double &seconds) : seconds(seconds) {}
  ~Stopwatch() {
    seconds +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
            .count();
  }

private:
  double &seconds;
  std::chrono::steady_clock::time_point start =
      std::chrono::steady_clock::now();
};

} // namespace

static llvm::Error asError(const llvm::Twine &message) {
  return llvm::createStringError(message);
}

/// CompileOptions::progress said so.
static llvm::Error stopped() {
  return llvm::createStringError(
      std::make_error_code(std::errc::operation_canceled),
      WorkProgress::stopped().data());
}

ModelCompiler::ModelCompiler(const CompileOptions &options) : options(options) {
  registerAllPasses();
  static const bool upstream = (mlir::registerTransformsPasses(), true);
  (void)upstream;
  DialectRegistry registry;
  registerAllDialects(registry);
  // Before the context is made, so that it knows their dialects.
  std::vector<std::string> places;
  for (const std::string &plugin : options.plugins)
    if (llvm::Error error = loadPlugin(plugin, registry, places))
      pluginProblems.push_back(llvm::toString(std::move(error)));
  inserted = mergeInserts(places, options.insert);
  context = std::make_unique<MLIRContext>(registry);
  loadKernelDialects(*context);
  (void)collectRemarks(*context, said); // fails only where it was done before
  if (options.progress)
    context->registerActionHandler(
        [this](llvm::function_ref<void()> run, const tracing::Action &action) {
          auto *progress = llvm::dyn_cast<ProgressAction>(&action);
          if (progress && report(progress->getStage().data(),
                                 progress->getDone(), ProgressAction::kTotal))
            isStopped = true;
          else
            run();
        });
  context->getDiagEngine().registerHandler([this](mlir::Diagnostic &diag) {
    if (diag.getSeverity() == DiagnosticSeverity::Remark)
      return;
    std::string message;
    llvm::raw_string_ostream os(message);
    std::string place = placeOf(diag.getLocation());
    if (!place.empty())
      os << place << ": ";
    os << diag;
    for (mlir::Diagnostic &note : diag.getNotes()) {
      std::string text = note.str();
      // An op helps to find a mistake where nothing else says which one it is;
      // all of them, which a module is, do not.
      StringRef op = text;
      if (op.consume_front("see current operation:")) {
        op = op.trim();
        if (!place.empty() || op.starts_with("module") ||
            op.starts_with("\"builtin.module\""))
          continue;
      }
      os << "\n  note: " << text;
    }
    if (diag.getSeverity() == DiagnosticSeverity::Warning)
      numbers.warnings.push_back(message);
    else
      messages.push_back(message);
  });
}

ModelCompiler::~ModelCompiler() {
  // The module and the evaluator's inputs go before the context.
  moduleRef = nullptr;
  source = nullptr;
  if (!ownStore.empty())
    llvm::sys::fs::remove_directories(ownStore);
}

llvm::Error ModelCompiler::diagnosed(const llvm::Twine &fallback) {
  if (messages.empty())
    return asError(fallback);
  // What is wrong with one layer is often wrong with all of them.
  constexpr size_t kMost = 8;
  size_t more = messages.size() > kMost ? messages.size() - kMost : 0;
  messages.resize(messages.size() - more);
  if (more)
    messages.push_back("and " + std::to_string(more) + " more");
  std::string all = llvm::join(messages, "\n");
  messages.clear();
  return asError(all);
}

bool ModelCompiler::report(const char *stage, uint64_t done, uint64_t total) {
  return options.progress && options.progress(stage, done, total);
}

//===-- load --------------------------------------------------------------===//

llvm::Error ModelCompiler::load(StringRef path) {
  Stopwatch watch(numbers.importSeconds);
  if (!pluginProblems.empty())
    return asError(llvm::join(pluginProblems, "\n"));
  if (report("import", 0, 1))
    return stopped();
  StringRef extension = llvm::sys::path::extension(path);
  bool isModule = extension == ".mlir" || extension == ".mlirbc";
  if (isModule) {
    auto loaded = loadModuleFile(*context, path);
    if (!loaded) {
      llvm::Error error = loaded.takeError();
      if (messages.empty())
        return error;
      llvm::consumeError(std::move(error));
      return diagnosed("cannot read " + path);
    }
    moduleRef = std::move(loaded->module);
    source = std::move(loaded->weights);
    tableSource = static_cast<WeightTable *>(source.get());
    return llvm::Error::success();
  }

  Diagnostics diags;
  auto opened = Checkpoint::open(path, diags);
  if (!opened)
    return opened.takeError();
  checkpoint = std::make_unique<Checkpoint>(std::move(*opened));
  ImportOptions import;
  import.kvType = options.kv;
  if (import.kvType.empty() && !options.weights.empty())
    import.kvType = options.weights == "f32" ? "f32" : "bf16";
  auto imported = importModel(*context, *checkpoint, import, diags);
  if (!imported)
    return imported.takeError();
  moduleRef = std::move(*imported);
  source = std::make_unique<CheckpointSource>(*checkpoint);
  for (const adze::Diagnostic &diag : diags.all())
    numbers.warnings.push_back(diag.str());

  // The tokenizer goes along where there is one.
  llvm::Expected<std::string> table = std::string();
  if (const GgufVocab *vocab = checkpoint->vocab())
    table = buildTextTable(*vocab, llvm::sys::path::filename(path),
                           &numbers.warnings);
  else if (hasTokenizerFiles(path))
    table = buildTextTable(path, &numbers.warnings);
  else
    numbers.warnings.push_back(
        (path + ": no tokenizer found; the model takes token ids only").str());
  if (!table)
    return table.takeError();
  text = std::move(*table);
  return llvm::Error::success();
}

llvm::Error ModelCompiler::adopt(OwningOpRef<ModuleOp> module,
                                 std::unique_ptr<WeightSource> weights) {
  if (!pluginProblems.empty())
    return asError(llvm::join(pluginProblems, "\n"));
  moduleRef = std::move(module);
  source = std::move(weights);
  return llvm::Error::success();
}

llvm::Error ModelCompiler::writeTable(StringRef path) {
  // A table of a module, or of a weight store, seen from the new place.
  WeightTable *table = tableSource;
  if (!table)
    return checkpoint ? writeCheckpointTable(*checkpoint, path)
                      : llvm::Error::success();
  std::vector<WeightTableEntry> entries(table->entries());
  StringRef folder = llvm::sys::path::parent_path(table->path());
  for (WeightTableEntry &entry : entries) {
    llvm::SmallString<256> file;
    if (!llvm::sys::path::is_absolute(entry.file))
      file = folder;
    llvm::sys::path::append(file, entry.file);
    entry.file = weightTablePath(path, file);
  }
  return writeWeightTable(path, entries);
}

//===-- optimize ----------------------------------------------------------===//

llvm::Error ModelCompiler::runPasses(ModuleOp module, StringRef pipeline) {
  PassManager manager(context.get());
  std::string problem;
  llvm::raw_string_ostream os(problem);
  auto lock = lockPassRegistry();
  if (failed(parsePassPipeline(pipeline, manager, os)))
    return asError("cannot make the pass \"" + pipeline + "\": " + problem);
  lock.unlock();
  if (source)
    lendWeights(manager, module, *source);
  bool isDone = succeeded(manager.run(module));
  if (isStopped) {
    messages.clear(); // those of the pass that was stopped
    return stopped();
  }
  if (!isDone)
    return diagnosed("the pass pipeline \"" + pipeline + "\" failed");
  return llvm::Error::success();
}

llvm::Expected<llvm::SmallVector<const TargetVariant *>>
adze::targetsOf(const CompileOptions &options) {
  return resolveTargets(options.target.empty() ? "all" : options.target);
}

/// Layers of a sequential calibration read what layers rounded as it says give.
static void warnOfOtherRounding(const CompileOptions &options,
                                std::vector<std::string> &warnings) {
  if (options.calibration.empty() || options.weights.empty())
    return;
  auto statistics = Statistics::open(options.calibration);
  if (!statistics) { // the passes say what is wrong with them
    llvm::consumeError(statistics.takeError());
    return;
  }
  const std::string &made = (*statistics)->origin().rounding;
  std::string own = roundingName(options);
  if (!made.empty() && made != own)
    warnings.push_back(
        options.calibration + ": the calibration saw what layers rounded by " +
        made + " give, and these are rounded by " + own +
        ": calibrate again, or compile with the same --weights and --method");
}

llvm::Expected<std::vector<PipelineStep>>
ModelCompiler::pipelineSteps(StringRef table) {
  if (!pluginProblems.empty())
    return asError(llvm::join(pluginProblems, "\n"));
  PipelineOptions pipeline;
  pipeline.weights = options.weights;
  pipeline.calibration = options.calibration;
  pipeline.method = options.method;
  pipeline.prune = options.prune;
  pipeline.pruneMethod = options.pruneMethod;
  pipeline.pruneAllocate = options.pruneAllocate;
  pipeline.pruneNeurons = options.pruneNeurons;
  pipeline.pruneHeads = options.pruneHeads;
  pipeline.removeDead = options.removeDead;
  pipeline.store = options.store.empty() ? ownStore : options.store;
  if (pipeline.store.empty() && !options.calibration.empty())
    pipeline.store = options.calibration + "/weights";
  pipeline.rotate = options.rotate;
  pipeline.table = table;
  pipeline.activations = options.activations;
  pipeline.disabled = options.disable;
  pipeline.generic = options.generic;
  pipeline.inserted = inserted;
  auto variants = targetsOf(options);
  if (!variants)
    return variants.takeError();
  for (const TargetVariant *variant : *variants)
    pipeline.targets.push_back(variant->name.str());
  pipeline.expectRows = options.expectRows;
  pipeline.kernelRates = options.kernelRates;
  std::vector<PipelineStep> steps;
  std::string problem;
  if (!buildPipeline(pipeline, steps, problem))
    return asError(problem);
  return steps;
}

llvm::Expected<std::string> ModelCompiler::pipeline() {
  auto steps = pipelineSteps();
  if (!steps)
    return steps.takeError();
  return pipelineText(*steps);
}

/// Runs passes. Where one makes weights, they are read from its store then.
llvm::Error ModelCompiler::runPipeline(llvm::ArrayRef<std::string> passes) {
  Attribute before = (*moduleRef)->getAttr(kTableAttrName);
  if (llvm::Error error = runPasses(*moduleRef, llvm::join(passes, ",")))
    return error;
  auto after = (*moduleRef)->getAttrOfType<StringAttr>(kTableAttrName);
  if (!after || after == before)
    return llvm::Error::success();
  auto opened = WeightTable::open(after.getValue());
  if (!opened)
    return opened.takeError();
  tableSource = opened->get();
  source = std::move(*opened);
  return llvm::Error::success();
}

/// Elements of the tensors that the module reads, before anything is padded,
/// merged or stored twice.
static int64_t countParameters(ModuleOp module) {
  int64_t count = 0;
  for (auto weight : module.getOps<WeightOp>()) {
    if (!weight.isSource() && !getUnpack(weight))
      continue;
    WeightType type = weight.getWeightType();
    count += int64_t(weight.getLayerIndices().size()) * type.getRows() *
             (type.isVector() ? 1 : type.getCols());
  }
  return count;
}

llvm::Error ModelCompiler::optimize(StringRef untilPoint) {
  Stopwatch watch(numbers.optimizeSeconds);
  parameters = countParameters(*moduleRef);
  // Passes that read weights read them by a table. That of a checkpoint is
  // written for them, and goes when they are done.
  llvm::SmallString<256> table;
  llvm::FileRemover remover;
  if ((makesWeights() || mixedBudget(options.weights)) && source) {
    if (std::error_code code =
            llvm::sys::fs::createTemporaryFile("adze-weights", "json", table))
      return asError("cannot make a temporary file: " + code.message());
    remover.setFile(table);
    if (llvm::Error error = writeTable(table))
      return error;
  }
  if (makesWeights() && options.calibration.empty() && options.store.empty() &&
      ownStore.empty()) {
    llvm::SmallString<256> folder;
    if (std::error_code code =
            llvm::sys::fs::createUniqueDirectory("adze-weights", folder))
      return asError("cannot make a temporary folder: " + code.message());
    ownStore = folder.str().str();
  }
  auto steps = pipelineSteps(table);
  if (!steps)
    return steps.takeError();
  std::vector<std::string> passes;
  bool stopping = false, found = untilPoint.empty();
  for (const PipelineStep &step : *steps) {
    // Passes inserted at the point still run; the next of ours ends it.
    if (stopping && !step.extensionPoint.empty())
      break;
    if (step.extensionPoint == untilPoint && !untilPoint.empty()) {
      stopping = found = true;
      continue;
    }
    if (stopping) {
      bool isInserted = llvm::any_of(inserted, [&](StringRef text) {
        return text.split(':').first == untilPoint &&
               text.split(':').second == step.pass;
      });
      if (!isInserted)
        break;
    }
    if (!step.pass.empty())
      passes.push_back(step.pass);
  }
  if (!found)
    return asError("\"" + untilPoint + "\" is no extension point: expected " +
                   llvm::join(extensionPoints(), ", "));
  if (report("optimize", 0, 1))
    return stopped();
  warnOfOtherRounding(options, numbers.warnings);
  if (passes.empty())
    return llvm::Error::success();
  if (llvm::Error error = runPipeline(passes))
    return error;
  bool rounds =
      moduleRef->walk([](QuantizeOp) { return WalkResult::interrupt(); })
          .wasInterrupted();
  if (untilPoint.empty() && !rounds && activationGroup(options.activations))
    numbers.warnings.push_back(
        "activations " + options.activations +
        " are for integer weights, and no linear has any: nothing is rounded "
        "(--weights=int8 makes them)");
  return llvm::Error::success();
}

//===-- generate ----------------------------------------------------------===//

/// What makes the schedules of two variants differ.
bool ModelCompiler::usesBF16Dot(const TargetVariant &variant) const {
  return variant.kernel.hasBF16Dot && options.activations != "f32";
}

llvm::Expected<OwningOpRef<ModuleOp>>
ModelCompiler::scheduleFor(const TargetVariant &variant) {
  OwningOpRef<ModuleOp> scheduled = moduleRef->clone();
  std::string pass = "adze-schedule{bf16-dot=";
  pass += usesBF16Dot(variant) ? "true" : "false";
  if (!options.generic.empty())
    pass += " generic=" + llvm::join(options.generic, ",");
  pass += "}";
  if (llvm::Error error = runPasses(*scheduled, pass))
    return std::move(error);
  return scheduled;
}

llvm::Error ModelCompiler::readEntries(ModuleOp scheduled) {
  for (auto func : scheduled.getOps<func::FuncOp>()) {
    if (!func->hasAttr(kEntryAttrName))
      continue;
    ArtefactEntry entry;
    entry.name = func.getName().str();
    entry.results =
        uint32_t(func->getAttrOfType<IntegerAttr>("adze.results").getInt());
    for (StringRef symbol : func->getAttrOfType<ArrayAttr>("adze.symbols")
                                .getAsValueRange<StringAttr>())
      entry.symbols.push_back(symbol.str());
    for (auto dict : func->getAttrOfType<ArrayAttr>("adze.abi")
                         .getAsRange<DictionaryAttr>()) {
      ArtefactArg arg;
      arg.name = dict.getAs<StringAttr>("name").str();
      Type type = dict.getAs<TypeAttr>("type").getValue();
      arg.dtype = type.isF32()         ? ADZE_F32
                  : type.isInteger(32) ? ADZE_I32
                  : type.isF64()       ? ADZE_F64
                  : type.isInteger(64) ? ADZE_I64
                  : type.isInteger(8)  ? ADZE_I8
                  : type.isBF16()      ? ADZE_BF16
                  : type.isF16()       ? ADZE_F16
                                       : 0;
      if (!arg.dtype) {
        std::string printed;
        llvm::raw_string_ostream(printed) << type;
        return asError("entry " + entry.name + ": argument " + arg.name +
                       " has element type " + printed +
                       "; expected f32, f16, bf16, f64, i8, i32 or i64");
      }
      auto constants = dict.getAs<DenseI64ArrayAttr>("constants");
      for (auto [i, symbol] :
           llvm::enumerate(dict.getAs<ArrayAttr>("symbols")
                               .getAsValueRange<StringAttr>())) {
        auto it = llvm::find(entry.symbols, symbol.str());
        arg.shape.push_back(symbol.empty()
                                ? constants[i]
                                : ~int64_t(it - entry.symbols.begin()));
      }
      entry.args.push_back(std::move(arg));
    }
    entries.push_back(std::move(entry));
  }
  if (entries.empty())
    return asError("the module has no entry: expected a public func.func with "
                   "the attribute adze.entry");
  return llvm::Error::success();
}

/// The index of this plan in `plans`, where each is once.
size_t ModelCompiler::addPlan(llvm::json::Object plan) {
  auto known = llvm::find_if(plans, [&](const llvm::json::Value &value) {
    llvm::json::Object other(*value.getAsObject());
    other.erase("variants");
    return other == plan;
  });
  if (known != plans.end())
    return size_t(known - plans.begin());
  plan["variants"] = llvm::json::Array();
  plans.push_back(std::move(plan));
  return plans.size() - 1;
}

llvm::Error ModelCompiler::generate(EmitKind kind) {
  Stopwatch watch(numbers.codegenSeconds);
  auto resolved = targetsOf(options);
  if (!resolved)
    return resolved.takeError();
  targets = *resolved;
  code.clear();
  entries.clear();
  plans.clear();

  if (kind != EmitKind::Object)
    targets.resize(1);

  KernelPool kernels(targets);
  std::vector<OwningOpRef<ModuleOp>> glues; // alive until all are compiled
  std::vector<EmitJob> jobs;
  auto addJob = [&](ModuleOp module, const TargetVariant *target) {
    EmitOptions emit;
    emit.kind = kind;
    emit.symbolSuffix = KernelPool::suffix(*target);
    emit.hideSymbols = true;
    jobs.push_back({module, target, emit});
  };
  std::array<OwningOpRef<ModuleOp>, 2> schedules; // without and with bf16 dots
  std::array<std::optional<size_t>, 2> planOf;    // of each
  struct Called {
    ModuleOp schedule;
    KernelSymbols symbols;
  };
  std::vector<Called> calledBy; // of each variant
  // The weakest first: others may find that they would have the same code.
  for (const TargetVariant *target : llvm::reverse(targets)) {
    if (report("codegen", code.size(), targets.size()))
      return stopped();
    OwningOpRef<ModuleOp> &scheduled = schedules[usesBF16Dot(*target)];
    if (!scheduled) {
      size_t before = said.size();
      auto made = scheduleFor(*target);
      if (!made)
        return made.takeError();
      scheduled = std::move(*made);
      if (func::FuncOp entry = mainEntry(*scheduled))
        planOf[usesBF16Dot(*target)] = addPlan(describeSchedule(entry, said));
      said.resize(before); // the other schedule has remarks of its own
    }
    if (entries.empty())
      if (llvm::Error error = readEntries(*scheduled))
        return error;
    if (auto plan = planOf[usesBF16Dot(*target)])
      plans[*plan]
          .getAsObject()
          ->getArray("variants")
          ->push_back(target->name.str());
    Called called{*scheduled, {}};
    for (auto kernel : scheduled->getOps<KernelOp>()) {
      auto symbol = kernels.add(kernel, *target);
      if (failed(symbol))
        return diagnosed("building kernel " + kernel.getSymName() + " failed");
      called.symbols[kernel.getSymName()] = *symbol;
    }
    ArtefactVariant variant;
    variant.target = target;
    for (auto [other, its] : llvm::zip(code, calledBy))
      if (target->sharesCode(*other.target, {}) &&
          its.schedule == called.schedule && its.symbols == called.symbols)
        variant.entries = other.entries;
    if (variant.entries.empty()) {
      SmallVector<LoweredEntry> lowered;
      auto glue =
          lowerSchedule(*scheduled, called.symbols, target->kernel, lowered);
      if (failed(glue))
        return diagnosed("lowering the schedule failed");
      for (LoweredEntry &entry : lowered) {
        entry.symbol += KernelPool::suffix(*target);
        variant.entries.push_back(entry);
      }
      addJob(**glue, target);
      glues.push_back(std::move(*glue));
    }
    code.push_back(std::move(variant));
    calledBy.push_back(std::move(called));
  }
  std::reverse(code.begin(), code.end());
  for (KernelPool::Unit unit : kernels.units())
    addJob(unit.module, unit.variant);
  if (failed(emitModules(jobs, options.threads)))
    return diagnosed("code generation failed");
  for (EmitJob &job : jobs) {
    size_t variant = llvm::find(targets, job.variant) - targets.begin();
    code[variant].objects.push_back(std::move(job.result));
  }
  return llvm::Error::success();
}

llvm::Expected<OwningOpRef<ModuleOp>> ModelCompiler::schedule() {
  auto resolved = targetsOf(options);
  if (!resolved)
    return resolved.takeError();
  targets = *resolved;
  return scheduleFor(*targets.front());
}

llvm::Expected<OwningOpRef<ModuleOp>> ModelCompiler::buildKernels() {
  auto scheduled = schedule();
  if (!scheduled)
    return scheduled.takeError();
  OwningOpRef<ModuleOp> all = ModuleOp::create((*scheduled)->getLoc());
  for (auto kernel : (*scheduled)->getOps<KernelOp>()) {
    OpBuilder outer = OpBuilder::atBlockEnd(all->getBody());
    auto one = ModuleOp::create(outer, kernel.getLoc(), kernel.getSymName());
    OpBuilder builder = OpBuilder::atBlockEnd(one.getBody());
    if (failed(buildKernel(builder, kernel, targets.front()->kernel)))
      return diagnosed("building kernel " + kernel.getSymName() + " failed");
  }
  return all;
}

llvm::Expected<std::vector<double>>
ModelCompiler::interpret(const std::vector<int32_t> &tokens) {
  InterpreterOptions of;
  of.precision = InterpreterOptions::Precision::F32;
  auto interpreter = Interpreter::create(*moduleRef, *source, of);
  if (failed(interpreter))
    return diagnosed("the module cannot be interpreted");
  Batch batch;
  batch.add(/*sequence=*/0, /*first=*/0, tokens);
  auto logits = (*interpreter)->step(batch);
  if (failed(logits))
    return diagnosed("the interpreter failed");
  return std::move(logits->floats);
}

//===-- write -------------------------------------------------------------===//

/// What multiplies each weight with an integer format: inspect says so.
void ModelCompiler::addActivations(llvm::json::Object &meta) {
  llvm::json::Object chosen;
  moduleRef->walk([&](LinearOp op) {
    WeightType type = lookupWeight(op, op.getWeightAttr()).getWeightType();
    if (!isa<IntegerFormatAttrInterface>(
            Attribute(elementFormat(type.getFormat()))))
      return;
    auto quantize = op.getX().getDefiningOp<QuantizeOp>();
    chosen[op.getWeight()] =
        quantize ? activationName(quantize.getGroup(),
                                  bool(quantize.getRangesAttr()))
                 : "f32";
  });
  if (!chosen.empty())
    meta["activations"] = std::move(chosen);
}

/// What the artefact holds, in place of what the checkpoint did: the formats of
/// its matrices, those of most bytes first.
void ModelCompiler::addWeights(llvm::json::Object &meta) {
  std::map<std::string, int64_t> bytes;
  for (auto weight : moduleRef->getOps<WeightOp>()) {
    WeightType type = weight.getWeightType();
    for (int64_t layer : weight.getLayerIndices())
      if (!type.isVector() && weight.getOffset(layer))
        bytes[type.getFormat().getFormatName()] += type.getStorageBytes();
  }
  auto formats = llvm::to_vector(llvm::make_first_range(bytes));
  llvm::sort(formats, [&](const std::string &a, const std::string &b) {
    return std::pair(bytes[b], a) < std::pair(bytes[a], b);
  });
  if (auto before = meta.getString("weights"))
    meta["checkpoint_weights"] = before->str();
  meta["weights"] = llvm::join(formats, ", ");
  meta["parameters"] = parameters;
}

llvm::Expected<ArtefactInput>
ModelCompiler::artefactInput(std::unique_ptr<WeightEvaluator> &evaluator,
                             bool wantsProof) {
  if (source) {
    auto made = WeightEvaluator::create(*moduleRef, *source);
    if (!made)
      return made.takeError();
    evaluator = std::move(*made);
    if (llvm::Error error = evaluator->checkSources())
      return error;
  }
  ArtefactInput input;
  input.module = *moduleRef;
  input.weights = evaluator.get();
  input.variants = std::move(code);
  input.entries = entries;
  input.text = text;
  input.threads = options.threads;
  input.progress = [&](uint64_t done, uint64_t total) {
    return report("pack", done, total);
  };
  llvm::json::Object meta;
  if (auto attr = (*moduleRef)->getAttrOfType<StringAttr>(kMetaAttrName)) {
    auto parsed = llvm::json::parse(attr.getValue().str());
    if (!parsed)
      return asError("the module attribute " + kMetaAttrName +
                     " is no JSON: " + llvm::toString(parsed.takeError()));
    if (auto *object = parsed->getAsObject())
      meta = std::move(*object);
  }
  meta["compiler"] = compilerVersion();
  proofJson = llvm::json::Object{{"version", 1},
                                 {"compiler", compilerVersion()},
                                 {"recipe", recipeJson(options)}};
  for (auto &[key, value] : proofExtra)
    proofJson[key] = value;
  for (auto [key, name] :
       {std::pair<StringRef, StringRef>("scaling", kScalingAttrName),
        std::pair<StringRef, StringRef>("rounding", kRoundingAttrName),
        std::pair<StringRef, StringRef>("ranges", kRangesAttrName),
        std::pair<StringRef, StringRef>("pruning", kPruningAttrName)}) {
    auto report = (*moduleRef)->getAttrOfType<StringAttr>(name);
    if (!report)
      continue;
    auto parsed = llvm::json::parse(report.getValue());
    if (!parsed)
      return asError("the module attribute " + name +
                     " is no JSON: " + llvm::toString(parsed.takeError()));
    proofJson[key] = std::move(*parsed);
  }
  if (auto rules = (*moduleRef)->getAttrOfType<StringAttr>(kFormatsAttrName))
    proofJson["formats"] = rules.getValue().str();
  if (evaluator && wantsProof) {
    auto errors = weightErrors(*moduleRef, *evaluator, options.threads);
    if (!errors)
      return errors.takeError();
    proofJson["errors"] = std::move(*errors);
    if (proofReserve) {
      auto packing = checkPacking(*moduleRef, *evaluator);
      if (!packing)
        return packing.takeError();
      proofJson["packing"] = std::move(*packing);
    }
  }
  llvm::raw_string_ostream(input.proof)
      << llvm::json::Value(llvm::json::Object(proofJson));
  input.proof.append(proofReserve, ' ');
  llvm::raw_string_ostream(input.schedule) << llvm::json::Value(
      llvm::json::Object{{"version", 1}, {"plans", llvm::json::Array(plans)}});
  addActivations(meta);
  addWeights(meta);
  llvm::raw_string_ostream(input.meta) << llvm::json::Value(std::move(meta));
  return input;
}

llvm::Error ModelCompiler::write(StringRef output, bool forStaticLinking) {
  std::unique_ptr<WeightEvaluator> evaluator;
  auto input = artefactInput(evaluator);
  if (!input)
    return input.takeError();
  auto seconds = forStaticLinking ? writeStaticObject(*input, output)
                                  : writeArtefact(*input, output);
  code = std::move(input->variants);
  if (!seconds)
    return seconds.takeError();
  numbers.packSeconds = *seconds;
  if (auto bytes =
          (*moduleRef)->getAttrOfType<IntegerAttr>("adze.weight_bytes"))
    numbers.weightBytes = uint64_t(bytes.getInt());
  uint64_t size = 0;
  if (!llvm::sys::fs::file_size(output, size))
    numbers.artefactBytes = size;
  report("pack", 1, 1);
  return llvm::Error::success();
}
