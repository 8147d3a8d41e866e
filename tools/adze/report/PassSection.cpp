// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What passes did at each launch, and what they could have done and did not.

#include "../Console.h"
#include "Markup.h"
#include "Sections.h"
#include "Values.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include <algorithm>
#include <cmath>

using namespace adze::tools;
namespace json = llvm::json;
using llvm::StringRef;

namespace {

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

/// Parts whose launches are alike but for bytes and formats.
struct Alike {
  std::vector<const json::Object *> parts;
  std::string signature;
};

std::string signatureOf(const json::Object &part) {
  std::string text = part.get("first") ? "layers" : textOf(part, "part");
  for (const json::Value &value : *part.getArray("launches")) {
    const json::Object &launch = *value.getAsObject();
    text += "\n" + textOf(launch, "op") + textOf(launch, "source") +
            remarkList(launch);
  }
  return text;
}

std::string captionOf(const Alike &alike) {
  const json::Object &part = *alike.parts.front();
  if (!part.get("first"))
    return textOf(part, "part") + " the layers";
  int64_t count = 0, last = 0;
  for (const json::Object *one : alike.parts) {
    int64_t layers = one->getInteger("count").value_or(1);
    count += layers;
    last = one->getInteger("first").value_or(0) + layers - 1;
  }
  json::Object range{{"first", part.getInteger("first").value_or(0)},
                     {"last", last},
                     {"layers", count}};
  return (count > 1 ? "layers " : "layer ") + layersText(range) +
         (alike.parts.size() > 1
              ? ", " + std::to_string(alike.parts.size()) + " kinds"
              : "");
}

std::string formatOf(const json::Object &launch) {
  std::string format = textOf(launch, "format"),
              with = textOf(launch, "activations"),
              writes = textOf(launch, "writes");
  if (!with.empty() && !format.empty())
    format += " × " + with;
  if (!writes.empty())
    format += (format.empty() ? "writes " : ", writes ") + writes;
  return format;
}

std::string partTable(const Alike &alike) {
  MarkupTable table(captionOf(alike),
                    {"launch", "of", "#weights", "format", "passes"},
                    "launches");
  const json::Array &launches = *alike.parts.front()->getArray("launches");
  for (size_t l = 0; l < launches.size(); ++l) {
    double least = HUGE_VAL, most = 0;
    std::vector<std::string> formats;
    for (const json::Object *part : alike.parts) {
      const json::Object &launch =
          *(*part->getArray("launches"))[l].getAsObject();
      least = std::min(least, numberOf(launch, "weight_bytes"));
      most = std::max(most, numberOf(launch, "weight_bytes"));
      std::string format = formatOf(launch);
      if (!llvm::is_contained(formats, format))
        formats.push_back(format);
    }
    std::string bytes, format;
    if (most > 0)
      bytes = bytesText(uint64_t(most));
    if (least < most)
      bytes = bytesText(uint64_t(std::max(0.0, least))) + " – " + bytes;
    for (const std::string &one : formats)
      format += (format.empty() ? "" : std::string("<br/>")) + escape(one);
    const json::Object &launch = *launches[l].getAsObject();
    std::string of = textOf(launch, "source");
    if (of.empty()) // a module without the names of a checkpoint
      of = listText(launch.getArray("weights"));
    table.add({escape(textOf(launch, "op")), namesOf(of), bytes, format,
               remarkList(launch)});
  }
  return table.markup();
}

/// What belongs to no launch. The errors say it of what was rounded.
std::string otherRemarks(const json::Object &facts, const json::Array &list) {
  std::string items;
  const json::Array *errors = facts.getArray("errors");
  auto isRounding = [&](const std::string &pass) {
    return errors && llvm::any_of(*errors, [&](const json::Value &value) {
             return textOf(*value.getAsObject(), "by") == pass;
           });
  };
  for (const json::Value &value : list) {
    const json::Object *remark = value.getAsObject();
    if (!remark || isRounding(textOf(*remark, "pass")))
      continue;
    bool fired = textOf(*remark, "kind") == "fired";
    items += element("li", {{"class", fired ? "fired" : "missed"}},
                     element("b", {}, fired ? "did" : "did not") + " " +
                         code(textOf(*remark, "pass")) + ": " +
                         escape(textOf(*remark, "text")) + " " +
                         code(textOf(*remark, "source")));
  }
  return items.empty()
             ? ""
             : folded("Remarks on weights and on what became part of a launch",
                      element("ul", {{"class", "remarks"}}, items));
}

} // namespace

std::string adze::tools::passesSection(const json::Object &facts) {
  const json::Object *schedule = facts.getObject("schedule");
  const json::Array *parts = schedule ? schedule->getArray("parts") : nullptr;
  if (!parts)
    return "";
  std::vector<Alike> groups;
  for (const json::Value &value : *parts) {
    const json::Object &part = *value.getAsObject();
    std::string signature = signatureOf(part);
    auto it = llvm::find_if(groups, [&](const Alike &alike) {
      return alike.signature == signature;
    });
    if (it == groups.end()) {
      groups.push_back({{}, signature});
      it = std::prev(groups.end());
    }
    it->parts.push_back(&part);
  }
  std::string out = paragraph(
      "Launch by launch, of the plan for " +
      listText(schedule->getArray("variants")) +
      ": what passes did, and what they could have done and did not.");
  constexpr size_t kOpen = 6; // tables that are not folded
  for (size_t i = 0; i < groups.size(); ++i)
    out += i < kOpen ? partTable(groups[i])
                     : folded(captionOf(groups[i]), partTable(groups[i]));
  if (const json::Array *rest = schedule->getArray("remarks"))
    out += otherRemarks(facts, *rest);
  return out;
}
