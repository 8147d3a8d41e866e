// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which weights become zero, as command lines say it: `*down_proj=0,*=2:4`.
#ifndef ADZE_TRANSFORMS_PRUNERULES_H
#define ADZE_TRANSFORMS_PRUNERULES_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace adze {

/// Where the zeros of a weight may lie.
enum class ZerosKind {
  Anywhere, ///< `0.5`
  NofM,     ///< `2:4`: of 4 neighbouring columns of a row 2 are kept
  Blocks,   ///< `0.5:16x32`: whole blocks of 16 rows by 32 columns
};

struct ZerosPattern {
  std::string text; ///< as it was written
  ZerosKind kind = ZerosKind::Anywhere;
  double amount = 0;                       ///< part that becomes zero
  int64_t keep = 0, of = 0;                ///< NofM
  int64_t blockRows = 1, blockColumns = 1; ///< Blocks
};

/// What tensors whose name matches `pattern` get, as for adze::FormatRule.
struct PruneRule {
  std::string text, pattern;
  ZerosPattern zeros;

  bool matches(llvm::StringRef tensor) const;
  /// A rule for all is one for the matrices of layers: embeddings and the head
  /// are pruned where a rule names them.
  bool isForAll() const { return pattern == "*"; }
};

/// Reads an amount from 0 to 1, N:M, or AMOUNT:RxC. The error says what is
/// expected.
llvm::Expected<ZerosPattern> parseZerosPattern(llvm::StringRef text);
/// Rules in the order in which they apply, or one pattern for all.
llvm::Expected<std::vector<PruneRule>> parsePruneRules(llvm::StringRef text);

/// How what becomes zero is chosen.
inline constexpr llvm::StringLiteral kPruneMethods =
    "magnitude, wanda or sparsegpt";
enum class PruneMethod { Magnitude, Wanda, SparseGpt };
llvm::Expected<PruneMethod> parsePruneMethod(llvm::StringRef name);

} // namespace adze

#endif // ADZE_TRANSFORMS_PRUNERULES_H
