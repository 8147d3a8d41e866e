// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The dense kernels for any machine; see DenseKernels.inc.

#define Eigen AdzeEigenBase
#define ADZE_DENSE_KERNELS denseKernelsBase
#include "DenseKernels.inc"
