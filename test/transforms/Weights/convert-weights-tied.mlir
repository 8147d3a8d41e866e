// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A rule for a head that is the embedding: the error says which tensor that is.
// RUN: not adze-opt %s --adze-convert-weights=format=lm_head=int8,*=bf16 2>&1 | FileCheck %s

// CHECK: error: adze-convert-weights: "lm_head=int8" matches no matrix; the matrices are "embed.weight", "w.weight"; the head is "embed.weight" too
adze.weight @emb from "embed.weight" : !adze.weight<48x32, #adze.float<f32>>
adze.weight @w from "w.weight" : !adze.weight<32x32, #adze.float<f32>>

func.func @step(%tokens: tensor<?xi32>) -> tensor<?x48xf32> {
  %x = adze.embed %tokens, @emb : tensor<?xi32> -> tensor<?x32xf32>
  %y = adze.linear %x, @w : (tensor<?x32xf32>) -> tensor<?x32xf32>
  %z = adze.linear %y, @emb : (tensor<?x32xf32>) -> tensor<?x48xf32>
  return %z : tensor<?x48xf32>
}
