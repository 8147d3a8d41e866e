// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// #adze.int, #adze.fp8, #adze.gguf, #adze.blocks and #adze.masked: what is printed is read again.
// RUN: adze-opt %s | adze-opt | FileCheck %s

// CHECK: adze.weight @w8 from "w8" : !adze.weight<64x64, #adze.int<8, scale = f32>>
adze.weight @w8 from "w8" : !adze.weight<64x64, #adze.int<8, scale = f32>>
// A group of 0 is the whole row, and not printed.
// CHECK: adze.weight @w8z from "w8z" : !adze.weight<64x64, #adze.int<8, scale = f16, zeros>>
adze.weight @w8z from "w8z" : !adze.weight<64x64, #adze.int<8, group = 0, scale = f16, zeros>>
// CHECK: adze.weight @w4 from "w4" : !adze.weight<64x65, #adze.int<4, group = 128, scale = bf16>, panels>
adze.weight @w4 from "w4" : !adze.weight<64x65, #adze.int<4, group = 128, scale = bf16>, panels>
// CHECK: adze.weight @w4z from "w4z" : !adze.weight<64x64, #adze.int<4, group = 24, scale = f32, zeros>>
adze.weight @w4z from "w4z" : !adze.weight<64x64, #adze.int<4, group = 24, scale = f32, zeros>>
// CHECK: adze.weight @w3 from "w3" : !adze.weight<64x64, #adze.int<3, group = 128, scale = bf16>, panels>
adze.weight @w3 from "w3" : !adze.weight<64x64, #adze.int<3, group = 128, scale = bf16>, panels>
// CHECK: adze.weight @q4 from "q4" : !adze.weight<64x64, #adze.gguf<q4_0>>
adze.weight @q4 from "q4" : !adze.weight<64x64, #adze.gguf<q4_0>>
// CHECK: adze.weight @q6 from "q6" : !adze.weight<64x512, #adze.gguf<q6_k>, panels>
adze.weight @q6 from "q6" : !adze.weight<64x512, #adze.gguf<q6_k>, panels>
// CHECK: adze.weight @f8 from "f8" : !adze.weight<64x65, #adze.fp8<scale = bf16>, panels>
adze.weight @f8 from "f8" : !adze.weight<64x65, #adze.fp8<scale = bf16>, panels>
// CHECK: adze.weight @b from "b" : !adze.weight<64x65, #adze.blocks<#adze.float<bf16>, keep = 3>, panels>
adze.weight @b from "b" : !adze.weight<64x65, #adze.blocks<#adze.float<bf16>, keep = 3>, panels>
// CHECK: adze.weight @b4 from "b4" : !adze.weight<64x64, #adze.blocks<#adze.int<4, group = 128, scale = bf16, zeros>, keep = 1>>
adze.weight @b4 from "b4" : !adze.weight<64x64, #adze.blocks<#adze.int<4, group = 128, scale = bf16, zeros>, keep = 1>>
// CHECK: adze.weight @m from "m" : !adze.weight<64x64, #adze.masked<#adze.int<8, scale = f32>, keep = 64, even>, panels>
adze.weight @m from "m" : !adze.weight<64x64, #adze.masked<#adze.int<8, scale = f32>, keep = 64, even>, panels>
// CHECK: adze.weight @m4 from "m4" : !adze.weight<64x65, #adze.masked<#adze.int<4, group = 128, scale = bf16>, keep = 500>, panels>
adze.weight @m4 from "m4" : !adze.weight<64x65, #adze.masked<#adze.int<4, group = 128, scale = bf16>, keep = 500>, panels>
// CHECK: adze.weight @mb from "mb" : !adze.weight<64x64, #adze.masked<#adze.float<bf16>, keep = 128, even>, panels>
adze.weight @mb from "mb" : !adze.weight<64x64, #adze.masked<#adze.float<bf16>, keep = 128, even>, panels>
// CHECK: adze.weight @mf from "mf" : !adze.weight<64x65, #adze.masked<#adze.float<f32>, keep = 4752>, panels>
adze.weight @mf from "mf" : !adze.weight<64x65, #adze.masked<#adze.float<f32>, keep = 4752>, panels>
