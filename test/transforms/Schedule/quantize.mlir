// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Quantized rows in memory: who writes codes, who reads them, who cannot.
// RUN: adze-opt %s -split-input-file --adze-schedule | FileCheck %s
// RUN: adze-opt %s -split-input-file --adze-schedule=bf16-dot=true | FileCheck %s
// RUN: adze-opt %s -split-input-file --adze-schedule=generic=adze.quantize | FileCheck %s --check-prefix=GENERIC
// RUN: adze-opt %s -split-input-file --adze-schedule=generic=adze.linear | FileCheck %s --check-prefix=LINEAR
// RUN: adze-opt %s -split-input-file --adze-schedule %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

// A norm that is only rounded writes codes. Sums are as fine as the finest
// block that a reader goes by: groups of 32 of @w4 in groups of 128. A row is 64
// codes, a line of scales, a line of sums.
// CHECK-LABEL: func.func @norm
// CHECK-SAME: adze.arena = array<i64: 192, 0>
// CHECK: %[[Q:.*]] = adze.arena %{{.*}} : <64xi8, group 128, sums 32>
// CHECK: adze.launch @[[NORM:.*rms_norm]] over tokens rows tokens frame %{{.*}}(%{{.*}}, %[[Q]]) weights [@n] sizes [64]
// CHECK: adze.barrier
// CHECK: adze.launch @[[L8:.*linear]] {{.*}}(%[[Q]], %{{.*}}) weights [@w8] sizes [64, 64]
// CHECK-NOT: adze.barrier
// CHECK: adze.launch @[[L4:.*linear]] {{.*}}(%[[Q]], %{{.*}}) weights [@w4] sizes [64, 64]
// CHECK: adze.kernel @[[NORM]] rms_norm {eps = 5.000000e-01 : f64, group = 128 : i64, heads = 1 : i64, in = f32, out = i8, sums = 32 : i64}
// CHECK: adze.kernel @[[L8]] linear {bias = false, captures = [], format = #adze.int<8, scale = f32>, group = 128 : i64, in = i8, out = f32, streams = 1 : i64, sums = 32 : i64}
// CHECK: adze.kernel @[[L4]] linear {{.*}}format = #adze.int<4, group = 32, scale = bf16>, group = 128 : i64, in = i8
// Plain loops round instead, and the linears read the values in f32.
// GENERIC-LABEL: func.func @norm
// GENERIC: adze.launch @[[NORM:.*rms_norm]]
// GENERIC: adze.launch @[[Q:.*generic]]
// GENERIC: adze.launch @[[L8:.*linear]]
// GENERIC: adze.kernel @[[NORM]] rms_norm {{.*}}out = f32}
// GENERIC: adze.kernel @[[Q]] generic {origin = "adze.quantize"
// GENERIC: math.roundeven
// GENERIC: adze.kernel @[[L8]] linear {bias = false, captures = [], format = #adze.int<8, scale = f32>, in = f32, out = f32, streams = 1 : i64}
// Linears in plain loops multiply values: there are no codes.
// LINEAR-LABEL: func.func @norm
// LINEAR-NOT: i8
// LINEAR: adze.kernel @{{.*}} generic {origin = "adze.quantize"
// LINEAR-NOT: = i8
// LINEAR: adze.kernel @{{.*}} generic {origin = "adze.linear"
adze.weight @n from "n" : !adze.weight<64, #adze.float<f32>>
adze.weight @w8 from "w8" : !adze.weight<64x64, #adze.int<8, scale = f32>, panels>
adze.weight @w4 from "w4" : !adze.weight<64x64, #adze.int<4, group = 32, scale = bf16>, panels>
func.func @norm(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>)
    attributes {adze.entry} {
  %n = adze.rms_norm %x, @n eps 0.5 : tensor<?x64xf32>
  %q = adze.quantize %n group 128 : tensor<?x64xf32>
  %y = adze.linear %q, @w8 : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %z = adze.linear %q, @w4 : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y, %z : tensor<?x64xf32>, tensor<?x64xf32>
}

// -----

// A norm that something else reads stays in f32, also where the target
// multiplies bf16 pairs, and a launch of its own makes the codes. Norms of heads
// have no such form.
// CHECK-LABEL: func.func @norm_is_read
// CHECK: %[[N:.*]] = adze.arena %{{.*}} : <64xf32>
// CHECK: adze.launch @{{.*}}rms_norm {{.*}}(%{{.*}}, %[[N]])
// CHECK: %[[Q:.*]] = adze.arena %{{.*}} : <64xi8, group 64, sums 64>
// CHECK: adze.launch @[[K:.*quantize]] over tokens rows tokens frame %{{.*}}(%[[N]], %[[Q]]) sizes [64]
// CHECK: adze.launch @{{.*}}linear {{.*}}(%[[Q]], %{{.*}}) weights [@w8]
// CHECK: adze.launch @{{.*}}linear {{.*}}(%[[N]], %{{.*}}) weights [@wb]
// CHECK: adze.launch @[[HEADS:.*rms_norm]] {{.*}}(%{{.*}}, %[[H:[0-9a-z]*]])
// CHECK: adze.launch @[[K]] over tokens rows tokens frame %{{.*}}(%[[H]], %{{.*}})
// CHECK: adze.kernel @[[K]] quantize {group = 64 : i64, in = f32, sums = 64 : i64}
// CHECK: adze.kernel @[[HEADS]] rms_norm {{.*}}heads = 4 : i64, in = f32, out = f32}
adze.weight @n from "n" : !adze.weight<64, #adze.float<f32>>
adze.weight @h from "h" : !adze.weight<16, #adze.float<f32>>
adze.weight @w8 from "w8" : !adze.weight<64x64, #adze.int<8, scale = f32>, panels>
adze.weight @wb from "wb" : !adze.weight<64x64, #adze.float<bf16>, panels>
func.func @norm_is_read(%x: tensor<?x64xf32>)
    -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>)
    attributes {adze.entry} {
  %n = adze.rms_norm %x, @n eps 0.5 : tensor<?x64xf32>
  %q = adze.quantize %n group 64 : tensor<?x64xf32>
  %y = adze.linear %q, @w8 : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %z = adze.linear %n, @wb : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %h = adze.rms_norm %x, @h eps 0.5 heads 4 : tensor<?x64xf32>
  %p = adze.quantize %h group 64 : tensor<?x64xf32>
  %u = adze.linear %p, @w8 : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y, %z, %u : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}

// -----

// A scale per row: rows of all sizes share a kernel; the type says what is in
// memory. 100 codes in 128 bytes, a line of scales, a line of four sums of 32.
// CHECK-LABEL: func.func @token
// CHECK-SAME: adze.arena = array<i64: 512, 0>
// CHECK: adze.arena %{{.*}} : <100xi8, group 128, sums 32>
// CHECK: adze.launch @[[K:.*quantize]]
// CHECK: adze.arena %{{.*}} : <64xi8, group 128, sums 128>
// CHECK: adze.kernel @[[K]] quantize {group = 0 : i64, in = f32, sums = 32 : i64}
// CHECK: adze.kernel @{{.*}} quantize {group = 0 : i64, in = f32, sums = 128 : i64}
adze.weight @w4 from "w4" : !adze.weight<64x100, #adze.int<4, group = 32, scale = bf16>, panels>
adze.weight @w8 from "w8" : !adze.weight<64x64, #adze.int<8, scale = f32>, panels>
func.func @token(%x: tensor<?x100xf32>) -> tensor<?x64xf32> attributes {adze.entry} {
  %q = adze.quantize %x : tensor<?x100xf32>
  %y = adze.linear %q, @w4 : (tensor<?x100xf32>) -> tensor<?x64xf32>
  %p = adze.quantize %y : tensor<?x64xf32>
  %z = adze.linear %p, @w8 : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %z : tensor<?x64xf32>
}

// -----

// Codes for the linear that multiplies them; the rounded values, made again in
// f32, for everything else: a capture, a linear with a float weight, taps, rows
// taken, the caller.
// CHECK-LABEL: func.func @values
// CHECK: adze.launch @[[G:.*generic]] {{.*}}(%{{.*}}, %[[V:[0-9a-z]*]]) : !adze.buffer<64xf32>, !adze.buffer<64xf32>
// CHECK: %[[Q:.*]] = adze.arena %{{.*}} : <64xi8, group 32, sums 32>
// CHECK: adze.launch @{{.*}}quantize {{.*}}(%{{.*}}, %[[Q]])
// CHECK: adze.launch @{{.*}}linear {{.*}}(%[[Q]], %[[V]], %{{.*}}) weights [@w8]
// CHECK: adze.launch @{{.*}}linear {{.*}}(%[[V]], %{{.*}}) weights [@wb]
// CHECK: adze.tap_buffer %[[V]]
// CHECK: adze.launch @{{.*}}take_rows {{.*}}(%[[V]], %{{.*}}, %[[T:[0-9a-z]*]])
// CHECK: adze.launch @{{.*}}linear {{.*}}(%[[T]], %{{.*}}) weights [@w8]
// CHECK: adze.kernel @[[G]] generic {origin = "adze.quantize"
adze.weight @w8 from "w8" : !adze.weight<64x64, #adze.int<8, scale = f32>, panels>
adze.weight @wb from "wb" : !adze.weight<64x64, #adze.float<bf16>, panels>
func.func @values(%x: tensor<?x64xf32>, %rows: tensor<?xi32>)
    -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>)
    attributes {adze.entry} {
  // REMARK: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}adze-schedule {{.*}}"its values are read in floating point: generic path"
  %q = adze.quantize %x group 32 : tensor<?x64xf32>
  %y = adze.linear %q, @w8 captures(%q : tensor<?x64xf32>) {
  ^bb0(%a: f32, %r: f32):
    %0 = arith.addf %a, %r : f32
    adze.yield %0 : f32
  } : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %z = adze.linear %q, @wb : (tensor<?x64xf32>) -> tensor<?x64xf32>
  adze.tap %q "rounded" : tensor<?x64xf32>
  %t = adze.take_rows %q, %rows : tensor<?x64xf32>, tensor<?xi32>
  %u = adze.linear %t, @w8 : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %q, %y, %z, %u
    : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}
