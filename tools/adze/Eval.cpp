// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze eval: how well a model predicts a text.
//
// The text is cut into windows of N positions that do not overlap; each begins
// with the beginning token where the tokenizer adds one. The first token of a
// window is not scored. Bits per byte are over the bytes of the whole file.
//
// Against another model, both run over the same windows: the divergence is
// KL(other || model), the mean over the scored positions.

#include "Console.h"
#include "ModelArguments.h"
#include "Subcommands.h"
#include "adze/text.h"
#include "llvm/Support/JSON.h"
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>
#include <sstream>

using namespace adze;
using namespace adze::tools;

namespace {
struct EvalArguments : ModelArguments {
  std::string textFile;
  uint32_t context = 0;
  std::string against, againstWeights;

  bool compares() const { return !against.empty() || !againstWeights.empty(); }
};

struct Scores {
  double nats = 0,
         otherNats = 0;  // of the model, of the one it is compared with
  double divergence = 0; // summed over the tokens
  uint64_t sameTop = 0;  // positions with the same likeliest token
  uint64_t tokens = 0, bytes = 0;
  uint32_t context = 0;

  double perplexity() const { return std::exp(nats / double(tokens)); }
  double otherPerplexity() const {
    return std::exp(otherNats / double(tokens));
  }
  double meanDivergence() const { return divergence / double(tokens); }
  double topAgreement() const { return double(sameTop) / double(tokens); }
  double bitsPerByte() const { return nats / std::log(2.0) / double(bytes); }
};

struct Encoded {
  std::vector<int32_t> ids;
  int32_t bos = -1; // put before each window; -1: none
};

Result<std::string> readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf()))
    return Error{ADZE_IO_ERROR,
                 path + ": cannot read it, or there is nothing in it",
                 "--text takes a file of plain text"};
  return text.str();
}

Result<Encoded> encode(const Model &model, const std::string &path,
                       const std::string &bytes) {
  const void *table;
  size_t size;
  if (adze_model_text_table(model.c(), &table, &size))
    return Error{
        ADZE_NOT_FOUND, "the model was compiled without a tokenizer",
        "put its tokenizer files beside the weights and compile again"};
  adze_text *text = nullptr;
  adze_text_error error = {};
  if (adze_text_open(table, size, &text, &error))
    return Error{ADZE_BAD_ARTEFACT, std::string("tokenizer: ") + error.message,
                 ""};
  int32_t *ids = nullptr;
  size_t count = 0;
  Encoded result;
  adze_text_status status = adze_text_encode(text, bytes.data(), bytes.size(),
                                             0, &ids, &count, &error);
  if (status == ADZE_TEXT_OK)
    result.ids.assign(ids, ids + count);
  adze_text_free(ids);
  adze_text_info info = {};
  info.struct_size = sizeof info;
  if (!adze_text_get_info(text, &info) && info.adds_bos)
    result.bos = info.bos;
  adze_text_close(text);
  if (status != ADZE_TEXT_OK)
    return Error{ADZE_INVALID_ARGUMENT, path + ": " + error.message, ""};
  return result;
}

/// The log of a sum of exponentials of logits.
double logSum(const float *logits, size_t vocabulary) {
  float most = *std::max_element(logits, logits + vocabulary);
  double sum = 0;
  for (size_t i = 0; i < vocabulary; ++i)
    sum += std::exp(double(logits[i] - most));
  return std::log(sum) + double(most);
}

/// -log of the probability of `id`.
double surprise(const float *logits, size_t vocabulary, int32_t id) {
  return logSum(logits, vocabulary) - double(logits[id]);
}

/// Adds what one position says of the model against the other.
void compare(const float *logits, const float *other, size_t vocabulary,
             int32_t id, Scores &scores) {
  double sum = logSum(logits, vocabulary), otherSum = logSum(other, vocabulary),
         divergence = 0;
  for (size_t i = 0; i < vocabulary; ++i) {
    double logP = double(other[i]) - otherSum;
    divergence += std::exp(logP) * (logP - (double(logits[i]) - sum));
  }
  scores.divergence += divergence;
  scores.otherNats += otherSum - double(other[id]);
  scores.sameTop += std::max_element(logits, logits + vocabulary) - logits ==
                    std::max_element(other, other + vocabulary) - other;
}

/// Scores one window: every token but the first. `other` may be null.
Result<void> score(Session &session, Session *other,
                   const std::vector<int32_t> &window, Scores &scores) {
  const size_t piece = 64; // rows of logits at a time
  if (auto done = session.rewind(0); !done)
    return done;
  if (other)
    if (auto done = other->rewind(0); !done)
      return done;
  for (size_t at = 0; at + 1 < window.size(); at += piece) {
    size_t count = std::min(piece, window.size() - 1 - at);
    std::vector<int32_t> tokens(window.begin() + long(at),
                                window.begin() + long(at + count));
    std::vector<uint32_t> rows(count);
    for (size_t i = 0; i < count; ++i)
      rows[i] = uint32_t(i);
    auto logits = session.eval(tokens, rows);
    if (!logits)
      return logits.error();
    for (size_t i = 0; i < count; ++i)
      scores.nats +=
          surprise(logits->row(i), logits->vocabulary, window[at + i + 1]);
    scores.tokens += count;
    if (!other)
      continue;
    auto others = other->eval(tokens, rows);
    if (!others)
      return others.error();
    for (size_t i = 0; i < count; ++i)
      compare(logits->row(i), others->row(i), logits->vocabulary,
              window[at + i + 1], scores);
  }
  return {};
}

/// A session over the model to compare with, of the same vocabulary.
Result<Session> openOther(const EvalArguments &a, const Session &session) {
  ModelArguments given;
  given.model = a.against.empty() ? a.model : a.against;
  given.options.weights = a.againstWeights;
  given.options.calibration.clear(); // as --weights alone makes them
  given.options.method.clear();
  given.options.threads = a.options.threads;
  given.json = a.json;
  auto opened = openModel(given);
  if (!opened)
    return opened.error();
  SessionOptions options;
  options.context = session.context();
  options.threads = a.options.threads;
  auto other = opened->model.session(options);
  if (other && other->vocabulary() != session.vocabulary())
    return Error{ADZE_INVALID_ARGUMENT,
                 given.model + " has a vocabulary of " +
                     std::to_string(other->vocabulary()) + ", " + a.model +
                     " of " + std::to_string(session.vocabulary()),
                 "--against takes a model with the same tokens"};
  return other;
}

Result<Scores> evaluate(const Model &model, const EvalArguments &a) {
  auto bytes = readFile(a.textFile);
  if (!bytes)
    return bytes.error();
  auto encoded = encode(model, a.textFile, *bytes);
  if (!encoded)
    return encoded.error();
  SessionOptions options;
  options.context = a.context;
  options.threads = a.options.threads;
  auto session = model.session(options);
  if (!session)
    return session.error();
  Scores scores;
  scores.bytes = bytes->size();
  scores.context = session->context();
  size_t extra = encoded->bos >= 0 ? 1 : 0;
  if (scores.context < 2)
    return Error{ADZE_INVALID_ARGUMENT,
                 "--context: a window needs at least 2 positions", ""};
  std::optional<Session> other;
  if (a.compares()) {
    auto made = openOther(a, *session);
    if (!made)
      return made.error();
    other = std::move(*made);
  }
  Progress progress(a.json);
  size_t step = scores.context - extra;
  for (size_t at = 0; at < encoded->ids.size(); at += step) {
    if (progress.show("evaluating", at, encoded->ids.size()))
      return Error{ADZE_CANCELLED, "stopped", ""};
    std::vector<int32_t> window;
    if (extra)
      window.push_back(encoded->bos);
    size_t end = std::min(at + step, encoded->ids.size());
    window.insert(window.end(), encoded->ids.begin() + long(at),
                  encoded->ids.begin() + long(end));
    if (auto done = score(*session, other ? &*other : nullptr, window, scores);
        !done)
      return done.error();
  }
  if (!scores.tokens)
    return Error{ADZE_INVALID_ARGUMENT,
                 a.textFile + ": there is no token to score",
                 "give a longer text"};
  return scores;
}

int run(const EvalArguments &a) {
  auto opened = openModel(a);
  if (!opened)
    return fail(opened.error());
  auto scores = evaluate(opened->model, a);
  if (!scores)
    return fail(scores.error());
  if (a.json) {
    llvm::json::Object object{{"perplexity", scores->perplexity()},
                              {"tokens", int64_t(scores->tokens)},
                              {"bits_per_byte", scores->bitsPerByte()},
                              {"bytes", int64_t(scores->bytes)},
                              {"context", int64_t(scores->context)}};
    if (a.compares())
      object["against"] =
          llvm::json::Object{{"perplexity", scores->otherPerplexity()},
                             {"kl_divergence", scores->meanDivergence()},
                             {"top1_agreement", scores->topAgreement()}};
    return printJson(std::move(object));
  }
  std::printf("perplexity %.4f over %llu tokens in windows of %u, %.4f bits "
              "per byte\n",
              scores->perplexity(), (unsigned long long)scores->tokens,
              scores->context, scores->bitsPerByte());
  if (a.compares())
    std::printf("against a perplexity of %.4f (%+.2f %%): KL divergence %.5f, "
                "same likeliest token in %.2f %%\n",
                scores->otherPerplexity(),
                100 * (scores->perplexity() / scores->otherPerplexity() - 1),
                scores->meanDivergence(), 100 * scores->topAgreement());
  return ExitOk;
}
} // namespace

void adze::tools::addEval(CLI::App &app, int &status) {
  CLI::App &command =
      *app.add_subcommand("eval", "measure how well a model predicts a text");
  auto a = std::make_shared<EvalArguments>();
  a->addTo(command, "directory, .gguf, .mlir or artefact");
  command.add_option("--text", a->textFile, "the text, UTF-8")
      ->type_name("FILE")
      ->required();
  command
      .add_option("--context", a->context,
                  "positions of a window (default: the model's\n"
                  "context, at most 4096)")
      ->check(CLI::Range(2u, uint32_t(INT32_MAX)).description(""))
      ->type_name("N");
  command
      .add_option("--against", a->against,
                  "another model or artefact to compare with")
      ->type_name("MODEL");
  command
      .add_option("--against-weights", a->againstWeights,
                  "compare with these weights (of MODEL, or of the\n"
                  "model of --against), as --weights takes them")
      ->check(CLI::Validator(
          [](const std::string &text) {
            auto result = checkWeights(text);
            return result ? std::string() : result.error().message;
          },
          ""))
      ->type_name("FORMATS");
  a->addOutputTo(command);
  command.footer(R"(
Windows do not overlap; each begins with the beginning token where the tokenizer
adds one, and its first token is not scored.

examples
  adze eval model/ --text valid.txt
  adze eval model/ --weights int8 --against-weights f32 --text valid.txt
  adze eval model/ --weights bf16 --text valid.txt --context 512 --json)");
  command.callback([a, &status] { status = run(*a); });
}
