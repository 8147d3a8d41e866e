// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: adze-opt %s --adze-eliminate-dead-weights | FileCheck %s

// What an op reads stays, and what that is made of.
// CHECK: adze.weight @source
// CHECK: adze.weight @used
adze.weight @source from "s" : !adze.weight<8x8, #adze.float<f32>>
adze.weight @used : !adze.weight<8x8, #adze.float<bf16>> {
  %0 = adze.ref @source : !adze.weight<8x8, #adze.float<f32>>
  %1 = adze.cast %0 : !adze.weight<8x8, #adze.float<f32>>
    -> !adze.weight<8x8, #adze.float<bf16>>
  adze.yield %1 : !adze.weight<8x8, #adze.float<bf16>>
}

// A chain of weights that ends nowhere goes, to its first.
// CHECK-NOT: @dead
adze.weight @dead_source from "d" : !adze.weight<8x8, #adze.float<f32>>
adze.weight @dead : !adze.weight<8x8, #adze.float<bf16>> {
  %0 = adze.ref @dead_source : !adze.weight<8x8, #adze.float<f32>>
  %1 = adze.cast %0 : !adze.weight<8x8, #adze.float<f32>>
    -> !adze.weight<8x8, #adze.float<bf16>>
  adze.yield %1 : !adze.weight<8x8, #adze.float<bf16>>
}

// So do a state without readers, a layer that nothing applies, and the weight
// and the state that only that layer reads.
adze.state @dead_kv : !adze.kv<1x8xf32>
adze.state @dead_layers_kv x 2 : !adze.kv<1x8xf32>
adze.weight @dead_layers from "dl.{}" x 2 : !adze.weight<8x8, #adze.float<f32>>
func.func private @dead_layer(%l: index, %x: tensor<?x8xf32>, %b: !adze.batch) -> tensor<?x8xf32> {
  %y = adze.linear %x, @dead_layers[%l] : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %a = adze.attention %y, %y, %y cache @dead_layers_kv[%l] at %b heads 1
    kv_heads 1 scale 0.5 mask <causal>
    : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>
  return %a : tensor<?x8xf32>
}

// The norm in a sink is a use, and so is the cache; a layer in use stays.
// CHECK: adze.weight @norm
// CHECK: adze.state @kv
// CHECK-LABEL: func.func private @layer
adze.weight @norm from "n" : !adze.weight<8, #adze.float<f32>>
adze.state @kv : !adze.kv<1x8xf32>
func.func private @layer(%l: index, %x: tensor<?x8xf32>, %b: !adze.batch) -> tensor<?x8xf32> {
  %q = adze.linear %x, @used sink <8, [<1, norm = @norm, eps = 0.5, store>]>
    : (tensor<?x8xf32>) -> tensor<?x8xf32>
  adze.linear %x, @used sink <8, [<1, value>]> cache @kv at %b : (tensor<?x8xf32>)
  return %q : tensor<?x8xf32>
}

// A public function stays, even if it is no entry.
// CHECK-LABEL: func.func @public
func.func @public(%x: tensor<?x8xf32>, %b: !adze.batch) -> tensor<?x8xf32> {
  %h = adze.repeat 1 @layer(%x, %b) : (tensor<?x8xf32>, !adze.batch) -> tensor<?x8xf32>
  return %h : tensor<?x8xf32>
}
