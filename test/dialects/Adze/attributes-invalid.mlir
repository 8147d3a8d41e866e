// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What types and attributes refuse that no op refuses first.
// RUN: adze-opt %s -split-input-file -verify-diagnostics

// expected-error @below {{expects a head size of 1 to 65536, got 0}}
#sink = #adze.heads<0, [#adze.head<1, store>]>

// -----

// expected-error @below {{expects 1 to 65536 heads, got 0}}
#sink = #adze.heads<2, [#adze.head<0, store>]>

// -----

// The columns stored would be beyond 64 bits.
// expected-error @below {{expects 1 to 65536 heads, got 4611686018427387904}}
#sink = #adze.heads<4, [#adze.head<4611686018427387904, store>]>

// -----

// expected-error @below {{expected 'eps'}}
// expected-error @below {{failed to parse Adze_HeadSinkAttr parameter 'chains'}}
#sink = #adze.heads<2, [#adze.head<1, norm = @n, store>]>

// -----

// expected-error @below {{expects a weight format such as #adze.float<f32>}}
adze.weight @format_kind from "a" : !adze.weight<2, #adze.mask<causal>>

// -----

// expected-error @below {{expects heads x head size x element type}}
adze.state @kv_rank : !adze.kv<4xf32>

// -----

// expected-error @below {{expects columns x element type}}
func.func private @buffer_rank(!adze.buffer<2x64xf32>)

// -----

// expected-error @below {{expects columns of numbers, got 'complex<f32>'}}
func.func private @buffer_columns(!adze.buffer<4xcomplex<f32>>)

// -----

// expected-error @below {{expects at most 65536 heads of 65536, got 65537 and 4}}
adze.state @kv_heads : !adze.kv<65537x4xf32>

// -----

// expected-error @below {{expects at most 65536 heads of 65536, got 1 and 65537}}
adze.state @kv_dim : !adze.kv<1x65537xf32>

// -----

// expected-error @below {{expects 1 to 65536 layers, got 0 (C1)}}
adze.state @kv_none x 0 : !adze.kv<1x4xf32>

// -----

// expected-error @below {{expects 1 to 65536 layers, got 65537 (C1)}}
adze.state @kv_many x 65537 : !adze.kv<1x4xf32>

// -----

// The product is beyond 64 bits.
// expected-error @below {{expects at most 1099511627776 elements, got 4294967296x4294967296}}
adze.weight @elements from "a" : !adze.weight<4294967296x4294967296, #adze.float<f32>>
