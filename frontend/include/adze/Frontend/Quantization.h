// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Quantization.h - Checkpoints that others quantized ------*- C++ -*-===//
//
// A method of quantization is one file in frontend/quantization: it reads its
// `quantization_config` and says how a matrix of the model lies in the
// checkpoint, in the terms of adze.unpack. Codes, scales and zero points stay
// what they are; what cannot be kept is an error that names the tensor.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_FRONTEND_QUANTIZATION_H
#define ADZE_FRONTEND_QUANTIZATION_H

#include "adze/Frontend/ConfigReader.h"
#include "adze/Frontend/StoredWeights.h"

#include "llvm/ADT/StringSet.h"

#include <memory>

namespace adze {

class Quantization {
public:
  virtual ~Quantization() = default;

  /// How the matrix of `spec` is stored in `layer`; nothing: as one tensor, as
  /// in a model that nobody quantized. The names of its tensors go to `parts`.
  virtual std::optional<StoredWeight>
  find(const Checkpoint &checkpoint, const TensorSpec &spec, int64_t layer,
       llvm::StringSet<> &parts, Diagnostics &diags) const = 0;
};

/// From the `quantization_config` of a config.json; null where there is none,
/// and after an error.
std::unique_ptr<Quantization> readQuantization(const llvm::json::Object &config,
                                               llvm::StringRef file,
                                               Diagnostics &diags);

// One of these per method.
std::unique_ptr<Quantization> readGptq(ConfigReader &reader);
std::unique_ptr<Quantization> readAwq(ConfigReader &reader);
std::unique_ptr<Quantization> readCompressedTensors(ConfigReader &reader);

/// The same of a weight that torch.nn.utils.prune has masked, which no
/// configuration tells.
std::optional<StoredWeight> findMasked(const Checkpoint &checkpoint,
                                       const TensorSpec &spec, int64_t layer,
                                       llvm::StringSet<> &parts,
                                       Diagnostics &diags);

//===----------------------------------------------------------------------===//
// What the methods share
//===----------------------------------------------------------------------===//

/// Reads `group_size` (-1: whole rows, which is 0 here), one that #adze.int can
/// hold.
int64_t readGroupSize(ConfigReader &reader, llvm::StringRef key);

/// How #adze.int is called, `scales` being one of its types.
std::string integerFormat(int64_t bits, int64_t group, DType scales,
                          bool zeros);

/// The tensors of one matrix, `name` and a suffix each, as they are looked up.
class QuantizedTensors {
public:
  using Shape = llvm::SmallVector<int64_t, 2>;

  QuantizedTensors(const Checkpoint &checkpoint, const TensorSpec &spec,
                   int64_t layer, llvm::StringSet<> &parts, Diagnostics &diags);

  /// The tensor's name without `.weight`, and the same with {} for the layer.
  llvm::StringRef name() const { return stem; }
  std::string pattern() const;

  bool has(llvm::StringRef suffix) const;
  /// Null, without an error, where there is none.
  const CheckpointTensor *optional(llvm::StringRef suffix);
  /// Of that type and shape; null after an error.
  const CheckpointTensor *require(llvm::StringRef suffix, DType type,
                                  llvm::ArrayRef<int64_t> shape);
  /// Floating point scales of one of these shapes, all of them finite.
  const CheckpointTensor *requireScales(llvm::StringRef suffix,
                                        llvm::ArrayRef<Shape> shapes);
  /// Whether `suffix`, the group of each column, puts columns out of order: a
  /// tensor that is missing does not. Groups out of range, and groups of other
  /// sizes than `group`, are errors.
  bool isOutOfOrder(llvm::StringRef suffix, int64_t columns, int64_t group);
  /// An error about the tensor with `suffix`.
  void error(llvm::StringRef suffix, const llvm::Twine &message,
             const llvm::Twine &advice = "");
  /// Old quantizers gave every projection a bias of zeros.
  void ignoreZeroBias();

  const TensorSpec &spec;

private:
  const CheckpointTensor *mismatch(const CheckpointTensor &tensor,
                                   const llvm::Twine &expected);

  const Checkpoint &checkpoint;
  std::string stem;
  llvm::StringSet<> &parts;
  Diagnostics &diags;
};

} // namespace adze

#endif // ADZE_FRONTEND_QUANTIZATION_H
