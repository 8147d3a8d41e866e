// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Linears by AMX: tall tiles of codes, tiles of bf16 of every height.
// RUN: adze compile %s --target=x86-64-v4+vnni+bf16+amx --emit=kernel | FileCheck %s
// A CPU that has it is given it, another not.
// RUN: adze compile %s --target=sapphirerapids --emit=kernel | FileCheck %s
// RUN: adze compile %s --target=znver4 --emit=kernel | FileCheck %s --check-prefix=NOT
// NOT-NOT: x86_amx
// NOT-NOT: tile.amx

// A block of K is unpacked, as signed bytes. Then two accumulators by two: 32
// rows of 64 codes, times 64 codes of two panels, for each half of the rows.
// CHECK: func.func private @adze.tile.amx.int8.128.128.64x2(
// CHECK: arith.subi %{{.*}} : vector<64xi8>
// CHECK: llvm.store
// CHECK: scf.for
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.tilezero.internal"({{.*}}) : (i16, i16) -> !llvm.x86_amx
// CHECK: scf.for
// CHECK-COUNT-3: llvm.call_intrinsic "llvm.x86.tileloadd64.internal"
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.tdpbssd.internal"
// CHECK: llvm.call_intrinsic "llvm.x86.tileloadd64.internal"
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.tdpbssd.internal"
// CHECK: scf.yield
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.tilestored64.internal"
// Then the f32 sums.
// CHECK: arith.sitofp
// CHECK: math.fma

// The sums of four groups of 32 are added together.
// CHECK: func.func private @"adze.tile.amx.int8:g32:f16.32.32.64x2"(
// CHECK-COUNT-16: llvm.call_intrinsic "llvm.x86.tdpbssd.internal"
// CHECK-NOT: llvm.store
// CHECK-COUNT-8: math.fma

// CHECK: func.func private @adze.tile.amx.bf16.32x2(
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.tdpbf16ps.internal"
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.tilestored64.internal"
// CHECK: call @adze.tilec.bf16.bf16.8x2
// CHECK: func.func private @adze.tile.amx.bf16.1x4(
adze.weight @w8 from "w8" : !adze.weight<64x256, #adze.int<8, scale = f32>>
adze.weight @w32 from "w32" : !adze.weight<64x256, #adze.int<8, group = 32, scale = f16>>
adze.weight @wb from "wb" : !adze.weight<64x64, #adze.float<bf16>>
func.func @step(%x: tensor<?x256xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>)
    attributes {adze.entry} {
  %q = adze.quantize %x group 128 : tensor<?x256xf32>
  %a = adze.linear %q, @w8 : (tensor<?x256xf32>) -> tensor<?x64xf32>
  %r = adze.quantize %x group 32 : tensor<?x256xf32>
  %b = adze.linear %r, @w32 : (tensor<?x256xf32>) -> tensor<?x64xf32>
  %c = adze.linear %b, @wb : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %a, %c : tensor<?x64xf32>, tensor<?x64xf32>
}
