// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Weights that no artefact could hold.
// RUN: adze-opt %s -verify-diagnostics --adze-assign-weight-offsets

adze.weight @a from "a.{}" x 16384 : !adze.weight<1048576x1048576, #adze.float<f32>, panels>
// expected-error @below {{takes the weights beyond 72057594037927936 bytes}}
adze.weight @b from "b.{}" x 16384 : !adze.weight<1048576x1048576, #adze.float<f32>, panels>
func.func private @layer(%l: index, %x: tensor<?x1048576xf32>) -> tensor<?x1048576xf32> {
  %y = adze.linear %x, @a[%l] : (tensor<?x1048576xf32>) -> tensor<?x1048576xf32>
  %z = adze.linear %y, @b[%l] : (tensor<?x1048576xf32>) -> tensor<?x1048576xf32>
  return %z : tensor<?x1048576xf32>
}
