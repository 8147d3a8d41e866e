// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Generation and sampling over the pretend decoder.
#include "fake.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <set>
#include <thread>

// malloc is counted, where no sanitizer has its own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||     \
    __has_feature(memory_sanitizer)
#define COUNTS_MALLOC 0
#endif
#endif
#ifndef COUNTS_MALLOC
#define COUNTS_MALLOC 1
static std::atomic<long> mallocs{0};
extern "C" {
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_memalign(size_t, size_t);
void *malloc(size_t n) { return ++mallocs, __libc_malloc(n); }
void *calloc(size_t n, size_t m) { return ++mallocs, __libc_calloc(n, m); }
void *aligned_alloc(size_t a, size_t n) {
  return ++mallocs, __libc_memalign(a, n);
}
}
#endif

using adze::Next;
using adze::Sampling;

namespace {
int32_t referenceBest(const std::vector<int32_t> &tokens) {
  std::vector<float> logits = referenceLogits(tokens, tokens.size() - 1);
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) -
                              logits.begin());
}
adze::SessionOptions small(uint32_t context = 256, uint32_t threads = 2) {
  adze::SessionOptions o;
  o.context = context;
  o.threads = threads;
  return o;
}
// Greedy may fall on the tokens that end, tap or are slow: forbid them.
std::vector<adze_logit_bias> plain() {
  return {{2, -100}, {61, -100}, {62, -100}, {63, -100}};
}
} // namespace

TEST(Generate, GreedyEqualsTheReference) {
  adze::Model model = openFake();
  adze::Session session = model.session(small()).or_throw();
  std::vector<int32_t> prompt = someTokens(20), all = prompt;
  Sampling o;
  o.maxTokens = 40;
  o.bias = plain();
  size_t events = 0;
  adze::Generated made = session
                             .generate(prompt, o,
                                       [&](const adze::Token &t) {
                                         EXPECT_EQ(t.index, events++);
                                         return Next::Continue;
                                       })
                             .or_throw();
  ASSERT_EQ(made.tokens.size(), 40u);
  EXPECT_EQ(made.info.finish, static_cast<uint32_t>(ADZE_FINISH_LENGTH));
  for (int32_t token : made.tokens) {
    std::vector<float> logits = referenceLogits(all, all.size() - 1);
    for (int32_t banned : {2, 61, 62, 63})
      logits[static_cast<size_t>(banned)] -= 100;
    EXPECT_EQ(token,
              std::max_element(logits.begin(), logits.end()) - logits.begin());
    all.push_back(token);
  }
  EXPECT_EQ(session.length(), 59u); // all but the last
  // The whole conversation again: nothing but the last token is evaluated.
  adze::Generated again = session.generate(all, o).or_throw();
  EXPECT_EQ(again.info.cached_tokens, 59u);
  EXPECT_EQ(again.info.prompt_tokens, 60u);
}

TEST(Generate, EndsAtStopTokensAndAtTheEndOfTheContext) {
  adze::Model model = openFake();
  adze::Session session = model.session(small(64)).or_throw();
  std::vector<int32_t> prompt = someTokens(10);
  Sampling o;
  o.bias = {{17, 1000}};
  o.stopTokens = {17};
  adze::Generated made = session.generate(prompt, o).or_throw();
  EXPECT_EQ(made.tokens, std::vector<int32_t>{17});
  EXPECT_EQ(made.info.finish, static_cast<uint32_t>(ADZE_FINISH_STOP_TOKEN));
  o.stopTokens.clear();
  o.bias = {{61, 1000}}; // an end token of the metadata
  EXPECT_EQ(session.generate(prompt, o).or_throw().tokens,
            std::vector<int32_t>{61});
  o.ignoreEos = true;
  made = session.generate(prompt, o).or_throw();
  EXPECT_EQ(made.info.finish, static_cast<uint32_t>(ADZE_FINISH_CONTEXT_FULL));
  EXPECT_EQ(made.tokens.size(), 64u - 10 + 1);
  EXPECT_EQ(session.length(), 64u);
  auto refused = session.generate(someTokens(65), o);
  EXPECT_EQ(refused.error().code, ADZE_CONTEXT_FULL);
  EXPECT_EQ(session.length(), 64u);
  EXPECT_EQ(session.generate({}, o).error().code, ADZE_INVALID_ARGUMENT);
  EXPECT_EQ(session.generate({64}, o).error().code, ADZE_INVALID_ARGUMENT);
}

TEST(Generate, CancelPutsTheSessionBack) {
  adze::Model model = openFake();
  adze::Session session = model.session(small()).or_throw();
  std::vector<int32_t> held = someTokens(90);
  session.eval(held).or_throw();
  // shares 70 tokens, in the middle of a page, and then says something else
  std::vector<int32_t> prompt(held.begin(), held.begin() + 70);
  for (int32_t token : someTokens(50, 8))
    prompt.push_back(token);
  Sampling o;
  o.bias = plain();
  for (int way = 0; way < 3; ++way) {
    auto result = session.generate(prompt, o, [&](const adze::Token &t) {
      if (t.index < 5)
        return Next::Continue;
      if (way == 1)
        session.cancel();
      if (way == 2)
        throw 1; // must not pass through the C code
      return way == 0 ? Next::Cancel : Next::Continue;
    });
    EXPECT_EQ(result.error().code, ADZE_CANCELLED);
    ASSERT_EQ(session.length(), 90u);
  }
  held.push_back(7);
  adze::Logits logits = session.eval({7}).or_throw();
  expectRow(logits.row(0), held, 90);
  // Stop keeps what was made.
  auto kept = session
                  .generate(prompt, o,
                            [](const adze::Token &t) {
                              return t.index == 3 ? Next::Stop : Next::Continue;
                            })
                  .or_throw();
  EXPECT_EQ(kept.tokens.size(), 4u);
  EXPECT_EQ(kept.info.cached_tokens, 70u);
  EXPECT_EQ(session.length(), 123u);
}

TEST(Generate, ASessionIsNotReentered) {
  adze::Model model = openFake();
  adze::Session session = model.session(small()).or_throw();
  Sampling o;
  o.maxTokens = 2;
  o.bias = plain();
  session
      .generate(someTokens(5), o,
                [&](const adze::Token &) {
                  EXPECT_EQ(session.rewind(0).error().code,
                            ADZE_INVALID_ARGUMENT);
                  return Next::Continue;
                })
      .or_throw();
}

TEST(Generate, AllocatesNothing) {
#if COUNTS_MALLOC
  adze::Model model = openFake();
  adze::Session session = model.session(small(1024)).or_throw();
  std::vector<int32_t> prompt = someTokens(500);
  adze_prompt p = {sizeof p, ADZE_PROMPT_IDS, prompt.data(), prompt.size()};
  std::vector<adze_logit_bias> bias = plain();
  adze_sampling o = {};
  o.size = sizeof o;
  o.max_tokens = 200;
  o.temperature = 0.8f;
  o.top_k = 20;
  o.top_p = 0.9f;
  o.repetition_penalty = 1.1f;
  o.logprobs = 5;
  o.bias = bias.data();
  o.n_bias = bias.size();
  long before = mallocs;
  adze_status status =
      adze_generate(session.c(), &p, &o, nullptr, nullptr, nullptr);
  long after = mallocs;
  EXPECT_EQ(status, ADZE_OK) << lastMessage();
  EXPECT_EQ(after, before);
  model.session(small()).or_throw();
  long proof = mallocs;
  EXPECT_GT(proof, after) << "malloc is not counted";
#else
  GTEST_SKIP() << "a sanitizer owns malloc";
#endif
}

TEST(Generate, SeedsAreDeterministicWhateverTheThreads) {
  adze::Model model = openFake();
  Sampling o;
  o.maxTokens = 30;
  o.temperature = 1.3f;
  o.seed = 42;
  o.bias = plain();
  std::vector<int32_t> first;
  for (uint32_t threads : {1u, 2u, 3u}) {
    adze::Session session = model.session(small(256, threads)).or_throw();
    std::vector<int32_t> made =
        session.generate(someTokens(9), o).or_throw().tokens;
    if (first.empty())
      first = made;
    EXPECT_EQ(made, first);
  }
  adze::Session session = model.session(small()).or_throw();
  o.seed = 43;
  EXPECT_NE(session.generate(someTokens(9), o).or_throw().tokens, first);
}

TEST(Generate, LogprobsAreTheModelsOwn) {
  adze::Model model = openFake();
  adze::Session session = model.session(small()).or_throw();
  std::vector<int32_t> prompt = someTokens(9);
  Sampling o;
  o.maxTokens = 1;
  o.logprobs = 4;
  o.temperature = 0.5f; // does not touch them
  session
      .generate(prompt, o,
                [&](const adze::Token &t) {
                  std::vector<float> logits = referenceLogits(prompt, 8);
                  double sum = 0;
                  for (float l : logits)
                    sum += std::exp(static_cast<double>(l));
                  EXPECT_NEAR(t.logprob,
                              logits[static_cast<size_t>(t.id)] - std::log(sum),
                              1e-6);
                  EXPECT_EQ(t.topCount, 4u);
                  EXPECT_EQ(t.top[0].token, referenceBest(prompt));
                  for (uint32_t i = 1; i < t.topCount; ++i)
                    EXPECT_GE(t.top[i - 1].logprob, t.top[i].logprob);
                  return Next::Continue;
                })
      .or_throw();
}

// ---- sampling from a row of logits ----

namespace {
struct Sampler {
  adze::Model model = openFake();
  adze::Session session = model.session(small()).or_throw();
  std::vector<float> logits = std::vector<float>(FAKE_VOCABULARY, -50.0f);
  adze_sampling o = {};
  std::vector<int32_t> history;
  Sampler() { o.size = sizeof o; }
  int32_t draw(uint64_t n) {
    int32_t token = -1;
    EXPECT_EQ(adze_sample(session.c(), logits.data(), &o, history.data(),
                          history.size(), n, &token),
              ADZE_OK)
        << lastMessage();
    return token;
  }
  std::map<int32_t, double> frequencies(int n) {
    std::map<int32_t, double> seen;
    for (int i = 0; i < n; ++i)
      seen[draw(static_cast<uint64_t>(i))] += 1.0 / n;
    return seen;
  }
};
} // namespace

TEST(Sample, TiesGoToTheLowestIdAndNanIsNeverChosen) {
  Sampler s;
  s.logits[9] = s.logits[30] = 4;
  EXPECT_EQ(s.draw(0), 9);
  s.logits[9] = NAN;
  EXPECT_EQ(s.draw(0), 30);
  for (float &l : s.logits)
    l = NAN;
  int32_t token;
  EXPECT_EQ(
      adze_sample(s.session.c(), s.logits.data(), &s.o, nullptr, 0, 0, &token),
      ADZE_INVALID_ARGUMENT);
}

TEST(Sample, FrequenciesFollowTheDistribution) {
  Sampler s;
  // probabilities 0.5 0.25 0.15 0.1
  double p[] = {0.5, 0.25, 0.15, 0.1};
  int32_t ids[] = {40, 10, 50, 20};
  for (int i = 0; i < 4; ++i)
    s.logits[static_cast<size_t>(ids[i])] = static_cast<float>(std::log(p[i]));
  s.o.temperature = 1;
  auto all = s.frequencies(40000);
  for (int i = 0; i < 4; ++i)
    EXPECT_NEAR(all[ids[i]], p[i], 0.01);
  s.o.temperature = 0.5; // squares them
  auto sharp = s.frequencies(40000);
  EXPECT_NEAR(sharp[40], 0.25 / 0.345, 0.01);
  s.o.temperature = 1;
  s.o.top_k = 2;
  auto two = s.frequencies(40000);
  EXPECT_EQ(two.size(), 2u);
  EXPECT_NEAR(two[40], 2.0 / 3, 0.01);
  s.o.top_k = 0;
  s.o.top_p = 0.7f; // 0.5 + 0.25 reach it
  auto nucleus = s.frequencies(40000);
  EXPECT_EQ(nucleus.size(), 2u);
  EXPECT_NEAR(nucleus[10], 1.0 / 3, 0.01);
  s.o.top_k = 3; // 0.5 of 0.9 is 0.56, with 0.25 it is 0.83
  s.o.top_p = 0.85f;
  EXPECT_EQ(s.frequencies(10000).size(), 3u);
  s.o.top_p = 0.8f;
  EXPECT_EQ(s.frequencies(10000).size(), 2u);
  s.o.top_k = 0;
  s.o.top_p = 0;
  s.o.min_p = 0.25f; // at least 0.125
  auto likely = s.frequencies(40000);
  EXPECT_EQ(likely.size(), 3u);
  EXPECT_NEAR(likely[50], 0.15 / 0.9, 0.01);
  s.o.top_k = 40;
  EXPECT_EQ(s.frequencies(10000).size(), 3u);
}

TEST(Sample, RepetitionPenaltyBiasAndFilter) {
  Sampler s;
  s.logits[5] = 4;
  s.logits[6] = 3;
  s.logits[7] = -1;
  for (float &l : s.logits)
    l = l == -50 ? -1.5f : l;
  s.history = {5, 5, 5};
  s.o.repetition_penalty = 2; // once, not per occurrence: 4 -> 2
  EXPECT_EQ(s.draw(0), 6);
  s.history = {5, 6, 6};
  EXPECT_EQ(s.draw(0), 5); // 2 against 1.5
  s.o.repetition_window = 2;
  EXPECT_EQ(s.draw(0), 5); // 5 is outside: 4 against 1.5
  s.history = {6, 5, 5};
  EXPECT_EQ(s.draw(0), 6); // 2 against 3
  adze_logit_bias bias = {7, 10};
  s.o.bias = &bias;
  s.o.n_bias = 1;
  EXPECT_EQ(s.draw(0), 7);
  s.o.filter = [](void *user, const int32_t *ids, size_t count, float *logits,
                  size_t vocabulary) {
    EXPECT_EQ(user, nullptr);
    EXPECT_EQ(count, 3u);
    EXPECT_EQ(ids[0], 6);
    for (size_t v = 0; v < vocabulary; ++v)
      logits[v] = v == 33 ? 1 : -INFINITY;
  };
  EXPECT_EQ(s.draw(0), 33);
  bias.token = 64;
  int32_t token;
  EXPECT_EQ(adze_sample(s.session.c(), s.logits.data(), &s.o, s.history.data(),
                        3, 0, &token),
            ADZE_INVALID_ARGUMENT);
}

TEST(Sample, OptionsOutOfRangeAreErrors) {
  Sampler s;
  int32_t token;
  auto refused = [&](auto change) {
    adze_sampling o = {};
    o.size = sizeof o;
    change(o);
    return adze_sample(s.session.c(), s.logits.data(), &o, nullptr, 0, 0,
                       &token) == ADZE_INVALID_ARGUMENT;
  };
  EXPECT_TRUE(refused([](adze_sampling &o) { o.temperature = -1; }));
  EXPECT_TRUE(refused([](adze_sampling &o) { o.temperature = NAN; }));
  EXPECT_TRUE(refused([](adze_sampling &o) { o.top_p = 1.5f; }));
  EXPECT_TRUE(refused([](adze_sampling &o) { o.min_p = -0.1f; }));
  EXPECT_TRUE(refused([](adze_sampling &o) { o.repetition_penalty = -1; }));
  EXPECT_TRUE(refused([](adze_sampling &o) { o.logprobs = 21; }));
  EXPECT_TRUE(refused([](adze_sampling &o) { o.n_bias = 1; }));
  EXPECT_TRUE(refused([](adze_sampling &o) { o.size = 0; }));
}
