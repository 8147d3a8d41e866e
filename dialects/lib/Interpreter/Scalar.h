// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Elementwise ops on scalars, and blocks of them (the regions of adze.linear,
// adze.map and linalg.generic) compiled to a list of calls over slots.
#ifndef ADZE_LIB_INTERPRETER_SCALAR_H
#define ADZE_LIB_INTERPRETER_SCALAR_H

#include "Number.h"

namespace adze::interpreter {

/// The meaning of an elementwise op; `aux` holds its attribute, such as the
/// predicate of a comparison.
using ScalarFn = Scalar (*)(const Scalar *args, int64_t aux);

struct ScalarOp {
  ScalarFn fn = nullptr; ///< null: no known meaning
  int64_t aux = 0;
};
ScalarOp findScalarOp(mlir::Operation *op);

inline constexpr unsigned kMaxScalarArgs = 3;

/// The error for an op that the interpreter has no meaning for.
mlir::InFlightDiagnostic emitUnknownOp(mlir::Operation *op);

/// What a block may refer to outside of itself.
class OuterValues {
public:
  virtual ~OuterValues() = default;
  /// Null if the value is not of that kind.
  virtual const Scalar *outerScalar(mlir::Value value) const = 0;
  virtual const HostTensor *outerTensor(mlir::Value value) const = 0;
};

/// A block of scalar ops, tensor.extract and linalg.index.
class ScalarProgram {
public:
  static mlir::FailureOr<ScalarProgram>
  compile(mlir::Block &block, Precision precision, const OuterValues *outer);

  unsigned numArgs() const { return args; }
  unsigned numResults() const { return results.size(); }
  /// Runs the block on `in` (one per argument). `loops` are the indices that
  /// linalg.index reads. False if an index was out of bounds.
  bool run(const Scalar *in, llvm::ArrayRef<int64_t> loops, Scalar *out);

private:
  struct Instruction {
    enum Kind : uint8_t { Call, Index, Extract } kind = Call;
    Rounding rounding;
    ScalarFn fn = nullptr;
    int64_t aux = 0; // of fn; the loop of Index
    const HostTensor *tensor = nullptr;
    llvm::SmallVector<uint32_t, 3> args;
    uint32_t result = 0;
  };

  unsigned args = 0;
  std::vector<Scalar> slots;
  std::vector<Instruction> code;
  llvm::SmallVector<uint32_t, 2> results;
};

} // namespace adze::interpreter

#endif // ADZE_LIB_INTERPRETER_SCALAR_H
