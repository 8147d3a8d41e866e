// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention over pages against softmax in double; and the promise that a row's
// bits do not depend on the other rows, on blocks, sequences or parts.

#include "Step.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace adze;
using namespace adze::test;

namespace {

struct Config {
  int64_t heads, kvHeads, headDim, window = 0;
};

std::string text(Config c, Stored q, Stored out, Stored kv) {
  return "adze.kernel @attn attention {heads = " + std::to_string(c.heads) +
         " : i64, kv_heads = " + std::to_string(c.kvHeads) +
         " : i64, head_dim = " + std::to_string(c.headDim) +
         " : i64, window = " + std::to_string(c.window) +
         " : i64, scale = 0.3 : f64, q = " + nameOf(q) +
         ", out = " + nameOf(out) + ", kv = " + nameOf(kv) + "}";
}

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
          k(total(sequences), c.kvHeads * c.headDim, kv),
          v(total(sequences), c.kvHeads * c.headDim, kv),
          out(step.view.rows, c.heads * c.headDim, out) {
      this->q.fill(random, 2);
      k.fill(random, 2);
      v.fill(random);
      appendAll(lab, variant, step, k, v, 1, c.kvHeads, c.headDim, kv);
    }
    static int64_t total(const std::vector<Sequence> &sequences) {
      int64_t sum = 0;
      for (Sequence s : sequences)
        sum += s.past + s.rows;
      return sum;
    }
    void run(CompiledKernel &kernel, int64_t parts) {
      int64_t items = kernel.items(&step.view);
      for (int64_t p = 0; p < parts; ++p)
        kernel(items * p / parts, items * (p + 1) / parts, &step.view,
               {word(q), word(out), word(*step.pool), 1,
                uint64_t(step.view.rows)});
    }
    void check(double tolerance) {
      int64_t base = 0, row = 0;
      for (Sequence s : step.sequences) {
        for (int64_t r = 0; r < s.rows; ++r, ++row)
          for (int64_t h = 0; h < c.heads; ++h)
            checkHead(row, h, base, s.past + r, tolerance);
        base += s.past + s.rows;
      }
    }
    void checkHead(int64_t row, int64_t h, int64_t base, int64_t position,
                   double tolerance) {
      int64_t g = h / (c.heads / c.kvHeads), d = c.headDim;
      int64_t first = c.window ? std::max<int64_t>(0, position - c.window + 1)
                               : 0;
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
  };
  KernelLab lab;
};

TEST_P(AttentionTest, EqualsSoftmaxInDouble) {
  const Config configs[] = {{1, 1, 2},  {4, 2, 6},     {6, 2, 64},
                            {7, 1, 80}, {8, 1, 96},    {2, 2, 128},
                            {4, 4, 32}, {4, 2, 16, 70}, {3, 1, 5, 300}};
  const std::vector<Sequence> batches[] = {
      {{0, 1}}, {{0, 70}}, {{255, 3}, {0, 2}, {63, 1}, {511, 1}}, {{250, 20}}};
  for (Stored kv : kAllStored)
    for (Config c : configs) {
      bool dots = GetParam()->kernel.hasBF16Dot && kv == Stored::BF16;
      Stored q = dots ? Stored::BF16 : Stored::F32;
      auto kernel = lab.compile(text(c, q, Stored::F32, kv), *GetParam());
      ASSERT_TRUE(kernel) << lab.errors;
      for (const auto &batch : batches) {
        SCOPED_TRACE(testing::Message()
                     << nameOf(kv) << " heads " << c.heads << "/" << c.kvHeads
                     << " D " << c.headDim << " window " << c.window
                     << " first batch " << batch[0].past << "+"
                     << batch[0].rows);
        Data data(lab, *GetParam(), c, batch, q, Stored::F32, kv, 7);
        data.run(*kernel, 3);
        // With bf16 dots the probabilities are rounded to bf16.
        data.check(dots ? 8e-3 : 1e-5);
        if (HasFatalFailure())
          return;
      }
    }
}

TEST_P(AttentionTest, RowsDoNotDependOnBatchOrParts) {
  for (Stored kv : kAllStored)
    for (Config c : {Config{6, 2, 64}, Config{7, 1, 80, 300}}) {
      Stored q = kv == Stored::BF16 ? Stored::BF16 : Stored::F32;
      auto kernel = lab.compile(text(c, q, Stored::F32, kv), *GetParam());
      ASSERT_TRUE(kernel) << lab.errors;
      // One sequence of 700 prefilled at once, in one part and in three; then
      // in pieces that split tiles and chunks, down to single rows.
      Data whole(lab, *GetParam(), c, {{0, 700}}, q, Stored::F32, kv, 11);
      whole.run(*kernel, 1);
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
        part.run(*kernel, parts);
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

INSTANTIATE_TEST_SUITE_P(Variants, AttentionTest,
                         testing::ValuesIn(runnableVariants()), variantName);

} // namespace
