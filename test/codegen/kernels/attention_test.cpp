// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention over pages against softmax in double; and the promise that a row's
// bits do not depend on the other rows, on blocks, sequences or parts.

#include "Step.h"
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace adze;
using namespace adze::test;

namespace {

struct Config {
  int64_t heads, kvHeads, headDim, window = 0;
};

std::string text(Config c, Stored q, Stored out, Stored kv,
                 const char *family = "attention") {
  return "adze.kernel @attn " + std::string(family) +
         " {heads = " + std::to_string(c.heads) +
         " : i64, kv_heads = " + std::to_string(c.kvHeads) +
         " : i64, head_dim = " + std::to_string(c.headDim) +
         " : i64, window = " + std::to_string(c.window) +
         " : i64, scale = 0.3 : f64, q = " + nameOf(q) +
         ", out = " + nameOf(out) + ", kv = " + nameOf(kv) + "}";
}

constexpr Stored kAllCaches[] = {Stored::F32, Stored::F16, Stored::BF16,
                                 Stored::I8};

/// Attention and its merge.
struct Kernels {
  Kernels(KernelLab &lab, Config c, Stored q, Stored out, Stored kv,
          const TargetVariant &variant)
      : attention(lab.compile(text(c, q, out, kv), variant)),
        merge(lab.compile(text(c, q, out, kv, "attention_merge"), variant)) {
    if (attention && merge)
      merge->useScratchOf(*attention);
  }
  explicit operator bool() const { return attention && merge; }
  std::unique_ptr<CompiledKernel> attention, merge;
};

class AttentionTest : public testing::TestWithParam<const TargetVariant *> {
protected:
  /// Queries of each row, keys and values of each position of each sequence.
  struct Data {
    Data(KernelLab &lab, const TargetVariant &variant, Config c,
         std::vector<Sequence> sequences, Stored q, Stored out, Stored kv,
         uint32_t seed)
        : random(seed), c(c),
          step(lab, sequences, 2, c.kvHeads, c.headDim, kv, random),
          q(step.view.rows, c.heads * c.headDim, q),
          k(total(sequences), c.kvHeads * c.headDim, rowsOf(kv)),
          v(total(sequences), c.kvHeads * c.headDim, rowsOf(kv)),
          out(step.view.rows, c.heads * c.headDim, out), kv(kv) {
      this->q.fill(random, 2);
      k.fill(random, 2);
      v.fill(random);
      appendAll(lab, variant, step, k, v, 1, c.kvHeads, c.headDim, kv);
    }
    /// What keys and values are appended from.
    static Stored rowsOf(Stored kv) {
      return kv == Stored::I8 ? Stored::F32 : kv;
    }
    /// Rounds rows as an int8 cache does: one scale for each head.
    Matrix rounded(const Matrix &m) const {
      Matrix result(m.rows, m.cols, Stored::F32);
      for (int64_t r = 0; r < m.rows; ++r)
        for (int64_t first = 0; first < m.cols; first += c.headDim) {
          float most = 0;
          for (int64_t d = first; d < first + c.headDim; ++d)
            most = std::max(most, std::fabs(m.at(r, d)));
          for (int64_t d = first; d < first + c.headDim; ++d)
            result.put(
                r, d, std::nearbyint(m.at(r, d) * (127 / most)) * (most / 127));
        }
      return result;
    }
    static int64_t total(const std::vector<Sequence> &sequences) {
      int64_t sum = 0;
      for (Sequence s : sequences)
        sum += s.past + s.rows;
      return sum;
    }
    /// Returns how many items were split between the parts.
    int64_t run(Kernels &kernels, int64_t parts) {
      CompiledKernel &kernel = *kernels.attention;
      Memory shared(kernel.shared.constant +
                    kernel.shared.perPage * step.view.pagesPerSeq);
      for (int64_t p = 0; p < parts; ++p)
        kernel(p, parts, &step.view,
               {word(q), word(out), word(shared), word(*step.pool), 1,
                uint64_t(step.view.rows)});
      int64_t splits = kernel.scratchWord();
      if (splits)
        for (int64_t p = 0; p < parts; ++p)
          (*kernels.merge)(p, parts, &step.view,
                           {word(out), word(shared), uint64_t(step.view.rows)});
      return splits;
    }
    void check(double tolerance) {
      if (kv == Stored::I8)
        return check(tolerance, rounded(k), rounded(v));
      check(tolerance, k, v);
    }
    void check(double tolerance, const Matrix &keys, const Matrix &values) {
      int64_t base = 0, row = 0;
      for (Sequence s : step.sequences) {
        for (int64_t r = 0; r < s.rows; ++r, ++row)
          for (int64_t h = 0; h < c.heads; ++h)
            checkHead(row, h, base, s.past + r, tolerance, keys, values);
        base += s.past + s.rows;
      }
    }
    void checkHead(int64_t row, int64_t h, int64_t base, int64_t position,
                   double tolerance, const Matrix &k, const Matrix &v) {
      int64_t g = h / (c.heads / c.kvHeads), d = c.headDim;
      int64_t first =
          c.window ? std::max<int64_t>(0, position - c.window + 1) : 0;
      std::vector<double> p;
      double most = -1e300, sum = 0;
      for (int64_t j = first; j <= position; ++j) {
        double s = 0;
        for (int64_t i = 0; i < d; ++i)
          s += double(q.at(row, h * d + i)) * k.at(base + j, g * d + i);
        p.push_back(0.3 * s);
        most = std::max(most, p.back());
      }
      for (double &x : p)
        sum += x = std::exp(x - most);
      for (int64_t i = 0; i < d; ++i) {
        double o = 0;
        for (int64_t j = first; j <= position; ++j)
          o += p[j - first] / sum * v.at(base + j, g * d + i);
        ASSERT_NEAR(out.at(row, h * d + i), o, tolerance)
            << "row " << row << " head " << h << " channel " << i;
      }
    }
    std::mt19937 random;
    Config c;
    Step step;
    Matrix q, k, v, out;
    Stored kv;
  };
  KernelLab lab;
};

TEST_P(AttentionTest, EqualsSoftmaxInDouble) {
  const Config configs[] = {{1, 1, 2},  {4, 2, 6},      {6, 2, 64},
                            {7, 1, 80}, {8, 1, 96},     {2, 2, 128},
                            {4, 4, 32}, {4, 2, 16, 70}, {3, 1, 5, 300}};
  const std::vector<Sequence> batches[] = {
      {{0, 1}}, {{0, 70}}, {{255, 3}, {0, 2}, {63, 1}, {511, 1}}, {{250, 20}}};
  for (Stored kv : kAllCaches)
    for (Config c : configs) {
      bool dots = GetParam()->kernel.hasBF16Dot && kv == Stored::BF16;
      Stored q = dots ? Stored::BF16 : Stored::F32;
      Kernels kernel(lab, c, q, Stored::F32, kv, *GetParam());
      ASSERT_TRUE(kernel) << lab.errors;
      for (const auto &batch : batches) {
        SCOPED_TRACE(testing::Message()
                     << nameOf(kv) << " heads " << c.heads << "/" << c.kvHeads
                     << " D " << c.headDim << " window " << c.window
                     << " first batch " << batch[0].past << "+"
                     << batch[0].rows);
        Data data(lab, *GetParam(), c, batch, q, Stored::F32, kv, 7);
        data.run(kernel, 3);
        // With bf16 dots the probabilities are rounded to bf16; with codes
        // queries are to 15 bits and probabilities to 16: a score of up to 160
        // unit products with errors of max|q| / 32766 is off by some 1e-4, and
        // a result of weights exp(score) by a few times that.
        data.check(dots ? 8e-3 : kv == Stored::I8 ? 5e-4 : 1e-5);
        if (HasFatalFailure())
          return;
      }
    }
}

TEST_P(AttentionTest, RowsDoNotDependOnBatchOrParts) {
  for (Stored kv : kAllCaches)
    for (Config c : {Config{6, 2, 64}, Config{7, 1, 80, 300}}) {
      Stored q = kv == Stored::BF16 ? Stored::BF16 : Stored::F32;
      Kernels kernel(lab, c, q, Stored::F32, kv, *GetParam());
      ASSERT_TRUE(kernel) << lab.errors;
      // One sequence of 700 prefilled at once, in one part and in three; then
      // in pieces that split tiles and chunks, down to single rows.
      Data whole(lab, *GetParam(), c, {{0, 700}}, q, Stored::F32, kv, 11);
      whole.run(kernel, 1);
      auto compare = [&](int64_t past, int64_t rows, int64_t parts) {
        Data part(lab, *GetParam(), c, {{3, 2}, {past, rows}, {0, 1}}, q,
                  Stored::F32, kv, 12);
        for (int64_t p = 0; p < past + rows; ++p)
          for (int64_t i = 0; i < c.kvHeads * c.headDim; ++i) {
            part.k.put(5 + p, i, whole.k.at(p, i));
            part.v.put(5 + p, i, whole.v.at(p, i));
          }
        appendAll(lab, *GetParam(), part.step, part.k, part.v, 1, c.kvHeads,
                  c.headDim, kv);
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t i = 0; i < c.heads * c.headDim; ++i)
            part.q.put(2 + r, i, whole.q.at(past + r, i));
        part.run(kernel, parts);
        for (int64_t r = 0; r < rows; ++r)
          ASSERT_EQ(part.out.rowBytes(2 + r), whole.out.rowBytes(past + r))
              << nameOf(kv) << " position " << past + r << " of " << rows;
      };
      compare(0, 700, 3);
      compare(0, 1, 1);
      compare(254, 5, 2);
      compare(255, 1, 1);
      compare(256, 1, 1);
      compare(511, 17, 4);
      compare(600, 99, 1);
      compare(699, 1, 2);
      if (HasFatalFailure())
        return;
    }
}

TEST_P(AttentionTest, CodesGiveTheSameBitsOnEveryVariant) {
  Config c{6, 2, 72};
  auto bits = [&](const TargetVariant &variant) {
    std::vector<std::vector<uint8_t>> rows;
    Kernels kernels(lab, c, Stored::F32, Stored::F32, Stored::I8, variant);
    EXPECT_TRUE(kernels) << lab.errors;
    if (!kernels)
      return rows;
    Data data(lab, variant, c, {{700, 3}, {0, 65}}, Stored::F32, Stored::F32,
              Stored::I8, 5);
    data.run(kernels, 2);
    for (int64_t r = 0; r < data.step.view.rows; ++r)
      rows.push_back(data.out.rowBytes(r));
    return rows;
  };
  EXPECT_EQ(bits(*GetParam()), bits(*runnableVariants().front()));
}

TEST_P(AttentionTest, SplitItemsGiveTheSameBits) {
  const Config configs[] = {
      {4, 1, 64}, {6, 3, 16}, {2, 2, 32}, {40, 1, 8}, {4, 2, 20, 900}};
  // The last: more items than can be split, and rows too many to be.
  const std::vector<Sequence> batches[] = {{{4099, 1}},
                                           {{1499, 1}, {699, 2}},
                                           {{700, 3}, {511, 1}, {256, 1}},
                                           std::vector<Sequence>(12, {600, 1}),
                                           {{1000, 24}, {900, 1}}};
  for (Stored kv : {Stored::F32, Stored::BF16, Stored::I8})
    for (Config c : configs) {
      bool dots = GetParam()->kernel.hasBF16Dot && kv == Stored::BF16;
      Stored q = dots ? Stored::BF16 : Stored::F32;
      Kernels kernels(lab, c, q, Stored::F32, kv, *GetParam());
      ASSERT_TRUE(kernels) << lab.errors;
      int64_t splits = 0, most = 0;
      for (const auto &batch : batches) {
        Data data(lab, *GetParam(), c, batch, q, Stored::F32, kv, 3);
        EXPECT_EQ(data.run(kernels, 1), 0);
        std::vector<std::vector<uint8_t>> alone;
        for (int64_t r = 0; r < data.step.view.rows; ++r)
          alone.push_back(data.out.rowBytes(r));
        for (int64_t parts : {2, 3, 4, 13}) {
          std::memset(data.out.memory.data(), 0xff, data.out.memory.size());
          int64_t split = data.run(kernels, parts);
          splits += split;
          most = std::max(most, split);
          for (int64_t r = 0; r < data.step.view.rows; ++r)
            ASSERT_EQ(data.out.rowBytes(r), alone[r])
                << nameOf(kv) << " heads " << c.heads << "/" << c.kvHeads
                << " row " << r << " of a batch from " << batch[0].past
                << ", parts " << parts << ", split items " << split;
        }
      }
      EXPECT_GT(splits, 4) << "heads " << c.heads << "/" << c.kvHeads;
      EXPECT_LE(most, 8);
    }
}

INSTANTIATE_TEST_SUITE_P(Variants, AttentionTest,
                         testing::ValuesIn(runnableVariants()), variantName);

} // namespace
