// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Writes artefacts: the ELF shared object that the runtime opens (adze/abi.h).
#ifndef ADZE_CODEGEN_ARTEFACT_H
#define ADZE_CODEGEN_ARTEFACT_H

#include "adze/Codegen/LowerSchedule.h"
#include "adze/Codegen/TargetVariants.h"
#include "adze/Weights/Evaluator.h"
#include "llvm/Support/MemoryBuffer.h"
#include <functional>

namespace adze {

/// The code of one variant.
struct ArtefactVariant {
  const TargetVariant *target = nullptr;
  /// Of its code, what no weaker variant has: kernels and entries of one may be
  /// those of another.
  std::vector<std::unique_ptr<llvm::MemoryBuffer>> objects;
  std::vector<LoweredEntry> entries; // in the order of the descriptor
};

/// An entry as callers see it, equal for all variants.
struct ArtefactArg {
  std::string name;
  uint16_t dtype = 0;                  // adze_dtype
  llvm::SmallVector<int64_t, 4> shape; // >= 0, or ~symbol
};
struct ArtefactEntry {
  std::string name;
  std::vector<std::string> symbols;
  std::vector<ArtefactArg> args; // results last
  uint32_t results = 0;
};

struct ArtefactInput {
  /// Packed module with adze.offset on each weight: its weights and states.
  mlir::ModuleOp module;
  const WeightEvaluator *weights = nullptr;
  std::vector<ArtefactVariant> variants; // best first
  std::vector<ArtefactEntry> entries;
  std::string meta;     // JSON
  std::string text;     // tokenizer table, may be empty
  std::string proof;    // JSON, may be empty
  std::string schedule; // JSON, may be empty
  unsigned threads = 0; // 0: as many as the machine has
  /// Called now and then with bytes packed so far; true stops.
  std::function<bool(uint64_t done, uint64_t total)> progress;
};

/// The descriptor as an object file for `triple`, referring to the entries'
/// symbols; `hash` stays zero.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
buildDescriptorObject(const ArtefactInput &input,
                      llvm::ArrayRef<uint64_t> weightHashes);

/// Links objects into a shared object that exports the descriptor only. Runs
/// lld in this process, one link at a time.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
linkSharedObject(llvm::ArrayRef<llvm::MemoryBufferRef> objects);

/// Links objects into one object file, for static linking into a program.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
linkRelocatable(llvm::ArrayRef<llvm::MemoryBufferRef> objects);

/// For static linking: one object file `path` with the code of every variant
/// and the descriptor, the packed weights in `path`.weights, and a header
/// `path`.h that says how to open them. Returns the seconds packing took.
llvm::Expected<double> writeStaticObject(const ArtefactInput &input,
                                         llvm::StringRef path);

/// Packs, links and writes the artefact beside `path`, then renames: no
/// half-written file is left. Returns the seconds that packing took.
llvm::Expected<double> writeArtefact(const ArtefactInput &input,
                                     llvm::StringRef path);

/// Writes another proof into an artefact, which has as many bytes for it as the
/// one it was written with: a shorter one is padded with spaces.
llvm::Error replaceProof(llvm::StringRef path, llvm::StringRef proof);

} // namespace adze

#endif // ADZE_CODEGEN_ARTEFACT_H
