// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The documented example of every adze_kernel op.
// RUN: adze-opt %s | adze-opt | FileCheck %s
// RUN: adze-opt %s --mlir-print-op-generic | adze-opt | FileCheck %s
// RUN: adze-opt %s --emit-bytecode | adze-opt | FileCheck %s

// CHECK-LABEL: func.func @tile
func.func @tile(%acc: vector<16xf32>, %a: vector<32xbf16>, %i: vector<16xi32>,
                %c: vector<64xi8>, %h: vector<16xf16>,
                %v: vector<32xi16>, %from: !llvm.ptr, %mask: i64, %bits: i32,
                %few: i16) {
  // CHECK: adze_kernel.dot %{{.*}}, %{{.*}}, %{{.*}} : vector<16xf32>, vector<32xbf16>
  %r = adze_kernel.dot %acc, %a, %a : vector<16xf32>, vector<32xbf16>
  // CHECK: adze_kernel.dot %{{.*}} : vector<16xi32>, vector<64xi8>
  %d = adze_kernel.dot %i, %c, %c : vector<16xi32>, vector<64xi8>
  // CHECK: adze_kernel.dot_codes %{{.*}}, %{{.*}}, %{{.*}} max 15 : vector<16xi32>, vector<64xi8>
  %q = adze_kernel.dot_codes %i, %c, %c max 15 : vector<16xi32>, vector<64xi8>
  // CHECK: adze_kernel.dot_words %{{.*}}, %{{.*}}, %{{.*}} : vector<16xi32>, vector<32xi16>
  %w = adze_kernel.dot_words %i, %v, %v : vector<16xi32>, vector<32xi16>
  // CHECK: adze_kernel.expand_load %{{.*}}, %{{.*}} : !llvm.ptr -> vector<64xi8>
  %x = adze_kernel.expand_load %from, %mask : !llvm.ptr -> vector<64xi8>
  // CHECK: adze_kernel.expand_load %{{.*}}, %{{.*}} : !llvm.ptr -> vector<32xi16>
  %y = adze_kernel.expand_load %from, %bits : !llvm.ptr -> vector<32xi16>
  // CHECK: adze_kernel.expand_load %{{.*}}, %{{.*}} : !llvm.ptr -> vector<16xi32>
  %z = adze_kernel.expand_load %from, %few : !llvm.ptr -> vector<16xi32>
  // CHECK: adze_kernel.exp2 %{{.*}} : vector<16xf32>
  %e = adze_kernel.exp2 %acc : vector<16xf32>
  // CHECK: adze_kernel.to_f32 %{{.*}} : vector<16xf16> to vector<16xf32>
  %f = adze_kernel.to_f32 %h : vector<16xf16> to vector<16xf32>
  // CHECK: adze_kernel.from_f32 %{{.*}} : vector<16xf32> to vector<16xbf16>
  %b = adze_kernel.from_f32 %f : vector<16xf32> to vector<16xbf16>
  // CHECK: adze_kernel.from_f32 flush %{{.*}} : vector<16xf32> to vector<16xbf16>
  %p = adze_kernel.from_f32 flush %f : vector<16xf32> to vector<16xbf16>
  return
}
