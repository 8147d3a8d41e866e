// REQUIRES: numpy
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Inputs/rotate.py makes a model and computes it before and after. Models of
// checkpoints: test/tools/rotate.test.

// RUN: rm -rf %t && %python %S/Inputs/rotate.py make %t/model
// RUN: adze-opt %t/model/model.mlir --adze-rotate=store=%t/store -o %t/out.mlir
// RUN: FileCheck %s --input-file=%t/out.mlir
// RUN: %python %S/Inputs/rotate.py check %t/model %t/out.mlir | FileCheck %s --check-prefix=SAME
// SAME: 3 results are the same

// Another seed is another rotation, with the same results.
// RUN: adze-opt %t/model/model.mlir --adze-rotate="store=%t/other seed=2" -o %t/other.mlir
// RUN: %python %S/Inputs/rotate.py check %t/model %t/other.mlir | FileCheck %s --check-prefix=SAME
// RUN: not diff -rq %t/store %t/other

// A head for each of the norms before it; new names give way to those there are.
// CHECK-DAG: adze.weight @emb from "emb.weight" : !adze.weight<40x32,
// CHECK-DAG: adze.weight @emb.head from "emb.head.weight" : !adze.weight<32x32,
// CHECK-DAG: adze.weight @emb.head_ from "lm_head.weight" : !adze.weight<40x32,
// CHECK-DAG: adze.weight @emb.head__ from "emb.rotated.weight" : !adze.weight<40x32,
// CHECK-DAG: adze.weight @n.shown_ from "n.shown_.weight" : !adze.weight<32x32, #adze.float<f32>> attributes {adze.exact}
// CHECK: adze.linear %{{.*}}, @emb.head :
// CHECK: adze.linear %{{.*}}, @n.shown_ :
// CHECK: adze.linear %{{.*}}, @emb.head__ :
// CHECK: adze.linear %{{.*}}, @emb.head_ :
