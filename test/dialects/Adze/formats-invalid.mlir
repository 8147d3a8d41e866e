// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What #adze.int, #adze.fp8, #adze.gguf, #adze.blocks and #adze.masked refuse.
// RUN: adze-opt %s -split-input-file -verify-diagnostics

// expected-error @below {{expects codes of 3, 4 or 8 bits, got 5}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.int<5, scale = f32>>

// -----

// expected-error @below {{expects codes of 3, 4 or 8 bits, got 2}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.int<2, group = 32, scale = bf16>>

// -----

// expected-error @below {{expects a group of 0 (the whole row) or a multiple of 8 from 16 to 1048576, got 12}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.int<3, group = 12, scale = bf16>>

// -----

// expected-error @below {{expects a group of 0 (the whole row) or a multiple of 8 from 16 to 1048576, got 20}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.int<4, group = 20, scale = f32>>

// -----

// expected-error @below {{expects a group of 0 (the whole row) or a multiple of 8 from 16 to 1048576, got 8}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.int<4, group = 8, scale = f32>>

// -----

// expected-error @below {{expects a group of 0 (the whole row) or a multiple of 8 from 16 to 1048576, got -16}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.int<4, group = -16, scale = f32>>

// -----

// expected-error @below {{expects a group of 0 (the whole row) or a multiple of 8 from 16 to 1048576, got 2097152}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.int<4, group = 2097152, scale = f32>>

// -----

// expected-error @below {{expects scales in f32, f16 or bf16, got 'f64'}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.int<8, scale = f64>>

// -----

// expected-error @below {{expected 'scale'}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.int<8, zeros>>

// -----

// expected-error @below {{expected 'zeros'}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.int<8, scale = f32, group = 32>>

// -----

// expected-error @below {{expects a matrix in the format int8, got a vector}}
adze.weight @w from "w" : !adze.weight<64, #adze.int<8, scale = f32>>

// -----

// expected-error @below {{expects rows of a multiple of 32 elements in the format q4_0, got 48}}
adze.weight @w from "w" : !adze.weight<64x48, #adze.gguf<q4_0>>

// -----

// expected-error @below {{expects rows of a multiple of 256 elements in the format q6_k, got 288}}
adze.weight @w from "w" : !adze.weight<64x288, #adze.gguf<q6_k>>

// -----

// expected-error @below {{expects a matrix in the format q8_0, got a vector}}
adze.weight @w from "w" : !adze.weight<64, #adze.gguf<q8_0>>

// -----

// expected-error @below {{expects scales in f32, f16 or bf16, got 'i8'}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.fp8<scale = i8>>

// -----

// expected-error @below {{expects elements of #adze.float, or of #adze.int with a group of 0 or a multiple of 32, got #adze.int<4, group = 48, scale = bf16>}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.blocks<#adze.int<4, group = 48, scale = bf16>, keep = 1>>

// -----

// expected-error @below {{with a group of 0 or a multiple of 32, got #adze.gguf<q4_0>}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.blocks<#adze.gguf<q4_0>, keep = 1>>

// -----

// expected-error @below {{with a group of 0 or a multiple of 32, got #adze.blocks<#adze.float<f32>, keep = 2>}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.blocks<#adze.blocks<#adze.float<f32>, keep = 2>, keep = 1>>

// -----

// expected-error @below {{with a group of 0 or a multiple of 32, got no format}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.blocks<#adze.level<fused>, keep = 1>>

// -----

// expected-error @below {{expects to keep 1 to 65535 blocks of a panel, got 0}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.blocks<#adze.float<f32>, keep = 0>>

// -----

// expected-error @below {{expects to keep at most the 3 blocks of a panel of 65 columns, got 4}}
adze.weight @w from "w" : !adze.weight<64x65, #adze.blocks<#adze.float<f32>, keep = 4>>

// -----

// expected-error @below {{expects a matrix in the format f32+blocks, got a vector}}
adze.weight @w from "w" : !adze.weight<64, #adze.blocks<#adze.float<f32>, keep = 1>>

// -----

// expected-error @below {{expects elements of #adze.float, or of #adze.int with 4 or 8 bits and without zero points, got #adze.int<4, group = 32, scale = bf16, zeros>}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.masked<#adze.int<4, group = 32, scale = bf16, zeros>, keep = 64>>

// -----

// The masks' codes have as many bits as they are stored in.
// expected-error @below {{expects elements of #adze.float, or of #adze.int with 4 or 8 bits and without zero points, got #adze.int<3, group = 32, scale = bf16>}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.masked<#adze.int<3, group = 32, scale = bf16>, keep = 64>>

// -----

// expected-error @below {{expects to keep 0 to 64 bytes of a record's elements, got 65}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.masked<#adze.int<4, group = 32, scale = bf16>, keep = 65, even>>

// -----

// expected-error @below {{bytes of a panel's records, got -1}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.masked<#adze.int<8, scale = f32>, keep = -1>>

// -----

// expected-error @below {{expects a matrix in the format int8+mask, got a vector}}
adze.weight @w from "w" : !adze.weight<64, #adze.masked<#adze.int<8, scale = f32>, keep = 80>>

// -----

// expected-error @below {{expects to keep at most the 1152 bytes that all elements of 64 columns take, got 1153}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.masked<#adze.int<8, scale = f32>, keep = 1153>>

// -----

// expected-error @below {{expects elements of #adze.float, or of #adze.int with 4 or 8 bits and without zero points, got #adze.fp8<scale = bf16>}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.masked<#adze.fp8<scale = bf16>, keep = 64>>

// -----

// expected-error @below {{expects to keep 0 to 256 bytes of a record's elements, got 257}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.masked<#adze.float<bf16>, keep = 257, even>>

// -----

// expected-error @below {{expects a matrix in the format bf16+nm, got a vector}}
adze.weight @w from "w" : !adze.weight<64, #adze.masked<#adze.float<bf16>, keep = 80, even>>

// -----

// expected-error @below {{expects to keep at most the 2176 bytes that all elements of 64 columns take, got 2177}}
adze.weight @w from "w" : !adze.weight<64x64, #adze.masked<#adze.float<bf16>, keep = 2177>>
