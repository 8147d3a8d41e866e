// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Ranges that cannot be had, and what keeps its own.

// RUN: rm -rf %t && mkdir %t
// RUN: adze-opt %S/Inputs/scale/model.mlir --adze-convert-weights=format=int4:g16 --adze-quantize-activations=format=int8:g16 -o %t/model.mlir
// RUN: cp %S/Inputs/scale/weights.* %t
// RUN: not adze-opt %t/model.mlir --adze-static-ranges 2>&1 | FileCheck %s --check-prefix=OPTIONS
// OPTIONS: error: adze-static-ranges: expects the options statistics=FOLDER (see `adze calibrate`) and store=FOLDER
// RUN: not adze-opt %t/model.mlir --adze-static-ranges=margin=0 2>&1 | FileCheck %s --check-prefix=MARGIN
// MARGIN: error: adze-static-ranges: expects a margin above 0, got 0
// RUN: not adze-opt %t/model.mlir --adze-static-ranges="statistics=%S/Inputs/gptq/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=MODEL
// MODEL: error: adze-static-ranges: {{.*}}statistics.json: expected statistics of model 7321e207{{.*}}, found those of model d11932d1

// Magnitudes that are none.
// RUN: %python %S/Inputs/damage.py %S/Inputs/scale %t/inf layers.1.o.weight/abs_max 7 inf
// RUN: not adze-opt %t/model.mlir --adze-static-ranges="statistics=%t/inf/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=INF
// INF: error: adze-static-ranges: {{.*}}statistics.json: tensor "layers.1.o.weight/abs_max": expected numbers
// RUN: not adze-opt %t/model.mlir --adze-static-ranges="statistics=%S/Inputs/scale/statistics store=%t/store margin=1e39" 2>&1 | FileCheck %s --check-prefix=LARGE
// LARGE: error: adze-static-ranges: {{.*}}statistics.json: tensor "layers.0.q.weight/abs_max": column 0: expected a finite range, found inf; choose a smaller margin

// Statistics of another size.
// RUN: cp -r %S/Inputs/scale %t/size
// RUN: sed -i 's/"layers.0.down.weight": "layers.0.down.weight"/"layers.0.down.weight": "layers.0.q.weight"/' %t/size/statistics/statistics.json
// RUN: not adze-opt %t/model.mlir --adze-static-ranges="statistics=%t/size/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=SIZE
// SIZE: error: adze-static-ranges: tensor "layers.0.down.weight": expected statistics of 48 values, found those of 32

// What was not seen keeps its own ranges, in all layers; the others do not.
// RUN: cp -r %S/Inputs/scale %t/unseen
// RUN: sed -i '/"layers.1.o.weight": "layers.1.o.weight",/d' %t/unseen/statistics/statistics.json
// RUN: adze-opt %t/model.mlir --adze-static-ranges="statistics=%t/unseen/statistics store=%t/store" %remarks 2>&1 | FileCheck %s --check-prefix=UNSEEN
// UNSEEN: [Missed]{{.*}}adze-static-ranges{{.*}}the calibration has not seen what "layers.1.o.weight" is multiplied with: its ranges are found at run time
// UNSEEN: adze.quantize %{{.*}} group 16 ranges @l.q.ranges[
// UNSEEN: adze.quantize %{{.*}} group 16 : tensor<?x32xf32>
// UNSEEN: adze.quantize %{{.*}} group 16 ranges @l.gate.ranges[

// Groups of zeros get the largest range of their row.
// RUN: %python -c "import json; d = '%t/unseen/'; t = json.load(open('%S/Inputs/scale/statistics/statistics.json'))['tensors']['layers.0.down.weight/abs_max']; f = open(d + 'statistics/statistics.bin', 'r+b'); f.seek(t['offset'] + 64); f.write(bytes(64)); f.close()"
// RUN: adze-opt %t/model.mlir --adze-static-ranges="statistics=%t/unseen/statistics store=%t/store" -o %t/zeros.mlir %remarks 2>&1 | FileCheck %s --check-prefix=ZEROS
// RUN: %python %S/Inputs/check-ranges.py %t/zeros.mlir %t/unseen/statistics 16 1 | FileCheck %s --check-prefix=CHECKED
// ZEROS: [Missed]{{.*}}adze-static-ranges{{.*}}1 groups in which the calibration saw only zeros have the largest range of their row
// CHECKED: 6 inputs, 0 of them scaled, 0 wrong

// No linear reads it, or one whose weight has no name.
// RUN: split-file %s %t/split
// RUN: adze-opt %t/split/left.mlir --adze-static-ranges="statistics=%S/Inputs/scale/statistics store=%t/store" %remarks 2>&1 | FileCheck %t/split/left.mlir

//--- left.mlir
// CHECK-COUNT-1: adze-static-ranges{{.*}}no linear reads it whose weight is made of tensors of the checkpoint: its ranges are found at run time
// CHECK: adze-static-ranges{{.*}}no activations are rounded
// CHECK: adze.quantize %{{.*}} group 16 : tensor<?x32xf32>
func.func @main(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %q = adze.quantize %x group 16 : tensor<?x32xf32>
  return %q : tensor<?x32xf32>
}
