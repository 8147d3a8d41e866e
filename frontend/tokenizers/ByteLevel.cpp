// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Bytes that are printable characters of Latin-1 stand for themselves; the
// other 68 are numbered from U+0100 in the order of their values.

#include "ByteLevel.h"

#include "llvm/Support/ConvertUTF.h"

#include <array>

using namespace llvm;

namespace adze {

const char *const kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

static bool standsForItself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
}

/// The byte that a character below U+0144 stands for, or -1.
static std::array<int, 0x144> makeAlphabet() {
  std::array<int, 0x144> byteOf;
  byteOf.fill(-1);
  unsigned next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte)
    byteOf[standsForItself(byte) ? byte : next++] = static_cast<int>(byte);
  return byteOf;
}

std::optional<std::string> decodeByteLevel(StringRef text) {
  static const std::array<int, 0x144> byteOf = makeAlphabet();
  std::string bytes;
  const auto *at = reinterpret_cast<const UTF8 *>(text.begin());
  const auto *end = reinterpret_cast<const UTF8 *>(text.end());
  while (at != end) {
    UTF32 character;
    if (convertUTF8Sequence(&at, end, &character, strictConversion) !=
            conversionOK ||
        character >= byteOf.size() || byteOf[character] < 0)
      return std::nullopt;
    bytes.push_back(static_cast<char>(byteOf[character]));
  }
  return bytes;
}

} // namespace adze
