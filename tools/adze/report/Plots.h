// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The drawings of a report, as SVG. Colours are classes of page.css.
#ifndef ADZE_TOOLS_ADZE_REPORT_PLOTS_H
#define ADZE_TOOLS_ADZE_REPORT_PLOTS_H

#include "llvm/Support/JSON.h"
#include <string>

namespace adze::tools {

/// Candidates by predicted time (bytes where there is none) and perplexity,
/// numbered from 1 in their order. Empty where fewer than two have both.
std::string paretoPlot(const llvm::json::Array &candidates);

/// A bar for each of the layers: the time of its phases with the roof across
/// it. Empty where nothing was measured.
std::string layerTimePlot(const llvm::json::Array &layers);
/// The same for bytes, by format.
std::string layerBytesPlot(const llvm::json::Array &layers);

/// `key` of the errors made by `by`, weights of layers by layers. Empty where
/// no error has it.
std::string errorPlot(const llvm::json::Array &errors, const std::string &by,
                      const char *key, const char *title);

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_REPORT_PLOTS_H
