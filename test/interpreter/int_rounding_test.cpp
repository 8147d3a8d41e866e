// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scales that mind how much each element counts.

#include "adze/Dialect/Adze/FormatName.h"
#include "adze/Dialect/Adze/IntRounding.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <cmath>
#include <random>

using namespace adze;

namespace {

class IntRoundingTest : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    context.loadDialect<AdzeDialect>();
    auto parsed = parseFormatName(GetParam(), &context);
    ASSERT_TRUE(bool(parsed)) << llvm::toString(parsed.takeError());
    format = mlir::cast<IntFormatAttr>(mlir::Attribute(*parsed));
  }
  /// The sum of squared errors, each as often as it counts.
  double errorOf(llvm::ArrayRef<float> x, llvm::ArrayRef<float> importance,
                 CodeScale at) {
    double sum = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      double code =
          std::clamp(std::nearbyint(double(x[i]) / at.scale) + at.zero, 0.0,
                     double(format.getMaxCode()));
      double e = double(x[i]) - double(at.scale) * (code - at.zero);
      sum += e * e * double(importance[i]);
    }
    return sum;
  }

  mlir::MLIRContext context;
  IntFormatAttr format;
};

TEST_P(IntRoundingTest, ImportanceLowersTheErrorThatCounts) {
  IntRounding rounding(format);
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  double plainSum = 0, weighedSum = 0;
  for (int group = 0; group < 300; ++group) {
    std::vector<float> x(size_t(rounding.groupSize(64))), ones(x.size(), 1.0f),
        importance;
    for (float &value : x) {
      value = normal(random);
      importance.push_back(std::exp(2 * normal(random)));
    }
    CodeScale plain = rounding.chooseScale(x);
    CodeScale same = rounding.chooseScale(x, ones);
    EXPECT_EQ(plain.scale, same.scale);
    EXPECT_EQ(plain.zero, same.zero);
    CodeScale weighed = rounding.chooseScale(x, importance);
    plainSum += errorOf(x, importance, plain);
    weighedSum += errorOf(x, importance, weighed);
    // The unit of importance is of no importance.
    for (float &value : importance)
      value *= 0x1p20f;
    EXPECT_EQ(rounding.chooseScale(x, importance).scale, weighed.scale);
  }
  EXPECT_LT(weighedSum, 0.95 * plainSum);
}

INSTANTIATE_TEST_SUITE_P(Formats, IntRoundingTest,
                         testing::Values("int4:g32", "int4:g64:zp",
                                         "int4:g32:f16", "int8:g64",
                                         "int3:g32"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), ':', '_');
                           return name;
                         });

} // namespace
