// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rounding of a weight W, column by column, where each column's error is made
// up for by the columns that are still to come, so that W x changes little for
// the x that a layer reads: min tr(E H E^T) with E the change of W and H the
// sum of x x^T (Frantar et al., "GPTQ", 2022; before it "Optimal Brain
// Surgeon"). What a value may become is the caller's: codes, or zero.
//
// With H = R R^T for an upper R, and U the inverse of R, the error e = (w - q)
// / U[i, i] of column i is taken off as w[j] -= e U[i, j] for all j > i. The
// sum of all e^2 is tr(E H E^T).
#ifndef ADZE_TRANSFORMS_SECONDORDER_H
#define ADZE_TRANSFORMS_SECONDORDER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace adze {

struct InverseFactorOptions {
  /// What is added to the diagonal, as a part of its mean.
  double damping = 0.01;
  /// Columns in descending order of the diagonal, so that those with the
  /// largest inputs are rounded while all others can make up for them.
  bool actOrder = true;
};

/// U of a Gram matrix, for all weights that read one input.
class InverseFactor {
public:
  /// Of `gram` [columns, columns], finite. Where it is not positive definite
  /// after damping, the damping becomes ten times as large until it is. An
  /// error if a diagonal element is negative, or no damping helps.
  static llvm::Expected<InverseFactor>
  make(llvm::ArrayRef<float> gram, int64_t columns,
       const InverseFactorOptions &options);

  int64_t columns() const { return int64_t(columnAt.size()); }
  /// The column that is rounded at each position.
  llvm::ArrayRef<int32_t> order() const { return columnAt; }
  /// Row-major, in the order of positions; zero below the diagonal.
  llvm::ArrayRef<double> upper() const { return u; }
  /// What was added to the diagonal, and as a part of its mean.
  double added() const { return lambda; }
  double damping() const { return part; }
  /// What a user should know: that the matrix got more damping than `options`
  /// say, or nothing.
  std::string note(const InverseFactorOptions &options) const;
  /// Memory that make() needs at most, in bytes.
  static uint64_t bytesFor(int64_t columns) {
    return 2 * sizeof(double) * uint64_t(columns) * uint64_t(columns);
  }

private:
  std::vector<int32_t> columnAt;
  std::vector<double> u;
  double lambda = 0, part = 0;
};

/// What values may become. Rows are swept by several threads, each row by one.
class Projection {
public:
  virtual ~Projection();

  /// Positions that are entered together; begin is a multiple of it.
  virtual int64_t group() const = 0;
  /// Positions whose values enter() sees where begin is a multiple of this, a
  /// multiple of group().
  virtual int64_t reach() const { return group(); }
  /// The sweep of `row` has come to position `begin`: the values that it has
  /// now from there on, reach() or group() of them (fewer at the end), and the
  /// diagonal of U. Where scales or masks are chosen.
  virtual void enter(int64_t row, int64_t begin, llvm::ArrayRef<double> values,
                     llvm::ArrayRef<double> diagonal);
  /// What the value of `row` at `position` becomes.
  virtual double project(int64_t row, int64_t position, double value) = 0;
};

enum class SweepPrecision {
  Double, ///< all of it in float64
  Fast,   ///< the sweep in float32, with a factor that was found in float64
};

/// Calls its second argument with 0, 1, ... below its first, in any order.
using ParallelFor =
    llvm::function_ref<void(int64_t, llvm::function_ref<void(int64_t)>)>;

/// Rounds `w` [rows, columns], row-major, in place. Gives tr(E H E^T) with the
/// damped H. The result does not depend on the number of threads.
double sweep(const InverseFactor &factor, llvm::MutableArrayRef<float> w,
             Projection &projection, SweepPrecision precision,
             ParallelFor parallel);

/// gram += x^T x for x [rows, columns], row-major; of `gram` [columns, columns]
/// the lower half counts. The result does not depend on the number of threads.
void addGram(llvm::ArrayRef<float> x, int64_t columns,
             llvm::MutableArrayRef<float> gram, ParallelFor parallel);

/// tr(X H X^T) for X [rows, columns] and a Gram matrix.
double energy(llvm::ArrayRef<float> x, llvm::ArrayRef<float> gram,
              int64_t columns, ParallelFor parallel);

} // namespace adze

#endif // ADZE_TRANSFORMS_SECONDORDER_H
