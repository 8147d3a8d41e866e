// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: adze-opt %s --adze-merge-qkv | FileCheck %s
// RUN: adze-opt %s --adze-merge-qkv %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

adze.weight @l.q from "q.{}" x 2 : !adze.weight<32x8, #adze.float<f32>>
adze.weight @l.qb from "qb.{}" x 2 : !adze.weight<32, #adze.float<f32>>
adze.weight @l.k from "k.{}" x 2 : !adze.weight<16x8, #adze.float<f32>>
adze.weight @l.kb from "kb.{}" x 2 : !adze.weight<16, #adze.float<f32>>
adze.weight @l.v from "v.{}" x 2 : !adze.weight<16x8, #adze.float<f32>>
adze.weight @l.vb from "vb.{}" x 2 : !adze.weight<16, #adze.float<f32>>
adze.weight @l.hb from "hb.{}" x 2 : !adze.weight<16, #adze.float<bf16>>
adze.weight @l.half from "h.{}" x 2 : !adze.weight<16x8, #adze.float<f16>>
adze.weight @more from "m.{}" x 3 : !adze.weight<16x8, #adze.float<f32>>
adze.state @kv x 2 : !adze.kv<2x8xf32>
adze.state @other x 2 : !adze.kv<2x8xf32>

// Weights and biases are concatenated in the order of the chains; the merged
// linear stands where the last one stood.
// CHECK-DAG: adze.weight @l.q_k_v x 2 : !adze.weight<64x8, #adze.float<f32>>
// CHECK-DAG: adze.concat %{{.*}}, %{{.*}}, %{{.*}} : (!adze.weight<32x8, {{.*}}, !adze.weight<16x8, {{.*}}, !adze.weight<16x8, {{.*}}) -> !adze.weight<64x8
// CHECK-DAG: adze.weight @l.qb_kb_vb x 2 : !adze.weight<64, #adze.float<f32>>
// CHECK-DAG: adze.weight @l.hb_vb x 2 : !adze.weight<32, #adze.float<f32>>
// CHECK-DAG: adze.cast %{{.*}} : <16, #adze.float<bf16>> -> <16, #adze.float<f32>>
// CHECK-LABEL: func.func @merged
// CHECK-SAME: (%[[L:.*]]: index, %[[X:.*]]: tensor<?x8xf32>, %[[R:.*]]: tensor<?x8xf32>, %[[B:.*]]: !adze.batch)
func.func @merged(%l: index, %x: tensor<?x8xf32>, %r: tensor<?x8xf32>,
                  %b: !adze.batch) -> tensor<?x32xf32> {
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Passed] {{.*}}adze-merge-qkv {{.*}}"projections merged into one linear"
  %q = adze.linear %x, @l.q[%l] bias @l.qb sink <8, [<4, rotary, store>]>
    rope %r : tensor<?x8xf32> : (tensor<?x8xf32>) -> tensor<?x32xf32>
  adze.linear %x, @l.k[%l] bias @l.kb sink <8, [<2, rotary, key>]>
    rope %r : tensor<?x8xf32> cache @kv at %b : (tensor<?x8xf32>)
  adze.linear %x, @l.v[%l] bias @l.vb sink <8, [<2, value>]>
    cache @kv at %b : (tensor<?x8xf32>)
  // CHECK: %[[Q:.*]] = adze.linear %[[X]], @l.q_k_v[%[[L]]] bias @l.qb_kb_vb sink <8, [<4, rotary, store>, <2, rotary, key>, <2, value>]> rope %[[R]] : tensor<?x8xf32> cache @kv at %[[B]] : (tensor<?x8xf32>) -> tensor<?x32xf32>
  // CHECK-NOT: adze.linear
  // CHECK: adze.attention %[[Q]]
  %a = adze.attention %q cache @kv[%l] at %b heads 4 kv_heads 2 scale 0.5
    mask <causal> : tensor<?x32xf32>
  return %a : tensor<?x32xf32>
}

// Inputs that differ are different phases: nothing to merge, nothing to say.
// CHECK-LABEL: func.func @other_input
func.func @other_input(%l: index, %x: tensor<?x8xf32>, %y: tensor<?x8xf32>,
                       %b: !adze.batch) {
  // CHECK: @l.k[
  // CHECK: @l.v[
  adze.linear %x, @l.k[%l] sink <8, [<2, key>]>
    cache @kv at %b : (tensor<?x8xf32>)
  adze.linear %y, @l.v[%l] sink <8, [<2, value>]>
    cache @kv at %b : (tensor<?x8xf32>)
  return
}

// A concatenated bias would need a value for the rows that have none.
// CHECK-LABEL: func.func @some_bias
func.func @some_bias(%l: index, %x: tensor<?x8xf32>, %b: !adze.batch) {
  // CHECK: @l.k[
  // CHECK: @l.v[
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}adze-merge-qkv {{.*}}Reason="only some of the projections have a bias"
  adze.linear %x, @l.k[%l] bias @l.kb sink <8, [<2, key>]>
    cache @kv at %b : (tensor<?x8xf32>)
  adze.linear %x, @l.v[%l] sink <8, [<2, value>]>
    cache @kv at %b : (tensor<?x8xf32>)
  return
}

// Biases are added in f32: of two formats they become one of f32.
// CHECK-LABEL: func.func @bias_formats
func.func @bias_formats(%l: index, %x: tensor<?x8xf32>, %b: !adze.batch) {
  // CHECK: adze.linear %{{.*}}, @l.k_v[%{{.*}}] bias @l.hb_vb sink
  adze.linear %x, @l.k[%l] bias @l.hb sink <8, [<2, key>]>
    cache @kv at %b : (tensor<?x8xf32>)
  adze.linear %x, @l.v[%l] bias @l.vb sink <8, [<2, value>]>
    cache @kv at %b : (tensor<?x8xf32>)
  return
}

// One weight has one format.
// CHECK-LABEL: func.func @formats
func.func @formats(%l: index, %x: tensor<?x8xf32>, %b: !adze.batch) {
  // CHECK: @l.half[
  // CHECK: @l.v[
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}Reason="the weights differ in format"
  adze.linear %x, @l.half[%l] sink <8, [<2, key>]>
    cache @kv at %b : (tensor<?x8xf32>)
  adze.linear %x, @l.v[%l] sink <8, [<2, value>]>
    cache @kv at %b : (tensor<?x8xf32>)
  return
}

// One weight has one set of layers.
// CHECK-LABEL: func.func @layer_counts
func.func @layer_counts(%l: index, %x: tensor<?x8xf32>, %b: !adze.batch) {
  // CHECK: @more[
  // CHECK: @l.v[
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}Reason="the weights differ in their layers"
  adze.linear %x, @more[%l] sink <8, [<2, key>]>
    cache @kv at %b : (tensor<?x8xf32>)
  adze.linear %x, @l.v[%l] sink <8, [<2, value>]>
    cache @kv at %b : (tensor<?x8xf32>)
  return
}

// Weights of different layers.
// CHECK-LABEL: func.func @layers
func.func @layers(%l: index, %m: index, %x: tensor<?x8xf32>, %b: !adze.batch) {
  // CHECK: @l.k[
  // CHECK: @l.v[
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}Reason="the projections are of different layers"
  adze.linear %x, @l.k[%l] sink <8, [<2, key>]>
    cache @kv at %b : (tensor<?x8xf32>)
  adze.linear %x, @l.v[%m] sink <8, [<2, value>]>
    cache @kv at %b : (tensor<?x8xf32>)
  return
}

// A sink has one head size.
// CHECK-LABEL: func.func @head_sizes
func.func @head_sizes(%l: index, %x: tensor<?x8xf32>, %b: !adze.batch) -> tensor<?x32xf32> {
  // CHECK: @l.q[
  // CHECK: @l.v[
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}Reason="the heads differ in size"
  %q = adze.linear %x, @l.q[%l] sink <16, [<2, store>]>
    : (tensor<?x8xf32>) -> tensor<?x32xf32>
  adze.linear %x, @l.v[%l] sink <8, [<2, value>]>
    cache @kv at %b : (tensor<?x8xf32>)
  return %q : tensor<?x32xf32>
}

// A linear has one rotary table.
// CHECK-LABEL: func.func @tables
func.func @tables(%l: index, %x: tensor<?x8xf32>, %r: tensor<?x8xf32>,
                  %s: tensor<?x8xf32>, %b: !adze.batch) -> tensor<?x32xf32> {
  // CHECK: @l.q[
  // CHECK: @l.k[
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}Reason="the projections use different rotary tables"
  %q = adze.linear %x, @l.q[%l] sink <8, [<4, rotary, store>]>
    rope %r : tensor<?x8xf32> : (tensor<?x8xf32>) -> tensor<?x32xf32>
  adze.linear %x, @l.k[%l] sink <8, [<2, rotary, key>]>
    rope %s : tensor<?x8xf32> cache @kv at %b : (tensor<?x8xf32>)
  return %q : tensor<?x32xf32>
}

// A linear appends to one cache.
// CHECK-LABEL: func.func @caches
func.func @caches(%l: index, %x: tensor<?x8xf32>, %b: !adze.batch) {
  // CHECK: @l.k[{{.*}} cache @kv
  // CHECK: @l.v[{{.*}} cache @other
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}Reason="the projections append to different caches"
  adze.linear %x, @l.k[%l] sink <8, [<2, key>]>
    cache @kv at %b : (tensor<?x8xf32>)
  adze.linear %x, @l.v[%l] sink <8, [<2, value>]>
    cache @other at %b : (tensor<?x8xf32>)
  return
}

// The cache keeps one key per head and position: the later append wins.
// CHECK-LABEL: func.func @two_keys
func.func @two_keys(%l: index, %x: tensor<?x8xf32>, %b: !adze.batch) {
  // CHECK: @l.k[
  // CHECK: @l.v[
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}Reason="more than one of the projections appends keys or values"
  adze.linear %x, @l.k[%l] sink <8, [<2, key>]>
    cache @kv at %b : (tensor<?x8xf32>)
  adze.linear %x, @l.v[%l] sink <8, [<2, key>]>
    cache @kv at %b : (tensor<?x8xf32>)
  return
}

// Two queries: a linear has one result.
// CHECK-LABEL: func.func @two_queries
func.func @two_queries(%l: index, %x: tensor<?x8xf32>) -> (tensor<?x32xf32>, tensor<?x16xf32>) {
  // CHECK: @l.q[
  // CHECK: @l.k[
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}Reason="more than one of the projections has a result"
  %q = adze.linear %x, @l.q[%l] sink <8, [<4, store>]>
    : (tensor<?x8xf32>) -> tensor<?x32xf32>
  %k = adze.linear %x, @l.k[%l] sink <8, [<2, store>]>
    : (tensor<?x8xf32>) -> tensor<?x16xf32>
  return %q, %k : tensor<?x32xf32>, tensor<?x16xf32>
}

// Attention between the projections reads the cache as it was.
// CHECK-LABEL: func.func @used_between
func.func @used_between(%l: index, %x: tensor<?x8xf32>, %b: !adze.batch) -> tensor<?x32xf32> {
  // CHECK: @l.q[
  // REMARK-DAG: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}Reason="a result is used between the projections"
  %q = adze.linear %x, @l.q[%l] sink <8, [<4, store>]>
    : (tensor<?x8xf32>) -> tensor<?x32xf32>
  // CHECK: adze.attention
  %a = adze.attention %q cache @kv[%l] at %b heads 4 kv_heads 2 scale 0.5
    mask <causal> : tensor<?x32xf32>
  // CHECK: @l.k[
  adze.linear %x, @l.k[%l] sink <8, [<2, key>]>
    cache @kv at %b : (tensor<?x8xf32>)
  return %a : tensor<?x32xf32>
}
