// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: adze-opt %s -split-input-file --adze-pack-weights | FileCheck %s
// Once more changes nothing.
// RUN: adze-opt %s -split-input-file --adze-pack-weights --adze-pack-weights | FileCheck %s

// The weight of a linear becomes panels, its bias f32, each made once however
// many ops read them, and one per layer if it was. The module is fused now.
// CHECK-LABEL: module attributes {adze.level = #adze.level<fused>}
// CHECK: adze.weight @w.packed x 2 : !adze.weight<24x8, #adze.float<bf16>, panels> {
// CHECK: %[[W:.*]] = adze.ref @w :
// CHECK: %[[P:.*]] = adze.pack %[[W]] : <24x8, #adze.float<bf16>> -> <24x8, #adze.float<bf16>, panels>
// CHECK: adze.yield %[[P]]
// CHECK-NOT: adze.weight @w.packed
// CHECK: adze.weight @b.f32 x 2 : !adze.weight<24, #adze.float<f32>> {
// CHECK: adze.cast
// CHECK-NOT: adze.weight @b.f32
// CHECK-LABEL: func.func @linear
// CHECK: adze.linear %{{.*}}, @w.packed[%{{.*}}] bias @b.f32 :
// CHECK: adze.linear %{{.*}}, @w.packed[%{{.*}}] :
adze.weight @w from "w.{}" x 2 : !adze.weight<24x8, #adze.float<bf16>>
adze.weight @b from "b.{}" x 2 : !adze.weight<24, #adze.float<bf16>>
func.func @linear(%l: index, %x: tensor<?x8xf32>) -> (tensor<?x24xf32>, tensor<?x24xf32>) {
  %y = adze.linear %x, @w[%l] bias @b : (tensor<?x8xf32>) -> tensor<?x24xf32>
  %z = adze.linear %x, @w[%l] : (tensor<?x8xf32>) -> tensor<?x24xf32>
  return %y, %z : tensor<?x24xf32>, tensor<?x24xf32>
}

// -----

// Heads that are no whole panels are padded, in the bias too; norms become f32.
// CHECK-LABEL: adze.weight @q.packed : !adze.weight<64x8, #adze.float<f32>, panels> {
// CHECK: adze.pad_heads %{{.*}} heads 4 : <32x8, #adze.float<f32>> -> <64x8, #adze.float<f32>>
// CHECK: adze.weight @b.f32 : !adze.weight<64, #adze.float<f32>> {
// CHECK: adze.pad_heads %{{.*}} heads 4
// CHECK: adze.weight @n.f32 : !adze.weight<8, #adze.float<f32>>
// CHECK-LABEL: func.func @heads
// CHECK: adze.linear %{{.*}}, @q.packed bias @b.f32 sink <8, [<4, norm = @n.f32, eps = 5.000000e-01, store>]>
adze.weight @q from "q" : !adze.weight<32x8, #adze.float<f32>>
adze.weight @b from "b" : !adze.weight<32, #adze.float<f32>>
adze.weight @n from "n" : !adze.weight<8, #adze.float<f16>>
func.func @heads(%x: tensor<?x8xf32>) -> tensor<?x32xf32> {
  %q = adze.linear %x, @q bias @b sink <8, [<4, norm = @n, eps = 0.5, store>]>
    : (tensor<?x8xf32>) -> tensor<?x32xf32>
  return %q : tensor<?x32xf32>
}

// -----

// Heads that are whole panels need no padding, whatever their sink: one weight.
// CHECK-LABEL: adze.weight @q.packed : !adze.weight<32x8, #adze.float<f32>, panels> {
// CHECK-NOT: adze.pad_heads
// CHECK-NOT: adze.weight @q.packed
// CHECK-LABEL: func.func @whole_panels
// CHECK: adze.embed %{{.*}}, @q.packed
// CHECK: adze.linear %{{.*}}, @q.packed sink
// CHECK: adze.linear %{{.*}}, @q.packed sink
// CHECK: adze.linear %{{.*}}, @q.packed :
adze.weight @q from "q" : !adze.weight<32x8, #adze.float<f32>>
adze.weight @n from "n" : !adze.weight<16, #adze.float<f32>>
func.func @whole_panels(%t: tensor<?xi32>)
    -> (tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>) {
  %x = adze.embed %t, @q : tensor<?xi32> -> tensor<?x8xf32>
  %0 = adze.linear %x, @q sink <16, [<2, norm = @n, eps = 0.5, store>]>
    : (tensor<?x8xf32>) -> tensor<?x32xf32>
  %1 = adze.linear %x, @q sink <16, [<2, store>]>
    : (tensor<?x8xf32>) -> tensor<?x32xf32>
  %2 = adze.linear %x, @q : (tensor<?x8xf32>) -> tensor<?x32xf32>
  return %0, %1, %2 : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>
}

// -----

// A table that only embeds stays rows; a tied one is the panels of the head.
// CHECK-LABEL: func.func @tables
// CHECK: adze.embed %{{.*}}, @rows :
// CHECK: adze.embed %{{.*}}, @tied.packed :
// CHECK: adze.linear %{{.*}}, @tied.packed :
adze.weight @rows from "rows" : !adze.weight<10x8, #adze.float<bf16>>
adze.weight @tied from "tied" : !adze.weight<10x8, #adze.float<bf16>>
func.func @tables(%t: tensor<?xi32>) -> (tensor<?x8xf32>, tensor<?x10xf32>) {
  %x = adze.embed %t, @rows : tensor<?xi32> -> tensor<?x8xf32>
  %y = adze.embed %t, @tied : tensor<?xi32> -> tensor<?x8xf32>
  %z = adze.linear %y, @tied : (tensor<?x8xf32>) -> tensor<?x10xf32>
  return %x, %z : tensor<?x8xf32>, tensor<?x10xf32>
}

// -----

// A table that one linear reads by padded heads and another plainly has both
// forms; it embeds from the plain one.
// CHECK-LABEL: func.func @two_sinks
// CHECK: adze.embed %{{.*}}, @[[PLAIN:t.packed.*]] :
// CHECK-NOT: @[[PLAIN]]
// CHECK: adze.linear %{{.*}}, @t.packed{{.*}} sink
// CHECK: adze.linear %{{.*}}, @[[PLAIN]] :
adze.weight @t from "t" : !adze.weight<8x8, #adze.float<f32>>
func.func @two_sinks(%t: tensor<?xi32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %x = adze.embed %t, @t : tensor<?xi32> -> tensor<?x8xf32>
  %0 = adze.linear %x, @t sink <4, [<2, store>]> : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %1 = adze.linear %x, @t : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %0, %1 : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// A table of codes is panels also where it only embeds.
// CHECK-LABEL: func.func @codes
// CHECK: adze.embed %{{.*}}, @t.packed :
adze.weight @t from "t" : !adze.weight<40x32, #adze.int<8, scale = f32>>
func.func @codes(%t: tensor<?xi32>) -> tensor<?x32xf32> {
  %x = adze.embed %t, @t : tensor<?xi32> -> tensor<?x32xf32>
  return %x : tensor<?x32xf32>
}

// -----

// Blocks of GGUF files are panels wherever they are read.
// CHECK-LABEL: func.func @blocks
// CHECK: adze.weight_tensor @b.packed :
adze.weight @b from "b" : !adze.weight<40x32, #adze.gguf<q4_0>>
func.func @blocks() -> tensor<40x32xf32> {
  %x = adze.weight_tensor @b : tensor<40x32xf32>
  return %x : tensor<40x32xf32>
}
