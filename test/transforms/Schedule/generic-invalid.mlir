// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the generic path cannot compute: the op is named, and what to do.
// RUN: adze-opt %s -split-input-file -verify-diagnostics --adze-schedule=generic=adze.linear

func.func @some_rows(%x: tensor<?x4xf32>, %n: tensor<?xi32>) -> tensor<?x4xf32> attributes {adze.entry} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  // expected-error @below {{takes some of the rows; only whole columns can be sliced (no kernel builder claims this op, and the generic path computes row by row)}}
  %s = tensor.extract_slice %x[1, 0] [%t, 4] [1, 1] : tensor<?x4xf32> to tensor<?x4xf32>
  return %s : tensor<?x4xf32>
}

// -----

func.func @row_index(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {adze.entry} {
  // expected-error @below {{uses the index of the row, which the generic path does not pass on; compute what depends on it from adze.positions}}
  %r = linalg.generic {indexing_maps = [affine_map<(t, n) -> (t, n)>],
      iterator_types = ["parallel", "parallel"]} outs(%x : tensor<?x4xf32>) {
  ^bb0(%o: f32):
    %0 = linalg.index 0 : index
    %1 = arith.index_cast %0 : index to i32
    %2 = arith.sitofp %1 : i32 to f32
    linalg.yield %2 : f32
  } -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

func.func @scores(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {adze.entry} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x4xf32>
  %zero = arith.constant 0.0 : f32
  %o = tensor.empty(%t, %t) : tensor<?x?xf32>
  %f = linalg.fill ins(%zero : f32) outs(%o : tensor<?x?xf32>) -> tensor<?x?xf32>
  %s = linalg.generic {indexing_maps = [affine_map<(t, s, k) -> (t, k)>,
      affine_map<(t, s, k) -> (s, k)>, affine_map<(t, s, k) -> (t, s)>],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %x : tensor<?x4xf32>, tensor<?x4xf32>) outs(%f : tensor<?x?xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %c, %0 : f32
    linalg.yield %1 : f32
  } -> tensor<?x?xf32>
  %w = tensor.empty(%t) : tensor<?x4xf32>
  // expected-error @below {{has a tensor with a dynamic dimension that is not the first, so that a row has no fixed size}}
  %r = linalg.generic {indexing_maps = [affine_map<(t, k, s) -> (t, s)>,
      affine_map<(t, k, s) -> (t, k)>],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%s : tensor<?x?xf32>) outs(%w : tensor<?x4xf32>) {
  ^bb0(%a: f32, %c: f32):
    %1 = arith.addf %c, %a : f32
    linalg.yield %1 : f32
  } -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

adze.weight @w from "w" : !adze.weight<4x4, #adze.float<f32>, panels>
func.func @not_rows(%x: tensor<?x4xf32>) -> tensor<4xf32> attributes {adze.entry} {
  %zero = arith.constant dense<0.0> : tensor<4xf32>
  // expected-error @below {{makes a value of type 'tensor<4xf32>' that other kernels read; only rows (a tensor whose first dimension is dynamic) can be handed on}}
  %r = linalg.reduce { arith.addf } ins(%x : tensor<?x4xf32>) outs(%zero : tensor<4xf32>) dimensions = [0]
  return %r : tensor<4xf32>
}

// -----

adze.weight @w from "w" : !adze.weight<16x4, #adze.float<f32>, panels>
adze.state @kv : !adze.kv<1x8xf32>
func.func @sink(%x: tensor<?x4xf32>, %b: !adze.batch) attributes {adze.entry} {
  // expected-error @below {{has no result of its own, so that plain loops cannot stand for it; leave the fusion into sinks out (--disable-pass=adze-fuse-head-sinks)}}
  adze.linear %x, @w sink <8, [<1, key>, <1, value>]> cache @kv at %b : (tensor<?x4xf32>)
  return
}
