// RUN: adze-opt %s '--adze-split-layers=format=*layers.[12].up*=int8,*=int4:g32' --verify-diagnostics | FileCheck %s --check-prefix=SAME
// RUN: adze-opt %s '--adze-split-layers=format=*layers.1.up*=int8,*layers.3.up*=int8,*=int4:g32' | FileCheck %s
// RUN: adze-opt %s '--adze-split-layers=format=*layers.1.up*=int8,*layers.3.up*=int8,*=int4:g32' '--adze-convert-weights=format=*layers.1.up*=int8,*layers.3.up*=int8,*=int4:g32' | FileCheck %s --check-prefix=CONVERTED
// RUN: not adze-opt %s '--adze-split-layers=format=int5' 2>&1 | FileCheck %s --check-prefix=FORMAT
// FORMAT: error: adze-split-layers: {{.*}}int5

// Patterns are names with * and ?: nothing matches [12], so all layers are alike.
// SAME: adze.weight @up.source from "layers.{}.up.weight" x 4
// SAME: adze.repeat 4 @layer(

// An expression is copied with what it reads; a bias is a vector, and is of the
// layers of its kind too. Both entries are rewritten.
adze.weight @up.source from "layers.{}.up.weight" x 4 : !adze.weight<64x64, #adze.float<bf16>>
adze.weight @up x 4 : !adze.weight<64x64, #adze.float<f32>> {
  %0 = adze.ref @up.source : !adze.weight<64x64, #adze.float<bf16>>
  %1 = adze.cast %0 : !adze.weight<64x64, #adze.float<bf16>> -> !adze.weight<64x64, #adze.float<f32>>
  adze.yield %1 : !adze.weight<64x64, #adze.float<f32>>
}
adze.weight @down from "layers.{}.down.weight" x 4 : !adze.weight<64x64, #adze.float<f32>>
adze.weight @norm from "layers.{}.norm.weight" x 4 : !adze.weight<64, #adze.float<f32>>
adze.weight @shared from "shared.weight" : !adze.weight<64x64, #adze.float<f32>>

// CHECK-NOT: x 4
// CHECK: adze.weight @up.source.0 from "layers.{}.up.weight" layers [0, 2]
// CHECK: adze.weight @up.source.1 from "layers.{}.up.weight" layers [1, 3]
// CHECK: adze.weight @up.0 layers [0, 2]
// CHECK-NEXT: adze.ref @up.source.0
// CHECK: adze.weight @up.1 layers [1, 3]
// CHECK-NEXT: adze.ref @up.source.1
// CHECK: adze.weight @shared from "shared.weight" :
// CHECK-LABEL: func.func private @layer.0
// CHECK: adze.rms_norm %{{.*}}, @norm.0[%arg0]
// CHECK: adze.linear {{.*}} @up.0[%arg0]
// CHECK: adze.linear {{.*}} @down.0[%arg0]
// CHECK: adze.linear {{.*}} @shared :
// CHECK-LABEL: func.func private @layer.1
func.func private @layer(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %n = adze.rms_norm %x, @norm[%l] eps 1.0e-5 : tensor<?x64xf32>
  %u = adze.linear %n, @up[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %d = adze.linear %u, @down[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %y = adze.linear %d, @shared : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
// CHECK-LABEL: func.func @f
// CHECK: %[[A:.*]] = adze.repeat 1 @layer.0(%arg0)
// CHECK: %[[B:.*]] = adze.repeat 1 from 1 @layer.1(%[[A]])
// CHECK: %[[C:.*]] = adze.repeat 1 from 2 @layer.0(%[[B]])
// CHECK: %[[D:.*]] = adze.repeat 1 from 3 @layer.1(%[[C]])
// CHECK: return %[[D]]
// CONVERTED-DAG: adze.cast {{.*}} -> <64x64, #adze.int<8, scale = f32>>
// CONVERTED-DAG: adze.cast {{.*}} -> <64x64, #adze.int<4, group = 32, scale = bf16>>
func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {adze.entry} {
  %y = adze.repeat 4 @layer(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
// CHECK-LABEL: func.func @g
// CHECK: adze.repeat 1 from 1 @layer.1(
// CHECK-NEXT: adze.repeat 1 from 2 @layer.0(
func.func @g(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {adze.entry} {
  %y = adze.repeat 2 from 1 @layer(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
