// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A weight expression, compiled: a tree whose nodes say where each of their
// rows comes from, so that any row of the result leads to one row of one source
// tensor (or to zeros) without a temporary. Rows of a vector are its elements.
// Private to lib/Weights.
#ifndef ADZE_LIB_WEIGHTS_EXPRESSION_H
#define ADZE_LIB_WEIGHTS_EXPRESSION_H

#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "llvm/Support/Error.h"

namespace adze::detail {

enum class ExprKind : uint8_t {
  Source,
  Concat,
  Interleave,
  PadHeads,
  RotaryHalves,
  RotarySpread,
  Slice,
  ScaleRows,
};

/// Casts, offsets, factors and packs change no row's place: what they do to
/// values is kept with the leaf they apply to, a pack shows in the type of the
/// weight. Factors of rows are a node too, which tells which row it is there.
struct ExprNode {
  ExprKind kind = ExprKind::Source;
  llvm::SmallVector<unsigned, 2> children; ///< indices of nodes
  llvm::SmallVector<int64_t, 2> ends; ///< concat: rows up to each child's end
  int64_t rows = 0;                   ///< of the first child
  int64_t heads = 0;   ///< pad_heads, rotary_halves, rotary_spread
  int64_t rotated = 0; ///< rotary_spread
  int64_t first = 0;   ///< slice
  unsigned leaf = 0;   ///< source
};

/// What happens to the values of a row: they are stored in a format, get a
/// number added in f32, or are multiplied or divided in f32 by numbers of a
/// vector.
struct ExprStep {
  enum Kind : uint8_t { Store, Add, ScaleColumns, ScaleRow };
  Kind kind = Store;
  bool inverse = false;       ///< divides
  FormatAttrInterface format; ///< of Store, else null
  float offset = 0;
  WeightOp factors = {}; ///< a source
};

/// One occurrence of a source tensor in an expression, or of an unpack or
/// unpack_order, which is one over several tensors.
struct ExprLeaf {
  WeightOp weight; ///< the source, or the weight whose body unpacks
  UnpackOp unpack;
  UnpackOrderOp order;
  FormatAttrInterface format; ///< the source's own
  /// On the way to the result; none when no value changes.
  llvm::SmallVector<ExprStep, 2> steps;
};

/// Where a row of the result comes from.
struct RowSource {
  static constexpr unsigned kZero = ~0u;
  unsigned leaf = kZero; ///< index of a leaf, or kZero: a row of padding
  int64_t row = 0;
  /// Rows at the factors of rows on the way, the innermost last: as the leaf's
  /// steps of that kind from the last to the first.
  llvm::SmallVector<int64_t, 1> scaled = {};
};

struct WeightProgram {
  WeightOp weight;
  llvm::SmallVector<ExprNode, 4> nodes; ///< children before parents
  llvm::SmallVector<ExprLeaf, 4> leaves;

  RowSource resolve(int64_t row) const;
};

/// Compiles the expression of `weight`. Errors name the weight: an op that is
/// not known here, a weight that depends on itself.
llvm::Expected<std::unique_ptr<WeightProgram>> compileWeight(WeightOp weight);

} // namespace adze::detail

#endif // ADZE_LIB_WEIGHTS_EXPRESSION_H
