// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What adze says when its command line is not understood, or asks for help.
#ifndef ADZE_TOOLS_ADZE_USAGE_H
#define ADZE_TOOLS_ADZE_USAGE_H

#include <CLI/CLI.hpp>

namespace adze::tools {

/// Prints the help or version that was asked for, or what is wrong and what it
/// could have meant. Returns the exit status.
int answer(const CLI::App &app, const CLI::ParseError &error);

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_USAGE_H
