// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: adze-opt %s --adze-fuse-linear-regions | FileCheck %s
// RUN: adze-opt %s --adze-fuse-linear-regions %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

adze.weight @w from "w" : !adze.weight<64x64, #adze.float<f32>>
adze.weight @b from "b" : !adze.weight<64, #adze.float<f32>>

// An activation joins the region; the bias of the linear stays.
// CHECK-LABEL: func.func @activation
func.func @activation(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Passed] {{.*}}adze-fuse-linear-regions {{.*}}"took in adze.silu"
  %y = adze.linear %x, @w bias @b : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %s = adze.silu %y : tensor<?x64xf32>
  // CHECK: %[[Y:.*]] = adze.linear %{{.*}}, @w bias @b {
  // CHECK: ^bb0(%[[ACC:.*]]: f32):
  // CHECK: %[[S:.*]] = adze.silu %[[ACC]] : f32
  // CHECK: adze.yield %[[S]] : f32
  // CHECK: return %[[Y]]
  return %s : tensor<?x64xf32>
}

// A residual is captured, and its side of the op is kept.
// CHECK-LABEL: func.func @residual
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[R:.*]]: tensor<?x64xf32>)
func.func @residual(%x: tensor<?x64xf32>, %r: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %y = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %s = arith.subf %r, %y : tensor<?x64xf32>
  // CHECK: adze.linear %[[X]], @w captures(%[[R]] : tensor<?x64xf32>) {
  // CHECK: ^bb0(%[[ACC:.*]]: f32, %[[E:.*]]: f32):
  // CHECK: arith.subf %[[E]], %[[ACC]] : f32
  return %s : tensor<?x64xf32>
}

// A residual that two ops of a chain read is captured once.
// CHECK-LABEL: func.func @captured_once
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[R:.*]]: tensor<?x64xf32>)
func.func @captured_once(%x: tensor<?x64xf32>, %r: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %y = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %a = arith.addf %y, %r : tensor<?x64xf32>
  %b = arith.mulf %r, %a : tensor<?x64xf32>
  // CHECK: adze.linear %[[X]], @w captures(%[[R]] : tensor<?x64xf32>) {
  // CHECK: ^bb0(%[[ACC:.*]]: f32, %[[E:.*]]: f32):
  // CHECK: %[[A:.*]] = arith.addf %[[ACC]], %[[E]] : f32
  // CHECK: %[[B:.*]] = arith.mulf %[[E]], %[[A]] : f32
  // CHECK: adze.yield %[[B]]
  return %b : tensor<?x64xf32>
}

// The input of the linear may be captured as well.
// CHECK-LABEL: func.func @captures_input
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>)
func.func @captures_input(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %y = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %a = arith.addf %x, %y : tensor<?x64xf32>
  // CHECK: adze.linear %[[X]], @w captures(%[[X]] : tensor<?x64xf32>)
  return %a : tensor<?x64xf32>
}

// One op that reads the linear twice is one use.
// CHECK-LABEL: func.func @square
func.func @square(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %y = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %a = arith.mulf %y, %y : tensor<?x64xf32>
  // CHECK: ^bb0(%[[ACC:.*]]: f32):
  // CHECK: arith.mulf %[[ACC]], %[[ACC]] : f32
  return %a : tensor<?x64xf32>
}

// Of two linears that meet in one op, one takes it in and captures the other.
// CHECK-LABEL: func.func @two_linears
func.func @two_linears(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %y = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %z = adze.linear %x, @w bias @b : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %a = arith.subf %y, %z : tensor<?x64xf32>
  // CHECK: %[[Y:.*]] = adze.linear %{{.*}}, @w : (tensor
  // CHECK: adze.linear %{{.*}}, @w bias @b captures(%[[Y]] : tensor<?x64xf32>) {
  // CHECK: ^bb0(%[[ACC:.*]]: f32, %[[E:.*]]: f32):
  // CHECK: arith.subf %[[E]], %[[ACC]] : f32
  return %a : tensor<?x64xf32>
}

// A splat constant becomes a scalar of the region.
// CHECK-LABEL: func.func @constant
func.func @constant(%x: tensor<4x64xf32>) -> tensor<4x64xf32> {
  %c = arith.constant dense<2.0> : tensor<4x64xf32>
  %y = adze.linear %x, @w : (tensor<4x64xf32>) -> tensor<4x64xf32>
  %a = arith.mulf %y, %c : tensor<4x64xf32>
  // CHECK: adze.linear %{{.*}}, @w {
  // CHECK: %[[TWO:.*]] = arith.constant 2.000000e+00 : f32
  // CHECK: arith.mulf %{{.*}}, %[[TWO]] : f32
  return %a : tensor<4x64xf32>
}

// Two ops read the result: it has to be in memory, and both stay.
// CHECK-LABEL: func.func @two_uses
func.func @two_uses(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}adze-fuse-linear-regions {{.*}}Reason="the result has other uses"
  %y = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %s = adze.silu %y : tensor<?x64xf32>
  %g = adze.gelu %y : tensor<?x64xf32>
  // CHECK: %[[Y:.*]] = adze.linear %{{.*}}, @w : (tensor
  // CHECK: adze.silu %[[Y]] : tensor<?x64xf32>
  // CHECK: adze.gelu %[[Y]] : tensor<?x64xf32>
  return %s, %g : tensor<?x64xf32>, tensor<?x64xf32>
}

// A condition is no row of floats: a region has f32 arguments only.
// CHECK-LABEL: func.func @condition
func.func @condition(%x: tensor<?x64xf32>, %r: tensor<?x64xf32>,
                     %c: tensor<?x64xi1>) -> tensor<?x64xf32> {
  // REMARK-NOT: :[[#@LINE+1]]:{{.*}}took in
  %y = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK: arith.select %{{.*}} : tensor<?x64xi1>, tensor<?x64xf32>
  %s = arith.select %c, %y, %r : tensor<?x64xi1>, tensor<?x64xf32>
  return %s : tensor<?x64xf32>
}

// Elements that differ from row to row are no scalar.
// CHECK-LABEL: func.func @table
func.func @table(%x: tensor<2x64xf32>, %c: tensor<2x64xf32>) -> tensor<2x64xf32> {
  %d = arith.constant dense_resource<table> : tensor<2x64xf32>
  %y = adze.linear %x, @w : (tensor<2x64xf32>) -> tensor<2x64xf32>
  // CHECK: arith.mulf %{{.*}} : tensor<2x64xf32>
  %a = arith.mulf %y, %d : tensor<2x64xf32>
  return %a : tensor<2x64xf32>
}
