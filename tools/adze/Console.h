// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What adze says to a person: errors, warnings, sizes, progress.
#ifndef ADZE_TOOLS_ADZE_CONSOLE_H
#define ADZE_TOOLS_ADZE_CONSOLE_H

#include "adze/Compiler.h"
#include <memory>

namespace llvm::json {
class Value;
} // namespace llvm::json

namespace adze::tools {

/// Signals: a full disk and a closed pipe are errors of a write, and the first
/// Ctrl-C ends a compilation cleanly (the second one ends the process).
void prepareProcess();
/// True after Ctrl-C.
bool interrupted();

/// Prints `adze: error: ...` with its hint; returns ExitFailure.
int fail(const Error &error);
void warn(const std::string &message);

/// 1536 -> "1.5 KB".
std::string bytesText(uint64_t bytes);
/// 75 -> "1 min 15 s".
std::string durationText(double seconds);
/// Prints one JSON value and a newline; an error where stdout cannot take it.
int printJson(const llvm::json::Value &value);

/// Writes `text` beside `path` and renames it; into what is there where that is
/// a device, a pipe or a link. "-" is the standard output.
Result<void> writeText(const std::string &path, const std::string &text);

/// An error where the folder of such a file is not there or cannot be written:
/// better known before long work than after it.
Result<void> checkFolderOf(const std::string &path);

/// A bar on the terminal for work that takes longer than a second, with the
/// time that the rest of its stage will take. Nothing is shown where stderr is
/// no terminal, or when it is made quiet.
class Progress {
public:
  explicit Progress(bool quiet);
  ~Progress();
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  /// From any thread. True: stop (Ctrl-C).
  bool show(const char *stage, uint64_t done, uint64_t total);
  CompileProgress callback();

private:
  struct State;
  std::unique_ptr<State> state;
};

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_CONSOLE_H
