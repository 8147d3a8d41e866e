// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Error.cpp - Diagnostics of the frontend ----------------------------===//
//
// Collecting findings and turning them into llvm::Error; printing of strings
// that come from files.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Error.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace adze {

char DiagnosticError::ID = 0;

std::string Diagnostic::str() const {
  std::string text;
  for (const std::string *part : {&file, &subject}) {
    if (part->empty())
      continue;
    text += *part;
    text += ": ";
  }
  text += message;
  if (!advice.empty()) {
    text += "; ";
    text += advice;
  }
  return text;
}

void Diagnostics::add(Diagnostic diagnostic) {
  size_t &count =
      diagnostic.severity == Severity::Error ? numErrors : numWarnings;
  if (++count <= limit)
    list.push_back(std::move(diagnostic));
}

void Diagnostics::error(StringRef file, const Twine &subject,
                        const Twine &message, const Twine &advice) {
  add({Severity::Error, file.str(), subject.str(), message.str(),
       advice.str()});
}

void Diagnostics::warning(StringRef file, const Twine &subject,
                          const Twine &message, const Twine &advice) {
  add({Severity::Warning, file.str(), subject.str(), message.str(),
       advice.str()});
}

void Diagnostics::absorb(Error error) {
  handleAllErrors(
      std::move(error),
      [&](const DiagnosticError &carried) {
        for (const Diagnostic &diagnostic : carried.diagnostics())
          add(diagnostic);
        numErrors += carried.numDropped();
      },
      [&](const ErrorInfoBase &other) {
        add({Severity::Error, "", "", other.message(), ""});
      });
}

std::string Diagnostics::str() const {
  std::string text;
  for (const Diagnostic &diagnostic : list) {
    text += diagnostic.severity == Severity::Error ? "error: " : "warning: ";
    text += diagnostic.str();
    text += '\n';
  }
  return text;
}

Error Diagnostics::takeError() {
  if (numErrors == 0)
    return Error::success();
  std::vector<Diagnostic> errors, warnings;
  for (Diagnostic &diagnostic : list)
    (diagnostic.severity == Severity::Error ? errors : warnings)
        .push_back(std::move(diagnostic));
  size_t dropped = numErrors - errors.size();
  list = std::move(warnings);
  numErrors = 0;
  return make_error<DiagnosticError>(std::move(errors), dropped);
}

void DiagnosticError::log(raw_ostream &os) const {
  for (const auto &[i, diagnostic] : enumerate(list))
    os << (i ? "\n" : "") << diagnostic.str();
  if (dropped)
    os << "\n... and " << dropped << " more";
}

std::error_code DiagnosticError::convertToErrorCode() const {
  return inconvertibleErrorCode();
}

Error makeError(StringRef file, const Twine &subject, const Twine &message,
                const Twine &advice) {
  std::vector<Diagnostic> list;
  list.push_back({Severity::Error, file.str(), subject.str(), message.str(),
                  advice.str()});
  return make_error<DiagnosticError>(std::move(list));
}

std::string quoted(StringRef text, size_t maxBytes) {
  bool cut = text.size() > maxBytes;
  if (cut) {
    text = text.take_front(maxBytes);
    // Do not cut a character in two.
    for (size_t drop = 0; drop < 4 && drop < text.size(); ++drop) {
      if (json::isUTF8(text.drop_back(drop))) {
        text = text.drop_back(drop);
        break;
      }
    }
  }
  bool valid = json::isUTF8(text);
  std::string out = "\"";
  for (unsigned char c : text) {
    if (c < 0x20 || c == 0x7f || (c >= 0x80 && !valid)) {
      out += "\\x";
      out += hexdigit(c >> 4);
      out += hexdigit(c & 15);
    } else {
      if (c == '"' || c == '\\')
        out += '\\';
      out += static_cast<char>(c);
    }
  }
  out += '"';
  if (cut)
    out += "...";
  return out;
}

std::string formatShape(ArrayRef<int64_t> shape) {
  std::string text = "[";
  for (const auto &[i, dim] : enumerate(shape)) {
    if (i)
      text += ", ";
    text += std::to_string(dim);
  }
  return text + "]";
}

std::string formatList(ArrayRef<std::string> items) {
  std::string text;
  for (const auto &[i, item] : enumerate(items)) {
    if (i)
      text += i + 1 == items.size() ? " and " : ", ";
    text += item;
  }
  return text;
}

} // namespace adze
