// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The generic path: what no kernel builder claims, and what is asked for.
// RUN: adze-opt %s -split-input-file --adze-schedule=generic=adze.linear,adze.attention,adze.kv_append,adze.rotary_table,adze.take_rows | FileCheck %s
// RUN: adze-opt %s -split-input-file --adze-schedule=generic=adze.linear %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

// One op as its decomposition. The weight stays packed: it is an operand of the
// launch, and an f32 tensor in the region. The norm keeps its kernel.
// CHECK-LABEL: func.func @one_op
// CHECK: adze.launch @[[NORM:.*]] over tokens
// CHECK: adze.barrier
// CHECK: adze.launch @[[LINEAR:.*]] over tokens rows tokens frame %{{.*}}(%{{.*}}, %{{.*}}) weights [@w, @b] : !adze.buffer<8xf32>, !adze.buffer<16xf32>
// CHECK: adze.kernel @[[NORM]] rms_norm
// CHECK: adze.kernel @[[LINEAR]] generic {origin = "adze.linear", weights = [!adze.weight<16x8, #adze.float<bf16>, panels>, !adze.weight<16, #adze.float<f32>>], whole = array<i1: false>}
// CHECK-NEXT: ^bb0(%[[X:.*]]: tensor<?x8xf32>, %[[W:.*]]: tensor<16x8xf32>, %[[B:.*]]: tensor<16xf32>):
// CHECK: linalg.generic {{.*}}ins(%[[X]], %[[W]] :
// CHECK: adze.yield %{{.*}} : tensor<?x16xf32>
adze.weight @n from "n" : !adze.weight<8, #adze.float<f32>>
adze.weight @b from "b" : !adze.weight<16, #adze.float<f32>>
adze.weight @w from "w" : !adze.weight<16x8, #adze.float<bf16>, panels>
func.func @one_op(%x: tensor<?x8xf32>) -> tensor<?x16xf32> attributes {adze.entry} {
  %n = adze.rms_norm %x, @n eps 0.5 : tensor<?x8xf32>
  // REMARK: :[[#@LINE+1]]:{{.*}}[Passed] {{.*}}adze-schedule {{.*}}"generic path, as asked for"
  %y = adze.linear %n, @w bias @b : (tensor<?x8xf32>) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Upstream ops up to a value that a kernel or the caller reads are one kernel.
// The gather reads any row of what the map made: it waits for all of them, and
// takes that as an input read whole.
// CHECK-LABEL: func.func @clusters
// CHECK: adze.launch @[[EXP:.*]] over tokens rows tokens frame %{{.*}}(%[[X:.*]], %{{.*}}) : !adze.buffer<8xf32>, !adze.buffer<4xf32>
// CHECK: adze.launch @[[MAP:.*]] over tokens rows tokens frame %{{.*}}(%[[X]], %[[M:.*]]) sizes
// CHECK-NEXT: adze.barrier
// CHECK-NEXT: adze.launch @[[GATHER:.*]] over tokens rows tokens frame %{{.*}}(%{{.*}}, %{{.*}}, %[[M]], %{{.*}})
// CHECK: adze.kernel @[[EXP]] generic {origin = "math.exp", weights = [], whole = array<i1: false>}
// CHECK: tensor.extract_slice
// CHECK: math.exp
// CHECK: adze.kernel @[[MAP]] map
// CHECK: adze.kernel @[[GATHER]] generic {origin = "linalg.generic", weights = [], whole = array<i1: false, false, true>}
func.func @clusters(%x: tensor<?x8xf32>, %i: tensor<?xi32>)
    -> (tensor<?x4xf32>, tensor<?x8xf32>) attributes {adze.entry} {
  %c0 = arith.constant 0 : index
  %t = tensor.dim %x, %c0 : tensor<?x8xf32>
  // REMARK: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}adze-schedule {{.*}}"no kernel builder claims it: generic path"
  %s = tensor.extract_slice %x[0, 0] [%t, 4] [1, 2] : tensor<?x8xf32> to tensor<?x4xf32>
  // REMARK: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}adze-schedule {{.*}}"no kernel builder claims it: generic path"
  %e = math.exp %s : tensor<?x4xf32>
  %m = adze.map %x : tensor<?x8xf32> -> tensor<?x8xf32> {
  ^bb0(%a: f32):
    %b = arith.mulf %a, %a : f32
    adze.yield %b : f32
  }
  %o = tensor.empty(%t) : tensor<?x8xf32>
  %g = linalg.generic {indexing_maps = [affine_map<(t, n) -> (t)>,
      affine_map<(t, n) -> (t, n)>], iterator_types = ["parallel", "parallel"]}
      ins(%i : tensor<?xi32>) outs(%o : tensor<?x8xf32>) {
  ^bb0(%a: i32, %q: f32):
    %1 = arith.index_cast %a : i32 to index
    %2 = linalg.index 1 : index
    %3 = tensor.extract %m[%1, %2] : tensor<?x8xf32>
    linalg.yield %3 : f32
  } -> tensor<?x8xf32>
  return %e, %g : tensor<?x4xf32>, tensor<?x8xf32>
}

// -----

// An op with a builder whose operands are not f32 rows; results keep the type.
// CHECK-LABEL: func.func @other_types
// CHECK-SAME: name = "result0", symbols = ["T", ""], type = bf16
// CHECK: adze.kernel @{{.*}} generic {origin = "adze.map"
func.func @other_types(%x: tensor<?x8xbf16>) -> tensor<?x8xbf16> attributes {adze.entry} {
  // REMARK: :[[#@LINE+1]]:{{.*}}[Missed] {{.*}}adze-schedule {{.*}}"its builder takes f32 rows: generic path"
  %m = adze.map %x : tensor<?x8xbf16> -> tensor<?x8xbf16> {
  ^bb0(%a: f32):
    %b = arith.mulf %a, %a : f32
    adze.yield %b : f32
  }
  return %m : tensor<?x8xbf16>
}

// -----

// Weights that an upstream function reads, one per layer; tensors of static
// shape as arguments.
// CHECK-LABEL: func.func private @layer
// CHECK: adze.launch @[[K:.*]] over tokens {{.*}} weights [@l.b] layer %{{.*}} :
// CHECK-LABEL: func.func @step
// CHECK-SAME: constants = array<i64: 8>, name = "arg1", symbols = [""], type = f16
// CHECK: adze.kernel @[[K]] generic {origin = "linalg.generic", weights = [!adze.weight<8, #adze.float<f16>>]
#id = affine_map<(t, n) -> (t, n)>
#col = affine_map<(t, n) -> (n)>
adze.weight @l.b from "b.{}" x 3 : !adze.weight<8, #adze.float<f16>>
func.func private @layer(%l: index, %x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %b = adze.weight_tensor @l.b[%l] : tensor<8xf32>
  %y = linalg.generic {indexing_maps = [#col, #id], iterator_types = ["parallel", "parallel"]}
      ins(%b : tensor<8xf32>) outs(%x : tensor<?x8xf32>) {
  ^bb0(%c: f32, %a: f32):
    %1 = arith.addf %a, %c : f32
    linalg.yield %1 : f32
  } -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
func.func @step(%x: tensor<?x8xf32>, %g: tensor<8xf16>) -> tensor<?x8xf32> attributes {adze.entry} {
  %y = adze.repeat 3 @layer(%x) : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %z = linalg.generic {indexing_maps = [#col, #id], iterator_types = ["parallel", "parallel"]}
      ins(%g : tensor<8xf16>) outs(%y : tensor<?x8xf32>) {
  ^bb0(%c: f16, %a: f32):
    %0 = arith.extf %c : f16 to f32
    %1 = arith.mulf %a, %0 : f32
    linalg.yield %1 : f32
  } -> tensor<?x8xf32>
  return %z : tensor<?x8xf32>
}

// -----

// Ops on the cache keep their place and operands, cut by rows; the table of
// angles reads positions from the batch; the rows asked for are a gather.
// CHECK-LABEL: func.func @decode
// CHECK: adze.launch @[[TABLE:.*]] over tokens rows tokens frame %{{.*}}(%{{.*}}) :
// CHECK: adze.launch @[[APPEND:.*]] over tokens rows tokens {{.*}} cache @kv
// CHECK: adze.barrier
// CHECK: adze.launch @[[ATTENTION:.*]] over tokens rows tokens {{.*}} cache @kv
// CHECK: adze.launch @[[TAKE:.*]] over logit_rows rows logit_rows
// CHECK: adze.kernel @[[TABLE]] generic {origin = "adze.rotary_table", weights = [], whole = array<i1>}
// CHECK: adze.positions %{{.*}} : tensor<?xi32>
// CHECK: adze.kernel @[[APPEND]] generic {{{.*}}origin = "adze.kv_append"}
// CHECK: adze.kernel @[[ATTENTION]] generic {{{.*}}origin = "adze.attention"
// CHECK: adze.kernel @[[TAKE]] generic {origin = "adze.take_rows", weights = [], whole = array<i1: false, true>}
adze.state @kv : !adze.kv<1x16xf32>
func.func @decode(%q: tensor<?x16xf32>, %rows: tensor<?xi32>, %b: !adze.batch)
    -> (tensor<?x16xf32>, tensor<?x16xf32>) attributes {adze.entry} {
  %r = adze.rotary_table %b freqs [1.0, 0.5, 0.25, 0.125, 0.1, 0.2, 0.3, 0.4] : tensor<?x16xf32>
  adze.kv_append %q, %r cache @kv at %b : tensor<?x16xf32>, tensor<?x16xf32>
  %a = adze.attention %q cache @kv at %b heads 1 kv_heads 1 scale 0.25
    mask <causal> : tensor<?x16xf32>
  %t = adze.take_rows %a, %rows : tensor<?x16xf32>, tensor<?xi32>
  return %r, %t : tensor<?x16xf32>, tensor<?x16xf32>
}

// -----

// Columns in another order are loops of their own, with the order as a weight;
// the linear behind them keeps its kernel.
// CHECK-LABEL: func.func @sorted
// CHECK: adze.launch @[[PERMUTE:.*]] over tokens rows tokens frame %{{.*}}(%{{.*}}, %{{.*}}) weights [@o] : !adze.buffer<8xf32>, !adze.buffer<8xf32>
// CHECK: adze.kernel @[[PERMUTE]] generic {origin = "adze.permute", weights = [!adze.weight<8, #adze.float<f32>>], whole = array<i1: false>}
// CHECK: tensor.extract
adze.weight @o from "o" : !adze.weight<8, #adze.float<f32>>
adze.weight @n from "n" : !adze.weight<8, #adze.float<f32>>
func.func @sorted(%x: tensor<?x8xf32>) -> tensor<?x8xf32> attributes {adze.entry} {
  %p = adze.permute %x by @o : tensor<?x8xf32>
  %n = adze.rms_norm %p, @n eps 0.5 : tensor<?x8xf32>
  return %n : tensor<?x8xf32>
}
