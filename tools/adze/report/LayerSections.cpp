// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What layers take, and the errors of their weights.

#include "../Console.h"
#include "Markup.h"
#include "Plots.h"
#include "Sections.h"
#include "Values.h"
#include <algorithm>

using namespace adze::tools;
namespace json = llvm::json;

std::string adze::tools::paragraph(std::string text, const char *style) {
  for (const char *unit : {" µs", " ms", " s:", " GB/s"})
    for (size_t at = 0; (at = text.find(unit, at)) != std::string::npos; ++at)
      text.replace(at, 1, "\u00a0");
  return textElement("p", text,
                     style ? Attributes{{"class", style}} : Attributes()) +
         "\n";
}

std::string adze::tools::folded(llvm::StringRef summary,
                                llvm::StringRef markup) {
  return element("details", {},
                 textElement("summary", summary) + markup.str()) +
         "\n";
}

std::string adze::tools::code(llvm::StringRef text) {
  return textElement("code", text);
}

std::string adze::tools::sizeOf(const json::Object &object, const char *key) {
  return bytesText(uint64_t(std::max(0.0, numberOf(object, key))));
}

//===-- layers ------------------------------------------------------------===//

static std::string layerTable(const json::Array &layers) {
  bool timed = largest(layers, "seconds") > 0,
       erred = largest(layers, "error") > 0;
  TimeUnit unit = timeUnit(largest(layers, "seconds"));
  std::vector<std::string> head{"layer", "#bytes a token"};
  if (timed)
    head.insert(head.end(), {std::string("#time, ") + unit.name,
                             std::string("#roof, ") + unit.name, "#of roof"});
  if (erred)
    head.push_back("#mean error of weights");
  head.push_back("formats of matrices");
  MarkupTable table("Layers", head);
  for (const json::Value &value : layers) {
    const json::Object &layer = *value.getAsObject();
    std::vector<std::string> row{placeText(layer), sizeOf(layer)};
    for (std::string &cell : layerCells(layer, timed ? &unit : nullptr, erred))
      row.push_back(std::move(cell));
    row.push_back(code(listText(layer.getArray("formats"))));
    table.add(std::move(row));
  }
  return table.markup();
}

std::string adze::tools::layersSection(const json::Object &facts) {
  const json::Array *list = facts.getArray("layers");
  if (!list || list->empty())
    return "";
  std::string text;
  if (const json::Object *step = facts.getObject("step"))
    text = paragraph(
        "One token of one sequence at about " +
        fixedText(numberOf(*step, "context"), 0) + " positions, on " +
        textOf(*step, "threads") + " threads of " + textOf(facts, "variant") +
        ": " + timeText(numberOf(*step, "seconds")) +
        ". The roof is a plain read of as many bytes at that moment, at " +
        fixedText(numberOf(*step, "read_bytes_per_second") / 1e9, 1) +
        " GB/s: " + timeText(numberOf(*step, "roof_seconds")) +
        ". Times are medians of " + textOf(*step, "samples") +
        " steps, taken where all threads meet; bytes are those of weights and "
        "of keys and values.");
  return text + layerTimePlot(*list) + layerBytesPlot(*list) +
         folded("Table of " + std::to_string(list->size()) + " rows",
                layerTable(*list));
}

std::string adze::tools::phasesSection(const json::Object &facts) {
  const json::Array *list = facts.getArray("phases");
  if (!list || list->empty())
    return "";
  double most = largest(*list, "seconds");
  bool timed = most > 0;
  TimeUnit unit = timeUnit(most);
  double all = 0, longest = 0;
  for (const json::Value &value : *list) {
    double seconds = numberOf(*value.getAsObject(), "seconds") *
                     numberOf(*value.getAsObject(), "layers");
    all += seconds;
    longest = std::max(longest, seconds);
  }
  std::vector<std::string> head{"layers", "launches", "#bytes"};
  if (timed)
    head.insert(head.end(),
                {std::string("#time, ") + unit.name,
                 std::string("#roof, ") + unit.name, "#of the step", ""});
  MarkupTable table("Phases: what runs between two barriers, of one layer",
                    head, "wide");
  for (const json::Value &value : *list) {
    const json::Object &phase = *value.getAsObject();
    std::vector<std::string> row{layersText(phase), escape(phaseText(phase)),
                                 sizeOf(phase)};
    if (timed) {
      double seconds = numberOf(phase, "seconds"),
             share = seconds * numberOf(phase, "layers") / all;
      row.push_back(fixedText(seconds / unit.seconds, 1));
      row.push_back(
          fixedText(numberOf(phase, "roof_seconds") / unit.seconds, 1));
      row.push_back(percentText(share));
      row.push_back(element(
          "div", {{"class", "meter"}, {"aria-hidden", "true"}},
          element(
              "div",
              {{"style", "width: " + fixedText(100 * share * all / longest, 1) +
                             "%"}})));
    }
    table.add(std::move(row));
  }
  return table.markup();
}

//===-- errors ------------------------------------------------------------===//

std::string adze::tools::errorsSection(const json::Object &facts) {
  const json::Array *list = facts.getArray("errors");
  if (!list || list->empty())
    return "";
  std::vector<std::string> makers;
  bool output = false, zeros = false;
  for (const json::Value &value : *list) {
    const json::Object &error = *value.getAsObject();
    std::string by = textOf(error, "by");
    if (std::find(makers.begin(), makers.end(), by) == makers.end())
      makers.push_back(by);
    output |= error.getNumber("output").has_value();
    zeros |= error.getNumber("zeros").has_value();
  }
  std::string out;
  for (const std::string &by : makers) {
    std::string what = by == "cast" ? "rounding to the nearest code" : by;
    out += errorPlot(*list, by, "relative",
                     ("Error of weights by " + what).c_str());
    out += errorPlot(*list, by, "output",
                     ("Error of what they compute by " + what).c_str());
  }
  std::vector<std::string> head{"weight", "by", "format", "#of the weight"};
  if (output)
    head.insert(head.end(), {"#of its output", "#output if plain"});
  if (zeros)
    head.push_back("#zeros");
  MarkupTable table("Errors: |after − before| / |before|", head);
  for (const json::Value &value : *list) {
    const json::Object &error = *value.getAsObject();
    auto share = [&](const char *key) {
      return error.getNumber(key) ? percentText(numberOf(error, key), 3) : "";
    };
    std::string format = textOf(error, "format");
    if (format.empty())
      format = textOf(error, "pattern");
    std::vector<std::string> row{code(textOf(error, "weight")),
                                 code(textOf(error, "by")), code(format),
                                 share("relative")};
    if (output)
      row.insert(row.end(), {share("output"), share("plain")});
    if (zeros)
      row.push_back(share("zeros"));
    table.add(std::move(row));
  }
  return paragraph("|after − before| / |before| of each weight that was "
                   "changed; of its output, where a calibration says what it "
                   "reads.") +
         out +
         folded("Table of " + std::to_string(list->size()) + " weights",
                table.markup());
}
