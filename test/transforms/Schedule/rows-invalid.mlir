// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Upstream ops that cannot be cut by rows: one case for each reason.
// RUN: adze-opt %s -split-input-file -verify-diagnostics --adze-schedule

#tn = affine_map<(t, n) -> (t, n)>
#nt = affine_map<(t, n) -> (n, t)>
func.func @two_row_loops(%x: tensor<?x4xf32>, %y: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>)
    attributes {adze.entry} {
  // expected-error @below {{has results whose rows are not one loop}}
  %r:2 = linalg.generic {indexing_maps = [#tn, #nt], iterator_types = ["parallel", "parallel"]}
      outs(%x, %y : tensor<?x4xf32>, tensor<?x4xf32>) {
  ^bb0(%a: f32, %b: f32):
    linalg.yield %a, %b : f32, f32
  } -> (tensor<?x4xf32>, tensor<?x4xf32>)
  return %r#0, %r#1 : tensor<?x4xf32>, tensor<?x4xf32>
}

// -----

#tn = affine_map<(t, n) -> (t, n)>
func.func @reduces_rows(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {adze.entry} {
  // expected-error @below {{reduces over the rows of its result}}
  %r = linalg.generic {indexing_maps = [#tn], iterator_types = ["reduction", "parallel"]}
      outs(%x : tensor<?x4xf32>) {
  ^bb0(%a: f32):
    linalg.yield %a : f32
  } -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

#tn = affine_map<(t, n) -> (t, n)>
#nt = affine_map<(t, n) -> (n, t)>
func.func @other_dimension(%x: tensor<?x4xf32>, %w: tensor<4x4xf32>) -> tensor<?x4xf32>
    attributes {adze.entry} {
  // expected-error @below {{indexes a dimension other than the first by the row}}
  %r = linalg.generic {indexing_maps = [#nt, #tn], iterator_types = ["parallel", "parallel"]}
      ins(%w : tensor<4x4xf32>) outs(%x : tensor<?x4xf32>) {
  ^bb0(%a: f32, %b: f32):
    linalg.yield %a : f32
  } -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

#tn = affine_map<(t, n) -> (t, n)>
#n = affine_map<(t, n) -> (n)>
func.func @sum_beside_rows(%x: tensor<?x4xf32>, %s: tensor<4xf32>) -> tensor<?x4xf32>
    attributes {adze.entry} {
  // expected-error @below {{has a result that every row adds to}}
  %r:2 = linalg.generic {indexing_maps = [#tn, #n], iterator_types = ["parallel", "parallel"]}
      outs(%x, %s : tensor<?x4xf32>, tensor<4xf32>) {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.addf %a, %b : f32
    linalg.yield %a, %0 : f32, f32
  } -> (tensor<?x4xf32>, tensor<4xf32>)
  return %r#0 : tensor<?x4xf32>
}

// -----

func.func private @layer(%l: index, %x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // expected-error @below {{asks for the size of a dimension that is no constant}}
  %d = tensor.dim %x, %l : tensor<?x4xf32>
  %i = arith.index_cast %d : index to i32
  %f = arith.sitofp %i : i32 to f32
  %r = linalg.fill ins(%f : f32) outs(%x : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}
func.func @some_size(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {adze.entry} {
  %r = adze.repeat 1 @layer(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

func.func private @other(tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @call(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {adze.entry} {
  // expected-error @below {{has side effects}}
  %r = func.call @other(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

func.func @empty(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {adze.entry} {
  %c5 = arith.constant 5 : index
  %z = arith.constant 0.0 : f32
  // expected-error @below {{has a first dimension that is not the number of rows}}
  %e = tensor.empty(%c5) : tensor<?x4xf32>
  %r = linalg.fill ins(%z : f32) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

func.func @generate(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {adze.entry} {
  %c5 = arith.constant 5 : index
  // expected-error @below {{has a first dimension that is not the number of rows}}
  %r = tensor.generate %c5 {
  ^bb0(%i: index, %j: index):
    %z = arith.constant 0.0 : f32
    tensor.yield %z : f32
  } : tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

func.func @generate_by_row(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {adze.entry} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  // expected-error @below {{uses the index of the row, which the generic path does not pass on}}
  %r = tensor.generate %t {
  ^bb0(%i: index, %j: index):
    %0 = arith.index_cast %i : index to i32
    %1 = arith.sitofp %0 : i32 to f32
    tensor.yield %1 : f32
  } : tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

func.func @no_rows(%x: tensor<4x4xf32>) -> tensor<?x4xf32> attributes {adze.entry} {
  // expected-error @below {{makes rows of a tensor that has none}}
  %r = tensor.cast %x : tensor<4x4xf32> to tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

func.func @across(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {adze.entry} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  %f = tensor.collapse_shape %x [[0, 1]] : tensor<?x4xf32> into tensor<?xf32>
  // expected-error @below {{reshapes across rows}}
  %r = tensor.expand_shape %f [[0, 1]] output_shape [%t, 4] : tensor<?xf32> into tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

func.func @twice(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {adze.entry} {
  // expected-error @below {{concatenates rows}}
  %r = tensor.concat dim(0) %x, %x : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

func.func @one_more(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {adze.entry} {
  %z = arith.constant 0.0 : f32
  // expected-error @below {{adds rows}}
  %r = tensor.pad %x low[1, 0] high[0, 0] {
  ^bb0(%i: index, %j: index):
    tensor.yield %z : f32
  } : tensor<?x4xf32> to tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

func.func @unknown(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {adze.entry} {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  %s = tensor.from_elements %t, %c4 : tensor<2xindex>
  // expected-error @below {{is no op that the generic path knows how to cut by rows (no kernel builder claims this op, and the generic path computes row by row)}}
  %r = tensor.reshape %x(%s) : (tensor<?x4xf32>, tensor<2xindex>) -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

func.func private @layer(%l: index, %x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // expected-error @below {{takes a value of type 'index' that is computed elsewhere; the generic path passes on tensors only: make it a tensor}}
  %i = arith.index_cast %l : index to i32
  %f = arith.sitofp %i : i32 to f32
  %r = linalg.fill ins(%f : f32) outs(%x : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}
func.func @layer_number(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {adze.entry} {
  %r = adze.repeat 1 @layer(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

#tn = affine_map<(t, n) -> (t, n)>
func.func @two_kinds_of_rows(%x: tensor<?x4xf32>, %i: tensor<?xi32>) -> tensor<?x4xf32>
    attributes {adze.entry} {
  %t = adze.take_rows %x, %i : tensor<?x4xf32>, tensor<?xi32>
  // expected-error @below {{computes linalg.generic from token rows and from the rows asked for: take the rows with adze.take_rows first}}
  %r = linalg.generic {indexing_maps = [#tn, #tn], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<?x4xf32>) outs(%t : tensor<?x4xf32>) {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.addf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

#tn = affine_map<(t, n) -> (t, n)>
func.func @complex(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {adze.entry} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  %o = tensor.empty(%t) : tensor<?x4xcomplex<f32>>
  // expected-error @below {{makes a value of type 'tensor<?x4xcomplex<f32>>' that other kernels read; only rows of floats and integers can be handed on}}
  %z = linalg.generic {indexing_maps = [#tn, #tn], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<?x4xf32>) outs(%o : tensor<?x4xcomplex<f32>>) {
  ^bb0(%a: f32, %c: complex<f32>):
    %0 = complex.create %a, %a : complex<f32>
    linalg.yield %0 : complex<f32>
  } -> tensor<?x4xcomplex<f32>>
  %r = linalg.generic {indexing_maps = [#tn], iterator_types = ["parallel", "parallel"]}
      outs(%x : tensor<?x4xf32>) {
  ^bb0(%a: f32):
    %k = linalg.index 1 : index
    %0 = tensor.extract %z[%k, %k] : tensor<?x4xcomplex<f32>>
    %1 = complex.re %0 : complex<f32>
    linalg.yield %1 : f32
  } -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}
