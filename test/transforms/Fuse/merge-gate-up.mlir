// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: adze-opt %s --adze-merge-gate-up | FileCheck %s
// RUN: adze-opt %s --adze-merge-gate-up %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

adze.weight @l.gate from "g.{}" x 2 : !adze.weight<40x8, #adze.float<f32>>
adze.weight @l.gb from "gb.{}" x 2 : !adze.weight<40, #adze.float<f32>>
adze.weight @l.up from "u.{}" x 2 : !adze.weight<40x8, #adze.float<f32>>
adze.weight @l.ub from "ub.{}" x 2 : !adze.weight<40, #adze.float<f32>>
adze.weight @half from "h.{}" x 2 : !adze.weight<40x8, #adze.float<f16>>
adze.weight @more from "m.{}" x 3 : !adze.weight<40x8, #adze.float<f32>>
adze.weight @g from "g" : !adze.weight<16x8, #adze.float<f32>>
adze.weight @u from "u" : !adze.weight<16x8, #adze.float<f32>>

// Panels of gate and up alternate: the streams are padded to whole panels.
// CHECK-DAG: adze.weight @l.gate_up x 2 : !adze.weight<96x8, #adze.float<f32>>
// CHECK-DAG: adze.interleave %{{.*}} : <40x8, #adze.float<f32>> -> <96x8, #adze.float<f32>>
// CHECK-DAG: adze.weight @l.gb_ub x 2 : !adze.weight<96, #adze.float<f32>>
// CHECK-DAG: adze.weight @g_u : !adze.weight<32x8, #adze.float<f32>>
// CHECK-LABEL: func.func @merged
// CHECK-SAME: (%[[L:.*]]: index, %[[X:.*]]: tensor<?x8xf32>)
func.func @merged(%l: index, %x: tensor<?x8xf32>) -> tensor<?x40xf32> {
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Passed] {{.*}}adze-merge-gate-up {{.*}}"gate and up merged into one linear"
  %g = adze.linear %x, @l.gate[%l] bias @l.gb : (tensor<?x8xf32>) -> tensor<?x40xf32>
  %u = adze.linear %x, @l.up[%l] bias @l.ub : (tensor<?x8xf32>) -> tensor<?x40xf32>
  %s = adze.silu %g : tensor<?x40xf32>
  %p = arith.mulf %s, %u : tensor<?x40xf32>
  // CHECK: %[[Y:.*]] = adze.linear %[[X]], @l.gate_up[%[[L]]] bias @l.gb_ub streams 2 {
  // CHECK: ^bb0(%[[G:.*]]: f32, %[[U:.*]]: f32):
  // CHECK: %[[S:.*]] = adze.silu %[[G]]
  // CHECK: %[[P:.*]] = arith.mulf %[[S]], %[[U]]
  // CHECK: adze.yield %[[P]]
  // CHECK: return %[[Y]]
  return %p : tensor<?x40xf32>
}

// The gate may stand on either side, and its activation may be several ops.
// CHECK-LABEL: func.func @chain
func.func @chain(%x: tensor<4x8xf32>) -> tensor<4x16xf32> {
  %u = adze.linear %x, @u : (tensor<4x8xf32>) -> tensor<4x16xf32>
  %g = adze.linear %x, @g : (tensor<4x8xf32>) -> tensor<4x16xf32>
  %c = arith.constant dense<2.0> : tensor<4x16xf32>
  %d = arith.mulf %g, %c : tensor<4x16xf32>
  %s = adze.gelu %d : tensor<4x16xf32>
  %p = arith.mulf %u, %s : tensor<4x16xf32>
  // CHECK: adze.linear %{{.*}}, @g_u streams 2 {
  // CHECK: ^bb0(%[[G:.*]]: f32, %[[U:.*]]: f32):
  // CHECK: %[[D:.*]] = arith.mulf %[[G]],
  // CHECK: %[[S:.*]] = adze.gelu %[[D]]
  // CHECK: arith.mulf %[[U]], %[[S]]
  return %p : tensor<4x16xf32>
}

// The gate's activation may read it twice.
// CHECK-LABEL: func.func @square
func.func @square(%x: tensor<?x8xf32>) -> tensor<?x16xf32> {
  %u = adze.linear %x, @u : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %g = adze.linear %x, @g : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %s = arith.mulf %g, %g : tensor<?x16xf32>
  %p = arith.mulf %s, %u : tensor<?x16xf32>
  // CHECK: adze.linear %{{.*}}, @g_u{{.*}} streams 2 {
  // CHECK: ^bb0(%[[G:.*]]: f32, %[[U:.*]]: f32):
  // CHECK: %[[S:.*]] = arith.mulf %[[G]], %[[G]]
  // CHECK: arith.mulf %[[S]], %[[U]]
  return %p : tensor<?x16xf32>
}

// A product without an activation is left to adze-fuse-linear-regions.
// CHECK-LABEL: func.func @no_activation
func.func @no_activation(%x: tensor<?x8xf32>) -> tensor<?x16xf32> {
  // CHECK-NOT: streams
  // CHECK: arith.mulf %{{.*}} : tensor<?x16xf32>
  %g = adze.linear %x, @g : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %u = adze.linear %x, @u : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %p = arith.mulf %g, %u : tensor<?x16xf32>
  return %p : tensor<?x16xf32>
}

// Something else reads the up projection.
// CHECK-LABEL: func.func @other_use
func.func @other_use(%x: tensor<?x8xf32>) -> (tensor<?x16xf32>, tensor<?x16xf32>) {
  // CHECK-NOT: streams
  %g = adze.linear %x, @g : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %u = adze.linear %x, @u : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %s = adze.silu %g : tensor<?x16xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}adze-merge-gate-up {{.*}}Reason="a projection has other uses"
  %p = arith.mulf %s, %u : tensor<?x16xf32>
  // CHECK: return
  return %p, %u : tensor<?x16xf32>, tensor<?x16xf32>
}

// Two inputs.
// CHECK-LABEL: func.func @inputs
func.func @inputs(%x: tensor<?x8xf32>, %y: tensor<?x8xf32>) -> tensor<?x16xf32> {
  // CHECK-NOT: streams
  %g = adze.linear %x, @g : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %u = adze.linear %y, @u : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %s = adze.silu %g : tensor<?x16xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}Reason="the projections read different inputs"
  %p = arith.mulf %s, %u : tensor<?x16xf32>
  // CHECK: return
  return %p : tensor<?x16xf32>
}

// One bias for two projections.
// CHECK-LABEL: func.func @some_bias
func.func @some_bias(%l: index, %x: tensor<?x8xf32>) -> tensor<?x40xf32> {
  // CHECK-NOT: streams
  %g = adze.linear %x, @l.gate[%l] bias @l.gb : (tensor<?x8xf32>) -> tensor<?x40xf32>
  %u = adze.linear %x, @l.up[%l] : (tensor<?x8xf32>) -> tensor<?x40xf32>
  %s = adze.silu %g : tensor<?x40xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}Reason="only one of the projections has a bias"
  %p = arith.mulf %s, %u : tensor<?x40xf32>
  // CHECK: return
  return %p : tensor<?x40xf32>
}

// Two formats.
// CHECK-LABEL: func.func @formats
func.func @formats(%l: index, %x: tensor<?x8xf32>) -> tensor<?x40xf32> {
  // CHECK-NOT: streams
  %g = adze.linear %x, @half[%l] : (tensor<?x8xf32>) -> tensor<?x40xf32>
  %u = adze.linear %x, @l.up[%l] : (tensor<?x8xf32>) -> tensor<?x40xf32>
  %s = adze.silu %g : tensor<?x40xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}Reason="the weights differ in format"
  %p = arith.mulf %s, %u : tensor<?x40xf32>
  // CHECK: return
  return %p : tensor<?x40xf32>
}

// Two numbers of layers.
// CHECK-LABEL: func.func @layer_counts
func.func @layer_counts(%l: index, %x: tensor<?x8xf32>) -> tensor<?x40xf32> {
  // CHECK-NOT: streams
  %g = adze.linear %x, @more[%l] : (tensor<?x8xf32>) -> tensor<?x40xf32>
  %u = adze.linear %x, @l.up[%l] : (tensor<?x8xf32>) -> tensor<?x40xf32>
  %s = adze.silu %g : tensor<?x40xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}Reason="the weights differ in their layers"
  %p = arith.mulf %s, %u : tensor<?x40xf32>
  // CHECK: return
  return %p : tensor<?x40xf32>
}

// The product of an activated projection with itself has one weight.
// CHECK-LABEL: func.func @one_linear
func.func @one_linear(%x: tensor<?x8xf32>) -> tensor<?x16xf32> {
  // CHECK-NOT: streams
  %g = adze.linear %x, @g : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %s = adze.silu %g : tensor<?x16xf32>
  %p = arith.mulf %s, %g : tensor<?x16xf32>
  // CHECK: return
  return %p : tensor<?x16xf32>
}
