// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Formats by the names of tensors; what integer formats leave alone.
// RUN: adze-opt %s "--adze-convert-weights=format=head=int8,*.q.*=f16,*=int4" | FileCheck %s --check-prefixes=CHECK,RULES
// RUN: adze-opt %s --adze-convert-weights=format=int4:g32:f16:zp | FileCheck %s --check-prefixes=CHECK,ALL
// RUN: adze-opt %s --adze-convert-weights=format=blk.*=int8:g64 | FileCheck %s --check-prefixes=CHECK,SOME
// RUN: adze-opt %s --adze-convert-weights=format=int8 %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

// The name without its ".weight", and the first rule that fits.
// RULES: adze.weight @head : !adze.weight<64x64, #adze.int<8, scale = f32>> {
// ALL: adze.weight @head : !adze.weight<64x64, #adze.int<4, group = 32, scale = f16, zeros>> {
// ALL: adze.cast %{{.*}} : <64x64, #adze.float<bf16>> -> <64x64, #adze.int<4, group = 32, scale = f16, zeros>>
// SOME: adze.weight @head from "head.weight" : !adze.weight<64x64, #adze.float<bf16>>
// REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Passed] {{.*}}"@head becomes int8"
adze.weight @head from "head.weight" : !adze.weight<64x64, #adze.float<bf16>>

// RULES: adze.weight @q x 12 : !adze.weight<64x64, #adze.float<f16>> {
// ALL: adze.weight @q x 12 : !adze.weight<64x64, #adze.int<4, group = 32, scale = f16, zeros>> {
// SOME: adze.weight @q x 12 : !adze.weight<64x64, #adze.int<8, group = 64, scale = bf16>> {
adze.weight @q from "blk.{}.q.weight" x 12 : !adze.weight<64x64, #adze.float<bf16>>

// RULES: adze.weight @o x 12 : !adze.weight<64x64, #adze.int<4, group = 128, scale = bf16>> {
adze.weight @o from "blk.{}.o.weight" x 12 : !adze.weight<64x64, #adze.float<bf16>>

// RULES: adze.weight @emb : !adze.weight<64x64, #adze.int<4, group = 128, scale = bf16>> {
adze.weight @emb from "emb" : !adze.weight<64x64, #adze.float<bf16>>

// Norms, rows that are shorter than 32, and what other ops read.
// CHECK: adze.weight @n from "n" : !adze.weight<64, #adze.float<bf16>>
adze.weight @n from "n" : !adze.weight<64, #adze.float<bf16>>
// CHECK: adze.weight @short from "short" : !adze.weight<64x31, #adze.float<bf16>>
// REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}its rows are too short for an integer format
adze.weight @short from "short" : !adze.weight<64x31, #adze.float<bf16>>
// CHECK: adze.weight @table from "table" : !adze.weight<64x64, #adze.float<bf16>>
// REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}ops other than adze.linear and adze.embed read it
adze.weight @table from "table" : !adze.weight<64x64, #adze.float<bf16>>

func.func @uses(%l: index, %t: tensor<?xi32>, %s: tensor<?x31xf32>)
    -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<64x64xf32>) {
  %0 = adze.embed %t, @emb : tensor<?xi32> -> tensor<?x64xf32>
  %1 = adze.rms_norm %0, @n eps 0.5 : tensor<?x64xf32>
  %2 = adze.linear %1, @q[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %3 = adze.linear %2, @o[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %4 = adze.linear %3, @head : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %5 = adze.linear %s, @short : (tensor<?x31xf32>) -> tensor<?x64xf32>
  %6 = adze.weight_tensor @table : tensor<64x64xf32>
  return %4, %5, %6 : tensor<?x64xf32>, tensor<?x64xf32>, tensor<64x64xf32>
}
