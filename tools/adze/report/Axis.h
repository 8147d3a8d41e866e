// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A scale of a drawing: from values to places, and where its ticks are.
#ifndef ADZE_TOOLS_ADZE_REPORT_AXIS_H
#define ADZE_TOOLS_ADZE_REPORT_AXIS_H

#include <string>
#include <vector>

namespace adze::tools {

class Axis {
public:
  /// From `low` to `high`, at the places `from` to `to`; with `logarithm` of
  /// positive values only. Widened where they are equal.
  Axis(double low, double high, double from, double to, bool logarithm = false);

  double at(double value) const;
  /// About `count` round values within, ascending.
  std::vector<double> ticks(unsigned count) const;
  /// With as many digits as `ticks` of it need.
  static std::string label(double value, const std::vector<double> &ticks);

private:
  double low, high, from, to;
  bool logarithm;
};

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_REPORT_AXIS_H
