// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The tensors of adze.unpack that store a weight of floats with zeros in it:
// torch.nn.utils.prune's weight and mask, and the 2:4 bitmasks of
// compressed-tensors. Nothing of the tensors is believed. Private to
// lib/Weights.
#ifndef ADZE_LIB_WEIGHTS_UNPACKSPARSE_H
#define ADZE_LIB_WEIGHTS_UNPACKSPARSE_H

#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "adze/Weights/WeightSource.h"

namespace adze::detail {

class SparseRows {
public:
  /// Suffixes of the two tensors; nothing where `packing` is none of these.
  static llvm::ArrayRef<llvm::StringLiteral> parts(llvm::StringRef packing);
  static llvm::Expected<SparseRows> bind(UnpackOp op, int64_t layer,
                                         WeightSource &source);

  /// Rows [first, first + count) as the result's format stores them.
  llvm::Error read(int64_t first, int64_t count, uint8_t *out) const;
  const std::string &valuesName() const { return values.name; }

private:
  struct Tensor {
    std::string name;
    TensorView view;
  };

  SparseRows(UnpackOp op);
  llvm::Error check(const Tensor &tensor, llvm::ArrayRef<llvm::StringRef> types,
                    int64_t columns, const llvm::Twine &what) const;
  llvm::Error mask(int64_t row, uint8_t *out) const;
  llvm::Error spread(int64_t row, uint8_t *out) const;

  FormatAttrInterface format, maskFormat; ///< of the mask: null for bytes
  bool isMasked;
  int64_t rows, cols, elementBytes;
  Tensor values, bits;
};

} // namespace adze::detail

#endif // ADZE_LIB_WEIGHTS_UNPACKSPARSE_H
