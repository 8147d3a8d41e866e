// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: split-file %s %t
// RUN: not adze-opt %t/model.mlir --adze-extract-part=part=2 2>&1 | FileCheck %s --check-prefix=LAYER
// RUN: not adze-opt %t/model.mlir --adze-extract-part=part=-1 2>&1 | FileCheck %s --check-prefix=PART -DNAME=-1
// RUN: not adze-opt %t/model.mlir --adze-extract-part=part=middle 2>&1 | FileCheck %s --check-prefix=PART -DNAME=middle
// RUN: not adze-opt %t/model.mlir --adze-extract-part=part=head 2>&1 | FileCheck %s --check-prefix=HEAD
// RUN: not adze-opt %t/model.mlir --adze-extract-part="part=0 entry=absent" 2>&1 | FileCheck %s --check-prefix=ENTRY
// RUN: not adze-opt %t/model.mlir --adze-extract-part=part=0 --adze-extract-part=part=0 2>&1 | FileCheck %s --check-prefix=AGAIN
// RUN: not adze-opt %t/none.mlir --adze-extract-part=part=0 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not adze-opt %t/gap.mlir --adze-extract-part=part=1 2>&1 | FileCheck %s --check-prefix=GAP
// RUN: not adze-opt %t/far.mlir --adze-extract-part=part=1 2>&1 | FileCheck %s --check-prefix=FAR

// LAYER: error: has no layer 2; it has 2
// PART:  error: adze-extract-part expects part to be embedding, head or the number of a layer, got "[[NAME]]"
// HEAD:  error: observes nothing after its layers: expected an adze.tap
// ENTRY: error: has no function @absent
// AGAIN: error: has a symbol @part already: expected a whole model
// NONE:  error: has no entry with layers: expected a function that applies them with adze.repeat
// GAP:   error: 'adze.repeat' op runs layers from 1, expected from 0: layers must follow each other
// FAR:   error: 'adze.repeat' op is read by more than the next part: a model whose layers reach further back cannot run in parts

//--- model.mlir
func.func private @l(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  return %x : tensor<?x64xf32>
}
func.func @step(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {adze.entry} {
  %y = adze.repeat 2 @l(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

//--- none.mlir
func.func @step(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {adze.entry} {
  return %x : tensor<?x64xf32>
}

//--- gap.mlir
func.func private @l(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  return %x : tensor<?x64xf32>
}
func.func @step(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {adze.entry} {
  %y = adze.repeat 2 from 1 @l(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

//--- far.mlir
func.func private @l(%l: index, %x: tensor<?x64xf32>, %z: tensor<?x64xf32>) -> tensor<?x64xf32> {
  return %x : tensor<?x64xf32>
}
func.func @step(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {adze.entry} {
  %y = adze.repeat 1 @l(%x, %x) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %z = adze.repeat 1 from 1 @l(%y, %y) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  return %z : tensor<?x64xf32>
}
