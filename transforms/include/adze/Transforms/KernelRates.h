// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How long kernels of sparse weights take relative to the dense kernel of the
// same elements, as measured: what adze-choose-sparse goes by.
//
// A file of rates is JSON with a table for each machine that was measured,
//
//   {"tables": [{"machine": "what it was", "targets": ["x86-64-v3"],
//                "rows": [1, 16],
//                "times": {"int8": {"blocks": {"30": [0.76, 0.8]}}}}]}
//
// whose times have a number for each of the rows: here for int8 weights in
// blocks, 30 % of which are zero. Storage is blocks, mask (zeros anywhere) or
// nm (as many in each step); null is what was not measured. Rates of kernels
// that a target shares with another one it may take from there, for up to so
// many rows, or for any number:
//
//   "as": [{"target": "x86-64-v4+vnni+vbmi2", "formats": ["int8"],
//           "storages": ["blocks"], "rows": 15}]
#ifndef ADZE_TRANSFORMS_KERNELRATES_H
#define ADZE_TRANSFORMS_KERNELRATES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace adze {

/// A time relative to the dense kernel.
struct KernelRate {
  double time = 1;
  /// Whether it is the target's own; else the slowest of all tables.
  bool isMeasured = true;
};

class KernelRates {
public:
  /// What was measured and ships with the compiler.
  static const KernelRates &builtIn();
  /// Reads a file, whose tables come before those that are built in: each
  /// target has its first table. The error names the file, and where in it what
  /// is wrong.
  static llvm::Expected<KernelRates> open(llvm::StringRef path);
  static llvm::Expected<KernelRates> parse(const llvm::json::Value &root,
                                           llvm::StringRef name);

  /// The time of weights of which the share `zeros` (0 to 1) is zero, for steps
  /// of `rows`. Shares are interpolated; for a number of rows between two that
  /// were measured it is the slower of both, since kernels change by steps.
  /// For a target without a table it is the slowest of all tables, if all have
  /// it. Nothing where that was not measured: so few zeros, or such a format.
  std::optional<KernelRate> find(llvm::StringRef target, llvm::StringRef format,
                                 llvm::StringRef storage, double zeros,
                                 int64_t rows) const;

  /// The least share of zeros that any table has; nothing where none has any.
  std::optional<double> leastZeros(llvm::StringRef format,
                                   llvm::StringRef storage) const;

  /// The target of the first table.
  llvm::StringRef firstTarget() const { return tables.front().targets.front(); }

private:
  /// Of a share of zeros, a time for each of the table's rows, or nothing.
  using Times = std::map<double, std::vector<std::optional<double>>>;
  /// The target whose rates these formats have, up to so many rows.
  struct SameAs {
    std::string target;
    std::vector<std::string> formats, storages;
    int64_t rows = INT64_MAX;
  };
  struct Table {
    std::vector<std::string> targets;
    std::vector<int64_t> rows;
    /// By format and storage.
    std::map<std::pair<std::string, std::string>, Times> times;
    std::vector<SameAs> sameAs;

    std::optional<double> find(llvm::StringRef format, llvm::StringRef storage,
                               double zeros, int64_t rows) const;
  };
  class Parser;

  const Table *tableOf(llvm::StringRef target) const;

  std::vector<Table> tables;
};

} // namespace adze

#endif // ADZE_TRANSFORMS_KERNELRATES_H
