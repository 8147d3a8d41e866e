// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How long the phases of a decoding step take, and how fast this machine reads
// memory at that moment. A phase is what lies between two barriers: the session
// calls back as the calling thread leaves one, and a session without the
// callback runs the same steps for the time of a step as a whole.
#ifndef ADZE_TOOLS_ADZE_REPORT_STEPTIMES_H
#define ADZE_TOOLS_ADZE_REPORT_STEPTIMES_H

#include "../Console.h"
#include <vector>

namespace adze::tools {

struct StepTimes {
  std::string variant;
  unsigned threads = 0;
  double readRate = 0;    ///< bytes per second of a plain read
  double stepSeconds = 0; ///< of a step that nobody watches, the median
  uint64_t samples = 0;   ///< watched steps
  double context = 0;     ///< positions that a step reads, in the mean
  uint64_t kvPerToken = 0;
  /// Medians, in order. Not as many as asked for: the steps had another number
  /// of barriers.
  std::vector<double> phases;
};

/// Decodes one sequence, short enough for every phase to be passed once. Reads
/// `bytes` of other memory (at most 1 GiB) for the rate, with as many threads,
/// before, between and after.
Result<StepTimes> measureStep(const Model &model, size_t phases, uint64_t bytes,
                              unsigned threads, Progress &progress);

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_REPORT_STEPTIMES_H
