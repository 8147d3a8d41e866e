// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// #adze.gguf against the `gguf` package: rows and panels of random blocks
// decode to exactly its values (test/scripts/formats/make_gguf_blocks.py).

#include "../common/npy.h"
#include "TestModule.h"
#include "adze/Dialect/Adze/FormatName.h"
#include <fstream>

using namespace adze;
using namespace adze::test;

namespace {

const char *const kTypes[] = {"q4_0",   "q4_1",   "q5_0", "q5_1", "q8_0",
                              "q2_k",   "q3_k",   "q4_k", "q5_k", "q6_k",
                              "iq4_nl", "iq4_xs", "mxfp4"};

class GgufFormatTest : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    context.loadDialect<AdzeDialect>();
    std::string path =
        std::string(ADZE_TEST_FOLDER "/dialects/gguf/") + GetParam();
    std::ifstream in(path + ".blocks", std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
    ASSERT_EQ(readNpy(path + ".npy", values), "");
    auto parsed = parseFormatName(GetParam(), &context);
    ASSERT_TRUE(bool(parsed)) << llvm::toString(parsed.takeError());
    format = *parsed;
    ASSERT_EQ(int64_t(bytes.size()), values.rows() * rowBytes());
  }

  int64_t cols() { return values.columns(); }
  int64_t rowBytes() { return format.getRowBytes(cols()); }
  llvm::ArrayRef<uint8_t> row(int64_t r) {
    return llvm::ArrayRef(bytes).slice(r * rowBytes(), rowBytes());
  }

  mlir::MLIRContext context;
  std::vector<uint8_t> bytes;
  NpyArray values;
  FormatAttrInterface format;
};

TEST_P(GgufFormatTest, NameIsItsOwn) {
  EXPECT_EQ(format.getFormatName(), GetParam());
}

TEST_P(GgufFormatTest, RowsDecodeExactly) {
  std::vector<float> decoded(cols());
  for (int64_t r = 0; r < values.rows(); ++r) {
    format.decodeRow(row(r), decoded);
    for (int64_t k = 0; k < cols(); ++k)
      ASSERT_EQ(decoded[k], values.values[r * cols() + k])
          << "row " << r << " column " << k;
  }
}

/// Also of fewer columns (whole blocks), and with rows of padding.
TEST_P(GgufFormatTest, PanelsDecodeExactly) {
  int64_t elements = 256; // of a block: less than one takes the bytes of one
  if (format.getRowBytes(32) < format.getRowBytes(256))
    elements = 32;
  for (int64_t n : {cols(), cols() - elements, elements}) {
    std::vector<const uint8_t *> rows(16);
    for (int64_t r = 0; r < 16; ++r)
      if (r % 7 != 3)
        rows[r] = bytes.data() + r % values.rows() * rowBytes();
    int64_t size = format.getPanelBytes(n);
    ASSERT_EQ(size % 64, 0);
    std::vector<uint8_t> panel(size, 0xcd);
    format.packPanel(rows, n, panel);
    for (int64_t r = 0; r < 16; ++r)
      for (int64_t k = 0; k < n; ++k) {
        double expected = values.values[r % values.rows() * cols() + k];
        ASSERT_EQ(format.decodePanel(panel, n, r, k), rows[r] ? expected : 0)
            << "columns " << n << " row " << r << " column " << k;
      }
  }
}

TEST_P(GgufFormatTest, NothingIsConvertedToIt) {
  auto rules = parseFormatRules(GetParam(), &context);
  ASSERT_FALSE(bool(rules));
  std::string name = GetParam();
  EXPECT_EQ(llvm::toString(rules.takeError()),
            "weights in " + name +
                " are read from GGUF files as they are, not made; int8:g32 and "
                "int4:g32 are nearest");
  std::string from = "!adze.weight<1x256, #adze.float<f32>>";
  std::string to = "!adze.weight<1x256, #adze.gguf<" + name + ">>";
  TestModule m("adze.weight @a from \"a\" : " + from +
               "\nadze.weight @e : " + to + " {\n%a = adze.ref @a : " + from +
               "\n%c = adze.cast %a : " + from + " -> " + to +
               "\nadze.yield %c : " + to + "\n}");
  ASSERT_TRUE(m) << m.diagnostics;
  auto evaluator = WeightEvaluator::create(m.get(), m.weights);
  ASSERT_FALSE(bool(evaluator));
  EXPECT_EQ(llvm::toString(evaluator.takeError()),
            "weight @e: nothing can be converted to " + name +
                ", a format of GGUF files that is only read");
}

/// Through the evaluator: a source of a module, packed, read, made f32.
TEST_P(GgufFormatTest, SourcesOfModules) {
  std::string shape =
      std::to_string(values.rows()) + "x" + std::to_string(cols()) + ", ";
  std::string kind = std::string("#adze.gguf<") + GetParam() + ">";
  std::string from = "!adze.weight<" + shape + kind + ">";
  std::string panels = "!adze.weight<" + shape + kind + ", panels>";
  std::string f32 = "!adze.weight<" + shape + "#adze.float<f32>>";
  TestModule m(
      "adze.weight @a from \"a\" : " + from + "\nadze.weight @p : " + panels +
      " {\n%a = adze.ref @a : " + from + "\n%p = adze.pack %a : " + from +
      " -> " + panels + "\nadze.yield %p : " + panels +
      "\n}\nadze.weight @f : " + f32 + " {\n%a = adze.ref @a : " + from +
      "\n%f = adze.cast %a : " + from + " -> " + f32 +
      "\nadze.yield %f : " + f32 + "\n}");
  ASSERT_TRUE(m) << m.diagnostics;
  m.weights.add("a", GetParam(), {values.rows(), cols()}, bytes);
  auto evaluator = WeightEvaluator::create(m.get(), m.weights);
  ASSERT_TRUE(bool(evaluator));
  std::vector<float> read(cols());
  for (const char *name : {"a", "p", "f"})
    for (int64_t r = 0; r < values.rows(); ++r) {
      auto weight = m.get().lookupSymbol<WeightOp>(name);
      ASSERT_FALSE(bool((*evaluator)->readRows(weight, 0, r, 1, read.data())));
      for (int64_t k = 0; k < cols(); ++k)
        ASSERT_EQ(read[k], values.values[r * cols() + k]) << name;
    }
}

/// A scale that is no number names its tensor, row and column, however the row
/// is read.
TEST_P(GgufFormatTest, BadScalesAreNamed) {
  std::string shape = std::to_string(values.rows()) + "x" +
                      std::to_string(cols()) + ", #adze.gguf<" + GetParam() +
                      ">";
  TestModule m("adze.weight @a from \"m.a\" : !adze.weight<" + shape +
               ">\nadze.weight @p : !adze.weight<" + shape +
               ", panels> {\n%a = adze.ref @a : !adze.weight<" + shape +
               ">\n%p = adze.pack %a : !adze.weight<" + shape +
               "> -> !adze.weight<" + shape +
               ", panels>\nadze.yield %p : !adze.weight<" + shape +
               ", panels>\n}");
  ASSERT_TRUE(m) << m.diagnostics;
  if (GetParam() == llvm::StringRef("mxfp4"))
    GTEST_SKIP() << "every exponent is a number";
  // All ones in the last block of row 2: its scale, wherever that is, is a NaN.
  bool isLarge = format.getRowBytes(32) == format.getRowBytes(256);
  int64_t block = isLarge ? 256 : 32;
  std::vector<uint8_t> damaged = bytes;
  std::fill_n(damaged.begin() + 3 * rowBytes() - format.getRowBytes(block),
              format.getRowBytes(block), 0xff);
  m.weights.add("m.a", GetParam(), {values.rows(), cols()}, damaged);
  auto evaluator = WeightEvaluator::create(m.get(), m.weights);
  ASSERT_TRUE(bool(evaluator));
  std::string expected =
      "tensor \"m.a\": row 2, column " + std::to_string(cols() - block) +
      ": expects a finite scale in " + GetParam() +
      ", got infinity or NaN; the file is damaged, or the model was quantized "
      "from weights that are not finite: get it again, or use another one";
  for (const char *name : {"a", "p"}) {
    auto weight = m.get().lookupSymbol<WeightOp>(name);
    std::vector<uint8_t> out(weight.getWeightType().getStorageBytes());
    EXPECT_EQ(
        llvm::toString((*evaluator)->evaluate(weight, 0, 0, 1, out.data())),
        expected);
    std::vector<float> read(cols());
    EXPECT_EQ(
        llvm::toString((*evaluator)->readRows(weight, 0, 2, 1, read.data())),
        expected);
    EXPECT_EQ(
        llvm::toString((*evaluator)->readRows(weight, 0, 1, 1, read.data())),
        "");
  }
}

INSTANTIATE_TEST_SUITE_P(Types, GgufFormatTest, testing::ValuesIn(kTypes),
                         [](const auto &info) {
                           return std::string(info.param);
                         });

} // namespace
