// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The module is Inputs/gptq/model.mlir; test/scripts/compress/small_model.py made
// its weights and statistics, and the errors that are expected.

// RUN: rm -rf %t && mkdir %t
// RUN: adze-opt %S/Inputs/gptq/model.mlir --adze-gptq="weights=int4:g16 statistics=%S/Inputs/gptq/statistics store=%t/store report=%t/report.json" -o %t/out.mlir %remarks 2> %t/remarks
// RUN: FileCheck %s --input-file=%t/out.mlir
// RUN: FileCheck %s --input-file=%t/remarks --check-prefix=REMARK
// RUN: FileCheck %s --input-file=%t/report.json --check-prefix=REPORT

// The casts of adze-convert-weights become sources.
// CHECK: adze.model = "d11932d199787cda1d86e85f709cdd2d5093e82a5877c49d0cbf029894cfc7bc"
// CHECK-SAME: adze.table = "{{.*}}/store/weights-{{[0-9a-f]+}}.json"
// CHECK: adze.weight @l.q from "layers.{}.q.coded.weight" x 2 : !adze.weight<24x32, #adze.int<4, group = 16, scale = bf16>>
// CHECK: adze.weight @l.down from "layers.{}.down.coded.weight" x 2 : !adze.weight<32x48, #adze.int<4, group = 16, scale = bf16>>
// CHECK: adze.linear %{{.*}}, @l.q[
// CHECK: adze.linear %{{.*}}, @l.k[
// CHECK: adze.linear %{{.*}}, @l.down[

// REMARK-DAG: "layers.0.q.weight" becomes int4:g16: error 0.178 of the weight, 0.00221 of what it computes (0.00564 with plain rounding)
// REMARK-DAG: "layers.0.k.weight" becomes int4:g16: error 0.193 of the weight, 0.00179 of what it computes (0.00401 with plain rounding)
// REMARK-DAG: "layers.0.down.weight" becomes int4:g16: error 0.178 of the weight, 0.00179 of what it computes (0.00475 with plain rounding)
// REMARK-DAG: "layers.1.q.weight" becomes int4:g16: error 0.188 of the weight, 0.00228 of what it computes (0.00618 with plain rounding)
// REMARK-DAG: "layers.1.k.weight" becomes int4:g16: error 0.184 of the weight, 0.00159 of what it computes (0.00531 with plain rounding)
// REMARK-DAG: "layers.1.down.weight" becomes int4:g16: error 0.188 of the weight, 0.00208 of what it computes (0.00557 with plain rounding)

// REPORT: "pass": "adze-gptq",
// REPORT: "weights": [
// REPORT: "file": "{{[0-9a-f]+}}.safetensors",
// REPORT-NEXT: "format": "int4:g16",
// REPORT-NEXT: "output": 0.0022{{[0-9]+}},
// REPORT-NEXT: "plain": 0.0056{{[0-9]+}},
// REPORT-NEXT: "relative": 0.178{{[0-9]+}},
// REPORT-NEXT: "tensor": "layers.0.q.weight"

// Three bits.
// RUN: adze-opt %S/Inputs/gptq/model.mlir --adze-gptq="weights=int3:g16 statistics=%S/Inputs/gptq/statistics store=%t/three" %remarks 2>&1 | FileCheck %s --check-prefix=THREE
// THREE-DAG: "layers.1.down.weight" becomes int3:g16: error {{[0-9.]+}} of the weight, {{[0-9.]+}} of what it computes ({{[0-9.]+}} with plain rounding)
// THREE-DAG: adze.weight @l.q from "layers.{}.q.coded.weight" x 2 : !adze.weight<24x32, #adze.int<3, group = 16, scale = bf16>>

// How far it is, it says in actions, which nobody prints unless asked.
// RUN: adze-opt %S/Inputs/gptq/model.mlir --adze-gptq="weights=int4:g16 statistics=%S/Inputs/gptq/statistics store=%t/store" -o %t/again.mlir > %t/said 2>&1
// RUN: test ! -s %t/said
// RUN: adze-opt %S/Inputs/gptq/model.mlir --adze-gptq="weights=int4:g16 statistics=%S/Inputs/gptq/statistics store=%t/store" -o %t/again.mlir --log-actions-to=%t/actions
// RUN: FileCheck %s --input-file=%t/actions --check-prefix=ACTIONS
// ACTIONS: adze-progress: round 0 of 1000
// ACTIONS: adze-progress: round 1000 of 1000

// The store has a file per tensor and a table; doing it again changes nothing.
// RUN: ls %t/store | wc -l | FileCheck %s --check-prefix=FILES
// RUN: adze-opt %S/Inputs/gptq/model.mlir --adze-convert-weights=format=int4:g16 --adze-gptq="statistics=%S/Inputs/gptq/statistics store=%t/store" | diff - %t/out.mlir
// RUN: ls %t/store | wc -l | FileCheck %s --check-prefix=FILES
// FILES: {{^}}7

// On one thread the codes are the same.
// RUN: adze-opt %S/Inputs/gptq/model.mlir --mlir-disable-threading --adze-gptq="weights=int4:g16 statistics=%S/Inputs/gptq/statistics store=%t/store" | diff - %t/out.mlir

// What is there already is left alone, and needs no statistics.
// RUN: adze-opt %t/out.mlir --adze-gptq | diff - %t/out.mlir
// RUN: adze-opt %t/out.mlir --adze-gptq %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=NOTHING
// NOTHING: [Missed] {{.*}}adze-gptq {{.*}}no weight is a cast of floats to an integer format

// Other orders, dampings, scales and formats are other codes.
// RUN: adze-opt %S/Inputs/gptq/model.mlir --adze-gptq="weights=int4:g16 act-order=false statistics=%S/Inputs/gptq/statistics store=%t/store" %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=OTHER
// RUN: adze-opt %S/Inputs/gptq/model.mlir --adze-gptq="weights=int4:g16 damping=0.5 statistics=%S/Inputs/gptq/statistics store=%t/store" %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=OTHER
// RUN: adze-opt %S/Inputs/gptq/model.mlir --adze-gptq="weights=int4:g16 importance statistics=%S/Inputs/gptq/statistics store=%t/store" %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=OTHER
// OTHER-NOT: error 0.178 of the weight, 0.00221 of what
// OTHER: "layers.0.q.weight" becomes int4:g16: error 0.{{.*}} of what it computes (0.00564 with plain rounding)
// OTHER-NOT: error 0.178 of the weight, 0.00221 of what
// RUN: adze-opt %S/Inputs/gptq/model.mlir --adze-gptq="weights=*q=int8,*=int4:g32:zp precision=double statistics=%S/Inputs/gptq/statistics store=%t/store" %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=FORMATS
// FORMATS: "layers.0.q.weight" becomes int8: error 0.0
// FORMATS: "layers.0.k.weight" becomes int4:g32:zp: error 0.1

// A weight that other ops read too stays as it is. The module says of which
// model it is.
// RUN: sed 's/{adze.table/{adze.model = "d11932d199787cda1d86e85f709cdd2d5093e82a5877c49d0cbf029894cfc7bc", adze.table/; s/"layers.{}.k.weight" x 2/"layers.0.k.weight"/; s/@l.k\[%%l\]/@l.k/; s/return %%q/%%e = adze.embed %%t, @l.k : tensor<?xi32> -> tensor<?x32xf32>\n    return %%q/; s/@layer(/@layer(%%t: tensor<?xi32>, /' %S/Inputs/gptq/model.mlir > %t/embed.mlir
// RUN: adze-opt %t/embed.mlir --adze-gptq="weights=int4:g16 table=%S/Inputs/gptq/weights.json statistics=%S/Inputs/gptq/statistics store=%t/store" %remarks 2>&1 | FileCheck %s --check-prefix=EMBED
// EMBED: [Missed] {{.*}}adze-gptq {{.*}}more than linears read it
// EMBED: adze.weight @l.k :
// EMBED-NEXT: adze.ref
// EMBED-NEXT: adze.cast

// Not positive definite: more damping, which is said.
// RUN: %python %S/Inputs/damage.py %S/Inputs/gptq %t/indefinite layers.0.q.weight/gram 1 150
// RUN: adze-opt %t/indefinite/model.mlir --adze-gptq="weights=int4:g16 statistics=%t/indefinite/statistics store=%t/store" %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=DAMPED
// DAMPED: "layers.0.q.weight" becomes int4:g16: {{.*}}; the Gram matrix is not positive definite with a damping of 0.01, it got 1"
// DAMPED: "layers.1.q.weight" becomes int4:g16: error 0.188 of the weight, 0.00228 of what it computes (0.00618 with plain rounding)"
