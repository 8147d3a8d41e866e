// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "Axis.h"
#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace adze::tools;

Axis::Axis(double low, double high, double from, double to, bool logarithm)
    : low(low), high(high), from(from), to(to), logarithm(logarithm) {
  if (!(high > low)) {
    double width = std::max(std::fabs(low) * 0.1, 1e-9);
    this->low -= logarithm ? 0.1 * low : width;
    this->high = low + width;
  }
}

double Axis::at(double value) const {
  double part = logarithm ? std::log(value / low) / std::log(high / low)
                          : (value - low) / (high - low);
  return from + part * (to - from);
}

std::vector<double> Axis::ticks(unsigned count) const {
  std::vector<double> list;
  // A wide logarithmic axis has 1, 2 and 5 of every power of ten.
  if (logarithm && high / low > 8) {
    for (int power = int(std::floor(std::log10(low))); power < 300; ++power)
      for (double digit : {1.0, 2.0, 5.0}) {
        double value = digit * std::pow(10.0, power);
        if (value > high)
          return list;
        if (value >= low)
          list.push_back(value);
      }
  }
  double raw = (high - low) / std::max(1u, count);
  double power = std::pow(10.0, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (double digit : {1.0, 2.0, 5.0})
    if (digit * power >= raw) {
      step = digit * power;
      break;
    }
  for (double i = std::ceil(low / step - 1e-9);
       i * step <= high + step * 1e-9 && list.size() < 50; ++i)
    list.push_back(i * step);
  return list;
}

std::string Axis::label(double value, const std::vector<double> &ticks) {
  double step = HUGE_VAL;
  for (size_t i = 1; i < ticks.size(); ++i)
    step = std::min(step, ticks[i] - ticks[i - 1]);
  if (ticks.size() < 2)
    step = std::fabs(value) > 0 ? std::fabs(value) / 10 : 1;
  int digits = std::clamp(int(std::ceil(-std::log10(step) - 1e-9)), 0, 9);
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits,
                std::fabs(value) < step * 1e-9 ? 0.0 : value);
  return text;
}
