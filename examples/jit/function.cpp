// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A function of one's own, an MLP written as text, with one's own tensors.

#include "adze/Function.h"

#include <cmath>
#include <cstdio>
#include <random>

using adze::Tensor;

static std::vector<float> randoms(size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0, 0.1f);
  std::vector<float> values(count);
  for (float &value : values)
    value = normal(engine);
  return values;
}

// The same MLP in plain loops.
static double expected(const float *x, const std::vector<float> &up,
                       const std::vector<float> &down, int column) {
  double sum = 0;
  for (int n = 0; n < 256; ++n) {
    double u = 0;
    for (int k = 0; k < 64; ++k)
      u += double(x[k]) * up[n * 64 + k];
    sum += u / (1 + std::exp(-u)) * down[column * 256 + n];
  }
  return sum;
}

static double worstError(int rows) {
  std::vector<float> up = randoms(256 * 64, 1), down = randoms(64 * 256, 2);
  std::vector<float> x = randoms(rows * 64, 3);

  adze::FunctionOptions options;
  options.bind("up", Tensor::view(up.data(), {256, 64}));
  options.bind("down", Tensor::view(down.data(), {64, 256}));
  auto model = adze::compileFunction(R"(
    func.func @mlp(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %u = adze.linear %x, @up : (tensor<?x64xf32>) -> tensor<?x256xf32>
      %s = adze.silu %u : tensor<?x256xf32>
      %y = adze.linear %s, @down : (tensor<?x256xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    })",
                                     options)
                   .or_throw();
  auto mlp = model.entry("mlp").or_throw();
  Tensor y = mlp.call(Tensor::view(x.data(), {rows, 64})).or_throw()[0];

  double worst = 0;
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < 64; ++c)
      worst = std::max(worst, std::fabs(y.data<float>()[r * 64 + c] -
                                        expected(&x[r * 64], up, down, c)));
  return worst;
}

int main() {
  try {
    double worst = worstError(7);
    std::printf("mlp of 7 rows: largest error %.2g\n", worst);
    return worst < 1e-4 ? 0 : 1;
  } catch (const std::exception &problem) {
    return std::fprintf(stderr, "%s\n", problem.what()), 1;
  }
}
