// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A user's functions of linalg, tensor, arith and math ops, compiled and called
// as entries, against naive loops in double: for 0, 1, 2 and 37 rows, on every
// variant of this machine, with one and three threads.

#include "CompiledModel.h"
#include "adze/runtime.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <random>
#include <unistd.h>

using namespace adze;
using namespace adze::test;

namespace {

//===-- 16-bit floats -----------------------------------------------------===//

float bitsToFloat(uint32_t bits) {
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}
double fromBF16(uint16_t h) { return bitsToFloat(uint32_t(h) << 16); }
double fromF16(uint16_t h) {
  int exponent = h >> 10 & 31;
  double m = exponent ? 1024 + (h & 1023) : h & 1023;
  double value = std::ldexp(m, (exponent ? exponent : 1) - 25);
  return h & 0x8000 ? -value : value;
}
/// A small random number in the upper bits of a 16-bit float; not subnormal.
uint16_t someHalf(std::mt19937 &random, bool isBF16) {
  uint16_t sign = (random() & 1) << 15;
  return isBF16
             ? uint16_t(sign | ((124 + random() % 4) << 7 | random() % 128))
             : uint16_t(sign | ((12 + random() % 4) << 10 | random() % 1024));
}

//===-- a compiled function -----------------------------------------------===//

std::string compileError(const std::string &text) {
  std::string source =
      "/tmp/adze-generic-" + std::to_string(::getpid()) + ".mlir";
  std::ofstream(source) << text;
  CompileOptions options;
  options.target = "host";
  CompiledModel compiled(source, options);
  ::unlink(source.c_str());
  return compiled.error();
}

/// The entry @f on a session of some threads.
class Function {
public:
  Function(adze_model *model, uint32_t threads)
      : model(model), session(makeSession(model, threads)) {}

  /// Results of `inputs`; a failed call is a test failure.
  std::vector<Tensor> call(const std::vector<Tensor> &inputs) {
    std::vector<adze_tensor> args, results(resultCount());
    for (const Tensor &input : inputs)
      args.push_back(input.c());
    for (adze_tensor &result : results)
      result.size = sizeof result;
    if (adze_entry_infer(model, "f", args.data(), args.size(), results.data(),
                         results.size()))
      return failed();
    std::vector<Tensor> owned;
    for (const adze_tensor &result : results) {
      owned.push_back(Tensor::zeros(
          result.dtype, {result.shape, result.shape + result.rank}));
      args.push_back(owned.back().c());
    }
    if (adze_entry_call(session.get(), "f", args.data(), args.size()))
      return failed();
    return owned;
  }

private:
  size_t resultCount() {
    size_t count = 0;
    adze_arg_info info = {};
    info.size = sizeof info;
    for (size_t i = 0; !adze_model_entry_arg(model, "f", i, &info); ++i)
      count += info.is_result;
    return count;
  }
  std::vector<Tensor> failed() {
    ADD_FAILURE() << adze_last_error()->message;
    return {};
  }

  adze_model *model;
  SessionHandle session;
};

/// Compiles the function @f of `text` and calls `check` with it, for every
/// variant and number of threads, and with a number of rows.
void forAll(const std::string &text,
            const std::function<void(Function &, int64_t rows)> &check) {
  std::string source =
      "/tmp/adze-generic-" + std::to_string(::getpid()) + ".mlir";
  std::ofstream(source) << text;
  CompiledModel compiled(source, {});
  ::unlink(source.c_str());
  ASSERT_EQ(compiled.error(), "");
  for (const std::string &variant : compiled.variants()) {
    ModelHandle model = openModel(compiled.path(), variant);
    ASSERT_TRUE(model);
    for (uint32_t threads : {1u, 3u}) {
      Function function(model.get(), threads);
      for (int64_t rows : {0, 1, 2, 37}) {
        SCOPED_TRACE(variant + ", " + std::to_string(threads) + " threads, " +
                     std::to_string(rows) + " rows");
        check(function, rows);
      }
    }
  }
}

std::vector<float> randomFloats(std::mt19937 &random, size_t count) {
  std::uniform_real_distribution<float> values(-2, 2);
  std::vector<float> result(count);
  for (float &v : result)
    v = values(random);
  return result;
}

//===-- rows --------------------------------------------------------------===//

TEST(GenericFunctions, SoftmaxOfARow) {
  forAll(R"mlir(
func.func @f(%x: tensor<?x13xf32>) -> tensor<?x13xf32> attributes {adze.entry} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x13xf32>
  %e = tensor.empty(%t) : tensor<?x13xf32>
  %s = linalg.softmax dimension(1) ins(%x : tensor<?x13xf32>)
    outs(%e : tensor<?x13xf32>) -> tensor<?x13xf32>
  return %s : tensor<?x13xf32>
})mlir",
         [](Function &f, int64_t rows) {
           std::mt19937 random(1);
           std::vector<float> x = randomFloats(random, rows * 13);
           auto y = f.call({Tensor::view(x.data(), {rows, 13})});
           ASSERT_EQ(y.size(), 1u);
           for (int64_t r = 0; r < rows; ++r) {
             double sum = 0;
             for (int i = 0; i < 13; ++i)
               sum += std::exp(double(x[r * 13 + i]));
             for (int i = 0; i < 13; ++i)
               EXPECT_NEAR(y[0].data<float>()[r * 13 + i],
                           std::exp(double(x[r * 13 + i])) / sum, 1e-6);
           }
         });
}

TEST(GenericFunctions, LayerNorm) {
  forAll(R"mlir(
#row = affine_map<(t, n) -> (t, n)>
#one = affine_map<(t, n) -> (t)>
#col = affine_map<(t, n) -> (n)>
func.func @f(%x: tensor<?x24xf32>, %g: tensor<24xf32>, %b: tensor<24xf32>)
    -> tensor<?x24xf32> attributes {adze.entry} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %n = arith.constant 24.0 : f32
  %eps = arith.constant 1.0e-5 : f32
  %t = tensor.dim %x, %c0 : tensor<?x24xf32>
  %e1 = tensor.empty(%t) : tensor<?xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e1 : tensor<?xf32>) -> tensor<?xf32>
  %sum = linalg.reduce { arith.addf } ins(%x : tensor<?x24xf32>)
    outs(%z : tensor<?xf32>) dimensions = [1]
  %squares = linalg.generic {indexing_maps = [#row, #one, #one],
      iterator_types = ["parallel", "reduction"]}
      ins(%x, %sum : tensor<?x24xf32>, tensor<?xf32>) outs(%z : tensor<?xf32>) {
  ^bb0(%a: f32, %s: f32, %acc: f32):
    %mean = arith.divf %s, %n : f32
    %d = arith.subf %a, %mean : f32
    %q = arith.mulf %d, %d : f32
    %r = arith.addf %acc, %q : f32
    linalg.yield %r : f32
  } -> tensor<?xf32>
  %e2 = tensor.empty(%t) : tensor<?x24xf32>
  %y = linalg.generic {indexing_maps = [#row, #one, #one, #col, #col, #row],
      iterator_types = ["parallel", "parallel"]}
      ins(%x, %sum, %squares, %g, %b : tensor<?x24xf32>, tensor<?xf32>,
          tensor<?xf32>, tensor<24xf32>, tensor<24xf32>)
      outs(%e2 : tensor<?x24xf32>) {
  ^bb0(%a: f32, %s: f32, %q: f32, %gain: f32, %bias: f32, %o: f32):
    %mean = arith.divf %s, %n : f32
    %d = arith.subf %a, %mean : f32
    %v = arith.divf %q, %n : f32
    %ve = arith.addf %v, %eps : f32
    %inverse = math.rsqrt %ve : f32
    %unit = arith.mulf %d, %inverse : f32
    %scaled = arith.mulf %unit, %gain : f32
    %r = arith.addf %scaled, %bias : f32
    linalg.yield %r : f32
  } -> tensor<?x24xf32>
  return %y : tensor<?x24xf32>
})mlir",
         [](Function &f, int64_t rows) {
           std::mt19937 random(2);
           std::vector<float> x = randomFloats(random, rows * 24),
                              g = randomFloats(random, 24),
                              b = randomFloats(random, 24);
           auto y = f.call({Tensor::view(x.data(), {rows, 24}),
                            Tensor::view(g.data(), {24}),
                            Tensor::view(b.data(), {24})});
           ASSERT_EQ(y.size(), 1u);
           for (int64_t r = 0; r < rows; ++r) {
             double mean = 0, variance = 0;
             for (int i = 0; i < 24; ++i)
               mean += x[r * 24 + i] / 24.0;
             for (int i = 0; i < 24; ++i)
               variance += std::pow(x[r * 24 + i] - mean, 2) / 24;
             for (int i = 0; i < 24; ++i)
               EXPECT_NEAR(y[0].data<float>()[r * 24 + i],
                           (x[r * 24 + i] - mean) / std::sqrt(variance + 1e-5) *
                                   g[i] +
                               b[i],
                           1e-5);
           }
         });
}

/// bf16 rows times the transpose of an f16 argument, and a bias added.
TEST(GenericFunctions, WeightsAsArguments) {
  forAll(R"mlir(
#row = affine_map<(t, n) -> (t, n)>
#col = affine_map<(t, n) -> (n)>
func.func @f(%x: tensor<?x6xbf16>, %w: tensor<6x5xf16>, %b: tensor<5xf32>)
    -> tensor<?x5xf32> attributes {adze.entry} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x6xbf16>
  %we = tensor.empty() : tensor<5x6xf16>
  %wt = linalg.transpose ins(%w : tensor<6x5xf16>) outs(%we : tensor<5x6xf16>)
    permutation = [1, 0]
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%t) : tensor<?x5xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<?x5xf32>)
    -> tensor<?x5xf32>
  %m = linalg.generic {indexing_maps = [affine_map<(t, n, k) -> (t, k)>,
        affine_map<(t, n, k) -> (n, k)>, affine_map<(t, n, k) -> (t, n)>],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %wt : tensor<?x6xbf16>, tensor<5x6xf16>)
      outs(%z : tensor<?x5xf32>) {
  ^bb0(%a: bf16, %c: f16, %acc: f32):
    %1 = arith.extf %a : bf16 to f32
    %2 = arith.extf %c : f16 to f32
    %3 = arith.mulf %1, %2 : f32
    %4 = arith.addf %acc, %3 : f32
    linalg.yield %4 : f32
  } -> tensor<?x5xf32>
  %r = linalg.generic {indexing_maps = [#row, #col, #row],
      iterator_types = ["parallel", "parallel"]}
      ins(%m, %b : tensor<?x5xf32>, tensor<5xf32>) outs(%e : tensor<?x5xf32>) {
  ^bb0(%a: f32, %c: f32, %o: f32):
    %1 = arith.addf %a, %c : f32
    linalg.yield %1 : f32
  } -> tensor<?x5xf32>
  return %r : tensor<?x5xf32>
})mlir",
         [](Function &f, int64_t rows) {
           std::mt19937 random(3);
           std::vector<uint16_t> x(rows * 6), w(30);
           for (uint16_t &v : x)
             v = someHalf(random, true);
           for (uint16_t &v : w)
             v = someHalf(random, false);
           std::vector<float> b = randomFloats(random, 5);
           auto y = f.call({Tensor::view(ADZE_BF16, x.data(), {rows, 6}),
                            Tensor::view(ADZE_F16, w.data(), {6, 5}),
                            Tensor::view(b.data(), {5})});
           ASSERT_EQ(y.size(), 1u);
           for (int64_t r = 0; r < rows; ++r)
             for (int n = 0; n < 5; ++n) {
               double want = b[n];
               for (int k = 0; k < 6; ++k)
                 want += fromBF16(x[r * 6 + k]) * fromF16(w[k * 5 + n]);
               EXPECT_NEAR(y[0].data<float>()[r * 5 + n], want, 1e-5);
             }
         });
}

/// Arithmetic and elementary functions on 16-bit floats, results of that type.
TEST(GenericFunctions, HalfArithmetic) {
  forAll(R"mlir(
func.func @f(%x: tensor<?x7xf16>, %y: tensor<?x7xbf16>)
    -> (tensor<?x7xf16>, tensor<?x7xbf16>) attributes {adze.entry} {
  %s = math.exp %x : tensor<?x7xf16>
  %d = arith.mulf %s, %x : tensor<?x7xf16>
  %g = adze.silu %y : tensor<?x7xbf16>
  %h = arith.addf %g, %y : tensor<?x7xbf16>
  return %d, %h : tensor<?x7xf16>, tensor<?x7xbf16>
})mlir",
         [](Function &f, int64_t rows) {
           std::mt19937 random(4);
           std::vector<uint16_t> x(rows * 7), y(rows * 7);
           for (uint16_t &v : x)
             v = someHalf(random, false);
           for (uint16_t &v : y)
             v = someHalf(random, true);
           auto r = f.call({Tensor::view(ADZE_F16, x.data(), {rows, 7}),
                            Tensor::view(ADZE_BF16, y.data(), {rows, 7})});
           ASSERT_EQ(r.size(), 2u);
           EXPECT_EQ(r[0].dtype(), uint32_t(ADZE_F16));
           EXPECT_EQ(r[1].dtype(), uint32_t(ADZE_BF16));
           for (size_t i = 0; i < x.size(); ++i) {
             double a = fromF16(x[i]), b = fromBF16(y[i]);
             // Two roundings of each: 2^-11 and 2^-8 of what is rounded.
             double d = std::exp(a) * a, s = b / (1 + std::exp(-b));
             EXPECT_NEAR(fromF16(r[0].data<uint16_t>()[i]), d,
                         std::fabs(d) / 900);
             EXPECT_NEAR(fromBF16(r[1].data<uint16_t>()[i]), s + b,
                         (std::fabs(s) + std::fabs(s + b)) / 250);
           }
         });
}

/// Slices, concatenation, padding, reshapes, a constant, a result of rank 3.
TEST(GenericFunctions, Shapes) {
  forAll(R"mlir(
#id = affine_map<(t, n, m) -> (t, n, m)>
func.func @f(%x: tensor<?x12xf32>) -> (tensor<?x6xf32>, tensor<?x3x2xf32>)
    attributes {adze.entry} {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x12xf32>
  %fill = arith.constant 1.5 : f32
  %a = tensor.extract_slice %x[0, 2] [%n, 3] [1, 2]
    : tensor<?x12xf32> to tensor<?x3xf32>
  %b = tensor.extract_slice %x[0, 9] [%n, 3] [1, 1]
    : tensor<?x12xf32> to tensor<?x3xf32>
  %c = tensor.concat dim(1) %b, %a
    : (tensor<?x3xf32>, tensor<?x3xf32>) -> tensor<?x6xf32>
  %p = tensor.pad %a low[0, 1] high[0, 2] {
  ^bb0(%i: index, %j: index):
    tensor.yield %fill : f32
  } : tensor<?x3xf32> to tensor<?x6xf32>
  %k = arith.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]>
    : tensor<3x2xf32>
  %s = tensor.expand_shape %p [[0], [1, 2]] output_shape [%n, 3, 2]
    : tensor<?x6xf32> into tensor<?x3x2xf32>
  %o = tensor.empty(%n) : tensor<?x3x2xf32>
  %r = linalg.generic {indexing_maps = [#id, affine_map<(t, n, m) -> (n, m)>,
      #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%s, %k : tensor<?x3x2xf32>, tensor<3x2xf32>)
      outs(%o : tensor<?x3x2xf32>) {
  ^bb0(%u: f32, %v: f32, %q: f32):
    %1 = arith.mulf %u, %v : f32
    linalg.yield %1 : f32
  } -> tensor<?x3x2xf32>
  return %c, %r : tensor<?x6xf32>, tensor<?x3x2xf32>
})mlir",
         [](Function &f, int64_t rows) {
           std::mt19937 random(5);
           std::vector<float> x = randomFloats(random, rows * 12);
           auto y = f.call({Tensor::view(x.data(), {rows, 12})});
           ASSERT_EQ(y.size(), 2u);
           EXPECT_EQ(y[1].shape(), (std::vector<int64_t>{rows, 3, 2}));
           for (int64_t r = 0; r < rows; ++r) {
             const float *in = &x[r * 12];
             float c[6] = {in[9], in[10], in[11], in[2], in[4], in[6]};
             float p[6] = {1.5f, in[2], in[4], in[6], 1.5f, 1.5f};
             for (int i = 0; i < 6; ++i) {
               EXPECT_EQ(y[0].data<float>()[r * 6 + i], c[i]);
               EXPECT_EQ(y[1].data<float>()[r * 6 + i], p[i] * float(i + 1));
             }
           }
         });
}

//===-- more than the row -------------------------------------------------===//

/// Each row less the mean of all rows: any row is read, and their number is.
TEST(GenericFunctions, MeanOverRows) {
  forAll(R"mlir(
#row = affine_map<(t, n) -> (t, n)>
#col = affine_map<(t, n) -> (n)>
func.func @f(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {adze.entry} {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x4xf32>
  %i = arith.index_cast %n : index to i32
  %count = arith.sitofp %i : i32 to f32
  %zero = arith.constant 0.0 : f32
  %y = arith.addf %x, %x : tensor<?x4xf32>
  %e = tensor.empty() : tensor<4xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %sum = linalg.reduce { arith.addf } ins(%y : tensor<?x4xf32>)
    outs(%z : tensor<4xf32>) dimensions = [0]
  %o = tensor.empty(%n) : tensor<?x4xf32>
  %r = linalg.generic {indexing_maps = [#row, #col, #row],
      iterator_types = ["parallel", "parallel"]}
      ins(%y, %sum : tensor<?x4xf32>, tensor<4xf32>)
      outs(%o : tensor<?x4xf32>) {
  ^bb0(%a: f32, %s: f32, %q: f32):
    %1 = arith.divf %s, %count : f32
    %2 = arith.subf %a, %1 : f32
    linalg.yield %2 : f32
  } -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
})mlir",
         [](Function &f, int64_t rows) {
           std::mt19937 random(6);
           std::vector<float> x = randomFloats(random, rows * 4);
           auto y = f.call({Tensor::view(x.data(), {rows, 4})});
           ASSERT_EQ(y.size(), 1u);
           for (int c = 0; c < 4; ++c) {
             double sum = 0;
             for (int64_t r = 0; r < rows; ++r)
               sum += 2.0 * x[r * 4 + c];
             for (int64_t r = 0; r < rows; ++r)
               EXPECT_NEAR(y[0].data<float>()[r * 4 + c],
                           2.0 * x[r * 4 + c] - sum / double(rows), 1e-5);
           }
         });
}

/// A gather from a value that another kernel made: a barrier stands between.
TEST(GenericFunctions, GatherOfComputedRows) {
  forAll(R"mlir(
func.func @f(%i: tensor<?xi32>, %x: tensor<?x3xf64>) -> tensor<?x3xf64>
    attributes {adze.entry} {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %i, %c0 : tensor<?xi32>
  %y = arith.mulf %x, %x : tensor<?x3xf64>
  %e = tensor.empty(%n) : tensor<?x3xf64>
  %r = linalg.generic {indexing_maps = [affine_map<(t, n) -> (t)>,
      affine_map<(t, n) -> (t, n)>], iterator_types = ["parallel", "parallel"]}
      ins(%i : tensor<?xi32>) outs(%e : tensor<?x3xf64>) {
  ^bb0(%a: i32, %q: f64):
    %1 = arith.index_cast %a : i32 to index
    %2 = linalg.index 1 : index
    %3 = tensor.extract %y[%1, %2] : tensor<?x3xf64>
    linalg.yield %3 : f64
  } -> tensor<?x3xf64>
  return %r : tensor<?x3xf64>
})mlir",
         [](Function &f, int64_t rows) {
           std::mt19937 random(7);
           std::vector<double> x(rows * 3);
           std::vector<int32_t> i(rows);
           for (double &v : x)
             v = double(random()) / 1e9;
           for (int32_t &v : i)
             v = int32_t(random() % uint32_t(rows));
           auto y = f.call({Tensor::view(i.data(), {rows}),
                            Tensor::view(x.data(), {rows, 3})});
           ASSERT_EQ(y.size(), 1u);
           for (int64_t r = 0; r < rows; ++r)
             for (int c = 0; c < 3; ++c)
               EXPECT_EQ(y[0].data<double>()[r * 3 + c],
                         x[i[r] * 3 + c] * x[i[r] * 3 + c]);
         });
}

//===-- what cannot be done -----------------------------------------------===//

TEST(GenericFunctions, RefusalsNameTheOpAndWhatToDo) {
  std::string error = compileError(R"mlir(
func.func @f(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {adze.entry} {
  %r = tensor.extract_slice %x[1, 0] [3, 4] [1, 1]
    : tensor<?x4xf32> to tensor<3x4xf32>
  %c = tensor.cast %r : tensor<3x4xf32> to tensor<?x4xf32>
  return %c : tensor<?x4xf32>
})mlir");
  EXPECT_NE(error.find("'tensor.cast' op makes rows of a tensor that has none"),
            std::string::npos)
      << error;

  error = compileError(R"mlir(
func.func @f(%x: tensor<?x4xf64>) -> tensor<?x4xf64> attributes {adze.entry} {
  %r = math.exp %x : tensor<?x4xf64>
  return %r : tensor<?x4xf64>
})mlir");
  EXPECT_NE(error.find("math.exp on 'f64'"), std::string::npos) << error;
  EXPECT_NE(error.find("compute in f32"), std::string::npos) << error;

  error = compileError(R"mlir(
func.func @f(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {adze.entry} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  %e = tensor.empty(%t) : tensor<?x4xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(t, n) -> (t, n)>],
      iterator_types = ["parallel", "parallel"]} outs(%e : tensor<?x4xf32>) {
  ^bb0(%o: f32):
    %0 = linalg.index 0 : index
    %1 = arith.index_cast %0 : index to i32
    %2 = arith.sitofp %1 : i32 to f32
    linalg.yield %2 : f32
  } -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
})mlir");
  EXPECT_NE(error.find("'linalg.generic' op uses the index of the row"),
            std::string::npos)
      << error;
}

} // namespace
