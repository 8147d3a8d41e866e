// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: adze-opt %s --adze-normalize-rotary --adze-fuse-head-sinks --adze-merge-qkv --adze-merge-gate-up %remarks 2>%t | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t

// Weight expressions are of rows: linears whose weights are packed already stay
// as they are, and every pass that would have made another weight says so.

adze.weight @q from "q.{}" x 2 : !adze.weight<32x8, #adze.float<f32>, panels>
adze.weight @k from "k.{}" x 2 : !adze.weight<16x8, #adze.float<f32>, panels>
adze.weight @u from "u.{}" x 2 : !adze.weight<16x8, #adze.float<f32>>
adze.state @kv x 2 : !adze.kv<2x8xf32>
adze.state @kv2 x 2 : !adze.kv<2x8xf32>

// CHECK-NOT: halves
// CHECK-NOT: concat
// CHECK-NOT: interleave
// CHECK-LABEL: func.func @interleaved
func.func @interleaved(%l: index, %x: tensor<?x8xf32>, %r: tensor<?x8xf32>,
                       %b: !adze.batch) -> tensor<?x32xf32> {
  // CHECK: adze.rotary %{{.*}} heads 4 interleaved
  %q = adze.linear %x, @q[%l] : (tensor<?x8xf32>) -> tensor<?x32xf32>
  %qr = adze.rotary %q, %r heads 4 interleaved : tensor<?x32xf32>, tensor<?x8xf32>
  %k = adze.linear %x, @k[%l] : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %kr = adze.rotary %k, %r heads 2 interleaved : tensor<?x16xf32>, tensor<?x8xf32>
  %v = adze.linear %x, @k[%l] : (tensor<?x8xf32>) -> tensor<?x16xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}adze-normalize-rotary {{.*}}in rows that nothing else uses
  %a = adze.attention %qr, %kr, %v cache @kv[%l] at %b heads 4 kv_heads 2
    scale 0.5 mask <causal>
    : tensor<?x32xf32>, tensor<?x16xf32>, tensor<?x16xf32>
  return %a : tensor<?x32xf32>
}

// CHECK-LABEL: func.func @halves
func.func @halves(%l: index, %x: tensor<?x8xf32>, %r: tensor<?x8xf32>,
                  %b: !adze.batch) -> tensor<?x32xf32> {
  // CHECK-NOT: sink
  %q = adze.linear %x, @q[%l] : (tensor<?x8xf32>) -> tensor<?x32xf32>
  %qr = adze.rotary %q, %r heads 4 half : tensor<?x32xf32>, tensor<?x8xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}adze-fuse-head-sinks {{.*}}the weight of its linear is packed already
  %a = adze.attention %qr cache @kv[%l] at %b heads 4 kv_heads 2 scale 0.5
    mask <causal> : tensor<?x32xf32>
  return %a : tensor<?x32xf32>
}

// CHECK-LABEL: func.func @sinks
func.func @sinks(%l: index, %x: tensor<?x8xf32>, %r: tensor<?x8xf32>,
                 %b: !adze.batch) {
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}adze-merge-qkv {{.*}}a weight is packed already
  adze.linear %x, @k[%l] sink <8, [<2, rotary, key>]>
    rope %r : tensor<?x8xf32> cache @kv2 at %b : (tensor<?x8xf32>)
  // CHECK-COUNT-2: adze.linear
  adze.linear %x, @u[%l] sink <8, [<2, value>]> cache @kv2 at %b : (tensor<?x8xf32>)
  return
}

// CHECK-LABEL: func.func @gate
func.func @gate(%l: index, %x: tensor<?x8xf32>) -> tensor<?x16xf32> {
  // CHECK-COUNT-2: adze.linear
  %g = adze.linear %x, @k[%l] : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %u = adze.linear %x, @k[%l] : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %s = adze.silu %g : tensor<?x16xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}adze-merge-gate-up {{.*}}a weight is packed already
  %p = arith.mulf %s, %u : tensor<?x16xf32>
  return %p : tensor<?x16xf32>
}
