// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Facts as text, the same in the table and on the page.
#ifndef ADZE_TOOLS_ADZE_REPORT_VALUES_H
#define ADZE_TOOLS_ADZE_REPORT_VALUES_H

#include "llvm/Support/JSON.h"
#include <string>
#include <utility>
#include <vector>

namespace adze::tools {

/// The string or number under `key`, or nothing.
std::string textOf(const llvm::json::Object &object, const char *key);
double numberOf(const llvm::json::Object &object, const char *key);
/// The largest number under `key` of the objects in a list; at least 0.
double largest(const llvm::json::Array &list, const char *key);

/// "12.34" with so many digits behind the point.
std::string fixedText(double value, int digits);
/// "3.14 %" of a share.
std::string percentText(double share, int digits = 1);
/// The unit that seconds up to `most` are best read in.
struct TimeUnit {
  const char *name;
  double seconds;
};
TimeUnit timeUnit(double most);
/// "12.3 µs".
std::string timeText(double seconds);

/// "before", "12" or "after".
std::string placeText(const llvm::json::Object &layer);
/// Of a row of layers: the time, the roof and their ratio (where there is a
/// unit to give them in), the error (where some layer has one).
std::vector<std::string> layerCells(const llvm::json::Object &layer,
                                    const TimeUnit *unit, bool erred);
/// "before", "0-21", "7" or "11 of 0-21": the layers of a phase.
std::string layersText(const llvm::json::Object &phase);
/// The strings of an array, with commas between.
std::string listText(const llvm::json::Array *list);
/// Options of a recipe that are set, by the names of the command line: weights
/// first; a flag has no value.
std::vector<std::pair<std::string, std::string>>
recipeOptions(const llvm::json::Object *recipe);
/// The same as text: "weights int4:g32, kv bf16, rotate".
std::string recipeText(const llvm::json::Object *recipe);
/// What the proof's `scaling` says of inputs that were divided by factors.
std::string scalingText(const llvm::json::Object &scaling);
/// What the proof's `ranges` says of activations whose ranges are fixed.
std::string rangesText(const llvm::json::Object &ranges);
/// Why a candidate was built, where a gate has compared several, or nothing.
std::string choiceText(const llvm::json::Object &proof);
/// What a candidate is called: its recipe, as text or as options.
std::string candidateText(const llvm::json::Object &candidate);
/// "linear model.layers.{}.mlp.down_proj", and other launches behind.
std::string phaseText(const llvm::json::Object &phase);

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_REPORT_VALUES_H
