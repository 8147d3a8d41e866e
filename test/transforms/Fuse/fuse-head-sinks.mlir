// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: adze-opt %s --adze-fuse-head-sinks | FileCheck %s
// RUN: adze-opt %s --adze-fuse-head-sinks %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

adze.weight @q from "q.{}" x 2 : !adze.weight<32x8, #adze.float<f32>>
adze.weight @qn from "qn.{}" x 2 : !adze.weight<8, #adze.float<f32>>
adze.weight @k from "k.{}" x 2 : !adze.weight<16x8, #adze.float<f32>>
adze.weight @kb from "kb.{}" x 2 : !adze.weight<16, #adze.float<f32>>
adze.state @kv x 2 : !adze.kv<2x8xf32>

// Head norm and rotary of q become a sink that stores the heads.
// CHECK-LABEL: func.func @query
// CHECK-SAME: (%[[L:.*]]: index, %[[X:.*]]: tensor<?x8xf32>, %[[R:.*]]: tensor<?x8xf32>
func.func @query(%l: index, %x: tensor<?x8xf32>, %r: tensor<?x8xf32>,
                 %b: !adze.batch) -> tensor<?x32xf32> {
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Passed] {{.*}}adze-fuse-head-sinks {{.*}}"head norm, rotary and store as a sink"
  %q = adze.linear %x, @q[%l] : (tensor<?x8xf32>) -> tensor<?x32xf32>
  %qn = adze.rms_norm %q, @qn[%l] eps 0.5 heads 4 : tensor<?x32xf32>
  %qr = adze.rotary %qn, %r heads 4 half : tensor<?x32xf32>, tensor<?x8xf32>
  // CHECK: %[[Q:.*]] = adze.linear %[[X]], @q[%[[L]]] sink <8, [<4, norm = @qn, eps = 5.000000e-01, rotary, store>]> rope %[[R]] : tensor<?x8xf32> : (tensor<?x8xf32>) -> tensor<?x32xf32>
  // CHECK-NOT: adze.rms_norm
  // CHECK-NOT: adze.rotary
  // CHECK: adze.attention %[[Q]] cache
  %a = adze.attention %qr cache @kv[%l] at %b heads 4 kv_heads 2 scale 0.5
    mask <causal> : tensor<?x32xf32>
  return %a : tensor<?x32xf32>
}

// Keys and values go from their linears to the cache; neither has a result.
// CHECK-LABEL: func.func @append
// CHECK-SAME: (%[[L:.*]]: index, %[[X:.*]]: tensor<?x8xf32>, %[[R:.*]]: tensor<?x8xf32>, %[[B:.*]]: !adze.batch)
func.func @append(%l: index, %x: tensor<?x8xf32>, %r: tensor<?x8xf32>,
                  %b: !adze.batch) {
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Passed] {{.*}}"rotary and store as a sink"
  %k = adze.linear %x, @k[%l] bias @kb : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %kr = adze.rotary %k, %r heads 2 half : tensor<?x16xf32>, tensor<?x8xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Passed] {{.*}}"store as a sink"
  %v = adze.linear %x, @k[%l] : (tensor<?x8xf32>) -> tensor<?x16xf32>
  // CHECK: adze.linear %[[X]], @k[%[[L]]] bias @kb sink <8, [<2, rotary, key>]> rope %[[R]] : tensor<?x8xf32> cache @kv at %[[B]] : (tensor<?x8xf32>)
  // CHECK: adze.linear %[[X]], @k[%[[L]]] sink <8, [<2, value>]> cache @kv at %[[B]] : (tensor<?x8xf32>)
  // CHECK-NOT: adze.kv_append
  // CHECK: return
  adze.kv_append %kr, %v cache @kv[%l] at %b : tensor<?x16xf32>, tensor<?x16xf32>
  return
}

// Other uses need the value in memory.
// CHECK-LABEL: func.func @other_use
func.func @other_use(%l: index, %x: tensor<?x8xf32>, %r: tensor<?x8xf32>,
                     %b: !adze.batch) -> (tensor<?x32xf32>, tensor<?x32xf32>) {
  // CHECK-NOT: sink
  %q = adze.linear %x, @q[%l] : (tensor<?x8xf32>) -> tensor<?x32xf32>
  %qr = adze.rotary %q, %r heads 4 half : tensor<?x32xf32>, tensor<?x8xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}adze-fuse-head-sinks {{.*}}Reason="q: the value has other uses"
  %a = adze.attention %qr cache @kv[%l] at %b heads 4 kv_heads 2 scale 0.5
    mask <causal> : tensor<?x32xf32>
  // CHECK: return
  return %a, %q : tensor<?x32xf32>, tensor<?x32xf32>
}

// Only pairs by halves are one register of a finished head.
// CHECK-LABEL: func.func @interleaved
func.func @interleaved(%l: index, %x: tensor<?x8xf32>, %r: tensor<?x8xf32>,
                       %b: !adze.batch) -> tensor<?x32xf32> {
  // CHECK-NOT: sink
  %q = adze.linear %x, @q[%l] : (tensor<?x8xf32>) -> tensor<?x32xf32>
  %qr = adze.rotary %q, %r heads 4 interleaved : tensor<?x32xf32>, tensor<?x8xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}Reason="q: the rotary pairs are interleaved"
  %a = adze.attention %qr cache @kv[%l] at %b heads 4 kv_heads 2 scale 0.5
    mask <causal> : tensor<?x32xf32>
  // CHECK: return
  return %a : tensor<?x32xf32>
}

// A rotary over other heads than those of attention is no sink of a head.
// CHECK-LABEL: func.func @other_heads
func.func @other_heads(%l: index, %x: tensor<?x8xf32>, %r: tensor<?x16xf32>,
                       %b: !adze.batch) -> tensor<?x32xf32> {
  // CHECK-NOT: sink
  %q = adze.linear %x, @q[%l] : (tensor<?x8xf32>) -> tensor<?x32xf32>
  %qr = adze.rotary %q, %r heads 2 half : tensor<?x32xf32>, tensor<?x16xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}Reason="q: rotary and attention differ in heads"
  %a = adze.attention %qr cache @kv[%l] at %b heads 4 kv_heads 2 scale 0.5
    mask <causal> : tensor<?x32xf32>
  // CHECK: return
  return %a : tensor<?x32xf32>
}

// A norm of the whole row needs all heads.
// CHECK-LABEL: func.func @row_norm
func.func @row_norm(%q: tensor<?x8xf32>, %b: !adze.batch) -> tensor<?x8xf32> {
  // CHECK-NOT: sink
  %y = adze.linear %q, @w : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %n = adze.rms_norm %y, @n eps 0.5 : tensor<?x8xf32>
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}Reason="q: it is not the plain result of a linear"
  %a = adze.attention %n cache @one at %b heads 2 kv_heads 2 scale 0.5
    mask <causal> : tensor<?x8xf32>
  // CHECK: return
  return %a : tensor<?x8xf32>
}
adze.weight @w from "w" : !adze.weight<8x8, #adze.float<f32>>
adze.weight @n from "n" : !adze.weight<8, #adze.float<f32>>
adze.state @one : !adze.kv<2x4xf32>

// Keys and values of one linear: keys alone cannot be sunk.
// CHECK-LABEL: func.func @one_linear
func.func @one_linear(%l: index, %x: tensor<?x8xf32>, %b: !adze.batch) {
  // CHECK-NOT: sink
  %k = adze.linear %x, @k[%l] : (tensor<?x8xf32>) -> tensor<?x16xf32>
  // REMARK-DAG: :[[#@LINE+2]]:{{.*}}[Missed] {{.*}}Reason="k: the value has other uses"
  // CHECK: adze.kv_append
  adze.kv_append %k, %k cache @kv[%l] at %b : tensor<?x16xf32>, tensor<?x16xf32>
  return
}

// Values that are no projection: keys stay in memory as well.
// CHECK-LABEL: func.func @value_argument
func.func @value_argument(%l: index, %x: tensor<?x8xf32>, %v: tensor<?x16xf32>,
                          %b: !adze.batch) {
  // CHECK-NOT: sink
  %k = adze.linear %x, @k[%l] : (tensor<?x8xf32>) -> tensor<?x16xf32>
  // REMARK-DAG: :[[#@LINE+2]]:{{.*}}[Missed] {{.*}}Reason="v: it is not the plain result of a linear"
  // CHECK: adze.kv_append
  adze.kv_append %k, %v cache @kv[%l] at %b : tensor<?x16xf32>, tensor<?x16xf32>
  return
}

// The cache of one layer and projections of another.
// CHECK-LABEL: func.func @other_layer
func.func @other_layer(%l: index, %m: index, %x: tensor<?x8xf32>, %b: !adze.batch) {
  // CHECK-NOT: sink
  %k = adze.linear %x, @k[%l] : (tensor<?x8xf32>) -> tensor<?x16xf32>
  %v = adze.linear %x, @k[%l] : (tensor<?x8xf32>) -> tensor<?x16xf32>
  // REMARK-DAG: :[[#@LINE+2]]:{{.*}}[Missed] {{.*}}Reason="cache and projections are of different layers"
  // CHECK: adze.kv_append
  adze.kv_append %k, %v cache @kv[%m] at %b : tensor<?x16xf32>, tensor<?x16xf32>
  return
}
