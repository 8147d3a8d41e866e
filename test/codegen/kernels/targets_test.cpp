// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How --target names variants; jobs on several threads; symbol suffixes.

#include "Disassembly.h"
#include "KernelLab.h"
#include "adze/Codegen/ObjectEmitter.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include <gtest/gtest.h>

using namespace adze;
using namespace adze::test;

namespace {

std::vector<std::string> resolve(llvm::StringRef spec) {
  auto variants = resolveTargets(spec);
  if (!variants)
    return {"error: " + llvm::toString(variants.takeError())};
  std::vector<std::string> names;
  for (const TargetVariant *variant : *variants)
    names.push_back(variant->name.str());
  return names;
}

TEST(TargetTest, NamesResolveToTheBestVariant) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(resolve("all"),
            (Names{"x86-64-v4+vnni+bf16+amx", "x86-64-v4+vnni+bf16",
                   "x86-64-v4+vnni+vbmi2", "x86-64-v4+vnni", "x86-64-v4",
                   "x86-64-v3+avxvnni", "x86-64-v3"}));
  EXPECT_EQ(resolve("x86-64-v3"), Names{"x86-64-v3"});
  EXPECT_EQ(resolve("x86-64-v4"), Names{"x86-64-v4"});
  EXPECT_EQ(resolve("x86-64-v4+vnni"), Names{"x86-64-v4+vnni"});
  EXPECT_EQ(resolve("x86-64-v3+avxvnni"), Names{"x86-64-v3+avxvnni"});
  EXPECT_EQ(resolve("cascadelake"), Names{"x86-64-v4+vnni"});
  EXPECT_EQ(resolve("icelake-server"), Names{"x86-64-v4+vnni+vbmi2"});
  EXPECT_EQ(resolve("x86-64-v4+vnni+vbmi2"), Names{"x86-64-v4+vnni+vbmi2"});
  // bf16 dots without VBMI2, which only these have, are not used.
  EXPECT_EQ(resolve("cooperlake"), Names{"x86-64-v4+vnni"});
  EXPECT_EQ(resolve("cooperlake+bf16"), Names{"x86-64-v4+vnni"});
  EXPECT_EQ(resolve("alderlake"), Names{"x86-64-v3+avxvnni"});
  EXPECT_EQ(resolve("x86-64-v4+vnni+bf16"), Names{"x86-64-v4+vnni+bf16"});
  EXPECT_EQ(resolve("znver4"), Names{"x86-64-v4+vnni+bf16"});
  EXPECT_EQ(resolve("skylake-avx512"), Names{"x86-64-v4"});
  EXPECT_EQ(resolve("haswell"), Names{"x86-64-v3"});
  EXPECT_EQ(resolve("haswell, znver4,x86-64-v3"),
            (Names{"x86-64-v4+vnni+bf16", "x86-64-v3"}));
}

TEST(TargetTest, AmxIsGivenWhereAllOfItIsThere) {
  using Names = std::vector<std::string>;
  const std::string amx = "x86-64-v4+vnni+bf16+amx";
  EXPECT_EQ(resolve(amx), Names{amx});
  EXPECT_EQ(resolve("sapphirerapids"), Names{amx});
  EXPECT_EQ(resolve("znver4"), Names{"x86-64-v4+vnni+bf16"});
  EXPECT_EQ(resolve("znver4+amx"), Names{amx});
  // Its parts are no AMX that code could be made for.
  EXPECT_EQ(resolve("x86-64-v4+amx-tile"), Names{"x86-64-v4"});
  EXPECT_EQ(resolve("znver4+amx-tile"), Names{"x86-64-v4+vnni+bf16"});
  // Where it is named, nothing less is given in its place.
  for (const char *less : {"x86-64-v4+amx", "x86-64-v3+amx", "haswell+amx"}) {
    std::string expected = std::string("target '") + less +
                           "' names amx, but lacks what its variant "
                           "(x86-64-v4+vnni+bf16+amx) needs beside";
    EXPECT_NE(resolve(less)[0].find(expected), std::string::npos)
        << resolve(less)[0];
  }
}

TEST(TargetTest, WrongNamesSayWhatToGive) {
  EXPECT_NE(resolve("sparc")[0].find("unknown target 'sparc'; give all, host"),
            std::string::npos);
  EXPECT_NE(resolve("x86-64-v4+foo")[0].find("unknown feature 'foo'"),
            std::string::npos);
  EXPECT_NE(resolve("nehalem")[0].find("has no AVX2"), std::string::npos);
  EXPECT_NE(resolve("all,,")[0].find("empty target"), std::string::npos);
}

TEST(EmitterTest, JobsOfOneContextRunInParallel) {
  KernelLab lab;
  std::vector<mlir::OwningOpRef<mlir::ModuleOp>> modules;
  std::vector<EmitJob> jobs;
  for (const TargetVariant &variant : x86Variants())
    for (const char *format : {"f32", "f16", "bf16"}) {
      std::string text = "adze.kernel @k linear {format = #adze.float<" +
                         std::string(format) + ">}";
      auto source = mlir::parseSourceString<mlir::ModuleOp>(text, &lab.context);
      ASSERT_TRUE(source);
      modules.push_back(mlir::ModuleOp::create(source->getLoc()));
      auto builder = mlir::OpBuilder::atBlockEnd(modules.back()->getBody());
      ASSERT_TRUE(succeeded(buildKernel(
          builder, *source->getOps<KernelOp>().begin(), variant.kernel)));
      EmitOptions options;
      options.symbolSuffix = std::string(".") + format;
      options.hideSymbols = true;
      jobs.push_back({*modules.back(), &variant, options});
    }
  ASSERT_TRUE(succeeded(emitModules(jobs, 4)));
  for (EmitJob &job : jobs) {
    auto code = disassemble(job.result->getBuffer());
    ASSERT_TRUE(bool(code)) << llvm::toString(code.takeError());
    EXPECT_TRUE(llvm::any_of(*code, [&](const Function &function) {
      return function.name == "k" + job.options.symbolSuffix;
    }));
  }
}

} // namespace
