// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The tensors of adze.unpack, bound for one layer: what other quantizers wrote,
// as rows of #adze.int. Nothing of the tensors is believed: names, types,
// shapes, groups and zero points are checked. Private to lib/Weights.
#ifndef ADZE_LIB_WEIGHTS_UNPACK_H
#define ADZE_LIB_WEIGHTS_UNPACK_H

#include "UnpackSparse.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "adze/Weights/WeightSource.h"

namespace adze::detail {

class UnpackedWeight {
public:
  static llvm::Expected<UnpackedWeight> bind(UnpackOp op, int64_t layer,
                                             WeightSource &source);

  /// Rows [first, first + count) as the result's format stores them, one after
  /// the other.
  llvm::Error read(int64_t first, int64_t count, uint8_t *out) const;

  /// The tensor whose numbers may be NaN, for messages: that of scales, or of
  /// small floats.
  const std::string &floatsName() const {
    return sparse                    ? sparse->valuesName()
           : packing == Packing::Fp8 ? codes.name
                                     : scales.name;
  }

private:
  struct Tensor {
    std::string name;
    TensorView view;
    bool isThere() const { return view.data; }
  };

  explicit UnpackedWeight(UnpackOp op);
  explicit UnpackedWeight(SparseRows sparse) : sparse(std::move(sparse)) {}
  llvm::Error find(WeightSource &source, llvm::StringRef prefix);
  llvm::Error findZeros(WeightSource &source, llvm::StringRef prefix);
  llvm::Error findOrder(WeightSource &source, llvm::StringRef prefix);
  void readCodes(int64_t first, int64_t count, uint8_t *codes) const;
  int zeroOf(int64_t row, int64_t group) const;
  const uint8_t *scaleOf(int64_t row, int64_t group) const;

  enum class Packing : uint8_t { Gptq, GptqV2, Awq, Packed, Bytes, Fp8 };
  bool isChannelsLast() const { return packing <= Packing::Awq; }

  /// Of floats with zeros in them; the rest is of codes.
  std::optional<SparseRows> sparse;

  /// Where the parts of a row lie.
  int64_t scaleBytes = 0, scalesAt = 0, zerosAt = 0, rowBytes = 0;
  bool hasZeros = false;
  mlir::Type scaleType;
  Packing packing = Packing::Bytes;
  bool ordered = false;
  int64_t rows = 0, cols = 0, bits = 8, group = 0, groups = 1;
  int64_t perWord = 0; ///< codes in an i32
  int middle = 0;      ///< the code for zero of a symmetric weight
  Tensor codes, scales, zeros;
  bool oneScale = false; ///< for all rows
  std::vector<int32_t> order;
};

/// The tensors that `op` may read of a layer: not all need be there.
llvm::SmallVector<std::string> tensorNames(UnpackOp op, int64_t layer);

/// Where each column of an ordered weight was stored, as numbers of f32.
llvm::Expected<std::vector<float>> readOrder(UnpackOrderOp op, int64_t layer,
                                             WeightSource &source);

} // namespace adze::detail

#endif // ADZE_LIB_WEIGHTS_UNPACK_H
