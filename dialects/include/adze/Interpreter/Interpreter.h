// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Interpreter.h - The reference meaning of a module --------*- C++ -*-===//
//
// Runs model-level and fused-level modules with plain loops: the oracle that
// every pass pipeline and every compiled step is compared with. Slow on
// purpose; it shares nothing with the passes or with code generation.
//
// Failures (an op without known meaning, a token out of range, a tensor of the
// wrong shape) are diagnostics on the op that was running.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_INTERPRETER_INTERPRETER_H
#define ADZE_INTERPRETER_INTERPRETER_H

#include "adze/Weights/Evaluator.h"

#include <functional>
#include <vector>

namespace adze {

/// A tensor of plain numbers, row-major. Floats of every type are held as
/// double (rounded as their type and the precision ask for), integers as
/// sign-extended int64. A scalar is a tensor of rank 0.
struct HostTensor {
  llvm::SmallVector<int64_t, 4> shape;
  bool isFloat = true;
  std::vector<double> floats;
  std::vector<int64_t> ints;

  int64_t numElements() const { return isFloat ? floats.size() : ints.size(); }

  static HostTensor ofFloats(llvm::ArrayRef<int64_t> shape,
                             std::vector<double> values);
  static HostTensor ofInts(llvm::ArrayRef<int64_t> shape,
                           std::vector<int64_t> values);
};

/// The rows of one step: any mix of prefill and decode of any number of
/// sequences. The rows of a sequence may lie anywhere in the batch.
struct Batch {
  std::vector<int32_t> tokens;    ///< of each row
  std::vector<int32_t> positions; ///< of each row in its sequence
  std::vector<int32_t> sequences; ///< of each row: any number that names one
  std::vector<int32_t> rows;      ///< rows whose logits are asked for

  /// Appends `tokens` of `sequence` from position `first` on; asks for the
  /// logits of all of them, or of the last.
  void add(int32_t sequence, int32_t first, llvm::ArrayRef<int32_t> tokens,
           bool allRows = true);
};

struct InterpreterOptions {
  enum class Precision {
    F32, ///< every f32 operation rounds to f32
    F64, ///< f32 values are kept in double: the value without rounding
  };
  Precision precision = Precision::F64;
  /// Round keys and values to the cache's element type; off: exact.
  bool roundCache = true;
  /// Called by adze.tap.
  std::function<void(llvm::StringRef name, const HostTensor &value)> tap;
};

/// One module with its caches. Not thread safe.
class Interpreter {
public:
  /// `module` and `source` must outlive the interpreter, and the module must
  /// be verified and must not change. A module at the scheduled level is an
  /// error.
  static mlir::FailureOr<std::unique_ptr<Interpreter>>
  create(mlir::ModuleOp module, WeightSource &source,
         InterpreterOptions options = {});
  ~Interpreter();

  /// Runs a decoder entry `(tokens, batch, rows) -> logits`; the result has one
  /// row per element of batch.rows.
  mlir::FailureOr<HostTensor> step(const Batch &batch,
                                   llvm::StringRef entry = "step");

  /// Runs any function. `args` are its arguments but those of type
  /// !adze.batch, which are `batch`.
  mlir::FailureOr<std::vector<HostTensor>> call(llvm::StringRef function,
                                                llvm::ArrayRef<HostTensor> args,
                                                const Batch *batch = nullptr);

  /// Forgets the cache of one sequence, of all.
  void release(int32_t sequence);
  void reset();

private:
  struct Impl;
  explicit Interpreter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace adze

#endif // ADZE_INTERPRETER_INTERPRETER_H
