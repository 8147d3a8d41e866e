// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The dense kernels for x86-64-v4; see DenseKernels.inc.

#define Eigen AdzeEigenV4
#define ADZE_DENSE_KERNELS denseKernelsV4
#include "DenseKernels.inc"
