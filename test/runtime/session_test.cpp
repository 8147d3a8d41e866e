// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sessions over the pretend decoder: whatever the chunks, batches, pages and
// threads, each row's logits are those of its sequence alone.
#include "fake.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>

using adze::SessionOptions;

namespace {
struct Raw { // a C session with options
  adze_session *s = nullptr;
  adze_status status;
  Raw(const adze::Model &model, adze_session_options o) {
    o.size = sizeof o;
    status = adze_session_create(model.c(), &o, &s);
  }
  ~Raw() { adze_session_release(s); }
};
adze_session_options options(uint32_t context, uint32_t sequences,
                             uint32_t chunk, uint32_t threads,
                             uint32_t pages = 0) {
  adze_session_options o = {};
  o.context = context;
  o.max_sequences = sequences;
  o.prefill_chunk = chunk;
  o.threads = threads;
  o.kv_pages = pages;
  return o;
}
} // namespace

TEST(Session, EvalEqualsTheReferenceWhateverTheChunkAndThreads) {
  adze::Model model = openFake();
  std::vector<int32_t> tokens = someTokens(300);
  for (uint32_t threads : {1u, 2u, 3u, 4u})
    for (uint32_t chunk : {1u, 7u, 64u, 512u}) {
      Raw raw(model, options(400, 1, chunk, threads));
      ASSERT_EQ(raw.status, ADZE_OK) << lastMessage();
      const float *logits;
      std::vector<uint32_t> rows = {0, 1, 62, 63, 64, 65, 127, 128, 255, 299};
      ASSERT_EQ(adze_eval(raw.s, tokens.data(), tokens.size(), rows.data(),
                          rows.size(), &logits),
                ADZE_OK)
          << lastMessage();
      for (size_t i = 0; i < rows.size(); ++i)
        expectRow(logits + i * FAKE_VOCABULARY, tokens, rows[i]);
      EXPECT_EQ(adze_session_length(raw.s), 300u);
    }
}

TEST(Session, RandomRaggedSchedules) {
  adze::Model model = openFake();
  for (uint32_t seed = 0; seed < 12; ++seed) {
    std::mt19937 random(seed);
    uint32_t threads = 1 + seed % 4, chunk = 5 + seed * 7;
    Raw raw(model, options(700, 5, chunk, threads));
    ASSERT_EQ(raw.status, ADZE_OK) << lastMessage();
    std::vector<std::vector<int32_t>> held(5);
    for (int round = 0; round < 60; ++round) {
      std::vector<std::vector<int32_t>> added(5);
      std::vector<std::vector<uint32_t>> rows(5);
      std::vector<adze_step_input> inputs;
      for (uint32_t q = 0; q < 5; ++q) {
        uint32_t kind = random() % 6;
        if (kind == 0) // leave, or go back
          held[q].resize(random() % 2 ? 0 : random() % (held[q].size() + 1));
        if (kind == 0)
          ASSERT_EQ(adze_sequence_rewind(raw.s, q, held[q].size()), ADZE_OK);
        if (kind == 1) { // fork
          uint32_t from = random() % 5;
          ASSERT_EQ(adze_sequence_fork(raw.s, from, q), ADZE_OK);
          held[q] = held[from];
        }
        if (kind == 2) // takes no part
          continue;
        size_t count = kind == 3 ? 1 + random() % 90 : 1;
        if (held[q].size() + count > 700)
          continue;
        added[q] = someTokens(count, random());
        for (uint32_t i = 0; i < count; ++i)
          if (i + 1 == count || random() % 4 == 0)
            rows[q].push_back(i);
      }
      for (uint32_t q = 0; q < 5; ++q)
        if (!added[q].empty())
          inputs.push_back({sizeof(adze_step_input), q, added[q].data(),
                            added[q].size(), rows[q].data(), rows[q].size()});
      std::shuffle(inputs.begin(), inputs.end(), random);
      const float *logits;
      ASSERT_EQ(adze_step(raw.s, inputs.data(), inputs.size(), &logits),
                ADZE_OK)
          << lastMessage();
      for (const adze_step_input &in : inputs) {
        auto &all = held[in.sequence];
        size_t before = all.size();
        all.insert(all.end(), in.tokens, in.tokens + in.count);
        ASSERT_EQ(adze_sequence_length(raw.s, in.sequence), all.size());
        for (size_t i = 0; i < in.n_rows; ++i, logits += FAKE_VOCABULARY)
          expectRow(logits, all, before + in.rows[i]);
        if (HasFatalFailure())
          FAIL() << "seed " << seed << " round " << round;
      }
    }
  }
}

TEST(Session, MistakesAreErrorsThatNameThem) {
  adze::Model model = openFake();
  Raw raw(model, options(100, 2, 16, 1));
  const float *logits;
  std::vector<int32_t> tokens = someTokens(10);
  auto eval = [&](std::vector<int32_t> t, std::vector<uint32_t> rows) {
    return adze_eval(raw.s, t.data(), t.size(), rows.data(), rows.size(),
                     &logits);
  };
  EXPECT_EQ(eval({3, 64}, {0}), ADZE_INVALID_ARGUMENT);
  EXPECT_NE(lastMessage().find("token 1 is 64"), std::string::npos);
  EXPECT_EQ(eval({3, -1}, {0}), ADZE_INVALID_ARGUMENT);
  EXPECT_EQ(eval({3, 4}, {2}), ADZE_INVALID_ARGUMENT);
  EXPECT_EQ(eval({3, 4}, {1, 0}), ADZE_INVALID_ARGUMENT);
  EXPECT_EQ(eval(someTokens(101), {0}), ADZE_CONTEXT_FULL);
  EXPECT_EQ(adze_session_length(raw.s), 0u);
  adze_step_input twice[2] = {{sizeof *twice, 1, tokens.data(), 1, nullptr, 0},
                              {sizeof *twice, 1, tokens.data(), 1, nullptr, 0}};
  EXPECT_EQ(adze_step(raw.s, twice, 2, &logits), ADZE_INVALID_ARGUMENT);
  twice[1].sequence = 2;
  EXPECT_EQ(adze_step(raw.s, twice, 2, &logits), ADZE_NOT_FOUND);
  EXPECT_EQ(adze_session_rewind(raw.s, 1), ADZE_INVALID_ARGUMENT);
  EXPECT_EQ(adze_sequence_fork(raw.s, 0, 9), ADZE_NOT_FOUND);
  EXPECT_EQ(adze_eval(nullptr, nullptr, 0, nullptr, 0, &logits),
            ADZE_INVALID_ARGUMENT);
  adze_session_options big = options(4096, 1, 0, 1);
  Raw refused(model, big);
  EXPECT_EQ(refused.status, ADZE_INVALID_ARGUMENT);
  EXPECT_NE(lastMessage().find("the model has 2048"), std::string::npos);
  ASSERT_EQ(eval(tokens, {9}), ADZE_OK) << lastMessage();
  expectRow(logits, tokens, 9);
}

TEST(Session, FullContextIsAStatusAndPagesAreGivenBack) {
  adze::Model model = openFake();
  Raw raw(model, options(128, 3, 32, 2, 4)); // 4 pages for three sequences
  std::vector<int32_t> tokens = someTokens(128);
  const float *logits;
  uint32_t last = 127;
  ASSERT_EQ(adze_eval(raw.s, tokens.data(), 128, &last, 1, &logits), ADZE_OK);
  EXPECT_EQ(adze_eval(raw.s, tokens.data(), 1, nullptr, 0, &logits),
            ADZE_CONTEXT_FULL);
  adze_step_input in[2] = {{sizeof *in, 1, tokens.data(), 65, nullptr, 0},
                           {sizeof *in, 2, tokens.data(), 1, nullptr, 0}};
  EXPECT_EQ(adze_step(raw.s, in, 2, &logits), ADZE_CONTEXT_FULL);
  EXPECT_NE(lastMessage().find("2 of 4 pages free"), std::string::npos);
  for (int i = 0; i < 5; ++i) { // taken and given back, zeroed each time
    ASSERT_EQ(adze_session_rewind(raw.s, 0), ADZE_OK);
    ASSERT_EQ(adze_step(raw.s, in, 2, &logits), ADZE_OK) << lastMessage();
    ASSERT_EQ(adze_sequence_rewind(raw.s, 1, 0), ADZE_OK);
    ASSERT_EQ(adze_sequence_rewind(raw.s, 2, 0), ADZE_OK);
    ASSERT_EQ(adze_eval(raw.s, tokens.data(), 128, &last, 1, &logits), ADZE_OK);
    expectRow(logits, tokens, 127);
  }
}

TEST(Session, AForkInTheMiddleOfAPageIsCopiedByWhoeverWritesFirst) {
  adze::Model model = openFake();
  for (bool forkWritesFirst : {false, true}) {
    SessionOptions o;
    o.context = 256;
    o.maxSequences = 3;
    o.kvPages = 8;
    o.threads = 2;
    adze::Session session = model.session(o).or_throw();
    std::vector<int32_t> common = someTokens(100);
    ASSERT_TRUE(session.step({{0, common, {}}}).ok());
    EXPECT_EQ(session.freePages(), 6u);
    ASSERT_TRUE(session.fork(0, 1).ok());
    ASSERT_TRUE(session.fork(1, 2).ok());
    EXPECT_EQ(session.freePages(), 6u); // all three share two pages
    std::vector<std::vector<int32_t>> held(3, common);
    for (uint32_t round = 0; round < 40; ++round)
      for (uint32_t k = 0; k < 3; ++k) {
        uint32_t q = forkWritesFirst ? 2 - k : k;
        held[q].push_back(int32_t(3 + (round * 3 + q * 7) % 50));
        adze::Logits logits =
            session.step({{q, {held[q].back()}, {0}}}).or_throw();
        expectRow(logits.row(0), held[q], held[q].size() - 1);
        // the last one left with the old page writes where it is
        if (round == 0)
          EXPECT_EQ(session.freePages(), 6 - std::min(k + 1, 2u));
      }
    // 140 positions each: page 0 shared, pages 1 and 2 of their own
    EXPECT_EQ(session.freePages(), 8u - 1 - 3 * 2);
    for (uint32_t q = 0; q < 3; ++q)
      ASSERT_TRUE(session.rewindSequence(q, 0).ok());
    EXPECT_EQ(session.freePages(), session.pages());
  }
}

TEST(Session, ASharedPageIsNotWrittenAfterARewindIntoIt) {
  adze::Model model = openFake();
  for (size_t length : {0u, 1u, 63u, 64u, 65u, 90u, 127u, 128u}) {
    SessionOptions o;
    o.context = 256;
    o.maxSequences = 2;
    o.threads = 2;
    adze::Session session = model.session(o).or_throw();
    std::vector<int32_t> first = someTokens(130), second = first;
    ASSERT_TRUE(session.eval(first).ok());
    ASSERT_TRUE(session.fork(0, 1).ok());
    ASSERT_TRUE(session.rewindSequence(1, length).ok());
    EXPECT_EQ(session.length(1), length);
    second.resize(length);
    std::vector<int32_t> other = someTokens(90, 8);
    second.insert(second.end(), other.begin(), other.end());
    std::vector<uint32_t> rows = allRows(90);
    adze::Logits logits = session.step({{1, other, rows}}).or_throw();
    for (size_t i = 0; i < 90; ++i)
      expectRow(logits.row(i), second, length + i);
    // what the other one wrote is nowhere in the first
    for (int round = 0; round < 2; ++round) {
      first.push_back(9 + round);
      logits =
          session.step({{0, {first.back()}, {0}}, {1, {4}, {0}}}).or_throw();
      second.push_back(4);
      expectRow(logits.row(0), first, first.size() - 1);
      expectRow(logits.row(1), second, second.size() - 1);
    }
  }
}

TEST(Session, AStepThatFindsNoPageForACopyChangesNothing) {
  adze::Model model = openFake();
  Raw raw(model, options(128, 3, 32, 1, 2));
  std::vector<int32_t> tokens = someTokens(70);
  const float *logits;
  ASSERT_EQ(adze_eval(raw.s, tokens.data(), 70, nullptr, 0, &logits), ADZE_OK);
  ASSERT_EQ(adze_sequence_fork(raw.s, 0, 1), ADZE_OK);
  uint32_t row = 0;
  int32_t token = 5;
  adze_step_input in = {sizeof in, 1, &token, 1, &row, 1};
  EXPECT_EQ(adze_step(raw.s, &in, 1, &logits), ADZE_CONTEXT_FULL);
  EXPECT_NE(lastMessage().find("0 of 2 pages free; 1 are needed"),
            std::string::npos)
      << lastMessage();
  EXPECT_EQ(adze_sequence_length(raw.s, 1), 70u);
  ASSERT_EQ(adze_session_rewind(raw.s, 0), ADZE_OK); // leaves it to sequence 1
  EXPECT_EQ(adze_session_free_pages(raw.s), 0u);
  ASSERT_EQ(adze_step(raw.s, &in, 1, &logits), ADZE_OK) << lastMessage();
  tokens.push_back(token);
  expectRow(logits, tokens, 70);
}

TEST(Session, ThePagesOfAStepAreCountedExactly) {
  adze::Model model = openFake();
  // Three owners of one page write to it in one step: two copies are made.
  for (uint32_t spare : {1u, 2u}) {
    SessionOptions o;
    o.context = 128;
    o.maxSequences = 3;
    o.kvPages = 1 + spare;
    o.threads = 1;
    adze::Session session = model.session(o).or_throw();
    std::vector<int32_t> tokens = someTokens(40);
    ASSERT_TRUE(session.eval(tokens).ok());
    ASSERT_TRUE(session.fork(0, 1).ok() && session.fork(0, 2).ok());
    auto logits = session.step({{1, {4}, {0}}, {0, {5}, {0}}, {2, {6}, {0}}});
    ASSERT_EQ(logits.ok(), spare == 2);
    if (!logits)
      continue;
    EXPECT_EQ(session.freePages(), 0u);
    for (int32_t i = 0; i < 3; ++i) {
      tokens.push_back(4 + i);
      expectRow(logits->row(size_t(i)), tokens, 40);
      tokens.pop_back();
    }
  }
}

TEST(Session, StepAndSampleMakeWhatGenerateMakes) {
  adze::Model model = openFake();
  SessionOptions o;
  o.context = 200;
  o.maxSequences = 3;
  o.threads = 2;
  adze::Session alone = model.session(o).or_throw(),
                together = model.session(o).or_throw();
  std::vector<adze::Sampling> sampling(3);
  sampling[1].temperature = 0.9f;
  sampling[1].seed = 5;
  sampling[2].temperature = 1.2f;
  sampling[2].topK = 9;
  sampling[2].repetitionPenalty = 1.3f;
  std::vector<std::vector<int32_t>> prompts, tokens;
  for (uint32_t q = 0; q < 3; ++q)
    prompts.push_back(someTokens(20 + 13 * q, q + 1));
  tokens = prompts;
  std::vector<adze::StepInput> inputs(3);
  for (uint32_t q = 0; q < 3; ++q)
    inputs[q] = {q, tokens[q], {uint32_t(tokens[q].size() - 1)}};
  for (uint64_t draw = 0; draw < 25; ++draw) {
    adze::Logits logits = together.step(inputs).or_throw();
    ASSERT_EQ(logits.rows, 3u);
    for (uint32_t q = 0; q < 3; ++q) {
      int32_t next =
          together.sample(logits.row(q), sampling[q], tokens[q], draw)
              .or_throw();
      tokens[q].push_back(next);
      inputs[q] = {q, {next}, {0}};
    }
  }
  for (uint32_t q = 0; q < 3; ++q) {
    sampling[q].maxTokens = 25;
    sampling[q].ignoreEos = true;
    adze::Generated made = alone.generate(prompts[q], sampling[q]).or_throw();
    EXPECT_EQ(std::vector<int32_t>(tokens[q].end() - 25, tokens[q].end()),
              made.tokens)
        << q;
  }
  EXPECT_EQ(together.step({{7, {1}, {0}}}).error().code, ADZE_NOT_FOUND);
  EXPECT_EQ(together.fork(0, 3).error().code, ADZE_NOT_FOUND);
  EXPECT_EQ(together.rewindSequence(1, 500).error().code,
            ADZE_INVALID_ARGUMENT);
  EXPECT_EQ(model.integers("nothing").error().code, ADZE_NOT_FOUND);
  EXPECT_EQ(model.integers("context").or_throw(),
            std::vector<int64_t>{FAKE_CONTEXT});
}

TEST(Session, CancelLeavesTheSessionAsItWas) {
  adze::Model model = openFake();
  for (uint32_t threads : {1u, 2u, 4u}) {
    Raw raw(model, options(256, 1, 16, threads));
    std::vector<int32_t> tokens = someTokens(100);
    const float *logits;
    ASSERT_EQ(adze_eval(raw.s, tokens.data(), 100, nullptr, 0, &logits),
              ADZE_OK);
    std::vector<int32_t> more = someTokens(80, 9);
    more[70] = 63; // slow, in the last chunk
    std::chrono::steady_clock::time_point asked;
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      asked = std::chrono::steady_clock::now();
      adze_cancel(raw.s);
    });
    EXPECT_EQ(adze_eval(raw.s, more.data(), 80, nullptr, 0, &logits),
              ADZE_CANCELLED);
    auto answered = std::chrono::steady_clock::now();
    other.join();
    EXPECT_LT(answered - asked, std::chrono::milliseconds(500));
    EXPECT_EQ(adze_session_length(raw.s), 100u);
    // forgotten with the call it ended; the next one runs
    tokens.push_back(5);
    uint32_t row = 0;
    ASSERT_EQ(adze_eval(raw.s, &tokens.back(), 1, &row, 1, &logits), ADZE_OK)
        << lastMessage();
    expectRow(logits, tokens, 100);
    // one that comes early ends the next call
    adze_cancel(raw.s);
    EXPECT_EQ(adze_eval(raw.s, more.data(), 1, nullptr, 0, &logits),
              ADZE_CANCELLED);
    EXPECT_EQ(adze_session_length(raw.s), 101u);
  }
}

TEST(Session, TwoSessionsShareAPool) {
  adze::Model model = openFake();
  adze::Pool pool = adze::Pool::create(3).or_throw();
  std::vector<std::thread> threads;
  for (uint32_t k = 0; k < 3; ++k)
    threads.emplace_back([&, k] {
      SessionOptions o;
      o.pool = &pool;
      o.context = 300;
      o.prefillChunk = 11;
      adze::Session session = model.session(o).or_throw();
      for (uint32_t round = 0; round < 5; ++round) {
        std::vector<int32_t> tokens = someTokens(200, k * 10 + round);
        adze::Logits logits = session.eval(tokens).or_throw();
        expectRow(logits.row(0), tokens, 199);
        ASSERT_TRUE(session.rewind(0).ok());
      }
    });
  for (std::thread &t : threads)
    t.join();
}

TEST(Session, MemoryIsKnownBefore) {
  adze::Model model = openFake();
  adze_session_options o = options(1000, 3, 100, 2);
  o.size = sizeof o;
  adze_memory m = {};
  m.size = sizeof m;
  ASSERT_EQ(adze_memory_plan(model.c(), &o, &m), ADZE_OK) << lastMessage();
  EXPECT_EQ(m.kv, 3u * 17 * FAKE_PAGE_BYTES);
  EXPECT_EQ(m.kv_per_token, 8u);
  EXPECT_EQ(m.arena, 100u * 8 + 2 * 64);
  EXPECT_EQ(m.weights, 128u);
  // the default context is min(model, 4096)
  ASSERT_EQ(adze_memory_plan(model.c(), nullptr, &m), ADZE_OK);
  EXPECT_EQ(m.kv, (2048u / 64 + 1) * FAKE_PAGE_BYTES);
}

TEST(Session, EveryAllocationMayFail) {
  struct Budget {
    int left = 0;
    int64_t held = 0;
  } budget;
  adze_allocator a = {};
  a.size = sizeof a;
  a.user = &budget;
  a.alloc = [](void *user, size_t bytes, size_t alignment) -> void * {
    auto *b = static_cast<Budget *>(user);
    if (b->left-- <= 0)
      return nullptr;
    b->held += static_cast<int64_t>(bytes);
    void *memory = std::aligned_alloc(alignment, (bytes + alignment - 1) /
                                                     alignment * alignment);
    memset(memory, 0xAB, bytes); // nothing may rely on zero
    return memory;
  };
  a.free = [](void *user, void *memory, size_t bytes) {
    static_cast<Budget *>(user)->held -= static_cast<int64_t>(bytes);
    std::free(memory);
  };
  std::string path = fakePath();
  adze_source source = {};
  source.size = sizeof source;
  source.path = path.c_str();
  adze_open_options open = {};
  open.size = sizeof open;
  open.allocator = &a;
  int succeeded = 0, failed = 0;
  for (int left = 0; left < 40 && succeeded < 2; ++left) {
    budget.left = left;
    adze_model *model = nullptr;
    adze_session *session = nullptr;
    adze_session_options o = options(200, 2, 32, 2);
    o.size = sizeof o;
    std::vector<int32_t> tokens = someTokens(150);
    std::vector<uint32_t> rows = allRows(150);
    const float *logits = nullptr;
    adze_status status = adze_model_open(&source, nullptr, &open, &model);
    if (!status)
      status = adze_session_create(model, &o, &session);
    if (!status)
      status =
          adze_eval(session, tokens.data(), 150, rows.data(), 150, &logits);
    if (status == ADZE_OK) {
      expectRow(logits + 149 * FAKE_VOCABULARY, tokens, 149);
      ++succeeded;
    } else {
      EXPECT_EQ(status, ADZE_OUT_OF_MEMORY) << lastMessage();
      ++failed;
    }
    adze_session_release(session);
    adze_model_release(model);
    EXPECT_EQ(budget.held, 0) << left;
  }
  EXPECT_EQ(succeeded, 2);
  EXPECT_GT(failed, 5);
}

TEST(Session, EmbedLeavesTheSequencesAlone) {
  adze::Model model = openFake();
  Raw raw(model, options(300, 1, 32, 2));
  std::vector<int32_t> tokens = someTokens(290), held = someTokens(50, 4);
  const float *logits;
  ASSERT_EQ(adze_eval(raw.s, held.data(), 20, nullptr, 0, &logits), ADZE_OK);
  std::vector<float> out(290 * FAKE_HIDDEN), last(FAKE_HIDDEN);
  // the default pool has one spare page; take what is needed back first
  EXPECT_EQ(adze_embed(raw.s, tokens.data(), 290, ADZE_POOLING_NONE, 0,
                       out.data(), out.size()),
            ADZE_OK)
      << lastMessage();
  EXPECT_EQ(adze_embed(raw.s, tokens.data(), 290, ADZE_POOLING_LAST, 0,
                       last.data(), last.size()),
            ADZE_OK)
      << lastMessage();
  for (size_t p : {0u, 63u, 64u, 255u, 256u, 289u})
    for (int h = 0; h < FAKE_HIDDEN; ++h)
      EXPECT_EQ(out[p * FAKE_HIDDEN + static_cast<size_t>(h)],
                fake_logit(referenceHash(tokens, p), 1000 + h));
  for (size_t h = 0; h < FAKE_HIDDEN; ++h)
    EXPECT_EQ(last[h], out[289 * FAKE_HIDDEN + h]);
  EXPECT_EQ(adze_embed(raw.s, tokens.data(), 10, ADZE_POOLING_MEAN, 0,
                       last.data(), last.size()),
            ADZE_UNSUPPORTED);
  EXPECT_EQ(adze_embed(raw.s, tokens.data(), 10, ADZE_POOLING_NONE, 0,
                       last.data(), last.size()),
            ADZE_INVALID_ARGUMENT);
  uint32_t row = 29;
  ASSERT_EQ(adze_eval(raw.s, held.data() + 20, 30, &row, 1, &logits), ADZE_OK);
  expectRow(logits, held, 49);
}

TEST(Session, BarriersAreSeen) {
  int seen = 0;
  adze::Model model = openFake();
  adze_session_options o = options(100, 1, 16, 2);
  o.user = &seen;
  o.barrier = [](void *user) { ++*static_cast<int *>(user); };
  Raw raw(model, o);
  std::vector<int32_t> tokens(20, 5); // two steps of at most 16
  uint32_t row = 19;
  const float *logits;
  ASSERT_EQ(adze_eval(raw.s, tokens.data(), 20, &row, 1, &logits), ADZE_OK);
  EXPECT_EQ(seen, 2 * 3);
  EXPECT_EQ(logits[0], referenceLogits(tokens, 19)[0]);
  ASSERT_EQ(adze_eval(raw.s, tokens.data(), 1, nullptr, 0, &logits), ADZE_OK);
  EXPECT_EQ(seen, 3 * 3);
}

TEST(Session, TapHandsValuesOut) {
  struct Seen {
    int calls = 0;
    int64_t rows = 0, cols = 0;
    float first = 0;
  } seen;
  adze::Model model = openFake();
  adze_session_options o = options(100, 1, 16, 2);
  o.user = &seen;
  o.tap = [](const char *name, const float *data, int64_t rows, int64_t cols,
             void *user) {
    auto *s = static_cast<Seen *>(user);
    EXPECT_STREQ(name, "logits");
    ++s->calls;
    s->rows = rows;
    s->cols = cols;
    s->first = data[0];
  };
  Raw raw(model, o);
  std::vector<int32_t> tokens = {62};
  uint32_t row = 0;
  const float *logits;
  ASSERT_EQ(adze_eval(raw.s, tokens.data(), 1, &row, 1, &logits), ADZE_OK);
  EXPECT_EQ(seen.calls, 1);
  EXPECT_EQ(seen.rows, 1);
  EXPECT_EQ(seen.cols, FAKE_VOCABULARY);
  EXPECT_EQ(seen.first, referenceLogits(tokens, 0)[0]);
}
