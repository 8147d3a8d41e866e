// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: adze-opt %s --adze-split-attention | FileCheck %s

adze.state @kv x 2 : !adze.kv<2x8xf32>

// Keys and values are appended before attention reads them, in the same layer.
// CHECK-LABEL: func.func @split
// CHECK-SAME: (%[[L:.*]]: index, %[[Q:.*]]: tensor<?x32xf32>, %[[K:.*]]: tensor<?x16xf32>, %[[V:.*]]: tensor<?x16xf32>, %[[B:.*]]: !adze.batch)
func.func @split(%l: index, %q: tensor<?x32xf32>, %k: tensor<?x16xf32>,
                 %v: tensor<?x16xf32>, %b: !adze.batch) -> tensor<?x32xf32> {
  // CHECK: adze.kv_append %[[K]], %[[V]] cache @kv[%[[L]]] at %[[B]]
  // CHECK: %[[A:.*]] = adze.attention %[[Q]] cache @kv[%[[L]]] at %[[B]] heads 4 kv_heads 2 scale 5.000000e-01 mask <causal, window = 7> : tensor<?x32xf32>
  // CHECK: return %[[A]]
  %a = adze.attention %q, %k, %v cache @kv[%l] at %b heads 4 kv_heads 2
    scale 0.5 mask <causal, window = 7>
    : tensor<?x32xf32>, tensor<?x16xf32>, tensor<?x16xf32>
  return %a : tensor<?x32xf32>
}

// Attention that appends nothing stays as it is.
// CHECK-LABEL: func.func @no_append
func.func @no_append(%l: index, %q: tensor<?x32xf32>, %b: !adze.batch) -> tensor<?x32xf32> {
  // CHECK-NOT: adze.kv_append
  // CHECK: adze.attention
  %a = adze.attention %q cache @kv[%l] at %b heads 4 kv_heads 2 scale 0.5
    mask <causal> : tensor<?x32xf32>
  return %a : tensor<?x32xf32>
}
