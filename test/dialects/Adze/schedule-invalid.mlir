// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What ops of the scheduled level refuse. (Cn) is the constraint of the op's
// documentation.
// RUN: adze-opt %s -split-input-file -verify-diagnostics

func.func @arena_dims(%f: !adze.frame) {
  // expected-error @below {{expects an offset that is linear in T and R, such as affine_map<(T, R) -> (T * 256 + 64)>, got affine_map<(d0) -> (d0 * 256)> (C1)}}
  %n = adze.arena %f at affine_map<(T) -> (T * 256)> : !adze.buffer<64xf32>
  return
}

// -----

func.func @arena_results(%f: !adze.frame) {
  // expected-error @below {{expects an offset that is linear in T and R}}
  %n = adze.arena %f at affine_map<(T, R) -> (T, R)> : !adze.buffer<64xf32>
  return
}

// -----

func.func @arena_linear(%f: !adze.frame) {
  // expected-error @below {{expects an offset that is linear in T and R}}
  %n = adze.arena %f at affine_map<(T, R) -> (T floordiv 2 + R)> : !adze.buffer<64xf32>
  return
}

// -----

func.func @launch_c1(%f: !adze.frame, %x: !adze.buffer<4xf32>) {
  // expected-error @below {{refers to @k, which is no kernel of the module (C1)}}
  adze.launch @k over tokens rows tokens frame %f (%x) : !adze.buffer<4xf32>
  return
}

// -----

adze.kernel @k map {}
func.func @launch_c2_weight(%f: !adze.frame, %x: !adze.buffer<4xf32>) {
  // expected-error @below {{refers to @w, which is no weight of the module}}
  adze.launch @k over tokens rows tokens frame %f (%x) weights [@w] : !adze.buffer<4xf32>
  return
}

// -----

adze.kernel @k map {}
// expected-note @below {{declared here}}
adze.weight @w from "w.{}" x 2 : !adze.weight<4, #adze.float<f32>>
func.func @launch_c2_layer(%f: !adze.frame, %x: !adze.buffer<4xf32>) {
  // expected-error @below {{expects a layer index, since @w is one weight per layer (C2)}}
  adze.launch @k over tokens rows tokens frame %f (%x) weights [@w] : !adze.buffer<4xf32>
  return
}

// -----

adze.kernel @k map {}
func.func @launch_c2_cache(%f: !adze.frame, %x: !adze.buffer<4xf32>) {
  // expected-error @below {{refers to @kv, which is no state of the module (C2)}}
  adze.launch @k over tokens rows tokens frame %f (%x) cache @kv : !adze.buffer<4xf32>
  return
}

// -----

adze.kernel @k map {}
adze.state @kv x 2 : !adze.kv<1x4xf32>
func.func @launch_c2_cache_layer(%f: !adze.frame, %x: !adze.buffer<4xf32>) {
  // expected-error @below {{expects a layer index, since @kv is one cache per layer (C2)}}
  adze.launch @k over tokens rows tokens frame %f (%x) cache @kv : !adze.buffer<4xf32>
  return
}

// -----

adze.kernel @k map {}
func.func @launch_c3_rows(%f: !adze.frame, %x: !adze.buffer<4xf32>) {
  // expected-error @below {{expects rows to be tokens or logit_rows, got panels (C3)}}
  adze.launch @k over tokens rows panels frame %f (%x) : !adze.buffer<4xf32>
  return
}

// -----

adze.kernel @k map {}
func.func @launch_c3_extent(%f: !adze.frame, %x: !adze.buffer<4xf32>) {
  // expected-error @below {{expects a number of panels and a unit of at least 1, got 0 and 1 (C3)}}
  adze.launch @k over panels rows tokens frame %f (%x) : !adze.buffer<4xf32>
  return
}

// -----

adze.kernel @k map {}
func.func @launch_c3_unit(%f: !adze.frame, %x: !adze.buffer<4xf32>) {
  // expected-error @below {{expects a number of panels and a unit of at least 1, got 4 and 0 (C3)}}
  adze.launch @k over panels 4 unit 0 rows tokens frame %f (%x) : !adze.buffer<4xf32>
  return
}

// -----

func.func @tap_rows(%f: !adze.frame, %x: !adze.buffer<4xf32>) {
  // expected-error @below {{expects rows to be tokens or logit_rows, got attention (C1)}}
  adze.tap_buffer %x "x" rows attention frame %f : !adze.buffer<4xf32>
  return
}

// -----

func.func @layers_c1_missing(%f: !adze.frame) {
  // expected-error @below {{refers to @layer, which is no function of the module (C1)}}
  adze.call_layers 2 from 0 @layer(%f)
  return
}

// -----

// expected-note @below {{defined here}}
func.func private @layer(%f: !adze.frame)
func.func @layers_c1(%f: !adze.frame) {
  // expected-error @below {{expects a callee of type '(index, !adze.frame) -> ()', got '(!adze.frame) -> ()' (C1)}}
  adze.call_layers 2 from 0 @layer(%f)
  return
}

// -----

func.func private @layer(%l: index, %f: !adze.frame)
func.func @layers_c2(%f: !adze.frame) {
  // expected-error @below {{expects layers within 0 to 65536, got 65536 from 1 (C2)}}
  adze.call_layers 65536 from 1 @layer(%f)
  return
}

// -----

adze.kernel @k map {}
// expected-note @below {{declared here}}
adze.weight @w from "w.{}" x 2 : !adze.weight<4, #adze.float<f32>>
func.func private @layer(%l: index, %f: !adze.frame) {
  %x = adze.frame_arg %f 0 : !adze.buffer<4xf32>
  adze.launch @k over tokens rows tokens frame %f (%x) weights [@w] layer %l : !adze.buffer<4xf32>
  return
}
func.func @layers_c3(%f: !adze.frame) {
  // expected-error @below {{runs layers up to 2, but @w has none for layer 2 (C3)}}
  adze.call_layers 3 from 0 @layer(%f)
  return
}
