// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Builds weights that are expressions over other weights.
#ifndef ADZE_TRANSFORMS_WEIGHTEXPR_H
#define ADZE_TRANSFORMS_WEIGHTEXPR_H

#include "adze/Dialect/Adze/Adze.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/StringSet.h"

namespace adze {

/// Attribute of weights that keep their format whatever rules say, such as the
/// one that undoes a rotation.
inline constexpr llvm::StringLiteral kExactAttrName = "adze.exact";

/// Rows that are shorter stay what they are where rules say an integer format:
/// their scales would cost what they save.
inline constexpr int64_t kSmallestIntegerColumns = 32;

/// The weights that ops other than adze.linear and adze.embed read.
llvm::StringSet<> readElsewhere(mlir::ModuleOp module);

/// Why a weight stays as it is where rules say an integer format, for a remark;
/// empty: it does not. `elsewhere` is as readElsewhere() has it.
llvm::StringRef whyNotInteger(WeightOp weight,
                              const llvm::StringSet<> &elsewhere);

/// Makes a weight `name` (or name.1, ... if taken) after the last of `inputs`,
/// whose body is what `body` builds from one `adze.ref` per input. It is one
/// weight per layer if any input is. With `mayShare` an equal one that is there
/// already is returned, under its own name.
WeightOp buildWeightExpr(
    llvm::ArrayRef<WeightOp> inputs, llvm::StringRef name,
    llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::ValueRange)> body,
    bool mayShare = true);

/// The weight that `weight` is a cast of, and nothing else; null if it is not.
WeightOp getCastSource(WeightOp weight);

/// Whether the weight of `op` is in panels already. Expressions are of rows:
/// what makes another weight of it must leave such a linear alone.
bool isPacked(LinearOp op);

/// `; the matrices are "a", "b", ...`, for a rule that matches none of them;
/// and that the head is the embedding, where it is.
std::string namedMatrices(mlir::ModuleOp module);

/// The type of `type` with another number of rows, format or layout.
WeightType withRows(WeightType type, int64_t rows);
WeightType withFormat(WeightType type, FormatAttrInterface format);
WeightType withLayout(WeightType type, LayoutKind layout);

} // namespace adze

#endif // ADZE_TRANSFORMS_WEIGHTEXPR_H
