// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The documented example of every op of the model and fused level: printed and
// parsed twice, in generic form, and as bytecode.
// RUN: adze-opt %s | adze-opt | FileCheck %s
// RUN: adze-opt %s --mlir-print-op-generic | adze-opt | FileCheck %s
// RUN: adze-opt %s --emit-bytecode | adze-opt | FileCheck %s

// CHECK: module attributes {adze.level = #adze.level<model>, adze.table = "model.weights.json"}
module attributes {adze.level = #adze.level<model>, adze.table = "model.weights.json"} {
  // CHECK: adze.weight @emb from "emb" : !adze.weight<100x64, #adze.float<bf16>>
  adze.weight @emb from "emb" : !adze.weight<100x64, #adze.float<bf16>>
  // CHECK: adze.weight @l.q from "model.layers.{}.self_attn.q_proj.weight" x 22 : !adze.weight<64x64, #adze.float<f16>>
  adze.weight @l.q from "model.layers.{}.self_attn.q_proj.weight" x 22
    : !adze.weight<64x64, #adze.float<f16>>
  adze.weight @l.o from "model.layers.{}.o" x 22 : !adze.weight<64x64, #adze.float<f32>>
  adze.weight @l.k from "model.layers.{}.k" x 22 : !adze.weight<32x64, #adze.float<f16>>
  // CHECK: adze.weight @l.qb from "model.layers.{}.qb" x 22 : !adze.weight<64, #adze.float<f32>>
  adze.weight @l.qb from "model.layers.{}.qb" x 22 : !adze.weight<64, #adze.float<f32>>
  adze.weight @l.n1 from "model.layers.{}.n1" x 22 : !adze.weight<64, #adze.float<f32>>
  adze.weight @l.qn from "model.layers.{}.qn" x 22 : !adze.weight<8, #adze.float<f32>>
  // CHECK: adze.weight @l.some from "model.layers.{}.some" layers [0, 2, 21] : !adze.weight<64x64, #adze.float<f32>>
  adze.weight @l.some from "model.layers.{}.some" layers [0, 2, 21]
    : !adze.weight<64x64, #adze.float<f32>>
  // CHECK: adze.weight @l.some16 layers [2, 21] : !adze.weight<64x64, #adze.float<bf16>> {
  adze.weight @l.some16 layers [2, 21] : !adze.weight<64x64, #adze.float<bf16>> {
    %0 = adze.ref @l.some : !adze.weight<64x64, #adze.float<f32>>
    %1 = adze.cast %0 : !adze.weight<64x64, #adze.float<f32>>
      -> !adze.weight<64x64, #adze.float<bf16>>
    adze.yield %1 : !adze.weight<64x64, #adze.float<bf16>>
  }
  // CHECK: adze.weight @ranges from "ranges" : !adze.weight<2, #adze.float<f32>>
  adze.weight @ranges from "ranges" : !adze.weight<2, #adze.float<f32>>
  adze.weight @l.q.ranges from "model.layers.{}.ranges" x 22 : !adze.weight<2, #adze.float<f32>>
  // CHECK: adze.state @kv x 22 : !adze.kv<4x8xbf16>
  adze.state @kv x 22 : !adze.kv<4x8xbf16>
  // CHECK: adze.state @one : !adze.kv<1x64xf32>
  adze.state @one : !adze.kv<1x64xf32>

  // CHECK-LABEL: adze.weight @l.qk x 22 : !adze.weight<96x64, #adze.float<f16>, panels> {
  adze.weight @l.qk x 22 : !adze.weight<96x64, #adze.float<f16>, panels> {
    // CHECK: %[[Q:.*]] = adze.ref @l.q : <64x64, #adze.float<f16>>
    // CHECK: %[[K:.*]] = adze.ref @l.k
    %q = adze.ref @l.q : !adze.weight<64x64, #adze.float<f16>>
    %k = adze.ref @l.k : !adze.weight<32x64, #adze.float<f16>>
    // CHECK: adze.concat %[[Q]], %[[K]] : (!adze.weight<64x64, #adze.float<f16>>, !adze.weight<32x64, #adze.float<f16>>) -> !adze.weight<96x64, #adze.float<f16>>
    %c = adze.concat %q, %k : (!adze.weight<64x64, #adze.float<f16>>,
      !adze.weight<32x64, #adze.float<f16>>) -> !adze.weight<96x64, #adze.float<f16>>
    // CHECK: adze.pack {{.*}} : <96x64, #adze.float<f16>> -> <96x64, #adze.float<f16>, panels>
    %p = adze.pack %c : !adze.weight<96x64, #adze.float<f16>>
      -> !adze.weight<96x64, #adze.float<f16>, panels>
    // CHECK: adze.yield
    adze.yield %p : !adze.weight<96x64, #adze.float<f16>, panels>
  }
  // CHECK-LABEL: adze.weight @l.qq x 22
  adze.weight @l.qq x 22 : !adze.weight<256x64, #adze.float<bf16>> {
    %q = adze.ref @l.q : !adze.weight<64x64, #adze.float<f16>>
    // CHECK: adze.rotary_halves {{.*}} heads 8 : <64x64, #adze.float<f16>> -> <64x64, #adze.float<f16>>
    %h = adze.rotary_halves %q heads 8 : !adze.weight<64x64, #adze.float<f16>>
      -> !adze.weight<64x64, #adze.float<f16>>
    // CHECK: adze.pad_heads {{.*}} heads 8 : <64x64, #adze.float<f16>> -> <128x64, #adze.float<f16>>
    %p = adze.pad_heads %h heads 8 : !adze.weight<64x64, #adze.float<f16>>
      -> !adze.weight<128x64, #adze.float<f16>>
    // CHECK: adze.interleave {{.*}} : <128x64, #adze.float<f16>> -> <256x64, #adze.float<f16>>
    %i = adze.interleave %p, %p : !adze.weight<128x64, #adze.float<f16>>
      -> !adze.weight<256x64, #adze.float<f16>>
    // CHECK: adze.cast {{.*}} : <256x64, #adze.float<f16>> -> <256x64, #adze.float<bf16>>
    %c = adze.cast %i : !adze.weight<256x64, #adze.float<f16>>
      -> !adze.weight<256x64, #adze.float<bf16>>
    adze.yield %c : !adze.weight<256x64, #adze.float<bf16>>
  }

  // CHECK-LABEL: adze.weight @l.first x 22
  adze.weight @l.first x 22 : !adze.weight<16x64, #adze.float<f16>> {
    %q = adze.ref @l.q : !adze.weight<64x64, #adze.float<f16>>
    // CHECK: adze.slice {{.*}} from 32 : <64x64, #adze.float<f16>> -> <16x64, #adze.float<f16>>
    %s = adze.slice %q from 32 : !adze.weight<64x64, #adze.float<f16>>
      -> !adze.weight<16x64, #adze.float<f16>>
    // CHECK: adze.rotary_spread {{.*}} heads 2 rotated 4 : <16x64, #adze.float<f16>> -> <16x64, #adze.float<f16>>
    %r = adze.rotary_spread %s heads 2 rotated 4
      : !adze.weight<16x64, #adze.float<f16>> -> !adze.weight<16x64, #adze.float<f16>>
    adze.yield %r : !adze.weight<16x64, #adze.float<f16>>
  }
  // CHECK-LABEL: adze.weight @l.qn1 x 22
  adze.weight @l.qn1 x 22 : !adze.weight<8, #adze.float<f32>> {
    %n = adze.ref @l.qn : !adze.weight<8, #adze.float<f32>>
    // CHECK: adze.offset {{.*}} by 1.000000e+00 : <8, #adze.float<f32>>
    %o = adze.offset %n by 1.0 : !adze.weight<8, #adze.float<f32>>
    adze.yield %o : !adze.weight<8, #adze.float<f32>>
  }

  adze.weight @l.qn.scales from "l.{}.qn.scales" x 22 : !adze.weight<8, #adze.float<f32>>
  // CHECK-LABEL: adze.weight @l.scaled x 22
  adze.weight @l.scaled x 22 : !adze.weight<8x8, #adze.float<f32>> {
    %w = adze.ref @l.square : !adze.weight<8x8, #adze.float<f32>>
    // CHECK: adze.scale_columns {{.*}} by @l.qn.scales : <8x8, #adze.float<f32>>
    %c = adze.scale_columns %w by @l.qn.scales : !adze.weight<8x8, #adze.float<f32>>
    // CHECK: adze.scale_rows {{.*}} by @l.qn.scales inverse : <8x8, #adze.float<f32>>
    %r = adze.scale_rows %c by @l.qn.scales inverse : !adze.weight<8x8, #adze.float<f32>>
    adze.yield %r : !adze.weight<8x8, #adze.float<f32>>
  }
  adze.weight @l.square from "l.{}.square" x 22 : !adze.weight<8x8, #adze.float<f32>>

  // CHECK-LABEL: adze.weight @l.q4 x 22
  adze.weight @l.q4 x 22 : !adze.weight<64x64, #adze.int<4, group = 16, scale = f16>> {
    // CHECK: adze.unpack "gptq" "l.{}.q" ordered : <64x64, #adze.int<4, group = 16, scale = f16>>
    %q = adze.unpack "gptq" "l.{}.q" ordered
      : !adze.weight<64x64, #adze.int<4, group = 16, scale = f16>>
    adze.yield %q : !adze.weight<64x64, #adze.int<4, group = 16, scale = f16>>
  }
  // CHECK-LABEL: adze.weight @l.q4.order x 22
  adze.weight @l.q4.order x 22 : !adze.weight<64, #adze.float<f32>> {
    // CHECK: adze.unpack_order "gptq" "l.{}.q" group 16 : <64, #adze.float<f32>>
    %o = adze.unpack_order "gptq" "l.{}.q" group 16 : !adze.weight<64, #adze.float<f32>>
    adze.yield %o : !adze.weight<64, #adze.float<f32>>
  }
  // CHECK-LABEL: func.func private @sorted
  func.func private @sorted(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
    // CHECK: adze.permute %{{.*}} by @l.q4.order[%{{.*}}] : tensor<?x64xf32>
    %p = adze.permute %x by @l.q4.order[%l] : tensor<?x64xf32>
    %q = adze.linear %p, @l.q4[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
    return %q : tensor<?x64xf32>
  }

  // CHECK-LABEL: func.func private @layer
  func.func private @layer(%l: index, %x: tensor<?x64xf32>, %r: tensor<?x8xf32>,
                           %b: !adze.batch) -> tensor<?x64xf32> {
    // CHECK: %[[N:.*]] = adze.rms_norm %{{.*}}, @l.n1[%{{.*}}] eps 1.000000e-05 : tensor<?x64xf32>
    %n = adze.rms_norm %x, @l.n1[%l] eps 1.0e-5 : tensor<?x64xf32>
    // CHECK: %[[QL:.*]] = adze.linear %[[N]], @l.q[%{{.*}}] : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %q = adze.linear %n, @l.q[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
    // CHECK: adze.linear %[[N]], @l.q[%{{.*}}] bias @l.qb : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %qb = adze.linear %n, @l.q[%l] bias @l.qb : (tensor<?x64xf32>) -> tensor<?x64xf32>
    // CHECK: adze.quantize %{{.*}} group 32 ranges @l.q.ranges[%{{.*}}] : tensor<?x64xf32>
    %sr = adze.quantize %x group 32 ranges @l.q.ranges[%l] : tensor<?x64xf32>
    // CHECK: adze.rms_norm %{{.*}}, @l.qn[%{{.*}}] eps {{1.0*e-06|9.9999999999999995E-7}} heads 8 : tensor<?x64xf32>
    %qn = adze.rms_norm %qb, @l.qn[%l] eps 1.0e-6 heads 8 : tensor<?x64xf32>
    // CHECK: adze.rotary %[[QL]], %{{.*}} heads 8 half : tensor<?x64xf32>, tensor<?x8xf32>
    %qr = adze.rotary %q, %r heads 8 half : tensor<?x64xf32>, tensor<?x8xf32>
    // CHECK: adze.rotary %{{.*}} heads 8 interleaved
    %qi = adze.rotary %qn, %r heads 8 interleaved : tensor<?x64xf32>, tensor<?x8xf32>
    %k = adze.linear %n, @l.k[%l] : (tensor<?x64xf32>) -> tensor<?x32xf32>
    // CHECK: adze.attention %{{.*}}, %{{.*}}, %{{.*}} cache @kv[%{{.*}}] at %{{.*}} heads 8 kv_heads 4 scale 3.500000e-01 mask <causal> : tensor<?x64xf32>, tensor<?x32xf32>, tensor<?x32xf32>
    %a = adze.attention %qr, %k, %k cache @kv[%l] at %b heads 8 kv_heads 4
      scale 0.35 mask <causal>
      : tensor<?x64xf32>, tensor<?x32xf32>, tensor<?x32xf32>
    // CHECK: adze.kv_append %{{.*}}, %{{.*}} cache @kv[%{{.*}}] at %{{.*}} : tensor<?x32xf32>, tensor<?x32xf32>
    adze.kv_append %k, %k cache @kv[%l] at %b : tensor<?x32xf32>, tensor<?x32xf32>
    // CHECK: adze.attention %{{.*}} cache @kv[%{{.*}}] at %{{.*}} heads 8 kv_heads 4 scale 1.000000e+00 mask <causal, window = 4096> : tensor<?x64xf32>
    %w = adze.attention %qi cache @kv[%l] at %b heads 8 kv_heads 4 scale 1.0
      mask <causal, window = 4096> : tensor<?x64xf32>
    // CHECK: adze.linear %{{.*}}, @l.o[%{{.*}}] captures(%{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<?x64xf32>) {
    // CHECK: ^bb0(%{{.*}}: f32, %{{.*}}: f32, %{{.*}}: f32):
    // CHECK: adze.yield %{{.*}} : f32
    // CHECK: } : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %y = adze.linear %a, @l.o[%l] captures(%x, %w : tensor<?x64xf32>, tensor<?x64xf32>) {
    ^bb0(%acc: f32, %0: f32, %1: f32):
      %2 = arith.addf %acc, %0 : f32
      %3 = arith.addf %2, %1 : f32
      adze.yield %3 : f32
    } : (tensor<?x64xf32>) -> tensor<?x64xf32>
    // CHECK: adze.linear %{{.*}}, @l.qk[%{{.*}}] sink <8, [<8, norm = @l.qn, eps = {{1.0*e-06|9.9999999999999995E-7}}, rotary, store>, <2, key>, <2, value>]> rope %{{.*}} : tensor<?x8xf32> cache @two at %{{.*}} : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %s = adze.linear %n, @l.qk[%l]
      sink #adze.heads<8, [#adze.head<8, norm = @l.qn, eps = 1.0e-6, rotary, store>,
                           #adze.head<2, key>, #adze.head<2, value>]>
      rope %r : tensor<?x8xf32> cache @two at %b
      : (tensor<?x64xf32>) -> tensor<?x64xf32>
    // CHECK: adze.linear %{{.*}}, @l.qq[%{{.*}}] streams 2 {
    %g = adze.linear %n, @l.qq[%l] streams 2 {
    ^bb0(%0: f32, %1: f32):
      %2 = adze.silu %0 : f32
      %3 = arith.mulf %2, %1 : f32
      adze.yield %3 : f32
    } : (tensor<?x64xf32>) -> tensor<?x128xf32>
    return %y : tensor<?x64xf32>
  }
  adze.state @two x 22 : !adze.kv<2x8xf32>

  // CHECK-LABEL: func.func @step
  // CHECK-SAME: attributes {adze.entry}
  func.func @step(%tokens: tensor<?xi32>, %b: !adze.batch, %rows: tensor<?xi32>)
      -> tensor<?x100xf32> attributes {adze.entry} {
    // CHECK: adze.embed %{{.*}}, @emb : tensor<?xi32> -> tensor<?x64xf32>
    %x = adze.embed %tokens, @emb : tensor<?xi32> -> tensor<?x64xf32>
    // CHECK: adze.rotary_table %{{.*}} freqs [1.000000e+00, 1.000000e-01, 1.000000e-02, 1.000000e-03] : tensor<?x8xf32>
    %r = adze.rotary_table %b freqs [1.0, 0.1, 0.01, 0.001] : tensor<?x8xf32>
    // CHECK: adze.rotary_table %{{.*}} freqs [1.000000e+00] scale 1.250000e+00 : tensor<?x2xf32>
    %r2 = adze.rotary_table %b freqs [1.0] scale 1.25 : tensor<?x2xf32>
    // CHECK: adze.positions %{{.*}} : tensor<?xi32>
    %p = adze.positions %b : tensor<?xi32>
    // CHECK: adze.repeat 22 @layer(%{{.*}}, %{{.*}}, %{{.*}}) : (tensor<?x64xf32>, tensor<?x8xf32>, !adze.batch) -> tensor<?x64xf32>
    %h = adze.repeat 22 @layer(%x, %r, %b)
      : (tensor<?x64xf32>, tensor<?x8xf32>, !adze.batch) -> tensor<?x64xf32>
    // CHECK: adze.repeat 2 from 20 @layer
    %i = adze.repeat 2 from 20 @layer(%h, %r, %b)
      : (tensor<?x64xf32>, tensor<?x8xf32>, !adze.batch) -> tensor<?x64xf32>
    // CHECK: adze.quantize %{{.*}} group 128 : tensor<?x64xf32>
    %q = adze.quantize %i group 128 : tensor<?x64xf32>
    // CHECK: adze.quantize %{{[a-z0-9]*}} : tensor<?x64xf32>
    %qt = adze.quantize %q : tensor<?x64xf32>
    // CHECK: adze.quantize %{{.*}} group 32 ranges @ranges : tensor<?x64xf32>
    %qs = adze.quantize %i group 32 ranges @ranges : tensor<?x64xf32>
    // CHECK: adze.tap %{{.*}} "after the layers" : tensor<?x64xf32>
    adze.tap %i "after the layers" : tensor<?x64xf32>
    // CHECK: adze.take_rows %{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<?xi32>
    %t = adze.take_rows %i, %rows : tensor<?x64xf32>, tensor<?xi32>
    %y = adze.linear %t, @emb : (tensor<?x64xf32>) -> tensor<?x100xf32>
    return %y : tensor<?x100xf32>
  }

  // CHECK-LABEL: func.func @elementwise
  func.func @elementwise(%g: tensor<?x172xf32>, %v: vector<16xf32>, %f: f16) {
    // CHECK: adze.silu %{{.*}} : tensor<?x172xf32>
    %s = adze.silu %g : tensor<?x172xf32>
    // CHECK: adze.gelu %{{.*}} : tensor<?x172xf32>
    %e = adze.gelu %g : tensor<?x172xf32>
    // CHECK: adze.silu %{{.*}} : vector<16xf32>
    %sv = adze.silu %v : vector<16xf32>
    // CHECK: adze.gelu %{{.*}} : f16
    %ef = adze.gelu %f : f16
    // CHECK: adze.map %{{.*}}, %{{.*}} : tensor<?x172xf32>, tensor<?x172xf32> -> tensor<?x172xf32> {
    // CHECK: ^bb0(%{{.*}}: f32, %{{.*}}: f32):
    %m = adze.map %g, %s : tensor<?x172xf32>, tensor<?x172xf32> -> tensor<?x172xf32> {
    ^bb0(%a: f32, %b: f32):
      %0 = adze.silu %a : f32
      %1 = arith.mulf %0, %b : f32
      adze.yield %1 : f32
    }
    // CHECK: adze.weight_tensor @emb : tensor<100x64xf32>
    %w = adze.weight_tensor @emb : tensor<100x64xf32>
    // CHECK: adze.weight_tensor @l.q[%{{.*}}] : tensor<64x64xf32>
    %c0 = arith.constant 0 : index
    %q = adze.weight_tensor @l.q[%c0] : tensor<64x64xf32>
    return
  }
}
