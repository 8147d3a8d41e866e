// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. page.html and page.css are compiled in (PageTemplate.h).

#include "Page.h"
#include "../Console.h"
#include "Markup.h"
#include "PageTemplate.h"
#include "Plots.h"
#include "Sections.h"
#include "Values.h"
#include "llvm/ADT/STLExtras.h"
#include <algorithm>

using namespace adze::tools;
namespace json = llvm::json;
using llvm::StringRef;

namespace {

std::string section(const char *id, const char *title,
                    const std::string &body) {
  if (body.empty())
    return "";
  return element("section", {{"aria-labelledby", id}},
                 textElement("h2", title, {{"id", id}}) + "\n" + body) +
         "\n";
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
  figures.add("packed weights", escape(sizeOf(facts, "weight_bytes")));
  if (facts.get("bytes_per_token"))
    figures.add("read a token", escape(sizeOf(facts, "bytes_per_token")));
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
        {std::to_string(number), code(candidateText(*row)),
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

//===-- recipe ------------------------------------------------------------===//

std::string recipe(const json::Object &facts) {
  Definitions list("recipe");
  for (const auto &[name, text] : recipeOptions(facts.getObject("recipe")))
    list.add(name.c_str(), text.empty() ? escape("yes") : code(text));
  list.add("choice", escape(choiceText(facts)));
  if (facts.get("checkpoint"))
    list.add("checkpoint", code(textOf(facts, "checkpoint")));
  if (facts.get("rules"))
    list.add("rules of formats", code(textOf(facts, "rules")));
  if (const json::Object *scaling = facts.getObject("scaling"))
    list.add("scaling", escape(scalingText(*scaling)));
  if (const json::Object *ranges = facts.getObject("ranges"))
    list.add("ranges", escape(rangesText(*ranges)));
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
                 sizeOf(row),
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

std::string pageOf(const std::string &title, const std::string &body) {
  std::string page = kPageTemplate;
  replace(page, "{title}", escape(title));
  replace(page, "{style}", kPageStyle);
  replace(page, "{body}", body);
  return page;
}

} // namespace

std::string adze::tools::candidatesPage(const std::string &title,
                                        json::Array list) {
  json::Object facts{{"candidates", std::move(list)}};
  return pageOf(title,
                element("header", {}, textElement("h1", title)) + "\n" +
                    section("candidates", "Candidates", candidates(facts)));
}

std::string adze::tools::reportPage(const json::Object &facts) {
  std::string body = element("header", {},
                             textElement("h1", fileName(facts)) +
                                 paragraph(describeModel(facts), "model") +
                                 keyFigures(facts) + notesOf(facts)) +
                     "\n";
  body += section("candidates", "Candidates", candidates(facts));
  body += section("layers",
                  facts.get("step") ? "Layers against the roof" : "Layers",
                  layersSection(facts));
  body += section("phases", "Inside a layer", phasesSection(facts));
  body += section("errors", "Errors of weights", errorsSection(facts));
  body +=
      section("passes", "What fused, and what did not", passesSection(facts));
  body += section("recipe", "Recipe", recipe(facts));
  return pageOf(fileName(facts), body);
}
