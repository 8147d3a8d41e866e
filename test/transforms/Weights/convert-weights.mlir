// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: adze-opt %s --adze-convert-weights=format=bf16 | FileCheck %s --check-prefixes=CHECK,BF16
// RUN: adze-opt %s --adze-convert-weights=format=f16 | FileCheck %s --check-prefixes=CHECK,F16
// RUN: adze-opt %s --adze-convert-weights=format=f32 | FileCheck %s --check-prefixes=CHECK,F32
// Once more changes nothing.
// RUN: adze-opt %s --adze-convert-weights=format=bf16 --adze-convert-weights=format=bf16 | FileCheck %s --check-prefixes=CHECK,BF16
// RUN: adze-opt %s --adze-convert-weights=format=bf16 %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

// The source is renamed, and the name that ops use becomes a cast of it.
// BF16: adze.weight @w.source from "w" : !adze.weight<8x8, #adze.float<f32>>
// BF16: adze.weight @w : !adze.weight<8x8, #adze.float<bf16>> {
// BF16: %[[W:.*]] = adze.ref @w.source : <8x8, #adze.float<f32>>
// BF16: %[[C:.*]] = adze.cast %[[W]] : <8x8, #adze.float<f32>> -> <8x8, #adze.float<bf16>>
// BF16: adze.yield %[[C]]
// F16: adze.weight @w : !adze.weight<8x8, #adze.float<f16>> {
// A matrix that has the format stays.
// F32: adze.weight @w from "w" : !adze.weight<8x8, #adze.float<f32>>
// REMARK: :[[#@LINE+1]]:{{.*}}[Passed] {{.*}}adze-convert-weights {{.*}}"@w becomes bf16"
adze.weight @w from "w" : !adze.weight<8x8, #adze.float<f32>>

// One weight per layer becomes one per layer.
// BF16: adze.weight @l.source from "l.{}" x 3 :
// BF16: adze.weight @l x 3 : !adze.weight<8x8, #adze.float<bf16>> {
// F16: adze.weight @l from "l.{}" x 3 : !adze.weight<8x8, #adze.float<f16>>
// F32: adze.weight @l x 3 : !adze.weight<8x8, #adze.float<f32>> {
adze.weight @l from "l.{}" x 3 : !adze.weight<8x8, #adze.float<f16>>

// Vectors stay as they are.
// CHECK: adze.weight @n from "n" : !adze.weight<8, #adze.float<f32>>
adze.weight @n from "n" : !adze.weight<8, #adze.float<f32>>

// What another weight is made of is converted at the end, not twice; a name
// that is taken gets an underscore.
// CHECK: adze.weight @a from "a" : !adze.weight<4x8, #adze.float<f32>>
adze.weight @a from "a" : !adze.weight<4x8, #adze.float<f32>>
// BF16: adze.weight @both.source : !adze.weight<8x8, #adze.float<f32>> {
// BF16: adze.concat
// BF16: adze.weight @both : !adze.weight<8x8, #adze.float<bf16>> {
// BF16: %[[S:.*]] = adze.ref @both.source
// BF16: adze.cast %[[S]]
adze.weight @both : !adze.weight<8x8, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<4x8, #adze.float<f32>>
  %1 = adze.concat %0, %0 : (!adze.weight<4x8, #adze.float<f32>>,
    !adze.weight<4x8, #adze.float<f32>>) -> !adze.weight<8x8, #adze.float<f32>>
  adze.yield %1 : !adze.weight<8x8, #adze.float<f32>>
}

// A matrix that ops and weights read keeps its format for the weights.
// BF16: adze.weight @s.source_ from "s" : !adze.weight<8x8, #adze.float<f32>>
// BF16: adze.weight @s : !adze.weight<8x8, #adze.float<bf16>>
// CHECK: adze.weight @s.source :
// BF16: adze.ref @s.source_ : <8x8, #adze.float<f32>>
adze.weight @s from "s" : !adze.weight<8x8, #adze.float<f32>>
adze.weight @s.source : !adze.weight<8x8, #adze.float<bf16>> {
  %0 = adze.ref @s : !adze.weight<8x8, #adze.float<f32>>
  %1 = adze.cast %0 : !adze.weight<8x8, #adze.float<f32>>
    -> !adze.weight<8x8, #adze.float<bf16>>
  adze.yield %1 : !adze.weight<8x8, #adze.float<bf16>>
}

// CHECK-LABEL: func.func @uses
func.func @uses(%l: index, %x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK: adze.linear %{{.*}}, @w :
  // CHECK: adze.linear %{{.*}}, @l[
  // CHECK: adze.rms_norm %{{.*}}, @n
  // CHECK: adze.linear %{{.*}}, @both :
  // CHECK: adze.linear %{{.*}}, @s :
  %0 = adze.linear %x, @w : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %1 = adze.linear %0, @l[%l] : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %2 = adze.rms_norm %1, @n eps 0.5 : tensor<?x8xf32>
  %3 = adze.linear %2, @both : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %4 = adze.linear %3, @s : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %5 = adze.linear %4, @s.source : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %5 : tensor<?x8xf32>
}
