// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// SHA-256 against the published vectors, its two block functions against each
// other, and XXH64 against known values.
#include <gtest/gtest.h>

#include <string>
#include <vector>

extern "C" {
#include "real.h"
#include "sha256.h"
#include "xxh64.h"
}
#include <cmath>

static std::string hex(const std::string &data, size_t piece) {
  adze_sha256 h;
  adze_sha256_init(&h);
  for (size_t at = 0; at < data.size(); at += piece)
    adze_sha256_update(&h, data.data() + at, std::min(piece, data.size() - at));
  uint8_t digest[32];
  adze_sha256_final(&h, digest);
  std::string text;
  for (uint8_t byte : digest) {
    char two[3];
    snprintf(two, sizeof two, "%02x", byte);
    text += two;
  }
  return text;
}

TEST(Hash, Sha256OfPublishedVectors) {
  EXPECT_EQ(hex("", 1),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991"
            "b7852b855");
  EXPECT_EQ(hex("abc", 64),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb41"
            "0ff61f20015ad");
  std::string million(1000000, 'a');
  for (size_t piece : {1u, 63u, 64u, 65u, 1000000u})
    EXPECT_EQ(hex(million, piece),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a4972"
              "00e046d39ccc7112cd0");
}

TEST(Hash, PortableBlocksAgree) {
  std::vector<uint8_t> data(64 * 7);
  for (size_t i = 0; i < data.size(); ++i)
    data[i] = static_cast<uint8_t>(i * 37 + 5);
  adze_sha256 h;
  adze_sha256_init(&h);
  uint32_t state[8];
  std::copy(h.state, h.state + 8, state);
  adze_sha256_update(&h, data.data(), data.size());
  adze_sha256_blocks_portable(state, data.data(), 7);
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(h.state[i], state[i]);
}

TEST(Hash, Xxh64OfKnownValues) {
  EXPECT_EQ(adze_xxh64("", 0, 0), 0xEF46DB3751D8E999u);
  EXPECT_EQ(adze_xxh64("a", 1, 0), 0xD24EC4F1A98C6E5Bu);
  EXPECT_EQ(adze_xxh64("abc", 3, 0), 0x44BC2CF5AD770999u);
  std::string text = "Call me Ishmael. Some years ago--never mind how long "
                     "precisely-";
  EXPECT_EQ(adze_xxh64(text.data(), text.size(), 0), 0x02A2E85470D6FD96u);
}

TEST(Real, ExpAndLogAreAccurate) {
  for (double x = 0; x > -700; x -= 0.377)
    EXPECT_NEAR(adze_exp(x) / std::exp(x), 1, 4e-15) << x;
  EXPECT_EQ(adze_exp(-1000), 0);
  EXPECT_EQ(adze_exp(0), 1);
  for (double x = 1e-300; x < 1e300; x *= 13.7)
    EXPECT_NEAR(adze_log(x), std::log(x), 4e-16 * (1 + std::fabs(std::log(x))));
}
