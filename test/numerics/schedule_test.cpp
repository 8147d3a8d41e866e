// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One summation order: whatever else is in the batch, however a prompt is cut,
// on however many threads, the logits of a sequence are bit for bit those of
// the sequence run alone.
//
// Five sequences of a small random model join, prefill in pieces, decode, leave
// and begin again in random schedules; every row of logits that any step gives
// is compared with memcmp. So that the test can fail, other sums are planted:
// the same model with its linears in plain loops (a product and an addition,
// rounded each, where the kernel has one fma) agrees to 1e-3, or with codes to
// a few that round the other way, and must be caught.

#include "../common/ZeroBlocks.h"
#include "CompiledModel.h"
#include "TestCalibration.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <regex>
#include <unistd.h>

using namespace adze;
using namespace adze::test;
namespace fs = std::filesystem;

namespace {

constexpr uint32_t kSequences = 5;
constexpr size_t kContext = 720;

struct Reference {
  std::vector<int32_t> tokens;
  std::vector<float> logits; // of every position
};

struct Setting {
  const char *model, *weights;
  const char *activations = "", *kv = "";
  /// How far the same model may be with other sums: a code that is half way
  /// between two goes the other way.
  float near = 1e-3f;
  /// The share of blocks that are zero.
  double zeros = 0;
};

std::string nameOf(const testing::TestParamInfo<Setting> &info) {
  std::string name = std::string(info.param.model) + "_" +
                     (*info.param.weights ? info.param.weights : "f32") +
                     info.param.activations;
  if (*info.param.kv)
    name += std::string("_kv_") + info.param.kv;
  if (info.param.zeros > 0)
    name += "_blocks";
  for (char &c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)))
      c = '_';
  return name;
}

/// A stored reference with room for the longest sequence: its configuration is
/// copied with another context, nothing else depends on that.
class LongContextModel {
public:
  explicit LongContextModel(const char *name, double zeros = 0) {
    fs::path from =
        fs::path(ADZE_SOURCE_DIR) / "test/numerics/references/hf" / name;
    folder = fs::temp_directory_path() /
             ("adze-schedules-" + std::to_string(::getpid()));
    fs::remove_all(folder);
    fs::copy(from, folder);
    std::ifstream in(from / "config.json");
    std::string config((std::istreambuf_iterator<char>(in)), {});
    config = std::regex_replace(
        config, std::regex("\"max_position_embeddings\": *[0-9]+"),
        "\"max_position_embeddings\": 8192");
    std::ofstream(folder / "config.json") << config;
    if (zeros > 0)
      EXPECT_GT(zeroBlocks(folder, zeros), 0);
  }
  ~LongContextModel() { fs::remove_all(folder); }
  std::string path() const { return folder.string(); }

private:
  fs::path folder;
};

std::vector<int32_t> randomTokens(std::mt19937 &random, size_t count,
                                  size_t vocabulary) {
  std::vector<int32_t> tokens(count);
  for (int32_t &t : tokens)
    t = int32_t(random() % vocabulary);
  return tokens;
}

/// Lengths at the edges of pages and attention chunks.
constexpr size_t kLengths[kSequences] = {255, 256, 257, 700, 33};

class Schedules : public testing::TestWithParam<Setting> {
protected:
  void SetUp() override { compile(CompileOptions(), compiled); }

  /// The setting's model, as the setting and `options` say.
  void compile(CompileOptions options, std::unique_ptr<CompiledModel> &to) {
    options.weights = GetParam().weights;
    options.activations = GetParam().activations;
    options.kv = GetParam().kv;
    LongContextModel model(GetParam().model, GetParam().zeros);
    if (GetParam().zeros > 0)
      options.insert = {"before-codegen:adze-choose-sparse{force=true}"};
    std::optional<TestCalibration> calibration;
    if (options.activations.find(":static") != std::string::npos) {
      std::mt19937 random(5);
      calibration.emplace(model.path(), randomTokens(random, 4 * 64, 10), 64)
          .addTo(options);
    }
    to = std::make_unique<CompiledModel>(model.path(), options);
    ASSERT_EQ(to->error(), "");
  }

  /// Each sequence alone, in one piece per token group of the session.
  std::vector<Reference> runAlone(adze_model *model) {
    std::mt19937 random(7);
    std::vector<Reference> references;
    SessionHandle session = makeSession(model, 1, 1, 1024, kContext);
    if (!session)
      return references;
    size_t vocabulary = adze_session_vocabulary(session.get());
    for (size_t length : kLengths) {
      Reference reference;
      reference.tokens = randomTokens(random, length, vocabulary);
      EXPECT_EQ(adze_session_rewind(session.get(), 0), ADZE_OK);
      reference.logits = evaluate(session.get(), reference.tokens);
      references.push_back(std::move(reference));
    }
    return references;
  }

  std::unique_ptr<CompiledModel> compiled;
};

/// Rows of a step that differ from the reference.
size_t runSchedule(adze_model *model, const std::vector<Reference> &references,
                   unsigned seed, uint32_t threads) {
  std::mt19937 random(seed);
  SessionHandle session =
      makeSession(model, threads, kSequences, 512, kContext);
  size_t vocabulary = adze_session_vocabulary(session.get());
  size_t mismatches = 0, compared = 0;
  std::vector<size_t> position(kSequences, 0), rounds(kSequences, 0);
  // Decode-sized steps until all are through once; sizes around tile heights.
  constexpr size_t kPieces[] = {1, 1, 1, 2, 4, 8, 9, 17, 64, 130};
  for (int step = 0; step < 4000; ++step) {
    std::vector<adze_step_input> inputs;
    std::vector<std::vector<uint32_t>> rows;
    std::vector<std::pair<uint32_t, size_t>> expected; // sequence, position
    rows.reserve(kSequences);
    for (uint32_t s = 0; s < kSequences; ++s) {
      const Reference &reference = references[s];
      if (position[s] == reference.tokens.size()) { // leaves, begins again
        EXPECT_EQ(adze_sequence_rewind(session.get(), s, 0), ADZE_OK);
        position[s] = 0;
        ++rounds[s];
      }
      if (rounds[s] || random() % 3 == 0)
        continue; // not in this step
      size_t left = reference.tokens.size() - position[s];
      // Long stretches go quickly, so that a run takes seconds.
      size_t want = left > 300 ? 130 : kPieces[random() % 10];
      size_t count = std::min(left, want);
      std::vector<uint32_t> asked;
      for (size_t i = 0; i < count; ++i)
        if (random() % 2 || i + 1 == count) {
          asked.push_back(uint32_t(i));
          expected.emplace_back(s, position[s] + i);
        }
      rows.push_back(std::move(asked));
      adze_step_input input = {};
      input.size = sizeof input;
      input.sequence = s;
      input.tokens = reference.tokens.data() + position[s];
      input.count = count;
      input.rows = rows.back().data();
      input.n_rows = rows.back().size();
      inputs.push_back(input);
      position[s] += count;
    }
    if (inputs.empty()) {
      bool done = true;
      for (size_t r : rounds)
        done &= r > 0;
      if (done)
        break;
      continue;
    }
    const float *logits = nullptr;
    if (adze_step(session.get(), inputs.data(), inputs.size(), &logits)) {
      ADD_FAILURE() << adze_last_error()->message;
      return ~size_t(0);
    }
    for (size_t i = 0; i < expected.size(); ++i) {
      auto [s, at] = expected[i];
      mismatches += std::memcmp(logits + i * vocabulary,
                                references[s].logits.data() + at * vocabulary,
                                vocabulary * sizeof(float)) != 0;
      ++compared;
    }
  }
  EXPECT_GT(compared, 300u);
  return mismatches;
}

TEST_P(Schedules, LogitsAreBitForBitThoseOfTheSequenceAlone) {
  for (const std::string &variant : compiled->variants()) {
    ModelHandle model = openModel(compiled->path(), variant);
    ASSERT_TRUE(model);
    std::vector<Reference> references = runAlone(model.get());
    ASSERT_EQ(references.size(), kSequences);
    for (uint32_t threads : {1u, 2u, 3u, 4u})
      EXPECT_EQ(runSchedule(model.get(), references, 100 + threads, threads),
                0u)
          << variant << ", " << threads << " threads, seed " << 100 + threads;
  }
}

/// Steps of one row, with logits and without, and of two between them: there
/// threads do not share what is cheap to make, and meet less often.
TEST_P(Schedules, TokensOneByOneAreThoseOfThePrompt) {
  for (const std::string &variant : compiled->variants()) {
    ModelHandle model = openModel(compiled->path(), variant);
    ASSERT_TRUE(model);
    std::vector<Reference> references = runAlone(model.get());
    ASSERT_EQ(references.size(), kSequences);
    const Reference &reference = references.front();
    for (uint32_t threads : {1u, 2u, 3u, 4u}) {
      SessionHandle session = makeSession(model.get(), threads, 1, 8, kContext);
      ASSERT_TRUE(session);
      size_t vocabulary = adze_session_vocabulary(session.get());
      for (size_t at = 0, step = 0, count; at < 80; at += count, ++step) {
        count = step % 7 == 6 ? 2 : 1;
        std::vector<uint32_t> rows;
        for (uint32_t i = 0; i < count && step % 5 != 4; ++i)
          rows.push_back(i);
        const float *logits = nullptr;
        ASSERT_EQ(adze_eval(session.get(), reference.tokens.data() + at, count,
                            rows.data(), rows.size(), &logits),
                  ADZE_OK);
        ASSERT_TRUE(rows.empty() ||
                    !std::memcmp(logits,
                                 reference.logits.data() + at * vocabulary,
                                 rows.size() * vocabulary * sizeof(float)))
            << variant << ", " << threads << " threads, position " << at;
      }
    }
  }
}

TEST_P(Schedules, PlantedSumsAreCaught) {
  CompileOptions options;
  options.target = "x86-64-v3";
  options.generic = {"adze.linear"};
  std::unique_ptr<CompiledModel> other;
  compile(options, other);
  ASSERT_TRUE(other);
  ModelHandle planted = openModel(other->path(), "");
  ModelHandle model = openModel(compiled->path(), "x86-64-v3");
  ASSERT_TRUE(planted && model);
  std::vector<Reference> references = runAlone(planted.get());
  std::vector<Reference> own = runAlone(model.get());
  ASSERT_EQ(references.size(), kSequences);
  ASSERT_EQ(own.size(), kSequences);
  // The same mathematics ...
  float difference = 0, scale = 0;
  for (size_t i = 0; i < own[0].logits.size(); ++i) {
    difference = std::max(
        difference, std::fabs(own[0].logits[i] - references[0].logits[i]));
    scale = std::max(scale, std::fabs(own[0].logits[i]));
  }
  EXPECT_LE(difference, GetParam().near * scale);
  // ... but not the same bits.
  EXPECT_GT(runSchedule(model.get(), references, 1, 2), 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Models, Schedules,
    testing::Values(
        Setting{"llama31-scaled-head80", ""}, Setting{"mistral-window", ""},
        Setting{"llama31-scaled-head80", "bf16"},
        Setting{"qwen3-head80", "f16"},
        Setting{"llama31-scaled-head80", "", "", "int8"},
        Setting{"llama31-scaled-head80", "int8", "", "", 5e-2f},
        Setting{"llama31-scaled-head80", "int4:g32", "int8:g32", "", 5e-2f},
        Setting{"mistral-window", "int4:g32:f16:zp", "int8:token", "", 5e-2f},
        Setting{"llama31-scaled-head80", "int8", "int8:g32:static", "", 5e-2f},
        Setting{"mistral-window", "int4:g128", "f32", "", 1e-3f},
        Setting{"llama31-scaled-head80", "", "", "", 1e-3f, 0.5},
        Setting{"mistral-window", "bf16", "", "", 1e-3f, 0.5},
        Setting{"llama31-scaled-head80", "int8", "", "", 5e-2f, 0.5},
        Setting{"llama31-scaled-head80", "int4:g32", "int8:g32", "", 5e-2f,
                0.7},
        Setting{"mistral-window", "int4:g64:f16:zp", "int8:token", "", 5e-2f,
                0.5}),
    nameOf);

//===-- long contexts -----------------------------------------------------===//
// Few KV heads and long sequences: attention is cut inside of items, between
// chunks of positions, and merged.

constexpr size_t kLongLengths[] = {700, 1500, 4100};
constexpr uint32_t kLongSequences = 3;
constexpr size_t kLongContext = 4160;

class LongSchedules : public Schedules {
protected:
  std::vector<Reference> runAlone(adze_model *model) {
    std::mt19937 random(11);
    std::vector<Reference> references;
    SessionHandle session = makeSession(model, 1, 1, 1024, kLongContext);
    if (!session)
      return references;
    size_t vocabulary = adze_session_vocabulary(session.get());
    for (size_t length : kLongLengths) {
      Reference reference;
      reference.tokens = randomTokens(random, length, vocabulary);
      EXPECT_EQ(adze_session_rewind(session.get(), 0), ADZE_OK);
      reference.logits = evaluate(session.get(), reference.tokens);
      references.push_back(std::move(reference));
    }
    return references;
  }
};

/// Appends `counts` tokens to each sequence in one step; false if the last
/// logits of one differ from the reference.
bool stepEquals(adze_session *session, const std::vector<Reference> &references,
                std::vector<size_t> &position,
                const std::vector<size_t> &counts) {
  std::vector<adze_step_input> inputs;
  std::vector<uint32_t> rows(kLongSequences), sequences;
  for (uint32_t s = 0; s < kLongSequences; ++s) {
    if (!counts[s])
      continue;
    rows[s] = uint32_t(counts[s] - 1);
    adze_step_input input = {};
    input.size = sizeof input;
    input.sequence = s;
    input.tokens = references[s].tokens.data() + position[s];
    input.count = counts[s];
    input.rows = &rows[s];
    input.n_rows = 1;
    inputs.push_back(input);
    sequences.push_back(s);
    position[s] += counts[s];
  }
  const float *logits = nullptr;
  if (adze_step(session, inputs.data(), inputs.size(), &logits)) {
    ADD_FAILURE() << adze_last_error()->message;
    return false;
  }
  size_t vocabulary = adze_session_vocabulary(session);
  for (size_t i = 0; i < sequences.size(); ++i) {
    uint32_t s = sequences[i];
    if (std::memcmp(logits + i * vocabulary,
                    references[s].logits.data() +
                        (position[s] - 1) * vocabulary,
                    vocabulary * sizeof(float)))
      return false;
  }
  return true;
}

TEST_P(LongSchedules, SplitSequencesKeepTheirBits) {
  for (const std::string &variant : compiled->variants()) {
    ModelHandle model = openModel(compiled->path(), variant);
    ASSERT_TRUE(model);
    std::vector<Reference> references = runAlone(model.get());
    ASSERT_EQ(references.size(), kLongSequences);
    for (uint32_t threads : {1u, 2u, 3u, 4u}) {
      SCOPED_TRACE(variant + ", " + std::to_string(threads) + " threads");
      SessionHandle session =
          makeSession(model.get(), threads, kLongSequences, 512, kLongContext);
      std::vector<size_t> position(kLongSequences, 0);
      for (uint32_t s = 0; s < kLongSequences; ++s)
        while (position[s] + 20 < kLongLengths[s]) {
          std::vector<size_t> counts(kLongSequences, 0);
          counts[s] = std::min<size_t>(512, kLongLengths[s] - 20 - position[s]);
          ASSERT_TRUE(stepEquals(session.get(), references, position, counts))
              << "prompt of sequence " << s;
        }
      // One alone, two, all three; a few tokens at once.
      const std::vector<size_t> steps[] = {{0, 0, 1}, {0, 0, 1}, {1, 0, 0},
                                           {0, 1, 1}, {1, 1, 0}, {1, 1, 1},
                                           {2, 1, 3}, {0, 0, 5}, {4, 4, 0}};
      for (const std::vector<size_t> &counts : steps)
        ASSERT_TRUE(stepEquals(session.get(), references, position, counts))
            << "tokens " << counts[0] << ", " << counts[1] << ", " << counts[2];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, LongSchedules,
                         testing::Values(Setting{"llama31-scaled-head80", ""},
                                         Setting{"mistral-full", "bf16"},
                                         Setting{"llama2-head2", ""},
                                         Setting{"mistral-full", "", "",
                                                 "int8"}),
                         nameOf);

} // namespace
