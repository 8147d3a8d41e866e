// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
module attributes {adze.table = "weights.json"} {
  adze.weight @l.q from "layers.{}.q.weight" x 2 : !adze.weight<24x32, #adze.float<f32>>
  adze.weight @l.k from "layers.{}.k.weight" x 2 : !adze.weight<16x32, #adze.float<f32>>
  adze.weight @l.down from "layers.{}.down.weight" x 2 : !adze.weight<32x48, #adze.float<f32>>
  func.func @layer(%l: index, %x: tensor<?x32xf32>, %y: tensor<?x48xf32>)
      -> (tensor<?x24xf32>, tensor<?x16xf32>, tensor<?x32xf32>) {
    %q = adze.linear %x, @l.q[%l] : (tensor<?x32xf32>) -> tensor<?x24xf32>
    %k = adze.linear %x, @l.k[%l] : (tensor<?x32xf32>) -> tensor<?x16xf32>
    %d = adze.linear %y, @l.down[%l] : (tensor<?x48xf32>) -> tensor<?x32xf32>
    return %q, %k, %d : tensor<?x24xf32>, tensor<?x16xf32>, tensor<?x32xf32>
  }
}
