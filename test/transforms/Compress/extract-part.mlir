// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: adze-opt %s --adze-insert-observers --adze-extract-part=part=embedding | FileCheck %s --check-prefix=EMB
// RUN: adze-opt %s --adze-insert-observers --adze-extract-part=part=1 | FileCheck %s --check-prefix=ONE
// RUN: adze-opt %s --adze-insert-observers --adze-extract-part=part=2 | FileCheck %s --check-prefix=TWO
// RUN: adze-opt %s --adze-insert-observers --adze-extract-part=part=head | FileCheck %s --check-prefix=HEAD
// RUN: adze-opt %s --adze-insert-observers --adze-extract-part="part=0 entry=other" | FileCheck %s --check-prefix=OTHER

adze.weight @emb from "emb" : !adze.weight<100x64, #adze.float<f32>>
adze.weight @a.w from "l.{}.w" layers [0, 1] : !adze.weight<64x64, #adze.float<f32>>
adze.weight @b.w from "l.{}.w" layers [2] : !adze.weight<64x64, #adze.float<f32>>

// The kinds of layers: one of two, one of one; something stands between them.
func.func private @a(%l: index, %x: tensor<?x64xf32>, %r: tensor<?x4xf32>) -> tensor<?x64xf32> {
  %t = adze.rotary %x, %r heads 16 half : tensor<?x64xf32>, tensor<?x4xf32>
  %y = adze.linear %t, @a.w[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
func.func private @b(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %y = adze.linear %x, @b.w[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
func.func @step(%t: tensor<?xi32> {adze.name = "tokens"}, %b: !adze.batch)
    -> tensor<?x100xf32> attributes {adze.entry} {
  %e = adze.embed %t, @emb : tensor<?xi32> -> tensor<?x64xf32>
  %x = adze.silu %e : tensor<?x64xf32>
  %r = adze.rotary_table %b freqs [1.0, 0.1] : tensor<?x4xf32>
  %y = adze.repeat 2 @a(%x, %r) : (tensor<?x64xf32>, tensor<?x4xf32>) -> tensor<?x64xf32>
  %g = adze.gelu %y : tensor<?x64xf32>
  %z = adze.repeat 1 from 2 @b(%g) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %s = adze.silu %z : tensor<?x64xf32>
  %h = adze.linear %s, @emb : (tensor<?x64xf32>) -> tensor<?x100xf32>
  return %h : tensor<?x100xf32>
}
func.func @other(%x: tensor<?x64xf32>, %b: !adze.batch) -> tensor<?x64xf32> {
  %r = adze.rotary_table %b freqs [1.0, 0.1] : tensor<?x4xf32>
  %y = adze.repeat 2 @a(%x, %r) : (tensor<?x64xf32>, tensor<?x4xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// EMB-NOT:   adze.weight @a.w
// EMB:       func.func @part(%arg0: tensor<?xi32> {adze.name = "tokens"}) -> (tensor<?x64xf32> {adze.name = "y"}) attributes {adze.entry} {
// EMB-NEXT:    %[[E:.*]] = adze.embed %arg0, @emb
// EMB-NEXT:    %[[X:.*]] = adze.silu %[[E]]
// EMB-NEXT:    return %[[X]]

// ONE:       adze.weight @a.w from "l.{}.w" layers [1]
// ONE-NOT:   adze.weight @b.w
// ONE:       func.func private @a
// ONE:         adze.tap %{{.*}} "l.1.w"
// ONE-NOT:   func.func private @b
// ONE:       func.func @part(%arg0: !adze.batch, %arg1: tensor<?x64xf32> {adze.name = "x"})
// ONE-NEXT:    %[[R:.*]] = adze.rotary_table %arg0
// ONE-NEXT:    %[[Y:.*]] = adze.repeat 1 from 1 @a(%arg1, %[[R]])
// ONE-NEXT:    return %[[Y]]

// TWO:       adze.weight @b.w from "l.{}.w" layers [2]
// TWO:         adze.tap %{{.*}} "l.2.w"
// TWO:       func.func @part(%arg0: tensor<?x64xf32> {adze.name = "x"})
// TWO-NEXT:    %[[G:.*]] = adze.gelu %arg0
// TWO-NEXT:    %[[Y:.*]] = adze.repeat 1 from 2 @b(%[[G]])
// TWO-NEXT:    return %[[Y]]

// HEAD:      func.func @part(%arg0: tensor<?x64xf32> {adze.name = "x"})
// HEAD-NEXT:   %[[S:.*]] = adze.silu %arg0
// HEAD-NEXT:   adze.tap %[[S]] "emb"
// HEAD-NEXT:   return %[[S]]

// OTHER:     func.func @part(%arg0: !adze.batch, %arg1: tensor<?x64xf32> {adze.name = "x"})
// OTHER-NEXT:  adze.rotary_table
// OTHER-NEXT:  adze.repeat 1 @a
