// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Memory of this process, as the kernel counts it.
#ifndef ADZE_CODEGEN_DRIVER_MEMORY_H
#define ADZE_CODEGEN_DRIVER_MEMORY_H

#include <cstdint>

namespace adze {

/// Resident anonymous bytes now (mapped files are not counted).
uint64_t anonymousBytes();
/// Most resident bytes so far, mapped files included.
uint64_t peakResidentBytes();

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_MEMORY_H
