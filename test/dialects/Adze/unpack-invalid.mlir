// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What adze.unpack, adze.unpack_order and adze.permute refuse.
// RUN: adze-opt %s -split-input-file -verify-diagnostics

adze.weight @packing : !adze.weight<32x32, #adze.int<4, group = 16, scale = f16>> {
  // expected-error @below {{expects one of the packings gptq, gptq_v2, awq, packed, bytes, fp8, masked and sparse24, got "marlin" (C1)}}
  %0 = adze.unpack "marlin" "w" : !adze.weight<32x32, #adze.int<4, group = 16, scale = f16>>
  adze.yield %0 : !adze.weight<32x32, #adze.int<4, group = 16, scale = f16>>
}

// -----

adze.weight @unpack_format : !adze.weight<32x32, #adze.float<f32>> {
  // expected-error @below {{expects a matrix of #adze.int in the layout rows, got '!adze.weight<32x32, #adze.float<f32>>' (C1)}}
  %0 = adze.unpack "gptq" "w" : !adze.weight<32x32, #adze.float<f32>>
  adze.yield %0 : !adze.weight<32x32, #adze.float<f32>>
}

// -----

adze.weight @unpack_floats : !adze.weight<32x32, #adze.int<8, scale = f16>> {
  // expected-error @below {{expects a matrix of #adze.fp8 in the layout rows, got '!adze.weight<32x32, #adze.int<8, scale = f16>>' (C1)}}
  %0 = adze.unpack "fp8" "w" : !adze.weight<32x32, #adze.int<8, scale = f16>>
  adze.yield %0 : !adze.weight<32x32, #adze.int<8, scale = f16>>
}

// -----

adze.weight @unpack_masked : !adze.weight<32x32, #adze.int<8, scale = f16>> {
  // expected-error @below {{expects a matrix of #adze.float in the layout rows, got '!adze.weight<32x32, #adze.int<8, scale = f16>>' (C1)}}
  %0 = adze.unpack "masked" "w" : !adze.weight<32x32, #adze.int<8, scale = f16>>
  adze.yield %0 : !adze.weight<32x32, #adze.int<8, scale = f16>>
}

// -----

adze.weight @unpack_sparse24 : !adze.weight<32x30, #adze.float<bf16>> {
  // expected-error @below {{expects a matrix of #adze.float in the layout rows, its columns in groups of 4, got '!adze.weight<32x30, #adze.float<bf16>>' (C1)}}
  %0 = adze.unpack "sparse24" "w" : !adze.weight<32x30, #adze.float<bf16>>
  adze.yield %0 : !adze.weight<32x30, #adze.float<bf16>>
}

// -----

adze.weight @unpack_masked_order : !adze.weight<32x32, #adze.float<f32>> {
  // expected-error @below {{expects no order of columns in masked (C2)}}
  %0 = adze.unpack "masked" "w" ordered : !adze.weight<32x32, #adze.float<f32>>
  adze.yield %0 : !adze.weight<32x32, #adze.float<f32>>
}

// -----

adze.weight @unpack_panels : !adze.weight<32x32, #adze.int<8, scale = f16>, panels> {
  // expected-error @below {{expects a matrix of #adze.int in the layout rows}}
  %0 = adze.unpack "gptq" "w" : !adze.weight<32x32, #adze.int<8, scale = f16>, panels>
  adze.yield %0 : !adze.weight<32x32, #adze.int<8, scale = f16>, panels>
}

// -----

adze.weight @unpack_awq : !adze.weight<32x32, #adze.int<8, scale = f16>> {
  // expected-error @below {{expects codes of 4 bits in awq, got 8 (C1)}}
  %0 = adze.unpack "awq" "w" : !adze.weight<32x32, #adze.int<8, scale = f16>>
  adze.yield %0 : !adze.weight<32x32, #adze.int<8, scale = f16>>
}

// -----

adze.weight @unpack_bytes : !adze.weight<32x32, #adze.int<4, group = 16, scale = f16>> {
  // expected-error @below {{expects codes of 8 bits in bytes, got 4 (C1)}}
  %0 = adze.unpack "bytes" "w" : !adze.weight<32x32, #adze.int<4, group = 16, scale = f16>>
  adze.yield %0 : !adze.weight<32x32, #adze.int<4, group = 16, scale = f16>>
}

// -----

adze.weight @unpack_no_groups : !adze.weight<32x32, #adze.int<8, scale = f16>> {
  // expected-error @below {{expects groups, in gptq, gptq_v2 or packed, to order columns by}}
  %0 = adze.unpack "gptq" "w" ordered : !adze.weight<32x32, #adze.int<8, scale = f16>>
  adze.yield %0 : !adze.weight<32x32, #adze.int<8, scale = f16>>
}

// -----

adze.weight @unpack_awq_order : !adze.weight<32x32, #adze.int<4, group = 16, scale = f16>> {
  // expected-error @below {{expects groups, in gptq, gptq_v2 or packed, to order columns by}}
  %0 = adze.unpack "awq" "w" ordered : !adze.weight<32x32, #adze.int<4, group = 16, scale = f16>>
  adze.yield %0 : !adze.weight<32x32, #adze.int<4, group = 16, scale = f16>>
}

// -----

adze.weight @unpack_fp8_order : !adze.weight<32x32, #adze.fp8<scale = f16>> {
  // expected-error @below {{expects no order of columns in fp8 (C2)}}
  %0 = adze.unpack "fp8" "w" ordered : !adze.weight<32x32, #adze.fp8<scale = f16>>
  adze.yield %0 : !adze.weight<32x32, #adze.fp8<scale = f16>>
}

// -----

adze.weight @order_packing : !adze.weight<32, #adze.float<f32>> {
  // expected-error @below {{expects one of the packings gptq, gptq_v2 and packed, got "awq" (C1)}}
  %0 = adze.unpack_order "awq" "w" group 16 : !adze.weight<32, #adze.float<f32>>
  adze.yield %0 : !adze.weight<32, #adze.float<f32>>
}

// -----

adze.weight @order_type : !adze.weight<32x32, #adze.float<f32>> {
  // expected-error @below {{expects a vector of f32 of at most 2^24 elements, got '!adze.weight<32x32, #adze.float<f32>>' (C1)}}
  %0 = adze.unpack_order "gptq" "w" group 16 : !adze.weight<32x32, #adze.float<f32>>
  adze.yield %0 : !adze.weight<32x32, #adze.float<f32>>
}

// -----

adze.weight @order_group : !adze.weight<32, #adze.float<f32>> {
  // expected-error @below {{expects a positive group, got 0 (C1)}}
  %0 = adze.unpack_order "gptq" "w" group 0 : !adze.weight<32, #adze.float<f32>>
  adze.yield %0 : !adze.weight<32, #adze.float<f32>>
}

// -----

func.func @permute_nothing(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  // expected-error @below {{refers to @o, which is no weight of the module (C1)}}
  %0 = adze.permute %x by @o : tensor<?x32xf32>
  return %0 : tensor<?x32xf32>
}

// -----

// expected-note @below {{declared here}}
adze.weight @o from "o" : !adze.weight<31, #adze.float<f32>>
func.func @permute_size(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  // expected-error @below {{expects a vector of f32 of 32 elements, got '!adze.weight<31, #adze.float<f32>>' (C1)}}
  %0 = adze.permute %x by @o : tensor<?x32xf32>
  return %0 : tensor<?x32xf32>
}

// -----

adze.weight @o from "o.{}" x 2 : !adze.weight<32, #adze.float<f32>>
func.func @permute_layer(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  // expected-error @below {{expects a layer for @o, a weight per layer}}
  %0 = adze.permute %x by @o : tensor<?x32xf32>
  return %0 : tensor<?x32xf32>
}

// -----

adze.weight @o from "o" : !adze.weight<32, #adze.float<f32>>
func.func @permute_no_layer(%l: index, %x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  // expected-error @below {{gives a layer to @o, a weight of the whole model}}
  %0 = adze.permute %x by @o[%l] : tensor<?x32xf32>
  return %0 : tensor<?x32xf32>
}
