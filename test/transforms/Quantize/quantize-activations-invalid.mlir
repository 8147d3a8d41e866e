// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: not adze-opt %s --adze-quantize-activations=format=int8 2>&1 | FileCheck %s -DNAME=int8
// RUN: not adze-opt %s --adze-quantize-activations=format=int8:g24 2>&1 | FileCheck %s -DNAME=int8:g24
// RUN: not adze-opt %s --adze-quantize-activations=format=int8:g0 2>&1 | FileCheck %s -DNAME=int8:g0
// RUN: not adze-opt %s --adze-quantize-activations=format=int8:g8192 2>&1 | FileCheck %s -DNAME=int8:g8192
// RUN: not adze-opt %s --adze-quantize-activations=format=f32 2>&1 | FileCheck %s -DNAME=f32
// RUN: not adze-opt %s --adze-quantize-activations=format=int8:g32:static 2>&1 | FileCheck %s --check-prefix=STATIC
// STATIC: error: adze-quantize-activations finds ranges at run time, got "int8:g32:static": expects int8:g32, and adze-static-ranges behind it
// CHECK: error: adze-quantize-activations expects format to be int8:token or int8:gN with N a multiple of 16 up to 4096, got "[[NAME]]"
module {}
