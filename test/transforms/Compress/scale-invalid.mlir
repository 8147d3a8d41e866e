// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What is left as it is, and why; options and weights that cannot be used.

// RUN: rm -rf %t && mkdir %t
// RUN: split-file %s %t/split
// RUN: adze-opt %t/split/left.mlir --adze-awq="weights=int4:g16" %remarks 2>&1 | FileCheck %t/split/left.mlir
// RUN: not adze-opt %S/Inputs/scale/model.mlir --adze-awq="weights=int4:g16" 2>&1 | FileCheck %s --check-prefix=OPTIONS
// OPTIONS: error: adze-awq: expects the options statistics=FOLDER (see `adze calibrate`) and store=FOLDER
// RUN: not adze-opt %S/Inputs/scale/model.mlir --adze-awq=steps=0 2>&1 | FileCheck %s --check-prefix=STEPS
// STEPS: error: adze-awq: expects steps from 1 to 1000, got 0
// RUN: not adze-opt %S/Inputs/scale/model.mlir --adze-smooth-quant=alpha=1.5 2>&1 | FileCheck %s --check-prefix=ALPHA
// ALPHA: error: adze-smooth-quant: expects alpha from 0 to 1, got 1.5
// RUN: not adze-opt %S/Inputs/scale/model.mlir --adze-smooth-quant="weights=int4:g16 statistics=%S/Inputs/gptq/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=MODEL
// MODEL: error: adze-smooth-quant: {{.*}}statistics.json: expected statistics of model 7321e207{{.*}}, found those of model d11932d1

// A weight that is not finite; statistics of another size.
// RUN: %python %S/Inputs/damage.py %S/Inputs/scale %t/inf layers.1.k.weight 7 inf
// RUN: sed -i 's/"model": "7321[0-9a-f]*"/"model": "TOKEN"/' %t/inf/statistics/statistics.json
// RUN: adze-opt %t/inf/model.mlir --adze-awq="weights=int4:g16 statistics=%t/inf/statistics store=%t/store" 2>&1 | sed -n 's/.*expected statistics of model \([0-9a-f]*\).*/\1/p' > %t/id || true
// RUN: %python -c "import sys; t = open(sys.argv[2]).read().replace('TOKEN', open(sys.argv[1]).read().strip()); open(sys.argv[2], 'w').write(t)" %t/id %t/inf/statistics/statistics.json
// RUN: not adze-opt %t/inf/model.mlir --adze-awq="weights=int4:g16 statistics=%t/inf/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=INF
// INF: model.mlir:{{[0-9]+}}:3: error: adze-awq: tensor "layers.1.k.weight": row 0, column 7: expects a finite number in f32, got inf;
// RUN: cp -r %S/Inputs/scale %t/size
// RUN: sed -i 's/"layers.0.down.weight": "layers.0.down.weight"/"layers.0.down.weight": "layers.0.q.weight"/' %t/size/statistics/statistics.json
// RUN: not adze-opt %t/size/model.mlir --adze-awq="weights=int4:g16 statistics=%t/size/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=SIZE
// SIZE: error: adze-awq: tensor "layers.0.down.weight": expected statistics of 48 values, found those of 32

//--- left.mlir
// CHECK-DAG: adze-awq{{.*}}what it reads is not scaled: 'arith.addf' reads it too
// CHECK-DAG: adze-awq{{.*}}what it reads is not scaled: a norm of heads makes it
// CHECK-DAG: adze-awq{{.*}}what it reads is not scaled: 'adze.gelu' makes it, which cannot be scaled
// CHECK-DAG: adze-awq{{.*}}what it reads is not scaled: no linear makes it
// CHECK-DAG: adze-awq{{.*}}what it reads is not scaled: more than this reads the result of @up
// CHECK-DAG: adze-awq{{.*}}what it reads is not scaled: @emb is no cast of floats to an integer format that only linears read
// CHECK-DAG: adze-awq{{.*}}what it reads is not scaled: @coded, which makes it, is no cast of floats
// CHECK-DAG: adze-awq{{.*}}what it reads is not scaled: the values of attention are stored elsewhere
// CHECK-DAG: adze-awq{{.*}}what it reads is not scaled: it is an argument
// CHECK-DAG: nothing that weights with integer formats read can be scaled
// CHECK-NOT: adze.scale_
module {
  adze.weight @n from "n" : !adze.weight<32, #adze.float<f32>>
  adze.weight @nh from "nh" : !adze.weight<16, #adze.float<f32>>
  adze.weight @a from "a" : !adze.weight<32x32, #adze.float<f32>>
  adze.weight @b from "b" : !adze.weight<32x32, #adze.float<f32>>
  adze.weight @c from "c" : !adze.weight<32x32, #adze.float<f32>>
  adze.weight @d from "d" : !adze.weight<32x32, #adze.float<f32>>
  adze.weight @e from "e" : !adze.weight<32x32, #adze.float<f32>>
  adze.weight @f from "f" : !adze.weight<32x32, #adze.float<f32>>
  adze.weight @up from "up" : !adze.weight<32x32, #adze.float<f32>>
  adze.weight @emb from "emb" : !adze.weight<100x32, #adze.float<f32>>
  adze.weight @g from "g" : !adze.weight<32x32, #adze.float<f32>>
  adze.weight @h from "h" : !adze.weight<32x32, #adze.float<f32>>
  adze.weight @coded from "coded" : !adze.weight<32x32, #adze.int<4, group = 16, scale = bf16>>
  adze.state @kv : !adze.kv<2x16xf32>
  func.func @main(%tokens: tensor<?xi32>, %q: tensor<?x32xf32>, %r: tensor<?x32xf32>,
                     %batch: !adze.batch) {
    %x = adze.embed %tokens, @emb : tensor<?xi32> -> tensor<?x32xf32>
    // Read by something else.
    %0 = adze.rms_norm %x, @n eps 1.0e-5 : tensor<?x32xf32>
    %1 = adze.linear %0, @a : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %2 = arith.addf %0, %1 : tensor<?x32xf32>
    %3 = adze.rms_norm %2, @nh eps 1.0e-5 heads 2 : tensor<?x32xf32>
    %4 = adze.linear %3, @b : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %5 = adze.gelu %4 : tensor<?x32xf32>
    %6 = adze.linear %5, @c : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %7 = adze.silu %6 : tensor<?x32xf32>
    %8 = arith.mulf %7, %x : tensor<?x32xf32>
    %9 = adze.linear %8, @d : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %10 = adze.linear %x, @up : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %11 = arith.mulf %10, %10 : tensor<?x32xf32>
    %12 = adze.linear %11, @e : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %13 = adze.rms_norm %12, @n eps 1.0e-5 : tensor<?x32xf32>
    // An embedding too.
    %14 = adze.linear %13, @emb : (tensor<?x32xf32>) -> tensor<?x100xf32>
    %15 = adze.linear %x, @coded : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %16 = adze.linear %15, @f : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %17 = adze.attention %q cache @kv at %batch heads 2 kv_heads 2 scale 0.35 mask <causal> : tensor<?x32xf32>
    %18 = adze.linear %17, @g : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %19 = adze.linear %r, @h : (tensor<?x32xf32>) -> tensor<?x32xf32>
    return
  }
}
