// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: adze-opt %s --adze-insert-observers | FileCheck %s
// Twice is as once.
// RUN: adze-opt %s --adze-insert-observers > %t.once
// RUN: adze-opt %s --adze-insert-observers --adze-insert-observers | diff - %t.once

adze.weight @l.q from "l.{}.q" x 2 : !adze.weight<64x64, #adze.float<f32>>
adze.weight @l.k from "l.{}.k" x 2 : !adze.weight<64x64, #adze.float<f32>>
adze.weight @a from "a" : !adze.weight<16x64, #adze.float<f32>>
adze.weight @b from "b" : !adze.weight<48x64, #adze.float<f32>>
adze.weight @ab : !adze.weight<64x64, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<16x64, #adze.float<f32>>
  %1 = adze.ref @b : !adze.weight<48x64, #adze.float<f32>>
  %2 = adze.concat %0, %1 : (!adze.weight<16x64, #adze.float<f32>>,
    !adze.weight<48x64, #adze.float<f32>>) -> !adze.weight<64x64, #adze.float<f32>>
  adze.yield %2 : !adze.weight<64x64, #adze.float<f32>>
}

// A value that two linears read is shown once, under the first one's name.
// CHECK-LABEL: func.func private @shared
// CHECK-NEXT:    adze.tap %arg1 "l.{}.q" : tensor<?x64xf32>
// CHECK-NEXT:    adze.linear %arg1, @l.q
// CHECK-NEXT:    adze.linear %arg1, @l.k
// CHECK-NEXT:    arith.addf
func.func private @shared(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %q = adze.linear %x, @l.q[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %k = adze.linear %x, @l.k[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %s = arith.addf %q, %k : tensor<?x64xf32>
  return %s : tensor<?x64xf32>
}

// A weight of several tensors: the first. What is rounded is shown before. A
// tap of somebody else's stays, and does not count.
// CHECK-LABEL: func.func @rounded
// CHECK-NEXT:    adze.tap %arg0 "mine" : tensor<?x64xf32>
// CHECK-NEXT:    %[[Q:.*]] = adze.quantize %arg0
// CHECK-NEXT:    adze.tap %arg0 "a" : tensor<?x64xf32>
// CHECK-NEXT:    %[[Y:.*]] = adze.linear %[[Q]], @ab
// CHECK-NEXT:    adze.tap %[[Y]] "a" : tensor<?x64xf32>
// CHECK-NEXT:    adze.linear %[[Y]], @ab
func.func @rounded(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  adze.tap %x "mine" : tensor<?x64xf32>
  %r = adze.quantize %x group 32 : tensor<?x64xf32>
  %y = adze.linear %r, @ab : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %z = adze.linear %y, @ab : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %z : tensor<?x64xf32>
}
