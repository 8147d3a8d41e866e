// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a report says of an artefact, as one JSON object: what `adze report
// --json` prints, and what the page and the table are made of.
//
//   artefact, id, model      the metadata
//   compiler, recipe, calibration, variants, variant
//   weight_bytes, bytes_per_token, formats, parameters
//   quality, kernels, packing, scaling, candidates, forced, checkpoint
//             as the proof has them; rules, its `formats`
//   step      threads, seconds, tokens_per_second, read_bytes_per_second,
//             roof_seconds, context
//   layers    before the layers, each of them, after: bytes, formats, seconds,
//             roof_seconds, error
//   phases    what runs between two barriers, of all layers with the same
//             launches: launches (op, source), layers (how many), first, last,
//             and means: bytes, seconds, roof_seconds
//   errors    of each weight that was changed: weight, layer, format, by,
//             relative, output, plain, zeros
//   schedule  parts, launches and what passes said (Schedule.h); remarks, which
//             belong to no launch
//   notes     what is not there, and why
//
// Seconds of a layer and a phase, the roof and `step` are there where they were
// measured. The roof is the time that a plain read of as many bytes takes.
#ifndef ADZE_TOOLS_ADZE_REPORT_FACTS_H
#define ADZE_TOOLS_ADZE_REPORT_FACTS_H

#include "../Console.h"
#include "llvm/Support/JSON.h"

namespace adze::tools {

struct FactsOptions {
  std::string artefact;
  unsigned threads = 0;
  bool measure = true;
};

Result<llvm::json::Object> reportFacts(const FactsOptions &options,
                                       Progress &progress);

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_REPORT_FACTS_H
