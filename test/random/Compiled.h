// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiled code as a subject of comparison.
#ifndef ADZE_TEST_RANDOM_COMPILED_H
#define ADZE_TEST_RANDOM_COMPILED_H

#include "Subjects.h"

namespace adze::test {

/// Compiles the module for `target` with some passes left out, opens the
/// artefact and runs the steps with `threads` threads. `tolerance` follows from
/// the coarsest rounding of weights and caches in the module.
/// `generic` names ops whose kernels are switched off.
Subject compiledSubject(std::string target, std::vector<std::string> disabled,
                        uint32_t threads, double tolerance,
                        std::vector<std::string> generic = {});

/// 1e-4 where everything is f32. 16-bit caches round at boundaries (2e-2). A
/// target with bf16 dots rounds activations, which models of one to a few
/// channels amplify: there only gross errors show (3e-1; wrong code differs by
/// about 1), and values are the business of the kernel tests and of
/// round_references.py.
double compiledTolerance(mlir::ModuleOp module, llvm::StringRef target);

} // namespace adze::test

#endif // ADZE_TEST_RANDOM_COMPILED_H
