// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: adze-opt %s --adze-merge-gate-up | FileCheck %s

// Two layer kinds that merge the same weights read one merged weight; another
// order is another weight.

adze.weight @l.gate from "g.{}" x 2 : !adze.weight<16x8, #adze.float<f32>>
adze.weight @l.up from "u.{}" x 2 : !adze.weight<16x8, #adze.float<f32>>

// CHECK-COUNT-2: adze.interleave
// CHECK-NOT: adze.interleave

// CHECK-LABEL: func.func @layer(
// CHECK: adze.linear %{{.*}}, @l.gate_up[%{{.*}}] streams 2
func.func @layer(%l: index, %x: tensor<?x8xf32>) -> tensor<?x16xf32> {
  %g = adze.linear %x, @l.gate[%l] : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %u = adze.linear %x, @l.up[%l] : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %s = adze.silu %g : tensor<?x16xf32>
  %p = arith.mulf %s, %u : tensor<?x16xf32>
  return %p : tensor<?x16xf32>
}

// CHECK-LABEL: func.func @layer_sliding(
// CHECK: adze.linear %{{.*}}, @l.gate_up[%{{.*}}] streams 2
func.func @layer_sliding(%l: index, %x: tensor<?x8xf32>) -> tensor<?x16xf32> {
  %g = adze.linear %x, @l.gate[%l] : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %u = adze.linear %x, @l.up[%l] : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %s = adze.gelu %g : tensor<?x16xf32>
  %p = arith.mulf %s, %u : tensor<?x16xf32>
  return %p : tensor<?x16xf32>
}

// CHECK-LABEL: func.func @swapped(
// CHECK: adze.linear %{{.*}}, @l.up_gate[%{{.*}}] streams 2
func.func @swapped(%l: index, %x: tensor<?x8xf32>) -> tensor<?x16xf32> {
  %g = adze.linear %x, @l.up[%l] : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %u = adze.linear %x, @l.gate[%l] : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %s = adze.silu %g : tensor<?x16xf32>
  %p = arith.mulf %s, %u : tensor<?x16xf32>
  return %p : tensor<?x16xf32>
}
