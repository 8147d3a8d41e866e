// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze.unpack by itself: rows of each packing against numbers placed by hand,
// through the operations that stand above it, and the errors that name a
// tensor. Whole models are in test/numerics/references/quantized.

#include "TestModule.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace adze;
using namespace adze::test;

namespace {

constexpr int64_t kRows = 24, kCols = 40;

int codeAt(int64_t n, int64_t k) { return (7 * n + 3 * k + n * k) % 16; }

template <typename T> std::vector<uint8_t> bytesOf(const std::vector<T> &v) {
  auto *data = reinterpret_cast<const uint8_t *>(v.data());
  return {data, data + v.size() * sizeof(T)};
}

/// Words of eight 4-bit numbers, `at(i)` being the i-th of them.
template <typename At> std::vector<uint32_t> words(int64_t count, At at) {
  std::vector<uint32_t> result(count / 8);
  for (int64_t i = 0; i < count; ++i)
    result[i / 8] |= uint32_t(at(i)) << i % 8 * 4;
  return result;
}

struct Unpacked {
  /// `type` is that of the weight; `expression` may use %u, and makes %e.
  explicit Unpacked(const std::string &op, const std::string &type,
                    const std::string &expression = "", std::string result = "")
      : result(result.empty() ? type : result),
        m("adze.weight @e : " + this->result + " {\n %" +
          (expression.empty() ? "e" : "u") + " = " + op + " : " + type + "\n" +
          expression + "\n adze.yield %e : " + this->result + "\n}") {
    if (m)
      if (auto made = WeightEvaluator::create(m.get(), m.weights))
        evaluator = std::move(*made);
  }

  /// GPTQ's tensors of codeAt, with scales 1 + n + g and zero points z.
  void addGptq(int64_t group, int zero) {
    int64_t groups = (kCols + group - 1) / group;
    std::vector<uint32_t> codes(kCols / 8 * kRows);
    for (int64_t k = 0; k < kCols; ++k)
      for (int64_t n = 0; n < kRows; ++n)
        codes[k / 8 * kRows + n] |= uint32_t(codeAt(n, k)) << k % 8 * 4;
    m.weights.add("w.qweight", "i32", {kCols / 8, kRows}, bytesOf(codes));
    m.weights.add(
        "w.qzeros", "i32", {groups, kRows / 8},
        bytesOf(words(groups * kRows, [&](int64_t) { return zero - 1; })));
    std::vector<float> scales(groups * kRows);
    for (int64_t i = 0; i < groups * kRows; ++i)
      scales[i] = 1 + i % kRows + i / kRows;
    m.weights.add("w.scales", "f32", {groups, kRows}, bytesOf(scales));
  }

  std::vector<float> row(int64_t n) {
    std::vector<float> values(cols());
    llvm::Error failed = evaluator->readRows(weight(), 0, n, 1, values.data());
    EXPECT_FALSE(bool(failed)) << llvm::toString(std::move(failed));
    return values;
  }
  std::string error() {
    std::vector<float> values(cols() * 16);
    return llvm::toString(
        evaluator->readRows(weight(), 0, 0, 1, values.data()));
  }
  WeightOp weight() { return m.get().lookupSymbol<WeightOp>("e"); }
  int64_t cols() {
    WeightType type = weight().getWeightType();
    return type.isVector() ? 1 : type.getCols();
  }

  std::string result;
  TestModule m;
  std::unique_ptr<WeightEvaluator> evaluator;
};

std::string intType(int64_t group, const char *more = "") {
  return "!adze.weight<24x40, #adze.int<4, group = " + std::to_string(group) +
         ", scale = f32" + more + ">>";
}

} // namespace

TEST(Unpack, GptqWithAShortLastGroup) {
  Unpacked w("adze.unpack \"gptq\" \"w\"", intType(16, ", zeros"));
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics;
  w.addGptq(16, 5);
  for (int64_t n = 0; n < kRows; ++n) {
    std::vector<float> row = w.row(n);
    for (int64_t k = 0; k < kCols; ++k)
      EXPECT_EQ(row[k], float(1 + n + k / 16) * float(codeAt(n, k) - 5));
  }
}

/// A zero point of 16 is one of 0, whose word the first format cannot hold.
TEST(Unpack, ZeroPointsWrapInGptq) {
  Unpacked w("adze.unpack \"gptq\" \"w\"", intType(16, ", zeros"));
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics;
  w.addGptq(16, 16);
  EXPECT_EQ(w.row(3)[1], 4.0f * float(codeAt(3, 1)));
}

TEST(Unpack, SortsColumnsByTheirGroups) {
  // Groups of 8 k in turn: of 16 columns each but for the last.
  std::vector<int32_t> groupOf(kCols), order;
  for (int64_t k = 0; k < kCols; ++k)
    groupOf[k] = k < 8 ? 2 : k / 8 % 2;
  for (int group = 0; group < 3; ++group)
    for (int64_t k = 0; k < kCols; ++k)
      if (groupOf[k] == group)
        order.push_back(k);
  Unpacked w("adze.unpack \"gptq\" \"w\" ordered", intType(16));
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics;
  w.addGptq(16, 8);
  w.m.weights.add("w.g_idx", "i32", {kCols}, bytesOf(groupOf));
  for (int64_t n : {0, 17}) {
    std::vector<float> row = w.row(n);
    for (int64_t j = 0; j < kCols; ++j)
      EXPECT_EQ(row[j], float(1 + n + groupOf[order[j]]) *
                            float(codeAt(n, order[j]) - 8));
  }
  Unpacked o("adze.unpack_order \"gptq\" \"w\" group 16",
             "!adze.weight<40, #adze.float<f32>>");
  ASSERT_TRUE(o.evaluator) << o.m.diagnostics;
  o.m.weights.add("w.g_idx", "i32", {kCols}, bytesOf(groupOf));
  std::vector<float> values(kCols);
  ASSERT_FALSE(
      bool(o.evaluator->readRows(o.weight(), 0, 0, kCols, values.data())));
  EXPECT_EQ(values, std::vector<float>(order.begin(), order.end()));
  std::vector<uint8_t> stored(4 * kCols);
  ASSERT_FALSE(bool(o.evaluator->evaluate(o.weight(), 0, 0, 1, stored.data())));
  EXPECT_EQ(stored, bytesOf(values));
}

TEST(Unpack, AwqHasEvenChannelsFirst) {
  Unpacked w("adze.unpack \"awq\" \"w\"", intType(40, ", zeros"));
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics;
  const int channels[8] = {0, 2, 4, 6, 1, 3, 5, 7};
  auto channel = [&](int64_t i) { return i / 8 * 8 + channels[i % 8]; };
  w.m.weights.add("w.qweight", "i32", {kCols, kRows / 8},
                  bytesOf(words(kCols * kRows, [&](int64_t i) {
                    return codeAt(channel(i % kRows), i / kRows);
                  })));
  w.m.weights.add(
      "w.qzeros", "i32", {1, kRows / 8},
      bytesOf(words(kRows, [&](int64_t i) { return channel(i) % 16; })));
  w.m.weights.add("w.scales", "f32", {1, kRows},
                  bytesOf(std::vector<float>(kRows, 0.5f)));
  for (int64_t n = 0; n < kRows; ++n)
    for (int64_t k : {0, 1, 39})
      EXPECT_EQ(w.row(n)[k], 0.5f * float(codeAt(n, k) - int(n % 16)));
}

/// Panels take rows from two weights and from the middle of one.
TEST(Unpack, StandsUnderOtherExpressions) {
  std::string type = intType(16),
              tail = "!adze.weight<13x40, #adze.int<4, "
                     "group = 16, scale = f32>>",
              both = "!adze.weight<37x40, #adze.int<4, group = 16, scale = "
                     "f32>>",
              panels = "!adze.weight<37x40, #adze.int<4, group = 16, scale = "
                       "f32>, panels>";
  Unpacked w("adze.unpack \"gptq\" \"w\"", type,
             "%s = adze.slice %u from 11 : " + type + " -> " + tail +
                 "\n%c = adze.concat %s, %u : (" + tail + ", " + type +
                 ") -> " + both + "\n%e = adze.pack %c : " + both + " -> " +
                 panels,
             panels);
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics;
  w.addGptq(16, 8);
  WeightType result = w.weight().getWeightType();
  std::vector<uint8_t> bytes(result.getStorageBytes());
  ASSERT_FALSE(bool(w.evaluator->evaluate(w.weight(), 0, 0, 3, bytes.data())));
  int64_t size = result.getFormat().getPanelBytes(kCols);
  for (int64_t row = 0; row < 37; ++row) {
    int64_t n = row < 13 ? row + 11 : row - 13;
    auto panel = llvm::ArrayRef(bytes).slice(row / 16 * size, size);
    for (int64_t k = 0; k < kCols; ++k)
      EXPECT_EQ(result.getFormat().decodePanel(panel, kCols, row % 16, k),
                float(1 + n + k / 16) * float(codeAt(n, k) - 8))
          << row << " " << k;
  }
}

TEST(Unpack, NamesWhatIsWrong) {
  Unpacked w("adze.unpack \"gptq\" \"w\"", intType(16));
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics;
  EXPECT_EQ(w.error(),
            "tensor \"w.qweight\": expected among the bound tensors, "
            "not found");
  EXPECT_NE(llvm::toString(w.evaluator->checkSources()).find("w.qweight"),
            std::string::npos);
  w.addGptq(16, 8);
  EXPECT_EQ(w.error(), "");
  EXPECT_FALSE(bool(w.evaluator->checkSources()));

  w.addGptq(16, 9);
  EXPECT_EQ(w.error(),
            "tensor \"w.qzeros\": expected the zero point 8 of symmetric "
            "weights everywhere, found 9 for channel 0, group 0; "
            "quantization_config says that weights are symmetric, and they are "
            "not");
  w.addGptq(24, 8);
  EXPECT_EQ(w.error(),
            "tensor \"w.scales\": expected f32 [3, 24], found f32 [2, 24]");
  w.addGptq(16, 8);
  std::vector<float> scales(3 * kRows, 1);
  scales[2 * kRows] = NAN;
  w.m.weights.add("w.scales", "f32", {3, kRows}, bytesOf(scales));
  EXPECT_EQ(w.error(),
            "tensor \"w.scales\": row 0, column 32: expects a finite "
            "scale in int4:g16:f32, got infinity or NaN; the file is "
            "damaged, or the model was quantized from weights that "
            "are not finite: get it again, or use another one");
  w.addGptq(16, 8);
  std::vector<int32_t> groupOf(kCols, 0);
  w.m.weights.add("w.g_idx", "i32", {kCols}, bytesOf(groupOf));
  EXPECT_EQ(w.error(), "tensor \"w.g_idx\": expected columns in the order of "
                       "their groups, 1 for column 16, found 0");
  groupOf[5] = 3;
  w.m.weights.add("w.g_idx", "i32", {kCols}, bytesOf(groupOf));
  EXPECT_EQ(w.error(), "tensor \"w.g_idx\": expected groups from 0 to 2, found "
                       "3 for column 5");

  Unpacked sorted("adze.unpack \"gptq\" \"w\" ordered", intType(16));
  ASSERT_TRUE(sorted.evaluator) << sorted.m.diagnostics;
  sorted.addGptq(16, 8);
  EXPECT_EQ(sorted.error(), "tensor \"w.g_idx\": expected the group of each "
                            "column, found no such tensor");
  groupOf[5] = 0;
  sorted.m.weights.add("w.g_idx", "i32", {kCols}, bytesOf(groupOf));
  EXPECT_EQ(sorted.error(),
            "tensor \"w.g_idx\": expected 16 columns in group 0, found 40: "
            "scales of groups of other sizes cannot be kept; compile the model "
            "that it was made from with --weights=int4:g16");
}

TEST(Unpack, NamesNumbersThatAreNone) {
  Unpacked w("adze.unpack \"fp8\" \"w\"",
             "!adze.weight<24x40, #adze.fp8<scale = f32>>");
  ASSERT_TRUE(w.evaluator) << w.m.diagnostics;
  std::vector<uint8_t> codes(kRows * kCols, 0x38); // 1
  w.m.weights.add("w.weight", "f8e4m3", {kRows, kCols}, codes);
  w.m.weights.add("w.weight_scale", "f32", {1}, bytesOf(std::vector<float>{3}));
  EXPECT_EQ(w.row(23), std::vector<float>(kCols, 3));
  codes[7] = 0xff;
  w.m.weights.add("w.weight", "f8e4m3", {kRows, kCols}, codes);
  EXPECT_EQ(w.error(),
            "tensor \"w.weight\": row 0, column 7: expects a finite number in "
            "fp8:f32, got infinity or NaN; the file is damaged, or the model "
            "was quantized from weights that are not finite: get it again, or "
            "use another one");
}

//===-- floats with zeros -------------------------------------------------===//

namespace {

std::string fromHex(const llvm::json::Object &tensor) {
  return llvm::fromHex(*tensor.getString("bytes"));
}

std::string floatType(int64_t rows, int64_t cols, llvm::StringRef dtype) {
  return ("!adze.weight<" + llvm::Twine(rows) + "x" + llvm::Twine(cols) +
          ", #adze.float<" + dtype + ">>")
      .str();
}

} // namespace

/// What torch.nn.utils.prune and compressed-tensors made of random weights.
TEST(Unpack, MasksAndBitmasksAreThoseOfTheirLibraries) {
  auto buffer = llvm::MemoryBuffer::getFile(
      ADZE_TEST_FOLDER "/interpreter/references/sparse_tensors.json");
  ASSERT_TRUE(bool(buffer));
  auto references = llvm::json::parse((*buffer)->getBuffer());
  ASSERT_TRUE(bool(references)) << llvm::toString(references.takeError());
  int tested = 0;
  for (const llvm::json::Value &value : *references->getAsArray()) {
    const llvm::json::Object &test = *value.getAsObject();
    const llvm::json::Object &dense = *test.getObject("dense");
    llvm::StringRef packing = *test.getString("packing"),
                    dtype = *test.getString("dtype");
    int64_t rows = *(*dense.getArray("shape"))[0].getAsInteger(),
            cols = *(*dense.getArray("shape"))[1].getAsInteger();
    SCOPED_TRACE((packing + " " + dtype + " " + llvm::Twine(rows)).str());
    Unpacked w("adze.unpack \"" + packing.str() + "\" \"w\"",
               floatType(rows, cols, dtype));
    ASSERT_TRUE(w.evaluator) << w.m.diagnostics;
    for (const auto &[name, part] : *test.getObject("tensors")) {
      const llvm::json::Object &tensor = *part.getAsObject();
      std::vector<int64_t> shape;
      for (const llvm::json::Value &dim : *tensor.getArray("shape"))
        shape.push_back(*dim.getAsInteger());
      std::string bytes = fromHex(tensor);
      w.m.weights.add(name.str(), tensor.getString("dtype")->str(), shape,
                      std::vector<uint8_t>(bytes.begin(), bytes.end()));
    }
    std::vector<uint8_t> found(fromHex(dense).size());
    ASSERT_FALSE(bool(w.evaluator->evaluate(
        w.weight(), 0, 0, numWeightUnits(w.weight().getWeightType()),
        found.data())));
    std::string expected = fromHex(dense);
    // A negative number times 0 is -0, of which the sign is not kept.
    size_t size = expected.size() / size_t(rows * cols);
    for (size_t i = 0; i < expected.size(); i += size)
      if (expected.find_first_not_of('\0', i) >= i + size - 1 &&
          uint8_t(expected[i + size - 1]) == 0x80)
        expected[i + size - 1] = 0;
    EXPECT_EQ(std::string(found.begin(), found.end()), expected);
    ++tested;
  }
  EXPECT_EQ(tested, 15);
}

TEST(Unpack, MasksThatDoNotFit) {
  auto masked = [](const char *type, std::vector<int64_t> shape) {
    Unpacked w("adze.unpack \"masked\" \"w\"", floatType(2, 4, "f32"));
    EXPECT_TRUE(w.evaluator) << w.m.diagnostics;
    w.m.weights.add("w.weight_orig", "f32", {2, 4},
                    bytesOf(std::vector<float>(8, 1)));
    w.m.weights.add("w.weight_mask", type, shape,
                    bytesOf(std::vector<float>(8, 1)));
    return w.error();
  };
  EXPECT_EQ(masked("f32", {2, 4}), "");
  EXPECT_EQ(masked("f32", {4, 2}),
            "tensor \"w.weight_mask\": expected the mask of the weight in f32, "
            "f16, bf16, bool, u8 [2, 4], found f32 [4, 2]");
  EXPECT_EQ(masked("i32", {2, 4}),
            "tensor \"w.weight_mask\": expected the mask of the weight in f32, "
            "f16, bf16, bool, u8 [2, 4], found i32 [2, 4]");
}

/// What is not finite and not masked is the weight's or the mask's.
TEST(Unpack, NamesMasksThatAreNotFinite) {
  auto masked = [](std::vector<float> w, std::vector<float> mask) {
    Unpacked u("adze.unpack \"masked\" \"w\"", floatType(2, 2, "f16"));
    EXPECT_TRUE(u.evaluator) << u.m.diagnostics;
    std::vector<_Float16> halves(w.begin(), w.end());
    u.m.weights.add("w.weight_orig", "f16", {2, 2}, bytesOf(halves));
    u.m.weights.add("w.weight_mask", "f32", {2, 2}, bytesOf(mask));
    return u.error();
  };
  auto factor = [](const char *place, const char *found) {
    return std::string("tensor \"w.weight_mask\": ") + place +
           ": expects a factor that leaves the weight finite in f16, got " +
           found +
           "; the file is damaged, or the mask is none: get it again, or leave "
           "the masks out";
  };
  EXPECT_EQ(masked({1, NAN, 3, INFINITY}, {1, 0, 2, 0}), "");
  EXPECT_EQ(masked({1, 2, 3, 4}, {1, 1, 1, NAN}),
            factor("row 1, column 1", "nan"));
  EXPECT_EQ(masked({1, 2, 0, 4}, {1, 1, -INFINITY, 1}),
            factor("row 1, column 0", "-inf"));
  EXPECT_EQ(masked({1, NAN, 3, 4}, {1, INFINITY, 1, 1}),
            factor("row 0, column 1", "inf"));
  EXPECT_EQ(masked({1, 60000, 3, 4}, {1, 2, 1, 1}),
            factor("row 0, column 1", "2.000000"));
  EXPECT_EQ(
      masked({1, NAN, 3, 4}, {1, 1, 1, 1}),
      "tensor \"w.weight_orig\": row 0, column 1: expects a finite number "
      "in f16, got nan; the file is damaged, or the model was saved from "
      "weights that are not finite: get it again, or use another one");
}

TEST(Unpack, BitmasksThatDoNotFit) {
  auto sparse = [](uint8_t bits, std::vector<int64_t> shape) {
    Unpacked w("adze.unpack \"sparse24\" \"w\"", floatType(2, 8, "f32"));
    EXPECT_TRUE(w.evaluator) << w.m.diagnostics;
    w.m.weights.add("w.compressed", "f32", {2, 4},
                    bytesOf(std::vector<float>(8, 1)));
    w.m.weights.add("w.bitmask", "u8", shape,
                    bytesOf(std::vector<uint8_t>(2, bits)));
    return w.error();
  };
  EXPECT_EQ(sparse(0xa3, {2, 1}), "");
  EXPECT_EQ(sparse(0x73, {2, 1}),
            "tensor \"w.bitmask\": expected 2 bits for the 4 columns from 4 on "
            "in row 0, found 3");
  EXPECT_EQ(sparse(0x33, {1, 2}),
            "tensor \"w.bitmask\": expected a bit for each element in u8 [2, "
            "1], found u8 [1, 2]");
}
