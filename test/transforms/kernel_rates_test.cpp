// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is found in tables of kernel rates, between their entries and beyond
// them, and what is wrong with files.

#include "adze/Codegen/TargetVariants.h"
#include "adze/Transforms/KernelRates.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace adze;
namespace json = llvm::json;
using llvm::StringRef;

namespace {

llvm::Expected<KernelRates> parse(const std::string &text) {
  auto root = json::parse(text);
  if (!root)
    return root.takeError();
  return KernelRates::parse(*root, "rates");
}

KernelRates ratesOf(const std::string &text) {
  auto rates = parse(text);
  if (!rates)
    ADD_FAILURE() << llvm::toString(rates.takeError());
  return std::move(*rates);
}

const char *const kTables = R"({"tables": [
  {"machine": "a", "targets": ["fast", "like fast"], "rows": [1, 4, 16, 512],
   "times": {"int8": {"blocks": {"30": [0.8, 0.9, 0.85, 0.7],
                                 "50": [0.6, 0.7, null, 0.5]},
                      "mask": {"30": [0.9, 1, 1, 1.2],
                               "90": [0.3, 0.4, 0.9, 1.2]},
                      "nm": {"50": [0.4, 0.5, 0.6, 1.1]}}}},
  {"machine": "b", "targets": ["few"], "rows": [1, 4],
   "times": {"int8": {"blocks": {"50": [0.75, 0.75]}}},
   "as": [{"target": "fast", "formats": ["int8"], "storages": ["mask", "blocks"],
           "rows": 3}]}]})";

double timeOf(const KernelRates &rates, const char *target, const char *storage,
              double zeros, int64_t rows, bool isMeasured = true) {
  auto rate = rates.find(target, "int8", storage, zeros, rows);
  EXPECT_TRUE(rate) << target << " " << storage << " " << zeros << " " << rows;
  if (!rate)
    return 0;
  EXPECT_EQ(rate->isMeasured, isMeasured);
  return rate->time;
}

TEST(KernelRates, InterpolateInZerosAlone) {
  KernelRates rates = ratesOf(kTables);
  EXPECT_EQ(rates.firstTarget(), "fast");
  EXPECT_DOUBLE_EQ(timeOf(rates, "fast", "blocks", 0.3, 1), 0.8);
  EXPECT_DOUBLE_EQ(timeOf(rates, "like fast", "blocks", 0.35, 1), 0.75);
  EXPECT_DOUBLE_EQ(timeOf(rates, "fast", "blocks", 0.4, 4), 0.8);
  EXPECT_DOUBLE_EQ(timeOf(rates, "fast", "mask", 0.75, 1), 0.45);
  // More than was measured is as the most; less is nothing.
  EXPECT_DOUBLE_EQ(timeOf(rates, "fast", "blocks", 0.99, 512), 0.5);
  EXPECT_FALSE(rates.find("fast", "int8", "blocks", 0.29, 1));
  EXPECT_FALSE(rates.find("fast", "int4", "blocks", 0.5, 1));
  // Between numbers of rows, the slower; above the most as that, if those are
  // many.
  EXPECT_DOUBLE_EQ(timeOf(rates, "fast", "blocks", 0.3, 3), 0.9);
  EXPECT_DOUBLE_EQ(timeOf(rates, "fast", "blocks", 0.3, 100), 0.85);
  EXPECT_DOUBLE_EQ(timeOf(rates, "fast", "blocks", 0.3, 4096), 0.7);
  EXPECT_FALSE(rates.find("fast", "int8", "blocks", 0.5, 16));
}

TEST(KernelRates, EvenMasksThatWereNotMeasuredAreMasks) {
  KernelRates rates = ratesOf(kTables);
  EXPECT_DOUBLE_EQ(timeOf(rates, "fast", "nm", 0.5, 1), 0.4);
  EXPECT_DOUBLE_EQ(timeOf(rates, "fast", "nm", 0.75, 1), 0.4);
  EXPECT_DOUBLE_EQ(timeOf(rates, "fast", "nm", 0.3, 1), 0.9);
}

TEST(KernelRates, OfTargetsWithoutATableAreTheSlowest) {
  KernelRates rates = ratesOf(kTables);
  EXPECT_DOUBLE_EQ(timeOf(rates, "other", "blocks", 0.5, 1, false), 0.75);
  EXPECT_DOUBLE_EQ(timeOf(rates, "other", "blocks", 0.3, 1, false), 0.8);
  EXPECT_DOUBLE_EQ(timeOf(rates, "few", "blocks", 0.5, 4), 0.75);
  EXPECT_FALSE(rates.find("few", "int8", "mask", 0.3, 4));
  EXPECT_FALSE(rates.find("few", "int8", "blocks", 0.5, 512));
  EXPECT_FALSE(rates.find("other", "int8", "blocks", 0.5, 512));
  // But up to three rows it runs the kernels of another one.
  EXPECT_DOUBLE_EQ(timeOf(rates, "few", "mask", 0.3, 1), 0.9);
  EXPECT_DOUBLE_EQ(timeOf(rates, "few", "blocks", 0.3, 3), 0.9);
  EXPECT_DOUBLE_EQ(*rates.leastZeros("int8", "blocks"), 0.3);
  EXPECT_FALSE(rates.leastZeros("f32", "blocks"));
}

/// What ships has a table for each variant of x86-64 by its name.
TEST(KernelRates, AreBuiltIn) {
  const KernelRates &rates = KernelRates::builtIn();
  const TargetVariant *first = nullptr;
  for (const TargetVariant &variant : x86Variants())
    if (variant.name == rates.firstTarget())
      first = &variant;
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->kernel.hasExpand && !first->kernel.hasAmx);
  for (const char *format : {"int8", "int4", "bf16", "f16", "f32"})
    for (const char *storage : {"blocks", "mask", "nm"})
      for (int64_t rows : {1, 2, 4, 8, 16, 512}) {
        auto half = rates.find(first->name, format, storage, 0.5, rows);
        ASSERT_TRUE(half && half->isMeasured) << format << storage << rows;
        EXPECT_GT(half->time, 0.2);
        EXPECT_LT(half->time, 2);
      }
  auto timeAt = [&](StringRef target, const char *format, const char *storage,
                    int64_t rows) {
    auto rate = rates.find(target, format, storage, 0.5, rows);
    return rate ? rate->time : INFINITY;
  };
  for (const TargetVariant &variant : x86Variants()) {
    SCOPED_TRACE(variant.name.str());
    bool hasAmx = variant.kernel.hasAmx, spreads = variant.kernel.hasExpand;
    // At one row, blocks gain everywhere; masks where something spreads them,
    // those of floats without AMX, with which they were not measured.
    for (const char *format : {"int8", "int4", "bf16", "f16", "f32"})
      EXPECT_LT(timeAt(variant.name, format, "blocks", 1), 0.9) << format;
    EXPECT_EQ(timeAt(variant.name, "int8", "nm", 1) < 0.9, spreads);
    EXPECT_EQ(timeAt(variant.name, "bf16", "nm", 1) < 0.9, spreads && !hasAmx);
    EXPECT_GT(timeAt(variant.name, "int8", "mask", 512), 1);
    if (hasAmx)
      EXPECT_GT(timeAt(variant.name, "int8", "blocks", 512), 1);
  }
}

/// A file with `table` as its only table.
std::string fileWith(const std::string &table) {
  return "{\"tables\": [" + table + "]}";
}

/// A table with these times of int8.
std::string tableWith(const std::string &times) {
  return fileWith(R"({"machine": "m", "targets": ["t"], "rows": [1, 2],
                      "times": {"int8": )" +
                  times + "}}");
}

TEST(KernelRates, SayWhatIsWrongWithAFile) {
  const char *head = R"("machine": "m", "targets": ["t"], "rows": [1, 2])";
  auto with = [&](const char *more) {
    return fileWith("{" + (head + std::string(more)) + "}");
  };
  struct {
    std::string file;
    const char *error;
  } cases[] = {
      {"[]", "rates: the file: expected an object"},
      {R"({"version": 1})", "rates: the file: unknown key \"version\""},
      {"{}", "rates: tables: expected a list of tables"},
      {R"({"tables": []})", "rates: tables: expected a list of tables"},
      {fileWith("1"), "rates: table 1: expected an object"},
      {fileWith("{}"), "rates: table 1: expected \"targets\", a list of names"},
      {fileWith(R"({"targets": [1]})"),
       "rates: table 1: expected names in \"targets\""},
      {fileWith(R"({"targets": ["t"]})"),
       "rates: table 1: expected \"machine\", a text"},
      {fileWith(R"({"targets": ["t"], "machine": "m"})"),
       "rates: table 1: expected \"rows\", a list of numbers"},
      {fileWith(R"({"targets": ["t"], "machine": "m", "rows": [2, 1]})"),
       "rates: table 1: expected \"rows\" to be ascending numbers from 1 on"},
      {fileWith(R"({"targets": ["t"], "machine": "m", "rows": [0]})"),
       "rates: table 1: expected \"rows\" to be ascending numbers from 1 on"},
      {fileWith(R"({"targets": ["t"], "machine": "m", "rows": [1]})"),
       "rates: table 1: expected \"times\", an object"},
      {tableWith("1"), "rates: table 1, int8: expected an object"},
      {tableWith(R"({"csr": {}})"),
       "rates: table 1, int8: unknown key \"csr\""},
      {tableWith(R"({"mask": {}})"), "rates: table 1, int8, mask: expected "
                                     "times for a share of zeros"},
      {tableWith(R"({"mask": {"half": [1, 1]}})"),
       "rates: table 1, int8, mask: expected percents of zeros, got \"half\""},
      {tableWith(R"({"mask": {"nan": [1, 1]}})"),
       "rates: table 1, int8, mask: expected percents of zeros, got \"nan\""},
      {tableWith(R"({"mask": {"101": [1, 1]}})"),
       "rates: table 1, int8, mask: expected percents of zeros, got \"101\""},
      {tableWith(R"({"mask": {"50": [1, 1], "50.0": [1, 1]}})"),
       "rates: table 1, int8, mask, 50.0 %: this share of zeros is there "
       "twice"},
      {tableWith(R"({"mask": {"50": 1}})"),
       "rates: table 1, int8, mask, 50 %: expected a time for each of 2 "
       "numbers of rows"},
      {tableWith(R"({"mask": {"50": [1]}})"),
       "rates: table 1, int8, mask, 50 %: expected a time for each of 2 "
       "numbers of rows"},
      {tableWith(R"({"mask": {"50": [1, -1]}})"),
       "rates: table 1, int8, mask, 50 %: expected positive numbers or null"},
      {tableWith(R"({"mask": {"50": [0, 1]}})"),
       "rates: table 1, int8, mask, 50 %: expected positive numbers or null"},
      {tableWith(R"({"mask": {"50": ["1", 1]}})"),
       "rates: table 1, int8, mask, 50 %: expected positive numbers or null"},
      {tableWith(R"({"mask": {"50": [1e999, 1]}})"),
       "rates: table 1, int8, mask, 50 %: expected positive numbers or null"},
      {with(R"(, "times": {}, "as": 1)"),
       "rates: table 1, as: expected a list"},
      {with(R"(, "times": {}, "as": [{"formats": ["int8"]}])"),
       "rates: table 1, as: expected \"storages\", a list of names"},
      {with(R"(, "times": {}, "as": [{"formats": ["int8"],
               "storages": ["mask"]}])"),
       "rates: table 1, as: expected \"target\", a name"},
      {with(R"(, "times": {}, "as": [{"formats": ["int8"], "rows": 0,
               "storages": ["mask"], "target": "t"}])"),
       "rates: table 1, as: expected \"rows\" to be a number from 1 on"},
      {with(R"(, "times": {}, "as": [{"formats": ["int8"],
               "storages": ["mask"], "target": "u"}])"),
       "rates: as: there is no table of target \"u\""},
      {R"({"tables": [{"machine": "m", "targets": ["t"], "rows": [1],
                       "times": {}},
                      {"machine": "m", "targets": ["t"], "rows": [1],
                       "times": {}}]})",
       "rates: table 2: target \"t\" has a table already"}};
  for (const auto &c : cases) {
    auto rates = parse(c.file);
    ASSERT_FALSE(rates) << c.file;
    EXPECT_EQ(llvm::toString(rates.takeError()), c.error) << c.file;
  }
  // No number at all.
  EXPECT_TRUE(llvm::errorToBool(
      parse(tableWith(R"({"mask": {"50": [NaN, 1]}})")).takeError()));
}

} // namespace
