// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- DType.h - How a checkpoint stores the numbers of a tensor -*- C++
//-*-===//
//
// Every storage type that safetensors and GGUF know, with its size. Types that
// hold several elements in one block (GGUF's quantized ones, sub-byte floats)
// are named and measured here; whether they can be imported is the importer's
// question.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_FRONTEND_DTYPE_H
#define ADZE_FRONTEND_DTYPE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>

namespace adze {

enum class DType : uint8_t {
#define ADZE_DTYPE(Enum, Name, Elements, Bytes, Safetensors, Ggml) Enum,
#include "adze/Frontend/DTypes.def"
};

/// `f32`, `bf16`, `q4_k`, ...
llvm::StringRef dtypeName(DType type);
/// Elements and bytes of one block; a plain type is a block of one element.
uint32_t blockElements(DType type);
uint32_t blockBytes(DType type);
/// Several elements share one block (quantized and sub-byte types).
inline bool isBlocked(DType type) { return blockElements(type) > 1; }
/// The types a vector may have on import, and keys and values: f32, f16, bf16.
bool isFloatWeight(DType type);
/// The types a matrix may have: those, and blocks that #adze.gguf reads.
bool isMatrixWeight(DType type);

/// By the spelling in a safetensors header ("BF16").
std::optional<DType> dtypeFromSafetensors(llvm::StringRef name);
/// By the number of ggml's enum (30 is BF16).
std::optional<DType> dtypeFromGgml(uint32_t number);
/// By the spelling of dtypeName().
std::optional<DType> dtypeFromName(llvm::StringRef name);

/// Number of elements; none when a dimension is negative or the product does
/// not fit.
std::optional<uint64_t> elementCount(llvm::ArrayRef<int64_t> shape);
/// Bytes of a dense tensor; none on overflow or when the elements do not fill
/// whole blocks.
std::optional<uint64_t> tensorBytes(DType type, llvm::ArrayRef<int64_t> shape);

} // namespace adze

#endif // ADZE_FRONTEND_DTYPE_H
