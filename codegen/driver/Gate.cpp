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
double excess(const Candidate &c, const Candidate &plain,
              const OptimizeOptions &options, std::string *why = nullptr) {
  double most = 0;
  auto check = [&](double value, double limit, const std::string &text) {
    if (value <= limit)
      return;
    most = std::max(most, value / limit - 1);
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
  if (c.perplexity && plain.perplexity) {
    double limit = *plain.perplexity * (1 + options.maxPerplexity);
    check(*c.perplexity, limit,
          number("perplexity %.4g", *c.perplexity) +
              number(", at most %.4g", limit) +
              number(" (+%.2g %%)", 100 * options.maxPerplexity));
  }
  return most;
}

/// The model as its checkpoint has it, else the first candidate.
const Candidate &plainOf(const std::vector<Candidate> &candidates) {
  for (const Candidate &c : candidates)
    if (c.recipe.weights.empty() && c.recipe.model.empty() && !c.isSparse)
      return c;
  return candidates.front();
}

} // namespace

void adze::judge(std::vector<Candidate> &candidates,
                 const OptimizeOptions &options) {
  if (candidates.empty())
    return;
  const Candidate plain = plainOf(candidates);
  for (Candidate &c : candidates) {
    c.isBeaten = c.isRefused = false;
    c.why.clear();
    c.isWithin = excess(c, plain, options, &c.why) == 0;
    for (const Candidate &other : candidates) {
      int time = compareTime(other, c), bytes = compareBytes(other, c),
          quality = compareQuality(other, c);
      if (&other == &c)
        continue;
      // Speed against quality; without a text against what is stored.
      bool losesBoth = !other.isSparse && c.isSparse &&
                       beats({time, c.perplexity ? quality : bytes});
      if (losesBoth && !c.isRefused) {
        c.isRefused = true;
        c.why = "the dense \"" + other.recipe.text() +
                "\" is better in both: " + figuresOf(other);
      }
      if (!c.isBeaten && beats({time, bytes, quality})) {
        c.isBeaten = true;
        if (c.why.empty())
          c.why = "beaten by " + other.recipe.text();
      }
    }
  }
}

Result<size_t> adze::choose(const std::vector<Candidate> &candidates,
                            const OptimizeOptions &options) {
  auto prefers = [&](const Candidate &a, const Candidate &b) {
    int time = compareTime(a, b), bytes = compareBytes(a, b),
        quality = compareQuality(a, b);
    switch (options.goal) {
    case Goal::Speed:
      return time ? time < 0 : quality ? quality < 0 : bytes < 0;
    case Goal::Size:
      return bytes ? bytes < 0 : quality ? quality < 0 : time < 0;
    case Goal::Quality:
      break;
    }
    return quality ? quality < 0 : time ? time < 0 : bytes < 0;
  };
  const Candidate *best = nullptr;
  for (const Candidate &c : candidates)
    if (c.isWithin && !c.isRefused && (!best || prefers(c, *best)))
      best = &c;
  if (best)
    return size_t(best - candidates.data());
  if (candidates.empty())
    return Error{ADZE_INVALID_ARGUMENT, "there is no candidate", ""};
  const Candidate &plain = plainOf(candidates);
  const Candidate *nearest = nullptr;
  for (const Candidate &c : candidates)
    if (!c.isRefused && (!nearest || excess(c, plain, options) <
                                         excess(*nearest, plain, options)))
      nearest = &c;
  if (!nearest)
    nearest = &candidates.front();
  std::string why;
  excess(*nearest, plain, options, &why);
  return Error{ADZE_INVALID_ARGUMENT,
               "no candidate is within the limits; the nearest is " +
                   nearest->recipe.text() + ": " + why,
               "relax that limit, or add candidates"};
}
