// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a calibration keeps beside the statistics while it runs: a lock, and the
// hidden states of all sequences between two parts, in two mapped files of
// which one is read and one is written. A run that is killed leaves the rows of
// the last part that has its statistics untouched.
#ifndef ADZE_CODEGEN_DRIVER_CALIBRATIONFOLDER_H
#define ADZE_CODEGEN_DRIVER_CALIBRATIONFOLDER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <memory>
#include <string>

namespace adze {

class CalibrationFolder {
public:
  /// Makes the folder, or takes up one that is there, and locks it. `choices`
  /// says what a run must have in common with the one that it continues: an
  /// error where the folder has others, or another process works on it.
  static llvm::Expected<std::unique_ptr<CalibrationFolder>>
  open(llvm::StringRef path, const std::string &choices);
  /// Marks the folder as that of an unfinished run with these choices. Without
  /// it no mark is left in one that was opened.
  llvm::Error begin(const std::string &choices);
  ~CalibrationFolder();

  /// Maps the rows that part `part` writes: `bytes` of them.
  llvm::Expected<float *> rowsOf(uint32_t part, uint64_t bytes);
  /// The same to read them; they must be there.
  llvm::Expected<const float *> writtenBy(uint32_t part, uint64_t bytes);
  /// Removes what is needed while a calibration runs only.
  void finish();

private:
  struct Mapping {
    float *data = nullptr;
    uint64_t bytes = 0;
  };
  std::string file(llvm::StringRef name) const;
  llvm::Expected<float *> map(uint32_t part, uint64_t bytes, bool isThere);
  void unmap(Mapping &mapping);

  std::string folder;
  int lock = -1;
  bool isMarked = false; ///< as that of an unfinished run
  bool isNew = false;    ///< locked by this object, and not marked yet
  Mapping mappings[2];
};

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_CALIBRATIONFOLDER_H
