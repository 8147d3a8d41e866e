// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A float32 matrix as a NumPy file, written row by row beside its final name
// and renamed when it is complete.
#ifndef ADZE_TOOLS_COMMON_NPY_WRITER_H
#define ADZE_TOOLS_COMMON_NPY_WRITER_H

#include <cstdio>
#include <string>

#include "adze/result.hpp"

namespace adze::tools {

class NpyWriter {
public:
  NpyWriter(std::string path, size_t columns);
  /// Removes an unfinished file.
  ~NpyWriter();
  NpyWriter(const NpyWriter &) = delete;
  NpyWriter &operator=(const NpyWriter &) = delete;

  Result<void> add(const float *rows, size_t count);
  Result<void> finish();

private:
  Result<void> writeHeader();
  Error failure(const char *what) const;
  std::string path, part;
  size_t columns, rows = 0;
  FILE *file = nullptr;
};

} // namespace adze::tools
#endif // ADZE_TOOLS_COMMON_NPY_WRITER_H
