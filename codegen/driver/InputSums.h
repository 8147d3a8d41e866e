// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sums over the rows of one value: its Gram matrix and what is kept per column.
// The bits depend on the rows, on how they are cut into calls of add() and on
// the vector width of the machine, not on the number of threads.
#ifndef ADZE_CODEGEN_DRIVER_INPUTSUMS_H
#define ADZE_CODEGEN_DRIVER_INPUTSUMS_H

#include <cstdint>
#include <vector>

namespace llvm {
class ThreadPoolInterface;
} // namespace llvm

namespace adze {

class InputSums {
public:
  /// Of rows of `columns` values. Without `wantGram` only what is per column.
  InputSums(int64_t columns, bool wantGram);

  /// Adds `rows` rows that lie one after the other.
  void add(const float *x, int64_t rows, llvm::ThreadPoolInterface &pool);

  int64_t columns() const { return cols; }
  int64_t count() const { return seen; }
  /// Whether every value so far was a finite number.
  bool isFinite() const;

  /// sum of x x^T, both halves: columns() * columns() values, row-major. Its
  /// diagonal is sumSquares().
  std::vector<float> gram() const;
  std::vector<float> sumSquares() const;
  std::vector<float> absMax() const;
  std::vector<float> absSum() const;

private:
  struct Column {
    double squares = 0, magnitudes = 0;
    float largest = 0;
  };

  int64_t cols, seen = 0;
  std::vector<Column> sums;
  std::vector<float> lower; // [cols, cols]: the lower half of the gram
};

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_INPUTSUMS_H
