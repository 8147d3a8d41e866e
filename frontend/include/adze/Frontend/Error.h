// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Error.h - Diagnostics of the frontend -------------------*- C++ -*-===//
//
// What a reader of files finds wrong is collected in `Diagnostics`, so that all
// of it reaches the user at once, and travels as `DiagnosticError` inside
// llvm::Error / llvm::Expected. Warnings never fail a call: they stay in the
// collector that the caller passed in.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_FRONTEND_ERROR_H
#define ADZE_FRONTEND_ERROR_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace adze {

enum class Severity { Error, Warning };

/// One finding. `subject` is what inside the file it is about, already quoted
/// (`tensor "lm_head.weight"`, `"hidden_size"`), or empty. `message` says what
/// was expected and what was found; `advice` says what to do, or is empty.
struct Diagnostic {
  Severity severity = Severity::Error;
  std::string file;
  std::string subject;
  std::string message;
  std::string advice;

  /// `file: subject: message; advice`, without the severity.
  std::string str() const;
};

/// A list of findings. Keeps the first `limit` errors and as many warnings and
/// counts the rest, so that no file can make it grow without bound.
class Diagnostics {
public:
  static constexpr size_t limit = 4096;

  void add(Diagnostic diagnostic);
  void error(llvm::StringRef file, const llvm::Twine &subject,
             const llvm::Twine &message, const llvm::Twine &advice = "");
  void warning(llvm::StringRef file, const llvm::Twine &subject,
               const llvm::Twine &message, const llvm::Twine &advice = "");
  /// Takes over what `error` carries; an error that is no DiagnosticError
  /// becomes one finding with its text as the message.
  void absorb(llvm::Error error);

  bool hasErrors() const { return numErrors != 0; }
  llvm::ArrayRef<Diagnostic> all() const { return list; }
  /// One line per finding, `error: ` or `warning: ` in front.
  std::string str() const;

  /// The errors as an llvm::Error (success when there are none). Warnings
  /// stay here.
  [[nodiscard]] llvm::Error takeError();

private:
  std::vector<Diagnostic> list;
  size_t numErrors = 0;
  size_t numWarnings = 0;
};

/// Carries the findings of one failed call. `message()` is all of them, one
/// per line.
class DiagnosticError : public llvm::ErrorInfo<DiagnosticError> {
public:
  static char ID;

  explicit DiagnosticError(std::vector<Diagnostic> list, size_t dropped = 0)
      : list(std::move(list)), dropped(dropped) {}

  llvm::ArrayRef<Diagnostic> diagnostics() const { return list; }
  /// How many more there were beyond Diagnostics::limit.
  size_t numDropped() const { return dropped; }

  void log(llvm::raw_ostream &os) const override;
  std::error_code convertToErrorCode() const override;

private:
  std::vector<Diagnostic> list;
  size_t dropped;
};

/// An llvm::Error with a single finding.
[[nodiscard]] llvm::Error makeError(llvm::StringRef file,
                                    const llvm::Twine &subject,
                                    const llvm::Twine &message,
                                    const llvm::Twine &advice = "");

/// `text` in double quotes, safe to print: control characters and invalid
/// UTF-8 as \xNN, at most `maxBytes` of it.
std::string quoted(llvm::StringRef text, size_t maxBytes = 200);

/// `[64, 172]`.
std::string formatShape(llvm::ArrayRef<int64_t> shape);

/// `a, b and c`.
std::string formatList(llvm::ArrayRef<std::string> items);

} // namespace adze

#endif // ADZE_FRONTEND_ERROR_H
