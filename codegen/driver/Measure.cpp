// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. The loops are written for one instruction set each and are
// only called where the variant in use proves that the machine has it.

#include "Measure.h"
#include "adze/runtime.h"
#include <algorithm>
#include <chrono>
#include <cstring>
#include <immintrin.h>
#include <new>
#include <sys/mman.h>
#include <thread>
#include <vector>

using namespace adze;
using Clock = std::chrono::steady_clock;

namespace {

constexpr size_t kBlock = 512; // bytes of one round of the read loops

__attribute__((target("avx2"))) long long readAvx2(const char *p,
                                                   size_t bytes) {
  __m256i sum[8] = {};
  for (size_t i = 0; i < bytes; i += kBlock)
    for (size_t half = 0; half < 2; ++half)
      for (size_t j = 0; j < 8; ++j)
        sum[j] = _mm256_xor_si256(
            sum[j], _mm256_load_si256(reinterpret_cast<const __m256i *>(
                        p + i + half * 256 + j * 32)));
  for (size_t j = 1; j < 8; ++j)
    sum[0] = _mm256_xor_si256(sum[0], sum[j]);
  return _mm256_extract_epi64(sum[0], 0);
}

__attribute__((target("avx512f"))) long long readAvx512(const char *p,
                                                        size_t bytes) {
  __m512i sum[8] = {};
  for (size_t i = 0; i < bytes; i += kBlock)
    for (size_t j = 0; j < 8; ++j)
      sum[j] = _mm512_xor_si512(sum[j], _mm512_load_si512(p + i + j * 64));
  for (size_t j = 1; j < 8; ++j)
    sum[0] = _mm512_xor_si512(sum[0], sum[j]);
  return _mm512_reduce_add_epi64(sum[0]);
}

// Independent chains: enough to cover the latency of every x86 so far.
constexpr int kChains256 = 12, kChains512 = 24;

__attribute__((target("avx2,fma"))) float dotAvx2(long rounds) {
  __m256 sum[kChains256] = {}, a = _mm256_set1_ps(1.0f),
         b = _mm256_set1_ps(1e-9f);
  for (long i = 0; i < rounds; ++i)
#pragma GCC unroll 32
    for (int j = 0; j < kChains256; ++j)
      sum[j] = _mm256_fmadd_ps(a, b, sum[j]);
  for (int j = 1; j < kChains256; ++j)
    sum[0] = _mm256_add_ps(sum[0], sum[j]);
  return _mm256_cvtss_f32(sum[0]);
}

__attribute__((target("avx512f"))) float dotAvx512(long rounds) {
  __m512 sum[kChains512] = {}, a = _mm512_set1_ps(1.0f),
         b = _mm512_set1_ps(1e-9f);
  for (long i = 0; i < rounds; ++i)
#pragma GCC unroll 32
    for (int j = 0; j < kChains512; ++j)
      sum[j] = _mm512_fmadd_ps(a, b, sum[j]);
  for (int j = 1; j < kChains512; ++j)
    sum[0] = _mm512_add_ps(sum[0], sum[j]);
  return _mm512_cvtss_f32(sum[0]);
}

__attribute__((target("avx512f,avx512bf16"))) float dotBF16(long rounds) {
  __m512 sum[kChains512] = {};
  __m512i ones = _mm512_set1_epi32(0x3f803f80);
  __m512bh a, b;
  std::memcpy(&a, &ones, sizeof a);
  std::memcpy(&b, &ones, sizeof b);
  for (long i = 0; i < rounds; ++i)
#pragma GCC unroll 32
    for (int j = 0; j < kChains512; ++j)
      sum[j] = _mm512_dpbf16_ps(sum[j], a, b);
  for (int j = 1; j < kChains512; ++j)
    sum[0] = _mm512_add_ps(sum[0], sum[j]);
  return _mm512_cvtss_f32(sum[0]);
}

// u8 x s8 in quads, as the kernels do it.
__attribute__((target("avx2"))) float dotI8Avx2(long rounds) {
  __m256i sum[kChains256] = {}, a = _mm256_set1_epi8(1),
          b = _mm256_set1_epi8(2), ones = _mm256_set1_epi16(1);
  for (long i = 0; i < rounds; ++i)
#pragma GCC unroll 32
    for (int j = 0; j < kChains256; ++j) {
      asm volatile("" : "+x"(a)); // or the product would be made once
      sum[j] = _mm256_add_epi32(
          sum[j], _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
    }
  for (int j = 1; j < kChains256; ++j)
    sum[0] = _mm256_add_epi32(sum[0], sum[j]);
  return float(_mm256_extract_epi32(sum[0], 0));
}

__attribute__((target("avx512f,avx512bw"))) float dotI8Avx512(long rounds) {
  __m512i sum[kChains512] = {}, a = _mm512_set1_epi8(1),
          b = _mm512_set1_epi8(2), ones = _mm512_set1_epi16(1);
  for (long i = 0; i < rounds; ++i)
#pragma GCC unroll 32
    for (int j = 0; j < kChains512; ++j) {
      asm volatile("" : "+v"(a));
      sum[j] = _mm512_add_epi32(
          sum[j], _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), ones));
    }
  for (int j = 1; j < kChains512; ++j)
    sum[0] = _mm512_add_epi32(sum[0], sum[j]);
  return float(_mm512_reduce_add_epi32(sum[0]));
}

__attribute__((target("avx512f,avx512vnni"))) float dotVnni(long rounds) {
  __m512i sum[kChains512] = {}, a = _mm512_set1_epi8(1),
          b = _mm512_set1_epi8(2);
  for (long i = 0; i < rounds; ++i)
#pragma GCC unroll 32
    for (int j = 0; j < kChains512; ++j)
      sum[j] = _mm512_dpbusd_epi32(sum[j], a, b);
  for (int j = 1; j < kChains512; ++j)
    sum[0] = _mm512_add_epi32(sum[0], sum[j]);
  return float(_mm512_reduce_add_epi32(sum[0]));
}

/// Tile registers of 16 lines: four sums, two of each operand, as many as there
/// are. The model that runs has asked the system for them.
struct alignas(64) TileShapes {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t lineBytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t lines[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

#define ADZE_TILE_LOOP(NAME, FEATURE, DOT)                                     \
  __attribute__((target("amx-tile," FEATURE))) float NAME(long rounds) {       \
    TileShapes shapes;                                                         \
    alignas(64) char ones[1024];                                               \
    std::memset(ones, 1, sizeof ones);                                         \
    /* GCC does not know what these read. */                                   \
    asm volatile("" : : "r"(&shapes), "r"(ones) : "memory");                   \
    _tile_loadconfig(&shapes);                                                 \
    _tile_zero(0), _tile_zero(1), _tile_zero(2), _tile_zero(3);                \
    _tile_loadd(4, ones, 64), _tile_loadd(5, ones, 64);                        \
    _tile_loadd(6, ones, 64), _tile_loadd(7, ones, 64);                        \
    for (long i = 0; i < rounds; ++i)                                          \
      DOT(0, 4, 6), DOT(1, 4, 7), DOT(2, 5, 6), DOT(3, 5, 7);                  \
    _tile_stored(0, ones, 64);                                                 \
    _tile_release();                                                           \
    return float(ones[0]);                                                     \
  }
ADZE_TILE_LOOP(dotTilesBF16, "amx-bf16", _tile_dpbf16ps)
ADZE_TILE_LOOP(dotTilesI8, "amx-int8", _tile_dpbusd)
#undef ADZE_TILE_LOOP

/// What measures a dot: its loop and the operations of one round of it.
struct DotLoop {
  float (*run)(long rounds);
  double operations;
};
DotLoop loopOf(Dot dot) {
  switch (dot) {
  case Dot::F32Avx2:
    return {dotAvx2, kChains256 * 8 * 2};
  case Dot::F32Avx512:
    return {dotAvx512, kChains512 * 16 * 2};
  case Dot::BF16Avx512:
    return {dotBF16, kChains512 * 32 * 2};
  case Dot::I8Avx2:
    return {dotI8Avx2, kChains256 * 32 * 2};
  case Dot::I8Avx512:
    return {dotI8Avx512, kChains512 * 64 * 2};
  case Dot::BF16Amx:
    return {dotTilesBF16, 4 * 16 * 16 * 32 * 2};
  case Dot::I8Amx:
    return {dotTilesI8, 4 * 16 * 16 * 64 * 2};
  case Dot::I8Vnni:
    break;
  }
  return {dotVnni, kChains512 * 64 * 2};
}

/// Keeps a result that nothing else uses.
template <typename T> void keep(T value) {
  asm volatile("" : : "g"(value) : "memory");
}

/// Every thread repeats `round(thread)`, which says how much it did, for
/// `seconds`. Returns the sum of the threads' rates.
template <typename Round>
double rateOf(unsigned threads, double seconds, Round round) {
  std::vector<double> rates(threads);
  auto work = [&](unsigned thread) {
    auto start = Clock::now();
    double done = 0, passed = 0;
    do {
      done += round(thread);
      passed = std::chrono::duration<double>(Clock::now() - start).count();
    } while (passed < seconds);
    rates[thread] = done / passed;
  };
  std::vector<std::thread> others;
  for (unsigned t = 1; t < threads; ++t)
    others.emplace_back(work, t);
  work(0);
  double sum = 0;
  for (std::thread &other : others)
    other.join();
  for (double rate : rates)
    sum += rate;
  return sum;
}

} // namespace

double adze::median(std::vector<double> values) {
  if (values.empty())
    return 0;
  std::sort(values.begin(), values.end());
  size_t half = values.size() / 2;
  return values.size() % 2 ? values[half]
                           : (values[half - 1] + values[half]) / 2;
}

Result<Measure> Measure::create(unsigned threads, uint64_t bytes, Dot dot) {
  constexpr uint64_t kMost = uint64_t(1) << 30;
  bytes = std::min(bytes, kMost);
  Measure made;
  made.threads = threads;
  made.dot = dot;
  made.part = (size_t(bytes) / threads + 4095) / 4096 * 4096;
  if (!made.part)
    made.part = 4096;
  size_t size = made.part * threads;
  void *memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return Error{ADZE_OUT_OF_MEMORY,
                 "no memory to measure the speed of reading with", ""};
  madvise(memory, size, MADV_HUGEPAGE);
  made.memory = static_cast<char *>(memory);
  // Written, or every page would be the one page of zeros.
  char *base = made.memory;
  size_t part = made.part;
  rateOf(threads, 0, [base, part](unsigned t) {
    std::memset(base + t * part, int(t) + 1, part);
    return 1.0;
  });
  return made;
}

Measure::Measure(Measure &&other) noexcept
    : threads(other.threads), dot(other.dot), memory(other.memory),
      part(other.part) {
  other.memory = nullptr;
}

Measure::~Measure() {
  if (memory)
    munmap(memory, part * threads);
}

double Measure::readRate(double seconds) {
  bool avx2 = dot == Dot::F32Avx2 || dot == Dot::I8Avx2;
  auto *read = avx2 ? readAvx2 : readAvx512;
  return rateOf(threads, seconds, [&](unsigned t) {
    keep(read(memory + t * part, part));
    return double(part);
  });
}

double Measure::dotRate() {
  constexpr long rounds = 100000;
  DotLoop loop = loopOf(dot);
  return rateOf(threads, 0.2, [&](unsigned) {
    keep(loop.run(rounds));
    return loop.operations * double(rounds);
  });
}
