// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: adze-opt %s -split-input-file --adze-assign-weight-offsets | FileCheck %s

// Weights of the whole model come first, then layer by layer, each at the next
// 64 bytes: 3 x 8 x 2 = 48 -> 64; a layer has 512 + 64 bytes, three times.
// CHECK-LABEL: module attributes {adze.weight_bytes = 1856 : i64}
// CHECK: adze.weight @l.w from "l.w.{}" x 3 : {{.*}} attributes {adze.offset = 128 : i64, adze.stride = 576 : i64}
// CHECK: adze.weight @emb {{.*}} attributes {adze.offset = 0 : i64, adze.stride = 0 : i64}
// CHECK: adze.weight @l.n {{.*}} attributes {adze.offset = 640 : i64, adze.stride = 576 : i64}
// CHECK: adze.weight @n {{.*}} attributes {adze.offset = 64 : i64, adze.stride = 0 : i64}
// What only another weight reads has no place.
// CHECK-NOT: @source{{.*}}adze.offset
// CHECK-LABEL: func.func @f
adze.weight @l.w from "l.w.{}" x 3 : !adze.weight<16x8, #adze.float<f32>, panels>
adze.weight @emb from "emb" : !adze.weight<3x8, #adze.float<bf16>>
adze.weight @l.n from "l.n.{}" x 3 : !adze.weight<8, #adze.float<f32>>
adze.weight @n : !adze.weight<8, #adze.float<f32>> {
  %0 = adze.ref @source : !adze.weight<8, #adze.float<f32>>
  adze.yield %0 : !adze.weight<8, #adze.float<f32>>
}
adze.weight @source from "n" : !adze.weight<8, #adze.float<f32>>
func.func @f(%l: index, %t: tensor<?xi32>) -> tensor<?x16xf32> {
  %x = adze.embed %t, @emb : tensor<?xi32> -> tensor<?x8xf32>
  %y = adze.linear %x, @l.w[%l] sink <8, [<2, norm = @l.n, eps = 0.5, store>]>
    : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %z = adze.rms_norm %x, @n eps 0.5 : tensor<?x8xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Layer counts that differ: as many strides as the deepest has layers.
// CHECK-LABEL: module attributes {adze.weight_bytes = 640 : i64}
// CHECK: adze.weight @two {{.*}} attributes {adze.offset = 0 : i64, adze.stride = 128 : i64}
// CHECK: adze.weight @five {{.*}} attributes {adze.offset = 64 : i64, adze.stride = 128 : i64}
adze.weight @two from "a.{}" x 2 : !adze.weight<8, #adze.float<f32>>
adze.weight @five from "b.{}" x 5 : !adze.weight<8, #adze.float<f32>>
func.func @f(%l: index, %x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = adze.rms_norm %x, @two[%l] eps 0.5 : tensor<?x8xf32>
  %z = adze.rms_norm %y, @five[%l] eps 0.5 : tensor<?x8xf32>
  return %z : tensor<?x8xf32>
}

// -----

// A module without weights has none.
// CHECK-LABEL: module attributes {adze.weight_bytes = 0 : i64}
func.func @f(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  return %x : tensor<?x8xf32>
}
