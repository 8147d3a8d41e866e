// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What cannot be rotated, and why. test/tools/rotate.test rotates models.

// RUN: rm -rf %t && split-file %s %t
// RUN: adze-opt %t/left.mlir --split-input-file --adze-rotate %remarks 2>&1 >/dev/null | FileCheck %t/left.mlir
// RUN: not adze-opt %t/store.mlir --adze-rotate 2>&1 | FileCheck %s --check-prefix=STORE
// RUN: not adze-opt %t/store.mlir --adze-rotate=store=%t/store 2>&1 | FileCheck %s --check-prefix=TABLE
// STORE: error: adze-rotate: expects the option store=FOLDER
// TABLE: error: adze-rotate: expects a weight table: the option table, or the module attribute "adze.table"
// RUN: not adze-opt %t/shared.mlir --adze-rotate="store=%t/store table=%t/table.json" 2>&1 | FileCheck %s --check-prefix=SHARED
// SHARED: error: adze-rotate: @w is used in two ways: a weight that is shared so cannot be rotated
// RUN: not adze-opt %t/elsewhere.mlir --adze-rotate="store=%t/store table=%t/table.json" 2>&1 | FileCheck %s --check-prefix=ELSEWHERE
// RUN: not adze-opt %t/bias.mlir --adze-rotate="store=%t/store table=%t/table.json" 2>&1 | FileCheck %s --check-prefix=BIAS
// BIAS: bias.mlir:10:{{.*}} error: adze-rotate: @b is read here too, where nothing is rotated: a weight that is shared so cannot be rotated
// ELSEWHERE: elsewhere.mlir:13:{{.*}} error: adze-rotate: @head is read here too, where nothing is rotated: a weight that is shared so cannot be rotated

//--- left.mlir
// CHECK: left.mlir:[[#@LINE+1]]{{.*}}adze-rotate{{.*}}nothing is rotated: this has no embedding
module {
  adze.weight @w from "w" : !adze.weight<32x32, #adze.float<f32>>
  func.func @f(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
    %y = adze.linear %x, @w : (tensor<?x32xf32>) -> tensor<?x32xf32>
    return %y : tensor<?x32xf32>
  }
}

// -----

module {
  adze.weight @emb from "emb" : !adze.weight<100x32, #adze.float<f32>>
  func.func @f(%t: tensor<?xi32>) -> tensor<?x32xf32> {
    %x = adze.embed %t, @emb : tensor<?xi32> -> tensor<?x32xf32>
    // CHECK: left.mlir:[[#@LINE+1]]{{.*}}adze-rotate{{.*}}nothing is rotated: this returns what layers pass on
    return %x : tensor<?x32xf32>
  }
}

// -----

module {
  adze.weight @emb from "emb" : !adze.weight<100x32, #adze.float<f32>>
  adze.weight @w from "w" : !adze.weight<32x32, #adze.float<f32>>
  adze.weight @n from "n" : !adze.weight<32, #adze.float<f32>>
  func.func @f(%t: tensor<?xi32>) -> tensor<?x32xf32> {
    %x = adze.embed %t, @emb : tensor<?xi32> -> tensor<?x32xf32>
    %0 = adze.linear %x, @w : (tensor<?x32xf32>) -> tensor<?x32xf32>
    // CHECK: left.mlir:[[#@LINE-1]]{{.*}}adze-rotate{{.*}}nothing is rotated: this reads what layers pass on
    %1 = adze.rms_norm %0, @n eps 1.0e-5 : tensor<?x32xf32>
    return %1 : tensor<?x32xf32>
  }
}

// -----

module {
  adze.weight @emb from "emb" : !adze.weight<100x32, #adze.float<f32>>
  adze.weight @w from "w" : !adze.weight<32x32, #adze.float<f32>>
  adze.weight @n from "n" : !adze.weight<32, #adze.float<f32>>
  func.func @f(%t: tensor<?xi32>) -> tensor<?x32xf32> {
    %x = adze.embed %t, @emb : tensor<?xi32> -> tensor<?x32xf32>
    %0 = adze.rms_norm %x, @n eps 1.0e-5 : tensor<?x32xf32>
    %1 = adze.linear %0, @w : (tensor<?x32xf32>) -> tensor<?x32xf32>
    // A norm behind the linear, as Gemma has it.
    // CHECK: left.mlir:[[#@LINE+1]]{{.*}}adze-rotate{{.*}}nothing is rotated: this is added to what layers pass on
    %2 = adze.rms_norm %1, @n eps 1.0e-5 : tensor<?x32xf32>
    %3 = arith.addf %x, %2 : tensor<?x32xf32>
    %4 = adze.rms_norm %3, @n eps 1.0e-5 : tensor<?x32xf32>
    return %4 : tensor<?x32xf32>
  }
}

// -----

module {
  adze.weight @emb from "emb" : !adze.weight<100x32, #adze.float<f32>>
  adze.weight @w from "w" : !adze.weight<32x32, #adze.float<f32>>
  adze.weight @n from "n" : !adze.weight<32, #adze.float<f32>>
  func.func @f(%t: tensor<?xi32>) -> (tensor<?x32xf32>, tensor<?x32xf32>) {
    %x = adze.embed %t, @emb : tensor<?xi32> -> tensor<?x32xf32>
    %0 = adze.rms_norm %x, @n eps 1.0e-5 : tensor<?x32xf32>
    // CHECK: left.mlir:[[#@LINE+1]]{{.*}}adze-rotate{{.*}}nothing is rotated: this is read by 'func.return' too
    %1 = adze.linear %0, @w : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %2 = arith.addf %x, %1 : tensor<?x32xf32>
    %3 = adze.rms_norm %2, @n eps 1.0e-5 : tensor<?x32xf32>
    return %3, %1 : tensor<?x32xf32>, tensor<?x32xf32>
  }
}

// -----

// What an entry is given is not rotated.
module {
  adze.weight @emb from "emb" : !adze.weight<100x32, #adze.float<f32>>
  adze.weight @n from "n" : !adze.weight<32, #adze.float<f32>>
  // CHECK: left.mlir:[[#@LINE+1]]{{.*}}adze-rotate{{.*}}nothing is rotated: this has an argument that is part of what layers pass on
  func.func @f(%t: tensor<?xi32>, %v: tensor<?x32xf32>) -> tensor<?x32xf32> {
    %x = adze.embed %t, @emb : tensor<?xi32> -> tensor<?x32xf32>
    %0 = arith.addf %x, %v : tensor<?x32xf32>
    %1 = adze.rms_norm %0, @n eps 1.0e-5 : tensor<?x32xf32>
    return %1 : tensor<?x32xf32>
  }
}

// -----

// Nor is what it gives layers beside.
module {
  adze.weight @emb from "emb" : !adze.weight<100x32, #adze.float<f32>>
  adze.weight @n from "n" : !adze.weight<32, #adze.float<f32>>
  // CHECK: left.mlir:[[#@LINE+1]]{{.*}}adze-rotate{{.*}}nothing is rotated: this has an argument that is part of what layers pass on
  func.func private @layer(%l: index, %x: tensor<?x32xf32>, %v: tensor<?x32xf32>) -> tensor<?x32xf32> {
    %0 = arith.addf %x, %v : tensor<?x32xf32>
    return %0 : tensor<?x32xf32>
  }
  func.func @f(%t: tensor<?xi32>, %v: tensor<?x32xf32>) -> tensor<?x32xf32> {
    %x = adze.embed %t, @emb : tensor<?xi32> -> tensor<?x32xf32>
    %0 = adze.repeat 2 @layer(%x, %v) : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
    %1 = adze.rms_norm %0, @n eps 1.0e-5 : tensor<?x32xf32>
    return %1 : tensor<?x32xf32>
  }
}

// -----

// Or what another entry gives the same layers.
module {
  adze.weight @emb from "emb" : !adze.weight<100x32, #adze.float<f32>>
  adze.weight @w from "l.{}.w" x 2 : !adze.weight<32x32, #adze.float<f32>>
  adze.weight @n from "n" : !adze.weight<32, #adze.float<f32>>
  func.func private @layer(%l: index, %x: tensor<?x32xf32>) -> tensor<?x32xf32> {
    %0 = adze.rms_norm %x, @n eps 1.0e-5 : tensor<?x32xf32>
    %1 = adze.linear %0, @w[%l] : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %2 = arith.addf %x, %1 : tensor<?x32xf32>
    return %2 : tensor<?x32xf32>
  }
  func.func @f(%t: tensor<?xi32>) -> tensor<?x32xf32> {
    %x = adze.embed %t, @emb : tensor<?xi32> -> tensor<?x32xf32>
    %0 = adze.repeat 2 @layer(%x) : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %1 = adze.rms_norm %0, @n eps 1.0e-5 : tensor<?x32xf32>
    return %1 : tensor<?x32xf32>
  }
  // CHECK: left.mlir:[[#@LINE+1]]{{.*}}adze-rotate{{.*}}nothing is rotated: this has an argument that is part of what layers pass on
  func.func @g(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
    %0 = adze.repeat 2 @layer(%x) : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %1 = adze.rms_norm %0, @n eps 1.0e-5 : tensor<?x32xf32>
    return %1 : tensor<?x32xf32>
  }
}
//--- elsewhere.mlir
module {
  adze.weight @emb from "emb" : !adze.weight<100x32, #adze.float<f32>>
  adze.weight @head from "head" : !adze.weight<100x32, #adze.float<f32>>
  adze.weight @n from "n" : !adze.weight<32, #adze.float<f32>>
  func.func @f(%t: tensor<?xi32>) -> tensor<?x100xf32> {
    %x = adze.embed %t, @emb : tensor<?xi32> -> tensor<?x32xf32>
    %0 = adze.rms_norm %x, @n eps 1.0e-5 : tensor<?x32xf32>
    %1 = adze.linear %0, @head : (tensor<?x32xf32>) -> tensor<?x100xf32>
    return %1 : tensor<?x100xf32>
  }
  func.func @g(%x: tensor<?x32xf32>) -> tensor<?x100xf32> {
    %0 = adze.rms_norm %x, @n eps 1.0e-5 : tensor<?x32xf32>
    %1 = adze.linear %0, @head : (tensor<?x32xf32>) -> tensor<?x100xf32>
    return %1 : tensor<?x100xf32>
  }
}
//--- bias.mlir
module {
  adze.weight @emb from "emb" : !adze.weight<100x32, #adze.float<f32>>
  adze.weight @in from "in" : !adze.weight<32x32, #adze.float<f32>>
  adze.weight @out from "out" : !adze.weight<32x32, #adze.float<f32>>
  adze.weight @b from "b" : !adze.weight<32, #adze.float<f32>>
  adze.weight @n from "n" : !adze.weight<32, #adze.float<f32>>
  func.func @f(%t: tensor<?xi32>) -> tensor<?x32xf32> {
    %x = adze.embed %t, @emb : tensor<?xi32> -> tensor<?x32xf32>
    %0 = adze.rms_norm %x, @n eps 1.0e-5 : tensor<?x32xf32>
    %1 = adze.linear %0, @in bias @b : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %2 = adze.linear %1, @out bias @b : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %3 = arith.addf %x, %2 : tensor<?x32xf32>
    %4 = adze.rms_norm %3, @n eps 1.0e-5 : tensor<?x32xf32>
    return %4 : tensor<?x32xf32>
  }
}
//--- store.mlir
module {
  adze.weight @emb from "emb" : !adze.weight<100x32, #adze.float<f32>>
  adze.weight @n from "n" : !adze.weight<32, #adze.float<f32>>
  func.func @f(%t: tensor<?xi32>) -> tensor<?x32xf32> {
    %x = adze.embed %t, @emb : tensor<?xi32> -> tensor<?x32xf32>
    %0 = adze.rms_norm %x, @n eps 1.0e-5 : tensor<?x32xf32>
    return %0 : tensor<?x32xf32>
  }
}
//--- table.json
{"version": 1, "tensors": {}}
//--- shared.mlir
module {
  adze.weight @emb from "emb" : !adze.weight<100x32, #adze.float<f32>>
  adze.weight @w from "w" : !adze.weight<32x32, #adze.float<f32>>
  adze.weight @n from "n" : !adze.weight<32, #adze.float<f32>>
  func.func @f(%t: tensor<?xi32>) -> tensor<?x32xf32> {
    %x = adze.embed %t, @emb : tensor<?xi32> -> tensor<?x32xf32>
    %0 = adze.rms_norm %x, @n eps 1.0e-5 : tensor<?x32xf32>
    %1 = adze.linear %0, @w : (tensor<?x32xf32>) -> tensor<?x32xf32>
    %2 = arith.addf %x, %1 : tensor<?x32xf32>
    %3 = adze.rms_norm %2, @n eps 1.0e-5 : tensor<?x32xf32>
    return %3 : tensor<?x32xf32>
  }
}
