// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the interpreter refuses, and what it says.

#include "TestModule.h"

using namespace adze;
using namespace adze::test;

namespace {

void expectDiagnostic(TestModule &m, llvm::ArrayRef<HostTensor> args,
                      llvm::StringRef expected, const Batch *batch = nullptr) {
  ASSERT_TRUE(m);
  EXPECT_TRUE(m.run(args, batch).empty());
  EXPECT_NE(m.diagnostics.find(expected.str()), std::string::npos)
      << m.diagnostics;
}

TEST(InterpreterErrors, UnknownOpIsNamed) {
  TestModule m(R"(
    func.func @f(%x: tensor<1xf32>) -> tensor<1xf32> {
      %y = "plugin.swish"(%x) : (tensor<1xf32>) -> tensor<1xf32>
      return %y : tensor<1xf32>
    })");
  expectDiagnostic(m, {HostTensor::ofFloats({1}, {1})},
                   "'plugin.swish' op has no meaning that the interpreter "
                   "knows");
}

TEST(InterpreterErrors, UnknownOpInARegionIsNamed) {
  TestModule m(R"(
    func.func @f(%x: tensor<1xf32>) -> tensor<1xf32> {
      %c = arith.constant 0 : index
      %e = tensor.empty() : tensor<1xf32>
      %y = linalg.generic {indexing_maps = [affine_map<(d) -> (d)>,
          affine_map<(d) -> (d)>], iterator_types = ["parallel"]}
          ins(%x : tensor<1xf32>) outs(%e : tensor<1xf32>) {
      ^bb0(%a: f32, %b: f32):
        %z = "plugin.swish"(%a) : (f32) -> f32
        linalg.yield %z : f32
      } -> tensor<1xf32>
      return %y : tensor<1xf32>
    })");
  expectDiagnostic(m, {HostTensor::ofFloats({1}, {1})},
                   "'plugin.swish' op has no meaning");
}

TEST(InterpreterErrors, ScheduledModuleIsRefused) {
  TestModule m(R"(module attributes {adze.level = #adze.level<scheduled>} {})");
  ASSERT_TRUE(m);
  EXPECT_TRUE(failed(Interpreter::create(m.get(), m.weights)));
  EXPECT_NE(m.diagnostics.find("is at the scheduled level"), std::string::npos)
      << m.diagnostics;
}

constexpr const char *kEmbed = R"(
    adze.weight @e from "e" : !adze.weight<3x1, #adze.float<f32>>
    func.func @f(%t: tensor<?xi32>) -> tensor<?x1xf32> {
      %x = adze.embed %t, @e : tensor<?xi32> -> tensor<?x1xf32>
      return %x : tensor<?x1xf32>
    })";

TEST(InterpreterErrors, TokenOutOfRange) {
  TestModule m(kEmbed);
  m.add("e", {3, 1}, {1, 2, 3});
  expectDiagnostic(m, {HostTensor::ofInts({2}, {0, 3})},
                   "expects tokens below 3, got 3 in row 1");
}

TEST(InterpreterErrors, MissingTensorIsNamed) {
  TestModule m(kEmbed);
  expectDiagnostic(m, {HostTensor::ofInts({1}, {0})}, "tensor \"e\"");
}

TEST(InterpreterErrors, ArgumentsAreChecked) {
  TestModule m(kEmbed);
  m.add("e", {3, 1}, {1, 2, 3});
  expectDiagnostic(m, {HostTensor::ofFloats({1}, {0})}, "got floats");
  expectDiagnostic(m, {HostTensor::ofInts({1, 1}, {0})}, "got rank 2");
  expectDiagnostic(m, {}, "got no more arguments");
  HostTensor one = HostTensor::ofInts({1}, {0});
  expectDiagnostic(m, {one, one}, "expects 1 arguments less");
}

TEST(InterpreterErrors, RowOutOfRange) {
  TestModule m(R"(
    func.func @f(%x: tensor<?x1xf32>, %r: tensor<?xi32>) -> tensor<?x1xf32> {
      %t = adze.take_rows %x, %r : tensor<?x1xf32>, tensor<?xi32>
      return %t : tensor<?x1xf32>
    })");
  expectDiagnostic(
      m, {HostTensor::ofFloats({1, 1}, {0}), HostTensor::ofInts({1}, {-1})},
      "expects rows below 1, got -1");
}

TEST(InterpreterErrors, BatchMustFitTheRows) {
  TestModule m(R"(
    adze.state @kv : !adze.kv<1x1xf32>
    func.func @f(%x: tensor<?x1xf32>, %b: !adze.batch) {
      adze.kv_append %x, %x cache @kv at %b : tensor<?x1xf32>, tensor<?x1xf32>
      return
    })");
  Batch batch;
  batch.add(0, 0, {0, 0});
  HostTensor one = HostTensor::ofFloats({1, 1}, {0});
  expectDiagnostic(m, {one}, "expects a row for each of the 2 rows", &batch);
  Batch negative;
  negative.add(0, -1, {0});
  expectDiagnostic(m, {one}, "expects positions of at least 0", &negative);
  expectDiagnostic(m, {one}, "expects a batch");
}

TEST(InterpreterErrors, RecursionEnds) {
  TestModule m(R"(
    func.func @f() {
      func.call @f() : () -> ()
      return
    })");
  expectDiagnostic(m, {}, "is called recursively");
}

TEST(InterpreterErrors, ArgumentsOfOtherShapes) {
  TestModule m(R"(
    func.func @f(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
      return %x : tensor<?x2xf32>
    })");
  expectDiagnostic(m, {HostTensor::ofFloats({1, 3}, {1, 2, 3})},
                   "argument 0: expects 'tensor<?x2xf32>', got 3 in dimension "
                   "1");
  HostTensor torn = HostTensor::ofFloats({1, 2}, {1, 2});
  torn.shape[0] = 2;
  expectDiagnostic(m, {torn},
                   "got a tensor whose shape is not that of its "
                   "values");
}

TEST(InterpreterErrors, BatchOfSeveralLengths) {
  TestModule m("func.func @f(%b: !adze.batch) { return }");
  Batch batch;
  batch.add(0, 0, {0, 0});
  batch.sequences.pop_back();
  expectDiagnostic(m, {},
                   "batch: expects as many tokens, positions and sequences, "
                   "got 2, 2 and 1",
                   &batch);
}

TEST(InterpreterErrors, FunctionsThatCannotRun) {
  TestModule other("func.func @g() { return }");
  expectDiagnostic(other, {}, "has no function @f");
  TestModule declared("func.func private @f()");
  expectDiagnostic(declared, {}, "has no body to interpret");
  TestModule blocks(R"(
    func.func @f() {
      "test.br"()[^bb1] : () -> ()
    ^bb1:
      return
    })");
  expectDiagnostic(blocks, {},
                   "has several blocks; the interpreter runs "
                   "straight-line functions");
  TestModule handsOn(R"(
    func.func @f(%b: !adze.batch) -> !adze.batch {
      return %b : !adze.batch
    })");
  Batch batch;
  batch.add(0, 0, {0});
  expectDiagnostic(handsOn, {}, "returns a value that is no tensor", &batch);
}

TEST(InterpreterErrors, AStepHasOneResult) {
  TestModule m(R"(
    func.func @f(%t: tensor<?xi32>, %r: tensor<?xi32>, %b: !adze.batch) {
      return
    })");
  ASSERT_TRUE(m);
  auto interpreter = Interpreter::create(m.get(), m.weights);
  ASSERT_TRUE(succeeded(interpreter));
  Batch batch;
  batch.add(0, 0, {0});
  EXPECT_TRUE(failed((*interpreter)->step(batch, "f")));
  EXPECT_NE(m.diagnostics.find("entry @f: expects one result, the logits, got "
                               "0"),
            std::string::npos)
      << m.diagnostics;
}

TEST(InterpreterErrors, CacheIsReadWhereItWasWritten) {
  constexpr const char *text = R"(
    adze.state @kv x 2 : !adze.kv<1x1xf32>
    func.func @f(%x: tensor<?x1xf32>, %b: !adze.batch) -> tensor<?x1xf32> {
      %l = arith.constant LAYER : index
      OP
      return %x : tensor<?x1xf32>
    })";
  auto with = [&](const char *layer, const char *op) {
    std::string result = text;
    result.replace(result.find("LAYER"), 5, layer);
    return result.replace(result.find("OP"), 2, op);
  };
  constexpr const char *append =
      "adze.kv_append %x, %x cache @kv[%l] at %b : tensor<?x1xf32>, "
      "tensor<?x1xf32>";
  HostTensor one = HostTensor::ofFloats({1, 1}, {0});
  Batch batch, later;
  batch.add(0, 0, {0});
  later.add(0, 3, {0});
  TestModule beyond(with("2", append));
  expectDiagnostic(beyond, {one}, "expects a layer below 2, got 2", &batch);
  TestModule skips(with("1", append));
  expectDiagnostic(skips, {one}, "expects position 0 of sequence 0 next, got 3",
                   &later);
  TestModule unwritten(
      with("1", "%a = adze.attention %x cache @kv[%l] at %b heads 1 kv_heads 1 "
                "scale 1.0 mask <causal> : tensor<?x1xf32>"));
  expectDiagnostic(unwritten, {one},
                   "expects keys and values up to position 0 of sequence 0, "
                   "got 0",
                   &batch);
}

TEST(InterpreterErrors, RotaryTableOfOtherRows) {
  TestModule m(R"(
    func.func @f(%x: tensor<?x2xf32>, %t: tensor<?x2xf32>) -> tensor<?x2xf32> {
      %y = adze.rotary %x, %t heads 1 half : tensor<?x2xf32>, tensor<?x2xf32>
      return %y : tensor<?x2xf32>
    })");
  HostTensor one = HostTensor::ofFloats({1, 2}, {0, 0});
  HostTensor two = HostTensor::ofFloats({2, 2}, {0, 0, 0, 0});
  expectDiagnostic(m, {two, one}, "expects a rotary table of 2 rows, got 1");
  TestModule sink(R"(
    adze.weight @w from "w" : !adze.weight<2x2, #adze.float<f32>>
    func.func @f(%x: tensor<?x2xf32>, %t: tensor<?x2xf32>) -> tensor<?x2xf32> {
      %y = adze.linear %x, @w sink <2, [<1, rotary, store>]>
        rope %t : tensor<?x2xf32>
        : (tensor<?x2xf32>) -> tensor<?x2xf32>
      return %y : tensor<?x2xf32>
    })");
  sink.add("w", {2, 2}, {1, 0, 0, 1});
  expectDiagnostic(sink, {two, one}, "expects a rotary table of 2 rows, got 1");
}

/// Sizes that only a run knows.
TEST(InterpreterErrors, ShapesThatDoNotMeet) {
  HostTensor one = HostTensor::ofFloats({1, 2}, {1, 2});
  HostTensor two = HostTensor::ofFloats({2, 2}, {1, 2, 3, 4});
  auto module = [](const char *op) {
    return std::string("func.func @f(%x: tensor<?x2xf32>, %y: tensor<?x2xf32>) "
                       "-> tensor<?x2xf32> {\n"
                       "%c0 = arith.constant 0 : index\n"
                       "%c7 = arith.constant 7 : index\n") +
           op + "\nreturn %x : tensor<?x2xf32>\n}";
  };
  struct Case {
    const char *op, *message;
  } cases[] = {
      {"%r = arith.addf %x, %y : tensor<?x2xf32>",
       "expects operands of one shape"},
      {"%r = adze.map %x, %y : tensor<?x2xf32>, tensor<?x2xf32> -> "
       "tensor<?x2xf32> {\n^bb0(%a: f32, %b: f32):\nadze.yield %a : f32\n}",
       "expects inputs of one shape"},
      {"%r = linalg.add ins(%x, %y : tensor<?x2xf32>, tensor<?x2xf32>) "
       "outs(%x : tensor<?x2xf32>) -> tensor<?x2xf32>",
       "has operands of different sizes, 1 and 2"},
      {"%r = tensor.extract_slice %x[%c7, 0] [1, 2] [1, 1] : tensor<?x2xf32> "
       "to tensor<1x2xf32>",
       "slices out of bounds in dimension 0"},
      {"%r = tensor.extract %x[%c7, %c0] : tensor<?x2xf32>",
       "reads out of bounds"},
      {"%r = tensor.dim %x, %c7 : tensor<?x2xf32>",
       "asks for dimension 7 of 2"},
      {"%r = tensor.cast %x : tensor<?x2xf32> to tensor<3x2xf32>",
       "expects 3 in dimension 0, got 1"},
      {"%r = tensor.expand_shape %x [[0], [1, 2]] output_shape [%c7, 1, 2] : "
       "tensor<?x2xf32> into tensor<?x1x2xf32>",
       "changes the number of elements"},
      {"%t = tensor.dim %y, %c0 : tensor<?x2xf32>\n"
       "%r = tensor.insert_slice %x into %y[0, 0] [%t, 2] [1, 1] : "
       "tensor<?x2xf32> into tensor<?x2xf32>",
       "changes the number of elements"},
      {"%n = arith.constant 1000000000000 : index\n"
       "%r = tensor.empty(%n) : tensor<?x2xf32>",
       "makes a tensor that is too large for the interpreter"},
      {"%r = linalg.generic {indexing_maps = [affine_map<(t, n) -> (t, n)>],\n"
       "iterator_types = [\"parallel\", \"parallel\"]}\n"
       "outs(%x : tensor<?x2xf32>) {\n^bb0(%a: f32):\n"
       "%e = tensor.extract %y[%c7, %c0] : tensor<?x2xf32>\n"
       "linalg.yield %e : f32\n} -> tensor<?x2xf32>",
       "reads or writes out of bounds"},
      {"%r = linalg.generic {indexing_maps = [affine_map<(t, n) -> (t, n)>],\n"
       "iterator_types = [\"parallel\", \"parallel\"]}\n"
       "outs(%x : tensor<?x2xf32>) {\n^bb0(%a: f32):\n"
       "%m = tensor.from_elements %a : tensor<1xf32>\n"
       "%e = tensor.extract %m[%c0] : tensor<1xf32>\n"
       "linalg.yield %e : f32\n} -> tensor<?x2xf32>",
       "'tensor.from_elements' op has no meaning"},
      {"%r = linalg.generic {indexing_maps = [affine_map<(t, n) -> (t, n)>],\n"
       "iterator_types = [\"parallel\", \"parallel\"]}\n"
       "outs(%x : tensor<?x2xf32>) {\n^bb0(%a: f32):\n"
       "%m = arith.addf %y, %y : tensor<?x2xf32>\n"
       "linalg.yield %a : f32\n} -> tensor<?x2xf32>",
       "uses a value that is no scalar of the interpreter"},
      {"%z = arith.constant dense<(1.0, 2.0)> : tensor<2xcomplex<f32>>",
       "is a constant that the interpreter cannot read"},
  };
  for (const Case &c : cases) {
    TestModule m(module(c.op));
    expectDiagnostic(m, {one, two}, c.message);
  }
}

TEST(InterpreterErrors, WeightBeyondMemory) {
  TestModule m(R"(
    adze.weight @w from "w" : !adze.weight<1048576x1048576, #adze.float<f32>>
    func.func @f() {
      %w = adze.weight_tensor @w : tensor<1048576x1048576xf32>
      return
    })");
  expectDiagnostic(m, {}, "reads more of @w than the interpreter holds");
}

TEST(AttributeErrors, SinkWithoutChains) {
  TestModule m("module {}");
  ASSERT_TRUE(m);
  auto loc = mlir::UnknownLoc::get(m.get().getContext());
  EXPECT_TRUE(failed(HeadSinkAttr::verify([&] { return mlir::emitError(loc); },
                                          /*headDim=*/2, /*chains=*/{})));
  EXPECT_NE(m.diagnostics.find("expects at least one head chain"),
            std::string::npos)
      << m.diagnostics;
}

} // namespace
