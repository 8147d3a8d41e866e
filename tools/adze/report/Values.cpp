// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "Values.h"
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

using namespace adze::tools;
namespace json = llvm::json;

std::string adze::tools::textOf(const json::Object &object, const char *key) {
  if (auto text = object.getString(key))
    return text->str();
  if (auto number = object.getInteger(key))
    return std::to_string(*number);
  if (auto number = object.getNumber(key))
    return fixedText(*number, 4);
  return "";
}

double adze::tools::numberOf(const json::Object &object, const char *key) {
  double value = object.getNumber(key).value_or(0);
  return std::isfinite(value) ? value : 0;
}

double adze::tools::largest(const json::Array &list, const char *key) {
  double most = 0;
  for (const json::Value &value : list)
    if (const json::Object *object = value.getAsObject())
      most = std::max(most, numberOf(*object, key));
  return most;
}

std::string adze::tools::fixedText(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string adze::tools::percentText(double share, int digits) {
  return fixedText(100 * share, digits) + " %";
}

TimeUnit adze::tools::timeUnit(double most) {
  if (most >= 1)
    return {"s", 1};
  if (most >= 1e-2)
    return {"ms", 1e-3};
  return {"µs", 1e-6};
}

std::string adze::tools::timeText(double seconds) {
  TimeUnit unit =
      seconds >= 1e-3 && seconds < 1 ? TimeUnit{"ms", 1e-3} : timeUnit(seconds);
  double value = seconds / unit.seconds;
  return fixedText(value, value >= 100  ? 0
                          : value >= 10 ? 1
                                        : 2) +
         " " + unit.name;
}

std::string adze::tools::placeText(const json::Object &layer) {
  if (auto number = layer.getInteger("layer"))
    return std::to_string(*number);
  return textOf(layer, "place");
}

std::vector<std::string> adze::tools::layerCells(const json::Object &layer,
                                                 const TimeUnit *unit,
                                                 bool erred) {
  std::vector<std::string> cells;
  if (unit) {
    double seconds = numberOf(layer, "seconds"),
           roof = numberOf(layer, "roof_seconds");
    cells.push_back(fixedText(seconds / unit->seconds, 1));
    cells.push_back(fixedText(roof / unit->seconds, 1));
    cells.push_back(seconds > 0 ? percentText(roof / seconds, 0) : "");
  }
  if (erred)
    cells.push_back(
        layer.get("error") ? percentText(numberOf(layer, "error"), 2) : "");
  return cells;
}

std::string adze::tools::layersText(const json::Object &phase) {
  auto first = phase.getInteger("first"), last = phase.getInteger("last");
  if (!first || !last)
    return textOf(phase, "part");
  int64_t count = phase.getInteger("layers").value_or(1);
  std::string text = std::to_string(*first);
  if (*last > *first)
    text += "-" + std::to_string(*last);
  return *last - *first + 1 == count ? text
                                     : std::to_string(count) + " of " + text;
}

std::string adze::tools::listText(const json::Array *list) {
  std::string text;
  for (size_t i = 0; list && i < list->size(); ++i)
    if (auto item = (*list)[i].getAsString())
      text += (text.empty() ? "" : ", ") + item->str();
  return text;
}

/// A value that is not the default; of a flag the empty string.
static std::optional<std::string> setValue(const json::Value &value) {
  if (auto flag = value.getAsBoolean())
    return *flag ? std::optional<std::string>("") : std::nullopt;
  std::string text;
  if (auto number = value.getAsNumber(); number && *number != 0) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.6g", *number);
    text = digits;
  } else if (auto string = value.getAsString()) {
    text = string->str();
  } else {
    text = listText(value.getAsArray());
  }
  return text.empty() ? std::nullopt : std::optional(text);
}

std::vector<std::pair<std::string, std::string>>
adze::tools::recipeOptions(const json::Object *recipe) {
  std::vector<std::pair<std::string, std::string>> set;
  if (!recipe)
    return set;
  for (const auto &[key, value] : *recipe) {
    auto text = setValue(value);
    if (!text)
      continue;
    std::string name = key.str();
    std::replace(name.begin(), name.end(), '_', '-');
    if (name == "disabled")
      name = "disable-pass";
    else if (name == "inserted")
      name = "insert-pass";
    set.emplace_back(std::move(name), std::move(*text));
  }
  std::sort(set.begin(), set.end(), [](const auto &a, const auto &b) {
    // Weights come first: they are what a recipe is known by.
    return std::pair(a.first != "weights", a) <
           std::pair(b.first != "weights", b);
  });
  return set;
}

std::string adze::tools::recipeText(const json::Object *recipe) {
  std::string text;
  for (const auto &[name, value] : recipeOptions(recipe))
    text +=
        (text.empty() ? "" : ", ") + name + (value.empty() ? "" : " ") + value;
  return text;
}

std::string adze::tools::scalingText(const json::Object &scaling) {
  const json::Array *inputs = scaling.getArray("inputs");
  if (!inputs || inputs->empty())
    return "";
  double least = HUGE_VAL, most = 0, output = 0, plain = 0;
  for (const json::Value &value : *inputs)
    if (const json::Object *input = value.getAsObject()) {
      least = std::min(least, numberOf(*input, "alpha"));
      most = std::max(most, numberOf(*input, "alpha"));
      output += numberOf(*input, "output");
      plain += numberOf(*input, "plain");
    }
  double count = double(inputs->size());
  std::string exponents = fixedText(least, 2);
  if (least < most)
    exponents += " to " + fixedText(most, 2);
  return fixedText(count, 0) + " inputs scaled by " + textOf(scaling, "pass") +
         ", exponents " + exponents + ": error of what reads them " +
         percentText(output / count, 2) + " in the mean, " +
         percentText(plain / count, 2) + " without";
}

std::string adze::tools::rangesText(const json::Object &ranges) {
  const json::Array *inputs = ranges.getArray("inputs");
  if (!inputs || inputs->empty())
    return "";
  std::string text = "static for " + std::to_string(inputs->size()) +
                     " inputs, by a calibration of " +
                     textOf(ranges, "tokens") + " tokens";
  if (double margin = numberOf(ranges, "margin"); margin != 1)
    text += ", times " + fixedText(margin, 2);
  return text;
}

std::string adze::tools::choiceText(const json::Object &proof) {
  const json::Array *list = proof.getArray("candidates");
  if (!list || list->empty())
    return "";
  return proof.getBoolean("forced").value_or(false)
             ? "forced: the gate would not have built this one of " +
                   std::to_string(list->size()) + " candidates"
             : "chosen by the gate, of " + std::to_string(list->size()) +
                   " candidates";
}

std::string adze::tools::candidateText(const json::Object &candidate) {
  if (const json::Object *options = candidate.getObject("recipe"))
    return recipeText(options);
  return textOf(candidate, "recipe");
}

std::string adze::tools::phaseText(const json::Object &phase) {
  std::string text;
  const json::Array *launches = phase.getArray("launches");
  for (size_t i = 0; launches && i < launches->size(); ++i)
    if (const json::Object *launch = (*launches)[i].getAsObject()) {
      // Where items of one attention are merged.
      if (i && textOf(*launch, "op") == "attention_merge")
        continue;
      std::string source = textOf(*launch, "source");
      text += (text.empty() ? "" : "; ") + textOf(*launch, "op") +
              (source.empty() ? "" : " ") + source;
    }
  return text;
}
