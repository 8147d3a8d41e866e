// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The module is Inputs/scale/model.mlir; Inputs/check-ranges.py compares ranges
// with plain loops over the statistics.

// RUN: rm -rf %t && mkdir %t
// RUN: adze-opt %S/Inputs/scale/model.mlir --adze-convert-weights=format=int4:g16 --adze-quantize-activations=format=int8:g16 --adze-static-ranges="statistics=%S/Inputs/scale/statistics store=%t/store report=%t/report.json" -o %t/static.mlir %remarks 2> %t/remarks
// RUN: FileCheck %s --input-file=%t/static.mlir
// RUN: FileCheck %s --input-file=%t/remarks --check-prefix=REMARK
// RUN: %python %S/Inputs/check-ranges.py %t/static.mlir %S/Inputs/scale/statistics 16 1 | FileCheck %s --check-prefix=PLAIN
// PLAIN: 8 inputs, 0 of them scaled, 0 wrong

// A weight for each value, a vector for each layer.
// CHECK: adze.model = "
// CHECK-SAME: adze.ranges = "{
// CHECK-SAME: adze.table = "{{.*}}/store/weights-{{[0-9a-f]+}}.json"
// CHECK-DAG: adze.weight @l.q.ranges from "layers.{}.q.input_ranges.weight" x 2 : !adze.weight<2, #adze.float<f32>>
// CHECK-DAG: adze.weight @l.o.ranges from "layers.{}.o.input_ranges.weight" x 2 : !adze.weight<2, #adze.float<f32>>
// CHECK-DAG: adze.weight @l.gate.ranges from "layers.{}.gate.input_ranges.weight" x 2 : !adze.weight<2, #adze.float<f32>>
// CHECK-DAG: adze.weight @l.down.ranges from "layers.{}.down.input_ranges.weight" x 2 : !adze.weight<3, #adze.float<f32>>
// CHECK: func.func private @layer(%[[L:.*]]: index,
// CHECK: %[[Q:.*]] = adze.quantize %{{.*}} group 16 ranges @l.q.ranges[%[[L]]] : tensor<?x32xf32>
// CHECK: adze.linear %[[Q]], @l.q[
// CHECK: adze.linear %[[Q]], @l.k[
// CHECK: adze.quantize %{{.*}} group 16 ranges @l.o.ranges[%[[L]]]
// CHECK: adze.quantize %{{.*}} group 16 ranges @l.gate.ranges[%[[L]]]
// CHECK: adze.quantize %{{.*}} group 16 ranges @l.down.ranges[%[[L]]]
// REMARK-NOT: Missed
// REMARK-COUNT-4: adze-static-ranges{{.*}}its ranges are those of the calibration
// REMARK-NOT: adze-static-ranges

// The report names each value in each layer.
// RUN: %python -c "import json; r = json.load(open('%t/report.json')); assert r['pass'] == 'adze-static-ranges' and r['tokens'] == 32 and r['margin'] == 1 and len(r['inputs']) == 8, r; assert all(0 < i['least'] <= i['most'] and i['groups'] in (2, 3) for i in r['inputs']), r"

// A range for the row; a margin. What has ranges keeps them.
// RUN: adze-opt %S/Inputs/scale/model.mlir --adze-convert-weights=format=int4:g16 --adze-quantize-activations=format=int8:token --adze-static-ranges="statistics=%S/Inputs/scale/statistics store=%t/store margin=1.25" -o %t/row.mlir
// RUN: FileCheck %s --input-file=%t/row.mlir --check-prefix=ROW
// RUN: %python %S/Inputs/check-ranges.py %t/row.mlir %S/Inputs/scale/statistics 0 1.25 | FileCheck %s --check-prefix=PLAIN
// RUN: adze-opt %t/row.mlir --adze-static-ranges="statistics=%S/Inputs/scale/statistics store=%t/store" %remarks 2> %t/again | diff - %t/row.mlir
// RUN: FileCheck %s --input-file=%t/again --check-prefix=NONE
// ROW: adze.quantize %{{[0-9]+}} ranges @l.q.ranges[%{{.*}}] : tensor<?x32xf32>
// NONE: adze-static-ranges{{.*}}no activations are rounded

// Ranges follow what scaling passes do to the values, and still do when rounding
// has made tensors of the scaled weights.
// RUN: adze-opt %S/Inputs/scale/model.mlir --adze-smooth-quant="weights=int4:g16 statistics=%S/Inputs/scale/statistics store=%t/smooth" -o %t/smooth.mlir
// RUN: adze-opt %t/smooth.mlir --adze-quantize-activations=format=int8:g16 --adze-static-ranges="statistics=%S/Inputs/scale/statistics store=%t/smooth" -o %t/scaled.mlir
// RUN: %python %S/Inputs/check-ranges.py %t/scaled.mlir %S/Inputs/scale/statistics 16 1 | FileCheck %s --check-prefix=SCALED
// RUN: adze-opt %t/smooth.mlir --adze-gptq="statistics=%S/Inputs/scale/statistics store=%t/smooth" --adze-eliminate-dead-weights -o %t/coded.mlir
// RUN: FileCheck %s --input-file=%t/coded.mlir --check-prefix=CODED
// CODED-NOT: adze.scale_columns
// RUN: adze-opt %t/coded.mlir --adze-quantize-activations=format=int8:g16 --adze-static-ranges="statistics=%S/Inputs/scale/statistics store=%t/smooth" -o %t/both.mlir
// RUN: %python %S/Inputs/check-ranges.py %t/both.mlir %S/Inputs/scale/statistics 16 1 | FileCheck %s --check-prefix=SCALED
// SCALED: 8 inputs, 8 of them scaled, 0 wrong
// Merged weights too.
// RUN: adze-opt %t/coded.mlir --cse --adze-split-attention --adze-merge-qkv --adze-merge-gate-up --adze-quantize-activations=format=int8:g16 --adze-static-ranges="statistics=%S/Inputs/scale/statistics store=%t/smooth" -o %t/merged.mlir
// RUN: %python %S/Inputs/check-ranges.py %t/merged.mlir %S/Inputs/scale/statistics 16 1 | FileCheck %s --check-prefix=SCALED
