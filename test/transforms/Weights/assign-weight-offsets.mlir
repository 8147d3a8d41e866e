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

// Lists of layers: a place for each, in the order in which a step reads them:
// layer 0 has @all and @full, 1 only @all, 2 @all and @sliding, 3 all three.
// CHECK-LABEL: module attributes {adze.weight_bytes = 832 : i64}
// CHECK: adze.weight @head {{.*}} attributes {adze.offset = 0 : i64, adze.stride = 0 : i64}
// CHECK: adze.weight @all {{.*}} attributes {adze.offsets = array<i64: 64, 256, 320, 512>}
// CHECK: adze.weight @full {{.*}} layers [0, 3] {{.*}} attributes {adze.offsets = array<i64: 128, 576>}
// CHECK: adze.weight @sliding {{.*}} layers [2, 3] {{.*}} attributes {adze.offsets = array<i64: 384, 704>}
adze.weight @head from "head" : !adze.weight<8, #adze.float<f32>>
adze.weight @all from "a.{}" x 4 : !adze.weight<8, #adze.float<f32>>
adze.weight @full from "f.{}" layers [0, 3] : !adze.weight<32, #adze.float<f32>>
adze.weight @sliding from "s.{}" layers [2, 3] : !adze.weight<32, #adze.float<f32>>
func.func @f(%l: index, %x: tensor<?x8xf32>, %w: tensor<?x32xf32>) -> tensor<?x8xf32> {
  %y = adze.rms_norm %x, @all[%l] eps 0.5 : tensor<?x8xf32>
  %u = adze.rms_norm %w, @full[%l] eps 0.5 : tensor<?x32xf32>
  %v = adze.rms_norm %u, @sliding[%l] eps 0.5 : tensor<?x32xf32>
  %z = adze.rms_norm %y, @head eps 0.5 : tensor<?x8xf32>
  return %z : tensor<?x8xf32>
}

// -----

// A module without weights has none.
// CHECK-LABEL: module attributes {adze.weight_bytes = 0 : i64}
func.func @f(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  return %x : tensor<?x8xf32>
}
