// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every op of the model and fused level against values worked out by hand.

#include "TestModule.h"

using namespace adze;
using namespace adze::test;

namespace {

TEST(InterpreterOps, EmbedTakesRowsOfTheTable) {
  TestModule m(R"(
    adze.weight @e from "e" : !adze.weight<3x2, #adze.float<f32>>
    func.func @f(%t: tensor<?xi32>) -> tensor<?x2xf32> {
      %x = adze.embed %t, @e : tensor<?xi32> -> tensor<?x2xf32>
      return %x : tensor<?x2xf32>
    })");
  ASSERT_TRUE(m);
  m.add("e", {3, 2}, {1, 2, 3, 4, 5, 6});
  auto r = m.run({HostTensor::ofInts({3}, {2, 0, 2})});
  ASSERT_EQ(r.size(), 1u) << m.diagnostics;
  expectNear(r[0], {5, 6, 1, 2, 5, 6});
}

TEST(InterpreterOps, PermuteTakesColumnsInTheirOrder) {
  TestModule m(R"(
    adze.weight @o from "o" : !adze.weight<3, #adze.float<f32>>
    func.func @f(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
      %p = adze.permute %x by @o : tensor<?x3xf32>
      return %p : tensor<?x3xf32>
    })");
  ASSERT_TRUE(m);
  m.add("o", {3}, {2, 0, 1});
  auto r = m.run({HostTensor::ofFloats({2, 3}, {1, 2, 3, 4, 5, 6})});
  ASSERT_EQ(r.size(), 1u) << m.diagnostics;
  expectNear(r[0], {3, 1, 2, 6, 4, 5});
  for (float wrong : {3.0f, -1.0f, 0.5f, NAN}) {
    m.add("o", {3}, {2, wrong, 1});
    EXPECT_TRUE(m.run({HostTensor::ofFloats({1, 3}, {1, 2, 3})}).empty());
    EXPECT_NE(m.diagnostics.find("expects columns below 3, got"),
              std::string::npos)
        << m.diagnostics;
  }
}

TEST(InterpreterOps, LinearAddsBiasAndResidual) {
  TestModule m(R"(
    adze.weight @w from "w" : !adze.weight<2x3, #adze.float<f32>>
    adze.weight @b from "b" : !adze.weight<2, #adze.float<f32>>
    func.func @f(%x: tensor<?x3xf32>, %r: tensor<?x2xf32>) -> tensor<?x2xf32> {
      %y = adze.linear %x, @w bias @b captures(%r : tensor<?x2xf32>) {
      ^bb0(%acc: f32, %c: f32):
        %two = arith.constant 2.0 : f32
        %0 = arith.mulf %acc, %two : f32
        %1 = arith.addf %0, %c : f32
        adze.yield %1 : f32
      } : (tensor<?x3xf32>) -> tensor<?x2xf32>
      return %y : tensor<?x2xf32>
    })");
  ASSERT_TRUE(m);
  m.add("w", {2, 3}, {1, 2, 3, -1, 0, 1});
  m.add("b", {2}, {10, 20});
  auto r = m.run({HostTensor::ofFloats({1, 3}, {1, 1, 2}),
                  HostTensor::ofFloats({1, 2}, {0.5, -0.5})});
  ASSERT_EQ(r.size(), 1u) << m.diagnostics;
  // 1 + 2 + 6 + 10 = 19, doubled 38; -1 + 2 + 20 = 21, doubled 42.
  expectNear(r[0], {38.5, 41.5});
}

TEST(InterpreterOps, LinearJoinsTwoInterleavedStreams) {
  TestModule m(R"(
    adze.weight @g from "g" : !adze.weight<2x1, #adze.float<f32>>
    adze.weight @u from "u" : !adze.weight<2x1, #adze.float<f32>>
    adze.weight @gu : !adze.weight<32x1, #adze.float<f32>, panels> {
      %0 = adze.ref @g : !adze.weight<2x1, #adze.float<f32>>
      %1 = adze.ref @u : !adze.weight<2x1, #adze.float<f32>>
      %2 = adze.interleave %0, %1 : !adze.weight<2x1, #adze.float<f32>>
        -> !adze.weight<32x1, #adze.float<f32>>
      %3 = adze.pack %2 : !adze.weight<32x1, #adze.float<f32>>
        -> !adze.weight<32x1, #adze.float<f32>, panels>
      adze.yield %3 : !adze.weight<32x1, #adze.float<f32>, panels>
    }
    func.func @f(%x: tensor<?x1xf32>) -> tensor<?x2xf32> {
      %y = adze.linear %x, @gu streams 2 {
      ^bb0(%a: f32, %b: f32):
        %0 = arith.subf %a, %b : f32
        adze.yield %0 : f32
      } : (tensor<?x1xf32>) -> tensor<?x2xf32>
      return %y : tensor<?x2xf32>
    })");
  ASSERT_TRUE(m);
  m.add("g", {2, 1}, {1, 2});
  m.add("u", {2, 1}, {10, 30});
  auto r = m.run({HostTensor::ofFloats({2, 1}, {1, -1})});
  ASSERT_EQ(r.size(), 1u) << m.diagnostics;
  expectNear(r[0], {-9, -28, 9, 28});
}

TEST(InterpreterOps, RmsNormOfRowsAndOfHeads) {
  TestModule m(R"(
    adze.weight @w4 from "w4" : !adze.weight<4, #adze.float<f32>>
    adze.weight @w2 from "w2" : !adze.weight<2, #adze.float<f32>>
    func.func @f(%x: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
      %a = adze.rms_norm %x, @w4 eps 1.0 : tensor<?x4xf32>
      %b = adze.rms_norm %x, @w2 eps 0.0 heads 2 : tensor<?x4xf32>
      return %a, %b : tensor<?x4xf32>, tensor<?x4xf32>
    })");
  ASSERT_TRUE(m);
  m.add("w4", {4}, {1, 2, 3, 4});
  m.add("w2", {2}, {1, 10});
  auto r = m.run({HostTensor::ofFloats({1, 4}, {1, 1, 3, 1})});
  ASSERT_EQ(r.size(), 2u) << m.diagnostics;
  // mean of squares 12 / 4 = 3, + 1 = 4, root 2.
  expectNear(r[0], {0.5, 1, 4.5, 2});
  // heads (1, 1): root 1; (3, 1): root sqrt(5).
  expectNear(r[1], {1, 10, 3 / std::sqrt(5.0), 10 / std::sqrt(5.0)});
}

/// By hand: the largest of a group becomes 127; halves go to even; a group of
/// zeros stays zero; the last group is short; group 0 is the row.
TEST(InterpreterOps, QuantizeRoundsByGroups) {
  TestModule m(R"(
    func.func @f(%x: tensor<?x20xf32>) -> (tensor<?x20xf32>, tensor<?x20xf32>) {
      %a = adze.quantize %x group 16 : tensor<?x20xf32>
      %b = adze.quantize %x : tensor<?x20xf32>
      return %a, %b : tensor<?x20xf32>, tensor<?x20xf32>
    })");
  ASSERT_TRUE(m);
  // A scale of 1 makes values their own codes: 2.5 and 3.5 are half way.
  std::vector<double> x(20, 0.0), groups(20, 0.0), whole(20, 0.0);
  x[0] = -127, x[1] = 2.5, x[2] = 3.5, x[3] = -0.5, x[4] = 126.6;
  groups[0] = -127, groups[1] = 2, groups[2] = 4, groups[3] = 0,
  groups[4] = 127;
  whole = groups;
  x[16] = 0.254, x[17] = -0.0999, x[18] = 0.001; // a scale of 0.002
  groups[16] = 0.254, groups[17] = -0.1, groups[18] = 0.0;
  std::vector<double> rows = x;
  rows.insert(rows.end(), 20, 0.0);
  std::vector<double> zeros(20, 0.0);
  auto r = m.run({HostTensor::ofFloats({2, 20}, std::move(rows))});
  ASSERT_EQ(r.size(), 2u) << m.diagnostics;
  groups.insert(groups.end(), zeros.begin(), zeros.end());
  whole.insert(whole.end(), zeros.begin(), zeros.end());
  expectNear(r[0], groups, 1e-7);
  expectNear(r[1], whole, 1e-7);
}

/// By hand: scales of 1, 0.5 and 0 for groups of 16, 4 beyond the first range;
/// what is not finite makes its group NaN.
TEST(InterpreterOps, QuantizeByGivenRanges) {
  TestModule m(R"(
    adze.weight @r from "r.{}" x 2 : !adze.weight<3, #adze.float<f32>>
    adze.weight @t from "t" : !adze.weight<1, #adze.float<f32>>
    func.func @f(%x: tensor<?x40xf32>, %l: index)
        -> (tensor<?x40xf32>, tensor<?x40xf32>) {
      %a = adze.quantize %x group 16 ranges @r[%l] : tensor<?x40xf32>
      %b = adze.quantize %x ranges @t : tensor<?x40xf32>
      return %a, %b : tensor<?x40xf32>, tensor<?x40xf32>
    })");
  ASSERT_TRUE(m);
  m.add("r.0", {3}, {1, 1, 1});
  m.add("r.1", {3}, {127, 63.5, 0});
  m.add("t", {1}, {254});
  std::vector<double> x(40, 0.0), groups(40, 0.0), whole(40, 0.0);
  x[0] = 2.5, x[1] = 3.5, x[2] = -131, x[3] = 400, x[16] = 0.8, x[17] = 64;
  x[32] = 5;
  groups[0] = 2, groups[1] = 4, groups[2] = -127, groups[3] = 127;
  groups[16] = 1, groups[17] = 63.5;
  whole[0] = 2, whole[1] = 4, whole[2] = -132, whole[3] = 254, whole[17] = 64;
  whole[32] = 4; // 2.5 goes to the even 2
  auto layer = HostTensor::ofInts({}, {1});
  auto r = m.run({HostTensor::ofFloats({1, 40}, std::vector(x)), layer});
  ASSERT_EQ(r.size(), 2u) << m.diagnostics;
  expectNear(r[0], groups, 1e-7);
  expectNear(r[1], whole, 1e-7);
  for (double wrong : {double(INFINITY), double(NAN)}) {
    x[18] = wrong;
    r = m.run({HostTensor::ofFloats({1, 40}, std::vector(x)), layer});
    ASSERT_EQ(r.size(), 2u) << m.diagnostics;
    for (size_t i = 0; i < 40; ++i) {
      EXPECT_EQ(std::isnan(r[0].floats[i]), i >= 16 && i < 32) << i;
      EXPECT_TRUE(std::isnan(r[1].floats[i])) << i;
    }
  }
  for (float wrong : {-1.0f, INFINITY, NAN}) {
    m.add("r.1", {3}, {1, wrong, 1});
    EXPECT_TRUE(
        m.run({HostTensor::ofFloats({1, 40}, std::vector(groups)), layer})
            .empty());
    EXPECT_NE(m.diagnostics.find(
                  "expects ranges that are finite and not negative, got"),
              std::string::npos)
        << m.diagnostics;
  }
}

/// No value moves by more than half a step, and rounding again changes nothing.
TEST(InterpreterOps, QuantizeIsCloseAndIdempotent) {
  TestModule m(R"(
    func.func @f(%x: tensor<?x70xf32>) -> (tensor<?x70xf32>, tensor<?x70xf32>) {
      %a = adze.quantize %x group 32 : tensor<?x70xf32>
      %b = adze.quantize %a group 32 : tensor<?x70xf32>
      return %a, %b : tensor<?x70xf32>, tensor<?x70xf32>
    })");
  ASSERT_TRUE(m);
  HostTensor x = randomRows(5, 70, 3);
  std::vector<double> in = x.floats;
  auto r = m.run({std::move(x)});
  ASSERT_EQ(r.size(), 2u) << m.diagnostics;
  bool moved = false;
  for (int64_t row = 0; row < 5; ++row)
    for (int64_t first = 0; first < 70; first += 32) {
      int64_t end = std::min<int64_t>(70, first + 32);
      double most = 0;
      for (int64_t i = first; i < end; ++i)
        most = std::max(most, std::fabs(in[row * 70 + i]));
      for (int64_t i = first; i < end; ++i) {
        double error = std::fabs(r[0].floats[row * 70 + i] - in[row * 70 + i]);
        EXPECT_LE(error, 0.5 * most / 127 * 1.0001);
        moved |= error > 0.2 * most / 127;
      }
    }
  EXPECT_TRUE(moved);
  for (size_t i = 0; i < r[0].floats.size(); ++i)
    EXPECT_NEAR(r[1].floats[i], r[0].floats[i], 1e-6);
}

TEST(InterpreterOps, RotaryTableAndBothPairings) {
  TestModule m(R"(
    func.func @f(%x: tensor<?x4xf32>, %b: !adze.batch)
        -> (tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>) {
      %t = adze.rotary_table %b freqs [1.0, 0.5] scale 2.0 : tensor<?x4xf32>
      %h = adze.rotary %x, %t heads 1 half : tensor<?x4xf32>, tensor<?x4xf32>
      %i = adze.rotary %x, %t heads 1 interleaved
        : tensor<?x4xf32>, tensor<?x4xf32>
      %p = adze.positions %b : tensor<?xi32>
      return %t, %h, %i, %p
        : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>
    })");
  ASSERT_TRUE(m);
  Batch batch;
  batch.add(0, 3, {0});
  auto r = m.run({HostTensor::ofFloats({1, 4}, {1, 2, 3, 4})}, &batch);
  ASSERT_EQ(r.size(), 4u) << m.diagnostics;
  double c0 = 2 * std::cos(3.0), s0 = 2 * std::sin(3.0);
  double c1 = 2 * std::cos(1.5), s1 = 2 * std::sin(1.5);
  expectNear(r[0], {c0, c1, s0, s1});
  expectNear(r[1],
             {c0 - 3 * s0, 2 * c1 - 4 * s1, 3 * c0 + s0, 4 * c1 + 2 * s1});
  expectNear(r[2],
             {c0 - 2 * s0, 2 * c0 + s0, 3 * c1 - 4 * s1, 4 * c1 + 3 * s1});
  EXPECT_EQ(r[3].ints, std::vector<int64_t>{3});
}

TEST(InterpreterOps, APairThatDoesNotTurnIsNotScaled) {
  TestModule m(R"(
    func.func @f(%b: !adze.batch) -> tensor<?x4xf32> {
      %t = adze.rotary_table %b freqs [0.5, 0.0] scale 2.0 : tensor<?x4xf32>
      return %t : tensor<?x4xf32>
    })");
  ASSERT_TRUE(m);
  Batch batch;
  batch.add(0, 3, {0});
  auto r = m.run({}, &batch);
  ASSERT_EQ(r.size(), 1u) << m.diagnostics;
  expectNear(r[0], {2 * std::cos(1.5), 1.0, 2 * std::sin(1.5), 0.0});
}

constexpr const char *kAttention = R"(
    adze.state @kv : !adze.kv<1x1xf32>
    func.func @f(%q: tensor<?x2xf32>, %k: tensor<?x1xf32>, %v: tensor<?x1xf32>,
                 %b: !adze.batch) -> tensor<?x2xf32> {
      %a = adze.attention %q, %k, %v cache @kv at %b heads 2 kv_heads 1
        scale 0.5 mask <causal WINDOW>
        : tensor<?x2xf32>, tensor<?x1xf32>, tensor<?x1xf32>
      return %a : tensor<?x2xf32>
    })";

std::string attention(llvm::StringRef window) {
  std::string text = kAttention;
  text.replace(text.find(" WINDOW"), 7, window.str());
  return text;
}

TEST(InterpreterOps, AttentionIsCausalAndGrouped) {
  TestModule m(attention(""));
  ASSERT_TRUE(m);
  Batch batch;
  batch.add(0, 0, {0, 0});
  auto r = m.run({HostTensor::ofFloats({2, 2}, {1, 1, 2, 0}),
                  HostTensor::ofFloats({2, 1}, {1, 3}),
                  HostTensor::ofFloats({2, 1}, {10, 20})},
                 &batch);
  ASSERT_EQ(r.size(), 1u) << m.diagnostics;
  // Row 1, head 0: scores 1 and 3; head 1: equal scores.
  double p = 1 / (1 + std::exp(2.0));
  expectNear(r[0], {10, 10, 10 * p + 20 * (1 - p), 15});
}

TEST(InterpreterOps, AttentionWindowForgets) {
  TestModule m(attention(", window = 1"));
  ASSERT_TRUE(m);
  Batch batch;
  batch.add(0, 0, {0, 0});
  auto r = m.run({HostTensor::ofFloats({2, 2}, {1, 1, 2, 0}),
                  HostTensor::ofFloats({2, 1}, {1, 3}),
                  HostTensor::ofFloats({2, 1}, {10, 20})},
                 &batch);
  ASSERT_EQ(r.size(), 1u) << m.diagnostics;
  expectNear(r[0], {10, 10, 20, 20});
}

TEST(InterpreterOps, CacheRoundsToItsElementType) {
  std::string text = attention("");
  text.replace(text.find("xf32>\n    func"), 5, "xbf16>");
  TestModule m(text);
  ASSERT_TRUE(m);
  Batch batch;
  batch.add(0, 0, {0});
  HostTensor q = HostTensor::ofFloats({1, 2}, {1, 1});
  HostTensor k = HostTensor::ofFloats({1, 1}, {1});
  HostTensor v = HostTensor::ofFloats({1, 1}, {1.005});
  auto rounded = m.run({q, k, v}, &batch);
  InterpreterOptions exact;
  exact.roundCache = false;
  auto kept = m.run({q, k, v}, &batch, exact);
  ASSERT_TRUE(rounded.size() == 1 && kept.size() == 1) << m.diagnostics;
  expectNear(rounded[0], {1.0078125, 1.0078125}); // steps of 2^-7 above 1
  expectNear(kept[0], {1.005, 1.005});
}

TEST(InterpreterOps, KVAppendFeedsAttention) {
  TestModule m(R"(
    adze.state @kv x 2 : !adze.kv<1x1xf32>
    func.func @f(%l: index, %q: tensor<?x1xf32>, %k: tensor<?x1xf32>,
                 %v: tensor<?x1xf32>, %b: !adze.batch) -> tensor<?x1xf32> {
      adze.kv_append %k, %v cache @kv[%l] at %b
        : tensor<?x1xf32>, tensor<?x1xf32>
      %a = adze.attention %q cache @kv[%l] at %b heads 1 kv_heads 1 scale 1.0
        mask <causal> : tensor<?x1xf32>
      return %a : tensor<?x1xf32>
    })");
  ASSERT_TRUE(m);
  auto interpreter = Interpreter::create(m.get(), m.weights);
  ASSERT_TRUE(succeeded(interpreter));
  auto one = [](double v) { return HostTensor::ofFloats({1, 1}, {v}); };
  Batch first, second;
  first.add(7, 0, {0});
  second.add(7, 1, {0});
  HostTensor layer = HostTensor::ofInts({}, {1});
  auto a = (*interpreter)->call("f", {layer, one(0), one(1), one(10)}, &first);
  auto b = (*interpreter)->call("f", {layer, one(0), one(5), one(30)}, &second);
  ASSERT_TRUE(succeeded(a) && succeeded(b)) << m.diagnostics;
  expectNear((*a)[0], {10});
  expectNear((*b)[0], {20}); // equal scores: the mean
  // Forgotten: position 1 has nothing before it.
  (*interpreter)->release(7);
  EXPECT_TRUE(failed(
      (*interpreter)->call("f", {layer, one(0), one(5), one(30)}, &second)));
  EXPECT_NE(m.diagnostics.find("expects position 0 of sequence 7 next, got 1"),
            std::string::npos)
      << m.diagnostics;
}

/// A fused projection with norm, rotary and append against the ops it stands
/// for. Heads of 2 are padded to panels of 16 rows.
TEST(InterpreterOps, HeadSinksEqualTheirOps) {
  TestModule m(R"(
    adze.weight @q from "q" : !adze.weight<4x3, #adze.float<f32>>
    adze.weight @k from "k" : !adze.weight<2x3, #adze.float<f32>>
    adze.weight @v from "v" : !adze.weight<2x3, #adze.float<f32>>
    adze.weight @n from "n" : !adze.weight<2, #adze.float<f32>>
    adze.weight @qkv : !adze.weight<64x3, #adze.float<f32>, panels> {
      %0 = adze.ref @q : !adze.weight<4x3, #adze.float<f32>>
      %1 = adze.ref @k : !adze.weight<2x3, #adze.float<f32>>
      %2 = adze.ref @v : !adze.weight<2x3, #adze.float<f32>>
      %3 = adze.concat %0, %1, %2 : (!adze.weight<4x3, #adze.float<f32>>,
        !adze.weight<2x3, #adze.float<f32>>, !adze.weight<2x3, #adze.float<f32>>)
        -> !adze.weight<8x3, #adze.float<f32>>
      %4 = adze.pad_heads %3 heads 4 : !adze.weight<8x3, #adze.float<f32>>
        -> !adze.weight<64x3, #adze.float<f32>>
      %5 = adze.pack %4 : !adze.weight<64x3, #adze.float<f32>>
        -> !adze.weight<64x3, #adze.float<f32>, panels>
      adze.yield %5 : !adze.weight<64x3, #adze.float<f32>, panels>
    }
    adze.state @kv1 : !adze.kv<1x2xf32>
    adze.state @kv2 : !adze.kv<1x2xf32>
    func.func @f(%x: tensor<?x3xf32>, %b: !adze.batch)
        -> (tensor<?x4xf32>, tensor<?x4xf32>) {
      %r = adze.rotary_table %b freqs [0.7] : tensor<?x2xf32>
      %q0 = adze.linear %x, @q : (tensor<?x3xf32>) -> tensor<?x4xf32>
      %k0 = adze.linear %x, @k : (tensor<?x3xf32>) -> tensor<?x2xf32>
      %v0 = adze.linear %x, @v : (tensor<?x3xf32>) -> tensor<?x2xf32>
      %qn = adze.rms_norm %q0, @n eps 1.0e-5 heads 2 : tensor<?x4xf32>
      %kn = adze.rms_norm %k0, @n eps 1.0e-5 heads 1 : tensor<?x2xf32>
      %qr = adze.rotary %qn, %r heads 2 half : tensor<?x4xf32>, tensor<?x2xf32>
      %kr = adze.rotary %kn, %r heads 1 half : tensor<?x2xf32>, tensor<?x2xf32>
      %a = adze.attention %qr, %kr, %v0 cache @kv1 at %b heads 2 kv_heads 1
        scale 0.7 mask <causal>
        : tensor<?x4xf32>, tensor<?x2xf32>, tensor<?x2xf32>
      %qs = adze.linear %x, @qkv sink <2,
          [<2, norm = @n, eps = 1.0e-5, rotary, store>,
           <1, norm = @n, eps = 1.0e-5, rotary, key>,
           <1, value>]>
        rope %r : tensor<?x2xf32> cache @kv2 at %b
        : (tensor<?x3xf32>) -> tensor<?x4xf32>
      %c = adze.attention %qs cache @kv2 at %b heads 2 kv_heads 1
        scale 0.7 mask <causal> : tensor<?x4xf32>
      return %a, %c : tensor<?x4xf32>, tensor<?x4xf32>
    })");
  ASSERT_TRUE(m);
  addRandomWeights(m.get(), m.weights, 5, 1.0f);
  Batch batch;
  batch.add(0, 0, {0, 0, 0});
  batch.add(1, 0, {0, 0});
  auto r = m.run({randomRows(5, 3, 1)}, &batch);
  ASSERT_EQ(r.size(), 2u) << m.diagnostics;
  EXPECT_EQ(r[0].floats, r[1].floats);
}

TEST(InterpreterOps, MapActivationsAndTakeRows) {
  TestModule m(R"(
    func.func @f(%x: tensor<?x2xf32>, %rows: tensor<?xi32>)
        -> (tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>) {
      %s = adze.silu %x : tensor<?x2xf32>
      %g = adze.gelu %x : tensor<?x2xf32>
      %m = adze.map %x, %s : tensor<?x2xf32>, tensor<?x2xf32> -> tensor<?x2xf32> {
      ^bb0(%a: f32, %b: f32):
        %c = arith.constant 0.0 : f32
        %lt = arith.cmpf olt, %a, %c : f32
        %p = arith.mulf %a, %b : f32
        %r = arith.select %lt, %c, %p : f32
        adze.yield %r : f32
      }
      %t = adze.take_rows %x, %rows : tensor<?x2xf32>, tensor<?xi32>
      return %s, %g, %m, %t
        : tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>
    })");
  ASSERT_TRUE(m);
  auto r = m.run({HostTensor::ofFloats({2, 2}, {0, 1, -2, 3}),
                  HostTensor::ofInts({3}, {1, 1, 0})});
  ASSERT_EQ(r.size(), 4u) << m.diagnostics;
  auto silu = [](double x) { return x / (1 + std::exp(-x)); };
  expectNear(r[0], {0, silu(1), silu(-2), silu(3)});
  // Values of the tanh form, from its definition.
  auto gelu = [](double x) {
    return x / (1 + std::exp(-2 * std::sqrt(2 / M_PI) *
                             (x + 0.044715 * x * x * x)));
  };
  expectNear(r[1], {0, gelu(1), gelu(-2), gelu(3)}, 1e-12);
  expectNear(r[2], {0, silu(1), 0, 3 * silu(3)});
  expectNear(r[3], {-2, 3, -2, 3, 0, 1});
}

TEST(InterpreterOps, RepeatGivesEachLayerItsWeights) {
  TestModule m(R"(
    adze.weight @w from "w{}" x 3 : !adze.weight<1x1, #adze.float<f32>>
    func.func private @layer(%l: index, %x: tensor<?x1xf32>) -> tensor<?x1xf32> {
      %y = adze.linear %x, @w[%l] : (tensor<?x1xf32>) -> tensor<?x1xf32>
      adze.tap %y "out" : tensor<?x1xf32>
      return %y : tensor<?x1xf32>
    }
    func.func @f(%x: tensor<?x1xf32>) -> (tensor<?x1xf32>, tensor<?x1xf32>) {
      %y = adze.repeat 2 from 1 @layer(%x) : (tensor<?x1xf32>) -> tensor<?x1xf32>
      %z = adze.repeat 0 @layer(%x) : (tensor<?x1xf32>) -> tensor<?x1xf32>
      return %y, %z : tensor<?x1xf32>, tensor<?x1xf32>
    })");
  ASSERT_TRUE(m);
  m.add("w0", {1, 1}, {2});
  m.add("w1", {1, 1}, {3});
  m.add("w2", {1, 1}, {5});
  std::vector<double> taps;
  InterpreterOptions options;
  options.tap = [&](llvm::StringRef name, const HostTensor &value) {
    EXPECT_EQ(name, "out");
    taps.push_back(value.floats[0]);
  };
  auto r = m.run({HostTensor::ofFloats({1, 1}, {1})}, nullptr, options);
  ASSERT_EQ(r.size(), 2u) << m.diagnostics;
  expectNear(r[0], {15});
  expectNear(r[1], {1});
  EXPECT_EQ(taps, (std::vector<double>{3, 15}));
}

TEST(InterpreterOps, UpstreamScalarsTensorsAndCalls) {
  TestModule m(R"(
    func.func private @square(%x: f32) -> f32 {
      %y = arith.mulf %x, %x : f32
      return %y : f32
    }
    func.func @f(%x: tensor<2xf32>, %s: f32) -> (tensor<2xf32>, f32, tensor<2xi1>) {
      %c = arith.constant dense<[1.0, 4.0]> : tensor<2xf32>
      %p = math.powf %c, %x : tensor<2xf32>
      %e = math.erf %x : tensor<2xf32>
      %r = arith.addf %p, %e : tensor<2xf32>
      %q = func.call @square(%s) : (f32) -> f32
      %lt = arith.cmpf ogt, %r, %c : tensor<2xf32>
      return %r, %q, %lt : tensor<2xf32>, f32, tensor<2xi1>
    })");
  ASSERT_TRUE(m);
  auto r = m.run(
      {HostTensor::ofFloats({2}, {2, 0.5}), HostTensor::ofFloats({}, {3})});
  ASSERT_EQ(r.size(), 3u) << m.diagnostics;
  expectNear(r[0], {1 + std::erf(2.0), 2 + std::erf(0.5)});
  expectNear(r[1], {9});
  EXPECT_EQ(r[2].ints, (std::vector<int64_t>{1, 0}));
}

TEST(InterpreterOps, SinglePrecisionRoundsEveryStep) {
  TestModule m(R"(
    func.func @f(%x: tensor<1xf32>) -> tensor<1xf32> {
      %0 = arith.mulf %x, %x : tensor<1xf32>
      return %0 : tensor<1xf32>
    })");
  ASSERT_TRUE(m);
  float x = 1.1f;
  InterpreterOptions single;
  single.precision = InterpreterOptions::Precision::F32;
  HostTensor arg = HostTensor::ofFloats({1}, {x});
  auto rounded = m.run({arg}, nullptr, single), exact = m.run({arg});
  ASSERT_TRUE(rounded.size() == 1 && exact.size() == 1) << m.diagnostics;
  EXPECT_EQ(rounded[0].floats[0], double(x * x));
  EXPECT_EQ(exact[0].floats[0], double(x) * double(x));
  EXPECT_NE(rounded[0].floats[0], exact[0].floats[0]);
}

} // namespace
