// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The checks of compiled chat templates, driven by the operand letters of
// adze/chat_program.h.

#include "chat_program.h"

#include "unicode.h"

namespace adze::text {

static const char *const operandKinds[] = {
#define ADZE_CHAT_X(name, operands) operands,
    ADZE_CHAT_OPERATIONS(ADZE_CHAT_X)
#undef ADZE_CHAT_X
};

bool ChatPrograms::checkNode(uint32_t index) const {
  const adze_chat_node &node = nodes[index];
  if (node.operation >= ADZE_CHAT_OPERATION_COUNT)
    return false;
  auto isChild = [&](uint32_t child, bool optional) {
    return child < index || (optional && child == ADZE_CHAT_NONE);
  };
  const char *kinds = operandKinds[node.operation];
  for (uint32_t i = 0; kinds[i]; ++i) {
    uint32_t operand = node.operands[i];
    switch (kinds[i]) {
    case 'N':
    case 'M':
      if (!isChild(operand, kinds[i] == 'M'))
        return false;
      break;
    case 'S':
      if (operand >= strings.size)
        return false;
      break;
    case 'L':
    case 'K':
    case 'C': {
      uint32_t width = kinds[i] == 'L' ? 1 : 2;
      if (operand >= links.size ||
          links[operand] > (links.size - operand - 1) / width)
        return false;
      Span<uint32_t> list = entries(operand, width);
      for (uint32_t k = 0; k < list.size; k += width) {
        if (kinds[i] == 'K' && list[k] >= strings.size)
          return false;
        if (kinds[i] == 'C' && list[k] >= ADZE_CHAT_COMPARISON_COUNT)
          return false;
        // Only defaults of parameters may be left out.
        bool optional = kinds[i] == 'L' && i > 0 &&
                        (node.operation == ADZE_CHAT_MACRO ||
                         node.operation == ADZE_CHAT_CALL_BLOCK);
        if (!isChild(list[k + width - 1], optional))
          return false;
      }
      break;
    }
    default: // a number
      break;
    }
  }
  // Lists that go in step.
  switch (node.operation) {
  case ADZE_CHAT_FILTER:
    return node.operands[1] < ADZE_CHAT_FILTERS_END;
  case ADZE_CHAT_TEST:
    return node.operands[1] < ADZE_CHAT_TESTS_END;
  case ADZE_CHAT_DICT:
    return links[node.operands[0]] % 2 == 0;
  case ADZE_CHAT_MACRO:
  case ADZE_CHAT_CALL_BLOCK: {
    Span<uint32_t> names = entries(node.operands[1]);
    for (uint32_t name : names)
      if (name == ADZE_CHAT_NONE || nodes[name].operation != ADZE_CHAT_NAME)
        return false;
    return names.size == links[node.operands[2]];
  }
  case ADZE_CHAT_WITH:
    return links[node.operands[0]] == links[node.operands[1]];
  default:
    return true;
  }
}

const char *ChatPrograms::open(Bytes section) {
  adze_chat_header header;
  if (section.size < sizeof header)
    return "chat programs without a header";
  memcpy(&header, section.data, sizeof header);
  uint64_t at = sizeof header;
  auto take = [&](auto &span, uint32_t count) {
    uint64_t wanted = uint64_t(count) * sizeof(*span.data);
    if (wanted > section.size - at)
      return false;
    span.data = reinterpret_cast<std::remove_reference_t<decltype(span.data)>>(
        section.data + at);
    span.size = count;
    at += wanted;
    return true;
  };
  if (!take(programs, header.program_count) ||
      !take(nodes, header.node_count) || !take(links, header.link_count) ||
      !take(strings, header.string_count) || !take(bytes, header.byte_count))
    return "chat programs that are truncated";
  for (const adze_chat_string &string : strings)
    if (string.offset > bytes.size ||
        string.length > bytes.size - string.offset ||
        findInvalidUtf8(bytes.slice(string.offset, string.length)) !=
            string.length)
      return "chat program with a malformed string";
  for (uint32_t i = 0; i < nodes.size; ++i)
    if (!checkNode(i))
      return "chat program with a malformed node";
  for (const adze_chat_program &program : programs)
    if (program.name >= strings.size ||
        (program.root == ADZE_CHAT_NONE ? program.problem >= strings.size
                                        : program.root >= nodes.size))
      return "chat program without name or root";
  return nullptr;
}

} // namespace adze::text
