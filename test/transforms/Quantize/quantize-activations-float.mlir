// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Nothing happens, and nothing is said, where no weight has an integer format.
// RUN: adze-opt %s --adze-quantize-activations %remarks 2>&1 | FileCheck %s
// CHECK-NOT: remark
// CHECK: adze.linear %arg0
// CHECK-NOT: adze.quantize
adze.weight @w from "w" : !adze.weight<64x64, #adze.float<f32>>
func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %y = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
