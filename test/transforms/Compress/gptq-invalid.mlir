// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Options, statistics and weights that cannot be used; Inputs/gptq is the model.

// RUN: rm -rf %t && mkdir %t && cp -r %S/Inputs/gptq %t/copy
// RUN: not adze-opt %S/Inputs/gptq/model.mlir --adze-gptq="weights=int4:g16" 2>&1 | FileCheck %s --check-prefix=OPTIONS
// OPTIONS: error: adze-gptq: expects the options statistics=FOLDER (see `adze calibrate`) and store=FOLDER

// RUN: not adze-opt %S/Inputs/gptq/model.mlir --adze-gptq="weights=int5 statistics=%t store=%t/store" 2>&1 | FileCheck %s --check-prefix=FORMAT
// FORMAT: error: adze-convert-weights: expects a format to be one of
// RUN: not adze-opt %S/Inputs/gptq/model.mlir --adze-gptq="damping=-1" 2>&1 | FileCheck %s --check-prefix=DAMPING
// DAMPING: error: adze-gptq: expects damping from 0 to 1, got -1
// RUN: not adze-opt %S/Inputs/gptq/model.mlir --adze-gptq="precision=half" 2>&1 | FileCheck %s --check-prefix=PRECISION
// PRECISION: error: adze-gptq: expects precision to be fast or double, got "half"

// RUN: sed 's/ attributes {adze.table = "weights.json"}//' %S/Inputs/gptq/model.mlir > %t/no-table.mlir
// RUN: not adze-opt %t/no-table.mlir --adze-gptq="weights=int4:g16 statistics=%S/Inputs/gptq/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=TABLE
// TABLE: error: adze-gptq: expects a weight table: the option table, or the module attribute "adze.table"

// RUN: not adze-opt %S/Inputs/gptq/model.mlir --adze-gptq="weights=int4:g16 statistics=%t/none store=%t/store" 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: adze-gptq: {{.*}}none/statistics.json: {{.*}}No such file

// Statistics of another model.
// RUN: sed -i 's/"model": "d1/"model": "e1/' %t/copy/statistics/statistics.json
// RUN: not adze-opt %S/Inputs/gptq/model.mlir --adze-gptq="weights=int4:g16 statistics=%t/copy/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=MODEL
// MODEL: error: adze-gptq: {{.*}}statistics.json: expected statistics of model d11932d1{{.*}}, found those of model e11932d1

// The weights of another model: one element is enough.
// RUN: %python %S/Inputs/damage.py %S/Inputs/gptq %t/other layers.1.k.weight 7 0.125
// RUN: not adze-opt %t/other/model.mlir --adze-gptq="weights=int4:g16 statistics=%t/other/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=OTHER
// OTHER: error: adze-gptq: {{.*}}statistics.json: expected statistics of model {{.*}}, found those of model d11932d1

// A weight that was not seen.
// RUN: rm -rf %t/copy && cp -r %S/Inputs/gptq %t/copy
// RUN: sed -i 's/"layers.1.down.weight": "/"layers.9.down.weight": "/' %t/copy/statistics/statistics.json
// RUN: not adze-opt %t/copy/model.mlir --adze-gptq="weights=int4:g16 statistics=%t/copy/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=UNSEEN
// UNSEEN: model.mlir:5:3: error: adze-gptq: {{.*}}statistics.json: weight "layers.1.down.weight": expected statistics of what it is multiplied with, found none

// Statistics of another size.
// RUN: rm -rf %t/copy && cp -r %S/Inputs/gptq %t/copy
// RUN: sed -i 's/"layers.0.down.weight": "layers.0.down.weight"/"layers.0.down.weight": "layers.0.q.weight"/' %t/copy/statistics/statistics.json
// RUN: not adze-opt %t/copy/model.mlir --adze-gptq="weights=int4:g16 statistics=%t/copy/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=SIZE
// SIZE: error: adze-gptq: tensor "layers.0.down.weight": expected statistics of 48 values, found those of 32

// Without Gram matrices.
// RUN: rm -rf %t/copy && cp -r %S/Inputs/gptq %t/copy
// RUN: sed -i 's,"layers.0.q.weight/gram","layers.0.q.weight/other",' %t/copy/statistics/statistics.json
// RUN: not adze-opt %t/copy/model.mlir --adze-gptq="weights=int4:g16 statistics=%t/copy/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=GRAM
// GRAM: error: adze-gptq: {{.*}}statistics.json: tensor "layers.0.q.weight/gram": expected, not found: the calibration left Gram matrices out

// Not a number; a square that is negative; not even damping helps.
// RUN: %python %S/Inputs/damage.py %S/Inputs/gptq %t/nan layers.1.down.weight/gram 50 nan
// RUN: not adze-opt %t/nan/model.mlir --adze-gptq="weights=int4:g16 statistics=%t/nan/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=NAN
// NAN: error: adze-gptq: {{.*}}statistics.json: tensor "layers.1.down.weight/gram": row 1, column 2: expected a finite number, found nan
// RUN: %python %S/Inputs/damage.py %S/Inputs/gptq %t/negative layers.1.down.weight/gram 49 -1
// RUN: not adze-opt %t/negative/model.mlir --adze-gptq="weights=int4:g16 statistics=%t/negative/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// NEGATIVE: error: adze-gptq: input "layers.1.down.weight": expected a sum of squares on the diagonal of the Gram matrix, found -1.000000 at 1
// RUN: %python %S/Inputs/damage.py %S/Inputs/gptq %t/hopeless layers.1.down.weight/gram 50 1e9
// RUN: not adze-opt %t/hopeless/model.mlir --adze-gptq="weights=int4:g16 statistics=%t/hopeless/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=HOPELESS
// HOPELESS: error: adze-gptq: input "layers.1.down.weight": the Gram matrix is not positive definite, even with 10 times its mean diagonal added

// A weight that is not finite (statistics that say they are of it).
// RUN: %python %S/Inputs/damage.py %S/Inputs/gptq %t/inf layers.1.k.weight 33 inf
// RUN: not adze-opt %t/inf/model.mlir --adze-gptq="weights=int4:g16 statistics=%t/inf/statistics store=%t/store" 2>&1 | grep -o 'of model [0-9a-f]*,' | head -1 | cut -c 10-73 > %t/hash
// RUN: %python -c "import sys; p = sys.argv[1] + '/statistics/statistics.json'; t = open(p).read().replace('d11932d199787cda1d86e85f709cdd2d5093e82a5877c49d0cbf029894cfc7bc', open(sys.argv[2]).read().strip()); open(p, 'w').write(t)" %t/inf %t/hash
// RUN: not adze-opt %t/inf/model.mlir --adze-gptq="weights=int4:g16 statistics=%t/inf/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=INF
// INF: error: adze-gptq: tensor "layers.1.k.weight": row 1, column 1: expects a finite number in f32, got inf;

// A store that cannot be made.
// RUN: touch %t/file
// RUN: not adze-opt %S/Inputs/gptq/model.mlir --adze-gptq="weights=int4:g16 statistics=%S/Inputs/gptq/statistics store=%t/file/store" 2>&1 | FileCheck %s --check-prefix=STORE
// STORE: error: adze-gptq: {{.*}}file/store: cannot make the folder: Not a directory
