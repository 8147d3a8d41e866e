// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The adze dialect: the one header to include for its ops, types, attributes
// and interfaces.
#ifndef ADZE_DIALECT_ADZE_ADZE_H
#define ADZE_DIALECT_ADZE_ADZE_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/RegionKindInterface.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "adze/Dialect/Adze/AdzeDialect.h.inc"
#include "adze/Dialect/Adze/AdzeEnums.h.inc"

#include "adze/Dialect/Adze/AdzeAttrInterfaces.h.inc"
#include "adze/Dialect/Adze/AdzeOpInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "adze/Dialect/Adze/AdzeAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "adze/Dialect/Adze/AdzeTypes.h.inc"
#define GET_OP_CLASSES
#include "adze/Dialect/Adze/AdzeOps.h.inc"

namespace adze {

/// Output channels in the lanes of a panel, on every x86 variant.
inline constexpr int64_t kPanelRows = 16;

/// What verifiers bound, so that sums of sizes stay within 64 bits and nothing
/// runs over every layer without end.
inline constexpr int64_t kMaxLayers = 65536;
inline constexpr int64_t kMaxHeadDim = 65536;
inline constexpr int64_t kMaxKVHeads = 65536;
inline constexpr int64_t kMaxWeightElements = int64_t(1) << 40;

/// Attribute names that more than one component reads.
inline constexpr llvm::StringLiteral kLevelAttrName = "adze.level";
inline constexpr llvm::StringLiteral kTableAttrName = "adze.table";
inline constexpr llvm::StringLiteral kEntryAttrName = "adze.entry";
inline constexpr llvm::StringLiteral kMetaAttrName = "adze.meta";

/// The format of the elements of a sparse one, or the format itself: what a
/// weight's values are rounded to, and what its rows are stored in.
FormatAttrInterface elementFormat(FormatAttrInterface format);

/// The weight a symbol names, seen from `from`; null if there is none.
WeightOp lookupWeight(mlir::Operation *from, mlir::FlatSymbolRefAttr name);
StateOp lookupState(mlir::Operation *from, mlir::FlatSymbolRefAttr name);

} // namespace adze

#endif // ADZE_DIALECT_ADZE_ADZE_H
