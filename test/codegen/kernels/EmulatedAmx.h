// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// AMX by plain loops, so that its tiles meet the oracles on machines without
// it: values of tile registers in a kernel's LLVM IR become vectors in memory,
// and instructions calls.
#ifndef ADZE_TEST_CODEGEN_KERNELS_EMULATEDAMX_H
#define ADZE_TEST_CODEGEN_KERNELS_EMULATEDAMX_H

#include "llvm/ExecutionEngine/Orc/LLJIT.h"

namespace adze::test {

/// Adds a kernel's LLVM IR (text) with AMX emulated.
llvm::Error addEmulatingAmx(llvm::orc::LLJIT &jit, llvm::StringRef ir);

} // namespace adze::test

#endif // ADZE_TEST_CODEGEN_KERNELS_EMULATEDAMX_H
