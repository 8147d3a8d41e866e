// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What kernel builders say about an adze.kernel that they cannot build, as a
// pass of a plug-in at before-codegen may leave one.

#include "adze/Codegen/KernelBuilder.h"
#include "adze/Codegen/LowerSchedule.h"
#include "adze/Codegen/TargetVariants.h"
#include "adze/Dialect/Adze/Adze.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace adze;
using namespace mlir;

namespace {

/// What building the first kernel of `text` says; empty if it is built.
std::string problemOf(llvm::StringRef text) {
  std::string said;
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context
      .loadDialect<AdzeDialect, arith::ArithDialect, tensor::TensorDialect>();
  loadKernelDialects(context);
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    said += diagnostic.str() + "\n";
  });
  auto module = parseSourceString<ModuleOp>(text, &context);
  EXPECT_TRUE(module) << said;
  if (!module)
    return "not parsed";
  auto targets = resolveTargets("x86-64-v3");
  if (!targets)
    return llvm::toString(targets.takeError());
  OwningOpRef<ModuleOp> out = ModuleOp::create(module->getLoc());
  OpBuilder builder = OpBuilder::atBlockEnd(out->getBody());
  auto kernel = *module->getOps<KernelOp>().begin();
  bool isBuilt =
      succeeded(buildKernel(builder, kernel, targets->front()->kernel));
  EXPECT_EQ(isBuilt, said.empty()) << said;
  return said;
}

void expectProblem(llvm::StringRef text, llvm::StringRef expected) {
  std::string said = problemOf(text);
  EXPECT_NE(said.find(expected.str()), std::string::npos)
      << text.str() << " says: " << said;
}

TEST(KernelErrors, AKernelThatFits) {
  EXPECT_EQ(problemOf("adze.kernel @k rms_norm {eps = 1.0e-5, heads = 1, "
                      "in = f32, out = f32}"),
            "");
}

TEST(KernelErrors, ParametersAreNamed) {
  expectProblem("adze.kernel @k rms_norm {heads = 1, in = f32, out = f32}",
                "expects param 'eps' to be a float, found none");
  expectProblem("adze.kernel @k rms_norm {eps = 3 : i64, heads = 1, in = f32, "
                "out = f32}",
                "expects param 'eps' to be a float, found 3 : i64");
  expectProblem("adze.kernel @k quantize {group = \"all\", in = f32}",
                "expects param 'group' to be an integer, found \"all\"");
  expectProblem("adze.kernel @k rotary_table {scale = 1.0}",
                "expects param 'turns'");
  expectProblem("adze.kernel @k map {out = f32}", "expects param 'in'");
  expectProblem("adze.kernel @k attention {heads = 1}", "expects param '");
  expectProblem("adze.kernel @k linear {}", "expects param '");
  expectProblem("adze.kernel @k embed {}", "expects param '");
  expectProblem("adze.kernel @k rotary {}", "expects param '");
  expectProblem("adze.kernel @k kv_append {}", "expects param '");
  expectProblem("adze.kernel @k take_rows {elem = 3 : i64}", "expects param '");
  expectProblem("adze.kernel @k attention_merge {}", "expects param '");
}

TEST(KernelErrors, BlocksFitTheirRows) {
  auto linear = [](llvm::StringRef element, int group, int sums) {
    return ("adze.kernel @k linear {in = i8, format = #adze.blocks<" + element +
            ", keep = 2>, group = " + llvm::Twine(group) +
            " : i64, sums = " + llvm::Twine(sums) + " : i64}")
        .str();
  };
  const char *codes = "#adze.int<8, scale = f32>";
  EXPECT_EQ(problemOf(linear(codes, 64, 16)), "");
  expectProblem(
      linear(codes, 48, 16),
      "expects param 'group' to be 0 or a multiple of 32, the columns "
      "of a block, found 48");
  expectProblem(linear(codes, 64, 64),
                "expects param 'sums' to be a divisor of 32, the columns of a "
                "block, found 64");
  expectProblem(linear("#adze.float<bf16>", 64, 32),
                "expects param 'format' to be one of integers where in is i8, "
                "found #adze.blocks<#adze.float<bf16>, keep = 2>");
  expectProblem("adze.kernel @k linear {in = f16, format = "
                "#adze.blocks<#adze.float<bf16>, keep = 2>}",
                "expects param 'in' to be f32, bf16 or i8, found f16");
}

TEST(KernelErrors, GenericNeedsRows) {
  expectProblem("adze.kernel @k generic {origin = \"x\", weights = [], "
                "whole = array<i1: false>}",
                "expects a region to compute rows by");
  expectProblem(R"(
    adze.kernel @k generic {origin = "x", weights = [], whole = array<i1>} {
      %c = arith.constant dense<1.0> : tensor<4xf32>
      adze.yield %c : tensor<4xf32>
    })",
                "expects a region over its buffers and weights that yields "
                "rows");
  expectProblem(R"(
    adze.kernel @k generic {origin = "x", weights = [], whole = array<i1: false>} {
    ^bb0(%a: tensor<?x4xf32>):
      adze.yield %a, %a : tensor<?x4xf32>, tensor<?x4xf32>
    })",
                "expects a region over its buffers and weights that yields "
                "rows");
  expectProblem(R"(
    adze.kernel @k generic {weights = []} {
    ^bb0(%a: tensor<?x4xf32>):
      adze.yield %a : tensor<?x4xf32>
    })",
                "expects param 'whole' to be an array of bools, found none");
}

/// What lowering says about an entry that does `body`.
void expectScheduleProblem(llvm::StringRef body, llvm::StringRef expected) {
  std::string text = (R"(
    adze.weight @w from "w" : !adze.weight<4, #adze.float<f32>>
    adze.kernel @k rms_norm {eps = 1.0e-5, heads = 1, in = f32, out = f32}
    func.func @step(%f: !adze.frame) attributes {adze.entry,
        adze.arena = array<i64: 0, 0>, adze.symbols = ["T"], adze.abi = [],
        adze.results = 0 : i64} {
      %x = adze.frame_arg %f 0 : !adze.buffer<4xf32>
      )" + body + R"(
      return
    })")
                         .str();
  std::string said;
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<AdzeDialect, arith::ArithDialect, func::FuncDialect>();
  loadKernelDialects(context);
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    said += diagnostic.str() + "\n";
  });
  auto module = parseSourceString<ModuleOp>(text, &context);
  ASSERT_TRUE(module) << said;
  auto targets = resolveTargets("x86-64-v3");
  ASSERT_TRUE(bool(targets));
  SmallVector<LoweredEntry> entries;
  EXPECT_TRUE(
      failed(lowerSchedule(*module, {}, targets->front()->kernel, entries)));
  EXPECT_NE(said.find(expected.str()), std::string::npos) << said;
}

TEST(ScheduleErrors, AWeightWithoutPlace) {
  expectScheduleProblem(
      "adze.launch @k over tokens rows tokens frame %f (%x, %x) weights [@w] "
      "sizes [4] : !adze.buffer<4xf32>, !adze.buffer<4xf32>",
      "reads @w, which has no place in the artefact: run "
      "adze-assign-weight-offsets first");
}

TEST(ScheduleErrors, ARepeatedLaunchNeedsAPlaceOfEachThread) {
  const char *const message =
      "expects the last buffer of what is repeated to have a place in each "
      "thread's own memory (adze.own), a multiple of 64";
  expectScheduleProblem(
      "adze.launch @k over tokens rows tokens frame %f (%x, %x) weights [@w] "
      "sizes [4] {adze.repeated} : !adze.buffer<4xf32>, !adze.buffer<4xf32>",
      message);
  expectScheduleProblem(
      "%y = adze.arena %f at affine_map<(T, R) -> (T * 64)> {adze.own = 32} "
      ": !adze.buffer<4xf32>\n"
      "adze.launch @k over tokens rows tokens frame %f (%x, %y) weights [@w] "
      "sizes [4] {adze.repeated} : !adze.buffer<4xf32>, !adze.buffer<4xf32>",
      message);
}

TEST(ScheduleErrors, WhatIsRepeatedIsOverRows) {
  expectScheduleProblem(
      "adze.launch @k over panels 1 rows tokens frame %f (%x, %x) weights [@w] "
      "sizes [4] {adze.repeated} : !adze.buffer<4xf32>, !adze.buffer<4xf32>",
      "expects what is repeated to be over its rows, tokens, got panels");
}

TEST(ScheduleErrors, AnOpOfAnotherLevel) {
  expectScheduleProblem("%c = arith.constant 1 : i32",
                        "is no op of the scheduled level");
}

} // namespace
