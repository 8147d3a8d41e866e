// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: adze-opt %s -split-input-file --adze-schedule | FileCheck %s --check-prefixes=CHECK,F32
// RUN: adze-opt %s -split-input-file --adze-schedule=bf16-dot=true | FileCheck %s --check-prefixes=CHECK,DOT
// RUN: adze-opt %s -split-input-file --adze-schedule=generic=adze.rms_norm %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=GENERIC

// A barrier stands where data crosses threads: before the linear that reads the
// rows written by the norm; not between the norm and the linear that read the
// same argument. Every thread makes a single row of the norm for itself, and
// does not wait.
// CHECK-LABEL: func.func @barriers
// CHECK-SAME: (%[[F:.*]]: !adze.frame)
// CHECK: %[[N:.*]] = adze.arena %[[F]] at #{{.*}} {adze.own = 0 : i64} : <64xf32>
// CHECK: adze.launch @{{.*}}rms_norm over tokens rows tokens frame %[[F]](%{{.*}}, %[[N]]) weights [@n] sizes [64] {adze.repeated}
// CHECK-NOT: adze.barrier
// CHECK: adze.launch @{{.*}}linear over panels 4
// CHECK: adze.barrier %[[F]] {adze.several}
// CHECK: adze.launch @{{.*}}linear over panels 4
// CHECK-NOT: adze.barrier
// CHECK: return
adze.weight @w from "w" : !adze.weight<64x64, #adze.float<f32>, panels>
adze.weight @n from "n" : !adze.weight<64, #adze.float<f32>>
func.func @barriers(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>)
    attributes {adze.entry} {
  // GENERIC: :[[#@LINE+1]]:{{.*}}[Passed] {{.*}}adze-schedule {{.*}}"generic path, as asked for"
  %n = adze.rms_norm %x, @n eps 0.5 : tensor<?x64xf32>
  %y = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %z = adze.linear %n, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y, %z : tensor<?x64xf32>, tensor<?x64xf32>
}

// -----

// A result of the entry that another op reads crosses threads as any value.
// CHECK-LABEL: func.func @result_is_read
// CHECK: %[[Y:.*]] = adze.frame_arg %{{.*}} 1 : <64xf32>
// CHECK: %[[Z:.*]] = adze.frame_arg %{{.*}} 2 : <64xf32>
// CHECK: adze.launch @{{.*}}(%{{.*}}, %[[Y]]) weights
// CHECK: adze.barrier
// CHECK: adze.launch @{{.*}}(%[[Y]], %[[Z]]) weights
adze.weight @w from "w" : !adze.weight<64x64, #adze.float<f32>, panels>
func.func @result_is_read(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>)
    attributes {adze.entry} {
  %y = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %z = adze.linear %y, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y, %z : tensor<?x64xf32>, tensor<?x64xf32>
}

// -----

// The residual stays where it is: the linear writes what it captures. A layer
// ends with a barrier.
// CHECK: #[[AT0:.*]] = affine_map<(d0, d1) -> (0)>
// CHECK-LABEL: func.func private @layer
// CHECK-SAME: (%[[L:.*]]: index, %[[F:.*]]: !adze.frame)
// CHECK: %[[X:.*]] = adze.arena %[[F]] at #[[AT0]] : <64xf32>
// CHECK: adze.launch @{{.*}}rms_norm over tokens rows tokens frame %[[F]](%[[X]], %[[N:.*]]) weights [@n] layer %[[L]] sizes [64] {adze.repeated}
// CHECK: adze.barrier %[[F]]{{$}}
// CHECK: adze.launch @{{.*}}linear over panels 4 rows tokens frame %[[F]](%[[N]], %[[X]], %[[X]]) weights [@w] layer %[[L]] sizes [64, 64]
// CHECK: adze.barrier %[[F]]{{$}}
// CHECK: return
// The embedding is made where layers expect it.
// CHECK-LABEL: func.func @step
// CHECK: %[[E:.*]] = adze.arena %{{.*}} at #[[AT0]]
// CHECK: adze.launch @{{.*}}embed over tokens rows tokens frame %[[F:.*]](%{{.*}}, %[[E]])
// CHECK: adze.barrier
// CHECK: adze.call_layers 2 from 1 @layer(%[[F]])
adze.weight @emb from "emb" : !adze.weight<100x64, #adze.float<f32>>
adze.weight @n from "n.{}" x 3 : !adze.weight<64, #adze.float<f32>>
adze.weight @w from "w.{}" x 3 : !adze.weight<64x64, #adze.float<f32>, panels>
func.func private @layer(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %n = adze.rms_norm %x, @n[%l] eps 0.5 : tensor<?x64xf32>
  %y = adze.linear %n, @w[%l] captures(%x : tensor<?x64xf32>) {
  ^bb0(%a: f32, %r: f32):
    %0 = arith.addf %a, %r : f32
    adze.yield %0 : f32
  } : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
func.func @step(%t: tensor<?xi32>) -> tensor<?x64xf32> attributes {adze.entry} {
  %x = adze.embed %t, @emb : tensor<?xi32> -> tensor<?x64xf32>
  %h = adze.repeat 2 from 1 @layer(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %h : tensor<?x64xf32>
}

// -----

// A linear whose input is also its residual cannot write over it: the result is
// made elsewhere and copied to where the next layer looks.
// CHECK: #[[AT0:.*]] = affine_map<(d0, d1) -> (0)>
// CHECK-LABEL: func.func private @not_in_place
// CHECK: %[[X:.*]] = adze.arena %{{.*}} at #[[AT0]]
// CHECK: adze.launch @{{.*}}linear over panels 4 rows tokens frame %{{.*}}(%[[X]], %[[X]], %[[Y:.*]]) weights
// CHECK: adze.barrier
// CHECK: adze.launch @{{.*}}map over tokens rows tokens frame %{{.*}}(%[[Y]], %[[X]])
// CHECK: adze.barrier
// CHECK: return
adze.weight @w from "w.{}" x 3 : !adze.weight<64x64, #adze.float<f32>, panels>
func.func private @not_in_place(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %y = adze.linear %x, @w[%l] captures(%x : tensor<?x64xf32>) {
  ^bb0(%a: f32, %r: f32):
    %0 = arith.addf %a, %r : f32
    adze.yield %0 : f32
  } : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
func.func @step(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {adze.entry} {
  %h = adze.repeat 3 @not_in_place(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %h : tensor<?x64xf32>
}

// -----

// Bytes of a dead value are used again: of four linears in a row, the first and
// the third result share a place. Equal kernels are one.
// CHECK-LABEL: func.func @reuse
// CHECK-SAME: adze.arena = array<i64: 512, 0>
// CHECK: %[[A:.*]] = adze.arena %{{.*}} at #[[FIRST:.*]] : <64xf32>
// CHECK: adze.launch @[[K:.*linear]] {{.*}}(%{{.*}}, %[[A]])
// CHECK: %[[B:.*]] = adze.arena %{{.*}} at #[[SECOND:.*]] : <64xf32>
// CHECK: adze.launch @[[K]] {{.*}}(%[[A]], %[[B]])
// CHECK: %[[C:.*]] = adze.arena %{{.*}} at #[[FIRST]] : <64xf32>
// CHECK: adze.launch @[[K]] {{.*}}(%[[B]], %[[C]])
// CHECK: adze.launch @[[K]] {{.*}}(%[[C]], %{{.*}})
// CHECK: adze.kernel @[[K]] linear
// CHECK-NOT: adze.kernel
adze.weight @w from "w" : !adze.weight<64x64, #adze.float<f32>, panels>
func.func @reuse(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {adze.entry} {
  %a = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %b = adze.linear %a, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %c = adze.linear %b, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %d = adze.linear %c, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %d : tensor<?x64xf32>
}

// -----

// Kernels differ by format, region and captures; not by shape, weight or layer.
// CHECK-LABEL: func.func @kernels
// CHECK: adze.launch @[[A:.*linear]] over panels 4
// CHECK: adze.launch @[[A]] over panels 2
// CHECK: adze.launch @[[B:.*linear]] over panels 4
// CHECK: adze.launch @[[C:.*linear]] over panels 4
// CHECK: adze.kernel @[[A]] linear {{.*}}format = #adze.float<f32>
// CHECK: adze.kernel @[[B]] linear {{.*}}format = #adze.float<bf16>
// CHECK: adze.kernel @[[C]] linear {{.*}}format = #adze.float<f32>
// CHECK: adze.silu
adze.weight @w from "w" : !adze.weight<64x64, #adze.float<f32>, panels>
adze.weight @v from "v" : !adze.weight<32x64, #adze.float<f32>, panels>
adze.weight @h from "h" : !adze.weight<64x64, #adze.float<bf16>, panels>
func.func @kernels(%x: tensor<?x64xf32>)
    -> (tensor<?x64xf32>, tensor<?x32xf32>, tensor<?x64xf32>, tensor<?x64xf32>)
    attributes {adze.entry} {
  %a = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %b = adze.linear %x, @v : (tensor<?x64xf32>) -> tensor<?x32xf32>
  %c = adze.linear %x, @h : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %d = adze.linear %x, @w {
  ^bb0(%0: f32):
    %1 = adze.silu %0 : f32
    adze.yield %1 : f32
  } : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %a, %b, %c, %d : tensor<?x64xf32>, tensor<?x32xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}

// -----

// What only bf16 dots read is rounded where it is made, with bf16-dot; what
// something else reads as well stays f32.
// CHECK-LABEL: func.func @storage
// F32-NOT: xbf16>
// DOT: adze.launch @{{.*}}rms_norm {{.*}} : !adze.buffer<64xf32>, !adze.buffer<64xbf16>
// DOT: adze.launch @{{.*}}linear {{.*}} : !adze.buffer<64xbf16>, !adze.buffer<64xf32>
// DOT: adze.launch @{{.*}}linear {{.*}} : !adze.buffer<64xf32>, !adze.buffer<64xf32>
// CHECK-LABEL: adze.kernel
// F32: rms_norm {{.*}}out = f32
// DOT: rms_norm {{.*}}out = bf16
adze.weight @n from "n" : !adze.weight<64, #adze.float<f32>>
adze.weight @w from "w" : !adze.weight<64x64, #adze.float<bf16>, panels>
func.func @storage(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>)
    attributes {adze.entry} {
  %n = adze.rms_norm %x, @n eps 0.5 : tensor<?x64xf32>
  %a = adze.linear %n, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %b = adze.linear %a, @w captures(%a : tensor<?x64xf32>) {
  ^bb0(%0: f32, %1: f32):
    %2 = arith.addf %0, %1 : f32
    adze.yield %2 : f32
  } : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %a, %b : tensor<?x64xf32>, tensor<?x64xf32>
}

// -----

// Queries are operands of dots with the keys: of bf16 ones, if the cache is.
// CHECK-LABEL: func.func @queries
// CHECK: adze.launch @{{.*}}linear {{.*}} cache @kv sizes [32, 8]
// CHECK: adze.barrier
// F32: adze.launch @{{.*}}attention over attention rows tokens frame %{{.*}}(%{{.*}}) cache @kv : !adze.buffer<32xf32>, !adze.buffer<32xf32>
// DOT: adze.launch @{{.*}}attention over attention rows tokens frame %{{.*}}(%{{.*}}) cache @kv : !adze.buffer<32xbf16>, !adze.buffer<32xf32>
// What was split between threads is merged.
// CHECK-NEXT: adze.launch @{{.*}}attention_merge over attention rows tokens frame %{{.*}}(%{{.*}}) : !adze.buffer<32xf32>
adze.weight @qkv from "qkv" : !adze.weight<64x8, #adze.float<f32>, panels>
adze.state @kv : !adze.kv<1x16xbf16>
func.func @queries(%x: tensor<?x8xf32>, %b: !adze.batch) -> tensor<?x32xf32>
    attributes {adze.entry} {
  %q = adze.linear %x, @qkv sink <16, [<2, store>, <1, key>, <1, value>]>
    cache @kv at %b : (tensor<?x8xf32>) -> tensor<?x32xf32>
  %a = adze.attention %q cache @kv at %b heads 2 kv_heads 1 scale 0.5
    mask <causal> : tensor<?x32xf32>
  return %a : tensor<?x32xf32>
}

// -----

// Ops on the rows asked for run over those, and their buffers lie behind those
// of tokens: the arena holds a bytes per token and b per row.
// CHECK: #[[BEHIND:.*]] = affine_map<(d0, d1) -> (d0 * 256)>
// CHECK-LABEL: func.func @logits
// CHECK-SAME: name = "result0", symbols = ["R", ""]
// CHECK-SAME: adze.arena = array<i64: 256, 256>
// CHECK-SAME: adze.symbols = ["T", "R"]
// CHECK: adze.launch @{{.*}}map over tokens rows tokens frame %{{.*}}(%{{.*}}, %[[M:.*]]) sizes [64] {adze.repeated}
// CHECK: %[[T:.*]] = adze.arena %{{.*}} at #[[BEHIND]] {adze.own = 256 : i64}
// CHECK: adze.barrier %{{.*}} {adze.several}
// CHECK: adze.launch @{{.*}}take_rows over logit_rows rows logit_rows frame %{{.*}}(%[[M]], %{{.*}}, %[[T]]) sizes [64] {adze.repeated}
// CHECK: adze.barrier %{{.*}} {adze.several}
// CHECK: adze.launch @{{.*}}linear over panels 7 rows logit_rows frame %{{.*}}(%[[T]],
adze.weight @w from "w" : !adze.weight<100x64, #adze.float<f32>, panels>
func.func @logits(%x: tensor<?x64xf32>, %rows: tensor<?xi32>) -> tensor<?x100xf32>
    attributes {adze.entry} {
  %m = adze.map %x : tensor<?x64xf32> -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    %0 = arith.negf %a : f32
    adze.yield %0 : f32
  }
  %t = adze.take_rows %m, %rows : tensor<?x64xf32>, tensor<?xi32>
  %y = adze.linear %t, @w : (tensor<?x64xf32>) -> tensor<?x100xf32>
  return %y : tensor<?x100xf32>
}

// -----

// Two layer kinds hand the rows on in one place, with no copy between them; a
// rotary table that both read is made once, where both look for it.
// CHECK: #[[AT0:.*]] = affine_map<(d0, d1) -> (0)>
// CHECK-LABEL: func.func private @local
// CHECK: %[[X:.*]] = adze.arena %{{.*}} at #[[AT0]]
// CHECK: %{{.*}} = adze.arena %{{.*}} at #[[AT1:.*]] : <64xf32>
// CHECK: adze.launch @[[K:.*]] over tokens rows tokens frame %{{.*}}(%[[X]], %{{.*}}, %[[X]])
// CHECK-LABEL: func.func private @global
// CHECK: adze.arena %{{.*}} at #[[AT0]]
// CHECK: adze.arena %{{.*}} at #[[AT1]] : <64xf32>
// CHECK: adze.launch @[[K]] over tokens
// CHECK-LABEL: func.func @step
// CHECK-DAG: %[[CARRIED:.*]] = adze.arena %[[F:.*]] at #[[AT0]]
// CHECK-DAG: %[[R1:.*]] = adze.arena %[[F]] at #[[AT1]]
// CHECK-DAG: adze.launch @{{.*}}(%{{.*}}, %[[CARRIED]])
// CHECK-DAG: adze.launch @{{.*}}(%{{.*}}, %[[R1]])
// CHECK: adze.call_layers 2 from 0 @local(%[[F]])
// CHECK-NOT: adze.launch
// CHECK: adze.call_layers 3 from 2 @global(%[[F]])
// CHECK: adze.launch @{{.*}}map {{.*}}(%{{.*}}, %{{.*}})
// CHECK-NOT: adze.launch
func.func private @local(%l: index, %x: tensor<?x64xf32>, %r: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %y = adze.map %x, %r : tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.mulf %a, %b : f32
    adze.yield %0 : f32
  }
  return %y : tensor<?x64xf32>
}
func.func private @global(%l: index, %x: tensor<?x64xf32>, %r: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %y = adze.map %x, %r : tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.mulf %a, %b : f32
    adze.yield %0 : f32
  }
  return %y : tensor<?x64xf32>
}
func.func @step(%t: tensor<?xi32>, %u: tensor<?xi32>) -> tensor<?x64xf32> attributes {adze.entry} {
  %x = adze.embed %t, @emb : tensor<?xi32> -> tensor<?x64xf32>
  %r = adze.embed %u, @emb : tensor<?xi32> -> tensor<?x64xf32>
  %h = adze.repeat 2 @local(%x, %r) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %i = adze.repeat 3 from 2 @global(%h, %r) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  return %i : tensor<?x64xf32>
}
adze.weight @emb from "emb" : !adze.weight<100x64, #adze.float<f32>>

// -----

// Layers change their first argument only: the same rows as an invariant are
// another copy.
// CHECK: #[[AT0:.*]] = affine_map<(d0, d1) -> (0)>
// CHECK-LABEL: func.func private @mix
// CHECK: adze.arena %{{.*}} at #[[AT0]]
// CHECK: adze.arena %{{.*}} at #[[AT1:map.+]] : <8xf32>
// CHECK-LABEL: func.func @same_argument
// CHECK: %[[X:.*]] = adze.frame_arg %{{.*}} 0
// CHECK: %[[A:.*]] = adze.arena %{{.*}} at #[[AT0]]
// CHECK: adze.launch @{{.*}}map {{.*}}(%[[X]], %[[A]])
// CHECK: %[[B:.*]] = adze.arena %{{.*}} at #[[AT1]]
// CHECK: adze.launch @{{.*}}map {{.*}}(%[[X]], %[[B]])
// CHECK: adze.call_layers
// Rows that layers overwrite and that are read later move out first.
// CHECK-LABEL: func.func @read_later
// CHECK: adze.call_layers 1
// CHECK: %[[H:.*]] = adze.arena %{{.*}} at #[[AT0]]
// CHECK: adze.launch @{{.*}}(%[[H]], %[[KEPT:.*]]) sizes
// CHECK: %[[C:.*]] = adze.arena %{{.*}} at #[[AT0]]
// CHECK: adze.launch @{{.*}}(%{{.*}}, %[[C]]) sizes
// CHECK: adze.barrier
// CHECK: adze.call_layers 2
// CHECK: adze.launch @{{.*}}(%[[KEPT]], %{{.*}}, %{{.*}}) sizes
func.func private @mix(%l: index, %x: tensor<?x8xf32>, %i: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = adze.map %x, %i : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.addf %a, %b : f32
    adze.yield %0 : f32
  }
  return %y : tensor<?x8xf32>
}
func.func @same_argument(%x: tensor<?x8xf32>) -> tensor<?x8xf32> attributes {adze.entry} {
  %h = adze.repeat 4 @mix(%x, %x) : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %h : tensor<?x8xf32>
}
func.func @read_later(%x: tensor<?x8xf32>, %y: tensor<?x8xf32>) -> tensor<?x8xf32>
    attributes {adze.entry} {
  %h = adze.repeat 1 @mix(%x, %y) : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %i = adze.repeat 2 @mix(%y, %y) : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %m = adze.map %h, %i : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.mulf %a, %b : f32
    adze.yield %0 : f32
  }
  return %m : tensor<?x8xf32>
}

// -----

// Layers in no number: the result is the argument.
// CHECK-LABEL: func.func private @identity
// CHECK-NOT: adze.launch
// CHECK-LABEL: func.func @no_layers
// CHECK: %[[X:.*]] = adze.frame_arg %{{.*}} 0
// CHECK: %[[Y:.*]] = adze.frame_arg %{{.*}} 1
// CHECK: adze.launch @{{.*}}(%[[X]], %[[A:.*]]) sizes
// CHECK: adze.call_layers 0
// CHECK: adze.launch @{{.*}}(%{{.*}}, %[[Y]]) sizes
// An entry that returns its argument copies it, to each result.
// CHECK-LABEL: func.func @arguments
// CHECK: %[[X:.*]] = adze.frame_arg %{{.*}} 0
// CHECK: %[[Y:.*]] = adze.frame_arg %{{.*}} 1
// CHECK: %[[Z:.*]] = adze.frame_arg %{{.*}} 2
// CHECK: adze.launch @{{.*}}(%[[X]], %[[Y]]) sizes
// CHECK: adze.launch @{{.*}}(%[[X]], %[[Z]]) sizes
// A value returned twice is copied once it is there.
// CHECK-LABEL: func.func @twice
// CHECK: adze.launch @{{.*}}embed {{.*}}(%{{.*}}, %[[Y:.*]]) weights
// CHECK: adze.barrier
// CHECK: adze.launch @{{.*}}map {{.*}}(%[[Y]], %{{.*}}) sizes
func.func private @identity(%l: index, %x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  return %x : tensor<?x8xf32>
}
func.func @no_layers(%x: tensor<?x8xf32>) -> tensor<?x8xf32> attributes {adze.entry} {
  %h = adze.repeat 0 @identity(%x) : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %h : tensor<?x8xf32>
}
func.func @arguments(%x: tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>)
    attributes {adze.entry} {
  return %x, %x : tensor<?x8xf32>, tensor<?x8xf32>
}
func.func @twice(%t: tensor<?xi32>) -> (tensor<?x8xf32>, tensor<?x8xf32>)
    attributes {adze.entry} {
  %x = adze.embed %t, @emb : tensor<?xi32> -> tensor<?x8xf32>
  return %x, %x : tensor<?x8xf32>, tensor<?x8xf32>
}
adze.weight @emb from "emb" : !adze.weight<10x8, #adze.float<f32>>

// -----

// A tap shows rows when all threads have written them, and they stay until it
// has been called.
// CHECK-LABEL: func.func @tap
// CHECK: adze.launch @{{.*}}linear {{.*}}(%{{.*}}, %[[Y:.*]]) weights
// CHECK: adze.barrier
// CHECK: adze.tap_buffer %[[Y]] "after linear" rows tokens frame %{{.*}} : <64xf32>
// CHECK: adze.barrier
// CHECK: adze.launch @{{.*}}map {{.*}}(%[[Y]], %[[Y]]) sizes
// CHECK: adze.barrier
// CHECK: adze.launch @{{.*}}linear
adze.weight @w from "w" : !adze.weight<64x64, #adze.float<f32>, panels>
func.func @tap(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {adze.entry} {
  %y = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  adze.tap %y "after linear" : tensor<?x64xf32>
  %m = adze.map %y : tensor<?x64xf32> -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    %0 = arith.negf %a : f32
    adze.yield %0 : f32
  }
  %z = adze.linear %m, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %z : tensor<?x64xf32>
}

// -----

// A linear does not write over rows of the threads' own, and a map in shared
// bytes is not repeated. Own memory is used again; that of an entry lies behind
// that of the layers.
// CHECK-LABEL: func.func private @own
// CHECK: %[[A:[0-9]+]] = adze.arena %{{.*}} {adze.own = 0 : i64} : <64xf32>
// CHECK: adze.launch @{{.*}}rms_norm {{.*}}(%{{.*}}, %[[A]]) {{.*}}{adze.repeated}
// CHECK: %[[Y:[0-9]+]] = adze.arena %{{.*}} at #{{.*}} : <64xf32>
// CHECK: adze.barrier %{{.*}} {adze.several}
// CHECK: adze.launch @{{.*}}linear {{.*}}(%[[A]], %[[A]], %[[Y]]) weights
// CHECK: adze.barrier %{{[a-z0-9]+$}}
// CHECK: adze.launch @{{.*}}map {{.*}}(%[[Y]], %[[Y]]) sizes [64] :
// CHECK: %[[B:[0-9]+]] = adze.arena %{{.*}} {adze.own = 0 : i64} : <64xf32>
// CHECK: adze.barrier %{{[a-z0-9]+$}}
// CHECK: adze.launch @{{.*}}rms_norm {{.*}}(%[[Y]], %[[B]]) {{.*}}{adze.repeated}
// CHECK: adze.barrier %{{.*}} {adze.several}
// CHECK-LABEL: func.func @behind
// CHECK: adze.call_layers
// CHECK: adze.arena %{{.*}} {adze.own = 256 : i64} : <64xf32>
adze.weight @n from "n" : !adze.weight<64, #adze.float<f32>>
adze.weight @w from "w" : !adze.weight<64x64, #adze.float<f32>, panels>
func.func private @own(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %a = adze.rms_norm %x, @n eps 0.5 : tensor<?x64xf32>
  %y = adze.linear %a, @w captures(%a : tensor<?x64xf32>) {
  ^bb0(%0: f32, %1: f32):
    %2 = arith.addf %0, %1 : f32
    adze.yield %2 : f32
  } : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %m = adze.map %y : tensor<?x64xf32> -> tensor<?x64xf32> {
  ^bb0(%0: f32):
    %1 = arith.negf %0 : f32
    adze.yield %1 : f32
  }
  %b = adze.rms_norm %m, @n eps 0.5 : tensor<?x64xf32>
  %z = adze.linear %b, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %z : tensor<?x64xf32>
}
func.func @behind(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {adze.entry} {
  %h = adze.repeat 2 @own(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %n = adze.rms_norm %h, @n eps 0.5 : tensor<?x64xf32>
  %y = adze.linear %n, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// Two entries use one layer kind and one plan of its frame; each has its own
// buffers behind it.
// CHECK-LABEL: func.func private @shared
// CHECK-LABEL: func.func @first
// CHECK: adze.call_layers 2 from 0 @shared
// CHECK-LABEL: func.func @second
// CHECK: adze.call_layers 1 from 1 @shared
adze.weight @w from "w.{}" x 2 : !adze.weight<64x64, #adze.float<f32>, panels>
func.func private @shared(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %y = adze.linear %x, @w[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
func.func @first(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {adze.entry} {
  %h = adze.repeat 2 @shared(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %h : tensor<?x64xf32>
}
func.func @second(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {adze.entry} {
  %h = adze.repeat 1 from 1 @shared(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %h : tensor<?x64xf32>
}

// -----

// A private function that nobody applies goes.
// CHECK-LABEL: module
// CHECK-NOT: @nobody
// CHECK-LABEL: func.func @entry
func.func private @nobody(%l: index, %x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  return %x : tensor<?x8xf32>
}
func.func @entry(%x: tensor<?x8xf32>) -> tensor<?x8xf32> attributes {adze.entry} {
  return %x : tensor<?x8xf32>
}

// -----

// What two kinds of layers are given lies in one place: nothing is copied
// between them.
// CHECK-LABEL: func.func @given
// CHECK: adze.call_layers 1 from 0 @first
// CHECK-NOT: adze.launch
// CHECK: adze.call_layers 1 from 1 @second
func.func private @first(%l: index, %x: tensor<?x64xf32>, %r: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %y = adze.map %x, %r : tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.mulf %a, %b : f32
    adze.yield %0 : f32
  }
  return %y : tensor<?x64xf32>
}
func.func private @second(%l: index, %x: tensor<?x64xf32>, %r: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %y = adze.map %x, %r : tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.addf %a, %b : f32
    adze.yield %0 : f32
  }
  return %y : tensor<?x64xf32>
}
func.func @given(%x: tensor<?x64xf32>, %r: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {adze.entry} {
  %h = adze.repeat 1 @first(%x, %r) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %i = adze.repeat 1 from 1 @second(%h, %r) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  return %i : tensor<?x64xf32>
}
