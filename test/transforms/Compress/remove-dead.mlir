// REQUIRES: numpy
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Inputs/dead.py makes the model, and computes it before and after.

// RUN: rm -rf %t && mkdir %t
// RUN: %python %S/Inputs/dead.py make %t/alike alike
// RUN: adze-opt %t/alike/model.mlir --adze-remove-dead="store=%t/store" %remarks -o %t/alike.mlir 2> %t/remarks
// RUN: FileCheck %s --input-file=%t/alike.mlir --check-prefix=ALIKE
// RUN: FileCheck %s --input-file=%t/remarks --check-prefix=SAID
// RUN: %python %S/Inputs/dead.py check %t/alike %t/alike.mlir

// As many in each layer: one kind. 56 neurons are alive in each, other ones; of
// each of 3 groups one head is left.
// ALIKE: adze.meta = "{\22heads\22:3,\22intermediate\22:64,\22kv_heads\22:3,\22layers\22:3}"
// ALIKE-DAG: @l.n1 from "layers.{}.n1.weight" x 3 : !adze.weight<32,
// ALIKE-DAG: @l.q from "layers.{}.q.reduced.weight" x 3 : !adze.weight<24x32, #adze.float<f32>>
// ALIKE-DAG: @l.qb from "layers.{}.qb.reduced.weight" x 3 : !adze.weight<24, #adze.float<f32>>
// ALIKE-DAG: @l.qn from "layers.{}.qn.weight" x 3 : !adze.weight<8,
// ALIKE-DAG: @l.k from "layers.{}.k.reduced.weight" x 3 : !adze.weight<24x32,
// ALIKE-DAG: @l.v from "layers.{}.v.reduced.weight" x 3 : !adze.weight<24x32,
// ALIKE-DAG: @l.vb from "layers.{}.vb.reduced.weight" x 3 : !adze.weight<24,
// ALIKE-DAG: @l.o from "layers.{}.o.reduced.weight" x 3 : !adze.weight<32x24,
// ALIKE-DAG: @l.gate from "layers.{}.gate.reduced.weight" x 3 : !adze.weight<64x32,
// ALIKE-DAG: @l.up from "layers.{}.up.reduced.weight" x 3 : !adze.weight<64x32,
// ALIKE-DAG: @l.ub from "layers.{}.ub.reduced.weight" x 3 : !adze.weight<64,
// ALIKE-DAG: @l.down from "layers.{}.down.reduced.weight" x 3 : !adze.weight<32x64,
// ALIKE: adze.state @kv x 3 : !adze.kv<3x8xf32>
// ALIKE: func.func private @layer(
// ALIKE-NEXT: %[[N:.*]] = adze.rms_norm %{{.*}}, @l.n1[%arg0] eps {{.*}} : tensor<?x32xf32>
// ALIKE-NEXT: %[[Q:.*]] = adze.linear %[[N]], @l.q[%arg0] bias @l.qb : (tensor<?x32xf32>) -> tensor<?x24xf32>
// ALIKE-NEXT: %[[K:.*]] = adze.linear %[[N]], @l.k[%arg0] : (tensor<?x32xf32>) -> tensor<?x24xf32>
// ALIKE-NEXT: %[[V:.*]] = adze.linear %[[N]], @l.v[%arg0] bias @l.vb : (tensor<?x32xf32>) -> tensor<?x24xf32>
// ALIKE-NEXT: %[[QN:.*]] = adze.rms_norm %[[Q]], @l.qn[%arg0] eps {{.*}} heads 3 : tensor<?x24xf32>
// ALIKE-NEXT: %[[QR:.*]] = adze.rotary %[[QN]], %{{.*}} heads 3 half : tensor<?x24xf32>
// ALIKE-NEXT: %[[KR:.*]] = adze.rotary %[[K]], %{{.*}} heads 3 half : tensor<?x24xf32>
// ALIKE-NEXT: %[[A:.*]] = adze.attention %[[QR]], %[[KR]], %[[V]] cache @kv[%arg0] at %{{.*}} heads 3 kv_heads 3 scale {{.*}} : tensor<?x24xf32>, tensor<?x24xf32>, tensor<?x24xf32>
// ALIKE-NEXT: adze.linear %[[A]], @l.o[%arg0] : (tensor<?x24xf32>) -> tensor<?x32xf32>
// ALIKE: %[[G:.*]] = adze.linear %{{.*}}, @l.gate[%arg0] : (tensor<?x32xf32>) -> tensor<?x64xf32>
// ALIKE: %[[S:.*]] = adze.silu %[[G]] : tensor<?x64xf32>
// ALIKE-NEXT: %[[M:.*]] = arith.mulf %[[S]], %{{.*}} : tensor<?x64xf32>
// ALIKE-NEXT: adze.linear %[[M]], @l.down[%arg0] : (tensor<?x64xf32>) -> tensor<?x32xf32>
// ALIKE: adze.repeat 3 @layer(

// SAID-DAG: [Missed] {{.*}}adze-remove-dead {{.*}}dead heads of keys and values stay: 2 in one layer, 1 in another, and the state has as many in all
// SAID-DAG: [Missed] {{.*}}adze-remove-dead {{.*}}1 dead query heads stay: each group of each layer keeps as many
// SAID-DAG: [Passed] {{.*}}adze-remove-dead {{.*}}8 query heads become 3"
// SAID-DAG: [Passed] {{.*}}adze-remove-dead {{.*}}4 heads of keys and values become 3"
// SAID-DAG: [Passed] {{.*}}adze-remove-dead {{.*}}96 columns of what @l.down reads become 64"

// Doing it again finds nothing; on one thread it is the same.
// RUN: adze-opt %t/alike.mlir --adze-remove-dead="store=%t/store" %remarks 2>&1 >%t/again.mlir | FileCheck %s --check-prefix=AGAIN
// RUN: diff %t/again.mlir %t/alike.mlir
// AGAIN: [Missed] {{.*}}adze-remove-dead {{.*}}nothing can be taken out
// RUN: adze-opt %t/alike/model.mlir --mlir-disable-threading --adze-remove-dead="store=%t/store" | diff - %t/alike.mlir

// Layers that need other numbers are kinds of their own; the state stays one.
// RUN: %python %S/Inputs/dead.py make %t/other
// RUN: adze-opt %t/other/model.mlir --adze-remove-dead="store=%t/store" %remarks -o %t/other.mlir 2> %t/remarks
// RUN: FileCheck %s --input-file=%t/other.mlir --check-prefix=OTHER
// RUN: FileCheck %s --input-file=%t/remarks --check-prefix=KINDS
// RUN: %python %S/Inputs/dead.py check %t/other %t/other.mlir
// OTHER: adze.meta = "{\22heads\22:6,\22intermediate\22:96,\22kv_heads\22:3,\22layers\22:3}"
// OTHER-DAG: @l.q.0 from "layers.{}.q.reduced{{_*}}.weight" layers [0] : !adze.weight<24x32,
// OTHER-DAG: @l.q.1 from "layers.{}.q.reduced{{_*}}.weight" layers [1] : !adze.weight<48x32,
// OTHER-DAG: @l.q.2 from "layers.{}.q.reduced{{_*}}.weight" layers [2] : !adze.weight<24x32,
// OTHER-DAG: @l.down.0 from "layers.{}.down.reduced{{_*}}.weight" layers [0] : !adze.weight<32x64,
// OTHER-DAG: @l.down.1 from "layers.{}.down.reduced{{_*}}.weight" layers [1] : !adze.weight<32x64,
// OTHER-DAG: @l.down.2 from "layers.{}.down.weight" layers [2] : !adze.weight<32x96,
// OTHER: adze.state @kv x 3 : !adze.kv<3x8xf32>
// OTHER: func.func private @layer.0
// OTHER: heads 3 kv_heads 3
// OTHER: func.func private @layer.1
// OTHER: heads 6 kv_heads 3
// OTHER: func.func private @layer.2
// OTHER: heads 3 kv_heads 3
// OTHER: adze.repeat 1 @layer.0(
// OTHER-NEXT: adze.repeat 1 from 1 @layer.1(
// OTHER-NEXT: adze.repeat 1 from 2 @layer.2(
// KINDS-DAG: [Passed] {{.*}}adze-remove-dead {{.*}}3 layers become 3 kinds
// KINDS-DAG: [Missed] {{.*}}adze-remove-dead {{.*}}3 dead query heads stay: each group of each layer keeps as many

// Functions that share weights change together, or get weights of their own.
// RUN: %python %S/Inputs/dead.py make %t/shared shared
// RUN: adze-opt %t/shared/model.mlir --adze-remove-dead="store=%t/store" -o %t/shared.mlir
// RUN: FileCheck %s --input-file=%t/shared.mlir --check-prefix=SHARED
// RUN: %python %S/Inputs/dead.py check %t/shared %t/shared.mlir
// SHARED-DAG: @l.q.0 from "layers.{}.q.reduced{{_*}}.weight" layers [0] : !adze.weight<24x32,
// SHARED-DAG: @l.q.1 from "layers.{}.q.reduced{{_*}}.weight" layers [1] : !adze.weight<48x32,
// SHARED-DAG: @l.q from "layers.{}.q.reduced{{_*}}.weight" layers [2] : !adze.weight<24x32,
// SHARED: adze.state @kv x 3 : !adze.kv<3x8xf32>

// A layer that adds nothing goes; the state keeps its place.
// RUN: %python %S/Inputs/dead.py make %t/layer layer
// RUN: adze-opt %t/layer/model.mlir --adze-remove-dead="store=%t/store" %remarks -o %t/layer.mlir 2> %t/remarks
// RUN: FileCheck %s --input-file=%t/layer.mlir --check-prefix=LAYER
// RUN: FileCheck %s --input-file=%t/remarks --check-prefix=GONE
// RUN: %python %S/Inputs/dead.py check %t/layer %t/layer.mlir
// LAYER: \22layers\22:2
// LAYER: @l.n1.0 from "layers.{}.n1.weight" layers [0]
// LAYER: @l.n1.1 from "layers.{}.n1.weight" layers [2]
// LAYER: adze.state @kv x 3 : !adze.kv<3x8xf32>
// LAYER: adze.repeat 1 @layer.0(
// LAYER-NEXT: adze.repeat 1 from 2 @layer.1(
// GONE: [Passed] {{.*}}adze-remove-dead {{.*}}layer 1 adds nothing and is taken out

// A kind all of whose layers go, goes with its weights.
// RUN: adze-opt %t/layer/model.mlir --adze-split-layers="format=*layers.1.*=f32,*=bf16" -o %t/layer/kinds.mlir
// RUN: adze-opt %t/layer/kinds.mlir --adze-remove-dead="store=%t/store" -o %t/kind.mlir
// RUN: FileCheck %s --input-file=%t/kind.mlir --check-prefix=KIND --implicit-check-not='layers [1]' --implicit-check-not='func.func private @layer.1('
// RUN: %python %S/Inputs/dead.py check %t/layer %t/kind.mlir
// KIND: adze.meta = "{{.*}}\22layers\22:2
// KIND: func.func private @layer.0

// What anything else reads or makes stays, and the remark says what.
// RUN: sed 's/%%d = /adze.tap %%m "m" : tensor<?x96xf32>\n    %%d = /' %t/alike/model.mlir > %t/alike/tap.mlir
// RUN: adze-opt %t/alike/tap.mlir --adze-remove-dead="store=%t/store" %remarks 2> %t/remarks | FileCheck %s --check-prefix=TAP
// RUN: FileCheck %s --input-file=%t/remarks --check-prefix=TAPPED
// TAP: @l.q from "layers.{}.q.reduced.weight"
// TAP: @l.down from "layers.{}.down.weight" x 3 : !adze.weight<32x96,
// TAPPED: [Missed] {{.*}}adze-remove-dead {{.*}}dead columns of what @l.down reads stay: 'adze.tap' reads it
// RUN: sed 's/%%d = /%%m2 = adze.rms_norm %%m, @l.ub[%%l] eps 1.0e-5 : tensor<?x96xf32>\n    %%d = /' %t/alike/model.mlir > %t/alike/norm.mlir
// RUN: adze-opt %t/alike/norm.mlir --adze-remove-dead="store=%t/store" %remarks -o /dev/null 2>&1 | FileCheck %s --check-prefix=NORM
// NORM: [Missed] {{.*}}adze-remove-dead {{.*}}dead columns of what @l.down reads stay: more than linears read @l.ub
// RUN: sed 's/%%o = /adze.tap %%a "a" : tensor<?x64xf32>\n    %%o = /' %t/alike/model.mlir > %t/alike/attention.mlir
// RUN: adze-opt %t/alike/attention.mlir --adze-remove-dead="store=%t/store" %remarks 2> %t/remarks | FileCheck %s --check-prefix=HELD
// RUN: FileCheck %s --input-file=%t/remarks --check-prefix=HEADS
// HELD: @l.v from "layers.{}.v.weight"
// HELD: adze.state @kv x 3 : !adze.kv<4x8xf32>
// HELD: heads 8 kv_heads 4
// HEADS: [Missed] {{.*}}adze-remove-dead {{.*}}dead columns of what @l.o reads stay: 'adze.tap' reads it

// So do columns that are scaled for what they read: a tensor would not say so.
// RUN: sed 's/@l.down from/@l.down.raw from/; s/^  adze.state/  adze.weight @s from "layers.{}.ub.weight" x 3 : !adze.weight<96, #adze.float<f32>>\n  adze.weight @l.down x 3 : !adze.weight<32x96, #adze.float<f32>> {\n    %%0 = adze.ref @l.down.raw : !adze.weight<32x96, #adze.float<f32>>\n    %%1 = adze.scale_columns %%0 by @s : !adze.weight<32x96, #adze.float<f32>>\n    adze.yield %%1 : !adze.weight<32x96, #adze.float<f32>>\n  }\n&/' %t/alike/model.mlir > %t/alike/scaled.mlir
// RUN: adze-opt %t/alike/scaled.mlir --adze-remove-dead="store=%t/store" %remarks -o /dev/null 2>&1 | FileCheck %s --check-prefix=SCALED
// SCALED: [Missed] {{.*}}adze-remove-dead {{.*}}dead columns of what @l.down reads stay: the columns of @l.down are scaled for what it reads

// Weights of codes stay; without a store nothing can.
// RUN: adze-opt %t/alike/model.mlir --adze-convert-weights="format=*down=int8,*up=f32" --adze-remove-dead="store=%t/store" %remarks -o /dev/null 2>&1 | FileCheck %s --check-prefix=CODES
// CODES: [Missed] {{.*}}adze-remove-dead {{.*}}dead columns of what @l.down reads stay: @l.down is not stored as rows of floats
// RUN: not adze-opt %t/alike/model.mlir --adze-remove-dead 2>&1 | FileCheck %s --check-prefix=STORE
// STORE: error: adze-remove-dead: expects the option store=FOLDER

// A model without dead structure, or without structure.
// RUN: adze-opt %S/Inputs/scale/model.mlir --adze-remove-dead="store=%t/store" %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=AGAIN
// RUN: adze-opt %S/Inputs/gptq/model.mlir --adze-remove-dead="store=%t/store" %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=AGAIN
