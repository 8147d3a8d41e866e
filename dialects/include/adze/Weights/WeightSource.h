// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- WeightSource.h - Where the bytes of source weights are ---*- C++ -*-===//
//
// A weight of the IR names a tensor; a WeightSource finds its bytes: a
// checkpoint, a weight table beside a module, tensors in memory. Nothing is
// copied: a view lasts as long as its source.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_WEIGHTS_WEIGHTSOURCE_H
#define ADZE_WEIGHTS_WEIGHTSOURCE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace adze {

/// A tensor as it lies in memory: row-major rows, outermost dimension first.
/// The data may be unaligned.
struct TensorView {
  /// How elements are stored, as FormatAttrInterface::getFormatName spells it:
  /// `f32`, `bf16`, `f16`, ...
  std::string dtype;
  llvm::SmallVector<int64_t, 4> shape;
  const uint8_t *data = nullptr;
  uint64_t bytes = 0;
};

class WeightSource {
public:
  virtual ~WeightSource();

  /// The tensor called `name`; an error that names it (and where it was looked
  /// for) if there is none. Called from several threads at once.
  virtual llvm::Expected<TensorView> lookup(llvm::StringRef name) = 0;
};

/// Tensors in memory: bound arguments of a function, random weights of tests.
class MemoryWeightSource : public WeightSource {
public:
  /// Takes over `data`. An existing tensor of that name is replaced. Not safe
  /// while others look up.
  void add(llvm::StringRef name, llvm::StringRef dtype,
           llvm::ArrayRef<int64_t> shape, std::vector<uint8_t> data);
  /// Refers to `data`, which must outlive this.
  void addReference(llvm::StringRef name, llvm::StringRef dtype,
                    llvm::ArrayRef<int64_t> shape,
                    llvm::ArrayRef<uint8_t> data);

  llvm::Expected<TensorView> lookup(llvm::StringRef name) override;

private:
  struct Entry {
    TensorView view;
    std::vector<uint8_t> owned;
  };
  llvm::StringMap<Entry> tensors;
};

/// The tensors of another source, which outlives this: for who wants a source
/// of its own.
class BorrowedWeightSource : public WeightSource {
public:
  explicit BorrowedWeightSource(WeightSource &source) : source(source) {}
  llvm::Expected<TensorView> lookup(llvm::StringRef name) override {
    return source.lookup(name);
  }

private:
  WeightSource &source;
};

} // namespace adze

#endif // ADZE_WEIGHTS_WEIGHTSOURCE_H
