// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Linear (floats and codes) and attention kernels on one thread against what
// this machine can do, measured before and after each: multiply-adds in
// registers of the type used (peak), and a plain read of as many bytes (roof).
//
//   kernel-bench [filter]
//   kernel-bench --rates FILE [VARIANT [STORAGE]]: writes what kernels of
//   sparse weights take relative to dense ones, as adze compile --kernel-rates
//   reads it

#include "KernelLab.h"
#include "Step.h"
#include "mlir/AsmParser/AsmParser.h"
#include "llvm/TargetParser/Host.h"
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <functional>
#include <immintrin.h>

using namespace adze;
using namespace adze::test;

namespace {

/// CPU time of this thread: other work on the machine does not count.
double now() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

/// Best of several runs of about `seconds` in all.
template <typename Body> double best(Body &&body, double seconds = 0.4) {
  double least = 1e9, end = now() + seconds;
  int runs = 0;
  do {
    double start = now();
    body();
    least = std::min(least, now() - start);
  } while (now() < end || ++runs < 3);
  return least;
}

// Twelve independent chains hide the latency; zeros keep the clock up.
#define ON_12(T) T(0) T(1) T(2) T(3) T(4) T(5) T(6) T(7) T(8) T(9) T(10) T(11)
constexpr int kTurns = 100000;
#define REGISTER_LOOP(name, features, vector, zero, letter, instruction)       \
  __attribute__((target(features), noinline)) void name() {                    \
    vector sums[12];                                                           \
    for (auto &sum : sums)                                                     \
      sum = zero();                                                            \
    vector x = zero();                                                         \
    for (int turn = 0; turn < kTurns; ++turn) {                                \
      ON_12(instruction)                                                       \
    }                                                                          \
    for (auto &sum : sums)                                                     \
      asm volatile("" ::letter(sum));                                          \
  }
#define DOT_512(i) asm volatile("vdpbf16ps %1,%1,%0" : "+v"(sums[i]) : "v"(x));
#define FMA_512(i)                                                             \
  asm volatile("vfmadd231ps %1,%1,%0" : "+v"(sums[i]) : "v"(x));
#define FMA_256(i)                                                             \
  asm volatile("vfmadd231ps %1,%1,%0" : "+x"(sums[i]) : "x"(x));
#define BYTES_512(i) asm volatile("vpdpbusd %1,%1,%0" : "+v"(sums[i]) : "v"(x));
#define BYTES_256(i)                                                           \
  asm volatile("%{vex%} vpdpbusd %1,%1,%0" : "+x"(sums[i]) : "x"(x));
// Without VNNI: pairs in 16 bits, pairs of those, and the sum.
#define PAIRS_512(i)                                                           \
  asm volatile("vpmaddubsw %1,%1,%%zmm31; vpmaddwd %%zmm31,%1,%%zmm31; "       \
               "vpaddd %%zmm31,%0,%0"                                          \
               : "+v"(sums[i])                                                 \
               : "v"(x)                                                        \
               : "xmm31");
#define PAIRS_256(i)                                                           \
  asm volatile("vpmaddubsw %1,%1,%%ymm15; vpmaddwd %%ymm15,%1,%%ymm15; "       \
               "vpaddd %%ymm15,%0,%0"                                          \
               : "+x"(sums[i])                                                 \
               : "x"(x)                                                        \
               : "xmm15");
REGISTER_LOOP(bytes512, "avx512f,avx512vnni", __m512i, _mm512_setzero_si512,
              "v", BYTES_512)
REGISTER_LOOP(bytes256, "avxvnni", __m256i, _mm256_setzero_si256, "x",
              BYTES_256)
REGISTER_LOOP(pairs512, "avx512f,avx512bw", __m512i, _mm512_setzero_si512, "v",
              PAIRS_512)
REGISTER_LOOP(pairs256, "avx2", __m256i, _mm256_setzero_si256, "x", PAIRS_256)
REGISTER_LOOP(dots512, "avx512f,avx512bf16", __m512, _mm512_setzero_ps, "v",
              DOT_512)
REGISTER_LOOP(fmas512, "avx512f", __m512, _mm512_setzero_ps, "v", FMA_512)
REGISTER_LOOP(fmas256, "avx2,fma", __m256, _mm256_setzero_ps, "x", FMA_256)

/// Gflop/s of independent multiply-adds in registers.
double peakOf(const TargetVariant &variant, bool dots) {
  bool wide = variant.kernel.lanes == 16;
  double seconds = best(wide ? dots ? dots512 : fmas512 : fmas256, 0.1);
  return 12.0 * kTurns * (wide ? dots ? 64 : 32 : 16) / seconds / 1e9;
}

/// Gop/s of independent dots of bytes in registers.
double bytePeakOf(const TargetVariant &variant) {
  bool wide = variant.kernel.lanes == 16, dots = variant.kernel.hasByteDot;
  double seconds = best(wide   ? dots ? bytes512 : pairs512
                        : dots ? bytes256
                               : pairs256,
                        0.1);
  return 12.0 * kTurns * (wide ? 128 : 64) / seconds / 1e9;
}

__attribute__((target("avx2"), noinline)) void readAll(const uint8_t *data,
                                                       size_t bytes) {
  __m256i sums[4];
  for (__m256i &sum : sums)
    sum = _mm256_setzero_si256();
  for (size_t i = 0; i + 256 <= bytes; i += 256)
    for (int j = 0; j < 8; ++j)
      sums[j % 4] = _mm256_or_si256(
          sums[j % 4], _mm256_loadu_si256(reinterpret_cast<const __m256i *>(
                           data + i + 32 * j)));
  asm volatile("" ::"x"(sums[0]), "x"(sums[1]), "x"(sums[2]), "x"(sums[3]));
}

/// GB/s of reading so many bytes once.
double roof(const uint8_t *data, size_t bytes) {
  return bytes / best([&] { readAll(data, bytes); }, 0.3) / 1e9;
}

struct Bench {
  const TargetVariant &variant;
  const char *filter;
  KernelLab lab;

  bool skip(const std::string &name) {
    return filter && name.find(filter) == std::string::npos;
  }

  /// Weights of so many bytes that they stream from memory in decode.
  void linear(Stored weight, int64_t m, int64_t n, int64_t k) {
    bool dots = variant.kernel.hasBF16Dot && weight == Stored::BF16;
    Stored in = dots ? Stored::BF16 : Stored::F32;
    char name[128];
    snprintf(name, sizeof name, "%s linear %s M=%ld N=%ld K=%ld",
             variant.name.data(), nameOf(weight), m, n, k);
    if (skip(name))
      return;
    auto kernel = lab.compile(
        std::string("adze.kernel @k linear {format = #adze.float<") +
            nameOf(weight) + ">, in = " + nameOf(in) + "}",
        variant);
    int64_t layerBytes = n * k * bytesOf(weight);
    int64_t layers =
        m > 16 ? 1 : std::max<int64_t>(1, (400 << 20) / layerBytes);
    Memory panels(layers * layerBytes);
    std::fill_n(panels.as<uint32_t>(), panels.size() / 4, 0x3c003c00u);
    Matrix x(m, k, in), y(m, n, Stored::F32);
    std::fill_n(x.memory.as<uint16_t>(), x.memory.size() / 2, 0x3c00);
    auto run = [&] {
      for (int64_t l = 0; l < layers; ++l)
        (*kernel)(0, n / 16, nullptr,
                  {word(x), word(y), word(panels) + l * layerBytes, uint64_t(m),
                   uint64_t(n), uint64_t(k)});
    };
    if (m > 16) {
      double before = peakOf(variant, dots), seconds = best(run),
             after = peakOf(variant, dots);
      double rate = 2.0 * m * n * k / seconds / 1e9;
      printf("%-58s %7.1f GFLOP/s, peak %.1f / %.1f: %.1f %%\n", name, rate,
             before, after, 100 * rate / std::max(before, after));
      return;
    }
    double before = roof(panels.data(), panels.size()),
           seconds = best(run, 0.6), after = roof(panels.data(), panels.size());
    double rate = panels.size() / seconds / 1e9;
    printf("%-58s %7.1f GB/s,    roof %.1f / %.1f: %.1f %%\n", name, rate,
           before, after, 100 * rate / std::max(before, after));
  }

  /// Codes of an integer format, rows quantized with groups of `group`.
  void codes(const char *format, int64_t group, int64_t sums, int64_t m,
             int64_t n, int64_t k) {
    auto attr = llvm::cast<IntegerFormatAttrInterface>(
        mlir::parseAttribute(format, &lab.context));
    char name[128];
    snprintf(name, sizeof name, "%s linear %s x g%ld M=%ld N=%ld K=%ld",
             variant.name.data(), attr.getFormatName().c_str(), group, m, n, k);
    if (skip(name))
      return;
    auto kernel =
        lab.compile(std::string("adze.kernel @k linear {in = i8, format = ") +
                        format + ", group = " + std::to_string(group) +
                        " : i64, sums = " + std::to_string(sums) + " : i64}",
                    variant);
    if (!kernel)
      llvm::report_fatal_error(lab.errors.c_str());
    int64_t layerBytes = n / 16 * attr.getPanelBytes(k);
    int64_t layers =
        m > 16 ? 1 : std::max<int64_t>(1, (400 << 20) / layerBytes);
    Memory panels(layers * layerBytes);
    std::memset(panels.data(), 0x3c, panels.size());
    auto rows = BufferType::get(&lab.context, k,
                                mlir::IntegerType::get(&lab.context, 8),
                                group ? group : k, sums);
    Memory x(m * rows.getRowBytes());
    std::memset(x.data(), 0x3c, x.size());
    Matrix y(m, n, Stored::F32);
    auto run = [&] {
      for (int64_t l = 0; l < layers; ++l)
        (*kernel)(0, n / 16, nullptr,
                  {word(x), word(y), word(panels) + l * layerBytes, uint64_t(m),
                   uint64_t(n), uint64_t(k)});
    };
    if (m > 16) {
      double before = bytePeakOf(variant), seconds = best(run),
             after = bytePeakOf(variant);
      double rate = 2.0 * m * n * k / seconds / 1e9;
      printf("%-58s %7.1f Gop/s, peak %.1f / %.1f: %.1f %%\n", name, rate,
             before, after, 100 * rate / std::max(before, after));
      return;
    }
    double before = roof(panels.data(), panels.size()),
           seconds = best(run, 0.6), after = roof(panels.data(), panels.size());
    double rate = panels.size() / seconds / 1e9;
    printf("%-58s %7.1f GB/s,    roof %.1f / %.1f: %.1f %%\n", name, rate,
           before, after, 100 * rate / std::max(before, after));
  }

  /// How a weight is pruned: blocks, or elements by chance, of which `percent`
  /// are zero; or as many of each four.
  enum class Zeros { Blocks, Elements, OfFour };

  /// Sets such elements of a weight to zero and says how it is stored.
  FormatAttrInterface prune(Matrix &weight, FormatAttrInterface element,
                            Zeros zeros, int64_t percent) {
    int64_t n = weight.rows, k = weight.cols;
    auto *values = weight.memory.as<float>();
    std::mt19937 random(3);
    std::uniform_int_distribution<int64_t> uniform(0, 99);
    auto format = [](mlir::Attribute made) {
      return llvm::cast<FormatAttrInterface>(made);
    };
    if (zeros == Zeros::Blocks) {
      int64_t keep = 1;
      for (int64_t first = 0; first < n; first += 16) {
        int64_t kept = 0;
        for (int64_t block = 0; block < k; block += 32) {
          if (uniform(random) >= percent) {
            ++kept;
            continue;
          }
          for (int64_t r = first; r < first + 16; ++r)
            std::fill_n(values + r * k + block, 32, 0.0f);
        }
        keep = std::max(keep, kept);
      }
      return format(BlocksFormatAttr::get(&lab.context, element, keep));
    }
    bool even = zeros == Zeros::OfFour;
    for (int64_t i = 0; i < n * k; ++i)
      if (even ? (i + i / k) % 4 < percent / 25 : uniform(random) < percent)
        values[i] = 0;
    auto any = MaskedFormatAttr::get(&lab.context, element, 0, even);
    int64_t keep = 0, bytes = element.getRowBytes(k);
    std::vector<uint8_t> rows(16 * bytes);
    std::vector<const uint8_t *> pointers;
    for (int64_t r = 0; r < 16; ++r)
      pointers.push_back(rows.data() + r * bytes);
    for (int64_t first = 0; first < n; first += 16) {
      for (int64_t r = 0; r < 16; ++r)
        element.encodeRow({values + (first + r) * k, size_t(k)},
                          {rows.data() + r * bytes, size_t(bytes)});
      keep = std::max(keep, any.packIfKept(pointers, k));
    }
    return format(MaskedFormatAttr::get(&lab.context, element, keep, even));
  }

  /// A pruned weight, stored dense and without its zeros, and the kernels of
  /// both; rows are codes where the format has any.
  class SparsePair {
  public:
    SparsePair(Bench &bench, FormatAttrInterface element, Zeros zeros,
               int64_t percent, int64_t n, int64_t k)
        : n(n), k(k), isCodes(llvm::isa<IntegerFormatAttrInterface>(
                          mlir::Attribute(element))) {
      KernelLab &lab = bench.lab;
      rowBytes = std::max<int64_t>(
          BufferType::get(&lab.context, k,
                          mlir::IntegerType::get(&lab.context, 8), 128, 32)
              .getRowBytes(),
          4 * k);
      Matrix weight(n, k, Stored::F32);
      std::mt19937 random(2);
      weight.fill(random);
      FormatAttrInterface sparse = bench.prune(weight, element, zeros, percent);
      bool isBF16 = element.getFormatName() == "bf16";
      Stored in = bench.variant.kernel.hasBF16Dot && isBF16 ? Stored::BF16
                                                            : Stored::F32;
      denseBytes = n / 16 * element.getPanelBytes(k);
      for (FormatAttrInterface stored : {element, sparse}) {
        std::string text;
        llvm::raw_string_ostream(text)
            << "adze.kernel @k linear {format = " << mlir::Attribute(stored)
            << ", in = "
            << (isCodes ? "i8, group = 128 : i64, sums = 32 : i64" : nameOf(in))
            << "}";
        kernels.push_back(lab.compile(text, bench.variant));
        if (!kernels.back())
          llvm::report_fatal_error(lab.errors.c_str());
        Memory packed = lab.pack(weight, stored);
        bytes.push_back(packed.size());
        // As many bytes of both, or the smaller one would be read from a cache.
        layers.push_back(std::max<int64_t>(1, (400 << 20) / packed.size()));
        memory.emplace_back(layers.back() * packed.size());
        for (int64_t l = 0; l < layers.back(); ++l)
          std::memcpy(memory.back().data() + l * packed.size(), packed.data(),
                      packed.size());
      }
    }

    struct Seconds {
      double dense, sparse;
    };
    /// Of a weight, run in turns: from memory for up to 16 rows.
    Seconds time(int64_t m) {
      Matrix y(m, n, Stored::F32);
      Memory x(m * rowBytes);
      std::memset(x.data(), isCodes ? 3 : 0, x.size());
      double seconds[2];
      for (int turn = 0; turn < 3; ++turn)
        for (int which : {0, 1}) {
          int64_t count = m > 16 ? 1 : layers[which];
          double found = best(
              [&] {
                for (int64_t l = 0; l < count; ++l)
                  (*kernels[which])(0, n / 16, nullptr,
                                    {word(x), word(y),
                                     word(memory[which]) + l * bytes[which],
                                     uint64_t(m), uint64_t(n), uint64_t(k)});
              },
              0.2);
          found /= count;
          seconds[which] = turn ? std::min(seconds[which], found) : found;
        }
      return {seconds[0], seconds[1]};
    }
    int64_t denseBytes;

  private:
    int64_t n, k, rowBytes;
    bool isCodes;
    std::vector<int64_t> layers;
    std::vector<std::unique_ptr<CompiledKernel>> kernels;
    std::vector<Memory> memory;
    std::vector<size_t> bytes;
  };

  void sparse(const char *format, Zeros zeros, int64_t percent, int64_t m,
              int64_t n, int64_t k) {
    auto element = llvm::cast<FormatAttrInterface>(
        mlir::parseAttribute(format, &lab.context));
    char name[128];
    const char *kinds[] = {"blocks", "mask", "2:4"};
    snprintf(name, sizeof name, "%s linear %s+%s %ld%% M=%ld N=%ld K=%ld",
             variant.name.data(), element.getFormatName().c_str(),
             kinds[int(zeros)], percent, m, n, k);
    if (skip(name))
      return;
    SparsePair pair(*this, element, zeros, percent, n, k);
    auto [dense, sparse] = pair.time(m);
    printf("%-62s dense %9.1f us, sparse %9.1f us: %.2f x (%.1f GB/s dense)\n",
           name, dense * 1e6, sparse * 1e6, dense / sparse,
           pair.denseBytes / dense / 1e9);
  }

  /// Times relative to dense of all that is sparse, a table of a file of kernel
  /// rates (adze/Transforms/KernelRates.h).
  void writeRates(std::FILE *out, const char *only) {
    struct Pattern {
      const char *storage;
      Zeros zeros;
      std::vector<int64_t> percents;
    };
    const Pattern patterns[] = {{"blocks", Zeros::Blocks, {30, 50, 70, 90}},
                                {"mask", Zeros::Elements, {30, 50, 70, 90}},
                                {"nm", Zeros::OfFour, {50, 75}}};
    const std::pair<const char *, const char *> formats[] = {
        {"int8", "#adze.int<8, scale = f32>"},
        {"int4", "#adze.int<4, group = 128, scale = bf16>"},
        {"bf16", "#adze.float<bf16>"},
        {"f16", "#adze.float<f16>"},
        {"f32", "#adze.float<f32>"}};
    fprintf(out,
            "    {\n      \"machine\": \"%s\",\n"
            "      \"targets\": [\"%s\"],\n"
            "      \"rows\": [1, 2, 4, 8, 16, 512],\n      \"times\": {",
            llvm::sys::getHostCPUName().str().c_str(), variant.name.data());
    const char *nextFormat = "\n";
    for (auto [name, format] : formats) {
      fprintf(out, "%s        \"%s\": {", nextFormat, name);
      nextFormat = ",\n";
      const char *nextStorage = "\n";
      for (const Pattern &pattern : patterns) {
        if (only && std::strcmp(only, pattern.storage))
          continue;
        fprintf(out, "%s          \"%s\": {", nextStorage, pattern.storage);
        nextStorage = ",\n";
        const char *nextShare = "\n";
        for (int64_t percent : pattern.percents) {
          SparsePair pair(*this,
                          llvm::cast<FormatAttrInterface>(
                              mlir::parseAttribute(format, &lab.context)),
                          pattern.zeros, percent, 5632, 2048);
          fprintf(out, "%s            \"%ld\": [", nextShare, percent);
          nextShare = ",\n";
          const char *nextRows = "";
          for (int64_t m : {1, 2, 4, 8, 16, 512}) {
            auto [dense, sparse] = pair.time(m);
            fprintf(out, "%s%.3f", nextRows, sparse / dense);
            nextRows = ", ";
          }
          fprintf(out, "]");
          fflush(out);
        }
        fprintf(out, "\n          }");
      }
      fprintf(out, "\n        }");
    }
    fprintf(out, "\n      }\n    }");
  }

  /// An attention kernel with what it reads and writes, of so many layers that
  /// few rows read the cache from memory.
  struct Attention {
    Attention(Bench &bench, Stored kv, int64_t heads, int64_t kvHeads,
              int64_t d, int64_t past, int64_t rows)
        : random(1),
          dots(bench.variant.kernel.hasBF16Dot && kv == Stored::BF16),
          in(dots ? Stored::BF16 : Stored::F32),
          kvBytes(2 * (past + rows) * kvHeads * d * bytesOf(kv)),
          layers(rows > 16 ? 1 : std::max<int64_t>(1, (200 << 20) / kvBytes)),
          step(bench.lab, {{past, rows}}, layers, kvHeads, d, kv, random),
          kernel(bench.lab.compile(
              "adze.kernel @k attention {heads = " + std::to_string(heads) +
                  " : i64, kv_heads = " + std::to_string(kvHeads) +
                  " : i64, head_dim = " + std::to_string(d) +
                  " : i64, scale = 0.1 : f64, q = " + nameOf(in) +
                  ", kv = " + nameOf(kv) + "}",
              bench.variant)),
          q(rows, heads * d, in), out(rows, heads * d, Stored::F32),
          shared(kernel->shared.constant +
                 kernel->shared.perPage * step.view.pagesPerSeq) {
      std::fill_n(step.pool->as<uint32_t>(), step.pool->size() / 4,
                  0x2c002c00u);
      std::fill_n(q.memory.as<uint16_t>(), q.memory.size() / 2, 0x3c00);
    }
    void operator()() {
      for (int64_t l = 0; l < layers; ++l)
        (*kernel)(0, 1, &step.view,
                  {word(q), word(out), word(shared), word(*step.pool),
                   uint64_t(l), uint64_t(q.rows)});
    }

    std::mt19937 random;
    bool dots;
    Stored in;
    int64_t kvBytes, layers;
    Step step;
    std::unique_ptr<CompiledKernel> kernel;
    Matrix q, out;
    Memory shared;
  };

  void attention(Stored kv, int64_t heads, int64_t kvHeads, int64_t d,
                 int64_t past, int64_t rows) {
    char name[128];
    snprintf(name, sizeof name,
             "%s attention %s %ld/%ld D=%ld past %ld rows %ld",
             variant.name.data(), nameOf(kv), heads, kvHeads, d, past, rows);
    if (skip(name))
      return;
    Attention run(*this, kv, heads, kvHeads, d, past, rows);
    if (rows > 16) {
      double peak = peakOf(variant, run.dots), seconds = best(run);
      double pairs = double(rows) * past + double(rows) * (rows + 1) / 2;
      double rate = 4 * pairs * heads * d / seconds / 1e9;
      printf("%-58s %7.1f GFLOP/s, peak %.1f: %.1f %%\n", name, rate, peak,
             100 * rate / peak);
      return;
    }
    Memory &pool = *run.step.pool;
    double before = roof(pool.data(), pool.size()), seconds = best(run, 0.6),
           after = roof(pool.data(), pool.size());
    double rate = run.layers * run.kvBytes / seconds / 1e9;
    printf("%-58s %7.1f GB/s,    roof %.1f / %.1f: %.1f %%\n", name, rate,
           before, after, 100 * rate / std::max(before, after));
  }

  /// One row over a cache in bf16 and in int8, run in turns.
  void caches(int64_t heads, int64_t kvHeads, int64_t d, int64_t past) {
    char name[128];
    snprintf(name, sizeof name, "%s attention caches %ld/%ld D=%ld past %ld",
             variant.name.data(), heads, kvHeads, d, past);
    if (skip(name))
      return;
    Attention floats(*this, Stored::BF16, heads, kvHeads, d, past, 1);
    Attention codes(*this, Stored::I8, heads, kvHeads, d, past, 1);
    double seconds[2] = {1e9, 1e9};
    for (int turn = 0; turn < 4; ++turn) {
      seconds[0] = std::min(seconds[0], best(floats, 0.15) / floats.layers);
      seconds[1] = std::min(seconds[1], best(codes, 0.15) / codes.layers);
    }
    printf("%-58s bf16 %7.1f us, i8 %7.1f us: %.2f x (%.1f GB/s bf16)\n", name,
           seconds[0] * 1e6, seconds[1] * 1e6, seconds[0] / seconds[1],
           floats.kvBytes / seconds[0] / 1e9);
  }
};

/// Writes the file of --rates; says what is wrong otherwise.
int writeRates(const char *path, const char *only, const char *storage) {
  std::FILE *out = std::fopen(path, "w");
  if (!out) {
    std::fprintf(stderr, "adze-kernel-bench: cannot write %s\n", path);
    return 1;
  }
  std::fprintf(out, "{\n  \"tables\": [");
  const char *next = "\n";
  for (const TargetVariant *variant : runnableVariants()) {
    if (only && variant->name != only)
      continue;
    std::fprintf(out, "%s", next);
    next = ",\n";
    Bench{*variant, nullptr, {}}.writeRates(out, storage);
  }
  std::fprintf(out, "\n  ]\n}\n");
  return std::fclose(out) ? 1 : 0;
}

} // namespace

int main(int argc, char **argv) {
  if (argc > 2 && !std::strcmp(argv[1], "--rates"))
    return writeRates(argv[2], argc > 3 ? argv[3] : nullptr,
                      argc > 4 ? argv[4] : nullptr);
  for (const TargetVariant *variant : runnableVariants()) {
    Bench bench{*variant, argc > 1 ? argv[1] : nullptr, {}};
    struct {
      const char *format;
      int64_t group, sums; // of the rows
    } integers[] = {{"#adze.int<8, scale = f32>", 128, 128},
                    {"#adze.int<8, scale = f32>", 0, 128},
                    {"#adze.int<4, group = 128, scale = bf16>", 128, 128},
                    {"#adze.int<4, group = 128, scale = bf16>", 0, 128},
                    {"#adze.int<4, group = 32, scale = bf16>", 128, 32},
                    {"#adze.int<4, group = 32, scale = bf16>", 0, 32},
                    {"#adze.int<4, group = 32, scale = bf16>", 32, 32},
                    {"#adze.gguf<q4_k>", 128, 32},
                    {"#adze.gguf<q6_k>", 128, 16}};
    for (auto [format, group, sums] : integers) {
      bench.codes(format, group, sums, 512, 2048, 2048);
      bench.codes(format, group, sums, 512, 5632, 2048);
      bench.codes(format, group, sums, 512, 2048, 5632);
      for (int64_t m : {1, 2, 4, 8, 12, 16, 32})
        bench.codes(format, group, sums, m, 5632, 2048);
    }
    for (const char *format : {"#adze.int<8, scale = f32>",
                               "#adze.int<4, group = 128, scale = bf16>",
                               "#adze.float<bf16>", "#adze.float<f32>"})
      for (int64_t percent : {0, 30, 50, 70}) {
        for (int64_t m : {1, 2, 4, 8})
          bench.sparse(format, Bench::Zeros::Blocks, percent, m, 5632, 2048);
        bench.sparse(format, Bench::Zeros::Blocks, percent, 512, 2048, 2048);
        bench.sparse(format, Bench::Zeros::Blocks, percent, 512, 2048, 5632);
      }
    for (const char *format : {"#adze.int<8, scale = f32>",
                               "#adze.int<4, group = 128, scale = bf16>",
                               "#adze.float<bf16>", "#adze.float<f32>"})
      for (int64_t m : {1, 2, 4, 8, 16, 512}) {
        bench.sparse(format, Bench::Zeros::OfFour, 50, m, 5632, 2048);
        for (int64_t percent : {30, 50, 70, 90})
          bench.sparse(format, Bench::Zeros::Elements, percent, m, 5632, 2048);
      }
    for (Stored type : {Stored::BF16, Stored::F32, Stored::F16}) {
      bench.linear(type, 512, 2048, 2048);
      bench.linear(type, 512, 5632, 2048);
      bench.linear(type, 512, 2048, 5632);
      for (int64_t m : {1, 2, 4, 8}) {
        bench.linear(type, m, 2048, 2048);
        bench.linear(type, m, 5632, 2048);
      }
      bench.attention(type, 32, 4, 64, 0, 2048);
      bench.attention(type, 32, 8, 128, 0, 2048);
      bench.attention(type, 32, 4, 64, 4095, 1);
      bench.attention(type, 32, 8, 128, 4095, 1);
      bench.attention(type, 32, 4, 64, 8191, 1);
    }
    bench.attention(Stored::I8, 32, 4, 64, 0, 2048);
    bench.attention(Stored::I8, 32, 8, 128, 0, 2048);
    bench.attention(Stored::I8, 32, 4, 64, 4095, 1);
    bench.attention(Stored::I8, 32, 8, 128, 4095, 1);
    bench.attention(Stored::I8, 32, 4, 64, 8191, 1);
    for (int64_t past : {4095, 8191}) {
      bench.caches(32, 4, 64, past);
      bench.caches(32, 8, 64, past);
      bench.caches(16, 8, 128, past);
      bench.caches(32, 8, 128, past);
    }
  }
  return 0;
}
