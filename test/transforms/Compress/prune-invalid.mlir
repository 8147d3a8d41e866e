// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rules, statistics and weights that cannot be used; Inputs/gptq is the model.

// DEFINE: %{in} = %S/Inputs/gptq
// DEFINE: %{prune} = not adze-opt %{in}/model.mlir --adze-prune
// RUN: rm -rf %t && mkdir %t && cp -r %{in} %t/copy

// RUN: %{prune}="rules=0.5" 2>&1 | FileCheck %s --check-prefix=STORE
// STORE: error: adze-prune: expects the option store=FOLDER
// RUN: %{prune}="rules=0.5 method=wanda store=%t/store" 2>&1 | FileCheck %s --check-prefix=STATISTICS
// STATISTICS: error: adze-prune: expects the options statistics=FOLDER (see `adze calibrate`) and store=FOLDER

// Amounts, groups and blocks that are none.
// RUN: %{prune}="store=%t/store" 2>&1 | FileCheck %s --check-prefix=NOTHING
// NOTHING: error: adze-prune: "": expects an amount such as 0.5, N:M such as 2:4, or blocks such as 0.5:16x32
// RUN: %{prune}="rules=1.5 store=%t/store" 2>&1 | FileCheck %s --check-prefix=AMOUNT
// AMOUNT: error: adze-prune: "1.5": expects an amount from 0 to 1, got 1.5
// RUN: %{prune}="rules=-0.1 store=%t/store" 2>&1 | FileCheck %s --check-prefix=BELOW
// BELOW: error: adze-prune: "-0.1": expects an amount from 0 to 1, got -0.1
// RUN: %{prune}="rules=5:4 store=%t/store" 2>&1 | FileCheck %s --check-prefix=MORE
// MORE: error: adze-prune: "5:4": expects to keep at most 4 of 4, got 5
// RUN: %{prune}="rules=0.5:16 store=%t/store" 2>&1 | FileCheck %s --check-prefix=BLOCK
// BLOCK: error: adze-prune: "0.5:16": expects N:M, such as 2:4, where of M neighbours N are kept
// RUN: %{prune}="rules=0.5 method=random store=%t/store" 2>&1 | FileCheck %s --check-prefix=METHOD
// METHOD: error: adze-prune: expects the method to be magnitude, wanda or sparsegpt, got "random"
// RUN: %{prune}="rules=0.5 allocate=some store=%t/store" 2>&1 | FileCheck %s --check-prefix=ALLOCATE
// ALLOCATE: error: adze-prune: expects allocate to be uniform, global or sensitivity, got "some"
// RUN: %{prune}="rules=2:4 allocate=global store=%t/store" 2>&1 | FileCheck %s --check-prefix=CHOICE
// CHOICE: error: adze-prune: "2:4" leaves no choice of amounts: expects allocate=uniform, or an amount such as 0.5 or 0.5:16x32
// RUN: %{prune}="rules=0.5 damping=2 store=%t/store" 2>&1 | FileCheck %s --check-prefix=DAMPING
// DAMPING: error: adze-prune: expects damping from 0 to 1, got 2
// RUN: %{prune}="rules=0.5 precision=half store=%t/store" 2>&1 | FileCheck %s --check-prefix=PRECISION
// PRECISION: error: adze-prune: expects precision to be fast or double, got "half"

// Columns that are no whole groups.
// RUN: %{prune}="rules=3:7 store=%t/store" 2>&1 | FileCheck %s --check-prefix=DIVIDE
// DIVIDE: model.mlir:3:3: error: adze-prune: tensor "layers.0.q.weight": its 32 columns are no whole groups of 7, as "3:7" needs; leave it out by a rule before, "*.q=0", or choose another pattern
// RUN: not adze-opt %{in}/model.mlir --adze-gptq="weights=int4:g16 prune=2:32 statistics=%{in}/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=GROUPS
// GROUPS: model.mlir:5:3: error: adze-gptq: tensor "layers.0.down.weight": its 48 columns are no whole groups of 32
// RUN: not adze-opt %{in}/model.mlir --adze-gptq="weights=int4:g16 prune=*down=0,*=2:32 statistics=%{in}/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=CODES
// CODES: error: adze-gptq: tensor "layers.0.{{[qk]}}.weight": its groups of 16 codes are no whole groups of 2:32; choose another size of groups, or prune by another method

// Names.
// RUN: %{prune}="rules=*lm_head=0.5,*=2:4 store=%t/store" 2>&1 | FileCheck %s --check-prefix=NAME
// NAME: error: adze-prune: "*lm_head=0.5" matches no matrix; the matrices are "layers.{}.q.weight", "layers.{}.k.weight", "layers.{}.down.weight"
// RUN: %{prune}="rules=layers.1.q=0.5,*=2:4 store=%t/store" 2>&1 | FileCheck %s --check-prefix=SPLIT
// SPLIT: model.mlir:3:3: error: adze-prune: "layers.1.q=0.5" is for "layers.1.q.weight", and "*=2:4" for "layers.0.q.weight": the layers of a weight, and the tensors that it is made of, are pruned alike; use a pattern that all of them match

// Statistics of another model, without Gram matrices, or of another size.
// RUN: sed -i 's/"model": "d1/"model": "e1/' %t/copy/statistics/statistics.json
// RUN: %{prune}="rules=0.5 statistics=%t/copy/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=MODEL
// MODEL: error: adze-prune: {{.*}}statistics.json: expected statistics of model d11932d1{{.*}}, found those of model e11932d1
// RUN: rm -rf %t/copy && cp -r %{in} %t/copy
// RUN: sed -i 's,"layers.0.q.weight/gram","layers.0.q.weight/other",' %t/copy/statistics/statistics.json
// RUN: %{prune}="rules=0.5 statistics=%t/copy/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=GRAM
// GRAM: error: adze-prune: {{.*}}statistics.json: tensor "layers.0.q.weight/gram": expected, not found: the calibration left Gram matrices out
// Wanda needs none.
// RUN: adze-opt %{in}/model.mlir --adze-prune="rules=0.5 method=wanda statistics=%t/copy/statistics store=%t/store" -o /dev/null
// RUN: rm -rf %t/copy && cp -r %{in} %t/copy
// RUN: sed -i 's/"layers.0.down.weight": "layers.0.down.weight"/"layers.0.down.weight": "layers.0.q.weight"/' %t/copy/statistics/statistics.json
// RUN: %{prune}="rules=0.5 statistics=%t/copy/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=SIZE
// SIZE: error: adze-prune: tensor "layers.0.down.weight": expected statistics of 48 values, found those of 32

// Not even damping helps; a weight that is not finite.
// RUN: %python %S/Inputs/damage.py %{in} %t/hopeless layers.1.down.weight/gram 50 1e9
// RUN: %{prune}="rules=0.5 statistics=%t/hopeless/statistics store=%t/store" 2>&1 | FileCheck %s --check-prefix=HOPELESS
// HOPELESS: error: adze-prune: input "layers.1.down.weight": the Gram matrix is not positive definite, even with 10 times its mean diagonal added
// RUN: %python %S/Inputs/damage.py %{in} %t/inf layers.1.k.weight 33 inf
// RUN: not adze-opt %t/inf/model.mlir --adze-prune="rules=0.5 store=%t/store" 2>&1 | FileCheck %s --check-prefix=INF
// INF: error: adze-prune: tensor "layers.1.k.weight": row 1, column 1: expects a finite number in f32, got inf;
