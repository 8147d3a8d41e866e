// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Functions compiled in this process: values against loops in double, and what
// is refused.

#include "adze/FunctionBuilder.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <cmath>
#include <cstdio>
#include <gtest/gtest.h>
#include <random>

using namespace adze;

namespace {

std::vector<float> randoms(size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  for (float &value : values)
    value = uniform(engine);
  return values;
}

double silu(double x) { return x / (1 + std::exp(-x)); }

/// y[r, n] = sum over k of x[r, k] w[n, k].
std::vector<double> linear(const std::vector<double> &x,
                           const std::vector<float> &w, int64_t K) {
  int64_t rows = x.size() / K, N = w.size() / K;
  std::vector<double> y(rows * N);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t n = 0; n < N; ++n)
      for (int64_t k = 0; k < K; ++k)
        y[r * N + n] += x[r * K + k] * w[n * K + k];
  return y;
}

std::vector<double> doubles(const std::vector<float> &x) {
  return {x.begin(), x.end()};
}

void expectNear(const Tensor &have, const std::vector<double> &want,
                double tolerance) {
  ASSERT_EQ(have.elements(), want.size());
  double scale = 0;
  for (double value : want)
    scale = std::max(scale, std::fabs(value));
  for (size_t i = 0; i < want.size(); ++i)
    ASSERT_NEAR(have.data<float>()[i], want[i], tolerance * scale) << i;
}

Tensor call(const Model &model, const std::string &entry,
            const std::vector<Tensor> &inputs) {
  return model.entry(entry).or_throw().callWith(inputs).or_throw()[0];
}

std::string errorOf(const std::string &text, const FunctionOptions &options) {
  auto made = compileFunction(text, options);
  return made ? "" : made.error().message;
}

const char *kGated = R"(
  func.func @gated(%x: tensor<?x40xf32>) -> tensor<?x40xf32> {
    %g = adze.linear %x, @gate : (tensor<?x40xf32>) -> tensor<?x70xf32>
    %u = adze.linear %x, @up : (tensor<?x40xf32>) -> tensor<?x70xf32>
    %s = adze.silu %g : tensor<?x70xf32>
    %m = arith.mulf %s, %u : tensor<?x70xf32>
    %d = adze.linear %m, @down : (tensor<?x70xf32>) -> tensor<?x40xf32>
    %y = arith.addf %d, %x : tensor<?x40xf32>
    return %y : tensor<?x40xf32>
  })";

struct Gated {
  std::vector<float> gate = randoms(70 * 40, 1), up = randoms(70 * 40, 2),
                     down = randoms(40 * 70, 3);
  FunctionOptions options() {
    FunctionOptions o;
    o.bind("gate", Tensor::view(gate.data(), {70, 40}));
    o.bind("up", Tensor::view(up.data(), {70, 40}));
    o.bind("down", Tensor::view(down.data(), {40, 70}));
    return o;
  }
  std::vector<double> expected(const std::vector<float> &x) {
    auto g = linear(doubles(x), gate, 40), u = linear(doubles(x), up, 40);
    for (size_t i = 0; i < g.size(); ++i)
      g[i] = silu(g[i]) * u[i];
    auto y = linear(g, down, 70);
    for (size_t i = 0; i < y.size(); ++i)
      y[i] += x[i];
    return y;
  }
};

TEST(Function, GatedMLPWithAnyNumberOfRows) {
  Gated gated;
  auto model = compileFunction(kGated, gated.options()).or_throw();
  for (int64_t rows : {1, 2, 9, 17}) {
    std::vector<float> x = randoms(rows * 40, 10 + rows);
    expectNear(call(model, "gated", {Tensor::view(x.data(), {rows, 40})}),
               gated.expected(x), 1e-5);
  }
}

TEST(Function, ModelOwnsCodeAndWeights) {
  std::vector<float> x = randoms(3 * 40, 5);
  std::vector<double> want;
  auto entry = [&] {
    Gated gated; // gone, with options and model, before the call
    want = gated.expected(x);
    auto model = compileFunction(kGated, gated.options()).or_throw();
    return model.entry("gated").or_throw();
  }();
  expectNear(entry.call(Tensor::view(x.data(), {3, 40})).or_throw()[0], want,
             1e-5);
}

TEST(Function, SeveralAtOnce) {
  Gated gated;
  auto a = compileFunction(kGated, gated.options()).or_throw();
  std::vector<float> x = randoms(2 * 40, 6);
  auto want = gated.expected(x);
  for (float &value : gated.gate)
    value = -value;
  auto b = compileFunction(kGated, gated.options()).or_throw();
  Tensor input = Tensor::view(x.data(), {2, 40});
  expectNear(call(a, "gated", {input}), want, 1e-5);
  expectNear(call(b, "gated", {input}), gated.expected(x), 1e-5);
}

TEST(Function, EntriesOfOneModuleShareWeights) {
  std::vector<float> w = randoms(24 * 24, 1), n = randoms(24, 2);
  FunctionOptions options;
  options.bind("w", Tensor::view(w.data(), {24, 24}));
  options.bind("n", Tensor::view(n.data(), {24}));
  auto model = compileFunction(R"(
    func.func @once(%x: tensor<?x24xf32>) -> tensor<?x24xf32> {
      %y = adze.linear %x, @w : (tensor<?x24xf32>) -> tensor<?x24xf32>
      return %y : tensor<?x24xf32>
    }
    func.func @normed(%x: tensor<?x24xf32>) -> tensor<?x24xf32> {
      %h = adze.rms_norm %x, @n eps 1.0e-5 : tensor<?x24xf32>
      %y = adze.linear %h, @w : (tensor<?x24xf32>) -> tensor<?x24xf32>
      return %y : tensor<?x24xf32>
    })", options).or_throw();
  std::vector<float> x = randoms(5 * 24, 3);
  Tensor input = Tensor::view(x.data(), {5, 24});
  expectNear(call(model, "once", {input}), linear(doubles(x), w, 24), 1e-5);
  std::vector<double> h = doubles(x);
  for (int r = 0; r < 5; ++r) {
    double sum = 0;
    for (int k = 0; k < 24; ++k)
      sum += h[r * 24 + k] * h[r * 24 + k];
    for (int k = 0; k < 24; ++k)
      h[r * 24 + k] *= n[k] / std::sqrt(sum / 24 + 1e-5);
  }
  expectNear(call(model, "normed", {input}), linear(h, w, 24), 1e-5);
}

TEST(Function, ElementwiseWithoutWeights) {
  auto model = compileFunction(R"(
    func.func @f(%x: tensor<?x19xf32>, %y: tensor<?x19xf32>)
        -> tensor<?x19xf32> {
      %e = math.exp %x : tensor<?x19xf32>
      %t = math.tanh %y : tensor<?x19xf32>
      %s = arith.subf %e, %t : tensor<?x19xf32>
      return %s : tensor<?x19xf32>
    })").or_throw();
  std::vector<float> x = randoms(3 * 19, 1), y = randoms(3 * 19, 2);
  std::vector<double> want;
  for (size_t i = 0; i < x.size(); ++i)
    want.push_back(std::exp(double(x[i])) - std::tanh(double(y[i])));
  expectNear(call(model, "f", {Tensor::view(x.data(), {3, 19}),
                               Tensor::view(y.data(), {3, 19})}),
             want, 1e-5);
}

// Not bound: on the generic path, by what upstream's ops mean.
TEST(Function, WeightsAsArguments) {
  auto model = compileFunction(R"(
    func.func @f(%x: tensor<?x8xf32>, %w: tensor<8x5xf32>) -> tensor<?x5xf32> {
      %c0 = arith.constant 0 : index
      %zero = arith.constant 0.0 : f32
      %rows = tensor.dim %x, %c0 : tensor<?x8xf32>
      %e = tensor.empty(%rows) : tensor<?x5xf32>
      %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x5xf32>)
        -> tensor<?x5xf32>
      %y = linalg.matmul ins(%x, %w : tensor<?x8xf32>, tensor<8x5xf32>)
        outs(%f : tensor<?x5xf32>) -> tensor<?x5xf32>
      return %y : tensor<?x5xf32>
    })").or_throw();
  std::vector<float> x = randoms(3 * 8, 1), w = randoms(8 * 5, 2), t(5 * 8);
  for (int k = 0; k < 8; ++k)
    for (int n = 0; n < 5; ++n)
      t[n * 8 + k] = w[k * 5 + n];
  expectNear(call(model, "f", {Tensor::view(x.data(), {3, 8}),
                               Tensor::view(w.data(), {8, 5})}),
             linear(doubles(x), t, 8), 1e-5);
}

TEST(Function, BF16WeightsAreTakenAsTheyAre) {
  std::vector<float> w = randoms(33 * 20, 1), x = randoms(4 * 20, 2);
  std::vector<uint16_t> half(w.size());
  for (size_t i = 0; i < w.size(); ++i) {
    uint32_t bits;
    std::memcpy(&bits, &w[i], 4);
    half[i] = uint16_t(bits >> 16); // truncated: exact from here on
    bits &= 0xffff0000u;
    std::memcpy(&w[i], &bits, 4);
  }
  FunctionOptions options;
  options.bind("w", Tensor::view(ADZE_BF16, half.data(), {33, 20}));
  auto model = compileFunction(R"(
    func.func @f(%x: tensor<?x20xf32>) -> tensor<?x33xf32> {
      %y = adze.linear %x, @w : (tensor<?x20xf32>) -> tensor<?x33xf32>
      return %y : tensor<?x33xf32>
    })", options).or_throw();
  // Dots of bf16 pairs round x too.
  expectNear(call(model, "f", {Tensor::view(x.data(), {4, 20})}),
             linear(doubles(x), w, 20), 1e-2);
}

TEST(Function, BuiltInCpp) {
  std::vector<float> w = randoms(8 * 8, 1), x = randoms(2 * 8, 2);
  FunctionOptions options;
  options.bind("w", Tensor::view(w.data(), {8, 8}));
  auto model = buildFunction([](mlir::OpBuilder &b) {
    auto loc = b.getUnknownLoc();
    mlir::Type rows = mlir::RankedTensorType::get(
        {mlir::ShapedType::kDynamic, 8}, b.getF32Type());
    auto f = mlir::func::FuncOp::create(b, loc, "f",
                                        b.getFunctionType({rows}, {rows}));
    b.setInsertionPointToStart(f.addEntryBlock());
    auto y = LinearOp::create(b, loc, rows, f.getArgument(0), "w", "",
                              mlir::Value());
    mlir::func::ReturnOp::create(b, loc, y.getResult());
  }, options).or_throw();
  expectNear(call(model, "f", {Tensor::view(x.data(), {2, 8})}),
             linear(doubles(x), w, 8), 1e-5);
}

TEST(Function, FromAFile) {
  std::string path = ::testing::TempDir() + "adze-function.mlir";
  std::FILE *file = std::fopen(path.c_str(), "w");
  ASSERT_TRUE(file);
  std::fputs(R"(
    adze.weight @m from "w" : !adze.weight<8x8, #adze.float<f32>>
    func.func @f(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
      %y = adze.linear %x, @m : (tensor<?x8xf32>) -> tensor<?x8xf32>
      return %y : tensor<?x8xf32>
    })", file);
  std::fclose(file);
  std::vector<float> w = randoms(8 * 8, 1), x = randoms(8, 2);
  FunctionOptions options;
  options.bind("w", Tensor::view(w.data(), {8, 8}));
  auto model = compileFunctionFile(path, options).or_throw();
  expectNear(call(model, "f", {Tensor::view(x.data(), {1, 8})}),
             linear(doubles(x), w, 8), 1e-5);
  auto unbound = compileFunctionFile(path);
  ASSERT_FALSE(unbound);
  EXPECT_NE(unbound.error().message.find("no tensor is bound to \"w\""),
            std::string::npos)
      << unbound.error().message;
  std::remove(path.c_str());
}

//===-- what is refused ---------------------------------------------------===//

TEST(FunctionErrors, Text) {
  EXPECT_NE(errorOf("func.func @f(", {}).find("function"), std::string::npos);
  std::string noEntry = errorOf("module {}", {});
  EXPECT_NE(noEntry.find("no entry"), std::string::npos) << noEntry;
}

TEST(FunctionErrors, Types) {
  std::string message = errorOf(R"(
    func.func @f(%x: tensor<?x?xf32>) -> tensor<?x?xf32> {
      return %x : tensor<?x?xf32>
    })", {});
  EXPECT_NE(message.find("expects entry arguments"), std::string::npos)
      << message;
}

TEST(FunctionErrors, UnknownOps) {
  std::string message = errorOf(R"(
    func.func @f(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
      %y = "mine.op"(%x) : (tensor<?x8xf32>) -> tensor<?x8xf32>
      return %y : tensor<?x8xf32>
    })", {});
  EXPECT_NE(message.find("unregistered dialect"), std::string::npos) << message;
}

TEST(FunctionErrors, Bindings) {
  const char *text = R"(
    func.func @f(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {
      %y = adze.linear %x, @w : (tensor<?x8xf32>) -> tensor<?x4xf32>
      return %y : tensor<?x4xf32>
    })";
  std::vector<float> w(64);
  auto with = [&](const Tensor &value) {
    FunctionOptions options;
    options.bind("w", value);
    return errorOf(text, options);
  };
  EXPECT_EQ(with(Tensor::view(w.data(), {4, 8})), "");
  std::string message = errorOf(text, {});
  EXPECT_NE(message.find("@w"), std::string::npos) << message;
  message = with(Tensor::view(w.data(), {4, 7}));
  EXPECT_NE(message.find("4x7"), std::string::npos) << message;
  message = with(Tensor::view(w.data(), {2, 2, 8}));
  EXPECT_NE(message.find("rank 3"), std::string::npos) << message;
  message = with(Tensor::view(w.data(), {4, -8}));
  EXPECT_NE(message.find("dimension 1 is -8"), std::string::npos) << message;
  message = with(Tensor::view(ADZE_F32, nullptr, {4, 8}));
  EXPECT_NE(message.find("no data"), std::string::npos) << message;
  std::vector<int32_t> ints(32);
  message = with(Tensor::view(ints.data(), {4, 8}));
  EXPECT_NE(message.find("f32, f16 or bf16, found i32"), std::string::npos)
      << message;
}

TEST(FunctionErrors, CallsWithOtherShapes) {
  Gated gated;
  auto model = compileFunction(kGated, gated.options()).or_throw();
  auto entry = model.entry("gated").or_throw();
  std::vector<float> x(82);
  auto made = entry.call(Tensor::view(x.data(), {2, 41}));
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("expected f32[T, 40]"),
            std::string::npos)
      << made.error().message;
  EXPECT_FALSE(model.entry("other"));
}

} // namespace
