// Layers that differ in sizes and formats only: each is a kind of its own in the
// IR, and all are one function in the code, with a table of a row per layer.
// RUN: adze compile %s --target=x86-64-v4 --emit=llvm | FileCheck %s

// Layer 1 is narrower, layer 2 is in another format and calls another kernel.
// CHECK-DAG: internal constant [3 x i64] [i64 32, i64 20, i64 32]
// CHECK-DAG: internal constant [3 x i64] [i64 0, i64 0, i64 1]

// CHECK-NOT: define {{.*}}@l1
// CHECK: define hidden i32 @l0{{.*}}(i64 %[[L:[0-9]+]]
// CHECK: switch i64
// CHECK-NOT: define {{.*}}@l2

// CHECK: define hidden i32 @step
// CHECK: phi i64 [ %{{[0-9]+}}, %{{[0-9]+}} ], [ 0,
// CHECK-NEXT: call i32 @l0
// CHECK-NOT: call i32 @l
// CHECK: icmp slt i64 %{{[0-9]+}}, 3

module attributes {adze.level = #adze.level<model>} {
  adze.weight @n from "n.{}" x 3 : !adze.weight<16, #adze.float<f32>>
  adze.weight @l0.up from "up.{}" layers [0] : !adze.weight<32x16, #adze.float<f32>>
  adze.weight @l0.down from "down.{}" layers [0] : !adze.weight<16x32, #adze.float<f32>>
  adze.weight @l1.up from "up.{}" layers [1] : !adze.weight<20x16, #adze.float<f32>>
  adze.weight @l1.down from "down.{}" layers [1] : !adze.weight<16x20, #adze.float<f32>>
  adze.weight @l2.up from "up.{}" layers [2] : !adze.weight<32x16, #adze.float<f16>>
  adze.weight @l2.down from "down.{}" layers [2] : !adze.weight<16x32, #adze.float<f16>>
  func.func private @l0(%l: index, %x: tensor<?x16xf32>) -> tensor<?x16xf32> {
    %n = adze.rms_norm %x, @n[%l] eps 1.0e-5 : tensor<?x16xf32>
    %u = adze.linear %n, @l0.up[%l] : (tensor<?x16xf32>) -> tensor<?x32xf32>
    %s = adze.silu %u : tensor<?x32xf32>
    %d = adze.linear %s, @l0.down[%l] : (tensor<?x32xf32>) -> tensor<?x16xf32>
    %y = arith.addf %x, %d : tensor<?x16xf32>
    return %y : tensor<?x16xf32>
  }
  func.func private @l1(%l: index, %x: tensor<?x16xf32>) -> tensor<?x16xf32> {
    %n = adze.rms_norm %x, @n[%l] eps 1.0e-5 : tensor<?x16xf32>
    %u = adze.linear %n, @l1.up[%l] : (tensor<?x16xf32>) -> tensor<?x20xf32>
    %s = adze.silu %u : tensor<?x20xf32>
    %d = adze.linear %s, @l1.down[%l] : (tensor<?x20xf32>) -> tensor<?x16xf32>
    %y = arith.addf %x, %d : tensor<?x16xf32>
    return %y : tensor<?x16xf32>
  }
  func.func private @l2(%l: index, %x: tensor<?x16xf32>) -> tensor<?x16xf32> {
    %n = adze.rms_norm %x, @n[%l] eps 1.0e-5 : tensor<?x16xf32>
    %u = adze.linear %n, @l2.up[%l] : (tensor<?x16xf32>) -> tensor<?x32xf32>
    %s = adze.silu %u : tensor<?x32xf32>
    %d = adze.linear %s, @l2.down[%l] : (tensor<?x32xf32>) -> tensor<?x16xf32>
    %y = arith.addf %x, %d : tensor<?x16xf32>
    return %y : tensor<?x16xf32>
  }
  func.func @step(%x: tensor<?x16xf32>) -> tensor<?x16xf32> attributes {adze.entry} {
    %0 = adze.repeat 1 @l0(%x) : (tensor<?x16xf32>) -> tensor<?x16xf32>
    %1 = adze.repeat 1 from 1 @l1(%0) : (tensor<?x16xf32>) -> tensor<?x16xf32>
    %2 = adze.repeat 1 from 2 @l2(%1) : (tensor<?x16xf32>) -> tensor<?x16xf32>
    return %2 : tensor<?x16xf32>
  }
}
