// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- CheckpointSource.cpp - The bytes of a checkpoint's weights ---------===//
//
// Tensors of a checkpoint as views, and as entries of a weight table.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/CheckpointSource.h"

#include "adze/Weights/WeightTable.h"

using namespace llvm;

namespace adze {

Expected<TensorView> CheckpointSource::lookup(StringRef name) {
  const CheckpointTensor *tensor = reference->find(name);
  if (!tensor)
    return makeError(reference->path(), "tensor " + quoted(name),
                     "expected in the checkpoint, found no such tensor");
  ArrayRef<uint8_t> data = reference->data(*tensor);
  return TensorView{dtypeName(tensor->type).str(), tensor->shape, data.data(),
                    data.size()};
}

/// A weight is a vector of floats or a matrix, with something in it, or is
/// unpacked from integers, small floats or masks.
static bool canBeWeight(const CheckpointTensor &tensor) {
  if (tensor.bytes == 0 || tensor.shape.empty())
    return false;
  if (tensor.type == DType::I32 || tensor.type == DType::I8 ||
      tensor.type == DType::F8E4M3 || tensor.type == DType::U8 ||
      tensor.type == DType::Bool)
    return true;
  return tensor.shape.size() == 1   ? isFloatWeight(tensor.type)
         : tensor.shape.size() == 2 ? isMatrixWeight(tensor.type)
                                    : false;
}

Error writeCheckpointTable(const Checkpoint &checkpoint, StringRef path) {
  std::vector<std::string> files;
  for (size_t i = 0; i < checkpoint.numFiles(); ++i)
    files.push_back(weightTablePath(path, checkpoint.filePath(i)));
  std::vector<WeightTableEntry> entries;
  for (const CheckpointTensor &tensor : checkpoint.tensors())
    if (canBeWeight(tensor))
      entries.push_back({tensor.name, files[tensor.file], tensor.offset,
                         dtypeName(tensor.type).str(), tensor.shape,
                         tensor.bytes});
  return writeWeightTable(path, entries);
}

} // namespace adze
