// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is in the machine code of kernels: nothing outside the variant, no
// vector spills in the loops of tiles, no calls out.

#include "Disassembly.h"
#include "Step.h"
#include "adze/Codegen/KernelLowering.h"
#include "adze/Codegen/ObjectEmitter.h"
#include <gtest/gtest.h>

using namespace adze;
using namespace adze::test;

namespace {

std::string linear(Stored weight, Stored in) {
  return std::string("adze.kernel @k linear {format = #adze.float<") +
         nameOf(weight) + ">, in = " + nameOf(in) +
         ", streams = 2 : i64} {\n^bb0(%g: f32, %u: f32):\n"
         "  %s = adze.silu %g : f32\n  %p = arith.mulf %s, %u : f32\n"
         "  adze.yield %p : f32 }";
}
std::string plain(Stored weight, Stored in) {
  return std::string("adze.kernel @k linear {format = #adze.float<") +
         nameOf(weight) + ">, in = " + nameOf(in) + ", out = bf16}";
}
std::string heads(Stored weight, Stored in, int64_t d) {
  return std::string("adze.kernel @k linear {format = #adze.float<") +
         nameOf(weight) + ">, in = " + nameOf(in) +
         ", kv = bf16, sink = #adze.heads<" + std::to_string(d) +
         ", [#adze.head<4, rotary, store>, #adze.head<2, rotary, key>, "
         "#adze.head<2, value>]>}";
}
std::string attention(Stored kv, Stored q) {
  return std::string("adze.kernel @k attention {heads = 8 : i64, kv_heads = 2 "
                     ": i64, head_dim = 80 : i64, window = 300 : i64, scale = "
                     "0.1 : f64, q = ") +
         nameOf(q) + ", kv = " + nameOf(kv) + "}";
}

/// Compiling needs no CPU to run on: every variant is looked at everywhere.
class CodeQualityTest : public testing::TestWithParam<const TargetVariant *> {
protected:
  std::vector<Function> code(const std::string &text) {
    auto kernel = lab.compile(text, *GetParam());
    EXPECT_TRUE(kernel) << lab.errors;
    if (!kernel)
      return {};
    auto functions = disassemble(kernel->object());
    EXPECT_TRUE(bool(functions)) << llvm::toString(functions.takeError());
    EXPECT_FALSE(functions->empty());
    return std::move(*functions);
  }
  std::vector<std::string> kernels() {
    std::vector<std::string> texts = {
        "adze.kernel @k rms_norm {eps = 1.0e-5, in = f16, out = bf16}",
        "adze.kernel @k embed {format = #adze.float<f16>, layout = "
        "#adze.layout<panels>}",
        "adze.kernel @k rotary_table {turns = array<f64: 0.1, 0.01, 0.001>}",
        "adze.kernel @k kv_append {heads = 2 : i64, head_dim = 80 : i64, kv = "
        "f16}",
        "adze.kernel @k take_rows {elem = bf16}"};
    texts.push_back("adze.kernel @k linear {format = #adze.float<f32>} {\n"
                    "^bb0(%a: f32):\n  %g = adze.gelu %a : f32\n"
                    "  adze.yield %g : f32 }");
    for (Stored weight : kAllStored)
      for (Stored in : {Stored::F32, Stored::BF16}) {
        texts.push_back(plain(weight, in));
        texts.push_back(linear(weight, in));
        texts.push_back(heads(weight, in, 64));
        texts.push_back(heads(weight, in, 6));
        texts.push_back(attention(weight, in));
      }
    texts.push_back(attention(Stored::I8, Stored::F32));
    texts.push_back("adze.kernel @k kv_append {heads = 2 : i64, head_dim = 80 "
                    ": i64, kv = i8}");
    return texts;
  }
  KernelLab lab;
};

TEST_P(CodeQualityTest, StaysInsideTheVariantWithoutSpills) {
  bool dots = false, wide = false;
  for (const std::string &text : kernels()) {
    SCOPED_TRACE(text);
    std::vector<Function> functions = code(text);
    std::vector<std::string> found = findInstructions(functions, "vdpbf16ps");
    dots |= !found.empty();
    if (!GetParam()->kernel.hasBF16Dot)
      EXPECT_EQ(found, std::vector<std::string>());
    found = findInstructions(functions, "zmm[0-9]|[{ ,]k[0-7][^a-z0-9]|bf16");
    wide |= !found.empty();
    if (GetParam()->kernel.lanes == 8)
      EXPECT_EQ(found, std::vector<std::string>());
    EXPECT_EQ(findVectorSpillsInLoops(functions, "adze\\.tile|\\.finish"),
              std::vector<std::string>());
    EXPECT_EQ(findInstructions(functions, "fp16|ph zmm.*, zmm.*, zmm"),
              std::vector<std::string>());
  }
  // The questions can be answered with yes.
  EXPECT_EQ(dots, GetParam()->kernel.hasBF16Dot);
  EXPECT_EQ(wide, GetParam()->kernel.lanes == 16);
}

TEST(DisassemblyTest, SpillsInLoopsAreSeen) {
  // head: vmovups zmm0, [rsp + 8]; jmp head; outside: vmovups [rsp], ymm1
  std::vector<Function> code = {
      {"adze.tile.x",
       {{0, "vmovups zmm0, zmmword ptr [rsp + 8]", {}},
        {8, "jne -10", 0},
        {10, "vmovups ymmword ptr [rsp], ymm1", {}}}}};
  EXPECT_EQ(findVectorSpillsInLoops(code, "adze"),
            std::vector<std::string>(
                {"adze.tile.x: vmovups zmm0, zmmword ptr [rsp + 8]"}));
  EXPECT_TRUE(findVectorSpillsInLoops(code, "other").empty());
}

INSTANTIATE_TEST_SUITE_P(Variants, CodeQualityTest,
                         testing::ValuesIn(runnableVariants()), variantName);

} // namespace
