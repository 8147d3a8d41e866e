// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "adze/Codegen/KVPages.h"
#include "adze/Codegen/KernelBuilder.h"

using namespace mlir;
using namespace adze;

int64_t adze::kvLayerBytes(StateOp state) {
  KVType type = state.getKVType();
  return type.getHeads() *
         kvHeadBytes(type.getHeadDim(), type.getElementType());
}

int64_t adze::kvStateOffset(StateOp state) {
  int64_t bytes = 0;
  for (auto other : cast<ModuleOp>(state->getParentOp()).getOps<StateOp>()) {
    if (other == state)
      break;
    bytes += other.getLayers() * kvLayerBytes(other);
  }
  return bytes;
}

int64_t adze::kvPageBytes(ModuleOp module) {
  int64_t bytes = 0;
  for (auto state : module.getOps<StateOp>())
    bytes += state.getLayers() * kvLayerBytes(state);
  return bytes;
}
