// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Registration of everything Adze adds to MLIR, for tools and embedders.
#ifndef ADZE_INITALL_H
#define ADZE_INITALL_H

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace adze {

/// The adze and adze_kernel dialects, and the upstream dialects they produce.
void registerAllDialects(mlir::DialectRegistry &registry);

/// Every adze pass and pipeline, once per process (more calls do nothing).
void registerAllPasses();

} // namespace adze

#endif // ADZE_INITALL_H
