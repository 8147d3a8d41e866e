// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "Values.h"
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

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

std::string adze::tools::recipeText(const json::Object *recipe) {
  std::string text;
  if (!recipe)
    return text;
  std::vector<std::string> keys;
  for (const auto &[key, value] : *recipe)
    keys.push_back(key.str());
  std::sort(keys.begin(), keys.end(), [](const auto &a, const auto &b) {
    // Weights come first: they are what a recipe is known by.
    return std::pair(a != "weights", a) < std::pair(b != "weights", b);
  });
  for (const std::string &key : keys) {
    std::string value = textOf(*recipe, key.c_str());
    if (value.empty())
      value = listText(recipe->getArray(key));
    if (!value.empty())
      text += (text.empty() ? "" : ", ") + key + " " + value;
  }
  return text;
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
