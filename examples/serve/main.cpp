// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Client threads that submit requests to one scheduler, and the proof that it
// changes nothing: every request is made again, alone, and must give the same
// tokens.
//
//   serve MODEL.adze.so [--clients N] [--requests N] [--running N] [--kept N]
//         [--budget N] [--pages N] [--threads N] [--plant]

#include "adze/text.h"
#include "scheduler.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

namespace {

struct Arguments {
  std::string model;
  uint32_t clients = 8, requests = 6;
  Scheduler::Options scheduler;
  bool plant = false; // change a request before it is made alone
};

bool parse(int argc, char **argv, Arguments &a) {
  struct {
    const char *name;
    uint32_t *value;
  } options[] = {{"--clients", &a.clients},
                 {"--requests", &a.requests},
                 {"--running", &a.scheduler.running},
                 {"--kept", &a.scheduler.kept},
                 {"--budget", &a.scheduler.tokensPerStep},
                 {"--pages", &a.scheduler.kvPages},
                 {"--threads", &a.scheduler.threads}};
  for (int i = 1; i < argc; ++i) {
    bool known = false;
    for (auto &option : options)
      if (!std::strcmp(argv[i], option.name) && i + 1 < argc) {
        *option.value = uint32_t(std::strtoul(argv[++i], nullptr, 10));
        known = true;
        break;
      }
    if (!known && !std::strcmp(argv[i], "--plant"))
      known = a.plant = true;
    if (!known && argv[i][0] != '-' && a.model.empty()) {
      a.model = argv[i];
      known = true;
    }
    if (!known)
      return false;
  }
  return !a.model.empty();
}

class Encoder {
public:
  explicit Encoder(const adze::Model &model) {
    const void *table;
    size_t bytes;
    adze_text_error error;
    if (adze_model_text_table(model.c(), &table, &bytes))
      throw adze::Exception(adze::lastError());
    if (adze_text_open(table, bytes, &text, &error))
      throw std::runtime_error(error.message);
  }
  ~Encoder() { adze_text_close(text); }
  std::vector<int32_t> operator()(const std::string &words) const {
    int32_t *ids;
    size_t count;
    adze_text_error error;
    if (adze_text_encode(text, words.data(), words.size(),
                         ADZE_TEXT_ADD_SPECIAL, &ids, &count, &error))
      throw std::runtime_error(error.message);
    std::vector<int32_t> list(ids, ids + count);
    adze_text_free(ids);
    return list;
  }

private:
  adze_text *text = nullptr;
};

/// What many requests begin with, as they would with instructions.
const char *const kBeginnings[] = {
    "",
    "MENENIUS:\nThe king is in the garden with his daughters, and the night is "
    "coming on. There is no wind, and the old soldier who stands at the gate "
    "does not know that he will be asked for the name of the man who came in "
    "the morning. They speak of the war, of the ships and of the winter.\n\n",
    "Once upon a time there was a little girl who lived in a small house near "
    "the forest with her mother and a big brown dog. Every day she went to the "
    "river to look for stones, and every day she gave the best one to her "
    "friend. One day it rained, and they could not go out to play.\n"};
const char *const kTexts[] = {"ROMEO:",       "JULIET:\nO ", "KING RICHARD:\n",
                              "The dog said", "She was sad", "Lily and Ben"};

/// A request that is the same in every run: number `r` of client `c`.
Scheduler::Request makeRequest(const Encoder &encode, uint32_t c, uint32_t r) {
  std::mt19937 random(c * 1000 + r);
  Scheduler::Request request;
  std::string words = kBeginnings[random() % 3];
  request.prompt = encode(words + kTexts[random() % 6]);
  adze::Sampling &s = request.sampling;
  s.maxTokens = 5 + random() % 60;
  s.seed = random();
  switch (random() % 4) {
  case 0: // greedy
    break;
  case 1:
    s.temperature = 0.8f;
    break;
  case 2:
    s.temperature = 1.1f;
    s.topK = 40;
    s.repetitionPenalty = 1.2f;
    break;
  case 3:
    s.temperature = 1.0f;
    s.topP = 0.9f;
    break;
  }
  return request;
}

struct Run {
  Scheduler::Request request;
  Scheduler::Outcome outcome;
  std::vector<int32_t> seen; // by the callback
  bool cancelled = false;
};

/// One client: submits three requests, waits for them, submits the next. Some
/// it cancels when it has seen a few tokens.
void client(Scheduler &scheduler, Run *runs, uint32_t count, uint32_t c) {
  struct Seen {
    std::mutex mutex;
    std::condition_variable grown;
    size_t tokens = 0;
  };
  for (uint32_t begin = 0; begin < count; begin += 3) {
    uint32_t end = std::min(begin + 3, count);
    std::vector<Seen> seen(end - begin);
    std::vector<Scheduler::Ticket> tickets;
    for (uint32_t r = begin; r < end; ++r) {
      Scheduler::Request request = runs[r].request;
      request.onToken = [run = &runs[r], s = &seen[r - begin]](int32_t token) {
        run->seen.push_back(token);
        std::lock_guard<std::mutex> lock(s->mutex);
        ++s->tokens;
        s->grown.notify_one();
        return adze::Next::Continue;
      };
      tickets.push_back(scheduler.submit(std::move(request)));
    }
    for (uint32_t r = begin; r < end; ++r) {
      if ((c + r) % 5 == 4) {
        Seen &s = seen[r - begin];
        size_t enough = std::min(3u, runs[r].request.sampling.maxTokens);
        std::unique_lock<std::mutex> lock(s.mutex);
        // One that ends by itself before is seen to by the time limit.
        s.grown.wait_for(lock, std::chrono::seconds(1),
                         [&] { return s.tokens >= enough; });
        tickets[r - begin].cancel();
        runs[r].cancelled = true;
      }
      runs[r].outcome = tickets[r - begin].wait();
    }
  }
}

/// What is wrong with a run, or nothing.
std::string compare(const Run &run, const adze::Generated &alone) {
  const Scheduler::Outcome &o = run.outcome;
  if (o.error.code)
    return o.error.text();
  if (o.tokens != run.seen)
    return "the callback saw other tokens";
  bool ended = o.finish != ADZE_FINISH_CANCELLED;
  if (!ended && !run.cancelled)
    return "it was cancelled, which nobody asked for";
  if (ended && o.finish != adze_finish(alone.info.finish))
    return "it ended for reason " + std::to_string(o.finish) + ", alone for " +
           std::to_string(alone.info.finish);
  size_t count = o.tokens.size();
  if (count > alone.tokens.size() || (ended && count != alone.tokens.size()))
    return std::to_string(count) + " tokens, alone " +
           std::to_string(alone.tokens.size());
  for (size_t i = 0; i < count; ++i)
    if (o.tokens[i] != alone.tokens[i])
      return "token " + std::to_string(i) + " is " +
             std::to_string(o.tokens[i]) + ", alone " +
             std::to_string(alone.tokens[i]);
  return {};
}

int check(const adze::Model &model, std::vector<Run> &runs,
          const Arguments &a) {
  adze::SessionOptions options;
  options.context = a.scheduler.context;
  options.threads = a.scheduler.threads;
  auto alone = model.session(options).or_throw();
  if (a.plant)
    runs[0].request.prompt.back() ^= 1;
  int different = 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    alone.rewind(0).or_throw(); // nothing is reused
    auto made = alone.generate(runs[i].request.prompt, runs[i].request.sampling)
                    .or_throw();
    if (std::string wrong = compare(runs[i], made); !wrong.empty()) {
      std::fprintf(stderr, "client %zu, request %zu: %s\n", i / a.requests,
                   i % a.requests, wrong.c_str());
      ++different;
    }
  }
  if (different)
    std::fprintf(stderr, "%d of %zu requests differ from those made alone\n",
                 different, runs.size());
  else
    std::printf("all %zu outputs equal those of the request alone\n",
                runs.size());
  return different ? 1 : 0;
}

int run(const Arguments &a) {
  auto model = adze::Model::open(a.model).or_throw();
  Encoder encode(model);
  std::vector<Run> runs(size_t(a.clients) * a.requests);
  for (size_t i = 0; i < runs.size(); ++i)
    runs[i].request =
        makeRequest(encode, uint32_t(i) / a.requests, uint32_t(i) % a.requests);
  auto scheduler = Scheduler::create(model, a.scheduler).or_throw();
  auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> clients;
  for (uint32_t c = 0; c < a.clients; ++c)
    clients.emplace_back(client, std::ref(*scheduler),
                         &runs[size_t(c) * a.requests], a.requests, c);
  for (std::thread &t : clients)
    t.join();
  double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  Scheduler::Statistics s = scheduler->statistics();
  size_t prompts = 0, cancelled = 0;
  for (const Run &run : runs) {
    prompts += run.request.prompt.size();
    cancelled += run.outcome.finish == ADZE_FINISH_CANCELLED;
  }
  std::printf("%llu tokens in %.2f s (%.1f tokens/s), %llu steps of up to %zu "
              "sequences\n"
              "shared %llu of %zu prompt tokens, preempted %llu, evicted %llu, "
              "cancelled %zu\n",
              (unsigned long long)s.tokens, seconds, double(s.tokens) / seconds,
              (unsigned long long)s.steps, s.largestStep,
              (unsigned long long)s.sharedTokens, prompts,
              (unsigned long long)s.preempted, (unsigned long long)s.evicted,
              cancelled);
  return check(model, runs, a);
}

} // namespace

int main(int argc, char **argv) {
  Arguments a;
  if (!parse(argc, argv, a) || !a.clients || !a.requests) {
    std::fprintf(stderr,
                 "usage: %s MODEL.adze.so [--clients N] [--requests N] "
                 "[--running N] [--kept N]\n"
                 "       [--budget N] [--pages N] [--threads N] [--plant]\n",
                 argv[0]);
    return 2;
  }
  try {
    return run(a);
  } catch (const std::exception &problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
}
