// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "adze/Quality.h"
#include "TextTokens.h"
#include <algorithm>
#include <cmath>

using namespace adze;

namespace {

/// Sums over the scored tokens.
struct Scores {
  double nats = 0, otherNats = 0; // of the model, of the one beside it
  double divergence = 0;
  uint64_t sameTop = 0; // positions with the same likeliest token
  uint64_t tokens = 0;
};

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

} // namespace

Result<Quality> adze::measureQuality(const Model &model,
                                     const std::string &path,
                                     const Model *against,
                                     const QualityOptions &options) {
  auto text = readTextFile(path);
  if (!text)
    return text.error();
  auto encoded = tokenizeText(model, *text, path);
  if (!encoded)
    return encoded.error();
  SessionOptions open;
  open.context = options.context;
  open.threads = options.threads;
  auto session = model.session(open);
  if (!session)
    return session.error();
  Quality result;
  result.bytes = text->size();
  result.context = session->context();
  result.textHash = sha256Hex(*text);
  size_t extra = encoded->bos >= 0 ? 1 : 0;
  if (result.context < 2)
    return Error{ADZE_INVALID_ARGUMENT,
                 "a window needs at least 2 positions, got a context of " +
                     std::to_string(result.context),
                 ""};
  std::optional<Session> other;
  if (against) {
    open.context = result.context;
    auto made = against->session(open);
    if (!made)
      return made.error();
    if (made->vocabulary() != session->vocabulary())
      return Error{ADZE_INVALID_ARGUMENT,
                   options.againstName + " has a vocabulary of " +
                       std::to_string(made->vocabulary()) + ", " +
                       options.name + " of " +
                       std::to_string(session->vocabulary()),
                   "only models with the same tokens can be compared"};
    other = std::move(*made);
  }
  Scores scores;
  size_t step = result.context - extra, count = encoded->ids.size();
  if (options.maxTokens && options.maxTokens < count) {
    count = size_t(options.maxTokens);
    result.bytes = uint64_t(double(result.bytes) * double(count) /
                            double(encoded->ids.size()));
  }
  for (size_t at = 0; at < count; at += step) {
    if (options.progress && options.progress("evaluating", at, count))
      return Error{ADZE_CANCELLED, "stopped", ""};
    std::vector<int32_t> window;
    if (extra)
      window.push_back(encoded->bos);
    size_t end = std::min(at + step, count);
    window.insert(window.end(), encoded->ids.begin() + long(at),
                  encoded->ids.begin() + long(end));
    if (auto done = score(*session, other ? &*other : nullptr, window, scores);
        !done)
      return done.error();
  }
  if (!scores.tokens)
    return Error{ADZE_INVALID_ARGUMENT, path + ": there is no token to score",
                 "give a longer text"};
  double tokens = double(scores.tokens);
  result.tokens = scores.tokens;
  result.perplexity = std::exp(scores.nats / tokens);
  result.bitsPerByte = scores.nats / std::log(2.0) / double(result.bytes);
  if (against)
    result.against = {std::exp(scores.otherNats / tokens),
                      scores.divergence / tokens,
                      double(scores.sameTop) / tokens};
  return result;
}

Result<void> adze::checkFinite(const Quality &quality,
                               const QualityOptions &options) {
  auto check = [](std::initializer_list<double> figures,
                  const std::string &name) -> Result<void> {
    for (double figure : figures)
      if (!std::isfinite(figure))
        return Error{ADZE_INVALID_ARGUMENT,
                     name + ": the perplexity is no number: logits are NaN or "
                            "infinite",
                     "numbers became too large on the way (weights are checked "
                     "when they are compiled): try --kv f32, and --activations "
                     "f32 where weights are integers"};
    return {};
  };
  // The source first: what is made of it has its faults too.
  if (quality.against)
    if (auto good = check({quality.against->perplexity}, options.againstName);
        !good)
      return good;
  if (auto good =
          check({quality.perplexity, quality.bitsPerByte}, options.name);
      !good)
    return good;
  return quality.against ? check({quality.against->klDivergence}, options.name)
                         : Result<void>();
}
