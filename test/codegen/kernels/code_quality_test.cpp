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

std::string blocks(const char *element) {
  return std::string("#adze.blocks<") + element + ", keep = 24>";
}

std::string codes(const char *format, int64_t group, int64_t sums,
                  const std::string &rest = "}") {
  return std::string("adze.kernel @k linear {in = i8, format = ") + format +
         ", group = " + std::to_string(group) +
         " : i64, sums = " + std::to_string(sums) + " : i64" + rest;
}

/// Compiling needs no CPU to run on: every variant is looked at everywhere.
std::vector<const TargetVariant *> allVariants() {
  std::vector<const TargetVariant *> variants;
  for (const TargetVariant &variant : x86Variants())
    variants.push_back(&variant);
  return variants;
}

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
    for (const char *in : {"f32", "bf16"})
      for (const char *format :
           {"int<8, group = 32, scale = f16, zeros>",
            "int<4, group = 128, scale = bf16>", "fp8<scale = bf16>"}) {
        // Known: with 16 registers the fp8 decoder stores three values twice.
        if (GetParam()->kernel.registers < 32 && format[0] == 'f')
          continue;
        texts.push_back(std::string("adze.kernel @k linear {format = #adze.") +
                        format + ", in = " + in + "}");
      }
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
  /// Linears of codes, and what makes them.
  /// Known: with 16 registers a norm by ranges loads the size of a row from the
  /// stack, once for each row.
  std::vector<std::string> quantized() {
    std::vector<std::string> texts = {
        "adze.kernel @k quantize {in = f16, group = 128 : i64, sums = 32 : "
        "i64}",
        "adze.kernel @k rms_norm {eps = 1.0e-5, out = i8, group = 0 : i64, "
        "sums = 8 : i64}",
        "adze.kernel @k quantize {in = bf16, group = 0 : i64, sums = 128 : "
        "i64, "
        "ranges = true}",
        codes("#adze.int<8, scale = f32>", 128, 128),
        codes("#adze.int<8, scale = f32>", 0, 32),
        codes("#adze.int<8, group = 32, scale = f16, zeros>", 32, 32),
        codes("#adze.int<4, group = 128, scale = bf16>", 128, 128),
        codes("#adze.int<4, group = 32, scale = bf16>", 128, 32),
        codes("#adze.int<4, group = 32, scale = f16, zeros>", 32, 32),
        codes("#adze.int<4, scale = bf16>", 16, 16)};
    texts.push_back(codes("#adze.int<4, group = 64, scale = bf16>", 128, 64,
                          ", out = i8, out_group = 128 : i64, out_sums = 64 : "
                          "i64, streams = 2 : i64} {\n^bb0(%g: f32, %u: f32):\n"
                          "  %p = arith.mulf %g, %u : f32\n"
                          "  adze.yield %p : f32 }"));
    texts.push_back(codes("#adze.int<8, scale = f32>", 128, 128,
                          ", out = i8, out_group = 64 : i64, out_sums = 64 : "
                          "i64, out_ranges = true}"));
    texts.push_back(codes("#adze.int<4, group = 64, scale = bf16>", 128, 64,
                          ", streams = 2 : i64} {\n^bb0(%g: f32, %u: f32):\n"
                          "  %s = adze.silu %g : f32\n"
                          "  %p = arith.mulf %s, %u : f32\n"
                          "  adze.yield %p : f32 }"));
    return texts;
  }
  KernelLab lab;
};

TEST_P(CodeQualityTest, CodesAreMultipliedByTheBestThatTheVariantHas) {
  bool pairs = false, widened = false;
  for (const std::string &text : quantized()) {
    SCOPED_TRACE(text);
    std::vector<Function> functions = code(text);
    bool dots = !findInstructions(functions, "vpdpbusd").empty();
    EXPECT_EQ(dots, GetParam()->kernel.hasByteDot &&
                        text.find("linear") != std::string::npos);
    pairs |= !findInstructions(functions, "vpmaddubsw").empty();
    widened |= !findInstructions(functions, "vpmaddwd").empty();
    if (GetParam()->kernel.lanes == 8)
      EXPECT_EQ(findInstructions(functions, "zmm[0-9]|[{ ,]k[0-7][^a-z0-9]"),
                std::vector<std::string>());
    EXPECT_EQ(findInstructions(functions, "vpmulld"),
              std::vector<std::string>());
    EXPECT_EQ(findVectorSpillsInLoops(functions, "adze\\.|^k"),
              std::vector<std::string>());
  }
  EXPECT_EQ(pairs, !GetParam()->kernel.hasByteDot);
  EXPECT_EQ(widened, !GetParam()->kernel.hasByteDot);
}

/// Where a dozen sums suffice, no block of codes ends with loads and stores of
/// the sums of many rows.
TEST_P(CodeQualityTest, FewSumsStayInRegisters) {
  const char *sum = "vmov[au]ps zmmword ptr";
  for (const char *format : {"#adze.int<8, scale = f32>",
                             "#adze.int<4, group = 32, scale = bf16>"}) {
    SCOPED_TRACE(format);
    std::vector<Function> functions = code(codes(format, 128, 32));
    if (GetParam()->kernel.fewSums) {
      EXPECT_FALSE(findInLoops(functions, "6x2", "vpdpbusd").empty());
      EXPECT_EQ(findInLoops(functions, "6x2", sum), std::vector<std::string>());
    } else if (GetParam()->kernel.registers >= 32) {
      EXPECT_FALSE(findInLoops(functions, "(12|8)x2", sum).empty());
    }
  }
}

/// Known: with 16 registers, and where rows are floats (behind the end of K),
/// tiles of blocks store some values to the stack.
TEST_P(CodeQualityTest, BlocksOfCodesStayInRegisters) {
  if (GetParam()->kernel.lanes < 16 || !GetParam()->kernel.hasByteDot)
    GTEST_SKIP() << "few registers, or no byte dots";
  for (const char *element :
       {"#adze.int<8, scale = f32>", "#adze.int<8, scale = f16, zeros>",
        "#adze.int<4, group = 128, scale = bf16>",
        "#adze.int<4, group = 32, scale = f16, zeros>"}) {
    SCOPED_TRACE(element);
    std::vector<Function> functions =
        code(codes(blocks(element).c_str(), 128, 32));
    EXPECT_FALSE(findInLoops(functions, "adze\\.tile", "vpdpbusd").empty());
    EXPECT_EQ(findVectorSpillsInLoops(functions, "adze\\.|^k"),
              std::vector<std::string>());
  }
}

/// Many rows: lanes are rows, and each broadcast serves three lines of them.
TEST_P(CodeQualityTest, TallTilesOfBlocksBroadcastWeights) {
  const KernelTarget &target = GetParam()->kernel;
  for (const char *element :
       {"#adze.int<8, scale = f32>", "#adze.int<8, group = 32, scale = f16>",
        "#adze.int<8, scale = f16, zeros>",
        "#adze.int<4, group = 128, scale = bf16>"}) {
    SCOPED_TRACE(element);
    std::vector<Function> functions =
        code(codes(blocks(element).c_str(), 128, 32));
    bool tall = target.lanes == 16 && target.hasByteDot &&
                !llvm::StringRef(element).contains("zeros");
    struct {
      const char *rows;
      size_t lines, columns;
    } tiles[] = {{"48x1", 3, 8}, {"32x1", 2, 8}, {"16x1", 1, 16}};
    for (auto [rows, lines, columns] : tiles) {
      SCOPED_TRACE(rows);
      std::string name = std::string("^adze\\.tile\\.tall\\..*") + rows + "$";
      auto find = [&](const char *instruction) {
        return findInLoops(functions, name, instruction).size();
      };
      // Of two quads of codes.
      EXPECT_EQ(find("vpdpbusd"), tall ? 2 * lines * columns : 0);
      EXPECT_EQ(find("vpbroadcastd zmm[0-9]+, dword ptr"),
                tall ? 2 * columns : 0);
    }
  }
}

/// Few rows in tiles, many in what is decoded before, AMX's always: from
/// registers, since the instruction that reads memory is slow.
TEST_P(CodeQualityTest, MasksAreSpreadByTheBestThatTheVariantHas) {
  struct {
    Stored weight, in;
    const char *instruction;
  } cases[] = {{Stored::BF16, Stored::BF16, "vpexpandw"},
               {Stored::BF16, Stored::F32, "vpexpandw"},
               {Stored::F16, Stored::F32, "vpexpandw"},
               {Stored::F32, Stored::F32, "vpexpandd"}};
  for (const auto &c : cases)
    for (const char *keep : {"keep = 128, even", "keep = 4096"}) {
      std::string text = std::string("adze.kernel @k linear {format = "
                                     "#adze.masked<#adze.float<") +
                         nameOf(c.weight) + ">, " + keep +
                         ">, in = " + nameOf(c.in) + "}";
      SCOPED_TRACE(text);
      std::vector<Function> functions = code(text);
      bool expands = GetParam()->kernel.hasExpand;
      bool amx = GetParam()->kernel.hasAmx && c.in == Stored::BF16 &&
                 c.weight == Stored::BF16;
      EXPECT_EQ(!findInLoops(functions, "adze\\.decode", c.instruction).empty(),
                expands);
      EXPECT_EQ(!findInLoops(functions, "adze\\.tilem", c.instruction).empty(),
                expands && !amx);
      EXPECT_EQ(findInstructions(functions, "vpexpand.*\\["),
                std::vector<std::string>());
      if (!expands)
        EXPECT_EQ(findInstructions(functions, "vpexpand"),
                  std::vector<std::string>());
      if (GetParam()->kernel.lanes == 8)
        EXPECT_EQ(findInstructions(functions, "zmm[0-9]|[{ ,]k[0-7][^a-z0-9]"),
                  std::vector<std::string>());
      EXPECT_EQ(findVectorSpillsInLoops(functions, "adze\\.|^k"),
                std::vector<std::string>());
    }
}

TEST_P(CodeQualityTest, TallTilesMultiplyByAmxWhereTheVariantHasIt) {
  bool amx = GetParam()->kernel.hasAmx;
  const std::vector<std::string> tall = {"64x2", "32x2", "16x2"};
  struct {
    std::string text;
    const char *instruction; // null: AMX is not for it
    std::vector<std::string> tiles;
  } cases[] = {{codes("#adze.int<8, scale = f32>", 128, 128), "tdpbssd", tall},
               {codes("#adze.int<8, scale = f32>", 0, 32), "tdpbssd", tall},
               {codes("#adze.int<8, group = 64, scale = f16, zeros>", 128, 32),
                "tdpbssd", tall},
               {codes("#adze.int<4, group = 128, scale = bf16>", 128, 128),
                "tdpbssd", tall},
               {codes("#adze.int<4, group = 32, scale = bf16>", 128, 32),
                "tdpbssd", tall},
               {codes("#adze.gguf<q6_k>", 128, 16), "tdpbssd", tall},
               {plain(Stored::BF16, Stored::BF16),
                "tdpbf16ps",
                {"32x2", "16x2", "8x2", "4x4", "2x4", "1x4"}},
               {codes("#adze.int<8, group = 32, scale = f16, zeros>", 32, 32),
                nullptr,
                {}},
               {plain(Stored::F32, Stored::F32), nullptr, {}},
               {plain(Stored::F16, Stored::BF16), nullptr, {}},
               {attention(Stored::BF16, Stored::BF16), nullptr, {}}};
  for (auto &[text, instruction, tiles] : cases) {
    SCOPED_TRACE(text);
    std::vector<Function> functions = code(text);
    if (!amx || !instruction) {
      EXPECT_EQ(findInstructions(functions, "tmm[0-9]|tilecfg|tilerelease"),
                std::vector<std::string>());
      continue;
    }
    for (const std::string &tile : tiles) {
      SCOPED_TRACE(tile);
      std::string name = "^adze\\.tile\\.amx\\..*\\." + tile + "$";
      // One product for each part of 16 rows and panel.
      size_t rows = std::stoi(tile), panels = tile.back() - '0';
      size_t products = (rows >= 32 ? 2 : 1) * panels;
      EXPECT_GE(findInLoops(functions, name, instruction).size(), products);
      // All of the registers' setting up is outside of the loops.
      EXPECT_EQ(findInLoops(functions, name, "ldtilecfg|tilerelease"),
                std::vector<std::string>());
    }
    // Once in each tile, and nowhere else.
    size_t configured = findInstructions(functions, "ldtilecfg").size();
    EXPECT_EQ(configured, tiles.size());
    EXPECT_EQ(findReturnsWithTiles(functions), std::vector<std::string>());
    EXPECT_EQ(findVectorSpillsInLoops(functions, "adze\\.|^k"),
              std::vector<std::string>());
  }
}

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
    EXPECT_EQ(findVectorSpillsInLoops(functions, "adze\\.|^k"),
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

TEST(DisassemblyTest, ReturnsWithTilesAreSeen) {
  const std::vector<Instruction> released = {{0, "ldtilecfg [rsp]", {}},
                                             {5, "je 20", 25},
                                             {7, "tilerelease", {}},
                                             {12, "pop rbx", {}},
                                             {13, "ret", {}}};
  auto find = [](std::vector<Instruction> code, uint64_t branch, bool late) {
    code[1].target = branch;
    if (late)
      std::swap(code[2].text, code[1].text);
    return findReturnsWithTiles({{"f", code}});
  };
  EXPECT_EQ(find(released, 7, false), std::vector<std::string>());
  // A branch to behind the release, one out of the function, one before it.
  EXPECT_EQ(find(released, 12, false), std::vector<std::string>({"f: ret"}));
  EXPECT_EQ(find(released, 25, false), std::vector<std::string>({"f: je 20"}));
  EXPECT_EQ(find(released, 7, true), std::vector<std::string>({"f: ret"}));
}

INSTANTIATE_TEST_SUITE_P(Variants, CodeQualityTest,
                         testing::ValuesIn(allVariants()), variantName);

} // namespace
