// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Gguf.h - Reader of GGUF files ---------------------------*- C++ -*-===//
//
// Reads and fully validates the header of a GGUF file (versions 2 and 3, little
// endian): metadata, vocabulary and tensor table. What it returns can be used
// without a further check against the file's size.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_FRONTEND_GGUF_H
#define ADZE_FRONTEND_GGUF_H

#include "adze/Frontend/Checkpoint.h"

namespace adze {

struct GgufFile {
  uint32_t version = 0;
  uint64_t alignment = 32;
  llvm::json::Object metadata;
  std::shared_ptr<const GgufVocab> vocab; ///< null when there is none
  std::vector<CheckpointTensor> tensors;  ///< by offset, file = 0
};

/// Errors come back as a DiagnosticError, warnings in `diags`.
llvm::Expected<GgufFile> readGguf(llvm::MemoryBufferRef file,
                                  Diagnostics &diags);

} // namespace adze

#endif // ADZE_FRONTEND_GGUF_H
