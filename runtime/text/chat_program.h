// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A checked view of the chat templates in a text table. After open() succeeded,
// every node, link and string may be followed without another look.

#ifndef ADZE_RUNTIME_TEXT_CHAT_PROGRAM_H
#define ADZE_RUNTIME_TEXT_CHAT_PROGRAM_H

#include "adze/chat_program.h"
#include "array.h"

namespace adze::text {

class ChatPrograms {
public:
  /// `section` is aligned to 8. Null, or what is wrong with it.
  const char *open(Bytes section);

  Bytes string(uint32_t index) const {
    return bytes.slice(strings[index].offset, strings[index].length);
  }
  /// The entries of a list operand; `width` words each.
  Span<uint32_t> entries(uint32_t list, uint32_t width = 1) const {
    return links.slice(list + 1, links[list] * width);
  }

  Span<adze_chat_program> programs;
  Span<adze_chat_node> nodes;
  Span<uint32_t> links;
  Span<adze_chat_string> strings;
  Bytes bytes;

private:
  bool checkNode(uint32_t index) const;
};

} // namespace adze::text

#endif // ADZE_RUNTIME_TEXT_CHAT_PROGRAM_H
