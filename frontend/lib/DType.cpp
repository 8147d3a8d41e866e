// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- DType.cpp - How a checkpoint stores the numbers of a tensor --------===//
//
// The table behind DType.h and the overflow-checked size of a tensor.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/DType.h"

#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace adze {

namespace {
struct DTypeRow {
  StringLiteral name;
  uint32_t elements;
  uint32_t bytes;
  StringLiteral safetensors;
  int ggml;
};

constexpr DTypeRow rows[] = {
#define ADZE_DTYPE(Enum, Name, Elements, Bytes, Safetensors, Ggml)             \
  {Name, Elements, Bytes, Safetensors, Ggml},
#include "adze/Frontend/DTypes.def"
};

const DTypeRow &rowOf(DType type) { return rows[static_cast<size_t>(type)]; }

template <typename Predicate> std::optional<DType> findType(Predicate matches) {
  const DTypeRow *row = find_if(rows, matches);
  if (row == std::end(rows))
    return std::nullopt;
  return static_cast<DType>(row - std::begin(rows));
}
} // namespace

StringRef dtypeName(DType type) { return rowOf(type).name; }
uint32_t blockElements(DType type) { return rowOf(type).elements; }
uint32_t blockBytes(DType type) { return rowOf(type).bytes; }

bool isFloatWeight(DType type) {
  return type == DType::F32 || type == DType::F16 || type == DType::BF16;
}

/// The block types are those of #adze.gguf (a test compares the lists): readers
/// of files know no dialect.
bool isMatrixWeight(DType type) {
  switch (type) {
  case DType::Q4_0:
  case DType::Q4_1:
  case DType::Q5_0:
  case DType::Q5_1:
  case DType::Q8_0:
  case DType::Q2_K:
  case DType::Q3_K:
  case DType::Q4_K:
  case DType::Q5_K:
  case DType::Q6_K:
  case DType::IQ4_NL:
  case DType::IQ4_XS:
  case DType::MXFP4:
    return true;
  default:
    return isFloatWeight(type);
  }
}

std::optional<DType> dtypeFromSafetensors(StringRef name) {
  if (name.empty())
    return std::nullopt;
  return findType([&](const DTypeRow &row) { return row.safetensors == name; });
}

std::optional<DType> dtypeFromGgml(uint32_t number) {
  return findType([&](const DTypeRow &row) {
    return row.ggml >= 0 && static_cast<uint32_t>(row.ggml) == number;
  });
}

std::optional<DType> dtypeFromName(StringRef name) {
  return findType([&](const DTypeRow &row) { return row.name == name; });
}

std::optional<uint64_t> elementCount(ArrayRef<int64_t> shape) {
  uint64_t count = 1;
  for (int64_t dim : shape) {
    if (dim < 0 ||
        __builtin_mul_overflow(count, static_cast<uint64_t>(dim), &count))
      return std::nullopt;
  }
  return count;
}

std::optional<uint64_t> tensorBytes(DType type, ArrayRef<int64_t> shape) {
  std::optional<uint64_t> count = elementCount(shape);
  if (!count || *count % blockElements(type))
    return std::nullopt;
  uint64_t bytes;
  if (__builtin_mul_overflow(*count / blockElements(type),
                             uint64_t(blockBytes(type)), &bytes))
    return std::nullopt;
  return bytes;
}

} // namespace adze
