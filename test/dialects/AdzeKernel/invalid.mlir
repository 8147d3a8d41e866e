// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One case per constraint of the adze_kernel ops.
// RUN: adze-opt %s -split-input-file -verify-diagnostics

func.func @dot_c1_elements(%acc: vector<16xf32>, %a: vector<16xbf16>) {
  // expected-error @below {{expects operands of 32 elements for 'vector<16xf32>', got 'vector<16xbf16>' (C1)}}
  %r = adze_kernel.dot %acc, %a, %a : vector<16xf32>, vector<16xbf16>
  return
}

// -----

func.func @dot_c1_types(%acc: vector<16xf32>, %a: vector<64xi8>) {
  // expected-error @below {{expects bf16 operands for an f32 accumulator and i8 operands for an i32 one, got 'vector<64xi8>' and 'vector<16xf32>' (C1)}}
  %r = adze_kernel.dot %acc, %a, %a : vector<16xf32>, vector<64xi8>
  return
}

// -----

func.func @to_f32_elements(%h: vector<16xf16>) {
  // expected-error @below {{expects as many elements in as out, got 'vector<16xf16>' and 'vector<8xf32>'}}
  %f = adze_kernel.to_f32 %h : vector<16xf16> to vector<8xf32>
  return
}

// -----

func.func @from_f32_elements(%h: vector<16xf32>) {
  // expected-error @below {{expects as many elements in as out, got 'vector<16xf32>' and 'f16'}}
  %f = adze_kernel.from_f32 %h : vector<16xf32> to f16
  return
}

// -----

func.func @dot_codes_c1(%acc: vector<16xi32>, %x: vector<32xi8>) {
  // expected-error @below {{expects operands of 64 elements for 'vector<16xi32>', got 'vector<32xi8>' (C1)}}
  %r = adze_kernel.dot_codes %acc, %x, %x max 255 : vector<16xi32>, vector<32xi8>
  return
}

// -----

func.func @dot_words_c1(%acc: vector<16xi32>, %x: vector<16xi16>) {
  // expected-error @below {{expects operands of 32 elements for 'vector<16xi32>', got 'vector<16xi16>' (C1)}}
  %r = adze_kernel.dot_words %acc, %x, %x : vector<16xi32>, vector<16xi16>
  return
}

// -----

func.func @expand_load(%from: !llvm.ptr, %mask: i32) {
  // expected-error @below {{'result' must be vector of 8-bit}}
  %r = adze_kernel.expand_load %from, %mask : !llvm.ptr -> vector<32xi8>
  return
}

// -----

func.func @expand_load_mask(%from: !llvm.ptr, %mask: i64) {
  // expected-error @below {{mask has a bit for each element of the result}}
  %r = "adze_kernel.expand_load"(%from, %mask) : (!llvm.ptr, i64) -> vector<32xi16>
  return
}
