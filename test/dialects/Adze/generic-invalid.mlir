// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: adze-opt %s -split-input-file -verify-diagnostics

func.func @flags(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // expected-error @below {{expects one flag of 'whole' per input, got 0 for 1 inputs (C2)}}
  %y = adze.generic "x" (%x : tensor<?x4xf32>) whole [] -> tensor<?x4xf32> {
  ^bb0(%a: tensor<?x4xf32>):
    adze.yield %a : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

func.func @arguments(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // expected-error @below {{expects a region of 1 arguments that yields 'tensor<?x4xf32>' (C1)}}
  %y = adze.generic "x" (%x : tensor<?x4xf32>) whole [false] -> tensor<?x4xf32> {
  ^bb0(%a: tensor<?x4xf32>, %b: tensor<?x4xf32>):
    adze.yield %a : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

func.func @types(%x: tensor<?x4xf32>, %z: tensor<?x5xf32>) -> tensor<?x4xf32> {
  // expected-error @below {{expects a region argument of type 'tensor<?x5xf32>', got 'tensor<?x4xf32>' (C1)}}
  %y = adze.generic "x" (%x, %z : tensor<?x4xf32>, tensor<?x5xf32>) whole [false, true] -> tensor<?x4xf32> {
  ^bb0(%a: tensor<?x4xf32>, %b: tensor<?x4xf32>):
    adze.yield %a : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}
