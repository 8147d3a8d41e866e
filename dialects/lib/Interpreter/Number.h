// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Numbers of the interpreter: a double that is rounded to the precision of its
// type after every operation, or an integer wrapped to its width.
#ifndef ADZE_LIB_INTERPRETER_NUMBER_H
#define ADZE_LIB_INTERPRETER_NUMBER_H

#include "adze/Interpreter/Interpreter.h"
#include <optional>

namespace adze::interpreter {

using Precision = InterpreterOptions::Precision;

/// One scalar; its type says which half counts.
struct Scalar {
  double f = 0;
  int64_t i = 0;
};

/// To what an operation's result is brought.
struct Rounding {
  enum Kind : uint8_t { None, F32, F16, BF16, Wrap } kind = None;
  uint8_t bits = 64; // of Wrap

  double operator()(double value) const;
  int64_t operator()(int64_t value) const;
  Scalar operator()(Scalar value) const {
    if (kind == Wrap)
      value.i = (*this)(value.i);
    else
      value.f = (*this)(value.f);
    return value;
  }
};

/// What a value of `type` (a scalar, or the elements of a tensor or vector) is
/// rounded to. `precision` decides about f32.
Rounding roundingOf(mlir::Type type, Precision precision);

/// Rounds `x` as one group of adze.quantize: to int8 codes times a scale, that
/// of its largest magnitude or, where it is given, of `range`.
void roundToCodes(llvm::ArrayRef<double> x, llvm::MutableArrayRef<double> out,
                  Rounding round, std::optional<float> range = {});

/// True for float scalars and for tensors and vectors of them.
bool isFloatLike(mlir::Type type);

} // namespace adze::interpreter

#endif // ADZE_LIB_INTERPRETER_NUMBER_H
