// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Without --logits the work is one adze_generate. With it, the same loop is
// run here step by step, so that the rows written are the very ones that the
// tokens were sampled from.
#include "run_model.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "adze/text.h"
#include "json_text.h"
#include "npy_writer.h"

using namespace adze;
using namespace adze::tools;

namespace {

Error textError(const adze_text_error &error) {
  return {ADZE_INVALID_ARGUMENT, std::string("tokenizer: ") + error.message,
          "pass token ids with --tokens"};
}

// The model's tokenizer, if it has one, and the text that is being made.
class Text {
public:
  ~Text() {
    adze_text_stream_destroy(stream);
    adze_text_close(text);
  }

  Result<void> open(const Model &model) {
    const void *table;
    size_t size;
    adze_text_error error = {};
    if (adze_model_text_table(model.c(), &table, &size))
      return {}; // ids work without
    if (adze_text_open(table, size, &text, &error))
      return textError(error);
    return {};
  }
  bool present() const { return text != nullptr; }

  Result<std::vector<int32_t>> encode(const std::string &prompt) const {
    int32_t *ids = nullptr;
    size_t count = 0;
    adze_text_error error = {};
    if (adze_text_encode(text, prompt.data(), prompt.size(),
                         ADZE_TEXT_ADD_SPECIAL | ADZE_TEXT_PARSE_SPECIAL, &ids,
                         &count, &error))
      return textError(error);
    std::vector<int32_t> tokens(ids, ids + count);
    adze_text_free(ids);
    return tokens;
  }

  void addStopTokens(Sampling &sampling) const {
    adze_text_info info = {};
    info.struct_size = sizeof info;
    if (!text || sampling.ignoreEos || adze_text_get_info(text, &info))
      return;
    sampling.stopTokens.insert(sampling.stopTokens.end(), info.stop_tokens,
                               info.stop_tokens + info.stop_token_count);
  }

  Result<void> startStream(const std::vector<std::string> &stops) {
    std::vector<const char *> pointers;
    for (const std::string &stop : stops)
      pointers.push_back(stop.c_str());
    adze_text_error error = {};
    if (text &&
        adze_text_stream_create(text, ADZE_TEXT_CONTINUATION, pointers.data(),
                                pointers.size(), &stream, &error))
      return textError(error);
    return {};
  }
  // Text that this token completes; true in *ends where a stop string came.
  std::string push(int32_t id, bool *ends) {
    adze_text_chunk chunk = {};
    adze_text_error error;
    if (!stream || adze_text_stream_push(stream, id, &chunk, &error))
      return "";
    *ends = chunk.stop_string >= 0;
    return {chunk.utf8, chunk.length};
  }
  std::string finish() {
    adze_text_chunk chunk = {};
    adze_text_error error;
    if (!stream || adze_text_stream_finish(stream, &chunk, &error))
      return "";
    return {chunk.utf8, chunk.length};
  }

private:
  adze_text *text = nullptr;
  adze_text_stream *stream = nullptr;
};

struct Outcome {
  std::vector<int32_t> tokens; // given and made
  size_t promptTokens = 0;
  std::string text;
  const char *finish = "length";
  double prefillSeconds = 0, decodeSeconds = 0;
  size_t decoded = 0; // tokens evaluated one by one
};

double now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

class Run {
public:
  Run(const Model &model, const RunOptions &options)
      : model(model), options(options), sampling(options.sampling) {}

  Result<void> run() {
    if (auto done = prepare(); !done)
      return done;
    auto done = options.logitsPath.empty() ? generate() : generateWithLogits();
    if (!done)
      return done;
    show(text.finish());
    if (options.json)
      printJson();
    else
      std::putchar('\n');
    if (std::fflush(stdout) || std::ferror(stdout))
      return Error{ADZE_IO_ERROR, "cannot write to the standard output", ""};
    return {};
  }

private:
  Result<void> prepare() {
    if (auto opened = text.open(model); !opened)
      return opened;
    if (options.hasPrompt == options.hasTokens)
      return Error{ADZE_INVALID_ARGUMENT,
                   "expected either --prompt or --tokens", ""};
    if (options.hasPrompt && !text.present())
      return Error{ADZE_NOT_FOUND, "the model was compiled without a tokenizer",
                   "pass token ids with --tokens"};
    if (!options.stopStrings.empty() && !text.present())
      return Error{ADZE_NOT_FOUND,
                   "--stop: the model was compiled without a tokenizer", ""};
    out.tokens = options.tokens;
    if (options.hasPrompt) {
      auto encoded = text.encode(options.prompt);
      if (!encoded)
        return encoded.error();
      out.tokens = *encoded;
    }
    if (out.tokens.empty())
      return Error{ADZE_INVALID_ARGUMENT, "the prompt has no tokens",
                   "write at least one word, or one id"};
    out.promptTokens = out.tokens.size();
    text.addStopTokens(sampling);
    sampling.maxTokens = options.maxTokens;
    sampling.evaluateOnly = options.maxTokens == 0;
    if (auto started = text.startStream(options.stopStrings); !started)
      return started;
    return createSession();
  }

  // The default context, or more where this run needs and the model has it.
  Result<void> createSession() {
    SessionOptions o;
    o.threads = options.threads;
    o.context = options.context;
    int64_t most = 0;
    if (adze_model_integer(model.c(), "context", &most) != ADZE_OK || most < 0)
      most = 0;
    uint64_t needed = out.promptTokens + uint64_t(options.maxTokens);
    if (!o.context && needed > 4096 && most > 4096)
      o.context =
          static_cast<uint32_t>(std::min<uint64_t>(needed, uint64_t(most)));
    auto made = model.session(o);
    if (!made)
      return made.error();
    session = std::make_unique<Session>(std::move(*made));
    if (out.promptTokens > session->context())
      return Error{ADZE_CONTEXT_FULL,
                   "the prompt has " + std::to_string(out.promptTokens) +
                       " tokens; the context has " +
                       std::to_string(session->context()) + " positions",
                   "shorten it, or raise --context as far as the model goes"};
    return {};
  }

  void show(const std::string &piece) {
    out.text += piece;
    if (options.json || piece.empty())
      return;
    std::fwrite(piece.data(), 1, piece.size(), stdout);
    std::fflush(stdout);
  }

  // Takes a token that was made; false where a stop string ends the text.
  bool take(int32_t id, bool isStop) {
    out.tokens.push_back(id);
    bool ends = false;
    if (!text.present() && !options.json)
      std::printf("%s%d", out.tokens.size() > out.promptTokens + 1 ? " " : "",
                  id);
    else if (!isStop)
      show(text.push(id, &ends));
    std::fflush(stdout);
    if (ends)
      out.finish = "stop_string";
    else if (isStop)
      out.finish = "stop_token";
    return !ends;
  }

  Result<void> generate() {
    std::vector<int32_t> prompt = out.tokens;
    auto made = session->generate(prompt, sampling, [this](const Token &token) {
      return take(token.id, token.isStop) ? Next::Continue : Next::Stop;
    });
    if (!made)
      return made.error();
    out.prefillSeconds = made->info.prefill_seconds;
    out.decodeSeconds = made->info.decode_seconds;
    out.decoded = made->info.made_tokens ? made->info.made_tokens - 1 : 0;
    if (made->info.finish == ADZE_FINISH_CONTEXT_FULL)
      out.finish = "context_full";
    return {};
  }

  // Evaluates tokens and writes the logits of each; *last is the last row.
  Result<void> evaluate(NpyWriter &file, const int32_t *tokens, size_t count,
                        const float **last) {
    const size_t piece = 128;
    for (size_t at = 0; at < count; at += piece) {
      size_t n = std::min(piece, count - at);
      std::vector<uint32_t> rows(n);
      for (size_t i = 0; i < n; ++i)
        rows[i] = static_cast<uint32_t>(i);
      const float *logits;
      if (adze_eval(session->c(), tokens + at, n, rows.data(), n, &logits))
        return lastError();
      if (auto added = file.add(logits, n); !added)
        return added;
      *last = logits + (n - 1) * session->vocabulary();
    }
    return {};
  }

  bool isStopToken(int32_t id) const {
    if (std::count(sampling.stopTokens.begin(), sampling.stopTokens.end(), id))
      return true;
    int64_t ends[32];
    size_t count = 0;
    if (sampling.ignoreEos ||
        adze_model_integers(model.c(), "eos", ends, 32, &count))
      return false;
    return std::count(ends, ends + std::min<size_t>(count, 32), id) > 0;
  }

  adze_sampling sampleOptions() const {
    adze_sampling o = {};
    o.size = sizeof o;
    o.temperature = sampling.temperature;
    o.top_k = sampling.topK;
    o.top_p = sampling.topP;
    o.min_p = sampling.minP;
    o.repetition_penalty = sampling.repetitionPenalty;
    o.repetition_window = sampling.repetitionWindow;
    o.seed = sampling.seed;
    o.bias = sampling.bias.data();
    o.n_bias = sampling.bias.size();
    return o;
  }

  Result<void> generateWithLogits() {
    NpyWriter file(options.logitsPath, session->vocabulary());
    const float *last = nullptr;
    double start = now();
    auto done = evaluate(file, out.tokens.data(), out.tokens.size(), &last);
    out.prefillSeconds = now() - start;
    adze_sampling o = sampleOptions();
    for (uint32_t made = 0; done && made < options.maxTokens; ++made) {
      if (session->length() >= session->context()) {
        out.finish = "context_full";
        break;
      }
      int32_t id;
      if (adze_sample(session->c(), last, &o, out.tokens.data(),
                      out.tokens.size(), made, &id))
        return lastError();
      bool stop = isStopToken(id), more = take(id, stop);
      start = now();
      done = evaluate(file, &id, 1, &last);
      out.decodeSeconds += now() - start;
      ++out.decoded;
      if (stop || !more)
        break;
    }
    if (!done)
      return done;
    return file.finish();
  }

  void printJson() const {
    auto rate = [](size_t count, double seconds) {
      return count && seconds > 0 ? static_cast<double>(count) / seconds : 0.0;
    };
    std::printf("{\"text\": %s, \"tokens\": [", quotedJson(out.text).c_str());
    for (size_t i = 0; i < out.tokens.size(); ++i)
      std::printf("%s%d", i ? ", " : "", out.tokens[i]);
    std::printf("], \"prompt_tokens\": %zu, \"finish\": \"%s\", "
                "\"load_seconds\": %.6f, \"compile_seconds\": %.6f, "
                "\"prefill_tokens_per_second\": %.3f, "
                "\"decode_tokens_per_second\": %.3f}\n",
                out.promptTokens, out.finish, options.loadSeconds,
                options.compileSeconds,
                rate(out.promptTokens, out.prefillSeconds),
                rate(out.decoded, out.decodeSeconds));
  }

  const Model &model;
  const RunOptions &options;
  Sampling sampling;
  Text text;
  std::unique_ptr<Session> session;
  Outcome out;
};

} // namespace

Result<std::vector<int32_t>>
adze::tools::parseTokenList(const std::string &list) {
  std::vector<int32_t> tokens;
  const char *at = list.c_str();
  for (;;) {
    char *end;
    errno = 0;
    long id = std::strtol(at, &end, 10);
    if (end == at || errno || id < 0 || id > INT32_MAX || (*end && *end != ','))
      return Error{ADZE_INVALID_ARGUMENT,
                   "--tokens: expected ids such as 1,2,3, found '" + list + "'",
                   ""};
    tokens.push_back(static_cast<int32_t>(id));
    if (!*end)
      return tokens;
    at = end + 1;
  }
}

Result<void> adze::tools::runModel(const Model &model,
                                   const RunOptions &options) {
  return Run(model, options).run();
}
