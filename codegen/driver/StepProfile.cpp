// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. A tap costs its thread a look at the clock: phases are cut
// where all threads meet, and thread 0 takes the time there.

#include "StepProfile.h"
#include "LinkModel.h"
#include "Measure.h"
#include "ModelCompiler.h"
#include "Schedule.h"
#include "adze/Dialect/Adze/Adze.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <algorithm>
#include <chrono>
#include <cstdlib>

using namespace mlir;
using namespace adze;
namespace json = llvm::json;

namespace {

constexpr llvm::StringLiteral kEntry = "profile";
using Clock = std::chrono::steady_clock;

//===-- the entry ---------------------------------------------------------===//

/// Puts a tap behind each phase of functions that it copies.
class Tapper {
public:
  std::vector<PhaseTime> phases;

  func::FuncOp copy(func::FuncOp function, StringRef name) {
    func::FuncOp made = function.clone();
    made.setName(name);
    SymbolTable(function->getParentOfType<ModuleOp>()).insert(made);
    return made;
  }

  /// `first` and `runs` are of the layers that the function is called for.
  void tap(func::FuncOp function, int64_t first, int64_t runs) {
    Block &block = function.getBody().front();
    SmallVector<LaunchOp> pending;
    for (Operation &op : llvm::make_early_inc_range(block)) {
      if (auto launch = dyn_cast<LaunchOp>(op))
        pending.push_back(launch);
      bool isEnd = op.hasTrait<OpTrait::IsTerminator>();
      if ((isa<BarrierOp>(op) || isEnd) && !pending.empty()) {
        OpBuilder builder(&op);
        if (!isEnd)
          builder.setInsertionPointAfter(&op);
        close(builder, pending, first, runs);
        pending.clear();
      }
      if (auto call = dyn_cast<CallLayersOp>(op)) {
        auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(
            call, call.getCalleeAttr());
        func::FuncOp tapped =
            copy(callee, (callee.getName() + "." + kEntry).str());
        call.setCallee(tapped.getName());
        tap(tapped, int64_t(call.getFirst()), int64_t(call.getCount()));
      }
    }
  }

private:
  void close(OpBuilder &builder, ArrayRef<LaunchOp> launches, int64_t first,
             int64_t runs) {
    PhaseTime phase;
    phase.first = first;
    phase.runs = runs;
    for (LaunchOp launch : launches)
      add(launch, phase);
    LaunchOp last = launches.back();
    TapBufferOp::create(builder, last.getLoc(), last.getBuffers().front(),
                        builder.getStringAttr(std::to_string(phases.size())),
                        DomainAttr::get(builder.getContext(), Domain::Tokens),
                        last.getFrame());
    phases.push_back(std::move(phase));
  }

  void add(LaunchOp launch, PhaseTime &phase) {
    auto kernel = SymbolTable::lookupNearestSymbolFrom<KernelOp>(
        launch, launch.getKernelAttr());
    auto append = [](std::string &text, const std::string &more) {
      if (!more.empty() && text != more)
        text += (text.empty() ? "" : " + ") + more;
    };
    append(phase.source, joinNames(namesOf(launch.getLoc())));
    append(phase.op, stringifyKernelFamily(kernel.getFamily()).str());
    if (kernel.getFamily() == KernelFamily::Embed || !launch.getWeightsAttr())
      return; // of a table a step reads one row
    for (Attribute attr : launch.getWeightsAttr()) {
      WeightType type =
          lookupWeight(launch, cast<FlatSymbolRefAttr>(attr)).getWeightType();
      phase.weightBytes += type.getStorageBytes();
      if (!type.isVector())
        append(phase.format,
               FormatAttrInterface(type.getFormat()).getFormatName());
    }
  }
};

//===-- running it --------------------------------------------------------===//

llvm::Error asError(const adze::Error &error) {
  return llvm::createStringError(error.text());
}

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

class Runner {
public:
  explicit Runner(StepProfile &profile) : profile(profile) {}

  llvm::Error run(const Model &model);

private:
  llvm::Error open(const Model &model);
  llvm::Error prompt();
  llvm::Expected<std::vector<double>>
  repeat(llvm::function_ref<llvm::Error()> one);
  llvm::Error step(uint32_t count);
  llvm::Error profiledStep();
  static void onTap(const char *name, const float *, int64_t, int64_t,
                    void *user) {
    auto *self = static_cast<Runner *>(user);
    auto now = Clock::now();
    self->profile.phases[size_t(std::atoi(name))].seconds +=
        std::chrono::duration<double>(now - self->last).count();
    self->last = now;
  }

  /// Steps that count, after those that warm up.
  static constexpr int kWarm = 2, kLeast = 5, kMost = 64, kRounds = 3;
  static constexpr double kSeconds = 0.3;

  StepProfile &profile;
  std::unique_ptr<adze_session, adze::detail::SessionDeleter> session;
  std::vector<float> logits;
  Clock::time_point last;
  uint32_t position = 0;
};

} // namespace

llvm::Error Runner::open(const Model &model) {
  int64_t context = 0;
  if (adze_model_integer(model.c(), "context", &context) || context <= 0)
    context = kProfileContext;
  constexpr uint32_t room = kWarm + kMost;
  profile.context = uint32_t(
      std::min<int64_t>(kProfileContext, std::max<int64_t>(1, context - room)));
  adze_session_options o = {};
  o.size = sizeof o;
  o.context = uint32_t(std::min<int64_t>(context, profile.context + room));
  o.prefill_chunk = kProfileContext;
  o.threads = profile.threads;
  o.tap = onTap;
  o.user = this;
  adze_memory memory = {};
  memory.size = sizeof memory;
  adze_session *created = nullptr;
  if (adze_memory_plan(model.c(), &o, &memory) ||
      adze_session_create(model.c(), &o, &created))
    return asError(lastError());
  session.reset(created);
  profile.bytesPerToken += uint64_t(memory.kv_per_token) * profile.context;
  logits.resize(adze_session_vocabulary(created));
  return llvm::Error::success();
}

/// Any tokens do.
llvm::Error Runner::step(uint32_t count) {
  std::vector<int32_t> tokens(count);
  for (int32_t &token : tokens)
    token = int32_t(position++ % adze_session_vocabulary(session.get()));
  uint32_t row = count - 1;
  adze_step_input input = {
      sizeof(adze_step_input), 0, tokens.data(), count, &row, 1};
  const float *result = nullptr;
  if (adze_step(session.get(), &input, 1, &result))
    return asError(lastError());
  return llvm::Error::success();
}

llvm::Error Runner::profiledStep() {
  int32_t token = 0, row = 0;
  auto tensor = [](uint32_t dtype, ArrayRef<int64_t> shape, void *data) {
    adze_tensor t = {};
    t.size = sizeof t;
    t.dtype = dtype;
    t.rank = uint32_t(shape.size());
    llvm::copy(shape, t.shape);
    t.data = data;
    return t;
  };
  adze_tensor args[] = {
      tensor(ADZE_I32, {1}, &token), tensor(ADZE_I32, {1}, &row),
      tensor(ADZE_F32, {1, int64_t(logits.size())}, logits.data())};
  adze_entry_rows rows = {sizeof rows, 0, 1};
  last = Clock::now();
  if (adze_entry_append(session.get(), kEntry.data(), &rows, 1, args, 3))
    return asError(lastError());
  return llvm::Error::success();
}

llvm::Error Runner::prompt() {
  if (adze_sequence_rewind(session.get(), 0, 0))
    return asError(lastError());
  auto start = Clock::now();
  if (llvm::Error error = step(profile.context))
    return error;
  profile.prefillSeconds = since(start);
  return llvm::Error::success();
}

/// Calls `one` again and again, from the end of the prompt on; gives the times.
llvm::Expected<std::vector<double>>
Runner::repeat(llvm::function_ref<llvm::Error()> one) {
  std::vector<double> times;
  if (adze_sequence_rewind(session.get(), 0, profile.context))
    return asError(lastError());
  for (auto begin = Clock::now();
       int(times.size()) < kWarm + kLeast ||
       (int(times.size()) < kWarm + kMost && since(begin) < kSeconds);) {
    auto start = Clock::now();
    if (llvm::Error error = one())
      return std::move(error);
    times.push_back(since(start));
  }
  times.erase(times.begin(), times.begin() + kWarm);
  return times;
}

llvm::Error Runner::run(const Model &model) {
  if (llvm::Error error = open(model))
    return error;
  auto variant = model.info("variant");
  bool wide = variant && StringRef(*variant).contains("x86-64-v4");
  auto measure = Measure::create(profile.threads, profile.bytesPerToken,
                                 wide ? Dot::F32Avx512 : Dot::F32Avx2);
  if (!measure)
    return asError(measure.error());
  for (int i = 0; i < 2; ++i) // the first brings pages in
    if (llvm::Error error = prompt())
      return error;
  // The speed of memory changes while this runs: each round goes by its own.
  std::vector<double> seconds, work;
  double before = measure->readRate();
  for (int round = 0; round < kRounds; ++round) {
    auto times = repeat([&] { return step(1); });
    if (!times)
      return times.takeError();
    double after = measure->readRate();
    seconds.push_back(median(*times));
    work.push_back(seconds.back() * (before + after) / 2);
    before = after;
  }
  profile.seconds = median(seconds);
  profile.readRate = median(work) / profile.seconds;
  if (profile.phases.empty())
    return llvm::Error::success();
  for (PhaseTime &phase : profile.phases)
    phase.seconds = 0;
  auto times = repeat([&] { return profiledStep(); });
  if (!times)
    return times.takeError();
  for (PhaseTime &phase : profile.phases)
    phase.seconds /= double(times->size() + kWarm);
  return llvm::Error::success();
}

std::vector<PhaseTime> adze::addProfileEntry(ModuleOp scheduled) {
  Tapper tapper;
  if (func::FuncOp entry = mainEntry(scheduled))
    tapper.tap(tapper.copy(entry, kEntry), /*first=*/-1, /*runs=*/1);
  return std::move(tapper.phases);
}

llvm::Expected<StepProfile> adze::profileStep(ModelCompiler &compiler,
                                              unsigned threads) {
  StepProfile profile;
  profile.threads = threads ? threads : adze_default_threads();
  compiler.editSchedule(
      [&](ModuleOp scheduled) { profile.phases = addProfileEntry(scheduled); });
  if (llvm::Error error = compiler.generate())
    return std::move(error);
  for (const PhaseTime &phase : profile.phases)
    profile.bytesPerToken += uint64_t(phase.weightBytes * phase.runs);
  auto model = linkModel(compiler, /*standIn=*/true);
  if (!model)
    return asError(model.error());
  if (llvm::Error error = Runner(profile).run(*model))
    return std::move(error);
  return profile;
}

llvm::Expected<StepProfile>
adze::timeModel(const Model &model, unsigned threads, uint64_t bytesPerToken) {
  StepProfile profile;
  profile.threads = threads ? threads : adze_default_threads();
  profile.bytesPerToken = bytesPerToken;
  if (llvm::Error error = Runner(profile).run(model))
    return std::move(error);
  return profile;
}

json::Object adze::profileJson(const StepProfile &profile) {
  json::Array phases;
  for (const PhaseTime &phase : profile.phases) {
    json::Object object{{"source", phase.source},
                        {"op", phase.op},
                        {"weight_bytes", phase.weightBytes},
                        {"runs", phase.runs},
                        {"seconds", phase.seconds}};
    if (!phase.format.empty())
      object["format"] = phase.format;
    if (phase.first >= 0)
      object["first_layer"] = phase.first;
    phases.push_back(std::move(object));
  }
  return json::Object{{"seconds_per_token", profile.seconds},
                      {"prefill_seconds", profile.prefillSeconds},
                      {"context", int64_t(profile.context)},
                      {"threads", int64_t(profile.threads)},
                      {"bytes_per_token", int64_t(profile.bytesPerToken)},
                      {"read_rate", profile.readRate},
                      {"phases", std::move(phases)}};
}
