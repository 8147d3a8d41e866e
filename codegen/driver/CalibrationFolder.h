// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a calibration keeps beside the statistics while it runs: how many parts
// are done, and the hidden states of all sequences between two parts, in two
// mapped files of which one is read and one is written. A run that is killed
// finds the last whole part's rows untouched.
#ifndef ADZE_CODEGEN_DRIVER_CALIBRATIONFOLDER_H
#define ADZE_CODEGEN_DRIVER_CALIBRATIONFOLDER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <cstdint>
#include <memory>
#include <string>

namespace adze {

/// What must be the same for a run to go on where another ended.
struct CalibrationIdentity {
  std::string model, text;
  uint32_t sequences = 0, tokens = 0;
  bool gram = true;

  /// As the JSON files say it.
  llvm::json::Object header() const;
};

class CalibrationFolder {
public:
  /// Makes the folder, or takes up what is in it, and locks it. An error where
  /// it has something of another identity, or another process works on it.
  static llvm::Expected<std::unique_ptr<CalibrationFolder>>
  open(llvm::StringRef path, const CalibrationIdentity &identity);
  ~CalibrationFolder();

  /// Parts that are done; their statistics are in the folder.
  uint32_t done() const { return parts; }
  llvm::Error setDone(uint32_t count);

  /// Whether statistics.json is there already.
  bool isFinished() const { return finished; }

  /// Maps the rows that part `part` writes: `bytes` of them.
  llvm::Expected<float *> rowsOf(uint32_t part, uint64_t bytes);
  /// Removes what is needed while a calibration runs only.
  void finish();

private:
  struct Mapping {
    float *data = nullptr;
    uint64_t bytes = 0;
  };
  std::string file(const char *name) const;
  void unmap(Mapping &mapping);

  std::string folder;
  CalibrationIdentity identity;
  uint32_t parts = 0;
  bool finished = false;
  int lock = -1;
  Mapping mappings[2];
};

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_CALIBRATIONFOLDER_H
