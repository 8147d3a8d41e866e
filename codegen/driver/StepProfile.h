// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How long a step takes on this machine, and each of its phases, before the
// weights are packed: the code that would ship runs over weights that stand in
// for them. What a step costs does not depend on their numbers, so that one
// layer of each kind is packed and the others are copies of it.
#ifndef ADZE_CODEGEN_DRIVER_STEPPROFILE_H
#define ADZE_CODEGEN_DRIVER_STEPPROFILE_H

#include "adze/Compiler.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace adze {

class ModelCompiler;

/// What runs between two barriers.
struct PhaseTime {
  std::string source;      ///< names in the checkpoint, {} for the layer
  std::string op;          ///< families of its kernels
  std::string format;      ///< of its weights; empty without any
  int64_t weightBytes = 0; ///< of one run
  int64_t first = -1;      ///< layer; -1 outside of the layers
  int64_t runs = 1;        ///< in a step
  double seconds = 0;      ///< of all runs, one token, with the barrier
};

struct StepProfile {
  double seconds = 0;        ///< a step of one token, at `context` positions
  double prefillSeconds = 0; ///< a prompt of `context` tokens
  uint32_t context = 0, threads = 0;
  uint64_t bytesPerToken = 0; ///< weights and keys and values that it reads
  /// Bytes/s that a plain read had around the steps.
  double readRate = 0;
  std::vector<PhaseTime> phases; ///< in order
};

/// Adds to a scheduled module the entry `profile`: the main entry with a tap
/// "N" behind the Nth phase. Gives the phases, with no times.
std::vector<PhaseTime> addProfileEntry(mlir::ModuleOp scheduled);

/// The tokens of a prompt that profileStep takes: fewer where the model's
/// context is shorter.
inline constexpr uint32_t kProfileContext = 512;

/// Generates the code of `compiler` for this machine and times it. Module:
/// after optimize().
llvm::Expected<StepProfile> profileStep(ModelCompiler &compiler,
                                        unsigned threads);

/// Times a model as it is, without phases. `bytesPerToken` are its weights'.
llvm::Expected<StepProfile> timeModel(const Model &model, unsigned threads,
                                      uint64_t bytesPerToken);

llvm::json::Object profileJson(const StepProfile &profile);

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_STEPPROFILE_H
