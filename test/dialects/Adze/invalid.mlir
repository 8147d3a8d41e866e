// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What ops of the model and fused level refuse. (Cn) is the constraint of the
// op's documentation.
// RUN: adze-opt %s -split-input-file -verify-diagnostics

// expected-note @below {{declared here}}
adze.weight @w from "w" : !adze.weight<4x3, #adze.float<f32>>
func.func @embed_c1(%t: tensor<?xi32>) {
  // expected-error @below {{expects a table of rows of 2 elements, got '!adze.weight<4x3, #adze.float<f32>>' (C1)}}
  %x = adze.embed %t, @w : tensor<?xi32> -> tensor<?x2xf32>
  return
}

// -----

func.func @embed_missing(%t: tensor<?xi32>) {
  // expected-error @below {{refers to @w, which is no weight of the module}}
  %x = adze.embed %t, @w : tensor<?xi32> -> tensor<?x2xf32>
  return
}

// -----

// expected-note @below {{declared here}}
adze.weight @w from "w" : !adze.weight<4x3, #adze.float<f32>>
func.func @linear_c1(%x: tensor<?x2xf32>) {
  // expected-error @below {{expects a weight of N x 2, got '!adze.weight<4x3, #adze.float<f32>>' (C1)}}
  %y = adze.linear %x, @w : (tensor<?x2xf32>) -> tensor<?x4xf32>
  return
}

// -----

adze.weight @w from "w" : !adze.weight<4x3, #adze.float<f32>>
// expected-note @below {{declared here}}
adze.weight @b from "b" : !adze.weight<3, #adze.float<f32>>
func.func @linear_c1_bias(%x: tensor<?x3xf32>) {
  // expected-error @below {{expects a bias of 4 elements, got '!adze.weight<3, #adze.float<f32>>' (C1)}}
  %y = adze.linear %x, @w bias @b : (tensor<?x3xf32>) -> tensor<?x4xf32>
  return
}

// -----

// expected-note @below {{declared here}}
adze.weight @w from "w" : !adze.weight<4x3, #adze.float<f32>>
func.func @linear_c2(%x: tensor<?x3xf32>) {
  // expected-error @below {{expects a weight of 5 rows for its result, got '!adze.weight<4x3, #adze.float<f32>>' (C2)}}
  %y = adze.linear %x, @w : (tensor<?x3xf32>) -> tensor<?x5xf32>
  return
}

// -----

// expected-note @below {{declared here}}
adze.weight @w from "w" : !adze.weight<48x3, #adze.float<f32>>
func.func @linear_c2_streams(%x: tensor<?x3xf32>) {
  // expected-error @below {{expects a weight of 64 rows for its result}}
  %y = adze.linear %x, @w streams 2 {
  ^bb0(%a: f32, %b: f32):
    adze.yield %a : f32
  } : (tensor<?x3xf32>) -> tensor<?x17xf32>
  return
}

// -----

adze.weight @w from "w" : !adze.weight<4x3, #adze.float<f32>>
func.func @linear_c2_no_result(%x: tensor<?x3xf32>) {
  // expected-error @below {{expects a result, since it has no sink (C2)}}
  adze.linear %x, @w : (tensor<?x3xf32>)
  return
}

// -----

adze.weight @w from "w" : !adze.weight<4x3, #adze.float<f32>>
func.func @linear_c2_sink(%x: tensor<?x3xf32>) {
  // expected-error @below {{expects a result of 4 columns, the heads stored (C2)}}
  adze.linear %x, @w sink #adze.heads<2, [#adze.head<2, store>]> {} : (tensor<?x3xf32>) -> tensor<?x2xf32>
  return
}

// -----

adze.weight @w from "w" : !adze.weight<4x3, #adze.float<f32>>
func.func @linear_c3_arguments(%x: tensor<?x3xf32>) {
  // expected-error @below {{expects a region of 1 arguments, got 2 (C3)}}
  %y = adze.linear %x, @w {
  ^bb0(%a: f32, %b: f32):
    adze.yield %a : f32
  } : (tensor<?x3xf32>) -> tensor<?x4xf32>
  return
}

// -----

adze.weight @w from "w" : !adze.weight<4x3, #adze.float<f32>>
func.func @linear_c3_types(%x: tensor<?x3xf32>) {
  // expected-error @below {{expects region arguments of type f32, got 'f16' (C3)}}
  %y = adze.linear %x, @w {
  ^bb0(%a: f16):
    %0 = arith.extf %a : f16 to f32
    adze.yield %0 : f32
  } : (tensor<?x3xf32>) -> tensor<?x4xf32>
  return
}

// -----

adze.weight @w from "w" : !adze.weight<4x3, #adze.float<f32>>
func.func @linear_c3_yield(%x: tensor<?x3xf32>) {
  // expected-error @below {{expects a region that yields one f32 (C3)}}
  %y = adze.linear %x, @w {
  ^bb0(%a: f32):
    adze.yield %a, %a : f32, f32
  } : (tensor<?x3xf32>) -> tensor<?x4xf32>
  return
}

// -----

adze.weight @w from "w" : !adze.weight<4x3, #adze.float<f32>>
func.func private @impure(f32) -> f32
func.func @linear_c3_pure(%x: tensor<?x3xf32>) {
  // expected-error @below {{expects pure elementwise ops in its region, got 'func.call' (C3)}}
  %y = adze.linear %x, @w {
  ^bb0(%a: f32):
    // expected-note @below {{this op}}
    %0 = func.call @impure(%a) : (f32) -> f32
    adze.yield %0 : f32
  } : (tensor<?x3xf32>) -> tensor<?x4xf32>
  return
}

// -----

adze.weight @w from "w" : !adze.weight<4x3, #adze.float<f32>>
func.func @linear_c3_captures(%x: tensor<?x3xf32>, %c: tensor<?x4xf32>) {
  // expected-error @below {{expects a region that uses its captures (C3)}}
  %y = adze.linear %x, @w captures(%c : tensor<?x4xf32>)
    : (tensor<?x3xf32>) -> tensor<?x4xf32>
  return
}

// -----

adze.weight @w from "w" : !adze.weight<4x3, #adze.float<f32>>
func.func @linear_c3_capture_columns(%x: tensor<?x3xf32>, %c: tensor<?x5xf32>) {
  // expected-error @below {{expects captures of 4 columns, got 5 (C3)}}
  %y = adze.linear %x, @w captures(%c : tensor<?x5xf32>) {
  ^bb0(%a: f32, %b: f32):
    adze.yield %a : f32
  } : (tensor<?x3xf32>) -> tensor<?x4xf32>
  return
}

// -----

adze.weight @w from "w" : !adze.weight<32x3, #adze.float<f32>>
func.func @linear_c3_streams(%x: tensor<?x3xf32>) {
  // expected-error @below {{expects a region that joins its two streams (C3)}}
  %y = adze.linear %x, @w streams 2 : (tensor<?x3xf32>) -> tensor<?x16xf32>
  return
}

// -----

adze.weight @w from "w" : !adze.weight<48x3, #adze.float<f32>>
func.func @linear_streams(%x: tensor<?x3xf32>) {
  // expected-error @below {{expects one or two streams, got 3}}
  %y = adze.linear %x, @w streams 3 : (tensor<?x3xf32>) -> tensor<?x16xf32>
  return
}

// -----

// expected-note @below {{declared here}}
adze.weight @w from "w.{}" x 2 : !adze.weight<4x3, #adze.float<f32>>
func.func @linear_c4(%x: tensor<?x3xf32>) {
  // expected-error @below {{expects a layer index, since @w is one weight per layer (C4)}}
  %y = adze.linear %x, @w : (tensor<?x3xf32>) -> tensor<?x4xf32>
  return
}

// -----

adze.weight @w from "w" : !adze.weight<4x3, #adze.float<f32>>
func.func @linear_c5_rope(%x: tensor<?x3xf32>) {
  // expected-error @below {{expects a rotary table of 2 columns for a sink that rotates (C5)}}
  %y = adze.linear %x, @w sink #adze.heads<2, [#adze.head<2, rotary, store>]> {} : (tensor<?x3xf32>) -> tensor<?x4xf32>
  return
}

// -----

adze.weight @w from "w" : !adze.weight<4x3, #adze.float<f32>>
func.func @linear_c5_cache(%x: tensor<?x3xf32>) {
  // expected-error @below {{expects a cache and a batch for a sink that appends (C5)}}
  adze.linear %x, @w sink #adze.heads<2, [#adze.head<1, key>, #adze.head<1, value>]> {} : (tensor<?x3xf32>)
  return
}

// -----

adze.weight @w from "w" : !adze.weight<4x3, #adze.float<f32>>
func.func @linear_both(%x: tensor<?x3xf32>) {
  // expected-error @below {{expects either a sink or a region, got both}}
  %y = adze.linear %x, @w sink #adze.heads<2, [#adze.head<2, store>]> {
  ^bb0(%a: f32):
    adze.yield %a : f32
  } : (tensor<?x3xf32>) -> tensor<?x4xf32>
  return
}

// -----

adze.weight @w from "w" : !adze.weight<4x3, #adze.float<f32>>
func.func @linear_c3_blocks(%x: tensor<?x3xf32>) {
  // expected-error @below {{expects a region of one block (C3)}}
  %y = adze.linear %x, @w {
  ^bb0(%a: f32):
    cf.br ^bb1
  ^bb1:
    adze.yield %a : f32
  } : (tensor<?x3xf32>) -> tensor<?x4xf32>
  return
}

// -----

// expected-error @below {{expects one chain at most that goes to store}}
#sink = #adze.heads<2, [#adze.head<1, store>, #adze.head<1, store>]>

// -----

// expected-error @below {{expects an even head size for a rotary chain, got 3}}
#sink = #adze.heads<3, [#adze.head<1, rotary, store>]>

// -----

// expected-error @below {{expects store, key or value, got keep}}
// expected-error @below {{failed to parse Adze_HeadSinkAttr parameter 'chains'}}
#sink = #adze.heads<2, [#adze.head<1, keep>]>

// -----

// expected-error @below {{expects a window of at least one position, got -1}}
#mask = #adze.mask<causal, window = -1>

// -----

// expected-note @below {{declared here}}
adze.weight @w from "w" : !adze.weight<3, #adze.float<f32>>
func.func @rms_norm_c1(%x: tensor<?x4xf32>) {
  // expected-error @below {{expects a weight of 4 elements, got '!adze.weight<3, #adze.float<f32>>' (C1)}}
  %y = adze.rms_norm %x, @w eps 1.0e-5 : tensor<?x4xf32>
  return
}

// -----

adze.weight @w from "w" : !adze.weight<3, #adze.float<f32>>
func.func @rms_norm_c1_heads(%x: tensor<?x4xf32>) {
  // expected-error @below {{expects columns that are a multiple of heads, got 4 and 3 (C1)}}
  %y = adze.rms_norm %x, @w eps 1.0e-5 heads 3 : tensor<?x4xf32>
  return
}

// -----

func.func @rotary_table_c1(%b: !adze.batch) {
  // expected-error @below {{expects 4 columns, twice the frequencies, got 6 (C1)}}
  %t = adze.rotary_table %b freqs [1.0, 0.1] : tensor<?x6xf32>
  return
}

// -----

func.func @rotary_c1(%x: tensor<?x6xf32>, %t: tensor<?x2xf32>) {
  // expected-error @below {{expects columns that are a multiple of 2 * heads, got 6 and 2 heads (C1)}}
  %y = adze.rotary %x, %t heads 2 half : tensor<?x6xf32>, tensor<?x2xf32>
  return
}

// -----

func.func @rotary_c1_table(%x: tensor<?x8xf32>, %t: tensor<?x2xf32>) {
  // expected-error @below {{expects a table of 4 columns, the head size, got 2 (C1)}}
  %y = adze.rotary %x, %t heads 2 half : tensor<?x8xf32>, tensor<?x2xf32>
  return
}

// -----

adze.state @kv : !adze.kv<1x4xf32>
func.func @attention_c1(%q: tensor<?x6xf32>, %b: !adze.batch) {
  // expected-error @below {{expects q of 8 columns, 2 heads of 4, got 6 (C1)}}
  %a = adze.attention %q cache @kv at %b heads 2 kv_heads 1 scale 1.0
    mask <causal> : tensor<?x6xf32>
  return
}

// -----

adze.state @kv : !adze.kv<2x4xf32>
func.func @attention_c2(%q: tensor<?x12xf32>, %b: !adze.batch) {
  // expected-error @below {{expects heads that are a multiple of kv_heads, got 3 and 2 (C2)}}
  %a = adze.attention %q cache @kv at %b heads 3 kv_heads 2 scale 1.0
    mask <causal> : tensor<?x12xf32>
  return
}

// -----

// expected-note @below {{declared here}}
adze.state @kv : !adze.kv<2x4xf32>
func.func @attention_c2_cache(%q: tensor<?x8xf32>, %b: !adze.batch) {
  // expected-error @below {{expects a cache of 1 heads, got '!adze.kv<2x4xf32>' (C2)}}
  %a = adze.attention %q cache @kv at %b heads 2 kv_heads 1 scale 1.0
    mask <causal> : tensor<?x8xf32>
  return
}

// -----

adze.state @kv x 2 : !adze.kv<1x4xf32>
func.func @attention_layer(%q: tensor<?x8xf32>, %b: !adze.batch) {
  // expected-error @below {{expects a layer index, since @kv is one cache per layer}}
  %a = adze.attention %q cache @kv at %b heads 2 kv_heads 1 scale 1.0
    mask <causal> : tensor<?x8xf32>
  return
}

// -----

func.func @attention_state(%q: tensor<?x8xf32>, %b: !adze.batch) {
  // expected-error @below {{refers to @kv, which is no state of the module}}
  %a = adze.attention %q cache @kv at %b heads 2 kv_heads 1 scale 1.0
    mask <causal> : tensor<?x8xf32>
  return
}

// -----

adze.state @kv : !adze.kv<1x4xf32>
func.func @attention_pair(%q: tensor<?x8xf32>, %k: tensor<?x4xf32>, %b: !adze.batch) {
  // expected-error @below {{expects keys and values together}}
  %a = "adze.attention"(%q, %k, %b) <{cache = @kv, heads = 2 : i64,
      kv_heads = 1 : i64, scale = 1.0 : f64, mask = #adze.mask<causal>,
      operandSegmentSizes = array<i32: 1, 1, 0, 0, 1>}>
      : (tensor<?x8xf32>, tensor<?x4xf32>, !adze.batch) -> tensor<?x8xf32>
  return
}

// -----

adze.state @kv : !adze.kv<1x4xf32>
func.func @attention_c1_keys(%q: tensor<?x8xf32>, %k: tensor<?x6xf32>, %v: tensor<?x4xf32>, %b: !adze.batch) {
  // expected-error @below {{expects k of 4 columns, 1 heads of 4, got 6 (C1)}}
  %a = adze.attention %q, %k, %v cache @kv at %b heads 2 kv_heads 1 scale 1.0
    mask <causal> : tensor<?x8xf32>, tensor<?x6xf32>, tensor<?x4xf32>
  return
}

// -----

adze.state @kv : !adze.kv<1x4xf32>
func.func @attention_c1_values(%q: tensor<?x8xf32>, %k: tensor<?x4xf32>, %v: tensor<?x6xf32>, %b: !adze.batch) {
  // expected-error @below {{expects v of 4 columns, 1 heads of 4, got 6 (C1)}}
  %a = adze.attention %q, %k, %v cache @kv at %b heads 2 kv_heads 1 scale 1.0
    mask <causal> : tensor<?x8xf32>, tensor<?x4xf32>, tensor<?x6xf32>
  return
}

// -----

adze.state @kv : !adze.kv<1x4xf32>
func.func @kv_append_c1(%k: tensor<?x6xf32>, %b: !adze.batch) {
  // expected-error @below {{expects 4 columns for '!adze.kv<1x4xf32>', got 6 (C1)}}
  adze.kv_append %k, %k cache @kv at %b : tensor<?x6xf32>, tensor<?x6xf32>
  return
}

// -----

func.func @map_c1(%x: tensor<?x6xf32>, %y: tensor<?x5xf32>) {
  // expected-error @below {{expects inputs of the shape of 'tensor<?x6xf32>', got 'tensor<?x5xf32>' (C1)}}
  %m = adze.map %x, %y : tensor<?x6xf32>, tensor<?x5xf32> -> tensor<?x6xf32> {
  ^bb0(%a: f32, %b: f32):
    adze.yield %a : f32
  }
  return
}

// -----

func.func @map_c1_none() {
  // expected-error @below {{expects at least one input (C1)}}
  %m = "adze.map"() ({
    %c = arith.constant 1.0 : f32
    adze.yield %c : f32
  }) : () -> tensor<?x6xf32>
  return
}

// -----

func.func @map_c2(%x: tensor<?x6xf32>) {
  // expected-error @below {{expects a region of 1 arguments, got 0 (C2)}}
  %m = adze.map %x : tensor<?x6xf32> -> tensor<?x6xf32> {
    %c = arith.constant 1.0 : f32
    adze.yield %c : f32
  }
  return
}

// -----

func.func @repeat_c1_missing(%x: tensor<?x6xf32>) {
  // expected-error @below {{refers to @layer, which is no function of the module (C1)}}
  %y = adze.repeat 2 @layer(%x) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

// expected-note @below {{defined here}}
func.func private @layer(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  return %x : tensor<?x6xf32>
}
func.func @repeat_c1(%x: tensor<?x6xf32>) {
  // expected-error @below {{expects a callee of type '(index, tensor<?x6xf32>) -> tensor<?x6xf32>', got '(tensor<?x6xf32>) -> tensor<?x6xf32>' (C1)}}
  %y = adze.repeat 2 @layer(%x) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

// expected-note @below {{declared here}}
adze.weight @w from "w.{}" x 2 : !adze.weight<3x3, #adze.float<f32>>
func.func private @layer(%l: index, %x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %y = adze.linear %x, @w[%l] : (tensor<?x3xf32>) -> tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}
func.func @repeat_c2(%x: tensor<?x3xf32>) {
  // expected-error @below {{runs layers up to 2, but @w has none for layer 2 (C2)}}
  %y = adze.repeat 2 from 1 @layer(%x) : (tensor<?x3xf32>) -> tensor<?x3xf32>
  return
}

// -----

// expected-note @below {{declared here}}
adze.weight @w from "w.{}" layers [0, 1, 3] : !adze.weight<3x3, #adze.float<f32>>
func.func private @layer(%l: index, %x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %y = adze.linear %x, @w[%l] : (tensor<?x3xf32>) -> tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}
func.func @repeat_c2_list(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %y = adze.repeat 2 @layer(%x) : (tensor<?x3xf32>) -> tensor<?x3xf32>
  %z = adze.repeat 1 from 3 @layer(%y) : (tensor<?x3xf32>) -> tensor<?x3xf32>
  %none = adze.repeat 0 from 2 @layer(%z) : (tensor<?x3xf32>) -> tensor<?x3xf32>
  // expected-error @below {{runs layers up to 3, but @w has none for layer 2 (C2)}}
  %w = adze.repeat 3 from 1 @layer(%none) : (tensor<?x3xf32>) -> tensor<?x3xf32>
  return %w : tensor<?x3xf32>
}

// -----

// expected-note @below {{declared here}}
adze.state @kv x 2 : !adze.kv<1x4xf32>
func.func private @layer(%l: index, %q: tensor<?x8xf32>, %b: !adze.batch) -> tensor<?x8xf32> {
  %a = adze.attention %q cache @kv[%l] at %b heads 2 kv_heads 1 scale 1.0
    mask <causal> : tensor<?x8xf32>
  return %a : tensor<?x8xf32>
}
func.func @repeat_c2_state(%q: tensor<?x8xf32>, %b: !adze.batch) {
  // expected-error @below {{runs layers up to 2, but @kv has none for layer 2 (C2)}}
  %a = adze.repeat 3 @layer(%q, %b) : (tensor<?x8xf32>, !adze.batch) -> tensor<?x8xf32>
  return
}

// -----

adze.weight @w from "w.{}" x 2 : !adze.weight<4x3, #adze.float<f32>>
// expected-note @below {{declared here}}
adze.weight @n from "n.{}" x 1 : !adze.weight<2, #adze.float<f32>>
func.func private @layer(%l: index, %x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %y = adze.linear %x, @w[%l] sink #adze.heads<2, [#adze.head<2, norm = @n, eps = 1.0e-5, store>]> {} : (tensor<?x3xf32>) -> tensor<?x4xf32>
  return %x : tensor<?x3xf32>
}
func.func @repeat_c2_norm(%x: tensor<?x3xf32>) {
  // expected-error @below {{runs layers up to 1, but @n has none for layer 1 (C2)}}
  %y = adze.repeat 2 @layer(%x) : (tensor<?x3xf32>) -> tensor<?x3xf32>
  return
}

// -----

func.func private @layer(%l: index, %x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  return %x : tensor<?x6xf32>
}
func.func @repeat_c3_negative(%x: tensor<?x6xf32>) {
  // expected-error @below {{expects layers within 0 to 65536, got -1 from 0 (C3)}}
  %y = adze.repeat -1 @layer(%x) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

func.func private @layer(%l: index, %x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  return %x : tensor<?x6xf32>
}
func.func @repeat_c3_first(%x: tensor<?x6xf32>) {
  // expected-error @below {{expects layers within 0 to 65536, got 1 from -1 (C3)}}
  %y = adze.repeat 1 from -1 @layer(%x) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

// The sum is beyond 64 bits.
func.func private @layer(%l: index, %x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  return %x : tensor<?x6xf32>
}
func.func @repeat_c3_sum(%x: tensor<?x6xf32>) {
  // expected-error @below {{expects layers within 0 to 65536, got 9223372036854775807 from 1 (C3)}}
  %y = adze.repeat 9223372036854775807 from 1 @layer(%x) : (tensor<?x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

func.func @quantize_c1_size(%x: tensor<?x64xf32>) {
  // expected-error @below {{expects a group of 0 or a multiple of 16, got 24 (C1)}}
  %q = adze.quantize %x group 24 : tensor<?x64xf32>
  return
}

// -----

func.func @quantize_c1_sign(%x: tensor<?x64xf32>) {
  // expected-error @below {{expects a group of 0 or a multiple of 16, got -16 (C1)}}
  %q = adze.quantize %x group -16 : tensor<?x64xf32>
  return
}

// -----

func.func @quantize_c2_name(%x: tensor<?x64xf32>) {
  // expected-error @below {{refers to @none, which is no weight of the module}}
  %q = adze.quantize %x group 16 ranges @none : tensor<?x64xf32>
  return
}

// -----

// expected-note @below {{declared here}}
adze.weight @r from "r" : !adze.weight<2, #adze.float<f32>>
func.func @quantize_c2_size(%x: tensor<?x70xf32>) {
  // expected-error @below {{expects a vector of ranges of 5 elements, got '!adze.weight<2, #adze.float<f32>>' (C2)}}
  %q = adze.quantize %x group 16 ranges @r : tensor<?x70xf32>
  return
}

// -----

// expected-note @below {{declared here}}
adze.weight @r from "r" : !adze.weight<2, #adze.float<f32>>
func.func @quantize_c2_row(%x: tensor<?x64xf32>) {
  // expected-error @below {{expects a vector of ranges of 1 elements}}
  %q = adze.quantize %x ranges @r : tensor<?x64xf32>
  return
}

// -----

// expected-note @below {{declared here}}
adze.weight @h from "h" : !adze.weight<4, #adze.float<f16>>
func.func @quantize_c2_type(%x: tensor<?x64xf32>) {
  // expected-error @below {{expects ranges in f32, got '!adze.weight<4, #adze.float<f16>>' (C2)}}
  %q = adze.quantize %x group 16 ranges @h : tensor<?x64xf32>
  return
}

// -----

// expected-note @below {{declared here}}
adze.weight @l from "l.{}" x 3 : !adze.weight<4, #adze.float<f32>>
func.func @quantize_c2_layer(%x: tensor<?x64xf32>) {
  // expected-error @below {{expects a layer index, since @l is one weight per layer (C2)}}
  %q = adze.quantize %x group 16 ranges @l : tensor<?x64xf32>
  return
}

// -----

func.func @quantize_c2_no_ranges(%x: tensor<?x64xf32>, %l: index) {
  // expected-error @below {{gives a layer, and no ranges (C2)}}
  %q = "adze.quantize"(%x, %l) : (tensor<?x64xf32>, index) -> tensor<?x64xf32>
  return
}

// -----

func.func @quantize_rows(%x: tensor<?xf32>) {
  // expected-error @below {{operand #0 must be rows of an activation, but got 'tensor<?xf32>'}}
  %q = adze.quantize %x : tensor<?xf32>
  return
}

// -----

func.func @no_columns(%x: tensor<?x0xf32>) {
  // expected-error @below {{operand #0 must be rows of an activation, but got 'tensor<?x0xf32>'}}
  %q = adze.quantize %x : tensor<?x0xf32>
  return
}

// -----

// expected-error @below {{expects i8 codes in quantized rows, got 'f32'}}
func.func private @buffer_codes(!adze.buffer<64xf32, group 32, sums 32>)

// -----

// expected-error @below {{expects sums that divide the group of 32, got 24}}
func.func private @buffer_sums(!adze.buffer<64xi8, group 32, sums 24>)

// -----

// expected-error @below {{expects a group and sums for quantized rows, got 32 and 0}}
func.func private @buffer_no_sums(!adze.buffer<64xi8, group 32, sums 0>)

// -----

// expected-error @below {{expects a group and sums for quantized rows, got -16 and -16}}
func.func private @buffer_negative(!adze.buffer<64xi8, group -16, sums -16>)

// -----

// expected-error @below {{expected 'sums'}}
func.func private @buffer_syntax(!adze.buffer<64xi8, group 32, 32>)

// -----

adze.weight @w from "w" : !adze.weight<3x3, #adze.float<f32>>
func.func @weight_tensor() {
  // expected-error @below {{expects a tensor of the shape of '!adze.weight<3x3, #adze.float<f32>>', got 'tensor<3x4xf32>'}}
  %w = adze.weight_tensor @w : tensor<3x4xf32>
  return
}

// -----

adze.weight @w from "w" : !adze.weight<3x3, #adze.float<f32>>
func.func @weight_tensor_type() {
  // expected-error @below {{expects a tensor of floats, got 'tensor<3x3xi32>'}}
  %w = adze.weight_tensor @w : tensor<3x3xi32>
  return
}
