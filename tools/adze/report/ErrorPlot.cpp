// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Errors of weights, a row for each kind of weight and a column for each layer.

#include "Drawing.h"
#include "Plots.h"
#include "Values.h"
#include <algorithm>
#include <map>
#include <set>

using namespace adze::tools;
namespace json = llvm::json;
using llvm::StringRef;

/// "model.layers.3.mlp.up_proj.weight" as "mlp.up_proj".
static std::string kindOf(StringRef weight) {
  weight.consume_back(".weight");
  while (!weight.empty()) {
    auto [head, tail] = weight.split('.');
    int64_t number;
    weight = tail;
    if (!head.getAsInteger(10, number))
      break;
  }
  return weight.str();
}

std::string adze::tools::errorPlot(const json::Array &errors,
                                   const std::string &by, const char *key,
                                   const char *title) {
  std::vector<std::string> kinds; // in the order of the artefact
  std::set<int64_t> layers;
  std::map<std::pair<std::string, int64_t>, double> values;
  double most = 0;
  for (const json::Value &value : errors) {
    const json::Object &error = *value.getAsObject();
    if (textOf(error, "by") != by || !error.getNumber(key) ||
        !error.getInteger("layer"))
      continue;
    int64_t layer = *error.getInteger("layer");
    std::string kind = kindOf(textOf(error, "weight"));
    if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end())
      kinds.push_back(kind);
    layers.insert(layer);
    values[{kind, layer}] = numberOf(error, key);
    most = std::max(most, numberOf(error, key));
  }
  if (values.empty() || most <= 0)
    return "";
  size_t longest = 0;
  for (const std::string &kind : kinds)
    longest = std::max(longest, kind.size());
  const double left = 24 + 7.2 * double(longest), top = 26, height = 24;
  double band = std::clamp((712 - left) / double(layers.size()), 16.0, 56.0);
  Drawing drawing(std::max(720.0, left + band * double(layers.size()) + 8),
                  top + height * double(kinds.size()) + 8);
  int64_t every = 1;
  for (int64_t step : {1, 2, 4, 5, 10, 20, 50})
    if (every = step; double(step) * band >= 24)
      break;
  drawing.text(left - 10, 16, "layer", "end unit");
  size_t column = 0;
  for (int64_t layer : layers) {
    double x = left + band * double(column++);
    if (layer % every == 0)
      drawing.text(x + band / 2, 16, std::to_string(layer), "middle");
    for (size_t row = 0; row < kinds.size(); ++row) {
      auto it = values.find({kinds[row], layer});
      if (it == values.end())
        continue;
      double y = top + height * double(row);
      std::string name = "layer " + std::to_string(layer) + ", " + kinds[row];
      drawing.rectangle(x + 1, y + 1, band - 2, height - 2, "heat",
                        name + ": " + percentText(it->second, 2),
                        std::max(0.02, it->second / most));
      if (band >= 36)
        drawing.text(x + band / 2, y + 16, fixedText(100 * it->second, 2),
                     "middle small");
    }
  }
  for (size_t row = 0; row < kinds.size(); ++row)
    drawing.text(left - 10, top + height * double(row) + 16, kinds[row], "end");
  return textElement("h3", std::string(title) + ", %") + "\n" +
         drawing.markup(title, std::string(title) +
                                   ", weights by layers, in percent; the "
                                   "figures are in the table below.") +
         element("p", {{"class", "ramp"}},
                 escape("0 % ") +
                     element("span", {{"class", "key ramp-bar"},
                                      {"aria-hidden", "true"}}) +
                     escape(" " + percentText(most, 2)));
}
