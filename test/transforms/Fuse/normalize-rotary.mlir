// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: adze-opt %s -split-input-file --adze-normalize-rotary | FileCheck %s
// RUN: adze-opt %s -split-input-file --adze-normalize-rotary %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

adze.weight @q from "q.{}" x 2 : !adze.weight<32x8, #adze.float<f32>>
adze.weight @qb from "qb.{}" x 2 : !adze.weight<32, #adze.float<f32>>
adze.weight @k from "k.{}" x 2 : !adze.weight<16x8, #adze.float<f32>>
adze.state @kv x 2 : !adze.kv<2x8xf32>

// The rows of q, of its bias and of k are permuted, each by its own heads.
// CHECK-LABEL: adze.weight @q.halves x 2
// CHECK: %[[Q:.*]] = adze.ref @q :
// CHECK: adze.rotary_halves %[[Q]] heads 4
// CHECK-LABEL: adze.weight @qb.halves x 2
// CHECK: adze.rotary_halves %{{.*}} heads 4
// CHECK-LABEL: adze.weight @k.halves x 2
// CHECK: adze.rotary_halves %{{.*}} heads 2
// CHECK-LABEL: func.func @both
func.func @both(%l: index, %x: tensor<?x8xf32>, %r: tensor<?x8xf32>,
                %b: !adze.batch) -> tensor<?x32xf32> {
  // CHECK: adze.linear %{{.*}}, @q.halves[%{{.*}}] bias @qb.halves
  // CHECK: adze.rotary %{{.*}} heads 4 half
  // CHECK: adze.linear %{{.*}}, @k.halves[%{{.*}}]
  // CHECK: adze.rotary %{{.*}} heads 2 half
  %q = adze.linear %x, @q[%l] bias @qb : (tensor<?x8xf32>) -> tensor<?x32xf32>
  %qr = adze.rotary %q, %r heads 4 interleaved : tensor<?x32xf32>, tensor<?x8xf32>
  %k = adze.linear %x, @k[%l] : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %kr = adze.rotary %k, %r heads 2 interleaved : tensor<?x16xf32>, tensor<?x8xf32>
  // CHECK: adze.linear %{{.*}}, @k[%{{.*}}]
  %v = adze.linear %x, @k[%l] : (tensor<?x8xf32>) -> tensor<?x16xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Passed] {{.*}}adze-normalize-rotary {{.*}}"rows of q and k permuted to halves"
  %a = adze.attention %qr, %kr, %v cache @kv[%l] at %b heads 4 kv_heads 2
    scale 0.5 mask <causal>
    : tensor<?x32xf32>, tensor<?x16xf32>, tensor<?x16xf32>
  return %a : tensor<?x32xf32>
}

// -----

adze.weight @q from "q.{}" x 2 : !adze.weight<32x8, #adze.float<f32>>
adze.weight @k from "k.{}" x 2 : !adze.weight<16x8, #adze.float<f32>>
adze.state @kv x 2 : !adze.kv<2x8xf32>

// A projection that something else reads cannot be permuted, so neither is.
// CHECK-LABEL: func.func @other_use
func.func @other_use(%l: index, %x: tensor<?x8xf32>, %r: tensor<?x8xf32>,
                     %b: !adze.batch) -> tensor<?x32xf32> {
  // CHECK-NOT: halves
  // CHECK: adze.rotary %{{.*}} heads 4 interleaved
  // CHECK: adze.rotary %{{.*}} heads 2 interleaved
  %q = adze.linear %x, @q[%l] : (tensor<?x8xf32>) -> tensor<?x32xf32>
  %qr = adze.rotary %q, %r heads 4 interleaved : tensor<?x32xf32>, tensor<?x8xf32>
  %k = adze.linear %x, @k[%l] : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %kr = adze.rotary %k, %r heads 2 interleaved : tensor<?x16xf32>, tensor<?x8xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}adze-normalize-rotary {{.*}}Reason="q and k of every attention
  %a = adze.attention %qr, %kr, %k cache @kv[%l] at %b heads 4 kv_heads 2
    scale 0.5 mask <causal>
    : tensor<?x32xf32>, tensor<?x16xf32>, tensor<?x16xf32>
  return %a : tensor<?x32xf32>
}

// -----

adze.weight @w from "w.{}" x 2 : !adze.weight<16x8, #adze.float<f32>>
adze.state @kv x 2 : !adze.kv<2x8xf32>

// q and k of one linear: its rows are both.
// CHECK-LABEL: func.func @one_linear
func.func @one_linear(%l: index, %x: tensor<?x8xf32>, %v: tensor<?x16xf32>, %r: tensor<?x8xf32>,
                      %b: !adze.batch) -> tensor<?x16xf32> {
  // CHECK-NOT: half
  %w = adze.linear %x, @w[%l] : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %qr = adze.rotary %w, %r heads 2 interleaved : tensor<?x16xf32>, tensor<?x8xf32>
  %kr = adze.rotary %w, %r heads 2 interleaved : tensor<?x16xf32>, tensor<?x8xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed]
  %a = adze.attention %qr, %kr, %v cache @kv[%l] at %b heads 2 kv_heads 2
    scale 0.5 mask <causal>
    : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>
  return %a : tensor<?x16xf32>
}

// -----

adze.weight @q from "q" : !adze.weight<16x8, #adze.float<f32>>
adze.weight @k from "k" : !adze.weight<16x8, #adze.float<f32>>
adze.state @kv : !adze.kv<2x8xf32>

// Keys stay in the cache, where an attention may read them whose q cannot be
// permuted (an argument here): then none that uses the cache is.
// CHECK-LABEL: func.func @shared_cache
func.func @shared_cache(%x: tensor<?x8xf32>, %q2: tensor<?x16xf32>,
    %r: tensor<?x8xf32>, %b: !adze.batch) -> (tensor<?x16xf32>, tensor<?x16xf32>) {
  // CHECK-NOT: half
  %q = adze.linear %x, @q : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %k = adze.linear %x, @k : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %v = adze.linear %x, @k : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %qr = adze.rotary %q, %r heads 2 interleaved : tensor<?x16xf32>, tensor<?x8xf32>
  %kr = adze.rotary %k, %r heads 2 interleaved : tensor<?x16xf32>, tensor<?x8xf32>
  %q2r = adze.rotary %q2, %r heads 2 interleaved : tensor<?x16xf32>, tensor<?x8xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed]
  %a = adze.attention %qr, %kr, %v cache @kv at %b heads 2 kv_heads 2
    scale 0.5 mask <causal>
    : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed]
  %c = adze.attention %q2r cache @kv at %b heads 2 kv_heads 2
    scale 0.5 mask <causal> : tensor<?x16xf32>
  return %a, %c : tensor<?x16xf32>, tensor<?x16xf32>
}

// -----

adze.state @kv : !adze.kv<2x8xf32>

// Pairs by halves are what kernels want: nothing to do and nothing to say.
// CHECK-LABEL: func.func @halves
// REMARK-NOT: remark
func.func @halves(%q: tensor<?x16xf32>, %r: tensor<?x8xf32>, %b: !adze.batch)
    -> tensor<?x16xf32> {
  // CHECK: adze.rotary %{{.*}} heads 2 half
  %qr = adze.rotary %q, %r heads 2 half : tensor<?x16xf32>, tensor<?x8xf32>
  %a = adze.attention %qr, %q, %q cache @kv at %b heads 2 kv_heads 2 scale 0.5
    mask <causal> : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>
  return %a : tensor<?x16xf32>
}
