// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Functions compiled in this process: values against loops in double, and what
// is refused.

#include "adze/FunctionBuilder.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <cmath>
#include <cstdio>
#include <cstring>
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
    })",
                               options)
                   .or_throw();
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
    })")
                   .or_throw();
  std::vector<float> x = randoms(3 * 19, 1), y = randoms(3 * 19, 2);
  std::vector<double> want;
  for (size_t i = 0; i < x.size(); ++i)
    want.push_back(std::exp(double(x[i])) - std::tanh(double(y[i])));
  expectNear(
      call(model, "f",
           {Tensor::view(x.data(), {3, 19}), Tensor::view(y.data(), {3, 19})}),
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
    })")
                   .or_throw();
  std::vector<float> x = randoms(3 * 8, 1), w = randoms(8 * 5, 2), t(5 * 8);
  for (int k = 0; k < 8; ++k)
    for (int n = 0; n < 5; ++n)
      t[n * 8 + k] = w[k * 5 + n];
  expectNear(
      call(model, "f",
           {Tensor::view(x.data(), {3, 8}), Tensor::view(w.data(), {8, 5})}),
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
    })",
                               options)
                   .or_throw();
  // Dots of bf16 pairs round x too.
  expectNear(call(model, "f", {Tensor::view(x.data(), {4, 20})}),
             linear(doubles(x), w, 20), 1e-2);
}

TEST(Function, BuiltInCpp) {
  std::vector<float> w = randoms(8 * 8, 1), x = randoms(2 * 8, 2);
  FunctionOptions options;
  options.bind("w", Tensor::view(w.data(), {8, 8}));
  auto model = buildFunction(
                   [](mlir::OpBuilder &b) {
                     auto loc = b.getUnknownLoc();
                     mlir::Type rows = mlir::RankedTensorType::get(
                         {mlir::ShapedType::kDynamic, 8}, b.getF32Type());
                     auto f = mlir::func::FuncOp::create(
                         b, loc, "f", b.getFunctionType({rows}, {rows}));
                     b.setInsertionPointToStart(f.addEntryBlock());
                     auto y = LinearOp::create(b, loc, rows, f.getArgument(0),
                                               "w", "", mlir::Value());
                     mlir::func::ReturnOp::create(b, loc, y.getResult());
                   },
                   options)
                   .or_throw();
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
    })",
             file);
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

//===-- attention ---------------------------------------------------------===//

/// Pre-norm attention with grouped heads: 4 query heads over 2 of keys, D 8.
const char *kBlock = R"(
  adze.state @kv : !adze.kv<2x8xf32>
  func.func @block(%x: tensor<?x24xf32>, %b: !adze.batch)
      -> tensor<?x24xf32> {
    %r = adze.rotary_table %b freqs [1.0, 0.5, 0.25, 0.125] : tensor<?x8xf32>
    %q = adze.linear %x, @q : (tensor<?x24xf32>) -> tensor<?x32xf32>
    %k = adze.linear %x, @k : (tensor<?x24xf32>) -> tensor<?x16xf32>
    %v = adze.linear %x, @v : (tensor<?x24xf32>) -> tensor<?x16xf32>
    %qr = adze.rotary %q, %r heads 4 half : tensor<?x32xf32>, tensor<?x8xf32>
    %kr = adze.rotary %k, %r heads 2 half : tensor<?x16xf32>, tensor<?x8xf32>
    %a = adze.attention %qr, %kr, %v cache @kv at %b heads 4 kv_heads 2
      scale 0.35 mask <causal>
      : tensor<?x32xf32>, tensor<?x16xf32>, tensor<?x16xf32>
    %o = adze.linear %a, @o : (tensor<?x32xf32>) -> tensor<?x24xf32>
    %y = arith.addf %x, %o : tensor<?x24xf32>
    return %y : tensor<?x24xf32>
  })";

struct Block {
  std::vector<float> q = randoms(32 * 24, 1), k = randoms(16 * 24, 2),
                     v = randoms(16 * 24, 3), o = randoms(24 * 32, 4);

  FunctionOptions options() {
    FunctionOptions made;
    made.bind("q", Tensor::view(q.data(), {32, 24}));
    made.bind("k", Tensor::view(k.data(), {16, 24}));
    made.bind("v", Tensor::view(v.data(), {16, 24}));
    made.bind("o", Tensor::view(o.data(), {24, 32}));
    return made;
  }

  static void rotate(std::vector<double> &x, int heads) {
    for (size_t t = 0; t < x.size() / (heads * 8); ++t)
      for (int h = 0; h < heads; ++h)
        for (int i = 0; i < 4; ++i) {
          double *a = &x[(t * heads + h) * 8 + i], angle = t / double(1 << i);
          double first = a[0] * cos(angle) - a[4] * sin(angle);
          a[4] = a[4] * cos(angle) + a[0] * sin(angle);
          a[0] = first;
        }
  }

  /// One whole sequence.
  std::vector<double> expected(const std::vector<float> &x) {
    auto qs = linear(doubles(x), q, 24), ks = linear(doubles(x), k, 24),
         vs = linear(doubles(x), v, 24);
    rotate(qs, 4);
    rotate(ks, 2);
    std::vector<double> a(qs.size());
    for (size_t t = 0; t < qs.size() / 32; ++t)
      for (int h = 0; h < 4; ++h) {
        std::vector<double> p(t + 1);
        double sum = 0;
        for (size_t j = 0; j <= t; ++j) {
          for (int d = 0; d < 8; ++d)
            p[j] += qs[t * 32 + h * 8 + d] * ks[j * 16 + h / 2 * 8 + d];
          sum += p[j] = std::exp(0.35 * p[j]);
        }
        for (size_t j = 0; j <= t; ++j)
          for (int d = 0; d < 8; ++d)
            a[t * 32 + h * 8 + d] += p[j] / sum * vs[j * 16 + h / 2 * 8 + d];
      }
    auto y = linear(a, o, 32);
    for (size_t i = 0; i < y.size(); ++i)
      y[i] += x[i];
    return y;
  }
};

TEST(FunctionAttention, ACallIsAWholeSequence) {
  Block block;
  auto model = compileFunction(kBlock, block.options()).or_throw();
  auto entry = model.entry("block").or_throw();
  for (int64_t rows : {1, 2, 65, 300}) { // one page and more, chunks and more
    std::vector<float> x = randoms(rows * 24, 10 + rows);
    expectNear(entry.call(Tensor::view(x.data(), {rows, 24})).or_throw()[0],
               block.expected(x), 1e-5);
    EXPECT_EQ(entry.length(), 0u);
  }
}

TEST(FunctionAttention, OnTheGenericPath) {
  Block block;
  auto options = block.options();
  options.generic = {"all"};
  auto model = compileFunction(kBlock, options).or_throw();
  std::vector<float> x = randoms(70 * 24, 11);
  expectNear(call(model, "block", {Tensor::view(x.data(), {70, 24})}),
             block.expected(x), 1e-5);
}

/// Rows [from, to) of x as a tensor of their own.
Tensor slice(std::vector<float> &x, int64_t from, int64_t to) {
  return Tensor::view(x.data() + from * 24, {to - from, 24});
}

TEST(FunctionAttention, AppendingContinues) {
  Block block;
  auto model = compileFunction(kBlock, block.options()).or_throw();
  auto entry = model.entry("block").or_throw();
  std::vector<float> x = randoms(140 * 24, 5);
  Tensor whole = entry.call(slice(x, 0, 140)).or_throw()[0];
  for (auto [from, to] :
       {std::pair<int64_t, int64_t>{0, 60}, {60, 61}, {61, 130}, {130, 140}}) {
    Tensor y = entry.append(slice(x, from, to)).or_throw()[0];
    EXPECT_EQ(entry.length(), size_t(to));
    // Bit for bit: a row does not depend on how its sequence was cut.
    EXPECT_EQ(0, std::memcmp(y.data<float>(), whole.data<float>() + from * 24,
                             (to - from) * 24 * sizeof(float)));
  }
  // A call between two appends is a sequence of its own.
  EXPECT_TRUE(entry.rewind(61));
  entry.call(slice(x, 3, 9)).or_throw();
  Tensor again = entry.append(slice(x, 61, 130)).or_throw()[0];
  EXPECT_EQ(0, std::memcmp(again.data<float>(), whole.data<float>() + 61 * 24,
                           69 * 24 * sizeof(float)));
}

TEST(FunctionAttention, SeveralSequences) {
  Block block;
  auto model = compileFunction(kBlock, block.options()).or_throw();
  SessionOptions session;
  session.maxSequences = 2;
  session.context = 100;
  auto entry = model.entry("block", session).or_throw();
  std::vector<float> a = randoms(30 * 24, 6), b = randoms(20 * 24, 7);
  Tensor wantA = entry.call(slice(a, 0, 30)).or_throw()[0],
         wantB = entry.call(slice(b, 0, 20)).or_throw()[0];
  for (int64_t cut : {0, 10}) { // 15 rows of a, 10 of b, each time
    int64_t fromA = cut * 3 / 2;
    std::vector<float> x(a.begin() + fromA * 24, a.begin() + (fromA + 15) * 24);
    x.insert(x.end(), b.begin() + cut * 24, b.begin() + (cut + 10) * 24);
    Tensor y =
        entry.appendTo({{1, 15}, {0, 10}}, {slice(x, 0, 25)}).or_throw()[0];
    EXPECT_EQ(0, std::memcmp(y.data<float>(), wantA.data<float>() + fromA * 24,
                             15 * 24 * 4));
    EXPECT_EQ(0, std::memcmp(y.data<float>() + 15 * 24,
                             wantB.data<float>() + cut * 24, 10 * 24 * 4));
  }
  EXPECT_EQ(entry.length(1), 30u);
  EXPECT_EQ(entry.length(0), 20u);

  auto message = [&](const std::vector<EntryRows> &parts, int64_t rows) {
    auto made = entry.appendTo(parts, {slice(a, 0, rows)});
    return made ? std::string() : made.error().message;
  };
  EXPECT_EQ(message({{0, 3}, {1, 3}}, 7),
            "the counts add up to 6 rows; the tensors have 7");
  EXPECT_EQ(message({{0, 3}, {0, 3}}, 6), "sequence 0 is given twice");
  EXPECT_EQ(message({{2, 3}}, 3), "sequence 2 of a session that holds 2");
  std::vector<float> longer = randoms(101 * 24, 8);
  EXPECT_EQ(entry.call(slice(longer, 0, 101)).error().message,
            "101 rows after 0 do not fit the session's context of 100 "
            "positions");
  EXPECT_EQ(entry.length(1), 30u); // as before
  EXPECT_EQ(entry.call(slice(a, 0, 0)).or_throw()[0].elements(), 0u);
}

TEST(FunctionAttention, RowsAskedFor) {
  auto model = compileFunction(R"(
    func.func @f(%x: tensor<?x8xf32>, %rows: tensor<?xi32>)
        -> tensor<?x8xf32> {
      %y = adze.take_rows %x, %rows : tensor<?x8xf32>, tensor<?xi32>
      return %y : tensor<?x8xf32>
    })")
                   .or_throw();
  std::vector<float> x = randoms(3 * 8, 1);
  std::vector<int32_t> rows = {2, 0};
  auto entry = model.entry("f").or_throw();
  Tensor input = Tensor::view(x.data(), {3, 8});
  Tensor y = entry.call(input, Tensor::view(rows.data(), {2})).or_throw()[0];
  EXPECT_EQ(y.data<float>()[3], x[2 * 8 + 3]);
  rows[1] = 3;
  auto made = entry.call(input, Tensor::view(rows.data(), {2}));
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("row 1 is 3; there are 3"),
            std::string::npos)
      << made.error().message;
  auto kept = entry.append(input, Tensor::view(rows.data(), {1}));
  ASSERT_FALSE(kept);
  EXPECT_NE(kept.error().message.find("reads no positions"), std::string::npos)
      << kept.error().message;
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
    })",
                                {});
  EXPECT_NE(message.find("expects entry arguments"), std::string::npos)
      << message;
}

TEST(FunctionErrors, UnknownOps) {
  std::string message = errorOf(R"(
    func.func @f(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
      %y = "mine.op"(%x) : (tensor<?x8xf32>) -> tensor<?x8xf32>
      return %y : tensor<?x8xf32>
    })",
                                {});
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
  EXPECT_NE(made.error().message.find("expected f32[T, 40]"), std::string::npos)
      << made.error().message;
  EXPECT_FALSE(model.entry("other"));
}

} // namespace
