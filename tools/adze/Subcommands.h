// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The subcommands of adze, one file each. A function adds its subcommand to the
// application; the subcommand, when it runs, sets the exit status.
#ifndef ADZE_TOOLS_ADZE_SUBCOMMANDS_H
#define ADZE_TOOLS_ADZE_SUBCOMMANDS_H

namespace CLI {
class App;
} // namespace CLI

namespace adze::tools {

/// What `adze` exits with.
enum ExitStatus : int { ExitOk = 0, ExitFailure = 1, ExitUsage = 2 };

void addRun(CLI::App &app, int &status);
void addChat(CLI::App &app, int &status);
void addCompile(CLI::App &app, int &status);
void addCalibrate(CLI::App &app, int &status);
void addQuantize(CLI::App &app, int &status);
void addEval(CLI::App &app, int &status);
void addBench(CLI::App &app, int &status);
void addInspect(CLI::App &app, int &status);
void addExplain(CLI::App &app, int &status);
void addPrune(CLI::App &app, int &status);
void addReport(CLI::App &app, int &status);
void addVerify(CLI::App &app, int &status);
void addCache(CLI::App &app, int &status);

} // namespace adze::tools

#endif // ADZE_TOOLS_ADZE_SUBCOMMANDS_H
