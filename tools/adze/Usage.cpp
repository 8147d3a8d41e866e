// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. CLI11 reports a missing argument before an unknown option;
// the unknown option is nearly always the cause, so it is looked for first.

#include "Usage.h"
#include "Subcommands.h"
#include "llvm/ADT/StringRef.h"
#include <cstdio>

using namespace adze::tools;
using llvm::StringRef;

namespace {

/// The candidate that `word` is a misspelling of, or "".
std::string nearest(StringRef word, const std::vector<std::string> &names) {
  std::string best;
  unsigned bestDistance = unsigned(word.size()) / 3 + 2;
  for (const std::string &name : names) {
    // A word that was cut short counts as one mistake.
    unsigned distance = StringRef(name).starts_with(word) && word.size() > 3
                            ? 1
                            : word.edit_distance(name, true, bestDistance);
    if (distance < bestDistance) {
      bestDistance = distance;
      best = name;
    }
  }
  return best;
}

/// The innermost subcommand that was given.
const CLI::App *innermost(const CLI::App *app) {
  while (!app->get_subcommands().empty())
    app = app->get_subcommands().front();
  return app;
}

std::vector<std::string> optionNames(const CLI::App &app) {
  std::vector<std::string> names;
  for (const CLI::Option *option : app.get_options())
    for (const std::string &name : option->get_lnames())
      names.push_back("--" + name);
  return names;
}

std::vector<std::string> subcommandNames(const CLI::App &app) {
  std::vector<std::string> names;
  for (const CLI::App *sub :
       app.get_subcommands([](const CLI::App *) { return true; }))
    names.push_back(sub->get_name());
  return names;
}

std::string list(const std::vector<std::string> &names) {
  std::string text;
  for (const std::string &name : names)
    text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string meant(const std::string &name) {
  return name.empty() ? "" : "; did you mean " + name + "?";
}

/// What is wrong, in one line.
std::string problem(const CLI::App &app, const CLI::App &used,
                    const CLI::ParseError &error) {
  std::vector<std::string> extras = used.remaining();
  if (&used != &app)
    for (const std::string &extra : app.remaining())
      extras.push_back(extra);
  for (StringRef extra : extras)
    if (extra.size() > 1 && extra.front() == '-') {
      std::string name = extra.split('=').first.str();
      return "unknown option " + name + meant(nearest(name, optionNames(used)));
    }
  std::vector<std::string> commands = subcommandNames(used);
  if (!commands.empty() && !extras.empty())
    return "unknown command '" + extras.front() + "'" +
           meant(nearest(extras.front(), commands));
  if (!commands.empty())
    return "expected a command: " + list(commands);
  if (!extras.empty())
    return "unexpected argument '" + extras.front() + "'";
  return error.what();
}

} // namespace

int adze::tools::answer(const CLI::App &app, const CLI::ParseError &error) {
  const CLI::App *used = innermost(&app);
  if (dynamic_cast<const CLI::CallForHelp *>(&error)) {
    std::printf("%s\n", app.help().c_str());
    return ExitOk;
  }
  if (dynamic_cast<const CLI::CallForVersion *>(&error)) {
    std::printf("%s\n", error.what());
    return ExitOk;
  }
  std::string command = "adze";
  for (const CLI::App *at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    command += " " + at->get_name();
  }
  std::fprintf(stderr, "adze: error: %s\n  see %s --help\n",
               problem(app, *used, error).c_str(), command.c_str());
  return ExitUsage;
}
