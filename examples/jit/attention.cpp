// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An attention block of one's own, with one's own tensors: projections, rotary
// positions and causal attention with two query heads per key head. Called, the
// rows are one whole sequence; appended, they continue what the entry keeps.

#include "adze/Function.h"

#include <cmath>
#include <cstdio>
#include <random>

using adze::Tensor;
using Floats = std::vector<float>;

static const char *const kBlock = R"(
  adze.state @kv : !adze.kv<2x16xf32>
  func.func @block(%x: tensor<?x48xf32>, %b: !adze.batch) -> tensor<?x48xf32> {
    %r = adze.rotary_table %b freqs [1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125,
                                     0.015625, 0.0078125] : tensor<?x16xf32>
    %q = adze.linear %x, @q : (tensor<?x48xf32>) -> tensor<?x64xf32>
    %k = adze.linear %x, @k : (tensor<?x48xf32>) -> tensor<?x32xf32>
    %v = adze.linear %x, @v : (tensor<?x48xf32>) -> tensor<?x32xf32>
    %qr = adze.rotary %q, %r heads 4 half : tensor<?x64xf32>, tensor<?x16xf32>
    %kr = adze.rotary %k, %r heads 2 half : tensor<?x32xf32>, tensor<?x16xf32>
    %a = adze.attention %qr, %kr, %v cache @kv at %b heads 4 kv_heads 2
      scale 0.25 mask <causal>
      : tensor<?x64xf32>, tensor<?x32xf32>, tensor<?x32xf32>
    %y = adze.linear %a, @o : (tensor<?x64xf32>) -> tensor<?x48xf32>
    return %y : tensor<?x48xf32>
  })";

static Floats randoms(size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0, 0.2f);
  Floats values(count);
  for (float &value : values)
    value = normal(engine);
  return values;
}

/// The same in plain loops: one sequence of `rows` rows.
struct Loops {
  Floats q = randoms(64 * 48, 1), k = randoms(32 * 48, 2),
         v = randoms(32 * 48, 3), o = randoms(48 * 64, 4);

  template <typename T>
  static std::vector<double> linear(const std::vector<T> &x, const Floats &w,
                                    size_t inputs) {
    size_t outputs = w.size() / inputs;
    std::vector<double> y(x.size() / inputs * outputs);
    for (size_t i = 0; i < y.size(); ++i)
      for (size_t j = 0; j < inputs; ++j)
        y[i] +=
            double(x[i / outputs * inputs + j]) * w[i % outputs * inputs + j];
    return y;
  }
  static void rotate(std::vector<double> &x, size_t heads) {
    for (size_t head = 0; head < x.size() / 16; ++head)
      for (int i = 0; i < 8; ++i) {
        double angle = double(head / heads) * std::pow(0.5, i);
        double &a = x[head * 16 + i], &b = x[head * 16 + i + 8], old = a;
        a = old * std::cos(angle) - b * std::sin(angle);
        b = b * std::cos(angle) + old * std::sin(angle);
      }
  }
  std::vector<double> block(const Floats &x) const {
    auto qs = linear(x, q, 48), ks = linear(x, k, 48), vs = linear(x, v, 48);
    rotate(qs, 4);
    rotate(ks, 2);
    std::vector<double> a(qs.size());
    for (size_t t = 0; t < a.size() / 64; ++t)
      for (size_t h = 0; h < 4; ++h) {
        double sum = 0;
        std::vector<double> p(t + 1);
        for (size_t j = 0; j <= t; ++j) {
          for (size_t d = 0; d < 16; ++d)
            p[j] += qs[t * 64 + h * 16 + d] * ks[j * 32 + h / 2 * 16 + d];
          sum += p[j] = std::exp(0.25 * p[j]);
        }
        for (size_t j = 0; j <= t; ++j)
          for (size_t d = 0; d < 16; ++d)
            a[t * 64 + h * 16 + d] += p[j] / sum * vs[j * 32 + h / 2 * 16 + d];
      }
    return linear(a, o, 64);
  }
};

/// The largest difference of rows from `first` on.
static double worst(const Tensor &y, const std::vector<double> &expected,
                    size_t first) {
  double most = 0;
  for (size_t i = 0; i < y.elements(); ++i)
    most = std::max(
        most, std::fabs(double(y.data<float>()[i]) - expected[first * 48 + i]));
  return most;
}

static double run() {
  const int64_t rows = 100, prompt = 70;
  Loops loops;
  Floats x = randoms(rows * 48, 5);
  std::vector<double> expected = loops.block(x);

  adze::FunctionOptions options;
  options.bind("q", Tensor::view(loops.q.data(), {64, 48}))
      .bind("k", Tensor::view(loops.k.data(), {32, 48}))
      .bind("v", Tensor::view(loops.v.data(), {32, 48}))
      .bind("o", Tensor::view(loops.o.data(), {48, 64}));
  auto model = adze::compileFunction(kBlock, options).or_throw();
  auto block = model.entry("block").or_throw();

  Tensor whole = block.call(Tensor::view(x.data(), {rows, 48})).or_throw()[0];
  double error = worst(whole, expected, 0);

  // A prompt, then row by row: positions and the cache are kept in between.
  Tensor y = block.append(Tensor::view(x.data(), {prompt, 48})).or_throw()[0];
  error = std::max(error, worst(y, expected, 0));
  for (int64_t t = prompt; t < rows; ++t) {
    y = block.append(Tensor::view(&x[t * 48], {1, 48})).or_throw()[0];
    error = std::max(error, worst(y, expected, t));
  }
  return error;
}

int main() {
  try {
    double error = run();
    std::printf("attention block of 100 rows, whole and continued: largest "
                "error %.2g\n",
                error);
    return error < 1e-4 ? 0 : 1;
  } catch (const std::exception &problem) {
    return std::fprintf(stderr, "%s\n", problem.what()), 1;
  }
}
