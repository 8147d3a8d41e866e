// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Instructions of AMX and AVX512_BF16 against plain loops: the emulator, or the
// CPU where it has them. Tests of kernels are worth what this is.

#if defined(__x86_64__)
#include "../../common/AmxEmulator.h"
#include "adze/Codegen/TargetVariants.h"
#include "adze/abi.h"
#include <array>
#include <cmath>
#include <csignal>
#include <cstring>
#include <gtest/gtest.h>
#include <random>
#include <vector>

using namespace adze;
using namespace adze::test;

namespace {

/// As ldtilecfg has it.
struct Configuration {
  uint8_t palette = 1, startRow = 0, reserved0[14] = {};
  uint16_t rowBytes[8] = {}, reserved1[8] = {};
  uint8_t rows[8] = {}, reserved2[8] = {};

  void shape(int tile, int count, int bytes) {
    rows[tile] = count, rowBytes[tile] = bytes;
  }
};

using Lines = std::array<uint8_t, 16 * 64>;

void configure(const Configuration &c) {
  asm volatile("ldtilecfg %0" ::"m"(c));
}
void release() { asm volatile("tilerelease" ::: "memory"); }
template <int tile> void load(const void *from, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride),
               "i"(tile)
               : "memory");
}
template <int tile> void store(void *to, int64_t stride) {
  asm volatile(
      "tilestored %%tmm%c2, 64(%0,%1,2)" ::"r"(static_cast<uint8_t *>(to) - 64),
      "r"(stride / 2), "i"(tile)
      : "memory");
}

class AmxEmulatorTest : public testing::Test {
protected:
  void SetUp() override {
    if (!(hostNeedBits() & ADZE_X86_AVX512))
      GTEST_SKIP() << "needs AVX-512";
  }
  void TearDown() override { EXPECT_FALSE(AmxEmulator::isConfigured()); }
  Lines bytes() {
    Lines lines;
    for (uint8_t &byte : lines)
      byte = uint8_t(random());
    return lines;
  }
  std::vector<float> floats(size_t count) {
    std::uniform_real_distribution<float> uniform(-1, 1);
    std::vector<float> list(count);
    for (float &value : list)
      value = uniform(random);
    return list;
  }
  /// Whether it is the emulator that is tested.
  static bool isEmulated(uint64_t need) { return need & ~hostNeedBits(); }

  std::mt19937 random{3};
  AmxEmulator emulator;
};

uint16_t half(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return uint16_t(bits >> 16);
}
float whole(uint16_t half) {
  uint32_t bits = uint32_t(half) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

TEST_F(AmxEmulatorTest, DotsOfBytesOfAllSigns) {
  // 11 rows of 10 quads times 10 quads of 12 columns.
  Configuration c;
  c.shape(2, 11, 48), c.shape(3, 11, 40), c.shape(7, 10, 48);
  const Lines a = bytes(), b = bytes(), start = bytes();
  for (int signs = 0; signs < 4; ++signs) {
    SCOPED_TRACE(signs);
    bool aSigned = signs & 1, bSigned = signs & 2;
    configure(c);
    load<2>(start.data(), 64);
    load<3>(a.data(), 64);
    load<7>(b.data(), 64);
    switch (signs) {
    case 0:
      asm volatile("tdpbuud %tmm7, %tmm3, %tmm2");
      break;
    case 1:
      asm volatile("tdpbsud %tmm7, %tmm3, %tmm2");
      break;
    case 2:
      asm volatile("tdpbusd %tmm7, %tmm3, %tmm2");
      break;
    case 3:
      asm volatile("tdpbssd %tmm7, %tmm3, %tmm2");
      break;
    }
    Lines out = start; // what is not stored stays
    store<2>(out.data(), 64);
    release();
    Lines expected = start;
    for (int r = 0; r < 11; ++r)
      for (int n = 0; n < 12; ++n) {
        uint32_t sum;
        std::memcpy(&sum, &start[64 * r + 4 * n], 4);
        for (int k = 0; k < 40; ++k) {
          int x = a[64 * r + k], w = b[64 * (k / 4) + 4 * n + k % 4];
          sum += (aSigned && x > 127 ? x - 256 : x) *
                 (bSigned && w > 127 ? w - 256 : w);
        }
        std::memcpy(&expected[64 * r + 4 * n], &sum, 4);
      }
    EXPECT_EQ(out, expected);
  }
}

TEST_F(AmxEmulatorTest, DotsOfHalvesFlushSubnormals) {
  Configuration c;
  for (int tile : {0, 1, 2})
    c.shape(tile, 16, 64);
  std::vector<float> a = floats(16 * 32), b = floats(16 * 32);
  a[0] = 0x1p-130f, b[32 * 1] = 0x1p120f; // row 0, channel 1: an operand
  for (int k = 0; k < 32; ++k)            // row 1, channel 0: the result
    a[32 * 1 + k] = k == 0 ? 0x1p-100f : 0.0f;
  b[0] = 0x1p-40f;
  std::vector<uint16_t> x(16 * 32), w(16 * 32);
  for (int r = 0; r < 16; ++r)
    for (int k = 0; k < 32; ++k) {
      x[32 * r + k] = half(a[32 * r + k]);
      w[32 * (k / 2) + 2 * r + k % 2] = half(b[32 * r + k]); // of channel r
    }
  std::vector<float> out = floats(16 * 16), start = out;
  start[16] = out[16] = 0;
  configure(c);
  load<0>(out.data(), 64);
  load<1>(x.data(), 64);
  load<2>(w.data(), 64);
  asm volatile("tdpbf16ps %tmm2, %tmm1, %tmm0");
  store<0>(out.data(), 64);
  release();
  for (int r = 0; r < 16; ++r)
    for (int n = 0; n < 16; ++n) {
      double sum = start[16 * r + n], size = std::fabs(sum);
      for (int k = 0; k < 32; ++k) {
        float x = r == 0 && k == 0 ? 0 : whole(half(a[32 * r + k]));
        double product = double(x) * whole(half(b[32 * n + k]));
        sum += product, size += std::fabs(product);
      }
      if (r == 1 && n == 0)
        EXPECT_EQ(out[16 * r + n], 0);
      else
        EXPECT_NEAR(out[16 * r + n], sum, 1e-6 * size) << r << " " << n;
    }
}

TEST_F(AmxEmulatorTest, DotsOfPairsInRegistersAndMemory) {
  std::vector<float> a = floats(32), b = floats(32);
  std::vector<uint16_t> x(32), w(32);
  for (int i = 0; i < 32; ++i)
    x[i] = half(a[i]), w[i] = half(b[i]);
  const std::vector<float> start = floats(16);
  for (int form = 0; form < 3; ++form) {
    SCOPED_TRACE(form);
    std::vector<float> out = start;
    const float *sums = out.data();
    if (form == 0) // registers, both upper and lower ones
      asm volatile(
          "vmovups (%0), %%zmm17\n vmovups (%1), %%zmm3\n"
          "vmovups (%2), %%zmm28\n vdpbf16ps %%zmm28, %%zmm3, %%zmm17\n"
          "vmovups %%zmm17, (%0)" ::"r"(sums),
          "r"(x.data()), "r"(w.data())
          : "memory", "xmm3");
    else if (form == 1) // memory, a displacement in units of 64 bytes
      asm volatile("vmovups (%0), %%zmm9\n vmovups (%1), %%zmm20\n"
                   "vdpbf16ps 128(%2), %%zmm20, %%zmm9\n"
                   "vmovups %%zmm9, (%0)" ::"r"(sums),
                   "r"(x.data()), "r"(w.data() - 64)
                   : "memory", "xmm9");
    else // a pair for all lanes, with an index
      asm volatile("vmovups (%0), %%zmm31\n vmovups (%1), %%zmm2\n"
                   "vdpbf16ps 8(%2,%3,4)%{1to16%}, %%zmm2, %%zmm31\n"
                   "vmovups %%zmm31, (%0)" ::"r"(sums),
                   "r"(x.data()), "r"(w.data()), "r"(int64_t(3))
                   : "memory", "xmm2");
    for (int n = 0; n < 16; ++n) {
      double sum = start[n];
      for (int k = 2 * n; k < 2 * n + 2; ++k)
        sum += double(whole(x[k])) * whole(w[form == 2 ? 10 + k % 2 : k]);
      EXPECT_NEAR(out[n], sum, 1e-6) << n;
    }
  }
}

TEST_F(AmxEmulatorTest, HalvesRoundToEven) {
  std::vector<float> values = floats(16);
  values[0] = 0x1.01p0f, values[1] = 0x1.03p0f; // in the middle
  values[2] = INFINITY, values[3] = 0x1p-140f;
  std::vector<uint16_t> out(16);
  asm volatile("vmovups (%0), %%zmm5\n vcvtneps2bf16 %%zmm5, %%ymm21\n"
               "vmovups %%ymm21, (%1)" ::"r"(values.data()),
               "r"(out.data())
               : "memory", "xmm5");
  EXPECT_EQ(whole(out[0]), 1.0f);
  EXPECT_EQ(whole(out[1]), 0x1.04p0f);
  EXPECT_EQ(whole(out[2]), INFINITY);
  EXPECT_EQ(out[3], 0);
  for (int n = 4; n < 16; ++n)
    EXPECT_NEAR(whole(out[n]), values[n], std::fabs(values[n]) * 0x1p-8) << n;
}

TEST_F(AmxEmulatorTest, TheConfigurationCanBeRead) {
  Configuration c, out;
  c.shape(0, 16, 64), c.shape(5, 3, 12);
  configure(c);
  asm volatile("sttilecfg %0" : "=m"(out));
  EXPECT_EQ(std::memcmp(&out, &c, sizeof c), 0);
  release();
  asm volatile("sttilecfg %0" : "=m"(out));
  EXPECT_EQ(out.palette, 0);
}

/// What faults on a CPU with AMX.
TEST_F(AmxEmulatorTest, WhatWouldFaultIsSaid) {
  if (!isEmulated(ADZE_X86_AMX))
    GTEST_SKIP() << "this CPU has AMX";
  testing::FLAGS_gtest_death_test_style = "fast";
  Configuration c;
  c.shape(0, 16, 64), c.shape(1, 16, 60), c.shape(2, 16, 64);
  auto configured = [&](auto run) { configure(c), run(); };
  EXPECT_DEATH(asm volatile("tilezero %tmm0"), "tiles are not configured");
  EXPECT_DEATH(configured([] { asm volatile("tilezero %tmm4"); }),
               "the tile has no shape");
  EXPECT_DEATH(configured([] { asm volatile("tdpbsud %tmm2, %tmm1, %tmm0"); }),
               "a dot of tiles whose shapes do not fit");
  // tdpbsud %tmm2, %tmm0, %tmm0, which assemblers refuse.
  EXPECT_DEATH(
      configured([] { asm volatile(".byte 0xc4, 0xe2, 0x6a, 0x5e, 0xc0"); }),
      "a dot of one tile twice");
  EXPECT_DEATH((release(), configured([] {
                  release();
                  asm volatile("tilezero %tmm0");
                })),
               "tiles are not configured");
  Configuration wrong = c;
  wrong.reserved0[3] = 1;
  EXPECT_DEATH(configure(wrong), "reserved bytes are not zero");
  wrong = c, wrong.rows[0] = 17;
  EXPECT_DEATH(configure(wrong), "larger than 16 rows of 64 bytes");
  wrong = c, wrong.rows[0] = 0;
  EXPECT_DEATH(configure(wrong), "a tile of rows without bytes");
  wrong = c, wrong.palette = 2;
  EXPECT_DEATH(configure(wrong), "the palette is not 1");
}

TEST_F(AmxEmulatorTest, OtherInstructionsStayUnknown) {
  testing::FLAGS_gtest_death_test_style = "fast";
  EXPECT_EXIT(asm volatile("ud2"), testing::KilledBySignal(SIGILL), "");
}

} // namespace
#endif
