// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elementary functions as arithmetic: what emitted code uses in place of a
// libm. Every expansion works on f32 scalars and on vectors of f32, in the same
// arithmetic, so that a scalar tail equals a vector body bit for bit.
//
// Absolute or relative error (the smaller claim) over the useful range:
//   exp2, exp, log, sin, cos, tanh, erf  2e-7
//   log2, log10, expm1, log1p, cosh, sinh  4e-7
//   powf, fpowi, cbrt                    1e-7 relative (f64 inside), with the
//                                        special cases of C's pow
//   round, clampf                        exact
//
// Without an expansion, hence refused in a kernel: acos, acosh, asin, asinh,
// atan, atan2, atanh, erfc, ipowi, sincos, tan, and all of them on f64.
#ifndef ADZE_CODEGEN_MATHEXPANSION_H
#define ADZE_CODEGEN_MATHEXPANSION_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/PatternMatch.h"

namespace adze {

/// 2^x: 1 at 0 exactly, 0 below -126.5, infinity from 128, NaN stays NaN.
mlir::Value emitExp2(mlir::OpBuilder &builder, mlir::Location loc,
                     mlir::Value x);

/// Cosine and sine of 2 pi `turns`, with `turns` in f64 (scalar or vector) and
/// results in f32. Right to 2e-7 for |turns| < 2^40.
std::pair<mlir::Value, mlir::Value>
emitCosSin(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value turns);

/// What `op` (of the math dialect, or adze.silu, adze.gelu) computes from
/// `operands`, which are f32 scalars or vectors of f32 of one type. Null if it
/// has no expansion here; ops that are one instruction (sqrt, absf, floor ...)
/// have none.
mlir::Value expandMath(mlir::OpBuilder &builder, mlir::Operation *op,
                       mlir::ValueRange operands);

/// expandMath as rewrite patterns, for code that holds such ops already.
void populateMathExpansionPatterns(mlir::RewritePatternSet &patterns);

} // namespace adze

#endif // ADZE_CODEGEN_MATHEXPANSION_H
