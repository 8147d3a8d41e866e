// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The dense kernels for x86-64-v3; see DenseKernels.inc.

#define Eigen AdzeEigenV3
#define ADZE_DENSE_KERNELS denseKernelsV3
#include "DenseKernels.inc"
