// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
adze.weight @up from "up" : !adze.weight<256x64, #adze.float<f32>>
adze.weight @down from "down" : !adze.weight<64x256, #adze.float<f32>>

func.func @mlp(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %u = adze.linear %x, @up : (tensor<?x64xf32>) -> tensor<?x256xf32>
  %s = adze.silu %u : tensor<?x256xf32>
  %y = adze.linear %s, @down : (tensor<?x256xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
