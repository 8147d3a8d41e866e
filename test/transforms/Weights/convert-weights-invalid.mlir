// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Formats that are none, none at all, and rules that do not fit the module.
// RUN: not adze-opt %s --adze-convert-weights=format=int5 2>&1 | FileCheck %s --check-prefix=INT5
// RUN: not adze-opt %s --adze-convert-weights 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not adze-opt %s --adze-convert-weights=format=int4:g12 2>&1 | FileCheck %s --check-prefix=GROUP
// RUN: not adze-opt %s --adze-convert-weights=format=q4_0 2>&1 | FileCheck %s --check-prefix=GGUF
// RUN: not adze-opt %s --adze-convert-weights=format=w=int8,bf16 2>&1 | FileCheck %s --check-prefix=RULE
// RUN: not adze-opt %s --adze-convert-weights=format==int8 2>&1 | FileCheck %s --check-prefix=EMPTY
// RUN: not adze-opt %s --adze-convert-weights=format=head=int8,*=bf16 2>&1 | FileCheck %s --check-prefix=NOTHING
// RUN: not adze-opt %s --adze-convert-weights=format=l.1.*=int8,*=bf16 2>&1 | FileCheck %s --check-prefix=LAYER
// RUN: not adze-opt %s --adze-convert-weights=format=l.?.x=int8 2>&1 | FileCheck %s --check-prefix=SOME
// RUN: not adze-opt %s --adze-convert-weights=format=a=int8,*=bf16 2>&1 | FileCheck %s --check-prefix=PARTS

// INT5: error: adze-convert-weights: expects a format to be one of f32, f16, bf16, int8[:gN], int4[:gN], int3[:gN] (then :f32, :f16 or :bf16 for the scales, :zp for zero points), got "int5"
// NONE: error: adze-convert-weights: expects a format to be one of {{.*}}, got ""
// GROUP: error: adze-convert-weights: format "int4:g12": expects a group of 0 (the whole row) or a multiple of 8 from 16 to 1048576, got 12
// GGUF: error: adze-convert-weights: weights in q4_0 are read from GGUF files as they are, not made; int8:g32 and int4:g32 are nearest
// RULE: error: adze-convert-weights: expects rules such as lm_head=int8,*=int4:g128, got "bf16" in "w=int8,bf16"
// EMPTY: error: adze-convert-weights: expects the name of a tensor or a pattern with * and ? before =, got "=int8"
// NOTHING: error: adze-convert-weights: "head=int8" matches no matrix; the matrices are "w.weight", "l.{}.x", "a", "b"
adze.weight @w from "w.weight" : !adze.weight<32x32, #adze.float<f32>>

// LAYER: :[[#@LINE+3]]:{{.*}}error: adze-convert-weights: "l.1.*=int8" gives "l.1.x" another format than "*=bf16" gives "l.0.x"; the layers of a weight have one format: use a pattern that all of "l.{}.x" match
// More layers than one digit can name.
// SOME: :[[#@LINE+1]]:{{.*}}error: adze-convert-weights: no rule gives "l.10.x" another format than "l.?.x=int8" gives "l.0.x"
adze.weight @l from "l.{}.x" x 11 : !adze.weight<32x32, #adze.float<f32>>

adze.weight @n from "n" : !adze.weight<32, #adze.float<f32>>
adze.weight @a from "a" : !adze.weight<32x32, #adze.float<f32>>
adze.weight @b from "b" : !adze.weight<32x32, #adze.float<f32>>
// PARTS: :[[#@LINE+1]]:{{.*}}error: adze-convert-weights: "*=bf16" gives "b" another format than "a=int8" gives "a", and they are parts of one weight
adze.weight @ab : !adze.weight<64x32, #adze.float<f32>> {
  %a = adze.ref @a : !adze.weight<32x32, #adze.float<f32>>
  %b = adze.ref @b : !adze.weight<32x32, #adze.float<f32>>
  %c = adze.concat %a, %b : (!adze.weight<32x32, #adze.float<f32>>,
    !adze.weight<32x32, #adze.float<f32>>) -> !adze.weight<64x32, #adze.float<f32>>
  adze.yield %c : !adze.weight<64x32, #adze.float<f32>>
}
