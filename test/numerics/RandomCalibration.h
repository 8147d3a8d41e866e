// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A calibration on random tokens, for models whose activations have static
// ranges.
#ifndef ADZE_TEST_NUMERICS_RANDOMCALIBRATION_H
#define ADZE_TEST_NUMERICS_RANDOMCALIBRATION_H

#include "adze/Calibrate.h"

#include <filesystem>
#include <random>
#include <string>
#include <unistd.h>

namespace adze::test {

/// A folder of statistics that is removed with this object.
class RandomCalibration {
public:
  /// Tokens are below `vocabulary`.
  RandomCalibration(const std::string &model, int32_t vocabulary)
      : folder(std::filesystem::temp_directory_path() /
               ("adze-ranges-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(folder);
    CalibrateOptions options;
    options.sequences = 4;
    options.tokens = 64;
    options.gram = false;
    std::mt19937 random(5);
    for (int i = 0; i < 4 * 64; ++i)
      options.ids.push_back(int32_t(random() % uint32_t(vocabulary)));
    calibrate(model, "", folder.string(), options).or_throw();
  }
  ~RandomCalibration() { std::filesystem::remove_all(folder); }
  RandomCalibration(const RandomCalibration &) = delete;

  /// Has `options` go by it. Weights are rounded by what needs no Gram matrix.
  void addTo(CompileOptions &options) const {
    options.calibration = folder.string();
    options.method = "search";
  }

private:
  std::filesystem::path folder;
};

} // namespace adze::test

#endif // ADZE_TEST_NUMERICS_RANDOMCALIBRATION_H
