// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. page.html and page.css are compiled in (PageTemplate.h).

#include "Page.h"
#include "../Console.h"
#include "Markup.h"
#include "PageTemplate.h"
#include "Plots.h"
#include "Values.h"
#include "llvm/ADT/SmallVector.h"
#include <algorithm>
#include <map>

using namespace adze::tools;
namespace json = llvm::json;
using llvm::StringRef;

namespace {

std::string bytesOf(const json::Object &object, const char *key = "bytes") {
  return bytesText(uint64_t(std::max(0.0, numberOf(object, key))));
}

std::string section(const char *id, const char *title,
                    const std::string &body) {
  if (body.empty())
    return "";
  return element("section", {{"aria-labelledby", id}},
                 textElement("h2", title, {{"id", id}}) + "\n" + body) +
         "\n";
}

std::string paragraph(StringRef text, const char *style = nullptr) {
  return textElement("p", text,
                     style ? Attributes{{"class", style}} : Attributes()) +
         "\n";
}

std::string folded(const std::string &summary, const std::string &body) {
  return element("details", {}, textElement("summary", summary) + body) + "\n";
}

std::string code(StringRef text) { return textElement("code", text); }

/// Names in a checkpoint, of which none is broken.
std::string namesOf(StringRef text) {
  std::string parts;
  llvm::SmallVector<StringRef> names;
  text.split(names, ", ");
  for (StringRef name : names)
    parts += (parts.empty() ? "" : ", ") +
             textElement("span", name, {{"class", "nb"}});
  return element("code", {}, parts);
}

/// A list of names and what they are; those without are left out.
class Definitions {
public:
  explicit Definitions(const char *style) : style(style) {}
  void add(const char *name, const std::string &markup) {
    if (!markup.empty())
      items += element("div", {},
                       textElement("dt", name) + element("dd", {}, markup));
  }
  std::string markup() const {
    return element("dl", {{"class", style}}, items) + "\n";
  }

private:
  const char *style;
  std::string items;
};

//===-- head --------------------------------------------------------------===//

std::string fileName(const json::Object &facts) {
  std::string path = textOf(facts, "artefact");
  return StringRef(path).rsplit('/').second.empty()
             ? path
             : StringRef(path).rsplit('/').second.str();
}

std::string describeModel(const json::Object &facts) {
  std::string text;
  auto add = [&](const std::string &part) {
    if (!part.empty())
      text += (text.empty() ? "" : " · ") + part;
  };
  if (const json::Object *model = facts.getObject("model")) {
    add(textOf(*model, "architecture"));
    if (model->get("layers"))
      add(textOf(*model, "layers") + " layers");
    if (model->get("hidden"))
      add("hidden " + textOf(*model, "hidden"));
  }
  std::string recipe = recipeText(facts.getObject("recipe"));
  add(recipe.empty() ? "weights as in the checkpoint" : recipe);
  return text;
}

std::string keyFigures(const json::Object &facts) {
  Definitions figures("figures");
  figures.add("packed weights", escape(bytesOf(facts, "weight_bytes")));
  if (facts.get("bytes_per_token"))
    figures.add("weights read a token",
                escape(bytesOf(facts, "bytes_per_token")));
  if (const json::Object *step = facts.getObject("step")) {
    double seconds = numberOf(*step, "seconds"),
           roof = numberOf(*step, "roof_seconds");
    double rate = numberOf(*step, "tokens_per_second");
    figures.add("speed", escape(fixedText(rate, rate < 100 ? 1 : 0)) +
                             textElement("small", " tokens/s"));
    figures.add("of the roof",
                escape(percentText(seconds > 0 ? roof / seconds : 0, 0)));
  }
  if (const json::Object *quality = facts.getObject("quality")) {
    double perplexity = numberOf(*quality, "perplexity");
    std::string text = escape(fixedText(perplexity, 3));
    const json::Object *against = quality->getObject("against");
    if (against && numberOf(*against, "perplexity") > 0) {
      double change = perplexity / numberOf(*against, "perplexity") - 1;
      text += textElement("small", std::string(change < 0 ? " −" : " +") +
                                       percentText(std::abs(change), 2));
    }
    figures.add("perplexity", text);
    if (against)
      figures.add("same likeliest token",
                  escape(percentText(numberOf(*against, "top1_agreement"))));
  }
  return figures.markup();
}

std::string notesOf(const json::Object &facts) {
  const json::Array *notes = facts.getArray("notes");
  std::string items;
  for (size_t i = 0; notes && i < notes->size(); ++i)
    if (auto note = (*notes)[i].getAsString())
      items += textElement("li", *note);
  return items.empty() ? "" : element("ul", {{"class", "notes"}}, items) + "\n";
}

//===-- candidates --------------------------------------------------------===//

std::string candidates(const json::Object &facts) {
  const json::Array *list = facts.getArray("candidates");
  if (!list || list->empty())
    return "";
  MarkupTable table("Candidates",
                    {"#No.", "candidate", "#bytes a token", "#predicted time",
                     "#tokens/s", "#perplexity", "", "why"},
                    "wide");
  size_t number = 0;
  for (const json::Value &value : *list) {
    ++number;
    const json::Object *row = value.getAsObject();
    if (!row)
      continue;
    bool chosen = row->getBoolean("chosen").value_or(false),
         refused = row->getBoolean("refused").value_or(false);
    auto cell = [&](const char *key, auto text) {
      return row->getNumber(key) ? escape(text(numberOf(*row, key))) : "";
    };
    table.add(
        {std::to_string(number), code(textOf(*row, "recipe")),
         cell("bytes_per_token",
              [](double v) { return bytesText(uint64_t(std::max(0.0, v))); }),
         cell("predicted_seconds_per_token", timeText),
         cell("tokens_per_second", [](double v) { return fixedText(v, 1); }),
         cell("perplexity", [](double v) { return fixedText(v, 4); }),
         chosen    ? "chosen"
         : refused ? "refused"
                   : "",
         escape(textOf(*row, "why"))},
        chosen ? "chosen-row" : nullptr);
  }
  return paretoPlot(*list) + table.markup();
}

//===-- layers ------------------------------------------------------------===//

double largest(const json::Array &list, const char *key) {
  double most = 0;
  for (const json::Value &value : list)
    most = std::max(most, numberOf(*value.getAsObject(), key));
  return most;
}

std::string layerTable(const json::Array &layers) {
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
    std::vector<std::string> row{placeText(layer), bytesOf(layer)};
    if (timed) {
      double seconds = numberOf(layer, "seconds"),
             roof = numberOf(layer, "roof_seconds");
      row.push_back(fixedText(seconds / unit.seconds, 1));
      row.push_back(fixedText(roof / unit.seconds, 1));
      row.push_back(seconds > 0 ? percentText(roof / seconds, 0) : "");
    }
    if (erred)
      row.push_back(
          layer.get("error") ? percentText(numberOf(layer, "error"), 2) : "");
    row.push_back(code(listText(layer.getArray("formats"))));
    table.add(std::move(row));
  }
  return table.markup();
}

std::string layers(const json::Object &facts) {
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

std::string phases(const json::Object &facts) {
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
    std::string where = textOf(phase, "part");
    if (auto first = phase.getInteger("first")) {
      int64_t count = phase.getInteger("layers").value_or(1);
      where = std::to_string(*first);
      if (count > 1)
        where += "–" + std::to_string(*first + count - 1);
    }
    std::vector<std::string> row{where, escape(phaseText(phase)),
                                 bytesOf(phase)};
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

std::string errors(const json::Object &facts) {
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

//===-- passes ------------------------------------------------------------===//

std::string remarkList(const json::Object &launch) {
  std::string items;
  for (const char *kind : {"fired", "missed"}) {
    const json::Array *list = launch.getArray(kind);
    for (size_t i = 0; list && i < list->size(); ++i)
      if (const json::Object *remark = (*list)[i].getAsObject())
        items += element("li", {{"class", kind}},
                         element("b", {}, *kind == 'f' ? "did" : "did not") +
                             " " + code(textOf(*remark, "pass")) + ": " +
                             escape(textOf(*remark, "text")));
  }
  return items.empty() ? "" : element("ul", {{"class", "remarks"}}, items);
}

std::string partTable(const json::Object &part) {
  std::string where = textOf(part, "part");
  if (auto first = part.getInteger("first")) {
    int64_t count = part.getInteger("count").value_or(1);
    where = (count > 1 ? "layers " : "layer ") + std::to_string(*first);
    if (count > 1)
      where += " to " + std::to_string(*first + count - 1);
  } else {
    where += " the layers";
  }
  MarkupTable table(where, {"launch", "of", "#weights", "format", "passes"},
                    "wide");
  for (const json::Value &value : *part.getArray("launches")) {
    const json::Object &launch = *value.getAsObject();
    std::string format = textOf(launch, "format"),
                with = textOf(launch, "activations"),
                writes = textOf(launch, "writes");
    if (!with.empty() && !format.empty())
      format += " × " + with;
    if (!writes.empty())
      format += (format.empty() ? "writes " : ", writes ") + writes;
    double bytes = numberOf(launch, "weight_bytes");
    table.add({escape(textOf(launch, "op")), namesOf(textOf(launch, "source")),
               bytes > 0 ? bytesText(uint64_t(bytes)) : "", escape(format),
               remarkList(launch)});
  }
  return table.markup();
}

std::string passes(const json::Object &facts) {
  const json::Object *schedule = facts.getObject("schedule");
  const json::Array *parts = schedule ? schedule->getArray("parts") : nullptr;
  if (!parts)
    return "";
  std::string out = paragraph(
      "Launch by launch, of the plan for " +
      listText(schedule->getArray("variants")) +
      ": what passes did, and what they could have done and did not.");
  constexpr size_t kOpen = 4; // kinds of layers that are not folded
  for (size_t p = 0; p < parts->size(); ++p) {
    const json::Object &part = *(*parts)[p].getAsObject();
    std::string table = partTable(part);
    out += p < kOpen ? table
                     : folded("layers from " + textOf(part, "first"), table);
  }
  // What belongs to no launch; the errors above say it of what was rounded.
  std::string items;
  const json::Array *rest = schedule->getArray("remarks");
  for (size_t i = 0; rest && i < rest->size(); ++i) {
    const json::Object *remark = (*rest)[i].getAsObject();
    if (!remark)
      continue;
    bool fired = textOf(*remark, "kind") == "fired";
    items += element("li", {{"class", fired ? "fired" : "missed"}},
                     element("b", {}, fired ? "did" : "did not") + " " +
                         code(textOf(*remark, "pass")) + ": " +
                         escape(textOf(*remark, "text")) + " " +
                         code(textOf(*remark, "source")));
  }
  if (!items.empty())
    out += folded("Remarks on weights and on what became part of a launch",
                  element("ul", {{"class", "remarks"}}, items));
  return out;
}

//===-- recipe ------------------------------------------------------------===//

std::string recipe(const json::Object &facts) {
  Definitions list("recipe");
  if (const json::Object *options = facts.getObject("recipe")) {
    std::map<std::string, std::string> sorted;
    for (const auto &[key, value] : *options) {
      std::string text = textOf(*options, key.str().c_str());
      if (text.empty())
        text = listText(options->getArray(key));
      sorted[key.str()] = text;
    }
    for (const auto &[key, text] : sorted)
      list.add(key.c_str(), text.empty() ? "" : code(text));
  }
  if (const json::Object *calibration = facts.getObject("calibration")) {
    list.add("calibration",
             escape(textOf(*calibration, "tokens") + " tokens in " +
                    textOf(*calibration, "sequences") + " sequences"));
    list.add("SHA-256 of its text", code(textOf(*calibration, "text")));
  }
  if (const json::Object *quality = facts.getObject("quality")) {
    list.add("quality on",
             escape(textOf(*quality, "tokens") + " tokens in windows of " +
                    textOf(*quality, "context")));
    list.add("SHA-256 of that text", code(textOf(*quality, "text_sha256")));
    if (const json::Object *against = quality->getObject("against"))
      list.add("against the source",
               escape("perplexity " +
                      fixedText(numberOf(*against, "perplexity"), 4) +
                      ", KL divergence " +
                      fixedText(numberOf(*against, "kl_divergence"), 5) +
                      ", same likeliest token in " +
                      percentText(numberOf(*against, "top1_agreement"), 2)));
  }
  if (const json::Object *packing = facts.getObject("packing"))
    list.add("packing", escape("panels of " + textOf(*packing, "weights") +
                               " weights equal the rows they are made of"));
  if (const json::Object *kernels = facts.getObject("kernels")) {
    char error[32];
    std::snprintf(error, sizeof error, "%.1e",
                  numberOf(*kernels, "relative_error"));
    list.add("kernels", escape("logits of " + textOf(*kernels, "tokens") +
                               " tokens are within " + error +
                               " of the reference interpreter"));
  }
  list.add("compiler", escape(textOf(facts, "compiler")));
  list.add("variants", escape(listText(facts.getArray("variants"))));
  list.add("id", code(textOf(facts, "id")));
  std::string formats;
  if (const json::Array *rows = facts.getArray("formats");
      rows && !rows->empty()) {
    MarkupTable table("Formats", {"format", "#tensors", "#bytes", "#share"});
    double all = numberOf(facts, "weight_bytes");
    for (const json::Value &value : *rows) {
      const json::Object &row = *value.getAsObject();
      table.add({code(textOf(row, "format")), textOf(row, "tensors"),
                 bytesOf(row),
                 percentText(all > 0 ? numberOf(row, "bytes") / all : 0)});
    }
    formats = table.markup();
  }
  return list.markup() + formats;
}

void replace(std::string &text, const char *mark, const std::string &by) {
  size_t at = text.find(mark);
  if (at != std::string::npos)
    text.replace(at, StringRef(mark).size(), by);
}

} // namespace

std::string adze::tools::reportPage(const json::Object &facts) {
  std::string body = element("header", {},
                             textElement("h1", fileName(facts)) +
                                 paragraph(describeModel(facts), "model") +
                                 keyFigures(facts) + notesOf(facts)) +
                     "\n";
  body += section("candidates", "Candidates", candidates(facts));
  body += section("layers", "Layers against the roof", layers(facts));
  body += section("phases", "Inside a layer", phases(facts));
  body += section("errors", "Errors of weights", errors(facts));
  body += section("passes", "What fused, and what did not", passes(facts));
  body += section("recipe", "Recipe", recipe(facts));
  std::string page = kPageTemplate;
  replace(page, "{title}", escape(fileName(facts)));
  replace(page, "{style}", kPageStyle);
  replace(page, "{body}", body);
  return page;
}
