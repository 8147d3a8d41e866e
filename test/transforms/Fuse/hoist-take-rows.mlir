// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: adze-opt %s --adze-hoist-take-rows | FileCheck %s
// RUN: adze-opt %s --adze-hoist-take-rows %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

adze.weight @w from "w" : !adze.weight<16x8, #adze.float<f32>>
adze.weight @n from "n" : !adze.weight<8, #adze.float<f32>>

// The head of a model computes the rows asked for, from its first op on.
// CHECK-LABEL: func.func @head
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[ROWS:.*]]: tensor<?xi32>)
func.func @head(%x: tensor<?x8xf32>, %rows: tensor<?xi32>) -> tensor<?x16xf32> {
  // CHECK: %[[T:.*]] = adze.take_rows %[[X]], %[[ROWS]] : tensor<?x8xf32>
  // CHECK: %[[N:.*]] = adze.rms_norm %[[T]]
  // CHECK: %[[Y:.*]] = adze.linear %[[N]], @w
  // CHECK: %[[S:.*]] = adze.silu %[[Y]]
  // CHECK: return %[[S]]
  %n = adze.rms_norm %x, @n eps 0.5 : tensor<?x8xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Passed] {{.*}}adze-hoist-take-rows {{.*}}"computes only the rows asked for"
  %y = adze.linear %n, @w : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %s = adze.silu %y : tensor<?x16xf32>
  %t = adze.take_rows %s, %rows : tensor<?x16xf32>, tensor<?xi32>
  return %t : tensor<?x16xf32>
}

// So are columns put into another order.
// CHECK-LABEL: func.func @sorted
func.func @sorted(%x: tensor<?x8xf32>, %rows: tensor<?xi32>) -> tensor<?x16xf32> {
  // CHECK: %[[T:.*]] = adze.take_rows %arg0
  // CHECK: %[[P:.*]] = adze.permute %[[T]] by @n
  // CHECK: adze.linear %[[P]], @w
  %p = adze.permute %x by @n : tensor<?x8xf32>
  %y = adze.linear %p, @w : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %t = adze.take_rows %y, %rows : tensor<?x16xf32>, tensor<?xi32>
  return %t : tensor<?x16xf32>
}

// Rows are rounded one by one.
// CHECK-LABEL: func.func @quantize
func.func @quantize(%x: tensor<?x8xf32>, %rows: tensor<?xi32>) -> tensor<?x16xf32> {
  // CHECK: %[[T:.*]] = adze.take_rows %arg0
  // CHECK: %[[Q:.*]] = adze.quantize %[[T]] group 16
  // CHECK: adze.linear %[[Q]], @w
  %q = adze.quantize %x group 16 : tensor<?x8xf32>
  %y = adze.linear %q, @w : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %t = adze.take_rows %y, %rows : tensor<?x16xf32>, tensor<?xi32>
  return %t : tensor<?x16xf32>
}

// Every operand with rows gives the rows asked for: captures too.
// CHECK-LABEL: func.func @captures
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[R:.*]]: tensor<?x16xf32>, %[[ROWS:.*]]: tensor<?xi32>)
func.func @captures(%x: tensor<?x8xf32>, %r: tensor<?x16xf32>, %rows: tensor<?xi32>)
    -> tensor<?x16xf32> {
  // CHECK-DAG: %[[TX:.*]] = adze.take_rows %[[X]]
  // CHECK-DAG: %[[TR:.*]] = adze.take_rows %[[R]]
  // CHECK: adze.linear %[[TX]], @w captures(%[[TR]] :
  %y = adze.linear %x, @w captures(%r : tensor<?x16xf32>) {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.addf %a, %b : f32
    adze.yield %0 : f32
  } : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %t = adze.take_rows %y, %rows : tensor<?x16xf32>, tensor<?xi32>
  return %t : tensor<?x16xf32>
}

// An op whose other uses need every row stays where it is.
// CHECK-LABEL: func.func @other_use
func.func @other_use(%x: tensor<?x8xf32>, %rows: tensor<?xi32>)
    -> (tensor<?x16xf32>, tensor<?x16xf32>) {
  // CHECK: %[[Y:.*]] = adze.linear
  // CHECK: adze.take_rows %[[Y]]
  %y = adze.linear %x, @w : (tensor<?x8xf32>) -> tensor<?x16xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}adze-hoist-take-rows {{.*}}Reason="the rows have other uses"
  %t = adze.take_rows %y, %rows : tensor<?x16xf32>, tensor<?xi32>
  return %t, %y : tensor<?x16xf32>, tensor<?x16xf32>
}

// Rows of an argument: nothing to compute less of, and nothing to say.
// CHECK-LABEL: func.func @argument
func.func @argument(%x: tensor<?x8xf32>, %rows: tensor<?xi32>) -> tensor<?x8xf32> {
  // CHECK: adze.take_rows %arg0
  %t = adze.take_rows %x, %rows : tensor<?x8xf32>, tensor<?xi32>
  return %t : tensor<?x8xf32>
}

// Layers need every row: attention reads them all.
// CHECK-LABEL: func.func @layers
func.func @layers(%x: tensor<?x8xf32>, %rows: tensor<?xi32>) -> tensor<?x8xf32> {
  // CHECK: %[[H:.*]] = adze.repeat
  // CHECK: adze.take_rows %[[H]]
  %h = adze.repeat 1 @layer(%x) : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %t = adze.take_rows %h, %rows : tensor<?x8xf32>, tensor<?xi32>
  return %t : tensor<?x8xf32>
}
func.func private @layer(%l: index, %x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %s = adze.silu %x : tensor<?x8xf32>
  return %s : tensor<?x8xf32>
}
