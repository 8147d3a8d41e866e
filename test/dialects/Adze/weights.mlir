// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What weights, states and their expressions refuse. (Cn) is the constraint of
// the op's documentation.
// RUN: adze-opt %s -split-input-file -verify-diagnostics

// expected-error @below {{expects either a source tensor (from) or a body, got neither (C1)}}
adze.weight @weight_c1_neither : !adze.weight<2, #adze.float<f32>>

// -----

adze.weight @a from "a" : !adze.weight<2, #adze.float<f32>>
// expected-error @below {{expects either a source tensor (from) or a body, got both (C1)}}
adze.weight @weight_c1_both from "b" : !adze.weight<2, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<2, #adze.float<f32>>
  adze.yield %0 : !adze.weight<2, #adze.float<f32>>
}

// -----

// expected-error @below {{expects {} in the source name if and only if there is one weight per layer, got "w.0" (C2)}}
adze.weight @weight_c2 from "w.0" x 2 : !adze.weight<2, #adze.float<f32>>

// -----

// expected-error @below {{expects {} in the source name if and only if there is one weight per layer, got "w.{}" (C2)}}
adze.weight @weight_c2 from "w.{}" : !adze.weight<2, #adze.float<f32>>

// -----

// expected-error @below {{expects {} in the source name if and only if there is one weight per layer, got "w" (C2)}}
adze.weight @weight_c2 from "w" layers [0, 2] : !adze.weight<2, #adze.float<f32>>

// -----

// expected-error @below {{expects either a layer count or a list of layers, got both (C4)}}
adze.weight @weight_c4_both from "w.{}" x 3 layers [0, 2] : !adze.weight<2, #adze.float<f32>>

// -----

// expected-error @below {{expects ascending layers, got array<i64: 2, 0> (C4)}}
adze.weight @weight_c4_order from "w.{}" layers [2, 0] : !adze.weight<2, #adze.float<f32>>

// -----

// expected-error @below {{expects ascending layers, got array<i64: 1, 1> (C4)}}
adze.weight @weight_c4_twice from "w.{}" layers [1, 1] : !adze.weight<2, #adze.float<f32>>

// -----

// expected-error @below {{expects ascending layers, got array<i64: -1, 1> (C4)}}
adze.weight @weight_c4_negative from "w.{}" layers [-1, 1] : !adze.weight<2, #adze.float<f32>>

// -----

// expected-error @below {{expects ascending layers, got array<i64> (C4)}}
adze.weight @weight_c4_none from "w.{}" layers [] : !adze.weight<2, #adze.float<f32>>

// -----

// expected-error @below {{expects 1 to 65536 layers, got 0 (C5)}}
adze.weight @weight_count from "w.{}" x 0 : !adze.weight<2, #adze.float<f32>>

// -----

// expected-error @below {{expects 1 to 65536 layers, got 65537 (C5)}}
adze.weight @weight_c5 from "w.{}" x 65537 : !adze.weight<2, #adze.float<f32>>

// -----

// expected-error @below {{expects layers below 65536, got 65536 (C5)}}
adze.weight @weight_c5_list from "w.{}" layers [1, 65536] : !adze.weight<2, #adze.float<f32>>

// -----

adze.weight @a from "a" : !adze.weight<2, #adze.float<f32>>
// expected-error @below {{expects a body of one block without arguments}}
adze.weight @weight_block : !adze.weight<2, #adze.float<f32>> {
^bb0(%x: f32):
  %0 = adze.ref @a : !adze.weight<2, #adze.float<f32>>
  adze.yield %0 : !adze.weight<2, #adze.float<f32>>
}

// -----

// expected-error @below {{expects a body that yields one weight (C3)}}
adze.weight @weight_c3_none : !adze.weight<2, #adze.float<f32>> {
  "adze.yield"() : () -> ()
}

// -----

adze.weight @a from "a" : !adze.weight<2, #adze.float<f32>>
// expected-error @below {{expects its body to yield '!adze.weight<2, #adze.float<f16>>', got '!adze.weight<2, #adze.float<f32>>' (C3)}}
adze.weight @weight_c3 : !adze.weight<2, #adze.float<f16>> {
  %0 = adze.ref @a : !adze.weight<2, #adze.float<f32>>
  // expected-note @below {{yielded here}}
  adze.yield %0 : !adze.weight<2, #adze.float<f32>>
}

// -----

adze.weight @ref_c1_missing : !adze.weight<2, #adze.float<f32>> {
  // expected-error @below {{refers to @nothing, which is no weight of the module (C1)}}
  %0 = adze.ref @nothing : !adze.weight<2, #adze.float<f32>>
  adze.yield %0 : !adze.weight<2, #adze.float<f32>>
}

// -----

// expected-note @below {{declared here}}
adze.weight @a from "a" : !adze.weight<3, #adze.float<f32>>
adze.weight @ref_c1_type : !adze.weight<2, #adze.float<f32>> {
  // expected-error @below {{has type '!adze.weight<2, #adze.float<f32>>', but @a is a '!adze.weight<3, #adze.float<f32>>' (C1)}}
  %0 = adze.ref @a : !adze.weight<2, #adze.float<f32>>
  adze.yield %0 : !adze.weight<2, #adze.float<f32>>
}

// -----

// expected-note @below {{declared here}}
adze.weight @a from "a.{}" x 3 : !adze.weight<2, #adze.float<f32>>
adze.weight @ref_c2 x 2 : !adze.weight<2, #adze.float<f32>> {
  // expected-error @below {{reads a weight of 3 layers from one of 2 (C2)}}
  %0 = adze.ref @a : !adze.weight<2, #adze.float<f32>>
  adze.yield %0 : !adze.weight<2, #adze.float<f32>>
}

// -----

// A list may name some of the layers of what it reads, and no others.
// expected-note @below {{declared here}}
adze.weight @a from "a.{}" x 3 : !adze.weight<2, #adze.float<f32>>
adze.weight @some layers [0, 2] : !adze.weight<2, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<2, #adze.float<f32>>
  adze.yield %0 : !adze.weight<2, #adze.float<f32>>
}
adze.weight @ref_c2_list layers [0, 3] : !adze.weight<2, #adze.float<f32>> {
  // expected-error @below {{reads a weight of 3 layers from one of 2 (C2)}}
  %0 = adze.ref @a : !adze.weight<2, #adze.float<f32>>
  adze.yield %0 : !adze.weight<2, #adze.float<f32>>
}

// -----

// expected-note @below {{declared here}}
adze.weight @a from "a.{}" layers [0, 2] : !adze.weight<2, #adze.float<f32>>
adze.weight @ref_c2_count x 2 : !adze.weight<2, #adze.float<f32>> {
  // expected-error @below {{reads a weight of 2 layers from one of 2 (C2)}}
  %0 = adze.ref @a : !adze.weight<2, #adze.float<f32>>
  adze.yield %0 : !adze.weight<2, #adze.float<f32>>
}

// -----

adze.weight @a from "a" : !adze.weight<2x3, #adze.float<f32>>
adze.weight @b from "b" : !adze.weight<2x4, #adze.float<f32>>
adze.weight @concat_c1_columns : !adze.weight<4x3, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<2x3, #adze.float<f32>>
  %1 = adze.ref @b : !adze.weight<2x4, #adze.float<f32>>
  // expected-error @below {{expects inputs that differ in rows only, got '!adze.weight<2x3, #adze.float<f32>>' and '!adze.weight<2x4, #adze.float<f32>>' (C1)}}
  %2 = adze.concat %0, %1 : (!adze.weight<2x3, #adze.float<f32>>,
    !adze.weight<2x4, #adze.float<f32>>) -> !adze.weight<4x3, #adze.float<f32>>
  adze.yield %2 : !adze.weight<4x3, #adze.float<f32>>
}

// -----

adze.weight @a from "a" : !adze.weight<2x3, #adze.float<f32>>
adze.weight @concat_c1_result : !adze.weight<5x3, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<2x3, #adze.float<f32>>
  // expected-error @below {{expects a result of type '!adze.weight<4x3, #adze.float<f32>>', got '!adze.weight<5x3, #adze.float<f32>>' (C1)}}
  %2 = adze.concat %0, %0 : (!adze.weight<2x3, #adze.float<f32>>,
    !adze.weight<2x3, #adze.float<f32>>) -> !adze.weight<5x3, #adze.float<f32>>
  adze.yield %2 : !adze.weight<5x3, #adze.float<f32>>
}

// -----

adze.weight @concat_c1_none : !adze.weight<5x3, #adze.float<f32>> {
  // expected-error @below {{expects at least one input (C1)}}
  %2 = adze.concat : () -> !adze.weight<5x3, #adze.float<f32>>
  adze.yield %2 : !adze.weight<5x3, #adze.float<f32>>
}

// -----

adze.weight @a from "a" : !adze.weight<16x3, #adze.float<f32>>
adze.weight @interleave_c1 : !adze.weight<48x3, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<16x3, #adze.float<f32>>
  // expected-error @below {{expects a result of type '!adze.weight<32x3, #adze.float<f32>>'}}
  %2 = adze.interleave %0, %0 : !adze.weight<16x3, #adze.float<f32>>
    -> !adze.weight<48x3, #adze.float<f32>>
  adze.yield %2 : !adze.weight<48x3, #adze.float<f32>>
}

// -----

adze.weight @a from "a" : !adze.weight<16x3, #adze.float<f32>>
adze.weight @pad_heads_c1 : !adze.weight<48x3, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<16x3, #adze.float<f32>>
  // expected-error @below {{expects rows that are a multiple of heads, got 16 rows and 3 heads (C1)}}
  %2 = adze.pad_heads %0 heads 3 : !adze.weight<16x3, #adze.float<f32>>
    -> !adze.weight<48x3, #adze.float<f32>>
  adze.yield %2 : !adze.weight<48x3, #adze.float<f32>>
}

// -----

adze.weight @a from "a" : !adze.weight<6x3, #adze.float<f32>>
adze.weight @rotary_halves_c1 : !adze.weight<6x3, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<6x3, #adze.float<f32>>
  // expected-error @below {{expects rows that are a multiple of 2 * heads, got 6 rows and 2 heads (C1)}}
  %2 = adze.rotary_halves %0 heads 2 : !adze.weight<6x3, #adze.float<f32>>
    -> !adze.weight<6x3, #adze.float<f32>>
  adze.yield %2 : !adze.weight<6x3, #adze.float<f32>>
}

// -----

adze.weight @a from "a" : !adze.weight<6x3, #adze.float<f32>>
adze.weight @slice_c1 : !adze.weight<4x3, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<6x3, #adze.float<f32>>
  // expected-error @below {{expects rows within 0 to 6, got 4 from 3 (C1)}}
  %2 = adze.slice %0 from 3 : !adze.weight<6x3, #adze.float<f32>>
    -> !adze.weight<4x3, #adze.float<f32>>
  adze.yield %2 : !adze.weight<4x3, #adze.float<f32>>
}

// -----

adze.weight @a from "a" : !adze.weight<6x3, #adze.float<f32>>
adze.weight @slice_negative : !adze.weight<4x3, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<6x3, #adze.float<f32>>
  // expected-error @below {{expects rows within 0 to 6, got 4 from -1 (C1)}}
  %2 = adze.slice %0 from -1 : !adze.weight<6x3, #adze.float<f32>>
    -> !adze.weight<4x3, #adze.float<f32>>
  adze.yield %2 : !adze.weight<4x3, #adze.float<f32>>
}

// -----

adze.weight @a from "a" : !adze.weight<6x3, #adze.float<f32>>
adze.weight @slice_format : !adze.weight<4x3, #adze.float<bf16>> {
  %0 = adze.ref @a : !adze.weight<6x3, #adze.float<f32>>
  // expected-error @below {{expects a result of type '!adze.weight<4x3, #adze.float<f32>>', got '!adze.weight<4x3, #adze.float<bf16>>' (C1)}}
  %2 = adze.slice %0 from 0 : !adze.weight<6x3, #adze.float<f32>>
    -> !adze.weight<4x3, #adze.float<bf16>>
  adze.yield %2 : !adze.weight<4x3, #adze.float<bf16>>
}

// -----

adze.weight @a from "a" : !adze.weight<6x3, #adze.float<f32>>
adze.weight @spread_rows : !adze.weight<6x3, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<6x3, #adze.float<f32>>
  // expected-error @below {{expects rows that are a multiple of 2 * heads, got 6 rows and 2 heads (C1)}}
  %2 = adze.rotary_spread %0 heads 2 rotated 2 : !adze.weight<6x3, #adze.float<f32>> -> !adze.weight<6x3, #adze.float<f32>>
  adze.yield %2 : !adze.weight<6x3, #adze.float<f32>>
}

// -----

adze.weight @a from "a" : !adze.weight<6x3, #adze.float<f32>>
adze.weight @spread_odd : !adze.weight<6x3, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<6x3, #adze.float<f32>>
  // expected-error @below {{expects an even number of rotated rows of each head of 6, got 3 (C1)}}
  %2 = adze.rotary_spread %0 heads 1 rotated 3 : !adze.weight<6x3, #adze.float<f32>> -> !adze.weight<6x3, #adze.float<f32>>
  adze.yield %2 : !adze.weight<6x3, #adze.float<f32>>
}

// -----

adze.weight @a from "a" : !adze.weight<6x3, #adze.float<f32>>
adze.weight @spread_wide : !adze.weight<6x3, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<6x3, #adze.float<f32>>
  // expected-error @below {{expects an even number of rotated rows of each head of 6, got 8 (C1)}}
  %2 = adze.rotary_spread %0 heads 1 rotated 8 : !adze.weight<6x3, #adze.float<f32>> -> !adze.weight<6x3, #adze.float<f32>>
  adze.yield %2 : !adze.weight<6x3, #adze.float<f32>>
}

// -----

adze.weight @a from "a" : !adze.weight<6x3, #adze.float<f32>>
adze.weight @offset_infinite : !adze.weight<6x3, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<6x3, #adze.float<f32>>
  // expected-error @below {{expects a finite number of f32, got}}
  %2 = adze.offset %0 by 1.0e40 : !adze.weight<6x3, #adze.float<f32>>
  adze.yield %2 : !adze.weight<6x3, #adze.float<f32>>
}

// -----

adze.weight @a from "a" : !adze.weight<6x3, #adze.float<bf16>>
adze.weight @offset_format : !adze.weight<6x3, #adze.float<bf16>> {
  %0 = adze.ref @a : !adze.weight<6x3, #adze.float<bf16>>
  // expected-error @below {{expects a weight in f32, got '!adze.weight<6x3, #adze.float<bf16>>' (C1)}}
  %2 = adze.offset %0 by 1.0 : !adze.weight<6x3, #adze.float<bf16>>
  adze.yield %2 : !adze.weight<6x3, #adze.float<bf16>>
}

// -----

adze.weight @a from "a" : !adze.weight<6x3, #adze.float<bf16>>
adze.weight @s from "s" : !adze.weight<3, #adze.float<f32>>
adze.weight @columns_format : !adze.weight<6x3, #adze.float<bf16>> {
  %0 = adze.ref @a : !adze.weight<6x3, #adze.float<bf16>>
  // expected-error @below {{expects a weight in f32, got '!adze.weight<6x3, #adze.float<bf16>>' (C1)}}
  %2 = adze.scale_columns %0 by @s : !adze.weight<6x3, #adze.float<bf16>>
  adze.yield %2 : !adze.weight<6x3, #adze.float<bf16>>
}

// -----

adze.weight @a from "a" : !adze.weight<3, #adze.float<f32>>
adze.weight @s from "s" : !adze.weight<3, #adze.float<f32>>
adze.weight @columns_vector : !adze.weight<3, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<3, #adze.float<f32>>
  // expected-error @below {{expects a matrix, got '!adze.weight<3, #adze.float<f32>>' (C1)}}
  %2 = adze.scale_columns %0 by @s : !adze.weight<3, #adze.float<f32>>
  adze.yield %2 : !adze.weight<3, #adze.float<f32>>
}

// -----

adze.weight @a from "a" : !adze.weight<6x3, #adze.float<f32>>

adze.weight @columns_none : !adze.weight<6x3, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<6x3, #adze.float<f32>>
  // expected-error @below {{refers to @s, which is no weight of the module (C2)}}
  %2 = adze.scale_columns %0 by @s : !adze.weight<6x3, #adze.float<f32>>
  adze.yield %2 : !adze.weight<6x3, #adze.float<f32>>
}

// -----

adze.weight @a from "a" : !adze.weight<6x3, #adze.float<f32>>
// expected-note @below {{declared here}}
adze.weight @s from "s" : !adze.weight<6, #adze.float<f32>>
adze.weight @columns_size : !adze.weight<6x3, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<6x3, #adze.float<f32>>
  // expected-error @below {{expects a source of f32 with 3 elements, of the same layers or of the whole model, got '!adze.weight<6, #adze.float<f32>>' (C2)}}
  %2 = adze.scale_columns %0 by @s : !adze.weight<6x3, #adze.float<f32>>
  adze.yield %2 : !adze.weight<6x3, #adze.float<f32>>
}

// -----

adze.weight @a from "a" : !adze.weight<6x3, #adze.float<f16>>
adze.weight @s from "s" : !adze.weight<6, #adze.float<f32>>
adze.weight @rows_format : !adze.weight<6x3, #adze.float<f16>> {
  %0 = adze.ref @a : !adze.weight<6x3, #adze.float<f16>>
  // expected-error @below {{expects a weight in f32, got '!adze.weight<6x3, #adze.float<f16>>' (C1)}}
  %2 = adze.scale_rows %0 by @s : !adze.weight<6x3, #adze.float<f16>>
  adze.yield %2 : !adze.weight<6x3, #adze.float<f16>>
}

// -----

adze.weight @a from "a" : !adze.weight<6x3, #adze.float<f32>>
// expected-note @below {{declared here}}
adze.weight @s from "s" : !adze.weight<3, #adze.float<f32>>
adze.weight @rows_size : !adze.weight<6x3, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<6x3, #adze.float<f32>>
  // expected-error @below {{expects a source of f32 with 6 elements, of the same layers or of the whole model, got '!adze.weight<3, #adze.float<f32>>' (C2)}}
  %2 = adze.scale_rows %0 by @s : !adze.weight<6x3, #adze.float<f32>>
  adze.yield %2 : !adze.weight<6x3, #adze.float<f32>>
}

// -----

adze.weight @a from "a" : !adze.weight<6x3, #adze.float<f32>>
// expected-note @below {{declared here}}
adze.weight @s from "s.{}" x 4 : !adze.weight<6, #adze.float<f32>>
adze.weight @rows_layers x 3 : !adze.weight<6x3, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<6x3, #adze.float<f32>>
  // expected-error @below {{expects a source of f32 with 6 elements, of the same layers}}
  %2 = adze.scale_rows %0 by @s inverse : !adze.weight<6x3, #adze.float<f32>>
  adze.yield %2 : !adze.weight<6x3, #adze.float<f32>>
}

// -----

adze.weight @a from "a" : !adze.weight<6x3, #adze.float<f32>>
// expected-note @below {{declared here}}
adze.weight @s : !adze.weight<6, #adze.float<f32>> {
  %0 = adze.ref @t : !adze.weight<6, #adze.float<f32>>
  adze.yield %0 : !adze.weight<6, #adze.float<f32>>
}
adze.weight @t from "t" : !adze.weight<6, #adze.float<f32>>
adze.weight @rows_source : !adze.weight<6x3, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<6x3, #adze.float<f32>>
  // expected-error @below {{expects a source of f32 with 6 elements}}
  %2 = adze.scale_rows %0 by @s : !adze.weight<6x3, #adze.float<f32>>
  adze.yield %2 : !adze.weight<6x3, #adze.float<f32>>
}

// -----

adze.weight @a from "a" : !adze.weight<6x3, #adze.float<f32>>
adze.weight @cast_c1 : !adze.weight<5x3, #adze.float<bf16>> {
  %0 = adze.ref @a : !adze.weight<6x3, #adze.float<f32>>
  // expected-error @below {{expects a result of type '!adze.weight<6x3, #adze.float<bf16>>', got '!adze.weight<5x3, #adze.float<bf16>>' (C1)}}
  %2 = adze.cast %0 : !adze.weight<6x3, #adze.float<f32>>
    -> !adze.weight<5x3, #adze.float<bf16>>
  adze.yield %2 : !adze.weight<5x3, #adze.float<bf16>>
}

// -----

adze.weight @a from "a" : !adze.weight<6x3, #adze.float<f32>>
adze.weight @pack_c1_twice : !adze.weight<6x3, #adze.float<f32>, panels> {
  %0 = adze.ref @a : !adze.weight<6x3, #adze.float<f32>>
  %1 = adze.pack %0 : !adze.weight<6x3, #adze.float<f32>>
    -> !adze.weight<6x3, #adze.float<f32>, panels>
  // expected-error @below {{expects an input in the layout rows, got '!adze.weight<6x3, #adze.float<f32>, panels>' (C1)}}
  %2 = adze.pack %1 : !adze.weight<6x3, #adze.float<f32>, panels>
    -> !adze.weight<6x3, #adze.float<f32>, panels>
  adze.yield %2 : !adze.weight<6x3, #adze.float<f32>, panels>
}

// -----

adze.weight @a from "a" : !adze.weight<6x3, #adze.float<f32>>
adze.weight @pack_c1_result : !adze.weight<6x3, #adze.float<f32>> {
  %0 = adze.ref @a : !adze.weight<6x3, #adze.float<f32>>
  // expected-error @below {{expects a result of type '!adze.weight<6x3, #adze.float<f32>, panels>'}}
  %1 = adze.pack %0 : !adze.weight<6x3, #adze.float<f32>>
    -> !adze.weight<6x3, #adze.float<f32>>
  adze.yield %1 : !adze.weight<6x3, #adze.float<f32>>
}

// -----

// expected-error @below {{expects positive dimensions, got 0}}
adze.weight @type_dimension from "a" : !adze.weight<0x3, #adze.float<f32>>

// -----

// expected-error @below {{expects a weight of one or two dimensions, got 3}}
adze.weight @type_rank from "a" : !adze.weight<2x2x2, #adze.float<f32>>

// -----

// expected-error @below {{expects a matrix in the layout panels, got a vector}}
adze.weight @type_layout from "a" : !adze.weight<2, #adze.float<f32>, panels>

// -----

// expected-error @below {{expects a layout (rows or panels), got tiles}}
adze.weight @type_layout from "a" : !adze.weight<2x2, #adze.float<f32>, tiles>

// -----

// expected-error @below {{expects f32, f16 or bf16, got 'f64'}}
adze.weight @format from "a" : !adze.weight<2, #adze.float<f64>>

// -----

// expected-error @below {{expects positive heads and head size, got 0 and 4}}
adze.state @kv_heads : !adze.kv<0x4xf32>

// -----

// expected-error @below {{expects f32, f16, bf16 or i8 keys and values, got 'i16'}}
adze.state @kv_type : !adze.kv<1x4xi16>
