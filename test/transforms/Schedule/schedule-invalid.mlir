// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What adze-schedule refuses, and what it says to do.
// RUN: adze-opt %s -split-input-file -verify-diagnostics --adze-schedule
// RUN: not adze-opt %s -split-input-file --adze-schedule=generic=adze.silu 2>&1 | FileCheck %s --check-prefix=GENERIC
// GENERIC: error: "adze.silu" is no op with a kernel that the generic path can stand for: expected one of all, adze.linear,

adze.weight @w from "w" : !adze.weight<64x64, #adze.float<f32>>
func.func @not_packed(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {adze.entry} {
  // expected-error @below {{expects a packed weight, got '!adze.weight<64x64, #adze.float<f32>>': run adze-pack-weights before adze-schedule}}
  %y = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

adze.state @kv : !adze.kv<2x8xf32>
func.func @not_split(%q: tensor<?x16xf32>, %b: !adze.batch) -> tensor<?x16xf32>
    attributes {adze.entry} {
  // expected-error @below {{still appends keys and values: run adze-split-attention first}}
  %a = adze.attention %q, %q, %q cache @kv at %b heads 2 kv_heads 2 scale 0.5
    mask <causal> : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>
  return %a : tensor<?x16xf32>
}

// -----

// expected-error @below {{expects entry arguments of type tensor<?xN>, tensor<?xi32>, a tensor of static shape or !adze.batch, got 'tensor<?x?xf32>' as argument 0}}
func.func @argument(%x: tensor<?x?xf32>) attributes {adze.entry} {
  return
}

// -----

// expected-error @below {{expects one argument of type '!adze.batch', got a second}}
func.func @batches(%a: !adze.batch, %b: !adze.batch) attributes {adze.entry} {
  return
}

// -----

// expected-error @below {{expects entry results of type tensor<?xNxf32>, got 'tensor<?xi32>'}}
func.func @result(%x: tensor<?xi32>) -> tensor<?xi32> attributes {adze.entry} {
  return %x : tensor<?xi32>
}

// -----

func.func private @layer(%l: index, %x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  return %x : tensor<?x8xf32>
}
func.func @layers_on_rows(%x: tensor<?x8xf32>, %r: tensor<?xi32>) -> tensor<?x8xf32>
    attributes {adze.entry} {
  %t = adze.take_rows %x, %r : tensor<?x8xf32>, tensor<?xi32>
  // expected-error @below {{runs layers on the rows asked for; layers take a row per token: apply adze.take_rows to their result}}
  %h = adze.repeat 1 @layer(%t) : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %h : tensor<?x8xf32>
}

// -----

func.func private @layer(%l: index, %x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  return %x : tensor<?x8xf32>
}
func.func private @outer(%l: index, %x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // expected-error @below {{stands in @outer, which is no entry; layers cannot repeat layers}}
  %h = adze.repeat 1 @layer(%x) : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %h : tensor<?x8xf32>
}
func.func @nested(%x: tensor<?x8xf32>) -> tensor<?x8xf32> attributes {adze.entry} {
  %h = adze.repeat 1 @outer(%x) : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %h : tensor<?x8xf32>
}

// -----

func.func private @layer(%l: index, %x: tensor<?x8xf32>, %i: tensor<?xi32>) -> tensor<?x8xf32> {
  return %x : tensor<?x8xf32>
}
func.func @layer_argument(%x: tensor<?x8xf32>, %i: tensor<?xi32>) -> tensor<?x8xf32>
    attributes {adze.entry} {
  // expected-error @below {{expects tensors of type tensor<?xNxf32>, got 'tensor<?xi32>'}}
  %h = adze.repeat 1 @layer(%x, %i) : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
  return %h : tensor<?x8xf32>
}

// -----

func.func @mixed_rows(%x: tensor<?x8xf32>, %r: tensor<?xi32>) -> tensor<?x8xf32>
    attributes {adze.entry} {
  %t = adze.take_rows %x, %r : tensor<?x8xf32>, tensor<?xi32>
  // expected-error @below {{reads token rows and rows asked for; apply adze.take_rows to all of its operands}}
  %m = adze.map %x, %t : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.addf %a, %b : f32
    adze.yield %0 : f32
  }
  return %m : tensor<?x8xf32>
}

// -----

// expected-error @below {{@neither is neither an entry nor a layer: give it the attribute adze.entry or make it private}}
func.func @neither(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  return %x : tensor<?x8xf32>
}

// -----

// expected-error @below {{expects a body of one block in @branches, got 2 blocks: entries and layers have no branches}}
func.func @branches(%x: tensor<?x8xf32>) -> tensor<?x8xf32> attributes {adze.entry} {
  cf.br ^bb1
^bb1:
  return %x : tensor<?x8xf32>
}

// -----

// expected-error @below {{expects a body of one block in @declared, got 0 blocks}}
func.func private @declared(%x: tensor<?x8xf32>) -> tensor<?x8xf32> attributes {adze.entry}

// -----

// expected-error @below {{expects a body of one block in @layer, got 0 blocks}}
func.func private @layer(%l: index, %x: tensor<?x8xf32>) -> tensor<?x8xf32>
func.func @step(%x: tensor<?x8xf32>) -> tensor<?x8xf32> attributes {adze.entry} {
  %h = adze.repeat 1 @layer(%x) : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %h : tensor<?x8xf32>
}

// -----

// expected-error @below {{expects entry arguments of type tensor<?xN>, tensor<?xi32>, a tensor of static shape or !adze.batch, got 'tensor<?x8xcomplex<f32>>' as argument 0}}
func.func @complex(%x: tensor<?x8xcomplex<f32>>) attributes {adze.entry} {
  return
}
