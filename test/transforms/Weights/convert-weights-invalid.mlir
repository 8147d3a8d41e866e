// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A format that is none, and none at all.
// RUN: not adze-opt %s --adze-convert-weights=format=int4 2>&1 | FileCheck %s
// RUN: not adze-opt %s --adze-convert-weights 2>&1 | FileCheck %s --check-prefix=NONE

// CHECK: error: adze-convert-weights expects format to be f32, f16 or bf16, got "int4"
// NONE: error: adze-convert-weights expects format to be f32, f16 or bf16, got ""
adze.weight @w from "w" : !adze.weight<8x8, #adze.float<f32>>
