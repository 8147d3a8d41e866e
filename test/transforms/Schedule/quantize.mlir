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
// CHECK: adze.launch @[[NORM:.*rms_norm]] over tokens rows tokens frame %{{.*}}(%{{.*}}, %[[Q]]) weights [@n] sizes [64] {adze.repeated}
// CHECK: adze.barrier %{{.*}} {adze.several}
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
// CHECK: adze.launch @[[K:.*quantize]] over tokens rows tokens frame %{{.*}}(%[[N]], %[[Q]]) sizes [64] {adze.repeated}
// CHECK: adze.launch @{{.*}}linear {{.*}}(%[[Q]], %{{.*}}) weights [@w8]
// CHECK: adze.launch @{{.*}}linear {{.*}}(%[[N]], %{{.*}}) weights [@wb]
// CHECK: adze.launch @[[HEADS:.*rms_norm]] {{.*}}(%{{.*}}, %[[H:[0-9a-z]*]])
// CHECK: adze.launch @[[K]] over tokens rows tokens frame %{{.*}}(%[[H]], %{{.*}}) sizes [64] {adze.repeated}
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

// A linear whose result is only rounded writes codes where units of its domain
// are whole groups: 32 channels of two streams are 4 panels. Not where a group
// would be short, nor a scale per row, nor rows of heads.
// CHECK-LABEL: func.func @linear
// CHECK: %[[A:.*]] = adze.arena %{{.*}} : <64xi8, group 32, sums 16>
// CHECK: adze.launch @[[GU:.*linear]] over panels 8 unit 4 rows tokens frame %{{.*}}(%{{.*}}, %[[A]]) weights [@gu] sizes [64, 64]
// CHECK-NOT: quantize
// CHECK: adze.launch @[[SHORT:.*linear]] over panels 3 rows tokens frame %{{.*}}(%[[A]], %[[S:[0-9a-z]*]]) weights [@w48]
// CHECK: adze.launch @{{.*}}quantize {{.*}}(%[[S]], %[[B:[0-9a-z]*]])
// CHECK: adze.launch @[[ROW:.*linear]] over panels 4 rows tokens frame %{{.*}}(%[[B]], %[[R:[0-9a-z]*]]) weights [@v48]
// CHECK: adze.launch @{{.*}}quantize {{.*}}(%[[R]], %{{.*}})
// CHECK: adze.launch @{{.*}}linear over panels 4
// CHECK: adze.kernel @[[GU]] linear {{.*}}group = 64 : i64, in = i8, out = i8, out_group = 32 : i64, out_sums = 16 : i64, streams = 2 : i64, sums = 64 : i64}
// CHECK: adze.kernel @[[SHORT]] linear {{.*}}out = f32
adze.weight @gu from "gu" : !adze.weight<128x64, #adze.int<8, scale = f32>, panels>
adze.weight @w48 from "w48" : !adze.weight<48x64, #adze.int<4, group = 16, scale = bf16>, panels>
adze.weight @v48 from "v48" : !adze.weight<64x48, #adze.int<8, scale = f32>, panels>
adze.weight @w8 from "w8" : !adze.weight<64x64, #adze.int<8, scale = f32>, panels>
func.func @linear(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {adze.entry} {
  %q = adze.quantize %x group 64 : tensor<?x64xf32>
  %g = adze.linear %q, @gu streams 2 {
  ^bb0(%a: f32, %b: f32):
    %0 = adze.silu %a : f32
    %1 = arith.mulf %0, %b : f32
    adze.yield %1 : f32
  } : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %p = adze.quantize %g group 32 : tensor<?x64xf32>
  %s = adze.linear %p, @w48 : (tensor<?x64xf32>) -> tensor<?x48xf32>
  %r = adze.quantize %s group 32 : tensor<?x48xf32>
  %t = adze.linear %r, @v48 : (tensor<?x48xf32>) -> tensor<?x64xf32>
  %u = adze.quantize %t : tensor<?x64xf32>
  %y = adze.linear %u, @w8 : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
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

// -----

// Fixed ranges are the last weight of whoever writes the codes: a norm, a linear,
// a launch of its own; and what plain loops read. Linears that read codes do not
// know of them.
// CHECK-LABEL: func.func private @static
// CHECK: adze.launch @[[NORM:.*rms_norm]] {{.*}} weights [@n, @rn] layer %{{.*}} sizes [64]
// CHECK: adze.launch @[[GU:.*linear]] over panels 8 unit 4 {{.*}} weights [@gu, @rg] layer %{{.*}} sizes [64, 64]
// CHECK: adze.launch @[[D:.*linear]] {{.*}} weights [@w8]
// CHECK: adze.launch @[[Q:.*quantize]] {{.*}} weights [@rt] sizes [64]
// CHECK: adze.kernel @[[NORM]] rms_norm {{.*}}out = i8, ranges = true, sums = 64 : i64}
// CHECK: adze.kernel @[[GU]] linear {{.*}}out_group = 32 : i64, out_ranges = true, out_sums = 32 : i64
// CHECK: adze.kernel @[[D]] linear {bias = false, captures = [], format = #adze.int<8, scale = f32>, group = 32 : i64, in = i8, out = f32, streams = 1 : i64, sums = 32 : i64}
// CHECK: adze.kernel @[[Q]] quantize {group = 0 : i64, in = f32, ranges = true, sums = 128 : i64}
// GENERIC-LABEL: func.func private @static
// GENERIC: adze.launch @{{.*}}generic {{.*}} weights [@rn] layer %{{.*}}
adze.weight @n from "n" : !adze.weight<64, #adze.float<f32>>
adze.weight @rn from "rn.{}" x 2 : !adze.weight<1, #adze.float<f32>>
adze.weight @rg from "rg.{}" x 2 : !adze.weight<2, #adze.float<f32>>
adze.weight @rt from "rt" : !adze.weight<1, #adze.float<f32>>
adze.weight @gu from "gu" : !adze.weight<128x64, #adze.int<8, scale = f32>, panels>
adze.weight @w8 from "w8" : !adze.weight<64x64, #adze.int<8, scale = f32>, panels>
func.func private @static(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %n = adze.rms_norm %x, @n eps 0.5 : tensor<?x64xf32>
  %q = adze.quantize %n group 64 ranges @rn[%l] : tensor<?x64xf32>
  %g = adze.linear %q, @gu streams 2 {
  ^bb0(%a: f32, %b: f32):
    %0 = adze.silu %a : f32
    %1 = arith.mulf %0, %b : f32
    adze.yield %1 : f32
  } : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %p = adze.quantize %g group 32 ranges @rg[%l] : tensor<?x64xf32>
  %d = adze.linear %p, @w8 : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %u = adze.quantize %d ranges @rt : tensor<?x64xf32>
  %y = adze.linear %u, @w8 : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
func.func @step(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {adze.entry} {
  %y = adze.repeat 2 @static(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
