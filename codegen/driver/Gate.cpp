// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which candidate pays: comparisons of figures, no more (adze/Optimize.h).

#include "adze/Optimize.h"
#include <cmath>
#include <cstdio>

using namespace adze;

namespace {

// Differences that measuring again would not show.
constexpr double kTimeNoise = 0.02, kPerplexityNoise = 0.0005;

std::string number(const char *format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string bytesOf(const Candidate &c) {
  return number("%.1f MB", double(c.weightBytes) / 1e6);
}

/// "5.1 ms a token, 612.4 MB, perplexity 12.31"
std::string figuresOf(const Candidate &c) {
  std::string text = number("%.3g ms a token, ", 1e3 * c.secondsPerToken);
  text += bytesOf(c);
  if (c.perplexity)
    text += number(", perplexity %.4g", *c.perplexity);
  return text;
}

/// Of two figures that are better when they are small: -1 where `a` is better
/// by more than the noise, 1 where `b` is, else 0.
int compare(double a, double b, double noise) {
  return a < b * (1 - noise) ? -1 : b < a * (1 - noise) ? 1 : 0;
}

int compareTime(const Candidate &a, const Candidate &b) {
  return compare(a.secondsPerToken, b.secondsPerToken, kTimeNoise);
}
int compareQuality(const Candidate &a, const Candidate &b) {
  return a.perplexity && b.perplexity
             ? compare(*a.perplexity, *b.perplexity, kPerplexityNoise)
             : 0;
}
int compareBytes(const Candidate &a, const Candidate &b) {
  return a.weightBytes < b.weightBytes ? -1 : a.weightBytes > b.weightBytes;
}

/// Nowhere worse and somewhere better.
bool beats(std::initializer_list<int> comparisons) {
  bool better = false;
  for (int c : comparisons) {
    if (c > 0)
      return false;
    better |= c < 0;
  }
  return better;
}

/// How far beyond the limits: 0 within them, else by what part.
double excess(const Candidate &c, std::optional<double> source,
              const OptimizeOptions &options, std::string *why = nullptr) {
  double most = 0;
  auto check = [&](double value, double limit, const std::string &text) {
    if (value <= limit)
      return;
    // What is no number is beyond any limit.
    most = std::isfinite(value) ? std::max(most, value / limit - 1) : INFINITY;
    if (why)
      *why += (why->empty() ? "" : "; ") + text;
  };
  if (options.budgetBytes)
    check(double(c.weightBytes), double(options.budgetBytes),
          bytesOf(c) + ", the budget is " +
              number("%.1f MB", double(options.budgetBytes) / 1e6));
  if (options.budgetBits > 0)
    check(c.bitsPerWeight, options.budgetBits,
          number("%.2f bits a weight", c.bitsPerWeight) +
              number(", the budget is %.2f", options.budgetBits));
  if (c.perplexity && source) {
    double limit = *source * (1 + options.maxPerplexity);
    check(*c.perplexity, limit,
          number("perplexity %.4g", *c.perplexity) +
              number(", at most %.4g", limit) +
              number(" (+%.2g %%)", 100 * options.maxPerplexity));
  }
  return most;
}

} // namespace

void adze::judge(std::vector<Candidate> &candidates,
                 const OptimizeOptions &options, std::optional<double> source) {
  for (Candidate &c : candidates) {
    c.isBeaten = c.isRefused = false;
    c.why.clear();
    c.isWithin = excess(c, source, options, &c.why) == 0;
  }
  for (Candidate &c : candidates)
    for (const Candidate &other : candidates) {
      if (&other == &c)
        continue;
      int time = compareTime(other, c), bytes = compareBytes(other, c),
          quality = compareQuality(other, c);
      // Speed against quality; without a text against what is stored. One that
      // cannot be taken refuses nothing.
      bool losesBoth = c.isSparse && !other.isSparse && other.isWithin &&
                       beats({time, c.perplexity ? quality : bytes});
      if (losesBoth && c.isWithin && !c.isRefused) {
        c.isRefused = true;
        c.why = "the dense \"" + other.recipe.text() +
                "\" is better: " + figuresOf(other);
      }
      if (!c.isBeaten && beats({time, bytes, quality})) {
        c.isBeaten = true;
        if (c.why.empty())
          c.why = "beaten by " + other.recipe.text();
      }
    }
}

namespace {

/// By the noise, those that are as good as the best in `figure`.
std::vector<const Candidate *> bestOf(std::vector<const Candidate *> pool,
                                      double (*figure)(const Candidate &),
                                      double noise) {
  double least = INFINITY;
  for (const Candidate *c : pool)
    least = std::min(least, figure(*c));
  std::erase_if(pool, [&](const Candidate *c) {
    return compare(least, figure(*c), noise) < 0;
  });
  return pool;
}

double timeOf(const Candidate &c) { return c.secondsPerToken; }
double sizeOf(const Candidate &c) { return double(c.weightBytes); }
/// Without a text all are alike.
double lossOf(const Candidate &c) { return c.perplexity.value_or(1); }

} // namespace

Result<size_t> adze::choose(const std::vector<Candidate> &candidates,
                            const OptimizeOptions &options,
                            std::optional<double> source) {
  std::vector<const Candidate *> pool;
  for (const Candidate &c : candidates)
    if (c.isWithin && !c.isRefused)
      pool.push_back(&c);
  if (!pool.empty()) {
    auto byTime = [&] { pool = bestOf(pool, timeOf, kTimeNoise); };
    auto bySize = [&] { pool = bestOf(pool, sizeOf, 0); };
    auto byLoss = [&] { pool = bestOf(pool, lossOf, kPerplexityNoise); };
    switch (options.goal) {
    case Goal::Speed:
      byTime(), byLoss(), bySize();
      break;
    case Goal::Size:
      bySize(), byLoss(), byTime();
      break;
    case Goal::Quality:
      byLoss(), byTime(), bySize();
      break;
    }
    return size_t(pool.front() - candidates.data());
  }
  if (candidates.empty())
    return Error{ADZE_INVALID_ARGUMENT, "there is no candidate", ""};
  const Candidate *nearest = nullptr;
  for (const Candidate &c : candidates)
    if (!c.isRefused && (!nearest || excess(c, source, options) <
                                         excess(*nearest, source, options)))
      nearest = &c;
  if (!nearest)
    nearest = &candidates.front();
  std::string why;
  excess(*nearest, source, options, &why);
  return Error{ADZE_INVALID_ARGUMENT,
               "no candidate is within the limits; the nearest is " +
                   nearest->recipe.text() + ": " + why,
               "relax that limit, or add candidates"};
}
