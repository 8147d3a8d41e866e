// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "StepTimes.h"
#include "Measure.h"
#include <algorithm>
#include <chrono>

using namespace adze;
using namespace adze::tools;
using Clock = std::chrono::steady_clock;

namespace {

constexpr unsigned kRounds = 3;
constexpr uint32_t kPrompt = 8, kMostSteps = 48;
constexpr double kRoundSeconds = 2;

double seconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

/// One session, and the marks that its barriers leave.
class Decoder {
public:
  Result<void> open(const Model &model, Pool &pool, uint32_t context,
                    bool watched) {
    adze_session_options o = {};
    o.size = sizeof o;
    o.context = context;
    o.pool = pool.c();
    if (watched) {
      o.user = this;
      o.barrier = [](void *user) {
        static_cast<Decoder *>(user)->marks.push_back(Clock::now());
      };
    }
    adze_session *made = nullptr;
    if (adze_session_create(model.c(), &o, &made))
      return lastError();
    session.reset(made);
    marks.reserve(1 << 14);
    return {};
  }

  /// Seconds of one step at the end of the sequence.
  Result<double> step(uint32_t tokens = 1) {
    std::vector<int32_t> ids(tokens);
    uint32_t width = adze_session_vocabulary(session.get());
    for (int32_t &id : ids)
      id = int32_t(next++ * 7919 % width);
    uint32_t last = tokens - 1;
    const float *logits = nullptr;
    marks.clear();
    begin = Clock::now();
    if (adze_eval(session.get(), ids.data(), tokens, &last, 1, &logits))
      return lastError();
    end = Clock::now();
    return seconds(begin, end);
  }

  Result<void> rewind(size_t length) {
    if (adze_session_rewind(session.get(), length))
      return lastError();
    return {};
  }

  /// Of the last step: from its begin, mark by mark, to its end.
  std::vector<double> phases() const {
    std::vector<double> list;
    Clock::time_point from = begin;
    for (Clock::time_point mark : marks) {
      list.push_back(seconds(from, mark));
      from = mark;
    }
    list.push_back(seconds(from, end));
    return list;
  }

private:
  std::unique_ptr<adze_session, detail::SessionDeleter> session;
  std::vector<Clock::time_point> marks;
  Clock::time_point begin, end;
  uint64_t next = 1;
};

} // namespace

Result<StepTimes> adze::tools::measureStep(const Model &model, size_t phases,
                                           uint64_t bytes, unsigned threads,
                                           Progress &progress) {
  StepTimes times;
  if (auto variant = model.info("variant"))
    times.variant = *variant;
  int64_t most = 0;
  if (adze_model_integer(model.c(), "context", &most) || most < 4)
    most = 4;
  auto context = uint32_t(std::min<int64_t>(most, kPrompt + kMostSteps));
  uint32_t prompt = std::min<uint32_t>(kPrompt, context / 2);

  auto pool = Pool::create(threads);
  if (!pool)
    return pool.error();
  times.threads = pool->threads();
  Decoder plain, watched;
  for (Decoder *decoder : {&plain, &watched}) {
    if (auto opened = decoder->open(model, *pool, context, decoder == &watched);
        !opened)
      return opened.error();
    if (auto ran = decoder->step(prompt); !ran)
      return ran.error();
  }
  adze_session_options o = {};
  o.size = sizeof o;
  o.context = context;
  o.pool = pool->c();
  adze_memory memory = {};
  memory.size = sizeof memory;
  if (adze_memory_plan(model.c(), &o, &memory))
    return lastError();
  times.kvPerToken = memory.kv_per_token;

  Dot dot = times.variant.find("v4") != std::string::npos ? Dot::F32Avx512
                                                          : Dot::F32Avx2;
  auto measure = Measure::create(times.threads, bytes, dot);
  if (!measure)
    return measure.error();
  // Brings in what is not there yet, and says how many steps there is time for.
  Result<double> first = 0.0;
  for (int i = 0; first && i < 3; ++i) {
    if (auto back = plain.rewind(prompt); !back)
      return back.error();
    first = plain.step();
  }
  if (!first)
    return first.error();
  auto steps = uint32_t(std::clamp(kRoundSeconds / std::max(*first, 1e-6), 1.0,
                                   double(context - prompt)));
  times.context = prompt + (steps + 1) / 2.0;

  std::vector<double> rates, whole;
  std::vector<std::vector<double>> parts(phases);
  uint64_t done = 0, total = uint64_t(kRounds) * 2 * steps;
  bool fits = true;
  rates.push_back(measure->readRate());
  for (unsigned round = 0; round < kRounds; ++round) {
    for (Decoder *decoder : {&plain, &watched}) {
      if (auto back = decoder->rewind(prompt); !back)
        return back.error();
      for (uint32_t i = 0; i < steps; ++i) {
        if (progress.show("measure", done++, total))
          return Error{ADZE_CANCELLED, "stopped", ""};
        auto took = decoder->step();
        if (!took)
          return took.error();
        if (decoder == &plain) {
          whole.push_back(*took);
          continue;
        }
        std::vector<double> found = decoder->phases();
        fits &= found.size() == phases;
        for (size_t p = 0; fits && p < phases; ++p)
          parts[p].push_back(found[p]);
        ++times.samples;
      }
    }
    rates.push_back(measure->readRate());
  }
  times.readRate = median(rates);
  times.stepSeconds = median(whole);
  if (fits)
    for (std::vector<double> &values : parts)
      times.phases.push_back(median(std::move(values)));
  return times;
}
