// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Masks against those of an independent float64 implementation
// (test/scripts/compress/prune_reference.py) and of torch.nn.utils.prune,
// sweeps that prune and round at once, zeros that later rounding keeps, and
// rules that cannot be read.

#include "SweepCase.h"
#include "adze/Dialect/Adze/FormatName.h"
#include "adze/Transforms/SparseProjection.h"
#include "mlir/IR/MLIRContext.h"
#include <cmath>

using namespace adze;
using namespace adze::testing;
namespace json = llvm::json;

namespace {

struct Case : SweepCase {
  explicit Case(const json::Object &object) : SweepCase(object) {
    method = *object.getString("method");
    if (auto keep = object.getInteger("keep")) {
      zeros.kind = ZerosKind::NofM;
      zeros.keep = *keep;
      zeros.of = *object.getInteger("of");
      zeros.amount = double(zeros.of - zeros.keep) / double(zeros.of);
    } else {
      zeros.amount = number("amount");
    }
    if (const json::Array *block = object.getArray("block")) {
      zeros.kind = ZerosKind::Blocks;
      zeros.blockRows = *(*block)[0].getAsInteger();
      zeros.blockColumns = *(*block)[1].getAsInteger();
    }
  }

  bool hasCodes() const { return object.get("bits"); }
  bool isZero(int64_t row, int64_t column) const {
    return (*(*object.getArray("mask"))[size_t(row)]
                 .getAsString())[size_t(column)] == '1';
  }
  std::string text() const {
    std::string text;
    json::Object shown(object);
    for (const char *key : {"mask", "codes", "scales", "zero_codes"})
      shown.erase(key);
    llvm::raw_string_ostream(text) << json::Value(std::move(shown));
    return text;
  }
  InverseFactor factor() const {
    auto made = InverseFactor::make(gram, columns, {number("damping"), false});
    EXPECT_TRUE(bool(made)) << llvm::toString(made.takeError());
    return std::move(*made);
  }

  llvm::StringRef method;
  ZerosPattern zeros;
};

class PruneTest : public ::testing::Test {
protected:
  void SetUp() override {
    context.loadDialect<AdzeDialect>();
    references = readReferences("prune.json");
    ASSERT_TRUE(references.has_value());
    for (const json::Value &value : *references->getAsArray())
      cases.emplace_back(*value.getAsObject());
    ASSERT_GE(cases.size(), 40u);
  }

  mlir::MLIRContext context;
  std::optional<json::Value> references;
  std::vector<Case> cases;
};

/// What the sweep makes of a case's weight.
struct Swept {
  std::vector<float> w;
  std::vector<uint8_t> mask, codes;
  std::vector<CodeScale> scales; // of all rows
};

Swept sweepOf(const Case &test, mlir::MLIRContext &context,
              SweepPrecision precision, ParallelFor parallel = inOrder) {
  InverseFactor factor = test.factor();
  std::optional<IntProjection> codes;
  if (test.hasCodes())
    codes.emplace(test.format(context), test.rows, factor.order());
  SparseProjection projection(test.zeros, test.rows, test.columns,
                              codes ? &*codes : nullptr);
  Swept result{test.w, {}, {}, {}};
  projection.prepare(factor, result.w, parallel);
  sweep(factor, result.w, projection, precision, parallel);
  for (int64_t row = 0; row < test.rows; ++row) {
    llvm::append_range(result.mask, projection.mask(row));
    if (!codes)
      continue;
    llvm::append_range(result.codes, codes->codes(row));
    llvm::append_range(result.scales, codes->scales(row));
  }
  return result;
}

TEST_F(PruneTest, MasksOfMagnitudeAndWandaAreThoseOfTheReference) {
  int tested = 0;
  for (const Case &test : cases) {
    if (test.method == "sparsegpt")
      continue;
    SCOPED_TRACE(test.text());
    ++tested;
    std::vector<double> norms;
    if (test.method == "wanda")
      for (int64_t i = 0; i < test.columns; ++i)
        norms.push_back(
            std::sqrt(double(test.gram[size_t(i * test.columns + i)])));
    std::vector<uint8_t> mask = chooseMask(
        test.zeros, test.w, test.columns, norms,
        norms.empty() ? ComparedWith::Tensor : ComparedWith::Row, inThreads);
    std::vector<float> after = test.w;
    for (int64_t r = 0; r < test.rows; ++r)
      for (int64_t i = 0; i < test.columns; ++i) {
        size_t at = size_t(r * test.columns + i);
        EXPECT_EQ(mask[at] != 0, test.isZero(r, i)) << r << ", " << i;
        if (mask[at])
          after[at] = 0;
      }
    EXPECT_NEAR(test.errorOf(after), test.number("error"),
                1e-5 * test.number("energy"));
  }
  EXPECT_GE(tested, 18);
}

TEST_F(PruneTest, SweepsInDoubleAreThoseOfTheReference) {
  int tested = 0;
  for (const Case &test : cases) {
    if (test.method != "sparsegpt")
      continue;
    SCOPED_TRACE(test.text());
    ++tested;
    Swept result = sweepOf(test, context, SweepPrecision::Double);
    for (int64_t r = 0; r < test.rows; ++r)
      for (int64_t i = 0; i < test.columns; ++i) {
        size_t at = size_t(r * test.columns + i);
        EXPECT_EQ(result.mask[at] != 0, test.isZero(r, i)) << r << ", " << i;
        if (result.mask[at]) {
          EXPECT_EQ(result.w[at], 0);
        }
        if (test.hasCodes()) {
          EXPECT_EQ(result.codes[at], test.code(r, i)) << r << ", " << i;
        }
      }
    size_t groups = result.scales.size() / size_t(test.rows);
    for (auto [i, scale] : llvm::enumerate(result.scales)) {
      EXPECT_EQ(double(scale.scale),
                test.scale(int64_t(i / groups), i % groups));
      EXPECT_EQ(scale.zero, test.zero(int64_t(i / groups), i % groups));
    }
    double error = test.number("error");
    EXPECT_NEAR(test.errorOf(result.w), error,
                1e-5 * error + 1e-9 * test.number("energy"));
  }
  EXPECT_GE(tested, 20);
}

TEST_F(PruneTest, TheFastPathDiffersInOneOfAThousand) {
  int64_t elements = 0, different = 0, codes = 0, differentCodes = 0;
  for (const Case &test : cases) {
    if (test.method != "sparsegpt")
      continue;
    SCOPED_TRACE(test.text());
    Swept result = sweepOf(test, context, SweepPrecision::Fast);
    for (int64_t r = 0; r < test.rows; ++r)
      for (int64_t i = 0; i < test.columns; ++i) {
        size_t at = size_t(r * test.columns + i);
        bool isOther = (result.mask[at] != 0) != test.isZero(r, i);
        different += isOther;
        ++elements;
        if (test.hasCodes() && !isOther) {
          int64_t step = std::abs(result.codes[at] - test.code(r, i));
          EXPECT_LE(step, 1);
          differentCodes += step != 0;
          ++codes;
        }
      }
    double error = test.number("error");
    EXPECT_NEAR(test.errorOf(result.w), error,
                1e-3 * error + 1e-6 * test.number("energy"));
  }
  EXPECT_LE(different * 1000, elements);
  EXPECT_LE(differentCodes * 1000, codes);
}

TEST_F(PruneTest, ThreadsChangeNothing) {
  int tested = 0;
  for (const Case &test : cases) {
    if (test.method != "sparsegpt" || test.rows < 128)
      continue;
    ++tested;
    Swept one = sweepOf(test, context, SweepPrecision::Fast),
          more = sweepOf(test, context, SweepPrecision::Fast, inThreads);
    EXPECT_EQ(one.w, more.w);
    EXPECT_EQ(one.mask, more.mask);
  }
  EXPECT_GE(tested, 1);
}

TEST_F(PruneTest, WhatIsZeroStaysSo) {
  const Case &test = cases.front();
  Case zeroed = test;
  for (size_t i = 0; i < zeroed.w.size(); i += 3)
    zeroed.w[i] = 0;
  zeroed.zeros = {"0.5", ZerosKind::Anywhere, 0.5, 0, 0, 1, 1};
  Swept result = sweepOf(zeroed, context, SweepPrecision::Double);
  int64_t count = 0;
  for (size_t i = 0; i < zeroed.w.size(); ++i) {
    if (i % 3 == 0) {
      EXPECT_EQ(result.w[i], 0) << i;
    }
    count += result.w[i] == 0;
  }
  // They count: no more than half is gone.
  EXPECT_EQ(count, int64_t(zeroed.w.size()) / 2);
}

/// Of so many in a hundred values, zeros.
static std::vector<float> withZeros(llvm::ArrayRef<float> values, size_t part) {
  std::vector<float> w(values);
  for (size_t i = 0; i < w.size(); ++i)
    if (i * 37 % 100 < part)
      w[i] = 0;
  return w;
}

TEST_F(PruneTest, RoundingKeepsZeros) {
  const Case &test = cases.front();
  for (size_t part : {1, 5, 60})
    for (llvm::StringRef name : {"int4:g32", "int4:g16:zp", "int8"})
      for (bool actOrder : {false, true}) {
        SCOPED_TRACE(name.str() + ", " + std::to_string(part) + " %");
        std::vector<float> w = withZeros(test.w, part);
        auto format = parseFormatName(name, &context);
        ASSERT_TRUE(bool(format)) << llvm::toString(format.takeError());
        auto integer = llvm::cast<IntFormatAttr>(mlir::Attribute(*format));
        auto factor =
            InverseFactor::make(test.gram, test.columns, {0.01, actOrder});
        ASSERT_TRUE(bool(factor)) << llvm::toString(factor.takeError());
        IntProjection projection(integer, test.rows, factor->order());
        projection.prepare(w, inOrder);
        std::vector<float> after = w;
        sweep(*factor, after, projection, SweepPrecision::Fast, inOrder);
        // As the rows are read again, and by plain rounding.
        size_t k = size_t(test.columns);
        std::vector<uint8_t> row(size_t(integer.getRowBytes(test.columns)));
        std::vector<float> decoded(k), plain(k);
        for (int64_t r = 0; r < test.rows; ++r) {
          projection.storeRow(r, row);
          integer.decodeRow(row, decoded);
          llvm::ArrayRef<float> values(w.data() + size_t(r) * k, k);
          integer.encodeRow(values, row);
          integer.decodeRow(row, plain);
          for (size_t i = 0; i < k; ++i)
            if (values[i] == 0) {
              EXPECT_EQ(decoded[i], 0) << r << ", " << i;
              EXPECT_EQ(plain[i], 0) << r << ", " << i;
            }
        }
      }
}

TEST_F(PruneTest, MasksAreThoseOfTorch) {
  std::optional<json::Value> masks = readReferences("torch_masks.json");
  ASSERT_TRUE(masks.has_value());
  int tested = 0;
  for (const json::Value &value : *masks->getAsArray()) {
    const json::Object &object = *value.getAsObject();
    int64_t rows = *object.getInteger("rows"),
            columns = *object.getInteger("columns");
    ZerosPattern zeros;
    zeros.amount = *object.getNumber("amount");
    SCOPED_TRACE(std::to_string(rows) + "x" + std::to_string(columns) + " " +
                 std::to_string(zeros.amount));
    std::vector<float> w;
    for (int64_t i = 0; i < rows * columns; ++i)
      w.push_back((float(i * 7919 % 10007 - 5003) + 0.25f) / 1024);
    std::vector<uint8_t> mask =
        chooseMask(zeros, w, columns, {}, ComparedWith::Tensor, inOrder);
    for (int64_t i = 0; i < rows * columns; ++i)
      EXPECT_EQ(mask[size_t(i)] != 0,
                (*(*object.getArray("mask"))[size_t(i / columns)]
                      .getAsString())[size_t(i % columns)] == '1')
          << i;
    ++tested;
  }
  EXPECT_EQ(tested, 32);
}

TEST(PruneMaskTest, AmongEqualScoresTheFirstGo) {
  std::vector<float> w(12, 0.5f);
  w[2] = -0.25f;
  ZerosPattern zeros;
  zeros.amount = 0.5;
  EXPECT_EQ(chooseMask(zeros, w, 4, {}, ComparedWith::Tensor, inOrder),
            (std::vector<uint8_t>{1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0}));
  zeros.amount = 0.25;
  EXPECT_EQ(chooseMask(zeros, w, 4, {}, ComparedWith::Row, inOrder),
            (std::vector<uint8_t>{0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0}));
}

TEST(PruneMaskTest, GroupsOfCodesThatHoldNoWholeGroups) {
  mlir::MLIRContext context;
  context.loadDialect<AdzeDialect>();
  auto format = IntFormatAttr::get(&context, 4, 16,
                                   mlir::BFloat16Type::get(&context), false);
  std::vector<int32_t> order(96);
  std::iota(order.begin(), order.end(), 0);
  IntProjection codes(format, 1, order);
  for (auto [text, can] :
       {std::pair("2:4", true), {"1:3", false}, {"0.5", true}}) {
    auto zeros = parseZerosPattern(text);
    ASSERT_TRUE(bool(zeros));
    EXPECT_EQ(SparseProjection::canShare(*zeros, codes), can) << text;
  }
}

std::string problem(llvm::StringRef rules) {
  auto parsed = parsePruneRules(rules);
  return parsed ? "" : llvm::toString(parsed.takeError());
}

TEST(PruneRulesTest, Rules) {
  auto rules = parsePruneRules("*down_proj=0,lm_head=0.25:4x8,*=2:4");
  ASSERT_TRUE(bool(rules)) << llvm::toString(rules.takeError());
  ASSERT_EQ(rules->size(), 3u);
  EXPECT_EQ((*rules)[0].zeros.amount, 0);
  EXPECT_TRUE((*rules)[0].matches("model.layers.3.mlp.down_proj.weight"));
  EXPECT_TRUE(
      (*rules)[0].matches("model.layers.3.mlp.down_proj.pruned.weight"));
  EXPECT_FALSE((*rules)[0].matches("model.layers.3.mlp.up_proj.weight"));
  EXPECT_EQ((*rules)[1].zeros.kind, ZerosKind::Blocks);
  EXPECT_EQ((*rules)[1].zeros.blockRows, 4);
  EXPECT_EQ((*rules)[1].zeros.blockColumns, 8);
  EXPECT_EQ((*rules)[2].zeros.kind, ZerosKind::NofM);
  EXPECT_EQ((*rules)[2].zeros.keep, 2);
  EXPECT_EQ((*rules)[2].zeros.amount, 0.5);
  EXPECT_TRUE((*rules)[2].isForAll());
  for (llvm::StringRef good :
       {"0", "1", "0.5", "1e-2", "0:4", "4:4", "1:16x32"})
    EXPECT_EQ(problem(good), "");
}

TEST(PruneRulesTest, WhatIsNone) {
  EXPECT_EQ(problem("1.5"), "\"1.5\": expects an amount from 0 to 1, got 1.5");
  EXPECT_EQ(problem("-0.5:16x32"),
            "\"-0.5:16x32\": expects an amount from 0 to 1, got -0.5");
  EXPECT_EQ(problem("nan"), "\"nan\": expects an amount from 0 to 1, got nan");
  EXPECT_EQ(problem("5:4"), "\"5:4\": expects to keep at most 4 of 4, got 5");
  for (llvm::StringRef bad : {"2:", ":4", "2:0", "-1:4", "2:4:8", "a:b"})
    EXPECT_EQ(problem(bad), ("\"" + bad +
                             "\": expects N:M, such as 2:4, where "
                             "of M neighbours N are kept")
                                .str());
  for (llvm::StringRef bad : {"0.5:16x", "0.5:x", "0.5:0x32", "0.5:16x32x8"})
    EXPECT_EQ(problem(bad), ("\"" + bad +
                             "\": expects blocks as ROWSxCOLUMNS, "
                             "such as 16x32, got " +
                             bad.split(':').second)
                                .str());
  EXPECT_EQ(problem("half"),
            "\"half\": expects an amount such as 0.5, N:M such "
            "as 2:4, or blocks such as 0.5:16x32");
  EXPECT_EQ(problem("a=0.5,0.5"), "expects rules such as *down_proj=0,*=2:4, "
                                  "got \"0.5\" in \"a=0.5,0.5\"");
  EXPECT_EQ(problem("=0.5"), "expects the name of a tensor or a pattern with * "
                             "and ? before =, got \"=0.5\"");
  auto method = parsePruneMethod("random");
  ASSERT_FALSE(bool(method));
  EXPECT_EQ(llvm::toString(method.takeError()),
            "expects the method to be magnitude, wanda or sparsegpt, got "
            "\"random\"");
}

} // namespace
