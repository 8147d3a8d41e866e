// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weight expressions against the same rows gathered by hand, in every format
// and layout.

#include "TestModule.h"
#include "llvm/Support/MathExtras.h"
#include <thread>

using namespace adze;
using namespace adze::test;

namespace {

using Matrix = std::vector<std::vector<float>>;

/// A module of weights and its evaluator.
struct Weights {
  explicit Weights(llvm::StringRef text) : m(text) {
    if (!m)
      return;
    addRandomWeights(m.get(), m.weights, 17);
    auto made = WeightEvaluator::create(m.get(), m.weights);
    if (made)
      evaluator = std::move(*made);
    else
      error = llvm::toString(made.takeError());
  }

  WeightOp weight(llvm::StringRef name) {
    return m.get().lookupSymbol<WeightOp>(name);
  }

  /// All logical rows; of a vector, one element each.
  Matrix rows(llvm::StringRef name, int64_t layer = 0) {
    WeightType type = weight(name).getWeightType();
    int64_t cols = type.isVector() ? 1 : type.getCols();
    Matrix result;
    for (int64_t row = 0; row < type.getRows(); ++row) {
      result.emplace_back(cols);
      llvm::Error failed = evaluator->readRows(weight(name), layer, row, 1,
                                               result.back().data());
      EXPECT_FALSE(bool(failed)) << llvm::toString(std::move(failed));
    }
    return result;
  }

  std::vector<uint8_t> bytes(llvm::StringRef name, int64_t layer = 0) {
    WeightType type = weight(name).getWeightType();
    std::vector<uint8_t> result(type.getStorageBytes(), 0xcd);
    llvm::Error failed = evaluator->evaluate(
        weight(name), layer, 0, numWeightUnits(type), result.data());
    EXPECT_FALSE(bool(failed)) << llvm::toString(std::move(failed));
    return result;
  }

  std::string readError(llvm::StringRef name, int64_t layer = 0) {
    std::vector<float> out(1000);
    return llvm::toString(
        evaluator->readRows(weight(name), layer, 0, 1, out.data()));
  }

  TestModule m;
  std::unique_ptr<WeightEvaluator> evaluator;
  std::string error;
};

/// The weight's storage decodes to its logical rows, and padding is zero.
void expectStorageIsRows(Weights &w, llvm::StringRef name) {
  WeightType type = w.weight(name).getWeightType();
  FormatAttrInterface format = type.getFormat();
  Matrix rows = w.rows(name);
  std::vector<uint8_t> bytes = w.bytes(name);
  int64_t cols = type.getCols();
  if (type.getLayout() == LayoutKind::Rows) {
    std::vector<float> flat;
    for (const auto &row : rows)
      flat.insert(flat.end(), row.begin(), row.end());
    EXPECT_EQ(bytes,
              encode(format, flat, type.isVector() ? flat.size() : cols));
    return;
  }
  int64_t panelBytes = format.getPanelBytes(cols);
  int64_t padded = llvm::alignTo(type.getRows(), kPanelRows);
  for (int64_t row = 0; row < padded; ++row)
    for (int64_t k = 0; k < cols; ++k) {
      llvm::ArrayRef<uint8_t> panel(bytes);
      panel = panel.slice(row / kPanelRows * panelBytes, panelBytes);
      float expected = row < type.getRows() ? rows[row][k] : 0.0f;
      ASSERT_EQ(format.decodePanel(panel, cols, row % kPanelRows, k), expected)
          << "row " << row << " column " << k;
    }
}

/// A module with sources @a and @b of `rows` x `cols` and an expression @e.
std::string expression(llvm::StringRef format, int64_t rows, int64_t cols,
                       int64_t outRows, llvm::StringRef op, bool pack) {
  auto type = [&](int64_t n, llvm::StringRef layout = "") {
    return ("!adze.weight<" + llvm::Twine(n) + "x" + llvm::Twine(cols) +
            ", #adze.float<" + format + ">" + layout + ">")
        .str();
  };
  std::string in = type(rows), out = type(outRows);
  std::string final = type(outRows, pack ? ", panels" : "");
  std::string text = "adze.weight @a from \"a\" : " + in +
                     "\nadze.weight @b from \"b\" : " + in +
                     "\nadze.weight @e : " + final +
                     " {\n%a = adze.ref @a : " + in +
                     "\n%b = adze.ref @b : " + in + "\n%e = " + op.str();
  auto replace = [&](llvm::StringRef from, const std::string &to) {
    for (size_t at; (at = text.find(from.str())) != std::string::npos;)
      text.replace(at, from.size(), to);
  };
  replace("$in", in);
  replace("$out", out);
  if (pack)
    text += "\n%p = adze.pack %e : " + out + " -> " + final;
  text += std::string("\nadze.yield ") + (pack ? "%p" : "%e") + " : " + final +
          "\n}";
  return text;
}

struct Shape {
  const char *format;
  int64_t rows, cols;
  bool pack;
};
void PrintTo(const Shape &s, std::ostream *os) {
  *os << s.format << " " << s.rows << "x" << s.cols
      << (s.pack ? " panels" : " rows");
}

class WeightExpressions : public testing::TestWithParam<Shape> {};

TEST_P(WeightExpressions, Concat) {
  Shape s = GetParam();
  Weights w(expression(s.format, s.rows, s.cols, 2 * s.rows,
                       "adze.concat %b, %a : ($in, $in) -> $out", s.pack));
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics << w.error;
  Matrix a = w.rows("a"), expected = w.rows("b");
  expected.insert(expected.end(), a.begin(), a.end());
  EXPECT_EQ(w.rows("e"), expected);
  expectStorageIsRows(w, "e");
}

TEST_P(WeightExpressions, Interleave) {
  Shape s = GetParam();
  int64_t padded = llvm::alignTo(s.rows, 16);
  Weights w(expression(s.format, s.rows, s.cols, 2 * padded,
                       "adze.interleave %a, %b : $in -> $out", s.pack));
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics << w.error;
  Matrix a = w.rows("a"), b = w.rows("b"), expected;
  a.resize(padded, std::vector<float>(s.cols));
  b.resize(padded, std::vector<float>(s.cols));
  for (int64_t block = 0; block < padded; block += 16)
    for (Matrix *from : {&a, &b})
      expected.insert(expected.end(), from->begin() + block,
                      from->begin() + block + 16);
  EXPECT_EQ(w.rows("e"), expected);
  expectStorageIsRows(w, "e");
}

TEST_P(WeightExpressions, PadHeads) {
  Shape s = GetParam();
  int64_t heads = s.rows % 3 ? 1 : 3, size = s.rows / heads;
  int64_t padded = llvm::alignTo(size, 16);
  Weights w(expression(s.format, s.rows, s.cols, heads * padded,
                       "adze.pad_heads %a heads " + std::to_string(heads) +
                           " : $in -> $out",
                       s.pack));
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics << w.error;
  Matrix a = w.rows("a"), expected;
  for (int64_t h = 0; h < heads; ++h) {
    expected.insert(expected.end(), a.begin() + h * size,
                    a.begin() + (h + 1) * size);
    expected.resize((h + 1) * padded, std::vector<float>(s.cols));
  }
  EXPECT_EQ(w.rows("e"), expected);
  expectStorageIsRows(w, "e");
}

TEST_P(WeightExpressions, RotaryHalves) {
  Shape s = GetParam();
  if (s.rows % 6)
    GTEST_SKIP() << "rows are no multiple of 2 * 3 heads";
  Weights w(expression(s.format, s.rows, s.cols, s.rows,
                       "adze.rotary_halves %a heads 3 : $in -> $out", s.pack));
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics << w.error;
  Matrix a = w.rows("a"), expected(s.rows);
  int64_t size = s.rows / 3;
  for (int64_t h = 0; h < 3; ++h)
    for (int64_t i = 0; i < size / 2; ++i) {
      expected[h * size + i] = a[h * size + 2 * i];
      expected[h * size + i + size / 2] = a[h * size + 2 * i + 1];
    }
  EXPECT_EQ(w.rows("e"), expected);
  expectStorageIsRows(w, "e");
}

TEST_P(WeightExpressions, RotarySpread) {
  Shape s = GetParam();
  if (s.rows % 6)
    GTEST_SKIP() << "rows are no multiple of 2 * 3 heads";
  int64_t size = s.rows / 3;
  for (int64_t rotated = 2; rotated <= size; rotated += 2) {
    Weights w(expression(s.format, s.rows, s.cols, s.rows,
                         "adze.rotary_spread %a heads 3 rotated " +
                             std::to_string(rotated) + " : $in -> $out",
                         s.pack));
    ASSERT_TRUE(w.evaluator) << w.m.diagnostics << w.error;
    // Pairs that turn, then those that do not, in halves of the head.
    Matrix a = w.rows("a"), expected(s.rows);
    for (int64_t h = 0; h < 3; ++h) {
      auto head = [&](int64_t i) { return a[h * size + i]; };
      for (int64_t i = 0; i < size / 2; ++i) {
        bool turns = i < rotated / 2;
        int64_t still = rotated + (i - rotated / 2);
        expected[h * size + i] = head(turns ? i : still);
        expected[h * size + size / 2 + i] =
            head(turns ? i + rotated / 2 : still + (size - rotated) / 2);
      }
    }
    EXPECT_EQ(w.rows("e"), expected) << rotated;
    expectStorageIsRows(w, "e");
  }
}

TEST_P(WeightExpressions, Slice) {
  Shape s = GetParam();
  for (int64_t first : {int64_t(0), s.rows / 3, s.rows - 1}) {
    int64_t rows = s.rows - first;
    Weights w(expression(s.format, s.rows, s.cols, rows,
                         "adze.slice %a from " + std::to_string(first) +
                             " : $in -> $out",
                         s.pack));
    ASSERT_TRUE(w.evaluator) << w.m.diagnostics << w.error;
    Matrix a = w.rows("a");
    EXPECT_EQ(w.rows("e"), Matrix(a.begin() + first, a.end()));
    expectStorageIsRows(w, "e");
  }
}

TEST(WeightEvaluator, OffsetAddsAfterTheCastBeforeIt) {
  // 1 + 2^-10 is a number of f32, not of bf16; the last cast rounds it.
  Weights w(R"(
    adze.weight @s from "a" : !adze.weight<3, #adze.float<f32>>
    adze.weight @a : !adze.weight<3, #adze.float<bf16>> {
      %s = adze.ref @s : !adze.weight<3, #adze.float<f32>>
      %a = adze.cast %s : !adze.weight<3, #adze.float<f32>>
        -> !adze.weight<3, #adze.float<bf16>>
      adze.yield %a : !adze.weight<3, #adze.float<bf16>>
    }
    adze.weight @e : !adze.weight<3, #adze.float<f32>> {
      %a = adze.ref @a : !adze.weight<3, #adze.float<bf16>>
      %c = adze.cast %a : !adze.weight<3, #adze.float<bf16>>
        -> !adze.weight<3, #adze.float<f32>>
      %o = adze.offset %c by 1.0 : !adze.weight<3, #adze.float<f32>>
      adze.yield %o : !adze.weight<3, #adze.float<f32>>
    }
    adze.weight @rounded : !adze.weight<3, #adze.float<bf16>> {
      %e = adze.ref @e : !adze.weight<3, #adze.float<f32>>
      %r = adze.cast %e : !adze.weight<3, #adze.float<f32>>
        -> !adze.weight<3, #adze.float<bf16>>
      adze.yield %r : !adze.weight<3, #adze.float<bf16>>
    })");
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics << w.error;
  w.m.add("a", {3}, {0x1p-10f, -0.5f, 1.005f});
  EXPECT_EQ(w.rows("e"), (Matrix{{1.0f + 0x1p-10f}, {0.5f}, {2.0078125f}}));
  EXPECT_EQ(w.rows("rounded"), (Matrix{{1.0f}, {0.5f}, {2.0f}}));
  expectStorageIsRows(w, "e");
  expectStorageIsRows(w, "rounded");
}

TEST(WeightEvaluator, FactorsAreOfRowsAndColumnsWhereTheyStand) {
  // Rows 1 and 2 of the source, in the other order: their factors are those of
  // the place where they are scaled. Division and product follow each other.
  Weights w(R"(
    adze.weight @a from "a" : !adze.weight<4x3, #adze.float<f32>>
    adze.weight @c from "c" : !adze.weight<3, #adze.float<f32>>
    adze.weight @r from "r" : !adze.weight<2, #adze.float<f32>>
    adze.weight @whole from "whole" : !adze.weight<4, #adze.float<f32>>
    adze.weight @e : !adze.weight<2x3, #adze.float<f32>> {
      %0 = adze.ref @a : !adze.weight<4x3, #adze.float<f32>>
      %2 = adze.scale_rows %0 by @whole : !adze.weight<4x3, #adze.float<f32>>
      %3 = adze.scale_columns %2 by @c : !adze.weight<4x3, #adze.float<f32>>
      %4 = adze.slice %3 from 1 : !adze.weight<4x3, #adze.float<f32>>
        -> !adze.weight<2x3, #adze.float<f32>>
      %5 = adze.scale_rows %4 by @r inverse : !adze.weight<2x3, #adze.float<f32>>
      adze.yield %5 : !adze.weight<2x3, #adze.float<f32>>
    }
    adze.weight @rounded : !adze.weight<2x3, #adze.float<bf16>> {
      %0 = adze.ref @e : !adze.weight<2x3, #adze.float<f32>>
      %1 = adze.cast %0 : !adze.weight<2x3, #adze.float<f32>>
        -> !adze.weight<2x3, #adze.float<bf16>>
      adze.yield %1 : !adze.weight<2x3, #adze.float<bf16>>
    }
    adze.weight @v from "v" : !adze.weight<4, #adze.float<f32>>
    adze.weight @vector : !adze.weight<2, #adze.float<f32>> {
      %0 = adze.ref @v : !adze.weight<4, #adze.float<f32>>
      %1 = adze.scale_rows %0 by @whole : !adze.weight<4, #adze.float<f32>>
      %2 = adze.slice %1 from 2 : !adze.weight<4, #adze.float<f32>>
        -> !adze.weight<2, #adze.float<f32>>
      %3 = adze.scale_rows %2 by @r inverse : !adze.weight<2, #adze.float<f32>>
      %4 = adze.offset %3 by 1.0 : !adze.weight<2, #adze.float<f32>>
      adze.yield %4 : !adze.weight<2, #adze.float<f32>>
    })");
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics << w.error;
  w.m.add("a", {4, 3}, {9, 9, 9, 1, 2, 3, 4, 5, 6, 9, 9, 9});
  w.m.add("c", {3}, {2, 0.25f, -1});
  w.m.add("r", {2}, {4, 3});
  w.m.add("whole", {4}, {100, 10, 20, 1000});
  w.m.add("v", {4}, {9, 9, 7, 8});
  auto third = [](float x) { return x / 3.0f; };
  Matrix expected{{5, 1.25f, -7.5f}, {third(160), third(25), third(-120)}};
  EXPECT_EQ(w.rows("e"), expected);
  EXPECT_EQ(w.rows("vector"), (Matrix{{36}, {third(8000) + 1}}));
  expectStorageIsRows(w, "e");
  expectStorageIsRows(w, "rounded");
  expectStorageIsRows(w, "vector");
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, WeightExpressions,
    testing::Values(Shape{"f32", 6, 3, false}, Shape{"f32", 18, 5, true},
                    Shape{"bf16", 48, 16, true}, Shape{"bf16", 54, 7, true},
                    Shape{"bf16", 1, 1, true}, Shape{"f16", 31, 33, true},
                    Shape{"f16", 6, 2, false}, Shape{"f32", 96, 64, true}));

TEST(WeightEvaluator, CastRoundsToNearestEven) {
  Weights w(R"(
    adze.weight @a from "a" : !adze.weight<1x4, #adze.float<f32>>
    adze.weight @e : !adze.weight<1x4, #adze.float<bf16>> {
      %a = adze.ref @a : !adze.weight<1x4, #adze.float<f32>>
      %e = adze.cast %a : !adze.weight<1x4, #adze.float<f32>>
        -> !adze.weight<1x4, #adze.float<bf16>>
      adze.yield %e : !adze.weight<1x4, #adze.float<bf16>>
    })");
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics << w.error;
  float u = 0x1p-7f; // one step of bf16 above 1
  w.m.add("a", {1, 4}, {1 + u / 2, 1 + 3 * u / 2, -1 - u / 4, 0x1p127f});
  EXPECT_EQ(w.rows("e"), (Matrix{{1, 1 + 2 * u, -1, 0x1p127f}}));
  expectStorageIsRows(w, "e");
}

TEST(WeightEvaluator, CastsOfCastsRoundTwice) {
  Weights w(R"(
    adze.weight @a from "a.{}" x 2 : !adze.weight<1x1, #adze.float<f32>>
    adze.weight @h x 2 : !adze.weight<1x1, #adze.float<bf16>> {
      %a = adze.ref @a : !adze.weight<1x1, #adze.float<f32>>
      %e = adze.cast %a : !adze.weight<1x1, #adze.float<f32>>
        -> !adze.weight<1x1, #adze.float<bf16>>
      adze.yield %e : !adze.weight<1x1, #adze.float<bf16>>
    }
    adze.weight @e x 2 : !adze.weight<1x1, #adze.float<f32>, panels> {
      %a = adze.ref @h : !adze.weight<1x1, #adze.float<bf16>>
      %e = adze.cast %a : !adze.weight<1x1, #adze.float<bf16>>
        -> !adze.weight<1x1, #adze.float<f32>>
      %p = adze.pack %e : !adze.weight<1x1, #adze.float<f32>>
        -> !adze.weight<1x1, #adze.float<f32>, panels>
      adze.yield %p : !adze.weight<1x1, #adze.float<f32>, panels>
    })");
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics << w.error;
  w.m.add("a.0", {1, 1}, {1});
  w.m.add("a.1", {1, 1}, {1.005f});
  EXPECT_EQ(w.rows("e", 0), (Matrix{{1}}));
  EXPECT_EQ(w.rows("e", 1), (Matrix{{1.0078125f}}));
}

TEST(WeightEvaluator, CastThatOverflowsNamesTensorAndRow) {
  Weights w(R"(
    adze.weight @a from "model.a" : !adze.weight<2x2, #adze.float<f32>>
    adze.weight @e : !adze.weight<2x2, #adze.float<f16>> {
      %a = adze.ref @a : !adze.weight<2x2, #adze.float<f32>>
      %e = adze.cast %a : !adze.weight<2x2, #adze.float<f32>>
        -> !adze.weight<2x2, #adze.float<f16>>
      adze.yield %e : !adze.weight<2x2, #adze.float<f16>>
    })");
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics << w.error;
  w.m.add("model.a", {2, 2}, {1, 2, 3, -70000});
  EXPECT_EQ(w.readError("e"), ""); // row 0 is fine
  std::vector<uint8_t> out(8);
  std::string error =
      llvm::toString(w.evaluator->evaluate(w.weight("e"), 0, 0, 1, out.data()));
  EXPECT_NE(error.find("tensor \"model.a\": row 1, column 1"),
            std::string::npos)
      << error;
  EXPECT_NE(error.find("not finite in f16"), std::string::npos) << error;
}

/// Every place of a row of each type is looked at: words of eight bytes, and
/// what is left of them.
TEST(WeightEvaluator, NumbersThatAreNotFiniteAreNamed) {
  struct {
    const char *type;
    std::vector<uint8_t> one, nan, negative;
  } types[] = {
      {"f32", {0, 0, 0x80, 0x3f}, {1, 0, 0x80, 0x7f}, {0, 0, 0x80, 0xff}},
      {"f16", {0, 0x3c}, {1, 0x7c}, {0, 0xfc}},
      {"bf16", {0x80, 0x3f}, {0x81, 0x7f}, {0x80, 0xff}}};
  for (const auto &[type, one, nan, negative] : types) {
    SCOPED_TRACE(type);
    std::string matrix = std::string("!adze.weight<17x7, #adze.float<") + type,
                head = matrix + ">>", packed = matrix + ">, panels>";
    Weights w("adze.weight @a from \"m.a\" : " + head + "\nadze.weight @p : " +
              packed + " {\n%a = adze.ref @a : " + head +
              "\n%p = adze.pack %a : " + head + " -> " + packed +
              "\nadze.yield %p : " + packed + "\n}");
    ASSERT_TRUE(w.evaluator) << w.m.diagnostics << w.error;
    auto errorOf = [&](llvm::StringRef name, size_t place,
                       const std::vector<uint8_t> &element) {
      std::vector<uint8_t> bytes;
      for (size_t i = 0; i < 17 * 7; ++i)
        llvm::append_range(bytes, i == place ? element : one);
      w.m.weights.add("m.a", type, {17, 7}, bytes);
      WeightType made = w.weight(name).getWeightType();
      std::vector<uint8_t> out(size_t(made.getStorageBytes()));
      return llvm::toString(w.evaluator->evaluate(
          w.weight(name), 0, 0, numWeightUnits(made), out.data()));
    };
    auto expected = [&](size_t place, const char *found) {
      return "tensor \"m.a\": row " + std::to_string(place / 7) + ", column " +
             std::to_string(place % 7) + ": expects a finite number in " +
             type + ", got " + found +
             "; the file is damaged, or the model was saved from weights that "
             "are not finite: get it again, or use another one";
    };
    for (const char *name : {"a", "p"}) {
      EXPECT_EQ(errorOf(name, 17 * 7, one), "");
      for (size_t place = 0; place < 17 * 7; ++place) {
        EXPECT_EQ(errorOf(name, place, nan), expected(place, "nan"));
        EXPECT_EQ(errorOf(name, place, negative), expected(place, "-inf"));
      }
    }
    EXPECT_EQ(w.readError("a"), "");
    w.m.weights.add("m.a", type, {17, 7}, [&] {
      std::vector<uint8_t> bytes = nan;
      for (size_t i = 1; i < 17 * 7; ++i)
        llvm::append_range(bytes, one);
      return bytes;
    }());
    EXPECT_EQ(w.readError("a"), expected(0, "nan"));
  }
}

/// The largest numbers are numbers.
TEST(WeightEvaluator, LargestNumbersAreFinite) {
  Weights w("adze.weight @a from \"a\" : !adze.weight<3x2, #adze.float<bf16>>");
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics << w.error;
  std::vector<uint8_t> bytes = {0x7f, 0x7f, 0x7f, 0xff, 0,    0x80,
                                0x01, 0x00, 0xff, 0x7e, 0xff, 0xfe};
  w.m.weights.add("a", "bf16", {3, 2}, bytes);
  EXPECT_EQ(w.bytes("a"), bytes);
}

/// Finite numbers whose sum is none.
TEST(WeightEvaluator, CodesOfWhatOverflowsAreNotMade) {
  Weights w(R"(
    adze.weight @a from "a" : !adze.weight<1x2, #adze.float<f32>>
    adze.weight @e : !adze.weight<1x2, #adze.int<8, group = 16, scale = f32>> {
      %a = adze.ref @a : !adze.weight<1x2, #adze.float<f32>>
      %b = adze.offset %a by 1.7014118346046923e38 : !adze.weight<1x2, #adze.float<f32>>
      %e = adze.cast %b : !adze.weight<1x2, #adze.float<f32>>
        -> !adze.weight<1x2, #adze.int<8, group = 16, scale = f32>>
      adze.yield %e : !adze.weight<1x2, #adze.int<8, group = 16, scale = f32>>
    })");
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics << w.error;
  w.m.add("a", {1, 2}, {1, 0x1p127f});
  EXPECT_EQ(w.readError("e"), "tensor \"a\": row 0, column 1: expects finite "
                              "values for int8:g16:f32, got inf");
}

TEST(WeightEvaluator, ElementsOfVectorsThatAreNotFiniteAreNamed) {
  Weights w(R"(
    adze.weight @a from "a" : !adze.weight<3, #adze.float<f32>>
    adze.weight @e : !adze.weight<3, #adze.float<f32>> {
      %a = adze.ref @a : !adze.weight<3, #adze.float<f32>>
      %e = adze.offset %a by 1.0 : !adze.weight<3, #adze.float<f32>>
      adze.yield %e : !adze.weight<3, #adze.float<f32>>
    }
    adze.weight @m from "m" : !adze.weight<3x2, #adze.float<f32>>
    adze.weight @s : !adze.weight<3x2, #adze.float<f32>> {
      %m = adze.ref @m : !adze.weight<3x2, #adze.float<f32>>
      %s = adze.scale_rows %m by @a : !adze.weight<3x2, #adze.float<f32>>
      adze.yield %s : !adze.weight<3x2, #adze.float<f32>>
    })");
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics << w.error;
  w.m.add("a", {3}, {1, 2, INFINITY});
  std::string why = "tensor \"a\": element 2: expects a finite number in f32, "
                    "got inf; the file is damaged, or the model was saved from "
                    "weights that are not finite: get it again, or use another "
                    "one";
  for (const char *name : {"a", "e"}) {
    std::vector<uint8_t> out(12);
    EXPECT_EQ(llvm::toString(
                  w.evaluator->evaluate(w.weight(name), 0, 0, 1, out.data())),
              why);
  }
  EXPECT_EQ(w.readError("e"), why);
  EXPECT_EQ(w.readError("s"),
            "tensor \"a\": element 2: expects a finite factor");
}

TEST(WeightEvaluator, Vectors) {
  Weights w(R"(
    adze.weight @a from "a" : !adze.weight<3, #adze.float<f16>>
    adze.weight @raw : !adze.weight<3, #adze.float<f16>> {
      %a = adze.ref @a : !adze.weight<3, #adze.float<f16>>
      adze.yield %a : !adze.weight<3, #adze.float<f16>>
    }
    adze.weight @e : !adze.weight<32, #adze.float<f32>> {
      %a = adze.ref @a : !adze.weight<3, #adze.float<f16>>
      %c = adze.cast %a : !adze.weight<3, #adze.float<f16>>
        -> !adze.weight<3, #adze.float<f32>>
      %e = adze.interleave %c, %c : !adze.weight<3, #adze.float<f32>>
        -> !adze.weight<32, #adze.float<f32>>
      adze.yield %e : !adze.weight<32, #adze.float<f32>>
    })");
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics << w.error;
  Matrix a = w.rows("a"), e = w.rows("e");
  for (int64_t i = 0; i < 32; ++i)
    EXPECT_EQ(e[i][0], i % 16 < 3 ? a[i % 16][0] : 0.0f) << i;
  for (const char *name : {"a", "raw", "e"})
    expectStorageIsRows(w, name);
}

/// Any split into ranges, from several threads, gives the bytes of the whole.
TEST(WeightEvaluator, RangesFromThreadsEqualTheWhole) {
  Weights w(expression("bf16", 90, 37, 180,
                       "adze.concat %a, %b : ($in, $in) -> $out", true));
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics << w.error;
  std::vector<uint8_t> whole = w.bytes("e"), parts(whole.size());
  WeightOp weight = w.weight("e");
  WeightType type = weight.getWeightType();
  ASSERT_EQ(numWeightUnits(type), 12);
  std::vector<std::thread> threads;
  std::vector<int> failed(3);
  for (int64_t t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      int64_t begin = t * 4, end = begin + 4;
      failed[t] = bool(w.evaluator->evaluate(
          weight, 0, begin, end, parts.data() + weightUnitOffset(type, begin)));
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(failed, std::vector<int>(3));
  EXPECT_EQ(whole, parts);
}

TEST(WeightEvaluator, MismatchesNameWeightAndTensor) {
  Weights w(R"(
    adze.weight @a from "t" : !adze.weight<2x2, #adze.float<f32>>
    adze.weight @l from "l.{}" x 2 : !adze.weight<2, #adze.float<f32>>)");
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics << w.error;
  w.m.add("t", {4}, {1, 2, 3, 4});
  EXPECT_EQ(w.readError("a"), "tensor \"t\": weight @a expects f32 [2, 2], "
                              "found f32 [4]");
  w.m.weights.add("t", "bf16", {2, 2}, std::vector<uint8_t>(8));
  EXPECT_EQ(w.readError("a"), "tensor \"t\": weight @a expects f32 [2, 2], "
                              "found bf16 [2, 2]");
  w.m.weights.add("t", "f32", {2, 2}, std::vector<uint8_t>(15));
  EXPECT_EQ(w.readError("a"),
            "tensor \"t\": weight @a expects 16 bytes, found 15 bytes");
  EXPECT_EQ(w.readError("l", 2), "weight @l: expected a layer below 2, got 2");
  std::vector<float> out(8);
  EXPECT_EQ(
      llvm::toString(w.evaluator->readRows(w.weight("l"), 0, 1, 2, out.data())),
      "weight @l: expected rows within 0 to 2, got 1 to 3");
}

/// A list of layers reads the tensors of those layers, and expressions of the
/// list those of the layers it names.
TEST(WeightEvaluator, ListsOfLayers) {
  Weights w(R"(
    adze.weight @a from "a.{}" x 4 : !adze.weight<2x3, #adze.float<f32>>
    adze.weight @some from "s.{}" layers [0, 3] : !adze.weight<1x3, #adze.float<f32>>
    adze.weight @both layers [0, 3] : !adze.weight<3x3, #adze.float<f32>> {
      %0 = adze.ref @a : !adze.weight<2x3, #adze.float<f32>>
      %1 = adze.ref @some : !adze.weight<1x3, #adze.float<f32>>
      %2 = adze.concat %0, %1 : (!adze.weight<2x3, #adze.float<f32>>,
        !adze.weight<1x3, #adze.float<f32>>) -> !adze.weight<3x3, #adze.float<f32>>
      adze.yield %2 : !adze.weight<3x3, #adze.float<f32>>
    })");
  ASSERT_TRUE(w.evaluator) << w.error;
  EXPECT_FALSE(bool(w.evaluator->checkSources()));
  for (int64_t layer : {0, 3}) {
    Matrix expected = w.rows("a", layer), some = w.rows("some", layer);
    expected.insert(expected.end(), some.begin(), some.end());
    EXPECT_EQ(w.rows("both", layer), expected) << "layer " << layer;
  }
  EXPECT_NE(w.rows("some", 0), w.rows("some", 3));
  EXPECT_EQ(w.readError("some", 1),
            "weight @some: expected one of the layers 0, 3, got 1");
  EXPECT_EQ(w.readError("both", 4),
            "weight @both: expected one of the layers 0, 3, got 4");
}

TEST(WeightEvaluator, CheckSourcesListsAll) {
  Weights w(R"(
    adze.weight @a from "t" : !adze.weight<2x2, #adze.float<f32>>
    adze.weight @l from "l.{}" x 2 : !adze.weight<2, #adze.float<f32>>)");
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics << w.error;
  EXPECT_EQ(llvm::toString(w.evaluator->checkSources()), "");
  w.m.add("t", {1}, {1});
  w.m.add("l.1", {3}, {1, 2, 3});
  EXPECT_EQ(llvm::toString(w.evaluator->checkSources()),
            "tensor \"l.1\": weight @l expects f32 [2], found f32 [3]\n"
            "tensor \"t\": weight @a expects f32 [2, 2], found f32 [1]");
}

TEST(WeightEvaluator, UnknownExpressionIsNamed) {
  Weights w(R"(
    adze.weight @a from "a" : !adze.weight<2x2, #adze.float<f32>>
    adze.weight @e : !adze.weight<2x2, #adze.float<f32>> {
      %a = adze.ref @a : !adze.weight<2x2, #adze.float<f32>>
      %e = "plugin.scramble"(%a) : (!adze.weight<2x2, #adze.float<f32>>)
        -> !adze.weight<2x2, #adze.float<f32>>
      adze.yield %e : !adze.weight<2x2, #adze.float<f32>>
    })");
  EXPECT_EQ(w.error, "weight @e: 'plugin.scramble' is not a weight expression "
                     "that can be evaluated");
}

TEST(WeightEvaluator, CyclesAreRefused) {
  Weights w(R"(
    adze.weight @a : !adze.weight<2, #adze.float<f32>> {
      %0 = adze.ref @b : !adze.weight<2, #adze.float<f32>>
      adze.yield %0 : !adze.weight<2, #adze.float<f32>>
    }
    adze.weight @b : !adze.weight<2, #adze.float<f32>> {
      %0 = adze.ref @a : !adze.weight<2, #adze.float<f32>>
      adze.yield %0 : !adze.weight<2, #adze.float<f32>>
    })");
  EXPECT_NE(w.error.find("depends on itself"), std::string::npos) << w.error;
}

TEST(WeightEvaluator, PartsAreBounded) {
  std::string parts = "%0", types = "!adze.weight<2x2, #adze.float<f32>>";
  for (int i = 1; i < 5000; ++i) {
    parts += ", %0";
    types += ", !adze.weight<2x2, #adze.float<f32>>";
  }
  Weights w(R"(
    adze.weight @a from "a" : !adze.weight<2x2, #adze.float<f32>>
    adze.weight @b : !adze.weight<10000x2, #adze.float<f32>> {
      %0 = adze.ref @a : !adze.weight<2x2, #adze.float<f32>>
      %1 = adze.concat )" +
            parts + " : (" + types + R"()
        -> !adze.weight<10000x2, #adze.float<f32>>
      adze.yield %1 : !adze.weight<10000x2, #adze.float<f32>>
    })");
  EXPECT_EQ(w.error, "weight @b: expected an expression of at most 4096 parts");
}

TEST(WeightEvaluator, OtherModulesAreRefused) {
  constexpr const char *text = R"(
    adze.weight @a from "a" : !adze.weight<2, #adze.float<f32>>)";
  Weights w(text), other(text);
  ASSERT_EQ(w.error + other.error, "");
  float out[2];
  EXPECT_EQ(
      llvm::toString(w.evaluator->readRows(other.weight("a"), 0, 0, 1, out)),
      "weight @a is not a weight of the evaluated module");
}

} // namespace
