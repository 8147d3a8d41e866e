// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads the fields of a protobuf message in order. SentencePiece models need
// three message types and no nesting beyond two levels, which is less than a
// dependency on libprotobuf would be.

#ifndef ADZE_FRONTEND_TOKENIZERS_WIREREADER_H
#define ADZE_FRONTEND_TOKENIZERS_WIREREADER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Endian.h"

#include <cstdint>

namespace adze {

class WireReader {
public:
  explicit WireReader(llvm::StringRef message) : rest(message) {}

  enum class Type { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

  uint32_t field = 0;
  Type type = Type::Varint;
  uint64_t number = 0;   ///< of a varint or a fixed field
  llvm::StringRef bytes; ///< of a length-delimited field

  /// Reads the next field; false at the end or when malformed.
  bool next() {
    if (malformed || rest.empty())
      return false;
    uint64_t tag;
    if (!varint(tag) || tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF)
      return !(malformed = true);
    field = static_cast<uint32_t>(tag >> 3);
    type = static_cast<Type>(tag & 7);
    switch (type) {
    case Type::Varint:
      return varint(number) || !(malformed = true);
    case Type::Fixed64:
      return fixed(8) || !(malformed = true);
    case Type::Fixed32:
      return fixed(4) || !(malformed = true);
    case Type::Bytes: {
      uint64_t length;
      if (!varint(length) || length > rest.size())
        return !(malformed = true);
      bytes = rest.take_front(length);
      rest = rest.drop_front(length);
      return true;
    }
    }
    return !(malformed = true);
  }
  bool isMalformed() const { return malformed; }

private:
  bool varint(uint64_t &value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && !rest.empty(); shift += 7) {
      auto byte = static_cast<uint8_t>(rest.front());
      rest = rest.drop_front();
      value |= uint64_t(byte & 0x7F) << shift;
      if (byte < 0x80)
        return true;
    }
    return false;
  }
  bool fixed(size_t size) {
    if (rest.size() < size)
      return false;
    number = size == 8 ? llvm::support::endian::read64le(rest.data())
                       : llvm::support::endian::read32le(rest.data());
    rest = rest.drop_front(size);
    return true;
  }

  llvm::StringRef rest;
  bool malformed = false;
};

} // namespace adze

#endif // ADZE_FRONTEND_TOKENIZERS_WIREREADER_H
