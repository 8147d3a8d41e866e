// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// interpret(op) equals interpret(decompose(op)), op by op and on a whole layer.

#include "TestModule.h"
#include "mlir/IR/Verifier.h"

using namespace adze;
using namespace adze::test;

namespace {

/// Replaces every decomposable op in the functions of `module`; none may be
/// left.
void decomposeAll(mlir::ModuleOp module) {
  llvm::SmallVector<DecomposableOpInterface> ops;
  module.walk([&](DecomposableOpInterface op) { ops.push_back(op); });
  ASSERT_FALSE(ops.empty());
  while (!ops.empty()) {
    for (DecomposableOpInterface op : ops) {
      mlir::OpBuilder builder(op);
      auto results = op.decompose(builder);
      ASSERT_TRUE(succeeded(results));
      ASSERT_EQ(results->size(), op->getNumResults());
      for (auto [from, to] : llvm::zip(op->getResults(), *results))
        ASSERT_EQ(from.getType(), to.getType());
      op->replaceAllUsesWith(*results);
      op->erase();
    }
    ops.clear();
    module.walk([&](DecomposableOpInterface op) { ops.push_back(op); });
  }
  ASSERT_TRUE(succeeded(mlir::verify(module)));
}

/// Runs @f before and after decompose(), in both precisions. `tolerance` is
/// that of double, where the loops are the same.
void expectSame(llvm::StringRef text, llvm::ArrayRef<HostTensor> args,
                const Batch *batch = nullptr, double tolerance = 1e-12) {
  TestModule before(text), after(text);
  ASSERT_TRUE(before && after);
  addRandomWeights(before.get(), before.weights, 11, 1.0f);
  addRandomWeights(after.get(), after.weights, 11, 1.0f);
  decomposeAll(after.get());
  ASSERT_FALSE(testing::Test::HasFatalFailure()) << after.diagnostics;
  for (auto precision : {InterpreterOptions::Precision::F64,
                         InterpreterOptions::Precision::F32}) {
    InterpreterOptions options;
    options.precision = precision;
    auto a = before.run(args, batch, options);
    auto b = after.run(args, batch, options);
    ASSERT_FALSE(a.empty()) << before.diagnostics;
    ASSERT_EQ(a.size(), b.size()) << after.diagnostics;
    bool isDouble = precision == InterpreterOptions::Precision::F64;
    for (size_t i = 0; i < a.size(); ++i)
      EXPECT_LE(relativeError(a[i], b[i]), isDouble ? tolerance : 3e-6)
          << "result " << i;
  }
}

Batch oneSequence(int32_t rows) {
  Batch batch;
  batch.add(0, 0, std::vector<int32_t>(rows));
  return batch;
}

TEST(Decompose, Embed) {
  expectSame(R"(
    adze.weight @e from "e" : !adze.weight<7x3, #adze.float<bf16>>
    func.func @f(%t: tensor<?xi32>) -> tensor<?x3xf32> {
      %x = adze.embed %t, @e : tensor<?xi32> -> tensor<?x3xf32>
      return %x : tensor<?x3xf32>
    })",
             {HostTensor::ofInts({4}, {6, 0, 3, 3})});
}

TEST(Decompose, EmbedToStaticNarrowRows) {
  expectSame(R"(
    adze.weight @e from "e" : !adze.weight<7x3, #adze.float<f32>>
    func.func @f(%t: tensor<2xi32>) -> tensor<2x3xbf16> {
      %x = adze.embed %t, @e : tensor<2xi32> -> tensor<2x3xbf16>
      return %x : tensor<2x3xbf16>
    })",
             {HostTensor::ofInts({2}, {6, 1})});
}

TEST(Decompose, Linear) {
  expectSame(R"(
    adze.weight @w from "w.{}" x 2 : !adze.weight<5x3, #adze.float<f16>>
    adze.weight @b from "b.{}" x 2 : !adze.weight<5, #adze.float<f32>>
    func.func @f(%x: tensor<?x3xf32>, %l: index)
        -> (tensor<?x5xf32>, tensor<?x5xf32>) {
      %y = adze.linear %x, @w[%l] : (tensor<?x3xf32>) -> tensor<?x5xf32>
      %z = adze.linear %x, @w[%l] bias @b captures(%y : tensor<?x5xf32>) {
      ^bb0(%acc: f32, %r: f32):
        %s = adze.silu %acc : f32
        %0 = arith.addf %s, %r : f32
        adze.yield %0 : f32
      } : (tensor<?x3xf32>) -> tensor<?x5xf32>
      return %y, %z : tensor<?x5xf32>, tensor<?x5xf32>
    })",
             {randomRows(4, 3, 1), HostTensor::ofInts({}, {1})});
}

/// Two streams of 17 channels: three blocks of padding and a tail.
TEST(Decompose, LinearOfTwoStreams) {
  expectSame(R"(
    adze.weight @g from "g" : !adze.weight<17x3, #adze.float<f32>>
    adze.weight @u from "u" : !adze.weight<17x3, #adze.float<f32>>
    adze.weight @gu : !adze.weight<64x3, #adze.float<f32>> {
      %0 = adze.ref @g : !adze.weight<17x3, #adze.float<f32>>
      %1 = adze.ref @u : !adze.weight<17x3, #adze.float<f32>>
      %2 = adze.interleave %0, %1 : !adze.weight<17x3, #adze.float<f32>>
        -> !adze.weight<64x3, #adze.float<f32>>
      adze.yield %2 : !adze.weight<64x3, #adze.float<f32>>
    }
    func.func @f(%x: tensor<?x3xf32>) -> tensor<?x17xf32> {
      %y = adze.linear %x, @gu streams 2 {
      ^bb0(%a: f32, %b: f32):
        %s = adze.silu %a : f32
        %0 = arith.mulf %s, %b : f32
        adze.yield %0 : f32
      } : (tensor<?x3xf32>) -> tensor<?x17xf32>
      return %y : tensor<?x17xf32>
    })",
             {randomRows(4, 3, 1)});
}

TEST(Decompose, RmsNorm) {
  expectSame(R"(
    adze.weight @w from "w" : !adze.weight<6, #adze.float<f32>>
    adze.weight @h from "h" : !adze.weight<2, #adze.float<f32>>
    func.func @f(%x: tensor<?x6xf32>, %y: tensor<3x6xf32>)
        -> (tensor<?x6xf32>, tensor<?x6xf32>, tensor<3x6xf32>) {
      %a = adze.rms_norm %x, @w eps 1.0e-5 : tensor<?x6xf32>
      %b = adze.rms_norm %x, @h eps 1.0e-6 heads 3 : tensor<?x6xf32>
      %c = adze.rms_norm %y, @w eps 1.0e-5 : tensor<3x6xf32>
      return %a, %b, %c : tensor<?x6xf32>, tensor<?x6xf32>, tensor<3x6xf32>
    })",
             {randomRows(4, 6, 1), randomRows(3, 6, 2)});
}

TEST(Decompose, Quantize) {
  expectSame(R"(
    func.func @f(%x: tensor<?x70xf32>, %y: tensor<3x70xf32>,
                 %z: tensor<?x13xbf16>)
        -> (tensor<?x70xf32>, tensor<?x70xf32>, tensor<3x70xf32>,
            tensor<?x13xbf16>) {
      %a = adze.quantize %x group 32 : tensor<?x70xf32>
      %b = adze.quantize %x : tensor<?x70xf32>
      %c = adze.quantize %y group 128 : tensor<3x70xf32>
      %d = adze.quantize %z group 16 : tensor<?x13xbf16>
      return %a, %b, %c, %d : tensor<?x70xf32>, tensor<?x70xf32>,
                              tensor<3x70xf32>, tensor<?x13xbf16>
    })",
             {randomRows(4, 70, 1), randomRows(3, 70, 2), randomRows(2, 13, 3)},
             nullptr, 1e-6); // the op decides codes in f32
}

/// Ranges around 1 clamp some of what is around 0.
TEST(Decompose, QuantizeByRanges) {
  expectSame(
      R"(
    adze.weight @r from "r.{}" x 2 : !adze.weight<3, #adze.float<f32>>
    adze.weight @t from "t" : !adze.weight<1, #adze.float<f32>>
    func.func @f(%x: tensor<?x70xf32>, %y: tensor<3x70xbf16>, %l: index)
        -> (tensor<?x70xf32>, tensor<3x70xbf16>) {
      %a = adze.quantize %x group 32 ranges @r[%l] : tensor<?x70xf32>
      %b = adze.quantize %y ranges @t : tensor<3x70xbf16>
      return %a, %b : tensor<?x70xf32>, tensor<3x70xbf16>
    })",
      {randomRows(4, 70, 1), randomRows(3, 70, 2), HostTensor::ofInts({}, {1})},
      nullptr, 1e-6); // the op decides codes in f32
}

/// Rows of zeros have codes of zero in both.
TEST(Decompose, QuantizeOfZeros) {
  expectSame(R"(
    func.func @f(%x: tensor<?x20xf32>) -> tensor<?x20xf32> {
      %a = adze.quantize %x group 16 : tensor<?x20xf32>
      return %a : tensor<?x20xf32>
    })",
             {HostTensor::ofFloats({2, 20}, std::vector<double>(40, 0.0))});
}

TEST(Decompose, RotaryTable) {
  Batch batch;
  batch.add(3, 5, {0, 0, 0}); // positions are read, not assumed
  batch.add(1, 123456, {0});
  expectSame(R"(
    func.func @f(%b: !adze.batch) -> tensor<?x6xf32> {
      %t = adze.rotary_table %b freqs [1.0, 0.1, 0.003] scale 1.25
        : tensor<?x6xf32>
      return %t : tensor<?x6xf32>
    })",
             {}, &batch, 1e-10); // angles up to 1e5, reduced by 2 pi
  expectSame(R"(
    func.func @f(%b: !adze.batch) -> tensor<?x6xf32> {
      %t = adze.rotary_table %b freqs [1.0, 0.1, 0.0] scale 1.25
        : tensor<?x6xf32>
      return %t : tensor<?x6xf32>
    })",
             {}, &batch, 1e-10);
}

TEST(Decompose, Rotary) {
  expectSame(R"(
    func.func @f(%x: tensor<?x12xf32>, %t: tensor<?x6xf32>)
        -> (tensor<?x12xf32>, tensor<?x12xf32>) {
      %a = adze.rotary %x, %t heads 2 half : tensor<?x12xf32>, tensor<?x6xf32>
      %b = adze.rotary %x, %t heads 2 interleaved
        : tensor<?x12xf32>, tensor<?x6xf32>
      return %a, %b : tensor<?x12xf32>, tensor<?x12xf32>
    })",
             {randomRows(3, 12, 1), randomRows(3, 6, 2)});
}

class DecomposeAttention : public testing::TestWithParam<const char *> {};

TEST_P(DecomposeAttention, EqualsTheOp) {
  std::string text = R"(
    adze.state @kv : !adze.kv<2x3xbf16>
    func.func @f(%q: tensor<?x12xf32>, %k: tensor<?x6xf32>, %v: tensor<?x6xf32>,
                 %b: !adze.batch) -> tensor<?x12xf32> {
      %a = adze.attention %q, %k, %v cache @kv at %b heads 4 kv_heads 2
        scale 0.5 mask <MASK>
        : tensor<?x12xf32>, tensor<?x6xf32>, tensor<?x6xf32>
      return %a : tensor<?x12xf32>
    })";
  text.replace(text.find("MASK"), 4, GetParam());
  Batch batch = oneSequence(7);
  expectSame(text,
             {randomRows(7, 12, 1), randomRows(7, 6, 2), randomRows(7, 6, 3)},
             &batch);
}

INSTANTIATE_TEST_SUITE_P(Masks, DecomposeAttention,
                         testing::Values("causal", "causal, window = 1",
                                         "causal, window = 3",
                                         "causal, window = 100"));

TEST(Decompose, TakeRowsMapAndActivations) {
  expectSame(R"(
    func.func @f(%x: tensor<?x3xf32>, %r: tensor<?xi32>)
        -> (tensor<?x3xf32>, tensor<?x3xf32>, tensor<?x3xf32>, tensor<?x3xf32>) {
      %t = adze.take_rows %x, %r : tensor<?x3xf32>, tensor<?xi32>
      %s = adze.silu %x : tensor<?x3xf32>
      %g = adze.gelu %x : tensor<?x3xf32>
      %m = adze.map %s, %g : tensor<?x3xf32>, tensor<?x3xf32> -> tensor<?x3xf32> {
      ^bb0(%a: f32, %b: f32):
        %c = arith.constant 0.5 : f32
        %0 = arith.mulf %a, %c : f32
        %1 = arith.subf %0, %b : f32
        adze.yield %1 : f32
      }
      return %t, %s, %g, %m
        : tensor<?x3xf32>, tensor<?x3xf32>, tensor<?x3xf32>, tensor<?x3xf32>
    })",
             {randomRows(4, 3, 1), HostTensor::ofInts({2}, {3, 0})}, nullptr,
             1e-7); // gelu's constants are f32
}

TEST(Decompose, Permute) {
  llvm::StringRef text = R"(
    adze.weight @o from "o.{}" x 2 : !adze.weight<5, #adze.float<f32>>
    func.func @f(%x: tensor<?x5xf32>) -> tensor<?x5xf32> {
      %l = arith.constant 1 : index
      %p = adze.permute %x by @o[%l] : tensor<?x5xf32>
      return %p : tensor<?x5xf32>
    })";
  TestModule before(text), after(text);
  ASSERT_TRUE(before && after);
  for (TestModule *m : {&before, &after}) {
    m->add("o.0", {5}, {0, 0, 0, 0, 0});
    m->add("o.1", {5}, {4, 2, 0, 3, 1});
  }
  decomposeAll(after.get());
  auto a = before.run({randomRows(3, 5, 1)}),
       b = after.run({randomRows(3, 5, 1)});
  ASSERT_EQ(a.size(), 1u) << before.diagnostics;
  ASSERT_EQ(b.size(), 1u) << after.diagnostics;
  EXPECT_EQ(a[0].floats, b[0].floats);
}

/// On scalars and vectors an activation becomes plain arith and math.
TEST(Decompose, ActivationsOnScalarsAndVectors) {
  TestModule m(R"(
    func.func @f(%x: f32, %h: bf16, %v: vector<4xf32>)
        -> (f32, bf16, vector<4xf32>) {
      %a = adze.silu %x : f32
      %b = adze.gelu %h : bf16
      %c = adze.gelu %v : vector<4xf32>
      return %a, %b, %c : f32, bf16, vector<4xf32>
    })");
  ASSERT_TRUE(m);
  decomposeAll(m.get());
  m.get().walk([](mlir::Operation *op) {
    llvm::StringRef dialect = op->getName().getDialectNamespace();
    EXPECT_TRUE(dialect == "builtin" || dialect == "func" ||
                dialect == "arith" || dialect == "math")
        << op->getName().getStringRef().str();
  });
}

TEST(Decompose, LinearWithASinkIsADiagnostic) {
  TestModule m(R"(
    adze.weight @w from "w" : !adze.weight<4x3, #adze.float<f32>>
    func.func @f(%x: tensor<?x3xf32>) -> tensor<?x4xf32> {
      %y = adze.linear %x, @w sink <2, [<2, store>]>
        : (tensor<?x3xf32>) -> tensor<?x4xf32>
      return %y : tensor<?x4xf32>
    })");
  ASSERT_TRUE(m);
  m.get().walk([](LinearOp op) {
    mlir::OpBuilder builder(op);
    EXPECT_TRUE(failed(op.decompose(builder)));
  });
  EXPECT_NE(m.diagnostics.find("has a sink, which has no decomposition"),
            std::string::npos);
}

} // namespace
