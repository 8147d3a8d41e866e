// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What adze.generic refuses. (Cn) is the constraint of its documentation.
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

// -----

func.func @empty() -> tensor<?x4xf32> {
  // expected-error @below {{expects a region of 0 arguments that yields 'tensor<?x4xf32>' (C1)}}
  %y = "adze.generic"() <{origin = "x", whole = array<i1>, operandSegmentSizes = array<i32: 0, 0, 0>}> ({}) : () -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @yields(%x: tensor<?x4xf32>) -> tensor<?x5xf32> {
  // expected-error @below {{expects a region of 1 arguments that yields 'tensor<?x5xf32>' (C1)}}
  %y = adze.generic "x" (%x : tensor<?x4xf32>) whole [false] -> tensor<?x5xf32> {
  ^bb0(%a: tensor<?x4xf32>):
    adze.yield %a : tensor<?x4xf32>
  }
  return %y : tensor<?x5xf32>
}

// -----

func.func @row_without_rows(%x: tensor<4xf32>, %z: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // expected-error @below {{expects rows, a tensor whose first dimension alone is dynamic, got 'tensor<4xf32>' (C2)}}
  %y = adze.generic "x" (%z, %x : tensor<?x4xf32>, tensor<4xf32>) whole [false, false] -> tensor<?x4xf32> {
  ^bb0(%a: tensor<?x4xf32>, %b: tensor<4xf32>):
    adze.yield %a : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

func.func @dynamic_row(%x: tensor<?x?xf32>) -> tensor<?x?xf32> {
  // expected-error @below {{expects rows, a tensor whose first dimension alone is dynamic, got 'tensor<?x?xf32>' (C2)}}
  %y = adze.generic "x" (%x : tensor<?x?xf32>) whole [true] -> tensor<?x?xf32> {
  ^bb0(%a: tensor<?x?xf32>):
    adze.yield %a : tensor<?x?xf32>
  }
  return %y : tensor<?x?xf32>
}

// -----

func.func @order(%x: tensor<?x4xf32>, %w: tensor<4xf32>) -> tensor<?x4xf32> {
  // expected-error @below {{expects inputs read by row before those read whole (C2)}}
  %y = adze.generic "x" (%w, %x : tensor<4xf32>, tensor<?x4xf32>) whole [true, false] -> tensor<?x4xf32> {
  ^bb0(%a: tensor<4xf32>, %b: tensor<?x4xf32>):
    adze.yield %b : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

func.func @no_weight(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // expected-error @below {{refers to @w, which is no weight of the module}}
  %y = adze.generic "x" (%x : tensor<?x4xf32>) whole [false] weights [@w] -> tensor<?x4xf32> {
  ^bb0(%a: tensor<?x4xf32>, %w: tensor<4xf32>):
    adze.yield %a : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

// expected-note @below {{declared here}}
adze.weight @w from "w.{}" x 2 : !adze.weight<4, #adze.float<f32>>
func.func @no_layer(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // expected-error @below {{expects a layer index, since @w is one weight per layer (C1)}}
  %y = adze.generic "x" (%x : tensor<?x4xf32>) whole [false] weights [@w] -> tensor<?x4xf32> {
  ^bb0(%a: tensor<?x4xf32>, %w: tensor<4xf32>):
    adze.yield %a : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// -----

adze.weight @w from "w" : !adze.weight<4, #adze.float<bf16>>
func.func @weight_type(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // expected-error @below {{expects a region argument of type 'tensor<4xf32>', got 'tensor<4xbf16>' (C1)}}
  %y = adze.generic "x" (%x : tensor<?x4xf32>) whole [false] weights [@w] -> tensor<?x4xf32> {
  ^bb0(%a: tensor<?x4xf32>, %w: tensor<4xbf16>):
    adze.yield %a : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}
