// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Bars for the layers of an artefact.

#include "../Console.h"
#include "Drawing.h"
#include "Plots.h"
#include "Values.h"
#include <algorithm>
#include <cmath>

using namespace adze::tools;
namespace json = llvm::json;

namespace {

std::string layerName(const json::Object &layer) {
  if (layer.get("layer"))
    return "layer " + placeText(layer);
  return placeText(layer) + " the layers";
}

/// Room for the bars of some layers, as wide as they need.
class Bars {
public:
  Bars(const json::Array &layers, double most, const char *unit)
      : band(std::clamp(640.0 / double(layers.size()), 13.0, 92.0)),
        drawing(std::max(720.0, left + band * double(layers.size()) + 16), 236),
        axis(0, most * 1.06, bottom, top) {
    drawing.scaleY(axis, left, drawing.width - 16, unit);
    // Numbers of layers as far as they do not meet.
    int64_t every = 1;
    for (int64_t step : {1, 2, 4, 5, 10, 20, 50})
      if (every = step; double(step) * band >= 24)
        break;
    for (size_t i = 0; i < layers.size(); ++i) {
      const json::Object &layer = *layers[i].getAsObject();
      auto number = layer.getInteger("layer");
      if (number && *number % every)
        continue;
      std::string name = number ? std::to_string(*number)
                         : textOf(layer, "place")[0] == 'b' ? "in"
                                                            : "out";
      drawing.text(middle(i), bottom + 18, name, "middle");
    }
    drawing.text(left, bottom + 38,
                 "layer (in: before the layers, out: after them)",
                 "start unit");
  }

  double middle(size_t i) const { return left + band * (double(i) + 0.5); }
  double barWidth() const { return std::min(band * 0.72, 48.0); }
  /// A part of a bar between two values.
  void bar(size_t i, double from, double to, const char *style,
           const std::string &title) {
    if (to > from)
      drawing.rectangle(middle(i) - barWidth() / 2, axis.at(to), barWidth(),
                        axis.at(from) - axis.at(to), style, title);
  }
  void mark(size_t i, double value, const std::string &title) {
    double half = std::min(band, barWidth() + 8) / 2;
    drawing.line(middle(i) - half, axis.at(value), middle(i) + half,
                 axis.at(value), "roof", title);
  }
  std::string markup(const char *title, const std::string &description) {
    drawing.line(left, bottom, drawing.width - 16, bottom, "axis");
    return drawing.markup(title, description);
  }

private:
  static constexpr double left = 60, top = 26, bottom = 188;
  const double band;
  Drawing drawing;
  Axis axis;
};

} // namespace

std::string adze::tools::layerTimePlot(const json::Array &layers) {
  double most =
      std::max(largest(layers, "seconds"), largest(layers, "roof_seconds"));
  if (largest(layers, "seconds") <= 0)
    return "";
  TimeUnit unit = timeUnit(most);
  std::string name = std::string(unit.name) + " a token";
  Bars bars(layers, most / unit.seconds, name.c_str());
  const std::pair<const char *, const char *> kinds[] = {
      {"seconds_matrices", "matrices"},
      {"seconds_attention", "attention"},
      {"seconds_rest", "rest"}};
  for (size_t i = 0; i < layers.size(); ++i) {
    const json::Object &layer = *layers[i].getAsObject();
    double from = 0;
    for (auto [key, style] : kinds) {
      double seconds = numberOf(layer, key), to = from + seconds / unit.seconds;
      bars.bar(i, from, to, style,
               layerName(layer) + ", " + style + ": " + timeText(seconds));
      from = to;
    }
    double roof = numberOf(layer, "roof_seconds");
    bars.mark(i, roof / unit.seconds,
              layerName(layer) + ", roof: " + timeText(roof) + " of " +
                  timeText(numberOf(layer, "seconds")));
  }
  return bars.markup("Time of each layer",
                     "The time that each layer takes for one token, beside the "
                     "time that a plain read of its bytes takes; the figures "
                     "are in the table below.") +
         legend({{"matrices", "matrices"},
                 {"attention", "attention"},
                 {"rest", "norms, rounding and the rest"},
                 {"roof", "roof: a plain read of the same bytes"}});
}

std::string adze::tools::layerBytesPlot(const json::Array &layers) {
  double most = largest(layers, "bytes");
  if (most <= 0)
    return "";
  bool large = most >= 1e6;
  double scale = large ? 1e6 : 1e3;
  Bars bars(layers, most / scale, large ? "MB a token" : "KB a token");
  // A colour for each mix of formats, in the order in which they come.
  constexpr size_t kColours = 6;
  static const char *const styles[kColours] = {"format0", "format1", "format2",
                                               "format3", "format4", "format5"};
  std::vector<std::string> mixes;
  for (size_t i = 0; i < layers.size(); ++i) {
    const json::Object &layer = *layers[i].getAsObject();
    std::string mix = listText(layer.getArray("formats"));
    const char *style = "rest";
    if (!mix.empty()) {
      auto known = std::find(mixes.begin(), mixes.end(), mix);
      style = styles[std::min(size_t(known - mixes.begin()), kColours - 1)];
      if (known == mixes.end())
        mixes.push_back(mix);
    }
    double bytes = numberOf(layer, "bytes");
    bars.bar(i, 0, bytes / scale, style,
             layerName(layer) + ": " + bytesText(uint64_t(bytes)) +
                 (mix.empty() ? "" : ", " + mix));
  }
  std::vector<std::pair<std::string, std::string>> entries;
  for (size_t i = 0; i < mixes.size() && i < kColours; ++i)
    entries.emplace_back(styles[i], i + 1 == kColours && mixes.size() > kColours
                                        ? "others"
                                        : mixes[i]);
  return bars.markup("Bytes of each layer",
                     "The bytes that each layer reads for one token, by the "
                     "formats of its matrices; the figures are in the table "
                     "below.") +
         legend(entries);
}
