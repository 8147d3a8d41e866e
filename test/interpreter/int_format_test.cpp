// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// #adze.int: rows and panels against loops written from the description of the
// format, the error of the scale search against a search over many scales, and
// casts to it through the evaluator.

#include "TestModule.h"
#include "adze/Dialect/Adze/FormatName.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/MathExtras.h"

using namespace adze;
using namespace adze::test;

namespace {

struct FormatTest : testing::Test {
  FormatTest() { context.loadDialect<AdzeDialect>(); }

  IntFormatAttr format(llvm::StringRef name) {
    auto parsed = parseFormatName(name, &context);
    if (!parsed) {
      ADD_FAILURE() << llvm::toString(parsed.takeError());
      return {};
    }
    return mlir::cast<IntFormatAttr>(mlir::Attribute(*parsed));
  }

  std::string problem(llvm::StringRef name) {
    auto parsed = parseFormatName(name, &context);
    return parsed ? "none" : llvm::toString(parsed.takeError());
  }

  mlir::MLIRContext context;
};

const char *const kNames[] = {
    "int8",         "int8:f16",         "int8:bf16:zp",    "int8:g32",
    "int8:g16:f32", "int8:g128:f16:zp", "int4:g128",       "int4:g32",
    "int4:g64",     "int4:g32:f16",     "int4:g32:f32:zp", "int4:g128:zp",
    "int4:g0",      "int4:g0:f32:zp",   "int4:g24:f16:zp", "int4:g16",
    "int3:g128",    "int3:g32:f32:zp",  "int3:g0",
};

std::vector<float> randomValues(int64_t n, uint64_t seed, bool heavy = false) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::student_t_distribution<float> student(4);
  std::vector<float> values(n);
  for (float &value : values)
    value = 0.02f * (heavy ? student(random) : normal(random));
  return values;
}

float scaleAt(IntFormatAttr format, const uint8_t *from) {
  float value = 0;
  if (format.getScaleType().isF32()) {
    std::memcpy(&value, from, 4);
    return value;
  }
  uint16_t half;
  std::memcpy(&half, from, 2);
  if (format.getScaleType().isBF16())
    return llvm::bit_cast<float>(uint32_t(half) << 16);
  int exponent = half >> 10 & 31, fraction = half & 1023;
  value = exponent ? std::ldexp(1024.0f + fraction, exponent - 25)
                   : std::ldexp(float(fraction), -24);
  return half & 0x8000 ? -value : value;
}

/// The format's description, literally: element k of a row.
float rowElement(IntFormatAttr format, llvm::ArrayRef<uint8_t> row,
                 int64_t cols, int64_t k) {
  int64_t bits = format.getBits();
  int64_t group = format.getGroupSize() ? format.getGroupSize() : cols;
  int64_t groups = llvm::divideCeil(cols, group), g = k / group;
  int64_t codeBytes = bits == 8 ? cols : llvm::divideCeil(cols, 2);
  int64_t scaleBytes = format.getScaleType().getIntOrFloatBitWidth() / 8;
  int code = bits == 8 ? row[k] : row[k / 2] >> (k % 2 * 4) & 15;
  int zero = format.getZeros() ? row[codeBytes + groups * scaleBytes + g]
                               : 1 << (bits - 1);
  return scaleAt(format, row.data() + codeBytes + g * scaleBytes) *
         float(code - zero);
}

/// The same for a panel.
float panelElement(IntFormatAttr format, llvm::ArrayRef<uint8_t> panel,
                   int64_t cols, int64_t row, int64_t k) {
  int64_t bits = format.getBits();
  int64_t group = format.getGroupSize() ? format.getGroupSize() : cols;
  int64_t groups = llvm::divideCeil(cols, group), g = k / group;
  int64_t scales = llvm::divideCeil(cols, 8) * 16 * (bits == 8 ? 8 : 4);
  int64_t scaleBytes = format.getScaleType().getIntOrFloatBitWidth() / 8;
  int64_t zeros = scales + llvm::alignTo(groups * 16 * scaleBytes, 64);
  int code;
  if (bits == 8)
    code = panel[k / 4 * 64 + row * 4 + k % 4];
  else
    code = panel[k / 8 * 64 + row * 4 + k % 4] >> (k % 8 < 4 ? 0 : 4) & 15;
  int zero = format.getZeros() ? panel[zeros + g * 16 + row] : 1 << (bits - 1);
  return scaleAt(format, panel.data() + scales + (g * 16 + row) * scaleBytes) *
         float(code - zero);
}

TEST_F(FormatTest, NamesRoundTrip) {
  for (const char *name : kNames)
    EXPECT_EQ(format(name).getFormatName(), name);
  EXPECT_EQ(format("int4").getFormatName(), "int4:g128");
  EXPECT_EQ(format("int4:bf16:g128").getFormatName(), "int4:g128");
  EXPECT_EQ(format("int8:g0:f32").getFormatName(), "int8");
  EXPECT_EQ(format("int4:zp:f16").getFormatName(), "int4:g128:f16:zp");
  EXPECT_EQ(format("int3").getFormatName(), "int3:g128");
}

TEST_F(FormatTest, NamesThatAreNone) {
  const char *accepted = "expects a format to be one of f32, f16, bf16, "
                         "int8[:gN], int4[:gN], int3[:gN] (then :f32, :f16 or "
                         ":bf16 for the scales, :zp for zero points), got \"";
  for (const char *name :
       {"", "int5", "int2", "int3 ", "f64", "int", "INT8", "int8 "})
    EXPECT_EQ(problem(name), accepted + std::string(name) + "\"");
  EXPECT_EQ(problem("int4:g20"),
            "format \"int4:g20\": expects a group of 0 (the whole row) or a "
            "multiple of 8 from 16 to 1048576, got 20");
  EXPECT_EQ(problem("int8:g8"),
            "format \"int8:g8\": expects a group of 0 (the whole row) or a "
            "multiple of 8 from 16 to 1048576, got 8");
  for (const char *part : {"f64", "g32", "zp", "g", "gx", "g-8", ""}) {
    std::string name = std::string("int4:g64:f32:zp:") + part;
    EXPECT_EQ(problem(name), "format \"" + name +
                                 "\": expects each of gN, f32, f16 or bf16, "
                                 "and zp at most once, got \"" +
                                 part + "\"");
  }
}

/// Every element of the row is read as described, and lies within half a step
/// of its value unless it was clipped.
TEST_F(FormatTest, RowsAreAsDescribed) {
  std::mt19937_64 random(3);
  for (const char *name : kNames)
    for (int trial = 0; trial < 40; ++trial) {
      IntFormatAttr f = format(name);
      int64_t cols = trial < 20 ? trial + 1 : 1 + random() % 700;
      std::vector<float> values = randomValues(cols, random(), trial % 2);
      std::vector<uint8_t> row(f.getRowBytes(cols), 0xcd);
      std::vector<float> decoded(cols);
      f.encodeRow(values, row);
      f.decodeRow(row, decoded);
      double error = 0, power = 0;
      for (int64_t k = 0; k < cols; ++k) {
        ASSERT_EQ(decoded[k], rowElement(f, row, cols, k))
            << name << " columns " << cols << " k " << k;
        error += std::pow(double(values[k]) - decoded[k], 2);
        power += std::pow(values[k], 2);
      }
      // int4 of heavy tails in a group of hundreds is the worst of them.
      EXPECT_LE(std::sqrt(error / power), f.getBits() == 8 ? 0.05 : 0.5)
          << name << " columns " << cols;
    }
}

TEST_F(FormatTest, PanelsHoldTheRows) {
  std::mt19937_64 random(5);
  for (const char *name : kNames)
    for (int trial = 0; trial < 40; ++trial) {
      IntFormatAttr f = format(name);
      int64_t cols = trial < 20 ? trial + 1 : 1 + random() % 700;
      std::vector<std::vector<uint8_t>> rows(16);
      std::vector<const uint8_t *> pointers(16);
      for (int64_t r = 0; r < 16; ++r) {
        if (trial % 3 && random() % 4 == 0)
          continue; // a row of padding
        // One byte further: rows of a file are not aligned.
        rows[r].resize(f.getRowBytes(cols) + 1);
        f.encodeRow(randomValues(cols, random(), r % 2),
                    llvm::MutableArrayRef(rows[r]).drop_front());
        pointers[r] = rows[r].data() + 1;
      }
      int64_t bytes = f.getPanelBytes(cols);
      ASSERT_EQ(bytes % 64, 0);
      std::vector<uint8_t> panel(bytes, 0xcd);
      f.packPanel(pointers, cols, panel);
      for (int64_t r = 0; r < 16; ++r)
        for (int64_t k = 0; k < cols; ++k) {
          float expected =
              pointers[r]
                  ? rowElement(f, {pointers[r], rows[r].size() - 1}, cols, k)
                  : 0.0f;
          ASSERT_EQ(panelElement(f, panel, cols, r, k), expected)
              << name << " columns " << cols << " row " << r << " k " << k;
          ASSERT_EQ(f.decodePanel(panel, cols, r, k), expected);
        }
      // Codes beyond K stand for zero.
      for (int64_t k = cols; k < int64_t(llvm::alignTo(cols, 8)); ++k)
        for (int64_t r = 0; r < 16; ++r) {
          int code = f.getBits() == 8 ? panel[k / 4 * 64 + r * 4 + k % 4]
                                      : panel[k / 8 * 64 + r * 4 + k % 4] >>
                                                (k % 8 < 4 ? 0 : 4) &
                                            15;
          ASSERT_EQ(code, f.getZeroCode()) << name << " k " << k;
        }
    }
}

/// The search stays close to the best of 1000 scales (times all zero points),
/// with each scale rounded as the format stores it.
TEST_F(FormatTest, ScalesAreNearlyTheBest) {
  for (const char *name :
       {"int4:g128", "int4:g32:f16", "int4:g64:f32:zp", "int8:f32",
        "int8:g64:f16", "int3:g128", "int3:g32:zp"})
    for (bool heavy : {false, true}) {
      IntFormatAttr f = format(name);
      int64_t n = f.getGroupSize() ? f.getGroupSize() : 256;
      int half = f.getZeroCode(), most = f.getMaxCode();
      double ours = 0, best = 0, simple = 0;
      for (uint64_t seed = 0; seed < 20; ++seed) {
        std::vector<float> x = randomValues(n, seed, heavy), decoded(n);
        std::vector<uint8_t> row(f.getRowBytes(n));
        f.encodeRow(x, row);
        f.decodeRow(row, decoded);
        for (int64_t k = 0; k < n; ++k)
          ours += std::pow(double(x[k]) - decoded[k], 2);
        float low = 0, high = 0;
        for (float v : x) {
          low = std::min(low, v);
          high = std::max(high, v);
        }
        auto errorOf = [&](double scale, int zero) {
          double sum = 0;
          for (float v : x) {
            double code = std::nearbyint(v / scale) + zero;
            code = std::min(std::max(code, 0.0), double(most));
            sum += std::pow(v - scale * (code - zero), 2);
          }
          return sum;
        };
        double largest = std::max(high, -low);
        double widest =
            f.getZeros() ? double(high - low) / most : largest / half;
        simple += f.getZeros() ? errorOf(widest, std::lround(-low / widest))
                               : errorOf(largest / (half - 1), half);
        double least = HUGE_VAL;
        for (int i = 0; i < 1000; ++i) {
          double scale = widest * (0.3 + 0.0009 * i);
          if (f.getZeros())
            for (int zero = 0; zero <= most; ++zero)
              least = std::min(least, errorOf(scale, zero));
          else
            least =
                std::min({least, errorOf(scale, half), errorOf(-scale, half)});
        }
        best += least;
      }
      EXPECT_LE(ours, best * 1.1) << name << " heavy " << heavy;
      EXPECT_LT(ours, simple) << name << " heavy " << heavy;
    }
}

/// The search has code for AVX-512, AVX2 and neither; on each machine it must
/// give the bytes it gives on all others.
TEST_F(FormatTest, BytesAreTheSameOnEveryMachine) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char *name : kNames) {
    IntFormatAttr f = format(name);
    std::mt19937 random(1);
    for (int64_t cols = 1; cols < 400; cols += 7) {
      std::vector<float> values(cols);
      for (float &v : values) { // a product: more of them are small
        float factor = float(random() >> 8);
        v = float(int32_t(random())) * factor * 0x1p-60f;
      }
      std::vector<uint8_t> row(f.getRowBytes(cols));
      f.encodeRow(values, row);
      for (uint8_t byte : row)
        hash = (hash ^ byte) * 0x100000001b3;
    }
  }
  EXPECT_EQ(hash, 7307311643181152972u);
}

TEST_F(FormatTest, ExtremeValues) {
  for (const char *name : kNames) {
    IntFormatAttr f = format(name);
    int64_t cols = 40;
    std::vector<uint8_t> row(f.getRowBytes(cols));
    std::vector<float> decoded(cols);
    // Zeros, and what is too small to be a weight, become zeros.
    for (float tiny : {0.0f, -0.0f, 1e-40f, -1e-38f}) {
      f.encodeRow(std::vector<float>(cols, tiny), row);
      f.decodeRow(row, decoded);
      for (float v : decoded)
        EXPECT_EQ(v, 0) << name << " " << tiny;
    }
    // One sign only, one element only.
    for (float v : {1.0f, -1.0f, 3e-4f, -1000.0f}) {
      std::vector<float> values(cols, v);
      values[3] = 0;
      f.encodeRow(values, row);
      f.decodeRow(row, decoded);
      for (int64_t k = 0; k < cols; ++k)
        EXPECT_NEAR(decoded[k], values[k], std::fabs(v) * 0.01)
            << name << " " << v << " " << k;
    }
    // Too large for an f16 scale: not finite, so that the evaluator says it.
    f.encodeRow(std::vector<float>(cols, 3e38f), row);
    f.decodeRow(row, decoded);
    if (f.getScaleType().isF16())
      EXPECT_FALSE(std::isfinite(decoded[0])) << name;
    else
      EXPECT_NEAR(decoded[0], 3e38f, 3e36f) << name;
  }
}

std::string castText(llvm::StringRef format, int64_t rows, int64_t cols,
                     bool panels) {
  std::string shape = std::to_string(rows) + "x" + std::to_string(cols) + ", ";
  std::string from = "!adze.weight<" + shape + "#adze.float<f32>>";
  std::string to = "!adze.weight<" + shape + format.str() + ">";
  std::string last =
      "!adze.weight<" + shape + format.str() + (panels ? ", panels>" : ">");
  std::string text = "adze.weight @a from \"m.a\" : " + from +
                     "\nadze.weight @e : " + last +
                     " {\n%a = adze.ref @a : " + from +
                     "\n%c = adze.cast %a : " + from + " -> " + to + "\n";
  if (panels)
    text += "%p = adze.pack %c : " + to + " -> " + last + "\n";
  return text + "adze.yield " + (panels ? "%p" : "%c") + " : " + last + "\n}";
}

/// A cast stores what encodeRow gives, once, and reads it back.
TEST_F(FormatTest, CastsThroughTheEvaluator) {
  for (const char *name :
       {"#adze.int<8, scale = f32>", "#adze.int<4, group = 32, scale = bf16>",
        "#adze.int<4, group = 16, scale = f16, zeros>"})
    for (bool panels : {false, true}) {
      int64_t rows = 37, cols = 101;
      TestModule m(castText(name, rows, cols, panels));
      ASSERT_TRUE(m) << m.diagnostics;
      std::vector<float> values = randomValues(rows * cols, 9);
      m.add("m.a", {rows, cols}, values);
      auto evaluator = WeightEvaluator::create(m.get(), m.weights);
      ASSERT_TRUE(bool(evaluator));
      auto weight = m.get().lookupSymbol<WeightOp>("e");
      WeightType type = weight.getWeightType();
      FormatAttrInterface f = type.getFormat();
      std::vector<uint8_t> stored(type.getStorageBytes());
      ASSERT_FALSE(bool(
          (*evaluator)
              ->evaluate(weight, 0, 0, numWeightUnits(type), stored.data())));
      std::vector<float> read(cols), expected(cols);
      std::vector<uint8_t> row(f.getRowBytes(cols));
      for (int64_t r = 0; r < rows; ++r) {
        ASSERT_FALSE(
            bool((*evaluator)->readRows(weight, 0, r, 1, read.data())));
        llvm::ArrayRef<float> source(values);
        f.encodeRow(source.slice(r * cols, cols), row);
        f.decodeRow(row, expected);
        EXPECT_EQ(read, expected) << name << " row " << r;
        llvm::ArrayRef<uint8_t> bytes(stored);
        for (int64_t k = 0; panels && k < cols; ++k)
          ASSERT_EQ(f.decodePanel(bytes.slice(r / 16 * f.getPanelBytes(cols),
                                              f.getPanelBytes(cols)),
                                  cols, r % 16, k),
                    expected[k]);
        if (!panels)
          EXPECT_EQ(bytes.slice(r * row.size(), row.size()),
                    llvm::ArrayRef<uint8_t>(row));
      }
    }
}

TEST_F(FormatTest, ValuesThatCannotBeStoredAreNamed) {
  TestModule m(castText("#adze.int<8, group = 16, scale = f16>", 2, 33, true));
  ASSERT_TRUE(m) << m.diagnostics;
  auto evaluator = WeightEvaluator::create(m.get(), m.weights);
  ASSERT_TRUE(bool(evaluator));
  auto weight = m.get().lookupSymbol<WeightOp>("e");
  auto errorWith = [&](float value) {
    std::vector<float> values(66, 1.0f);
    values[33 + 20] = value;
    m.add("m.a", {2, 33}, values);
    std::vector<uint8_t> out(weight.getWeightType().getStorageBytes());
    return llvm::toString((*evaluator)->evaluate(weight, 0, 0, 1, out.data()));
  };
  EXPECT_EQ(errorWith(2.0f), "");
  EXPECT_EQ(
      errorWith(-INFINITY),
      "tensor \"m.a\": row 1, column 20: expects a finite number in f32, "
      "got -inf; the file is damaged, or the model was saved from weights "
      "that are not finite: get it again, or use another one");
  std::string error = errorWith(1e30f);
  EXPECT_NE(error.find("tensor \"m.a\": row 1, column 16: 1.000000 is not "
                       "finite in int8:g16:f16; keep this weight in f32"),
            std::string::npos)
      << error;
}

/// A module with weights of codes runs in the interpreter: what it computes is
/// what float weights of the decoded values give.
TEST_F(FormatTest, InterpreterReadsCodes) {
  auto text = [](const std::string &format) {
    return "adze.weight @t from \"t\" : !adze.weight<24x40, " + format +
           ">\nadze.weight @w from \"w\" : !adze.weight<33x40, " + format +
           R"mlir(>
      func.func @f(%ids: tensor<?xi32>) -> tensor<?x33xf32> {
        %x = adze.embed %ids, @t : tensor<?xi32> -> tensor<?x40xf32>
        %y = adze.linear %x, @w : (tensor<?x40xf32>) -> tensor<?x33xf32>
        return %y : tensor<?x33xf32>
      })mlir";
  };
  std::vector<HostTensor> ids{HostTensor::ofInts({5}, {0, 23, 7, 7, 16})};
  for (const char *name :
       {"#adze.int<8, scale = f32>", "#adze.int<4, group = 16, scale = bf16>",
        "#adze.int<4, group = 32, scale = f16, zeros>"}) {
    TestModule codes(text(name)), floats(text("#adze.float<f32>"));
    ASSERT_TRUE(codes && floats) << codes.diagnostics;
    auto weight = codes.get().lookupSymbol<WeightOp>("w");
    FormatAttrInterface f = weight.getWeightType().getFormat();
    for (auto [tensor, rows] : {std::pair("t", 24), std::pair("w", 33)}) {
      std::vector<uint8_t> bytes = encode(f, randomValues(rows * 40, rows), 40);
      std::vector<float> decoded(rows * 40);
      for (int64_t r = 0; r < rows; ++r)
        f.decodeRow(llvm::ArrayRef(bytes).slice(r * f.getRowBytes(40),
                                                f.getRowBytes(40)),
                    llvm::MutableArrayRef(decoded).slice(r * 40, 40));
      codes.weights.add(tensor, f.getFormatName(), {rows, 40}, bytes);
      floats.add(tensor, {rows, 40}, decoded);
    }
    auto got = codes.run(ids), expected = floats.run(ids);
    ASSERT_TRUE(got.size() == 1 && expected.size() == 1) << codes.diagnostics;
    EXPECT_EQ(got[0].floats, expected[0].floats) << name;
  }
}

} // namespace
