// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weight sources that live in memory.

#include "adze/Weights/WeightSource.h"

using namespace llvm;
using namespace adze;

WeightSource::~WeightSource() = default;

void MemoryWeightSource::add(StringRef name, StringRef dtype,
                             ArrayRef<int64_t> shape,
                             std::vector<uint8_t> data) {
  Entry &entry = tensors[name];
  entry.owned = std::move(data);
  entry.view = {dtype.str(), SmallVector<int64_t, 4>(shape), entry.owned.data(),
                entry.owned.size()};
}

void MemoryWeightSource::addReference(StringRef name, StringRef dtype,
                                      ArrayRef<int64_t> shape,
                                      ArrayRef<uint8_t> data) {
  tensors[name] = {
      {dtype.str(), SmallVector<int64_t, 4>(shape), data.data(), data.size()},
      {}};
}

Expected<TensorView> MemoryWeightSource::lookup(StringRef name) {
  auto it = tensors.find(name);
  if (it == tensors.end())
    return createStringError("tensor \"" + name +
                             "\": expected among the bound tensors, not found");
  return it->second.view;
}
