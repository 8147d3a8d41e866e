// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the tests share: opening the pretend decoder, and a reference of what it
// must compute that knows nothing of pages, chunks and threads.
#ifndef ADZE_TEST_FAKE_H
#define ADZE_TEST_FAKE_H

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "adze/runtime.hpp"
#include "fake_arithmetic.h"

inline std::string fakePath() { return ADZE_FAKE_DIR "/fake.adze.so"; }

inline std::string lastMessage() {
  return std::string(adze_last_error()->message) + " | " +
         adze_last_error()->hint;
}

inline adze::Model openFake() {
  return adze::Model::open(fakePath()).or_throw();
}

// Hash of tokens[0 .. row].
inline uint64_t referenceHash(const std::vector<int32_t> &tokens, size_t row) {
  uint64_t hash = 0;
  for (size_t p = 0; p <= row; ++p)
    hash = fake_mix(hash, fake_mix(static_cast<uint64_t>(tokens[p]) + 1, p));
  return hash;
}

inline std::vector<float> referenceLogits(const std::vector<int32_t> &tokens,
                                          size_t row) {
  std::vector<float> logits(FAKE_VOCABULARY);
  uint64_t hash = referenceHash(tokens, row);
  for (size_t v = 0; v < logits.size(); ++v)
    logits[v] = fake_logit(hash, v);
  return logits;
}

inline void expectRow(const float *row, const std::vector<int32_t> &tokens,
                      size_t position) {
  std::vector<float> expected = referenceLogits(tokens, position);
  for (size_t v = 0; v < expected.size(); ++v)
    ASSERT_EQ(row[v], expected[v])
        << "position " << position << " column " << v;
}

// Tokens without the two special ones (62 taps, 63 is slow) and the ends.
inline std::vector<int32_t> someTokens(size_t count, uint32_t seed = 1) {
  std::vector<int32_t> tokens(count);
  for (size_t i = 0; i < count; ++i)
    tokens[i] = 3 + static_cast<int32_t>(fake_mix(seed, i) % 57);
  return tokens;
}

inline std::vector<uint32_t> allRows(size_t count) {
  std::vector<uint32_t> rows(count);
  for (size_t i = 0; i < count; ++i)
    rows[i] = static_cast<uint32_t>(i);
  return rows;
}

#endif // ADZE_TEST_FAKE_H
