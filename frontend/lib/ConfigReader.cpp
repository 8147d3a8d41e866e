// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- ConfigReader.cpp - Typed access to a model's configuration ---------===//
//
// Getters that report what does not fit and go on.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/ConfigReader.h"
#include "adze/Frontend/Json.h"

#include <cmath>

using namespace llvm;

namespace adze {

/// Longest list read from a configuration.
static constexpr size_t maxListLength = 65536;

bool ConfigReader::has(StringRef key) const {
  const json::Value *value = object.get(key);
  return value && value->kind() != json::Value::Null;
}

/// The value, or null when absent or JSON null; marks the key as known.
const json::Value *ConfigReader::get(StringRef key) {
  known.insert(key);
  return has(key) ? object.get(key) : nullptr;
}

void ConfigReader::error(StringRef key, const Twine &message,
                         const Twine &advice) {
  diags.error(source, quoted(scope + key.str()), message, advice);
}

void ConfigReader::warning(StringRef key, const Twine &message,
                           const Twine &advice) {
  diags.warning(source, quoted(scope + key.str()), message, advice);
}

void ConfigReader::mismatch(StringRef key, const Twine &expected,
                            const json::Value *found) {
  error(key, "expected " + expected + ", found " +
                 (found ? formatJson(*found) : "nothing"));
}

void ConfigReader::unsupported(StringRef key, ArrayRef<std::string> supported) {
  const json::Value *value = object.get(key);
  error(key,
        "expected a supported value, found " +
            (value ? formatJson(*value) : "nothing"),
        "supported: " + formatList(supported));
}

/// Integers are written as 4096 and sometimes as 4096.0.
static std::optional<int64_t> asInteger(const json::Value &value) {
  if (value.kind() != json::Value::Number)
    return std::nullopt;
  return value.getAsInteger();
}

int64_t ConfigReader::positive(StringRef key, int64_t max) {
  const json::Value *value = get(key);
  std::optional<int64_t> number =
      value ? asInteger(*value) : std::optional<int64_t>();
  if (number && *number >= 1 && *number <= max)
    return *number;
  std::string limit =
      number && *number > max ? " of at most " + std::to_string(max) : "";
  mismatch(key, "a positive integer" + limit, value);
  return 1;
}

int64_t ConfigReader::positiveOr(StringRef key, int64_t fallback, int64_t max) {
  if (get(key))
    return positive(key, max);
  return fallback;
}

std::optional<int64_t> ConfigReader::integer(StringRef key, int64_t min,
                                             int64_t max) {
  const json::Value *value = get(key);
  if (!value)
    return std::nullopt;
  std::optional<int64_t> number = asInteger(*value);
  if (number && *number >= min && *number <= max)
    return number;
  mismatch(key, "an integer from " + Twine(min) + " to " + Twine(max), value);
  return std::nullopt;
}

double ConfigReader::positiveReal(StringRef key) {
  const json::Value *value = get(key);
  std::optional<double> number =
      value ? value->getAsNumber() : std::optional<double>();
  if (number && std::isfinite(*number) && *number > 0.0)
    return *number;
  mismatch(key, "a number above 0", value);
  return 1.0;
}

double ConfigReader::positiveRealOr(StringRef key, double fallback) {
  return get(key) ? positiveReal(key) : fallback;
}

bool ConfigReader::boolean(StringRef key, bool fallback) {
  const json::Value *value = get(key);
  if (!value)
    return fallback;
  if (std::optional<bool> flag = value->getAsBoolean())
    return *flag;
  mismatch(key, "true or false", value);
  return fallback;
}

std::optional<std::string> ConfigReader::string(StringRef key) {
  const json::Value *value = get(key);
  if (!value)
    return std::nullopt;
  if (std::optional<StringRef> text = value->getAsString())
    return text->str();
  mismatch(key, "a string", value);
  return std::nullopt;
}

std::vector<int64_t> ConfigReader::integers(StringRef key, int64_t min,
                                            int64_t max) {
  const json::Value *value = get(key);
  if (!value)
    return {};
  std::vector<int64_t> numbers;
  auto append = [&](const json::Value &item) {
    std::optional<int64_t> number = asInteger(item);
    if (!number || *number < min || *number > max)
      return false;
    numbers.push_back(*number);
    return true;
  };
  const json::Array *array = value->getAsArray();
  bool valid = array ? array->size() <= maxListLength && all_of(*array, append)
                     : append(*value);
  if (valid)
    return numbers;
  mismatch(key,
           "an integer from " + Twine(min) + " to " + Twine(max) +
               " or a list of them",
           value);
  return {};
}

std::vector<double> ConfigReader::positiveReals(StringRef key) {
  const json::Value *value = get(key);
  if (!value)
    return {};
  std::vector<double> numbers;
  const json::Array *array = value->getAsArray();
  bool valid = array && array->size() <= maxListLength &&
               all_of(*array, [&](const json::Value &item) {
                 std::optional<double> number = item.getAsNumber();
                 if (number)
                   numbers.push_back(*number);
                 return number && std::isfinite(*number) && *number > 0.0;
               });
  if (valid)
    return numbers;
  mismatch(key, "a list of numbers above 0", value);
  return {};
}

std::vector<std::string> ConfigReader::strings(StringRef key) {
  const json::Value *value = get(key);
  if (!value)
    return {};
  std::vector<std::string> texts;
  const json::Array *array = value->getAsArray();
  bool valid = array && array->size() <= maxListLength &&
               all_of(*array, [&](const json::Value &item) {
                 std::optional<StringRef> text = item.getAsString();
                 if (text)
                   texts.push_back(text->str());
                 return text.has_value();
               });
  if (valid)
    return texts;
  mismatch(key, "a list of strings", value);
  return {};
}

std::optional<ConfigReader> ConfigReader::nested(StringRef key) {
  const json::Value *value = get(key);
  if (!value)
    return std::nullopt;
  if (const json::Object *inner = value->getAsObject())
    return ConfigReader(*inner, source, diags, scope + key.str() + ".");
  mismatch(key, "an object", value);
  return std::nullopt;
}

void ConfigReader::require(StringRef key, const json::Value &expected) {
  const json::Value *value = get(key);
  if (value && *value != expected)
    unsupported(key, {formatJson(expected)});
}

std::vector<std::string> ConfigReader::keys() const {
  std::vector<StringRef> sorted = sortedKeys(object);
  return {sorted.begin(), sorted.end()};
}

void ConfigReader::ignore(ArrayRef<StringRef> keys) {
  for (StringRef key : keys)
    known.insert(key);
}

void ConfigReader::ignorePrefix(StringRef prefix) {
  knownPrefixes.push_back(prefix.str());
}

void ConfigReader::finish() {
  for (StringRef key : sortedKeys(object)) {
    bool ignored =
        known.contains(key) || any_of(knownPrefixes, [&](StringRef prefix) {
          return key.starts_with(prefix);
        });
    if (!ignored)
      warning(key, "this key is not known and has no effect, found " +
                       formatJson(*object.get(key)));
  }
}

} // namespace adze
