// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which of the dense kernels this machine can run.

#include "DenseKernels.h"

namespace adze::detail {

extern const DenseKernels denseKernelsBase;

#ifdef ADZE_ALGEBRA_X86_LEVELS
extern const DenseKernels denseKernelsV3, denseKernelsV4;

static const DenseKernels &choose() {
  __builtin_cpu_init();
  bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
            __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") &&
            __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512cd") &&
            __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl");
  return v4 ? denseKernelsV4 : v3 ? denseKernelsV3 : denseKernelsBase;
}
#else
static const DenseKernels &choose() { return denseKernelsBase; }
#endif

const DenseKernels &denseKernels() {
  static const DenseKernels &kernels = choose();
  return kernels;
}

} // namespace adze::detail
