// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
module attributes {adze.table = "weights.json"} {
  adze.weight @l.n1 from "layers.{}.n1.weight" x 2 : !adze.weight<32, #adze.float<f32>>
  adze.weight @l.q from "layers.{}.q.weight" x 2 : !adze.weight<32x32, #adze.float<f32>>
  adze.weight @l.k from "layers.{}.k.weight" x 2 : !adze.weight<16x32, #adze.float<f32>>
  adze.weight @l.v from "layers.{}.v.weight" x 2 : !adze.weight<16x32, #adze.float<f32>>
  adze.weight @l.v.bias from "layers.{}.v.bias" x 2 : !adze.weight<16, #adze.float<f32>>
  adze.weight @l.o from "layers.{}.o.weight" x 2 : !adze.weight<32x32, #adze.float<f32>>
  adze.weight @l.n2.stored from "layers.{}.n2.weight" x 2 : !adze.weight<32, #adze.float<f32>>
  adze.weight @l.n2 x 2 : !adze.weight<32, #adze.float<f32>> {
    %0 = adze.ref @l.n2.stored : !adze.weight<32, #adze.float<f32>>
    %1 = adze.offset %0 by 1.0 : !adze.weight<32, #adze.float<f32>>
    adze.yield %1 : !adze.weight<32, #adze.float<f32>>
  }
  adze.weight @l.gate from "layers.{}.gate.weight" x 2 : !adze.weight<48x32, #adze.float<f32>>
  adze.weight @l.up from "layers.{}.up.weight" x 2 : !adze.weight<48x32, #adze.float<f32>>
  adze.weight @l.down from "layers.{}.down.weight" x 2 : !adze.weight<32x48, #adze.float<f32>>
  adze.state @kv x 2 : !adze.kv<2x8xf32>
  func.func private @layer(%l: index, %x: tensor<?x32xf32>, %b: !adze.batch) -> tensor<?x32xf32> {
    %n1 = adze.rms_norm %x, @l.n1[%l] eps 1.0e-5 : tensor<?x32xf32>
    %q = adze.linear %n1, @l.q[%l] : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %k = adze.linear %n1, @l.k[%l] : (tensor<?x32xf32>) -> tensor<?x16xf32>
    %v = adze.linear %n1, @l.v[%l] bias @l.v.bias : (tensor<?x32xf32>) -> tensor<?x16xf32>
    %a = adze.attention %q, %k, %v cache @kv[%l] at %b heads 4 kv_heads 2
      scale 0.35 mask <causal> : tensor<?x32xf32>, tensor<?x16xf32>, tensor<?x16xf32>
    %o = adze.linear %a, @l.o[%l] : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %h = arith.addf %x, %o : tensor<?x32xf32>
    %n2 = adze.rms_norm %h, @l.n2[%l] eps 1.0e-5 : tensor<?x32xf32>
    %g = adze.linear %n2, @l.gate[%l] : (tensor<?x32xf32>) -> tensor<?x48xf32>
    %u = adze.linear %n2, @l.up[%l] : (tensor<?x32xf32>) -> tensor<?x48xf32>
    %s = adze.silu %g : tensor<?x48xf32>
    %m = arith.mulf %s, %u : tensor<?x48xf32>
    %d = adze.linear %m, @l.down[%l] : (tensor<?x48xf32>) -> tensor<?x32xf32>
    %y = arith.addf %h, %d : tensor<?x32xf32>
    return %y : tensor<?x32xf32>
  }
  func.func @step(%x: tensor<?x32xf32>, %b: !adze.batch) -> tensor<?x32xf32> {
    %y = adze.repeat 2 @layer(%x, %b) : (tensor<?x32xf32>, !adze.batch) -> tensor<?x32xf32>
    return %y : tensor<?x32xf32>
  }
}
