// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The 16 rows of a panel as a format stores them, some of them missing, for the
// tests of sparse formats.
#ifndef ADZE_TEST_INTERPRETER_ENCODEDROWS_H
#define ADZE_TEST_INTERPRETER_ENCODEDROWS_H

#include "adze/Dialect/Adze/Adze.h"
#include <vector>

namespace adze::test {

struct EncodedRows {
  /// `valueAt(r, k)` of the first `rows` rows.
  template <typename ValueAt>
  EncodedRows(FormatAttrInterface format, int64_t rows, int64_t cols,
              ValueAt valueAt)
      : bytes(format.getRowBytes(cols)), storage(rows * bytes), pointers(16) {
    std::vector<float> values(cols);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t k = 0; k < cols; ++k)
        values[k] = valueAt(r, k);
      uint8_t *row = storage.data() + r * bytes;
      format.encodeRow(values, {row, size_t(bytes)});
      pointers[r] = row;
    }
  }
  int64_t bytes; ///< of a row
  std::vector<uint8_t> storage;
  std::vector<const uint8_t *> pointers; ///< null: a row that is missing
};

} // namespace adze::test

#endif // ADZE_TEST_INTERPRETER_ENCODEDROWS_H
