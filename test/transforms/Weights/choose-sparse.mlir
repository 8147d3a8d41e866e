// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Weights whose zeros are in blocks lose them; Inputs/make_zeros.py says what
// is zero where.

// RUN: rm -rf %t && %python %S/Inputs/make_zeros.py %t
// RUN: adze-opt %s --adze-pack-weights --adze-choose-sparse=table=%t/weights.json %remarks -o %t/out.mlir 2> %t/remarks
// RUN: FileCheck %s --input-file=%t/out.mlir
// RUN: FileCheck %s --input-file=%t/remarks --check-prefix=REMARK

// The most that a panel of any layer has, in the format that its elements had.
// CHECK: adze.weight @half.packed x 2 : !adze.weight<64x128, #adze.blocks<#adze.float<f32>, keep = 3>, panels> {
// CHECK-NEXT: adze.ref @half
// CHECK-NEXT: adze.pack %{{.*}} : <64x128, #adze.float<f32>> -> <64x128, #adze.blocks<#adze.float<f32>, keep = 3>, panels>
// CHECK-NEXT: adze.yield %{{.*}} : !adze.weight<64x128, #adze.blocks<#adze.float<f32>, keep = 3>, panels>
// CHECK: adze.weight @codes.packed : !adze.weight<64x128, #adze.blocks<#adze.int<4, group = 32, scale = bf16>, keep = 2>, panels>
// Of few panels, all are looked at.
// CHECK: adze.weight @three.packed : !adze.weight<48x128, #adze.blocks<#adze.float<f32>, keep = 3>, panels>
// Too few, none; what an embedding reads too; groups that cut blocks, of the
// weight and of what it is multiplied with. Of floats, too, masks say where the
// zeros are that are in no blocks, if there are enough.
// CHECK: adze.weight @few.packed : !adze.weight<64x128, #adze.float<f32>, panels>
// CHECK: adze.weight @one.packed : !adze.weight<64x128, #adze.float<f32>, panels>
// CHECK: adze.weight @scattered.packed : !adze.weight<64x128, #adze.masked<#adze.float<f32>, keep = 256, even>, panels>
// CHECK: adze.weight @third.packed : !adze.weight<64x128, #adze.masked<#adze.float<f32>, keep = {{[0-9]+}}, even>, panels>
// CHECK: adze.weight @dense.packed : !adze.weight<64x128, #adze.float<f32>, panels>
// CHECK: adze.weight @tied.packed : !adze.weight<64x128, #adze.float<f32>, panels>
// CHECK: adze.weight @groups.packed : !adze.weight<64x128, #adze.masked<#adze.int<4, group = 16, scale = bf16>, keep = 768>, panels>
// Integer weights keep what is not zero, if masks can say where that is: as much
// of each step where zeros are spread evenly.
// CHECK: adze.weight @cut.packed : !adze.weight<64x128, #adze.masked<#adze.int<8, scale = f32>, keep = 1280>, panels>
// CHECK: adze.weight @even8.packed : !adze.weight<64x128, #adze.masked<#adze.int<8, scale = f32>, keep = 64, even>, panels>
// CHECK: adze.weight @even4.packed : !adze.weight<64x128, #adze.masked<#adze.int<4, group = 32, scale = bf16>, keep = 32, even>, panels>
// CHECK: adze.weight @third4.packed : !adze.weight<64x128, #adze.int<4, group = 32, scale = bf16>, panels>
// CHECK: adze.weight @blocks8.packed : !adze.weight<64x128, #adze.blocks<#adze.int<8, scale = f32>, keep = 2>, panels>
// CHECK: adze.weight @uneven8.packed : !adze.weight<64x128, #adze.masked<#adze.int<8, scale = f32>, keep = {{[0-9]+}}>, panels>

// REMARK-DAG: [Passed] {{.*}}adze-choose-sparse {{.*}}56.2 % of its blocks are zero: f32+blocks keeps 3 of 4 in a panel at most, 0.0 MB of 0.1 MB are read, {{[12]\.[0-9][0-9]}} x as fast at 1 row"{{$}}
// REMARK-DAG: [Passed] {{.*}}adze-choose-sparse {{.*}}50.0 % of its blocks are zero: int4:g32+blocks keeps 2 of 4
// REMARK-DAG: [Missed] {{.*}}adze-choose-sparse {{.*}}too few blocks are zero (18.8 % of its blocks of 16 x 32 are zero, 18.8 % of its elements)
// REMARK-DAG: [Missed] {{.*}}adze-choose-sparse {{.*}}too few blocks are zero (6.2 % of its blocks
// REMARK-DAG: [Passed] {{.*}}adze-choose-sparse {{.*}}50.0 % of its elements are zero: f32+nm keeps 0.0 MB of 0.0 MB, {{[12]\.[0-9][0-9]}} x as fast at 1 row"{{$}}
// REMARK-DAG: [Missed] {{.*}}adze-choose-sparse {{.*}}its zeros are not in blocks, and a mask of int4 with 35.0 % zeros takes {{[01]\.[0-9][0-9]}} x the time of dense at 1 row (0.0 % of its blocks of 16 x 32 are zero, 35.0 % of its elements)
// REMARK-DAG: [Passed] {{.*}}adze-choose-sparse {{.*}}50.0 % of its elements are zero: int8+mask keeps 0.0 MB of 0.0 MB
// REMARK-DAG: [Passed] {{.*}}adze-choose-sparse {{.*}}50.0 % of its elements are zero: int4:g16+mask keeps
// REMARK-DAG: [Passed] {{.*}}adze-choose-sparse {{.*}}50.0 % of its elements are zero: int8+nm keeps
// REMARK-DAG: [Passed] {{.*}}adze-choose-sparse {{.*}}50.0 % of its elements are zero: int4:g32+nm keeps

// Nothing is said of what is dense, and nothing changes a second time, or
// without values to look at.
// RUN: grep -c adze-choose-sparse %t/remarks | FileCheck %s --check-prefix=COUNT
// COUNT: {{^}}14{{$}}
// RUN: adze-opt %t/out.mlir --adze-choose-sparse=table=%t/weights.json | diff - %t/out.mlir
// RUN: adze-opt %s --adze-pack-weights -o %t/packed.mlir
// RUN: adze-opt %t/packed.mlir --adze-choose-sparse | diff - %t/packed.mlir

// A lower threshold takes more; by force, all that can be.
// RUN: adze-opt %t/packed.mlir --adze-choose-sparse="table=%t/weights.json threshold=0.1" | FileCheck %s --check-prefix=LOW
// LOW: @few.packed : !adze.weight<64x128, #adze.blocks<#adze.float<f32>, keep = 4>, panels>
// LOW: @one.packed : !adze.weight<64x128, #adze.float<f32>, panels>
// RUN: adze-opt %t/packed.mlir --adze-choose-sparse="table=%t/weights.json force=true" | FileCheck %s --check-prefix=FORCE
// FORCE: @third.packed : !adze.weight<64x128, #adze.blocks<#adze.float<f32>, keep = 4>, panels>
// FORCE: @dense.packed : !adze.weight<64x128, #adze.blocks<#adze.float<f32>, keep = 4>, panels>
// FORCE: @tied.packed : !adze.weight<64x128, #adze.float<f32>, panels>
// FORCE: @cut.packed : !adze.weight<64x128, #adze.masked<#adze.int<8, scale = f32>

// Zeros have to pay for all rows and on all targets that are named. Where a
// prompt is read masks do not; where nothing spreads elements, for no number of
// rows; with AMX, blocks of codes do not for a prompt, and masks of floats were
// not measured.
// DEFINE: %{choose} = adze-opt %t/packed.mlir %remarks -o %t/chosen.mlir --adze-choose-sparse
// RUN: %{choose}="table=%t/weights.json rows=1,512" 2> %t/prompts
// RUN: FileCheck %s --input-file=%t/chosen.mlir --check-prefix=PROMPTS
// RUN: FileCheck %s --input-file=%t/prompts --check-prefix=PROMPTS-SAID
// PROMPTS: @half.packed x 2 : !adze.weight<64x128, #adze.blocks<#adze.float<f32>
// PROMPTS: @codes.packed : !adze.weight<64x128, #adze.blocks<#adze.int<4
// PROMPTS: @scattered.packed : !adze.weight<64x128, #adze.float<f32>, panels>
// PROMPTS: @cut.packed : !adze.weight<64x128, #adze.int<8, scale = f32>, panels>
// PROMPTS-SAID-DAG: [Passed] {{.*}}int4:g32+blocks keeps 2 of 4 in a panel at most, {{.*}} MB are read, {{[12]\.[0-9][0-9]}} x as fast at 1 row, {{[12]\.[0-9][0-9]}} x at 512"{{$}}
// PROMPTS-SAID-DAG: [Missed] {{.*}}it is multiplied with activations in groups of 48, which cut blocks of 32, and a mask of int8 with 50.0 % zeros takes 1.{{[0-9][0-9]}} x the time of dense at 512 rows (50.0 %

// RUN: %{choose}="table=%t/weights.json targets=x86-64-v4+vnni+vbmi2,x86-64-v3" 2> %t/narrow
// RUN: FileCheck %s --input-file=%t/chosen.mlir --check-prefix=NARROW
// RUN: FileCheck %s --input-file=%t/narrow --check-prefix=NARROW-SAID
// NARROW: @half.packed x 2 : !adze.weight<64x128, #adze.blocks<#adze.float<f32>
// NARROW: @scattered.packed : !adze.weight<64x128, #adze.float<f32>, panels>
// NARROW: @even8.packed : !adze.weight<64x128, #adze.int<8, scale = f32>, panels>
// NARROW-SAID-DAG: a mask of f32 with 50.0 % zeros was not measured on x86-64-v3 (
// NARROW-SAID-DAG: a mask of int8 with 50.0 % zeros takes {{[1-9]\.[0-9][0-9]}} x the time of dense at 1 row on x86-64-v3 (

// RUN: %{choose}="table=%t/weights.json targets=x86-64-v4+vnni+bf16+amx" 2> %t/amx
// RUN: FileCheck %s --input-file=%t/chosen.mlir --check-prefix=AMX
// RUN: FileCheck %s --input-file=%t/amx --check-prefix=AMX-SAID
// AMX: @half.packed x 2 : !adze.weight<64x128, #adze.blocks<#adze.float<f32>
// AMX: @scattered.packed : !adze.weight<64x128, #adze.float<f32>, panels>
// AMX: @even8.packed : !adze.weight<64x128, #adze.masked<#adze.int<8, scale = f32>
// AMX: @blocks8.packed : !adze.weight<64x128, #adze.blocks<#adze.int<8
// AMX-SAID-DAG: its zeros are not in blocks, and a mask of f32 with 50.0 % zeros was not measured on x86-64-v4+vnni+bf16+amx (0.0 %
// RUN: %{choose}="table=%t/weights.json targets=x86-64-v4+vnni+bf16+amx rows=512" 2> %t/amx
// RUN: FileCheck %s --input-file=%t/chosen.mlir --check-prefix=TILES
// RUN: FileCheck %s --input-file=%t/amx --check-prefix=TILES-SAID
// TILES: @even8.packed : !adze.weight<64x128, #adze.int<8, scale = f32>, panels>
// TILES: @blocks8.packed : !adze.weight<64x128, #adze.int<8, scale = f32>, panels>
// TILES-SAID-DAG: blocks of int8 with 50.0 % zeros take 1.{{[1-3][0-9]}} x the time of dense at 512 rows, and

// A target that no table has: the slowest of all, where all have been measured.
// RUN: %{choose}="table=%t/weights.json targets=aarch64" 2>&1 | FileCheck %s --check-prefix=OTHER
// OTHER-DAG: int4:g32+blocks keeps 2 of 4 in a panel at most, {{.*}} MB are read, {{[1-9]\.[0-9][0-9]}} x as fast at 1 row (not measured on aarch64: the slowest of all)"{{$}}
// OTHER-DAG: a mask of int8 with 50.0 % zeros takes {{[1-9]\.[0-9][0-9]}} x the time of dense at 1 row (not measured on aarch64: the slowest of all)
// OTHER-DAG: a mask of f32 with 50.0 % zeros was not measured on aarch64 (

// Rates of one's own, by which masks of int8 are faster than blocks, those of
// floats than dense, and nothing else pays.
// RUN: %{choose}="table=%t/weights.json rates=%S/Inputs/rates.json" 2> %t/own
// RUN: FileCheck %s --input-file=%t/chosen.mlir --check-prefix=OWN
// RUN: FileCheck %s --input-file=%t/own --check-prefix=OWN-SAID
// OWN: @codes.packed : !adze.weight<64x128, #adze.int<4
// OWN: @scattered.packed : !adze.weight<64x128, #adze.masked<#adze.float<f32>
// OWN: @blocks8.packed : !adze.weight<64x128, #adze.masked<#adze.int<8
// OWN-SAID-DAG: [Passed] {{.*}}50.0 % of its elements are zero: f32+nm keeps 0.0 MB of 0.0 MB, 1.25 x as fast at 1 row"{{$}}
// OWN-SAID-DAG: [Passed] {{.*}}50.0 % of its elements are zero: int8+mask keeps 0.0 MB of 0.0 MB, 2.00 x as fast at 1 row"{{$}}
// OWN-SAID-DAG: [Missed] {{.*}}blocks of int4 with 50.0 % zeros take 0.96 x the time of dense at 1 row, and a mask of int4 with 50.0 % zeros was not measured on x86-64-v3 (

// RUN: not adze-opt %t/packed.mlir --adze-choose-sparse=rates=%t/none.json 2>&1 | FileCheck %s --check-prefix=NO-RATES
// NO-RATES: error: adze-choose-sparse: {{.*}}none.json: cannot be opened
// RUN: sed 's/0.96/-0.96/' %S/Inputs/rates.json > %t/rates.json
// RUN: not adze-opt %t/packed.mlir --adze-choose-sparse=rates=%t/rates.json 2>&1 | FileCheck %s --check-prefix=BAD-RATES
// BAD-RATES: error: adze-choose-sparse: {{.*}}rates.json: table 1, int4, blocks, 50 %: expected positive numbers or null
// RUN: sed 's/0.96/NaN/' %S/Inputs/rates.json > %t/rates.json
// RUN: not adze-opt %t/packed.mlir --adze-choose-sparse=rates=%t/rates.json 2>&1 | FileCheck %s --check-prefix=NO-NUMBER
// NO-NUMBER: error: adze-choose-sparse: {{.*}}rates.json: expected JSON:
// RUN: not adze-opt %t/packed.mlir --adze-choose-sparse=rows=0 2>&1 | FileCheck %s --check-prefix=ROWS
// ROWS: error: adze-choose-sparse: expects rows from 1 on, got 0
// RUN: not adze-opt %t/packed.mlir --adze-choose-sparse=threshold=1.5 2>&1 | FileCheck %s --check-prefix=THRESHOLD
// THRESHOLD: error: adze-choose-sparse: expects a threshold from 0 to 1, got 1.5
// RUN: not adze-opt %t/packed.mlir --adze-choose-sparse=table=%t/none.json 2>&1 | FileCheck %s --check-prefix=TABLE
// TABLE: error: adze-choose-sparse: {{.*}}none.json

// Values that cannot be read are an error that names the weight.
// RUN: sed 's/"few"/"fewer"/' %t/weights.json > %t/missing.json
// RUN: not adze-opt %t/packed.mlir --adze-choose-sparse=table=%t/missing.json 2>&1 | FileCheck %s --check-prefix=MISSING
// MISSING: error: adze-choose-sparse: @few.packed: {{.*}}"few"

adze.weight @half from "layers.{}.half" x 2 : !adze.weight<64x128, #adze.float<f32>>
adze.weight @head from "head" : !adze.weight<64x128, #adze.float<f32>>
adze.weight @codes : !adze.weight<64x128, #adze.int<4, group = 32, scale = bf16>> {
  %0 = adze.ref @head : !adze.weight<64x128, #adze.float<f32>>
  %1 = adze.cast %0 : !adze.weight<64x128, #adze.float<f32>> -> !adze.weight<64x128, #adze.int<4, group = 32, scale = bf16>>
  adze.yield %1 : !adze.weight<64x128, #adze.int<4, group = 32, scale = bf16>>
}
adze.weight @three from "three" : !adze.weight<48x128, #adze.float<f32>>
adze.weight @few from "few" : !adze.weight<64x128, #adze.float<f32>>
adze.weight @one from "one" : !adze.weight<64x128, #adze.float<f32>>
adze.weight @scattered from "scattered" : !adze.weight<64x128, #adze.float<f32>>
adze.weight @third from "third" : !adze.weight<64x128, #adze.float<f32>>
adze.weight @dense from "dense" : !adze.weight<64x128, #adze.float<f32>>
adze.weight @tied from "embedding" : !adze.weight<64x128, #adze.float<f32>>
adze.weight @groups : !adze.weight<64x128, #adze.int<4, group = 16, scale = bf16>> {
  %0 = adze.ref @head : !adze.weight<64x128, #adze.float<f32>>
  %1 = adze.cast %0 : !adze.weight<64x128, #adze.float<f32>> -> !adze.weight<64x128, #adze.int<4, group = 16, scale = bf16>>
  adze.yield %1 : !adze.weight<64x128, #adze.int<4, group = 16, scale = bf16>>
}
adze.weight @cut : !adze.weight<64x128, #adze.int<8, scale = f32>> {
  %0 = adze.ref @head : !adze.weight<64x128, #adze.float<f32>>
  %1 = adze.cast %0 : !adze.weight<64x128, #adze.float<f32>> -> !adze.weight<64x128, #adze.int<8, scale = f32>>
  adze.yield %1 : !adze.weight<64x128, #adze.int<8, scale = f32>>
}
adze.weight @even8 : !adze.weight<64x128, #adze.int<8, scale = f32>> {
  %0 = adze.ref @scattered : !adze.weight<64x128, #adze.float<f32>>
  %1 = adze.cast %0 : !adze.weight<64x128, #adze.float<f32>> -> !adze.weight<64x128, #adze.int<8, scale = f32>>
  adze.yield %1 : !adze.weight<64x128, #adze.int<8, scale = f32>>
}
adze.weight @even4 : !adze.weight<64x128, #adze.int<4, group = 32, scale = bf16>> {
  %0 = adze.ref @scattered : !adze.weight<64x128, #adze.float<f32>>
  %1 = adze.cast %0 : !adze.weight<64x128, #adze.float<f32>> -> !adze.weight<64x128, #adze.int<4, group = 32, scale = bf16>>
  adze.yield %1 : !adze.weight<64x128, #adze.int<4, group = 32, scale = bf16>>
}
adze.weight @third4 : !adze.weight<64x128, #adze.int<4, group = 32, scale = bf16>> {
  %0 = adze.ref @third : !adze.weight<64x128, #adze.float<f32>>
  %1 = adze.cast %0 : !adze.weight<64x128, #adze.float<f32>> -> !adze.weight<64x128, #adze.int<4, group = 32, scale = bf16>>
  adze.yield %1 : !adze.weight<64x128, #adze.int<4, group = 32, scale = bf16>>
}
adze.weight @blocks8 : !adze.weight<64x128, #adze.int<8, scale = f32>> {
  %0 = adze.ref @head : !adze.weight<64x128, #adze.float<f32>>
  %1 = adze.cast %0 : !adze.weight<64x128, #adze.float<f32>> -> !adze.weight<64x128, #adze.int<8, scale = f32>>
  adze.yield %1 : !adze.weight<64x128, #adze.int<8, scale = f32>>
}
adze.weight @uneven from "uneven" : !adze.weight<64x128, #adze.float<f32>>
adze.weight @uneven8 : !adze.weight<64x128, #adze.int<8, scale = f32>> {
  %0 = adze.ref @uneven : !adze.weight<64x128, #adze.float<f32>>
  %1 = adze.cast %0 : !adze.weight<64x128, #adze.float<f32>> -> !adze.weight<64x128, #adze.int<8, scale = f32>>
  adze.yield %1 : !adze.weight<64x128, #adze.int<8, scale = f32>>
}
func.func @f(%l: index, %tokens: tensor<?xi32>) {
  %x = adze.embed %tokens, @tied : tensor<?xi32> -> tensor<?x128xf32>
  %0 = adze.linear %x, @half[%l] : (tensor<?x128xf32>) -> tensor<?x64xf32>
  %1 = adze.linear %x, @codes : (tensor<?x128xf32>) -> tensor<?x64xf32>
  %three = adze.linear %x, @three : (tensor<?x128xf32>) -> tensor<?x48xf32>
  %2 = adze.linear %x, @few : (tensor<?x128xf32>) -> tensor<?x64xf32>
  %3 = adze.linear %x, @one : (tensor<?x128xf32>) -> tensor<?x64xf32>
  %4 = adze.linear %x, @scattered : (tensor<?x128xf32>) -> tensor<?x64xf32>
  %5 = adze.linear %x, @dense : (tensor<?x128xf32>) -> tensor<?x64xf32>
  %6 = adze.linear %x, @tied : (tensor<?x128xf32>) -> tensor<?x64xf32>
  %7 = adze.linear %x, @groups : (tensor<?x128xf32>) -> tensor<?x64xf32>
  %q = adze.quantize %x group 48 : tensor<?x128xf32>
  %8 = adze.linear %q, @cut : (tensor<?x128xf32>) -> tensor<?x64xf32>
  %9 = adze.linear %x, @even8 : (tensor<?x128xf32>) -> tensor<?x64xf32>
  %10 = adze.linear %x, @even4 : (tensor<?x128xf32>) -> tensor<?x64xf32>
  %11 = adze.linear %x, @uneven8 : (tensor<?x128xf32>) -> tensor<?x64xf32>
  %12 = adze.linear %x, @third : (tensor<?x128xf32>) -> tensor<?x64xf32>
  %13 = adze.linear %x, @third4 : (tensor<?x128xf32>) -> tensor<?x64xf32>
  %14 = adze.linear %x, @blocks8 : (tensor<?x128xf32>) -> tensor<?x64xf32>
  return
}
