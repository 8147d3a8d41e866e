// The module is Inputs/scale/model.mlir, with its weights and statistics.
// RUN: adze-opt %S/Inputs/scale/model.mlir --adze-choose-formats="budget=40 formats=f32+int8" | FileCheck %s --check-prefix=ALL
// RUN: adze-opt %S/Inputs/scale/model.mlir --adze-choose-formats="budget=7 formats=int4:g16+int8" -o %t.plain
// RUN: FileCheck %s --input-file=%t.plain
// RUN: adze-opt %S/Inputs/scale/model.mlir --adze-choose-formats="budget=8 formats=int4:g16+int8 statistics=%S/Inputs/scale/statistics" -o %t.stats %remarks 2> %t.remarks
// RUN: FileCheck %s --input-file=%t.stats --check-prefix=STATS
// RUN: FileCheck %s --input-file=%t.remarks --check-prefix=REMARK
// RUN: not adze-opt %S/Inputs/scale/model.mlir --adze-choose-formats="budget=2 formats=int4:g16+int8" 2>&1 | FileCheck %s --check-prefix=BUDGET
// RUN: not adze-opt %S/Inputs/scale/model.mlir --adze-choose-formats="budget=0" 2>&1 | FileCheck %s --check-prefix=ZERO
// RUN: not adze-opt %S/Inputs/scale/model.mlir --adze-choose-formats="formats=int5" 2>&1 | FileCheck %s --check-prefix=FORMAT
// RUN: not adze-opt %S/Inputs/scale/model.mlir --adze-choose-formats="statistics=%S/Inputs/gptq/statistics" 2>&1 | FileCheck %s --check-prefix=OTHER

// Where bits are plenty nothing is lost.
// ALL: adze.formats = "{{[^"]*}}layers.*.q.weight=f32{{[^"]*}}"
// ALL-NOT: adze.cast

// Layers differ, what reads one value does not: q, k and v; gate and up. Types
// and kinds follow the rules.
// CHECK: adze.formats = "
// CHECK-DAG: #adze.int<8, scale = f32>
// CHECK-DAG: #adze.int<4, group = 16, scale = bf16>

// STATS: adze.formats = "
// REMARK: adze-choose-formats{{.*}} bits per weight of 8.00: layers.
// BUDGET: error: adze-choose-formats: the budget of 2 bits per weight cannot be met: the smallest of the formats take {{[0-9.]+}}; raise it, or add a smaller format
// ZERO: error: adze-choose-formats: expects budget, the bits per weight, to be a positive number, got 0
// FORMAT: error: adze-choose-formats: {{.*}}int5
// OTHER: error: adze-choose-formats: {{.*}}
