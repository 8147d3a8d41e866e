// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "Table.h"
#include "../Console.h"
#include "Values.h"
#include <algorithm>
#include <map>

using namespace adze;
using namespace adze::tools;
namespace json = llvm::json;

namespace {

/// Columns of one table: the first and the last to the left, others aligned at
/// their ends.
class Columns {
public:
  explicit Columns(std::vector<std::string> head) : rows{std::move(head)} {}
  void add(std::vector<std::string> row) { rows.push_back(std::move(row)); }

  std::string text() const {
    std::vector<size_t> widths(rows.front().size());
    for (const auto &row : rows)
      for (size_t i = 0; i < row.size(); ++i)
        widths[i] = std::max(widths[i], width(row[i]));
    std::string out;
    for (const auto &row : rows) {
      std::string line;
      for (size_t i = 0; i < row.size(); ++i) {
        std::string space(widths[i] - width(row[i]), ' ');
        bool left = i == 0 || i + 1 == widths.size();
        line += (i ? "  " : "") + (left ? row[i] + space : space + row[i]);
      }
      out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    return out;
  }

private:
  /// Characters, not bytes.
  static size_t width(const std::string &text) {
    return size_t(std::count_if(text.begin(), text.end(), [](char c) {
      return (uint8_t(c) & 0xc0) != 0x80;
    }));
  }
  std::vector<std::vector<std::string>> rows;
};

std::string bytesOf(const json::Object &object) {
  return bytesText(uint64_t(std::max(0.0, numberOf(object, "bytes"))));
}

std::string head(const json::Object &facts) {
  const json::Object *model = facts.getObject("model");
  std::string out = textOf(facts, "artefact") + ": ";
  out += model && model->get("architecture") ? textOf(*model, "architecture")
                                             : "a module";
  if (model && model->get("layers"))
    out += ", " + textOf(*model, "layers") + " layers";
  out += ", " + bytesText(uint64_t(numberOf(facts, "weight_bytes"))) +
         " of packed weights\n";
  auto line = [&](const char *name, const std::string &value) {
    if (!value.empty())
      out += std::string(name) +
             std::string(13 - std::string(name).size(), ' ') + value + "\n";
  };
  line("id", textOf(facts, "id"));
  line("made by", textOf(facts, "compiler"));
  std::string recipe = recipeText(facts.getObject("recipe"));
  line("recipe", recipe.empty() ? "weights as in the checkpoint" : recipe);
  if (const json::Object *calibration = facts.getObject("calibration"))
    line("calibration", textOf(*calibration, "tokens") + " tokens of text " +
                            textOf(*calibration, "text").substr(0, 12));
  line("choice", choiceText(facts));
  line("checkpoint", textOf(facts, "checkpoint"));
  line("rules", textOf(facts, "rules"));
  if (const json::Object *scaling = facts.getObject("scaling"))
    line("scaling", scalingText(*scaling));
  if (const json::Object *ranges = facts.getObject("ranges"))
    line("ranges", rangesText(*ranges));
  std::string formats;
  const json::Array *list = facts.getArray("formats");
  for (size_t i = 0; list && i < list->size(); ++i) {
    const json::Object &format = *(*list)[i].getAsObject();
    formats +=
        (i ? ", " : "") + textOf(format, "format") + " " + bytesOf(format);
  }
  line("formats", formats);
  line("variants", listText(facts.getArray("variants")));
  if (const json::Object *quality = facts.getObject("quality")) {
    std::string text =
        "perplexity " + fixedText(numberOf(*quality, "perplexity"), 4);
    if (const json::Object *against = quality->getObject("against"))
      text += ", of the source " +
              fixedText(numberOf(*against, "perplexity"), 4) +
              "; KL divergence " +
              fixedText(numberOf(*against, "kl_divergence"), 5) +
              ", same likeliest token in " +
              percentText(numberOf(*against, "top1_agreement"), 2);
    line("quality", text);
  }
  if (const json::Object *step = facts.getObject("step")) {
    double seconds = numberOf(*step, "seconds"),
           roof = numberOf(*step, "roof_seconds");
    line("step", timeText(seconds) + " a token (" +
                     fixedText(numberOf(*step, "tokens_per_second"), 1) +
                     " tokens/s) on " + textOf(*step, "threads") +
                     " threads of " + textOf(facts, "variant"));
    line("roof",
         timeText(roof) + " (" + percentText(roof / seconds, 0) +
             " of it): a plain read of as many bytes, at " +
             fixedText(numberOf(*step, "read_bytes_per_second") / 1e9, 1) +
             " GB/s");
  }
  return out;
}

std::string candidates(const json::Array &list) {
  Columns table({"", "candidate", "bytes/token", "predicted", "tokens/s",
                 "perplexity", "why"});
  for (const json::Value &value : list) {
    const json::Object *row = value.getAsObject();
    if (!row)
      continue;
    auto number = [&](const char *key, int digits) {
      return row->getNumber(key) ? fixedText(numberOf(*row, key), digits) : "";
    };
    table.add({row->getBoolean("chosen").value_or(false)    ? ">"
               : row->getBoolean("refused").value_or(false) ? "x"
                                                            : " ",
               candidateText(*row),
               row->getNumber("bytes_per_token")
                   ? bytesText(uint64_t(numberOf(*row, "bytes_per_token")))
                   : "",
               row->getNumber("predicted_seconds_per_token")
                   ? timeText(numberOf(*row, "predicted_seconds_per_token"))
                   : "",
               number("tokens_per_second", 1), number("perplexity", 4),
               textOf(*row, "why")});
  }
  return "\ncandidates (> chosen, x refused)\n" + table.text();
}

std::string layers(const json::Object &facts) {
  const json::Array *list = facts.getArray("layers");
  if (!list || list->empty())
    return "";
  bool timed = largest(*list, "seconds") > 0,
       erred = largest(*list, "error") > 0;
  TimeUnit unit = timeUnit(largest(*list, "seconds"));
  std::vector<std::string> head{"layer", "bytes"};
  if (timed)
    head.insert(head.end(),
                {unit.name, std::string("roof ") + unit.name, "of roof"});
  if (erred)
    head.push_back("error");
  head.push_back("formats");
  Columns table(head);
  for (const json::Value &value : *list) {
    const json::Object &layer = *value.getAsObject();
    std::vector<std::string> row{placeText(layer), bytesOf(layer)};
    for (std::string &cell : layerCells(layer, timed ? &unit : nullptr, erred))
      row.push_back(std::move(cell));
    row.push_back(listText(layer.getArray("formats")));
    table.add(std::move(row));
  }
  return "\nlayer by layer: bytes a token" +
         std::string(facts.get("step") ? ", keys and values included" : "") +
         std::string(erred ? "; the mean error of the weights" : "") + "\n" +
         table.text();
}

std::string phases(const json::Object &facts) {
  const json::Array *list = facts.getArray("phases");
  if (!list || list->empty())
    return "";
  bool timed = largest(*list, "seconds") > 0;
  TimeUnit unit = timeUnit(largest(*list, "seconds"));
  std::vector<std::string> head{"where", "bytes"};
  if (timed)
    head.insert(head.end(), {unit.name, std::string("roof ") + unit.name});
  head.push_back("launches");
  Columns table(head);
  for (const json::Value &value : *list) {
    const json::Object &phase = *value.getAsObject();
    std::vector<std::string> row{layersText(phase), bytesOf(phase)};
    if (timed)
      for (const char *key : {"seconds", "roof_seconds"})
        row.push_back(fixedText(numberOf(phase, key) / unit.seconds, 1));
    row.push_back(phaseText(phase));
    table.add(std::move(row));
  }
  return "\nbetween barriers, of one layer\n" + table.text();
}

/// The weights that suffered most.
std::string errors(const json::Object &facts) {
  const json::Array *list = facts.getArray("errors");
  if (!list || list->empty())
    return "";
  std::vector<const json::Object *> rows;
  for (const json::Value &value : *list)
    rows.push_back(value.getAsObject());
  std::sort(rows.begin(), rows.end(), [](auto *a, auto *b) {
    return std::pair(-numberOf(*a, "relative"), textOf(*a, "weight")) <
           std::pair(-numberOf(*b, "relative"), textOf(*b, "weight"));
  });
  constexpr size_t kMost = 10;
  std::string out = "\nerrors of " + std::to_string(rows.size()) + " weights";
  if (rows.size() > kMost)
    out += ", the largest " + std::to_string(kMost);
  rows.resize(std::min(rows.size(), kMost));
  bool output = std::any_of(rows.begin(), rows.end(),
                            [](auto *row) { return row->get("output"); });
  std::vector<std::string> head{"weight", "weight's"};
  if (output)
    head.insert(head.end(), {"output's", "if plain"});
  head.push_back("by");
  Columns table(head);
  for (const json::Object *row : rows) {
    auto share = [&](const char *key) {
      return row->getNumber(key) ? percentText(numberOf(*row, key), 2) : "";
    };
    std::vector<std::string> cells{textOf(*row, "weight"), share("relative")};
    if (output)
      cells.insert(cells.end(), {share("output"), share("plain")});
    std::string by = textOf(*row, "by"), what = textOf(*row, "format");
    if (what.empty())
      what = textOf(*row, "pattern");
    cells.push_back(by + (what.empty() ? "" : ", " + what));
    table.add(std::move(cells));
  }
  return out + "\n" + table.text();
}

/// What passes did and did not: each text once, with the places it is said of.
std::string remarks(const json::Object &facts) {
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> said;
  const json::Object *schedule = facts.getObject("schedule");
  const json::Array *parts = schedule ? schedule->getArray("parts") : nullptr;
  for (size_t p = 0; parts && p < parts->size(); ++p)
    for (const json::Value &value :
         *(*parts)[p].getAsObject()->getArray("launches"))
      for (const char *kind : {"fired", "missed"}) {
        const json::Object &launch = *value.getAsObject();
        const json::Array *list = launch.getArray(kind);
        for (size_t i = 0; list && i < list->size(); ++i)
          if (const json::Object *remark = (*list)[i].getAsObject()) {
            auto &places =
                said[{(*kind == 'f' ? "+ " : "- ") + textOf(*remark, "pass"),
                      textOf(*remark, "text")}];
            std::string place = textOf(launch, "source");
            if (std::find(places.begin(), places.end(), place) == places.end())
              places.push_back(place);
          }
      }
  std::string out;
  for (const auto &[what, places] : said) {
    out += what.first + ": " + what.second + "\n";
    for (const std::string &place : places)
      out += "    " + place + "\n";
  }
  return out.empty() ? "" : "\n+ what passes did, - what they did not\n" + out;
}

} // namespace

std::string adze::tools::reportTable(const json::Object &facts) {
  std::string out = head(facts);
  if (const json::Array *list = facts.getArray("candidates");
      list && !list->empty())
    out += candidates(*list);
  out += layers(facts) + phases(facts) + errors(facts) + remarks(facts);
  const json::Array *notes = facts.getArray("notes");
  for (size_t i = 0; notes && i < notes->size(); ++i)
    out +=
        (i ? "note: " : "\nnote: ") + (*notes)[i].getAsString()->str() + "\n";
  return out;
}
