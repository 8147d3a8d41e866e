// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "StepTiming.h"
#include "Measure.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"
#include <algorithm>
#include <chrono>
#include <cmath>

using namespace adze;
using Clock = std::chrono::steady_clock;

bool adze::isReadWhole(const adze_weight_info &weight) {
  return weight.rows <= 1 || llvm::StringRef(weight.format).contains("/panels");
}

namespace {

// Steps of a burst that count are at least kLeast, after kWarm that bring
// things in; more of them as long as kSeconds allow. Where that is not reached,
// there are more bursts, for kShort.
constexpr int kWarm = 2, kLeast = 3, kMost = 64;
constexpr double kSeconds = 0.3, kShort = 0.05;
// Rounds, and how near the fastest two of each model have to be.
constexpr int kRounds = 3, kMostRounds = 8;
constexpr double kNear = 1.1;
// Reads before and after a round: the best counts, as of the rounds. They last
// as long as ten passes over what a step reads take at kSlowRead, within
// bounds: small models are read often enough in little time.
constexpr int kReads = 2;
constexpr double kSlowRead = 2e9, kLeastRead = 0.01, kMostRead = 0.08;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// One model with a session, and what was seen of it.
class Runner {
public:
  Result<void> open(const Model &model, unsigned threads);
  /// A prompt from the start of the sequence.
  Result<void> prompt();
  /// Steps of one token behind it, with the reads before and after.
  Result<void> round();
  /// Whether a second round was as fast as the fastest.
  bool isSteady() const;
  StepTiming timing() const {
    StepTiming timing = result;
    timing.isDisturbed = !isSteady();
    return timing;
  }

private:
  Result<void> step(uint32_t count);
  /// The median time of a step.
  Result<double> burst();
  double readRate();

  std::unique_ptr<adze_session, adze::detail::SessionDeleter> session;
  std::optional<Measure> measure;
  StepTiming result;
  uint32_t room = 0; // positions behind the prompt
  uint32_t token = 0;
  std::vector<double> rounds; // seconds of a step in each
};

} // namespace

Result<void> Runner::open(const Model &model, unsigned threads) {
  int64_t context = 0;
  if (adze_model_integer(model.c(), "context", &context) || context < 2)
    context = kTimingContext + kMost;
  room = uint32_t(std::min<int64_t>(kWarm + kMost, context / 2));
  result.context = uint32_t(std::min<int64_t>(kTimingContext, context - room));
  adze_session_options o = {};
  o.size = sizeof o;
  o.context = result.context + room;
  o.prefill_chunk = kTimingContext;
  o.threads = threads;
  adze_memory memory = {};
  memory.size = sizeof memory;
  adze_session *created = nullptr;
  if (adze_memory_plan(model.c(), &o, &memory) ||
      adze_session_create(model.c(), &o, &created))
    return lastError();
  session.reset(created);
  result.bytesPerToken = uint64_t(memory.kv_per_token) * result.context;
  for (size_t i = 0; i < adze_model_weight_count(model.c()); ++i) {
    adze_weight_info weight = {};
    weight.size = sizeof weight;
    if (!adze_model_weight(model.c(), i, &weight) && isReadWhole(weight))
      result.bytesPerToken += weight.bytes;
  }
  auto variant = model.info("variant");
  bool wide = variant && llvm::StringRef(*variant).contains("x86-64-v4");
  auto made = Measure::create(threads, result.bytesPerToken,
                              wide ? Dot::F32Avx512 : Dot::F32Avx2);
  if (!made)
    return made.error();
  measure.emplace(std::move(*made));
  return prompt(); // the first brings pages in
}

/// Any tokens do.
Result<void> Runner::step(uint32_t count) {
  std::vector<int32_t> tokens(count);
  for (int32_t &id : tokens)
    id = int32_t(token++ % adze_session_vocabulary(session.get()));
  uint32_t row = count - 1;
  adze_step_input input = {
      sizeof(adze_step_input), 0, tokens.data(), count, &row, 1};
  const float *logits = nullptr;
  if (adze_step(session.get(), &input, 1, &logits))
    return lastError();
  return {};
}

Result<void> Runner::prompt() {
  if (adze_sequence_rewind(session.get(), 0, 0))
    return lastError();
  auto start = Clock::now();
  auto done = step(result.context);
  result.prefillSeconds = since(start);
  return done;
}

Result<double> Runner::burst() {
  if (adze_sequence_rewind(session.get(), 0, result.context))
    return lastError();
  std::vector<double> times;
  auto begin = Clock::now();
  for (int i = 0; i < int(room); ++i) {
    if (i >= kWarm + kLeast && since(begin) > kSeconds)
      break;
    auto start = Clock::now();
    if (auto done = step(1); !done)
      return done.error();
    if (i >= kWarm || i + 1 == int(room))
      times.push_back(since(start));
  }
  return median(times);
}

double Runner::readRate() {
  double most = 0;
  double seconds = std::clamp(10 * double(result.bytesPerToken) / kSlowRead,
                              kLeastRead, kMostRead);
  for (int i = 0; i < kReads; ++i)
    most = std::max(most, measure->readRate(seconds));
  return most;
}

Result<void> Runner::round() {
  double rate = readRate(), least = INFINITY;
  auto begin = Clock::now();
  do {
    auto now = burst();
    if (!now)
      return now.error();
    least = std::min(least, *now);
  } while (since(begin) < kShort);
  rate = std::max(rate, readRate());
  if (rounds.empty() || least < result.seconds) {
    result.seconds = least;
    result.readRate = rate;
  }
  rounds.push_back(least);
  return {};
}

bool Runner::isSteady() const {
  return llvm::count_if(rounds, [&](double seconds) {
           return seconds <= kNear * result.seconds;
         }) > 1;
}

Result<std::vector<StepTiming>>
adze::timeSteps(llvm::ArrayRef<const Model *> models, unsigned threads) {
  if (!threads)
    threads = adze_default_threads();
  std::vector<Runner> runners(models.size());
  for (auto [runner, model] : llvm::zip_equal(runners, models)) {
    if (auto opened = runner.open(*model, threads); !opened)
      return opened.error();
    if (auto done = runner.prompt(); !done)
      return done.error();
  }
  auto isSteady = [](const Runner &runner) { return runner.isSteady(); };
  for (int round = 0; round < kMostRounds; ++round) {
    if (round >= kRounds && llvm::all_of(runners, isSteady))
      break;
    for (Runner &runner : runners)
      if (auto done = runner.round(); !done)
        return done.error();
  }
  std::vector<StepTiming> timings;
  for (const Runner &runner : runners)
    timings.push_back(runner.timing());
  return timings;
}
