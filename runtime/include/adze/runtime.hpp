// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The runtime for C++17: owners for the C handles, Result<T> for the statuses.
// Header only, over adze/runtime.h; adds nothing to it but types.
//
//   auto model = adze::Model::open("m.adze.so").or_throw();
//   auto session = model.session().or_throw();
//   session.generate({1, 2, 3}, {}, [](const adze::Token &t) {
//     use(t.id);
//     return adze::Next::Continue;
//   }).or_throw();
//
// Many sequences, each with tokens of its own in one step:
//
//   auto logits = session.step({{0, prompt, {last}}, {1, {token}, {0}}})
//                     .or_throw();
//   int32_t next = session.sample(logits.row(0)).or_throw();
#ifndef ADZE_RUNTIME_HPP
#define ADZE_RUNTIME_HPP

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "adze/result.hpp"
#include "adze/runtime.h"

namespace adze {

/// This thread's last error as a value.
inline Error lastError() {
  const adze_error *error = adze_last_error();
  return {error->code, error->message, error->hint};
}

namespace detail {
struct ModelDeleter {
  void operator()(adze_model *m) const { adze_model_release(m); }
};
struct SessionDeleter {
  void operator()(adze_session *s) const { adze_session_release(s); }
};
struct PoolDeleter {
  void operator()(adze_pool *p) const { adze_pool_release(p); }
};
inline Result<void> check(adze_status status) {
  if (status == ADZE_OK)
    return {};
  return lastError();
}
template <typename T> constexpr uint32_t dtypeOf() {
  using U = std::remove_cv_t<T>;
  if constexpr (std::is_same_v<U, float>)
    return ADZE_F32;
  else if constexpr (std::is_same_v<U, double>)
    return ADZE_F64;
  else if constexpr (std::is_same_v<U, bool>)
    return ADZE_BOOL;
  else if constexpr (std::is_integral_v<U> && sizeof(U) == 1)
    return std::is_signed_v<U> ? ADZE_I8 : ADZE_U8;
  else {
    static_assert(std::is_integral_v<U> && std::is_signed_v<U>,
                  "no Adze dtype for this element type; use Tensor::view with "
                  "a dtype");
    return sizeof(U) == 2 ? ADZE_I16 : sizeof(U) == 4 ? ADZE_I32 : ADZE_I64;
  }
}
} // namespace detail

/// A dense row-major tensor: a view of the caller's memory, or its own.
class Tensor {
public:
  Tensor() { raw.size = sizeof raw; }

  /// A view; `data` must outlive it. f16 and bf16 are given by dtype.
  static Tensor view(uint32_t dtype, void *data,
                     const std::vector<int64_t> &shape) {
    Tensor t;
    t.raw.dtype = dtype;
    t.raw.rank = static_cast<uint32_t>(shape.size());
    for (size_t i = 0; i < shape.size() && i < ADZE_MAX_RANK; ++i)
      t.raw.shape[i] = shape[i];
    t.raw.data = data;
    return t;
  }
  template <typename T>
  static Tensor view(T *data, const std::vector<int64_t> &shape) {
    return view(detail::dtypeOf<T>(),
                const_cast<void *>(static_cast<const void *>(data)), shape);
  }
  /// Memory of its own, zeroed. `shape` must be sensible (it is multiplied).
  static Tensor zeros(uint32_t dtype, const std::vector<int64_t> &shape) {
    Tensor t = view(dtype, nullptr, shape);
    t.allocate();
    return t;
  }

  uint32_t dtype() const { return raw.dtype; }
  std::vector<int64_t> shape() const {
    return {raw.shape, raw.shape + raw.rank};
  }
  size_t elements() const {
    size_t n = 1;
    for (uint32_t i = 0; i < raw.rank && i < ADZE_MAX_RANK; ++i)
      n *= static_cast<size_t>(raw.shape[i]);
    return n;
  }
  template <typename T> T *data() const { return static_cast<T *>(raw.data); }
  const adze_tensor &c() const { return raw; }

private:
  friend class Entry;
  void allocate() {
    // 64-byte aligned: a vector of cache lines, shared by copies of the Tensor.
    struct alignas(64) Line {
      unsigned char bytes[64];
    };
    auto lines = std::make_shared<std::vector<Line>>(
        (elements() * adze_dtype_size(raw.dtype) + 63) / 64);
    raw.data = lines->data();
    owner = std::move(lines);
  }
  adze_tensor raw = {};
  std::shared_ptr<void> owner;
};

/// Threads that models and sessions share.
class Pool {
public:
  /// `threads` 0: what this process may use.
  static Result<Pool> create(uint32_t threads = 0) {
    adze_pool_options options = {};
    options.size = sizeof options;
    options.threads = threads;
    adze_pool *pool = nullptr;
    if (adze_pool_create(&options, &pool))
      return lastError();
    return Pool(pool);
  }
  uint32_t threads() const { return adze_pool_threads(handle.get()); }
  adze_pool *c() const { return handle.get(); }

private:
  explicit Pool(adze_pool *pool) : handle(pool) {}
  std::unique_ptr<adze_pool, detail::PoolDeleter> handle;
};

struct SessionOptions {
  uint32_t context = 0; ///< 0: min(model, 4096)
  uint32_t maxSequences = 0;
  uint32_t prefillChunk = 0;
  uint32_t threads = 0;
  uint32_t kvPages = 0;
  const Pool *pool = nullptr;
};

struct Sampling {
  uint32_t maxTokens = 0; ///< 0: until the context is full
  float temperature = 0;  ///< 0: greedy
  uint32_t topK = 0;
  float topP = 0, minP = 0, repetitionPenalty = 0;
  uint32_t repetitionWindow = 0;
  uint64_t seed = 0;
  std::vector<int32_t> stopTokens;
  std::vector<adze_logit_bias> bias;
  uint32_t logprobs = 0;
  bool ignoreEos = false;
  bool evaluateOnly = false; ///< evaluate the prompt, make nothing
  /// May change the logits of the next token.
  std::function<void(const int32_t *ids, size_t count, float *logits,
                     size_t vocabulary)>
      filter;
};

enum class Next {
  Continue = ADZE_CONTINUE,
  Stop = ADZE_STOP,
  Cancel = ADZE_CANCEL
};

struct Token {
  int32_t id;
  size_t index;
  bool isStop;
  float logprob;
  const adze_logprob *top;
  uint32_t topCount;
};
using OnToken = std::function<Next(const Token &)>;

struct Generated {
  std::vector<int32_t> tokens; ///< those made, a stop token included
  adze_result info = {};
};

/// Rows of logits, valid until the session's next call.
struct Logits {
  const float *data = nullptr;
  size_t rows = 0, vocabulary = 0;
  const float *row(size_t i) const { return data + i * vocabulary; }
};

/// What one sequence takes part in a step with.
struct StepInput {
  uint32_t sequence = 0;
  std::vector<int32_t> tokens; ///< appended to it
  std::vector<uint32_t> rows;  ///< of `tokens`, ascending: their logits
};

/// A caller's use of a model: sequences, each a list of evaluated tokens. Calls
/// that name no sequence mean number 0.
class Session {
public:
  uint32_t context() const { return adze_session_context(handle.get()); }
  uint32_t vocabulary() const { return adze_session_vocabulary(handle.get()); }
  /// KV pages of 64 positions, and those that no sequence holds.
  uint32_t pages() const { return adze_session_pages(handle.get()); }
  uint32_t freePages() const { return adze_session_free_pages(handle.get()); }

  /// Positions that a sequence holds.
  size_t length(uint32_t sequence = 0) const {
    return adze_sequence_length(handle.get(), sequence);
  }
  /// Keeps the first `length` of them.
  Result<void> rewind(size_t length) { return rewindSequence(0, length); }
  Result<void> rewindSequence(uint32_t sequence, size_t length) {
    return detail::check(adze_sequence_rewind(handle.get(), sequence, length));
  }
  /// `to` becomes a copy of `from`; a page is shared until one writes to it.
  Result<void> fork(uint32_t from, uint32_t to) {
    return detail::check(adze_sequence_fork(handle.get(), from, to));
  }
  /// Appends to several sequences at once, any mix of prompts and single
  /// tokens, each sequence at most once. The rows of logits come in the order
  /// of the inputs. On failure every sequence is as it was.
  Result<Logits> step(const std::vector<StepInput> &inputs) {
    std::vector<adze_step_input> raw(inputs.size());
    Logits logits{nullptr, 0, vocabulary()};
    for (size_t i = 0; i < inputs.size(); ++i) {
      const StepInput &in = inputs[i];
      raw[i] = {sizeof raw[i],    in.sequence,    in.tokens.data(),
                in.tokens.size(), in.rows.data(), in.rows.size()};
      logits.rows += in.rows.size();
    }
    if (adze_step(handle.get(), raw.data(), raw.size(), &logits.data))
      return lastError();
    return logits;
  }
  /// The token that `generate` would choose from a row of logits. `history` are
  /// the sequence's tokens so far, `draw` the number of tokens made before.
  Result<int32_t> sample(const float *row, const Sampling &sampling = {},
                         const std::vector<int32_t> &history = {},
                         uint64_t draw = 0) {
    adze_sampling o = view(sampling);
    int32_t token = 0;
    if (adze_sample(handle.get(), row, &o, history.data(), history.size(), draw,
                    &token))
      return lastError();
    return token;
  }

  /// Any thread.
  void cancel() { adze_cancel(handle.get()); }

  /// Appends tokens; logits of the rows asked for (ascending).
  Result<Logits> eval(const std::vector<int32_t> &tokens,
                      const std::vector<uint32_t> &rows) {
    const float *logits = nullptr;
    if (adze_eval(handle.get(), tokens.data(), tokens.size(), rows.data(),
                  rows.size(), &logits))
      return lastError();
    return Logits{logits, rows.size(), vocabulary()};
  }
  /// ... and of the last token.
  Result<Logits> eval(const std::vector<int32_t> &tokens) {
    if (tokens.empty())
      return Error{ADZE_INVALID_ARGUMENT, "eval of no tokens", ""};
    return eval(tokens, {static_cast<uint32_t>(tokens.size() - 1)});
  }

  Result<Generated> generate(const std::vector<int32_t> &prompt,
                             const Sampling &sampling = {},
                             const OnToken &onToken = {}) {
    Generated made;
    Call call{&made.tokens, &onToken};
    adze_sampling o = view(sampling);
    adze_prompt p = {};
    p.size = sizeof p;
    p.ids = prompt.data();
    p.count = prompt.size();
    made.info.size = sizeof made.info;
    if (adze_generate(handle.get(), &p, &o, callOnToken, &call, &made.info))
      return lastError();
    return made;
  }
  adze_session *c() const { return handle.get(); }

private:
  friend class Model;
  struct Call {
    std::vector<int32_t> *tokens;
    const OnToken *onToken;
  };
  // C++ exceptions must not pass through C frames: they end the call.
  static adze_next callOnToken(void *user, const adze_token_event *event) {
    auto *call = static_cast<Call *>(user);
#if defined(__cpp_exceptions)
    try {
#endif
      call->tokens->push_back(event->id);
      if (!*call->onToken)
        return ADZE_CONTINUE;
      return static_cast<adze_next>(
          (*call->onToken)({event->id, event->index, event->is_stop != 0,
                            event->logprob, event->top, event->n_top}));
#if defined(__cpp_exceptions)
    } catch (...) {
      return ADZE_CANCEL;
    }
#endif
  }
  /// A view of `sampling`, which must outlive it.
  static adze_sampling view(const Sampling &sampling) {
    adze_sampling o = {};
    o.size = sizeof o;
    o.max_tokens = sampling.maxTokens;
    o.temperature = sampling.temperature;
    o.top_k = sampling.topK;
    o.top_p = sampling.topP;
    o.min_p = sampling.minP;
    o.repetition_penalty = sampling.repetitionPenalty;
    o.repetition_window = sampling.repetitionWindow;
    o.seed = sampling.seed;
    o.stop_tokens = sampling.stopTokens.data();
    o.n_stop_tokens = sampling.stopTokens.size();
    o.bias = sampling.bias.data();
    o.n_bias = sampling.bias.size();
    o.logprobs = sampling.logprobs;
    o.flags = (sampling.ignoreEos ? ADZE_SAMPLING_IGNORE_EOS : 0) |
              (sampling.evaluateOnly ? ADZE_SAMPLING_EVALUATE_ONLY : 0);
    if (sampling.filter) {
      o.filter = callFilter;
      o.filter_user = const_cast<Sampling *>(&sampling);
    }
    return o;
  }
  static void callFilter(void *user, const int32_t *ids, size_t count,
                         float *logits, size_t vocabulary) {
    static_cast<const Sampling *>(user)->filter(ids, count, logits, vocabulary);
  }
  explicit Session(adze_session *s) : handle(s) {}
  std::unique_ptr<adze_session, detail::SessionDeleter> handle;
};

/// `count` rows of a call that continue sequence `sequence`.
struct EntryRows {
  uint32_t sequence;
  size_t count;
};

/// A named entry of a model, with a session of its own.
class Entry {
public:
  /// Runs it over the inputs and returns new tensors for the results. Where the
  /// entry has attention, the rows are one whole sequence from position 0.
  template <typename... Inputs>
  Result<std::vector<Tensor>> call(const Inputs &...inputs) {
    return callWith({inputs...});
  }
  Result<std::vector<Tensor>> callWith(const std::vector<Tensor> &inputs) {
    return run(nullptr, 0, inputs);
  }

  /// The same, but the rows continue sequence 0, whose keys and values the
  /// entry keeps: a prompt first, then a row at a time.
  template <typename... Inputs>
  Result<std::vector<Tensor>> append(const Inputs &...inputs) {
    return appendTo({}, {inputs...});
  }
  /// The rows in parts, each of a sequence of its own (below
  /// SessionOptions::maxSequences). No parts: all rows to sequence 0.
  Result<std::vector<Tensor>> appendTo(const std::vector<EntryRows> &parts,
                                       const std::vector<Tensor> &inputs) {
    std::vector<adze_entry_rows> rows;
    for (const EntryRows &part : parts)
      rows.push_back({sizeof(adze_entry_rows), part.sequence, part.count});
    if (rows.empty())
      rows.push_back({sizeof(adze_entry_rows), 0, rowsOf(inputs)});
    return run(rows.data(), rows.size(), inputs);
  }
  /// Positions that a sequence holds, and keeping the first `length` of them.
  size_t length(uint32_t sequence = 0) const {
    return adze_sequence_length(session.get(), sequence);
  }
  Result<void> rewind(size_t length, uint32_t sequence = 0) {
    return detail::check(adze_sequence_rewind(session.get(), sequence, length));
  }

private:
  friend class Model;
  /// Calls, or with `rows` appends.
  Result<std::vector<Tensor>> run(const adze_entry_rows *rows, size_t count,
                                  const std::vector<Tensor> &inputs) {
    size_t results = argumentsThat([](auto &info) { return info.is_result; });
    std::vector<adze_tensor> args;
    for (const Tensor &t : inputs)
      args.push_back(t.raw);
    std::vector<Tensor> made(results);
    std::vector<adze_tensor> raw(results, Tensor().raw);
    if (adze_entry_infer(model.get(), name.c_str(), args.data(), args.size(),
                         raw.data(), raw.size()))
      return lastError();
    for (size_t i = 0; i < results; ++i) {
      made[i].raw = raw[i];
      made[i].allocate();
      args.push_back(made[i].raw);
    }
    if (rows ? adze_entry_append(session.get(), name.c_str(), rows, count,
                                 args.data(), args.size())
             : adze_entry_call(session.get(), name.c_str(), args.data(),
                               args.size()))
      return lastError();
    return made;
  }
  template <typename Predicate> size_t argumentsThat(Predicate matches) const {
    size_t count = 0;
    adze_arg_info info = {};
    info.size = sizeof info;
    for (size_t i = 0;
         adze_model_entry_arg(model.get(), name.c_str(), i, &info) == ADZE_OK;
         ++i)
      count += matches(info) ? 1 : 0;
    return count;
  }
  /// T, by the first input that has it; the call itself checks the shapes.
  size_t rowsOf(const std::vector<Tensor> &inputs) const {
    size_t input = 0;
    adze_arg_info info = {};
    info.size = sizeof info;
    for (size_t i = 0;
         input < inputs.size() &&
         adze_model_entry_arg(model.get(), name.c_str(), i, &info) == ADZE_OK;
         ++i) {
      if (info.is_batch)
        continue;
      const adze_tensor &t = inputs[input++].raw;
      for (uint32_t k = 0; k < info.rank && k < t.rank; ++k)
        if (info.symbol[k] && std::string_view(info.symbol[k]) == "T")
          return static_cast<size_t>(t.shape[k]);
    }
    return 0;
  }
  std::unique_ptr<adze_model, detail::ModelDeleter> model;
  std::unique_ptr<adze_session, detail::SessionDeleter> session;
  std::string name;
};

/// A compiled model. Copies share it; usable from all threads.
class Model {
public:
  static Result<Model> open(const std::string &path,
                            const adze_open_options *options = nullptr) {
    adze_source source = {};
    source.size = sizeof source;
    source.path = path.c_str();
    adze_model *m = nullptr;
    if (adze_model_open(&source, nullptr, options, &m))
      return lastError();
    return Model(m);
  }
  /// Takes over one reference.
  static Model adopt(adze_model *m) { return Model(m); }
  Model(const Model &other) : handle(other.handle.get()) {
    adze_model_retain(handle.get());
  }
  Model &operator=(const Model &other) {
    Model copy(other);
    std::swap(handle, copy.handle);
    return *this;
  }
  Model(Model &&) = default;
  Model &operator=(Model &&) = default;

  Result<std::string> info(const std::string &key) const {
    std::string text(256, '\0');
    adze_buf buf = {};
    buf.size = sizeof buf;
    for (int i = 0; i < 2; ++i) {
      buf.data = text.data();
      buf.capacity = text.size();
      adze_status status = adze_model_info(handle.get(), key.c_str(), &buf);
      text.resize(buf.length);
      if (status == ADZE_OK)
        return text;
      if (status != ADZE_BUFFER_TOO_SMALL)
        break;
    }
    return lastError();
  }

  /// A number, or an array of numbers, of the metadata: "context", "eos".
  Result<std::vector<int64_t>> integers(const std::string &key) const {
    std::vector<int64_t> values;
    size_t count = 16;
    do {
      values.resize(count);
      if (adze_model_integers(handle.get(), key.c_str(), values.data(),
                              values.size(), &count))
        return lastError();
    } while (count > values.size());
    values.resize(count);
    return values;
  }

  Result<Session> session(const SessionOptions &options = {}) const {
    adze_session_options o = {};
    o.size = sizeof o;
    o.context = options.context;
    o.max_sequences = options.maxSequences;
    o.prefill_chunk = options.prefillChunk;
    o.threads = options.threads;
    o.kv_pages = options.kvPages;
    o.pool = options.pool ? options.pool->c() : nullptr;
    adze_session *s = nullptr;
    if (adze_session_create(handle.get(), &o, &s))
      return lastError();
    return Session(s);
  }

  Result<Entry> entry(const std::string &name,
                      const SessionOptions &options = {}) const {
    adze_arg_info info = {};
    info.size = sizeof info;
    if (adze_model_entry_arg(handle.get(), name.c_str(), 0, &info) ==
        ADZE_NOT_FOUND)
      return lastError();
    Result<Session> made = session(options);
    if (!made)
      return made.error();
    Entry entry;
    adze_model_retain(handle.get());
    entry.model.reset(handle.get());
    entry.session = std::move(made->handle);
    entry.name = name;
    return entry;
  }
  adze_model *c() const { return handle.get(); }

private:
  explicit Model(adze_model *m) : handle(m) {}
  std::unique_ptr<adze_model, detail::ModelDeleter> handle;
};

} // namespace adze
#endif // ADZE_RUNTIME_HPP
