// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Steps of any mix of sequences give each sequence the logits it has alone.

#include "TestModule.h"

using namespace adze;
using namespace adze::test;

namespace {

constexpr const char *kModel = R"(
module attributes {adze.level = #adze.level<model>} {
  adze.weight @emb from "emb" : !adze.weight<11x6, #adze.float<f32>>
  adze.weight @q from "q.{}" x 2 : !adze.weight<8x6, #adze.float<f32>>
  adze.weight @k from "k.{}" x 2 : !adze.weight<4x6, #adze.float<f32>>
  adze.weight @v from "v.{}" x 2 : !adze.weight<4x6, #adze.float<f32>>
  adze.weight @o from "o.{}" x 2 : !adze.weight<6x8, #adze.float<f32>>
  adze.weight @n from "n.{}" x 2 : !adze.weight<6, #adze.float<f32>>
  adze.state @kv x 2 : !adze.kv<1x4xbf16>
  func.func private @layer(%l: index, %x: tensor<?x6xf32>, %rope: tensor<?x4xf32>,
                           %b: !adze.batch) -> tensor<?x6xf32> {
    %n = adze.rms_norm %x, @n[%l] eps 1.0e-5 : tensor<?x6xf32>
    %q = adze.linear %n, @q[%l] : (tensor<?x6xf32>) -> tensor<?x8xf32>
    %k = adze.linear %n, @k[%l] : (tensor<?x6xf32>) -> tensor<?x4xf32>
    %v = adze.linear %n, @v[%l] : (tensor<?x6xf32>) -> tensor<?x4xf32>
    %qr = adze.rotary %q, %rope heads 2 half : tensor<?x8xf32>, tensor<?x4xf32>
    %kr = adze.rotary %k, %rope heads 1 half : tensor<?x4xf32>, tensor<?x4xf32>
    %a = adze.attention %qr, %kr, %v cache @kv[%l] at %b heads 2 kv_heads 1
      scale 0.5 mask <causal, window = 4>
      : tensor<?x8xf32>, tensor<?x4xf32>, tensor<?x4xf32>
    %o = adze.linear %a, @o[%l] : (tensor<?x8xf32>) -> tensor<?x6xf32>
    %y = arith.addf %x, %o : tensor<?x6xf32>
    return %y : tensor<?x6xf32>
  }
  func.func @step(%tokens: tensor<?xi32>, %b: !adze.batch, %rows: tensor<?xi32>)
      -> tensor<?x11xf32> attributes {adze.entry} {
    %rope = adze.rotary_table %b freqs [1.0, 0.1] : tensor<?x4xf32>
    %x = adze.embed %tokens, @emb : tensor<?xi32> -> tensor<?x6xf32>
    %h = adze.repeat 2 @layer(%x, %rope, %b)
      : (tensor<?x6xf32>, tensor<?x4xf32>, !adze.batch) -> tensor<?x6xf32>
    %t = adze.take_rows %h, %rows : tensor<?x6xf32>, tensor<?xi32>
    %y = adze.linear %t, @emb : (tensor<?x6xf32>) -> tensor<?x11xf32>
    return %y : tensor<?x11xf32>
  }
})";

/// Row `row` of a matrix.
std::vector<double> rowOf(const HostTensor &tensor, int64_t row) {
  int64_t n = tensor.shape[1];
  return {tensor.floats.begin() + row * n,
          tensor.floats.begin() + (row + 1) * n};
}

TEST(InterpreterRagged, SequencesEqualThemselvesAlone) {
  TestModule m(kModel);
  ASSERT_TRUE(m);
  addRandomWeights(m.get(), m.weights, 3, 1.0f);
  std::vector<std::vector<int32_t>> sequences = {
      {1, 2, 3, 4, 5, 6, 7}, {10, 0, 10}, {5, 4, 3, 2, 1}};

  // Alone and in one piece.
  std::vector<HostTensor> alone;
  for (const auto &tokens : sequences) {
    auto interpreter = Interpreter::create(m.get(), m.weights);
    ASSERT_TRUE(succeeded(interpreter));
    Batch batch;
    batch.add(0, 0, tokens);
    auto logits = (*interpreter)->step(batch);
    ASSERT_TRUE(succeeded(logits)) << m.diagnostics;
    EXPECT_EQ(logits->shape[0], int64_t(tokens.size()));
    alone.push_back(std::move(*logits));
  }

  // Chunks of each in turn, of uneven sizes; sequence 1 joins late.
  auto interpreter = Interpreter::create(m.get(), m.weights);
  ASSERT_TRUE(succeeded(interpreter));
  std::vector<size_t> done(3, 0);
  const std::vector<std::vector<size_t>> steps = {
      {3, 0, 1}, {1, 1, 1}, {0, 1, 2}, {2, 1, 0}, {1, 0, 1}};
  for (const auto &step : steps) {
    Batch batch;
    std::vector<std::pair<size_t, size_t>> places;
    for (size_t s : {2, 0, 1}) {
      std::vector<int32_t> chunk(sequences[s].begin() + done[s],
                                 sequences[s].begin() + done[s] + step[s]);
      batch.add(100 + s, done[s], chunk);
      for (size_t i = 0; i < step[s]; ++i)
        places.push_back({s, done[s] + i});
      done[s] += step[s];
    }
    auto logits = (*interpreter)->step(batch);
    ASSERT_TRUE(succeeded(logits)) << m.diagnostics;
    for (size_t i = 0; i < places.size(); ++i)
      EXPECT_EQ(rowOf(*logits, i),
                rowOf(alone[places[i].first], places[i].second))
          << "sequence " << places[i].first << " position " << places[i].second;
  }
  EXPECT_EQ(done, (std::vector<size_t>{7, 3, 5}));
}

/// Rows of a step may come in any order, and only the asked rows come back.
TEST(InterpreterRagged, RowsMayBeMixed) {
  TestModule m(kModel);
  ASSERT_TRUE(m);
  addRandomWeights(m.get(), m.weights, 3, 1.0f);
  auto a = Interpreter::create(m.get(), m.weights);
  auto b = Interpreter::create(m.get(), m.weights);
  ASSERT_TRUE(succeeded(a) && succeeded(b));
  Batch whole;
  whole.add(0, 0, {1, 2});
  whole.add(1, 0, {3, 4});
  Batch mixed;
  mixed.tokens = {1, 3, 2, 4};
  mixed.positions = {0, 0, 1, 1};
  mixed.sequences = {0, 1, 0, 1};
  mixed.rows = {3, 2};
  auto x = (*a)->step(whole), y = (*b)->step(mixed);
  ASSERT_TRUE(succeeded(x) && succeeded(y)) << m.diagnostics;
  EXPECT_EQ(rowOf(*y, 0), rowOf(*x, 3));
  EXPECT_EQ(rowOf(*y, 1), rowOf(*x, 1));
}

} // namespace
