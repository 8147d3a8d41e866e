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
  expectDiagnostic(m, {HostTensor::ofFloats({1, 1}, {0}),
                       HostTensor::ofInts({1}, {-1})},
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

} // namespace
