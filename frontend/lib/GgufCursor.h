// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- GgufCursor.h - Bounded reading of GGUF primitives -------*- C++ -*-===//
//
// A position in a GGUF file. Every read checks the bytes that are left first;
// every count is bounded by them before a list of that length is made.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_FRONTEND_LIB_GGUFCURSOR_H
#define ADZE_FRONTEND_LIB_GGUFCURSOR_H

#include "adze/Frontend/Error.h"

#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBufferRef.h"

#include <initializer_list>

namespace adze {

/// Numbers of the value types in the file.
enum class GgufType : uint32_t {
  U8,
  I8,
  U16,
  I16,
  U32,
  I32,
  F32,
  Bool,
  String,
  Array,
  U64,
  I64,
  F64
};

class GgufCursor {
public:
  /// Least bytes of a key/value pair (length, type, one byte) and of a tensor
  /// record (length, rank, type, offset).
  static constexpr uint64_t minPairBytes = 8 + 4 + 1;
  static constexpr uint64_t minTensorBytes = 8 + 4 + 4 + 8;
  /// Most values that lists in the metadata may have in sum; a longer list is
  /// passed over (skippedKeys()).
  static constexpr uint64_t maxValues = 1 << 20;
  static constexpr unsigned maxNesting = 4;

  explicit GgufCursor(llvm::MemoryBufferRef buffer)
      : bytes(buffer.getBuffer()), file(buffer.getBufferIdentifier()) {}

  llvm::StringRef text() const { return bytes; }
  uint64_t position() const { return pos; }
  uint64_t left() const { return bytes.size() - pos; }
  /// The caller knows that the bytes are there.
  void skip(uint64_t count) { pos += count; }

  template <typename T> llvm::Expected<T> number(llvm::StringRef what) {
    if (llvm::Error error = need(sizeof(T), what))
      return error;
    T value = llvm::support::endian::read<T, llvm::endianness::little>(
        bytes.data() + pos);
    pos += sizeof(T);
    return value;
  }

  /// A count of things that take at least `bytesEach`.
  llvm::Expected<uint64_t> count(llvm::StringRef what, uint64_t bytesEach);
  llvm::Error tooMany(llvm::StringRef what, uint64_t found) const;

  llvm::Expected<llvm::StringRef> string(llvm::StringRef what);

  /// Type and value of a metadata key.
  llvm::Expected<llvm::json::Value> value(llvm::StringRef key);
  llvm::Error strings(llvm::StringRef key, std::vector<std::string> &to);
  /// A list of 4-byte numbers of one of `types`.
  template <typename T>
  llvm::Error numbers(llvm::StringRef key,
                      std::initializer_list<GgufType> types,
                      std::vector<T> &to) {
    static_assert(sizeof(T) == 4);
    llvm::Expected<uint64_t> size = listOf(key, types, "numbers", 4);
    if (!size)
      return size.takeError();
    to.reserve(*size);
    for (uint64_t i = 0; i < *size; ++i, pos += 4)
      to.push_back(llvm::support::endian::read<T, llvm::endianness::little>(
          bytes.data() + pos));
    return llvm::Error::success();
  }

  llvm::ArrayRef<std::string> skippedKeys() const { return skipped; }

private:
  llvm::Error need(uint64_t count, llvm::StringRef what) const;
  llvm::Expected<GgufType> type(llvm::StringRef key);
  llvm::Expected<uint64_t> listOf(llvm::StringRef key,
                                  std::initializer_list<GgufType> types,
                                  llvm::StringRef expected, uint64_t bytesEach);
  llvm::Expected<llvm::json::Value> scalar(GgufType type, llvm::StringRef key);
  llvm::Expected<llvm::json::Value> list(llvm::StringRef key, unsigned depth);

  llvm::StringRef bytes;
  llvm::StringRef file;
  uint64_t pos = 0;
  uint64_t valuesLeft = maxValues;
  std::vector<std::string> skipped;
};

} // namespace adze

#endif // ADZE_FRONTEND_LIB_GGUFCURSOR_H
