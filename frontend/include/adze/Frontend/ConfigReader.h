// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- ConfigReader.h - Typed access to a model's configuration -*- C++ -*-===//
//
// Every getter says what it expects; a value that does not fit becomes an error
// that names key, expectation and value, and the getter returns its fallback so
// that reading goes on and the user sees all errors at once. Keys that nothing
// asked for are warned about by finish().
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_FRONTEND_CONFIGREADER_H
#define ADZE_FRONTEND_CONFIGREADER_H

#include "adze/Frontend/Error.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/JSON.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace adze {

/// Largest value of any one dimension: the bytes of a matrix fit in 64 bits.
inline constexpr int64_t maxDimension = int64_t(1) << 28;

class ConfigReader {
public:
  /// `scope` is put in front of keys in messages (`rope_scaling.`).
  ConfigReader(const llvm::json::Object &object, std::string file,
               Diagnostics &diags, std::string scope = "")
      : object(object), source(std::move(file)), diags(diags),
        scope(std::move(scope)) {}

  /// Present and not null. Does not count as reading.
  bool has(llvm::StringRef key) const;
  /// Present, perhaps null.
  bool contains(llvm::StringRef key) const { return object.get(key); }

  /// Holds true or false. Does not count as reading.
  bool isBoolean(llvm::StringRef key) const {
    const llvm::json::Value *value = object.get(key);
    return value && value->kind() == llvm::json::Value::Boolean;
  }

  /// All keys, in order. Does not count as reading.
  std::vector<std::string> keys() const;

  /// A required positive integer; 1 after an error.
  int64_t positive(llvm::StringRef key, int64_t max = maxDimension);
  int64_t positiveOr(llvm::StringRef key, int64_t fallback,
                     int64_t max = maxDimension);
  /// Absent or null: none.
  std::optional<int64_t> integer(llvm::StringRef key, int64_t min, int64_t max);
  /// A required finite number above zero; 1 after an error.
  double positiveReal(llvm::StringRef key);
  double positiveRealOr(llvm::StringRef key, double fallback);
  /// A list of finite numbers above zero; absent or null: empty.
  std::vector<double> positiveReals(llvm::StringRef key);
  bool boolean(llvm::StringRef key, bool fallback);
  std::optional<std::string> string(llvm::StringRef key);
  /// An integer, or a list of them; absent or null: empty.
  std::vector<int64_t> integers(llvm::StringRef key, int64_t min, int64_t max);
  std::vector<std::string> strings(llvm::StringRef key);
  /// A nested object; absent or null: none. Call finish() on it too.
  std::optional<ConfigReader> nested(llvm::StringRef key);

  /// One of the named values; anything else is an error that lists them.
  template <typename T>
  T choose(llvm::StringRef key,
           std::initializer_list<std::pair<llvm::StringRef, T>> choices,
           T fallback) {
    std::optional<std::string> found = string(key);
    if (!found)
      return fallback;
    std::vector<std::string> names;
    for (const auto &[name, value] : choices) {
      if (name == *found)
        return value;
      names.push_back(quoted(name));
    }
    unsupported(key, names);
    return fallback;
  }

  /// The key may be absent or null or hold `expected`; anything else is an
  /// error that names the supported value.
  void require(llvm::StringRef key, const llvm::json::Value &expected);

  /// An error about `key`, for checks that the getters cannot make.
  void error(llvm::StringRef key, const llvm::Twine &message,
             const llvm::Twine &advice = "");
  void warning(llvm::StringRef key, const llvm::Twine &message,
               const llvm::Twine &advice = "");
  void unsupported(llvm::StringRef key, llvm::ArrayRef<std::string> supported);

  /// Keys that change nothing for us: no warning about them.
  void ignore(llvm::ArrayRef<llvm::StringRef> keys);
  /// All keys that start with this.
  void ignorePrefix(llvm::StringRef prefix);
  /// Warns about every key that was neither asked for nor ignored.
  void finish();

  llvm::StringRef file() const { return source; }
  Diagnostics &diagnostics() { return diags; }

private:
  const llvm::json::Value *get(llvm::StringRef key);
  void mismatch(llvm::StringRef key, const llvm::Twine &expected,
                const llvm::json::Value *found);

  const llvm::json::Object &object;
  std::string source;
  Diagnostics &diags;
  std::string scope;
  llvm::StringSet<> known;
  std::vector<std::string> knownPrefixes;
};

} // namespace adze

#endif // ADZE_FRONTEND_CONFIGREADER_H
