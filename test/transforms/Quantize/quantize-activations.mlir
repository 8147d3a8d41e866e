// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: adze-opt %s --adze-quantize-activations | FileCheck %s
// RUN: adze-opt %s --adze-quantize-activations=format=int8:token | FileCheck %s --check-prefix=TOKEN
// RUN: adze-opt %s --adze-quantize-activations=format=int8:g32 --adze-quantize-activations=format=int8:g64 | FileCheck %s --check-prefix=TWICE
// RUN: adze-opt %s --adze-quantize-activations %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

adze.weight @w8 from "w8" : !adze.weight<64x64, #adze.int<8, scale = f32>>
adze.weight @w4 from "w4" : !adze.weight<64x64, #adze.int<4, group = 32, scale = bf16>, panels>
adze.weight @wf from "wf" : !adze.weight<64x64, #adze.float<bf16>>
adze.weight @n from "n" : !adze.weight<64, #adze.float<f32>>

// One for all that read the same value; what reads it otherwise sees it as it
// was. A group of 0 is the row.
// CHECK-LABEL: func.func @shared
// TOKEN-LABEL: func.func @shared
// TWICE-LABEL: func.func @shared
func.func @shared(%x: tensor<?x64xf32>)
    -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>) {
  // CHECK: %[[N:.*]] = adze.rms_norm
  // CHECK: %[[F:.*]] = adze.linear %[[N]], @wf
  // CHECK: %[[Q:.*]] = adze.quantize %[[N]] group 128 : tensor<?x64xf32>
  // CHECK: adze.linear %[[Q]], @w8
  // CHECK-NOT: adze.quantize
  // CHECK: adze.linear %[[Q]], @w4 captures(%[[N]] : tensor<?x64xf32>)
  // CHECK: %[[R:.*]] = adze.quantize %[[F]] group 128
  // CHECK: adze.linear %[[R]], @w8
  // TOKEN: adze.quantize %{{[0-9]+}} : tensor<?x64xf32>
  // TWICE: adze.quantize %{{[0-9]+}} group 32 :
  // TWICE-NOT: group 64
  %n = adze.rms_norm %x, @n eps 0.5 : tensor<?x64xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}adze-quantize-activations {{.*}}Reason="its weight has no integer format: activations stay in floating point"
  %f = adze.linear %n, @wf : (tensor<?x64xf32>) -> tensor<?x64xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Passed] {{.*}}adze-quantize-activations {{.*}}"multiplies codes: activations int8:g128"
  %a = adze.linear %n, @w8 : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %b = adze.linear %n, @w4 captures(%n : tensor<?x64xf32>) {
  ^bb0(%acc: f32, %r: f32):
    %0 = arith.addf %acc, %r : f32
    adze.yield %0 : f32
  } : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %c = adze.linear %f, @w8 : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %f, %a, %b, %c
    : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}

// What is quantized already stays as it is, whatever its group.
// CHECK-LABEL: func.func @given
func.func @given(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK: %[[Q:.*]] = adze.quantize %{{.*}} group 16
  // CHECK-NEXT: adze.linear %[[Q]], @w8
  %q = adze.quantize %x group 16 : tensor<?x64xf32>
  %y = adze.linear %q, @w8 : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
