// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: adze-opt %s --adze-fuse-maps | FileCheck %s --check-prefixes=CHECK,FUSE
// RUN: adze-opt %s --adze-fuse-maps=fuse=false | FileCheck %s --check-prefixes=CHECK,SINGLE
// RUN: adze-opt %s --adze-fuse-maps %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

// A chain becomes one map; with fuse=false each op is a map of its own.
// CHECK-LABEL: func.func @chain
// CHECK-SAME: (%[[G:.*]]: tensor<?x8xf32>, %[[U:.*]]: tensor<?x8xf32>)
func.func @chain(%g: tensor<?x8xf32>, %u: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %s = adze.silu %g : tensor<?x8xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Passed] {{.*}}adze-fuse-maps {{.*}}"maps joined"
  %p = arith.mulf %s, %u : tensor<?x8xf32>
  // FUSE: %[[M:.*]] = adze.map %[[U]], %[[G]] : {{.*}} -> tensor<?x8xf32> {
  // FUSE: ^bb0(%[[UE:.*]]: f32, %[[GE:.*]]: f32):
  // FUSE: %[[S:.*]] = adze.silu %[[GE]] : f32
  // FUSE: arith.mulf %[[S]], %[[UE]] : f32
  // FUSE: return %[[M]]
  // SINGLE: %[[S:.*]] = adze.map %[[G]] :
  // SINGLE: %[[M:.*]] = adze.map %[[S]], %[[U]] :
  // SINGLE: return %[[M]]
  return %p : tensor<?x8xf32>
}

// A value with two readers in one chain is computed once.
// CHECK-LABEL: func.func @diamond
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>)
func.func @diamond(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %n = arith.negf %x : tensor<?x8xf32>
  %a = adze.silu %n : tensor<?x8xf32>
  %b = arith.addf %a, %n : tensor<?x8xf32>
  // FUSE: adze.map %[[X]] : tensor<?x8xf32> -> tensor<?x8xf32> {
  // FUSE: %[[N:.*]] = arith.negf
  // FUSE: %[[A:.*]] = adze.silu %[[N]]
  // FUSE: arith.addf %[[A]], %[[N]]
  // FUSE-NOT: arith.negf
  // FUSE-NOT: adze.map
  // CHECK: return
  return %b : tensor<?x8xf32>
}

// A map whose result two maps read stays in memory.
// CHECK-LABEL: func.func @two_readers
func.func @two_readers(%x: tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %n = arith.negf %x : tensor<?x8xf32>
  %a = adze.silu %n : tensor<?x8xf32>
  %b = adze.gelu %n : tensor<?x8xf32>
  // CHECK: %[[N:.*]] = adze.map
  // CHECK: arith.negf
  // CHECK: adze.map %[[N]] :
  // CHECK: adze.map %[[N]] :
  return %a, %b : tensor<?x8xf32>, tensor<?x8xf32>
}

// So does one that something other than a map reads.
// CHECK-LABEL: func.func @other_reader
func.func @other_reader(%x: tensor<?x8xf32>, %r: tensor<?xi32>) -> tensor<?x8xf32> {
  %n = arith.negf %x : tensor<?x8xf32>
  // CHECK: %[[N:.*]] = adze.map
  // CHECK: %[[T:.*]] = adze.take_rows %[[N]]
  %t = adze.take_rows %n, %r : tensor<?x8xf32>, tensor<?xi32>
  // CHECK: adze.map %[[T]] :
  %a = adze.silu %t : tensor<?x8xf32>
  return %a : tensor<?x8xf32>
}

// A map that was there, also one with an input twice, is joined to a new one.
// CHECK-LABEL: func.func @existing
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>)
func.func @existing(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %m = adze.map %x, %x : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.mulf %a, %b : f32
    adze.yield %0 : f32
  }
  %s = adze.silu %m : tensor<?x8xf32>
  // FUSE: adze.map %[[X]] : tensor<?x8xf32> -> tensor<?x8xf32> {
  // FUSE: ^bb0(%[[E:.*]]: f32):
  // FUSE: %[[P:.*]] = arith.mulf %[[E]], %[[E]]
  // FUSE: adze.silu %[[P]]
  return %s : tensor<?x8xf32>
}

// A splat constant becomes a scalar of the region.
// CHECK-LABEL: func.func @constant
func.func @constant(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %c = arith.constant dense<0.5> : tensor<4x8xf32>
  // CHECK: adze.map %{{.*}} : tensor<4x8xf32> -> tensor<4x8xf32> {
  // CHECK: %[[HALF:.*]] = arith.constant 5.000000e-01 : f32
  // CHECK: arith.mulf %{{.*}}, %[[HALF]] : f32
  %a = arith.mulf %x, %c : tensor<4x8xf32>
  return %a : tensor<4x8xf32>
}

// What maps cannot hold stays: integers, conditions, constants that are no
// splat, tensors that are no rows.
// CHECK-LABEL: func.func @not_rows
func.func @not_rows(%i: tensor<?x8xi32>, %c: tensor<?x8xi1>, %x: tensor<?x8xf32>,
                    %v: tensor<8xf32>, %t: tensor<2x2xf32>)
    -> (tensor<?x8xi32>, tensor<?x8xf32>, tensor<8xf32>, tensor<2x2xf32>,
        tensor<?x8xf32>) {
  // CHECK-NOT: adze.map
  %0 = arith.addi %i, %i : tensor<?x8xi32>
  %1 = arith.select %c, %x, %x : tensor<?x8xi1>, tensor<?x8xf32>
  %2 = arith.negf %v : tensor<8xf32>
  %d = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %3 = arith.mulf %t, %d : tensor<2x2xf32>
  %4 = arith.sitofp %i : tensor<?x8xi32> to tensor<?x8xf32>
  // CHECK: return
  return %0, %1, %2, %3, %4 : tensor<?x8xi32>, tensor<?x8xf32>, tensor<8xf32>,
      tensor<2x2xf32>, tensor<?x8xf32>
}
