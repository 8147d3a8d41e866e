// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A short calibration, for models whose activations have static ranges.
#ifndef ADZE_TEST_NUMERICS_TESTCALIBRATION_H
#define ADZE_TEST_NUMERICS_TESTCALIBRATION_H

#include "adze/Calibrate.h"

#include <filesystem>
#include <string>
#include <unistd.h>
#include <vector>

namespace adze::test {

/// A folder of statistics that is removed with this object.
class TestCalibration {
public:
  /// On `ids`, in sequences of `tokens`.
  TestCalibration(const std::string &model, std::vector<int32_t> ids,
                  uint32_t tokens)
      : folder(std::filesystem::temp_directory_path() /
               ("adze-ranges-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(folder);
    CalibrateOptions options;
    options.sequences = uint32_t(ids.size()) / tokens;
    options.tokens = tokens;
    options.ids = std::move(ids);
    options.gram = false;
    calibrate(model, "", folder.string(), options).or_throw();
  }
  ~TestCalibration() { std::filesystem::remove_all(folder); }
  TestCalibration(const TestCalibration &) = delete;

  /// Has `options` go by it. Weights are rounded by what needs no Gram matrix.
  void addTo(CompileOptions &options) const {
    options.calibration = folder.string();
    options.method = "search";
  }

private:
  std::filesystem::path folder;
};

} // namespace adze::test

#endif // ADZE_TEST_NUMERICS_TESTCALIBRATION_H
