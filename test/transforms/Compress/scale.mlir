// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The module is Inputs/scale/model.mlir; test/scripts/compress/scale_reference.py
// made its weights, its statistics, and what is expected.

// RUN: rm -rf %t && mkdir %t
// RUN: adze-opt %S/Inputs/scale/model.mlir --adze-awq="weights=int4:g16 statistics=%S/Inputs/scale/statistics store=%t/store report=%t/report.json" -o %t/awq.mlir %remarks 2> %t/remarks
// RUN: FileCheck %s --input-file=%t/awq.mlir
// RUN: FileCheck %s --input-file=%t/remarks --check-prefix=REMARK
// RUN: %python %S/Inputs/check-scales.py %S/Inputs/scale/expected.json awq %t/report.json %t/store/weights-*.json | FileCheck %s --check-prefix=SAME
// SAME: 8 inputs, 0 of 0 codes differ

// The weights stay casts, of scaled floats; v's rows are divided and its columns
// multiplied. Norms and biases are divided.
// CHECK: adze.model = "
// CHECK-SAME: adze.scaling = "{
// CHECK-SAME: adze.table = "{{.*}}/store/weights-{{[0-9a-f]+}}.json"
// CHECK-DAG: adze.weight @[[S:.*]] from "layers.{}.q.input_scales.weight" x 2 : !adze.weight<32, #adze.float<f32>>
// CHECK-DAG: adze.weight @[[O:.*]] from "layers.{}.o.input_scales.weight" x 2 : !adze.weight<32, #adze.float<f32>>
// CHECK-DAG: adze.weight @[[R:.*]] from "layers.{}.o.row_scales.weight" x 2 : !adze.weight<16, #adze.float<f32>>
// CHECK-DAG: adze.weight @[[N1:l.n1.*]] x 2 : !adze.weight<32, #adze.float<f32>> {
// CHECK-DAG: adze.scale_rows %{{.*}} by @l.q.scales inverse : <32, #adze.float<f32>>
// CHECK-DAG: adze.scale_columns %{{.*}} by @l.q.scales : <16x32, #adze.float<f32>>
// CHECK-DAG: adze.scale_rows %{{.*}} by @l.o.scales_0 inverse : <16x32, #adze.float<f32>>
// CHECK-DAG: adze.scale_rows %{{.*}} by @l.o.scales_0 inverse : <16, #adze.float<f32>>
// CHECK-DAG: adze.scale_columns %{{.*}} by @l.o.scales : <32x32, #adze.float<f32>>
// CHECK-DAG: adze.scale_rows %{{.*}} by @l.down.scales inverse : <48x32, #adze.float<f32>>
// CHECK: adze.rms_norm %{{.*}}, @l.n1.scaled[
// CHECK: adze.linear %{{.*}}, @l.q[
// CHECK: adze.linear %{{.*}}, @l.v[%{{.*}}] bias @l.v.bias.scaled
// CHECK: adze.rms_norm %{{.*}}, @l.n2.scaled[

// REMARK-NOT: Missed
// REMARK-DAG: scales what "layers.0.q.weight" and others read: alpha 0.35, error 0.00378 of what they compute (0.00483 without)
// REMARK-DAG: scales what "layers.0.o.weight" reads: alpha 0.05, error 0.00401 of what they compute (0.00444 without)
// REMARK-DAG: scales what "layers.1.gate.weight" and others read: alpha 0.3, error 0.00339 of what they compute (0.00467 without)
// REMARK-DAG: scales what "layers.1.down.weight" reads: alpha 0.45, error 0.00342 of what they compute (0.00501 without)

// GPTQ sees what was divided; the codes are those of the reference.
// RUN: adze-opt %t/awq.mlir --adze-gptq="precision=double statistics=%S/Inputs/scale/statistics store=%t/awq-store" -o %t/gptq.mlir
// RUN: %python %S/Inputs/check-scales.py %S/Inputs/scale/expected.json awq %t/report.json %t/store/weights-*.json %t/awq-store/weights-*.json | FileCheck %s --check-prefix=CODES
// CODES: 8 inputs, 0 of 15360 codes differ
// RUN: FileCheck %s --input-file=%t/gptq.mlir --check-prefix=GPTQ
// GPTQ-DAG: adze.weight @l.q from "layers.{}.q.coded.weight" x 2
// GPTQ-DAG: adze.weight @l.n1.scaled x 2

// SmoothQuant.
// RUN: adze-opt %S/Inputs/scale/model.mlir --adze-smooth-quant="weights=int4:g16 statistics=%S/Inputs/scale/statistics store=%t/smooth report=%t/smooth.json" -o %t/smooth.mlir
// RUN: adze-opt %t/smooth.mlir --adze-gptq="precision=double statistics=%S/Inputs/scale/statistics store=%t/smooth-store" -o %t/smooth-gptq.mlir
// RUN: %python %S/Inputs/check-scales.py %S/Inputs/scale/expected.json smoothquant %t/smooth.json %t/smooth/weights-*.json %t/smooth-store/weights-*.json | FileCheck %s --check-prefix=CODES

// Threads change nothing. One exponent leaves the numbers as they are.
// RUN: adze-opt %S/Inputs/scale/model.mlir --mlir-disable-threading --adze-awq="weights=int4:g16 statistics=%S/Inputs/scale/statistics store=%t/store" | diff - %t/awq.mlir
// RUN: adze-opt %S/Inputs/scale/model.mlir --adze-awq="weights=int4:g16 steps=1 statistics=%S/Inputs/scale/statistics store=%t/one" %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=ONE
// ONE: "layers.0.q.weight" and others read: alpha 0, error 0.00483 of what they compute (0.00483 without)

// What was scaled before is read divided: with what SmoothQuant left, AWQ begins.
// RUN: adze-opt %t/smooth.mlir --adze-awq="statistics=%S/Inputs/scale/statistics store=%t/both report=%t/both.json" -o %t/both.mlir
// RUN: %python %S/Inputs/check-scales.py follows %t/smooth.json %t/both.json | FileCheck %s --check-prefix=FOLLOWS
// FOLLOWS: 8 inputs follow
