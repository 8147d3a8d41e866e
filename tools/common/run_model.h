// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From a prompt to text: what `adze-run ARTEFACT` and `adze run MODEL` do once
// they have a model. Prints to stdout as tokens come, or one JSON object.
#ifndef ADZE_TOOLS_COMMON_RUN_MODEL_H
#define ADZE_TOOLS_COMMON_RUN_MODEL_H

#include <cstdint>
#include <string>
#include <vector>

#include "adze/runtime.hpp"

namespace adze::tools {

struct RunOptions {
  bool hasPrompt = false, hasTokens = false; ///< exactly one of them
  std::string prompt;
  std::vector<int32_t> tokens;
  uint32_t maxTokens = 128; ///< 0: evaluate only
  Sampling sampling;        ///< maxTokens in it is not used
  std::vector<std::string> stopStrings;
  uint32_t threads = 0;
  uint32_t context = 0;   ///< 0: what prompt and maxTokens need
  std::string logitsPath; ///< .npy, float32 [positions, vocabulary]
  bool json = false;
  double loadSeconds = 0, compileSeconds = 0; ///< for the JSON
};

/// "1,2,3" to token ids.
Result<std::vector<int32_t>> parseTokenList(const std::string &text);

/// Runs. On failure nothing half-written is left behind.
Result<void> runModel(const Model &model, const RunOptions &options);

} // namespace adze::tools
#endif // ADZE_TOOLS_COMMON_RUN_MODEL_H
