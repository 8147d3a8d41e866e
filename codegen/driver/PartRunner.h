// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One part of a model (adze/Transforms/Parts.h), compiled for this machine and
// run on sequence after sequence. What its taps show is summed up.
#ifndef ADZE_CODEGEN_DRIVER_PARTRUNNER_H
#define ADZE_CODEGEN_DRIVER_PARTRUNNER_H

#include "InputSums.h"
#include "adze/Compiler.h"
#include "adze/Transforms/Parts.h"
#include "adze/Weights/WeightSource.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/ThreadPool.h"
#include <map>

namespace adze {

class PartRunner {
public:
  /// Compiles what extractPart left of `module`. `weights` must outlive the
  /// call; `pool` does the sums and must outlive the runner.
  static llvm::Expected<std::unique_ptr<PartRunner>>
  create(mlir::ModuleOp module, WeightSource &weights,
         const CompileOptions &options, uint32_t context, bool wantGram,
         llvm::ThreadPoolInterface &pool);
  ~PartRunner();

  /// Runs one sequence. `x` are the rows of the part before (null for the
  /// embedding), `y` takes tokens.size() rows.
  llvm::Error run(llvm::ArrayRef<int32_t> tokens, const float *x, float *y);

  /// Columns of `x` (0: it reads none) and of `y`.
  int64_t inputColumns() const { return inColumns; }
  int64_t resultColumns() const { return outColumns; }
  /// By the name of the tap.
  const std::map<std::string, InputSums> &inputs() const { return sums; }

private:
  PartRunner(bool wantGram, llvm::ThreadPoolInterface &pool)
      : wantGram(wantGram), pool(pool) {}
  llvm::Error readArguments();
  static void onTap(const char *name, const float *data, int64_t rows,
                    int64_t cols, void *user);

  struct Shown {
    std::string name;
    int64_t columns;
    std::vector<float> rows;
  };
  bool wantGram;
  llvm::ThreadPoolInterface &pool;
  std::unique_ptr<adze_model, detail::ModelDeleter> model;
  std::unique_ptr<adze_session, detail::SessionDeleter> session;
  enum class Argument { Tokens, Rows, Result };
  std::vector<Argument> arguments;
  int64_t inColumns = 0, outColumns = 0;
  std::vector<Shown> shown; // by the sequence that runs
  size_t shownCount = 0;    // of them in use: memory is kept
  std::map<std::string, InputSums> sums;
};

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_PARTRUNNER_H
