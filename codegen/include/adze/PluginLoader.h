// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loads plug-ins (adze/Plugin.h, and those made for mlir-opt) into a tool.
//
// A plug-in is loaded by its path only, never through the environment, and what
// is wrong with it is an error: it cannot be loaded, it is no plug-in, or it
// was built for another plug-in ABI or another LLVM. It stays loaded until the
// process ends, since passes cannot be taken out of MLIR's registry.
#ifndef ADZE_PLUGINLOADER_H
#define ADZE_PLUGINLOADER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <mutex>
#include <string>
#include <vector>

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace adze {

/// Loads the plug-in at `path`: its passes go to the registry of the process,
/// its dialects to `registry`, its default places ("POINT:PASS{options}") to
/// the end of `defaultInserts`. May be called again for the same plug-in with
/// another registry. Any thread.
llvm::Error loadPlugin(llvm::StringRef path, mlir::DialectRegistry &registry,
                       std::vector<std::string> &defaultInserts);

/// The places of `defaults`, but for passes that `given` places somewhere
/// itself, followed by `given`.
std::vector<std::string> mergeInserts(llvm::ArrayRef<std::string> defaults,
                                      llvm::ArrayRef<std::string> given);

/// Loads what --load-pass-plugin and --load-dialect-plugin name in a command
/// line and takes these options out of it: for tools whose main function is
/// MLIR's, which only warns about a plug-in that it cannot load.
llvm::Error loadPluginOptions(int &argc, char **argv,
                              mlir::DialectRegistry &registry);

/// MLIR's registry of passes is one per process and not thread safe: hold this
/// while looking passes up by name (parsePassPipeline).
std::unique_lock<std::mutex> lockPassRegistry();

} // namespace adze

#endif // ADZE_PLUGINLOADER_H
