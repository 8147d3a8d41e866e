// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A page of the KV pool: the states of a module after each other, layer after
// layer; what a head has in a layer is KVLayout's (kernels).
#ifndef ADZE_CODEGEN_KVPAGES_H
#define ADZE_CODEGEN_KVPAGES_H

#include "adze/Dialect/Adze/Adze.h"
#include "mlir/IR/BuiltinOps.h"

namespace adze {

/// Bytes of one page of the KV pool, all layers; 0 without a cache.
int64_t kvPageBytes(mlir::ModuleOp module);
/// Bytes of one layer in a page.
int64_t kvLayerBytes(StateOp state);
/// Where the first layer of `state` lies in a page: states follow each other.
int64_t kvStateOffset(StateOp state);

} // namespace adze

#endif // ADZE_CODEGEN_KVPAGES_H
