// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What --generic=all leaves of a model: plain loops over one row at a time, on
// memory, with packed weights decoded element by element.
// RUN: adze compile %s --generic=all --target=x86-64-v4 --emit=kernel | FileCheck %s
// RUN: adze compile %s --generic=all --target=x86-64-v3 --emit=kernel | FileCheck %s
// Only what is asked for, and nothing without being asked.
// RUN: adze compile %s --generic=adze.rms_norm --target=x86-64-v4 --emit=kernel | FileCheck %s --check-prefix=NORM
// RUN: adze compile %s --target=x86-64-v4 --emit=kernel | FileCheck %s --check-prefix=NOT
// NORM: func.func @{{.*}}_generic(
// NORM-NOT: func.func @{{.*}}_generic(
// NORM: func.func @{{.*}}_linear(
// NOT-NOT: _generic(

// Rows lo to hi, scratch, the context, buffers, the weight, how many rows.
// CHECK: func.func @{{.*}}_generic(%[[LO:.*]]: index, %[[HI:.*]]: index, %[[SCRATCH:[^:]*]]: !llvm.ptr, %{{[^:]*}}: !llvm.ptr, %[[X:[^:]*]]: !llvm.ptr, %[[OUT:[^:]*]]: !llvm.ptr, %[[W:[^:]*]]: !llvm.ptr, %{{.*}}: index)
// CHECK-DAG: %[[EPS:.*]] = arith.constant 5.000000e-01 : f32
// CHECK-DAG: %[[COUNT:.*]] = arith.constant 8.000000e+00 : f32
// CHECK-DAG: %[[BYTES:.*]] = arith.constant 32 : index
// CHECK: scf.for %[[ROW:.*]] = %[[LO]] to %[[HI]]
// CHECK: %[[AT:.*]] = arith.muli %[[ROW]], %[[BYTES]]
// CHECK: %[[BYTE:.*]] = arith.index_cast %[[AT]] : index to i64
// CHECK: %[[XROW:.*]] = llvm.getelementptr %[[X]][%[[BYTE]]]
// The sum of squares is a temporary.
// CHECK: scf.for
// CHECK: llvm.getelementptr %[[XROW]]
// CHECK: %[[SUM:.*]] = llvm.load %[[SCRATCH]]
// CHECK: %[[SQUARE:.*]] = arith.mulf
// CHECK: arith.addf %[[SUM]], %[[SQUARE]]
// CHECK: llvm.store %{{.*}}, %[[SCRATCH]]
// CHECK: scf.for
// CHECK: llvm.getelementptr %[[W]]
// CHECK: %[[MEAN:.*]] = arith.divf %{{.*}}, %[[COUNT]]
// CHECK: %[[PLUS:.*]] = arith.addf %[[MEAN]], %[[EPS]]
// CHECK: math.sqrt %[[PLUS]]
// CHECK: llvm.getelementptr %[[OUT]][%[[BYTE]]]
// CHECK: return

// A panel is 16 channels beside each other, in bf16.
// CHECK: func.func @{{.*}}_generic(
// CHECK: scf.for
// CHECK: scf.for
// CHECK: scf.for
// CHECK: llvm.load {{.*}} -> bf16
// CHECK: adze_kernel.to_f32 %{{.*}} : bf16 to f32
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK-NOT: vector<
// CHECK-NOT: memref<
// CHECK-NOT: tensor<
adze.weight @n from "n" : !adze.weight<8, #adze.float<f32>>
adze.weight @w from "w" : !adze.weight<4x8, #adze.float<bf16>>
func.func @step(%x: tensor<?x8xf32>) -> tensor<?x4xf32> attributes {adze.entry} {
  %n = adze.rms_norm %x, @n eps 0.5 : tensor<?x8xf32>
  %y = adze.linear %n, @w : (tensor<?x8xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
