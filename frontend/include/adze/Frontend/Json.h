// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Json.h - JSON from files nobody vouches for -------------*- C++ -*-===//
//
// llvm::json with the checks that it lacks: nesting is bounded before the
// recursive parser runs, a repeated key is an error instead of the last one
// winning, escaped surrogate pairs give the right character, and errors name
// the file. The one reader of JSON for checkpoints and tokenizers.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_FRONTEND_JSON_H
#define ADZE_FRONTEND_JSON_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

#include <cstdint>
#include <string>
#include <vector>

namespace adze {

/// Deepest nesting of objects and arrays that parseJson accepts.
inline constexpr unsigned maxJsonDepth = 64;

/// Parses `text`; `file` is what errors name. The text is copied, so it need
/// not end in NUL (a slice of a mapping is fine).
llvm::Expected<llvm::json::Value> parseJson(llvm::StringRef text,
                                            llvm::StringRef file);
/// The same, and the value must be an object.
llvm::Expected<llvm::json::Object> parseJsonObject(llvm::StringRef text,
                                                   llvm::StringRef file);

/// Reads and parses a regular file of at most `maxBytes`.
llvm::Expected<llvm::json::Object>
readJsonObject(llvm::StringRef path, uint64_t maxBytes = uint64_t(1) << 28);

/// `value` as a user should see it in a message: compact, shortened.
std::string formatJson(const llvm::json::Value &value, size_t maxBytes = 80);

/// The keys of `object` in order: a json::Object iterates in an order of its
/// own, which must not reach messages.
std::vector<llvm::StringRef> sortedKeys(const llvm::json::Object &object);

} // namespace adze

#endif // ADZE_FRONTEND_JSON_H
