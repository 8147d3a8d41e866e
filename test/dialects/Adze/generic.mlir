// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// adze.generic, there and back.
// RUN: adze-opt %s | adze-opt | FileCheck %s
// RUN: adze-opt %s --mlir-print-op-generic | adze-opt | FileCheck %s
// RUN: adze-opt %s --emit-bytecode | adze-opt | FileCheck %s

// CHECK-LABEL: func.func private @roundtrip
// CHECK: adze.generic "tensor.cast"(%{{.*}} : tensor<?x4xf32>) whole [false] weights [@w] layer %{{.*}} -> tensor<?x4xf32> {
// CHECK-NEXT: ^bb0(%[[A:.*]]: tensor<?x4xf32>, %{{.*}}: tensor<4xf32>):
// CHECK-NEXT: adze.yield %[[A]] : tensor<?x4xf32>
adze.weight @w from "w.{}" x 2 : !adze.weight<4, #adze.float<f32>>
func.func private @roundtrip(%l: index, %x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = adze.generic "tensor.cast" (%x : tensor<?x4xf32>) whole [false]
      weights [@w] layer %l -> tensor<?x4xf32> {
  ^bb0(%a: tensor<?x4xf32>, %w: tensor<4xf32>):
    adze.yield %a : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}
