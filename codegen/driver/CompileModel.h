// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From a model to a file, with more in its proof than a compilation knows.
#ifndef ADZE_CODEGEN_DRIVER_COMPILEMODEL_H
#define ADZE_CODEGEN_DRIVER_COMPILEMODEL_H

#include "adze/Optimize.h"
#include "llvm/Support/JSON.h"

namespace adze {

/// compileToFile() or, for static linking, compileToObject(); `extra` keys go
/// into the artefact's proof. Quality is measured beside the checkpoint
/// `source` (empty: the model).
Result<CompileStats>
compileModel(const std::string &model, const std::string &output,
             const CompileOptions &options, llvm::json::Object extra = {},
             const std::string &source = "", bool forStaticLinking = false);

/// The path that is written for `path`: that a link leads to. An error where
/// it is a device, a pipe or a folder: the rename that ends the writing of a
/// file would replace it. And one where its folder is not there or cannot be
/// written, which is better known before the work than after it.
Result<std::string> outputFile(const std::string &path);

/// An error, before any work, where no target of `options` runs on this
/// machine, which `what` needs.
Result<void> checkRunsHere(const CompileOptions &options,
                           const std::string &what);

/// The options that open a checkpoint with its own weights, on this machine.
CompileOptions sourceOptions(const CompileOptions &options);

/// As the proof has them, and `adze compile --optimize --json`.
llvm::json::Array candidatesJson(const std::vector<Candidate> &candidates);

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_COMPILEMODEL_H
