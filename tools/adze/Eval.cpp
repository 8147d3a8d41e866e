// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze eval: how well a model predicts a text.
//
// The text is cut into windows of N positions that do not overlap; each begins
// with the beginning token where the tokenizer adds one. The first token of a
// window is not scored. Bits per byte are over the bytes of the whole file.

#include "Console.h"
#include "ModelArguments.h"
#include "Subcommands.h"
#include "adze/text.h"
#include "llvm/Support/JSON.h"
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

using namespace adze;
using namespace adze::tools;

namespace {
struct EvalArguments : ModelArguments {
  std::string textFile;
  uint32_t context = 0;
};

struct Scores {
  double nats = 0;
  uint64_t tokens = 0, bytes = 0;
  uint32_t context = 0;

  double perplexity() const { return std::exp(nats / double(tokens)); }
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

/// -log of the probability of `id`.
double surprise(const float *logits, size_t vocabulary, int32_t id) {
  float most = *std::max_element(logits, logits + vocabulary);
  double sum = 0;
  for (size_t i = 0; i < vocabulary; ++i)
    sum += std::exp(double(logits[i] - most));
  return std::log(sum) - double(logits[id] - most);
}

/// Scores one window: every token but the first.
Result<void> score(Session &session, const std::vector<int32_t> &window,
                   Scores &scores) {
  const size_t piece = 64; // rows of logits at a time
  if (auto done = session.rewind(0); !done)
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
  }
  return {};
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
    if (auto done = score(*session, window, scores); !done)
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
  if (a.json)
    return printJson(
        llvm::json::Object{{"perplexity", scores->perplexity()},
                           {"tokens", int64_t(scores->tokens)},
                           {"bits_per_byte", scores->bitsPerByte()},
                           {"bytes", int64_t(scores->bytes)},
                           {"context", int64_t(scores->context)}});
  std::printf("perplexity %.4f over %llu tokens in windows of %u, %.4f bits "
              "per byte\n",
              scores->perplexity(), (unsigned long long)scores->tokens,
              scores->context, scores->bitsPerByte());
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
  a->addOutputTo(command);
  command.footer(R"(
Windows do not overlap; each begins with the beginning token where the tokenizer
adds one, and its first token is not scored.

examples
  adze eval model/ --text valid.txt
  adze eval model/ --weights bf16 --text valid.txt --context 512 --json)");
  command.callback([a, &status] { status = run(*a); });
}
