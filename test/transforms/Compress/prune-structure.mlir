// REQUIRES: numpy
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Inputs/structure.py computes what is to go again, from the files.

// DEFINE: %{in} = %S/Inputs/scale
// DEFINE: %{prune} = adze-opt %{in}/model.mlir --adze-prune-structure
// RUN: rm -rf %t && mkdir %t

// RUN: %{prune}="neurons=0.4 heads=0.5 store=%t/store report=%t/report.json" %remarks -o %t/plain.mlir 2> %t/remarks
// RUN: FileCheck %s --input-file=%t/plain.mlir
// RUN: FileCheck %s --input-file=%t/remarks --check-prefix=REMARK
// RUN: FileCheck %s --input-file=%t/report.json --check-prefix=REPORT
// RUN: %python %S/Inputs/structure.py %{in} %t/plain.mlir 19 2
// CHECK: adze.pruning = "{{.*}}layers.0.down.weight
// CHECK-DAG: @l.q from "layers.{}.q.weight" x 2
// CHECK-DAG: @l.o from "layers.{}.o.pruned.weight" x 2 : !adze.weight<32x32, #adze.float<f32>>
// CHECK-DAG: @l.up from "layers.{}.up.weight" x 2
// CHECK-DAG: @l.down from "layers.{}.down.pruned.weight" x 2 : !adze.weight<32x48, #adze.float<f32>>
// REMARK-DAG: [Passed] {{.*}}adze-prune-structure {{.*}}"layers.0.down.weight" loses 19 of 48 neurons: error 0.{{[0-9]+}} of the weight
// REMARK-DAG: [Passed] {{.*}}adze-prune-structure {{.*}}"layers.1.o.weight" loses 2 of 4 heads: error 0.{{[0-9]+}} of the weight
// REPORT: "method": "structure",
// REPORT-NEXT: "pattern": "heads=0.5",
// REPORT: "tensor": "layers.0.o.weight",
// REPORT-NEXT: "zeros": 0.5

// Doing it again leaves one entry of each in the report.
// RUN: adze-opt %t/plain.mlir --adze-prune-structure="neurons=0.4 heads=0.5 store=%t/store" | grep -o 'tensor.22:.22layers.[01].down.weight' | wc -l | FileCheck %s --check-prefix=ONCE
// ONCE: {{^ *}}2{{$}}

// By what is read.
// RUN: %{prune}="neurons=0.4 heads=0.5 statistics=%{in}/statistics store=%t/store" -o %t/measured.mlir
// RUN: %python %S/Inputs/structure.py %{in} %t/measured.mlir 19 2 statistics

// Less than half a head of a group: whole groups. One head of each stays.
// RUN: %{prune}="heads=0.26 statistics=%{in}/statistics store=%t/store" -o %t/one.mlir
// RUN: %python %S/Inputs/structure.py %{in} %t/one.mlir 0 2 statistics
// RUN: %python %S/Inputs/dead.py make %t/groups
// RUN: adze-opt %t/groups/model.mlir --adze-prune-structure="heads=0.25 store=%t/store" %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=GROUP
// GROUP: "layers.0.o.weight" loses 2 of 8 heads
// RUN: adze-opt %t/groups/model.mlir --adze-prune-structure="heads=0.99 store=%t/store" %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=ALL
// ALL: "layers.0.o.weight" loses 4 of 8 heads
// RUN: %{prune}="heads=0.2 store=%t/store" %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=LITTLE
// LITTLE: [Missed] {{.*}}adze-prune-structure {{.*}}0.2 of the heads is less than half of one that can go

// Then they are taken out, and statistics are those of the columns that are left.
// RUN: adze-opt %t/measured.mlir --adze-remove-dead="store=%t/store" --adze-gptq="weights=*.down=int4:g16,*.o=f32 statistics=%{in}/statistics store=%t/store" -o %t/coded.mlir
// RUN: FileCheck %s --input-file=%t/coded.mlir --check-prefix=CODED
// RUN: %python %S/Inputs/structure.py %{in} %t/coded.mlir 0 0 columns
// CODED-DAG: adze.weight @l.q from "layers.{}.q.reduced.weight" x 2 : !adze.weight<16x32, #adze.float<f32>>
// CODED-DAG: adze.weight @l.up from "layers.{}.up.reduced.weight" x 2 : !adze.weight<32x32, #adze.float<f32>>

// Nothing to do, and mistakes.
// RUN: %{prune}="store=%t/store" %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=NONE
// RUN: adze-opt %S/Inputs/gptq/model.mlir --adze-prune-structure="neurons=0.5 heads=0.5 store=%t/store" %remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=NONE
// NONE: [Missed] {{.*}}adze-prune-structure {{.*}}there are no neurons or heads that can be taken out
// RUN: not %{prune}="neurons=1 store=%t/store" 2>&1 | FileCheck %s --check-prefix=NEURONS
// NEURONS: error: adze-prune-structure: expects neurons from 0 to below 1, got 1
// RUN: not %{prune}="heads=-0.1 store=%t/store" 2>&1 | FileCheck %s --check-prefix=HEADS
// HEADS: error: adze-prune-structure: expects heads from 0 to below 1, got -
// RUN: not %{prune}="neurons=0.5" 2>&1 | FileCheck %s --check-prefix=STORE
// STORE: error: adze-prune-structure: expects the option store=FOLDER
// RUN: cp -r %{in} %t/copy && sed -i 's/"model": "./"model": "x/' %t/copy/statistics/statistics.json
// RUN: not %{prune}="neurons=0.5 statistics=%t/copy/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=MODEL
// MODEL: error: adze-prune-structure: {{.*}}statistics.json: expected statistics of model {{.*}}, found those of model x
