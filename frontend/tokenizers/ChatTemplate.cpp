// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The trees of a model's chat templates, and their bytes.

#include "ChatTemplate.h"

#include <algorithm>

using namespace llvm;

namespace adze {

static constexpr StringLiteral operandKinds[] = {
#define ADZE_CHAT_X(name, operands) operands,
    ADZE_CHAT_OPERATIONS(ADZE_CHAT_X)
#undef ADZE_CHAT_X
};

uint32_t ChatTreeBuilder::node(uint32_t operation, uint32_t line,
                               ArrayRef<uint32_t> operands) {
  adze_chat_node made = {operation, line, {}};
  std::copy(operands.begin(), operands.end(), made.operands);
  uint32_t deepest = 0;
  auto child = [&](uint32_t index) {
    if (index != ADZE_CHAT_NONE)
      deepest = std::max(deepest, depths[index]);
  };
  StringRef kinds = operandKinds[operation];
  for (size_t i = 0; i < kinds.size(); ++i) {
    if (kinds[i] == 'N' || kinds[i] == 'M')
      child(operands[i]);
    if (kinds[i] != 'L' && kinds[i] != 'K' && kinds[i] != 'C')
      continue;
    uint32_t width = kinds[i] == 'L' ? 1 : 2;
    for (uint32_t k = 0; k < links[operands[i]]; ++k)
      child(links[operands[i] + 1 + k * width + (width - 1)]);
  }
  if (deepest >= ADZE_CHAT_MAX_DEPTH)
    return ADZE_CHAT_NONE;
  nodes.push_back(made);
  depths.push_back(deepest + 1);
  return static_cast<uint32_t>(nodes.size() - 1);
}

uint32_t ChatTreeBuilder::list(ArrayRef<uint32_t> values, uint32_t width) {
  auto index = static_cast<uint32_t>(links.size());
  links.push_back(static_cast<uint32_t>(values.size() / width));
  links.insert(links.end(), values.begin(), values.end());
  return index;
}

uint32_t ChatTreeBuilder::string(StringRef text) {
  auto [entry, isNew] =
      known.try_emplace(text, static_cast<uint32_t>(strings.size()));
  if (isNew) {
    strings.push_back({static_cast<uint32_t>(bytes.size()),
                       static_cast<uint32_t>(text.size())});
    bytes += text;
  }
  return entry->second;
}

void ChatTreeBuilder::program(StringRef name, uint32_t root,
                              StringRef problem) {
  programs.push_back({string(name), root,
                      root == ADZE_CHAT_NONE ? string(problem) : ADZE_CHAT_NONE,
                      0});
}

std::string ChatTreeBuilder::write() const {
  adze_chat_header header = {};
  header.program_count = static_cast<uint32_t>(programs.size());
  header.node_count = static_cast<uint32_t>(nodes.size());
  header.link_count = static_cast<uint32_t>(links.size());
  header.string_count = static_cast<uint32_t>(strings.size());
  header.byte_count = static_cast<uint32_t>(bytes.size());
  std::string section(reinterpret_cast<const char *>(&header), sizeof header);
  auto add = [&](const auto &values) {
    section.append(reinterpret_cast<const char *>(values.data()),
                   values.size() * sizeof(values[0]));
  };
  add(programs);
  add(nodes);
  add(links);
  add(strings);
  return section + bytes;
}

std::string compileChatTemplates(ArrayRef<NamedTemplate> templates,
                                 std::vector<std::string> *problems) {
  ChatTreeBuilder tree;
  for (const NamedTemplate &entry : templates) {
    std::string problem;
    uint32_t root = parseChatTemplate(entry.source, tree, problem);
    tree.program(entry.name, root, problem);
    if (root == ADZE_CHAT_NONE && problems)
      problems->push_back("chat template '" + entry.name +
                          "' is not available: " + problem);
  }
  return templates.empty() ? std::string() : tree.write();
}

} // namespace adze
