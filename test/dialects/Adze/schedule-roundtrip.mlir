// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The documented example of every op of the scheduled level.
// RUN: adze-opt %s | adze-opt | FileCheck %s
// RUN: adze-opt %s --mlir-print-op-generic | adze-opt | FileCheck %s
// RUN: adze-opt %s --emit-bytecode | adze-opt | FileCheck %s

// CHECK: #[[MAP:.*]] = affine_map<(d0, d1) -> (d0 * 256)>
module attributes {adze.level = #adze.level<scheduled>} {
  adze.weight @l.qkv from "qkv.{}" x 22 : !adze.weight<96x64, #adze.float<bf16>>
  // CHECK: adze.kernel @k0 rms_norm {eps = 1.000000e-05 : f64, in = f32, out = bf16, weight = #adze.float<bf16>}
  adze.kernel @k0 rms_norm {eps = 1.0e-5, in = f32, out = bf16, weight = #adze.float<bf16>}
  // CHECK: adze.kernel @k1 linear {streams = 1 : i64} {
  adze.kernel @k1 linear {streams = 1} {
  ^bb0(%acc: f32):
    %0 = arith.negf %acc : f32
    adze.yield %0 : f32
  }
  // CHECK: adze.kernel @k2 quantize {group = 32 : i64, in = f32, sums = 16 : i64}
  adze.kernel @k2 quantize {group = 32, in = f32, sums = 16}
  // Arrays of reals read back as they were.
  // CHECK: adze.kernel @k3 rotary_table {scale = 1.000000e+00 : f64, turns = array<f64: 0.15915494309189535, 0.0089499993041739622, 1.000000e+00>}
  adze.kernel @k3 rotary_table {scale = 1.0, turns = array<f64: 0.15915494309189535, 0.0089499993041739622, 1.0>}
  // CHECK: adze.kernel @k4 attention_merge {generic, heads = 2 : i64, "odd name" = array<f64>}
  adze.kernel @k4 attention_merge {heads = 2, generic, "odd name" = array<f64>}
  // CHECK: func.func private @layer(%{{.*}}: index, %{{.*}}: !adze.frame)
  func.func private @layer(%l: index, %f: !adze.frame) {
    // CHECK: %[[N:.*]] = adze.arena %{{.*}} at #[[MAP]] : <64xf32>
    %n = adze.arena %f at affine_map<(T, R) -> (T * 256)> : !adze.buffer<64xf32>
    // CHECK: %[[Q:.*]] = adze.arena %{{.*}} : <64xbf16>
    %q = adze.arena %f at affine_map<(T, R) -> (T * 512)> : !adze.buffer<64xbf16>
    // CHECK: adze.launch @k1 over panels 20 unit 4 rows tokens frame %{{.*}}(%[[N]], %[[Q]]) weights [@l.qkv] layer %{{.*}} sizes [64, 64] : !adze.buffer<64xf32>, !adze.buffer<64xbf16>
    adze.launch @k1 over panels 20 unit 4 rows tokens frame %f (%n, %q)
      weights [@l.qkv] layer %l sizes [64, 64]
      : !adze.buffer<64xf32>, !adze.buffer<64xbf16>
    // CHECK: %[[C:.*]] = adze.arena %{{.*}} : <64xi8, group 32, sums 16>
    %c = adze.arena %f at affine_map<(T, R) -> (T * 192)>
      : !adze.buffer<64xi8, group 32, sums 16>
    // CHECK: adze.launch @k2 over tokens rows tokens frame %{{.*}}(%[[N]], %[[C]]) sizes [64] : !adze.buffer<64xf32>, !adze.buffer<64xi8, group 32, sums 16>
    adze.launch @k2 over tokens rows tokens frame %f (%n, %c) sizes [64]
      : !adze.buffer<64xf32>, !adze.buffer<64xi8, group 32, sums 16>
    // CHECK: adze.tap_buffer %[[N]] "after attention" rows tokens frame %{{.*}} : <64xf32>
    adze.tap_buffer %n "after attention" rows tokens frame %f : !adze.buffer<64xf32>
    // CHECK: adze.barrier %{{.*}}
    adze.barrier %f
    return
  }
  // CHECK: func.func @step
  func.func @step(%f: !adze.frame) {
    // CHECK: adze.frame_arg %{{.*}} 0 : <1xi32>
    %t = adze.frame_arg %f 0 : !adze.buffer<1xi32>
    // CHECK: adze.call_layers 22 from 0 @layer(%{{.*}})
    adze.call_layers 22 from 0 @layer(%f)
    return
  }
}
