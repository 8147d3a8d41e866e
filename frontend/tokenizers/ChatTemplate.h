// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Chat templates, from Jinja source to the syntax trees of a text table
// (adze/chat_program.h). The language is the part of Jinja2 that templates of
// models use, with the settings of transformers: trim_blocks, lstrip_blocks,
// loop controls, {% generation %}. What is left out is an error that names the
// construct and its line.

#ifndef ADZE_FRONTEND_TOKENIZERS_CHATTEMPLATE_H
#define ADZE_FRONTEND_TOKENIZERS_CHATTEMPLATE_H

#include "adze/Frontend/Tokenizer.h"
#include "adze/chat_program.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"

#include <string>
#include <vector>

namespace adze {

struct ChatToken {
  enum Kind {
    Data,  ///< text outside of tags
    Begin, ///< {{ (text "{{") or {% (text "{%")
    End,   ///< the matching end
    Name,
    String,
    Integer,
    Float,
    Operator,
    EndOfFile
  };
  Kind kind = EndOfFile;
  std::string text; ///< strings are decoded
  uint32_t line = 1;
};

/// Splits a template into tokens, white space control applied. On failure
/// false, with `problem` set ("... at line N").
bool tokenizeChatTemplate(llvm::StringRef source,
                          std::vector<ChatToken> &tokens, std::string &problem);

/// Trees that are being made. Nodes are added after their children.
class ChatTreeBuilder {
public:
  /// NONE where the tree would be too deep.
  uint32_t node(uint32_t operation, uint32_t line,
                llvm::ArrayRef<uint32_t> operands = {});
  /// A list operand: its length, then the values (`width` per entry).
  uint32_t list(llvm::ArrayRef<uint32_t> values, uint32_t width = 1);
  uint32_t string(llvm::StringRef text);
  void program(llvm::StringRef name, uint32_t root, llvm::StringRef problem);
  const adze_chat_node &at(uint32_t node) const { return nodes[node]; }

  /// The section's bytes.
  std::string write() const;

private:
  std::vector<adze_chat_program> programs;
  std::vector<adze_chat_node> nodes;
  std::vector<uint32_t> links, depths;
  std::vector<adze_chat_string> strings;
  std::string bytes;
  llvm::StringMap<uint32_t> known;
};

/// Adds the tree of one template; returns its root, or NONE with `problem`.
uint32_t parseChatTemplate(llvm::StringRef source, ChatTreeBuilder &tree,
                           std::string &problem);

/// The section of all templates. Those that do not compile are in it with the
/// reason, which is also put into `problems`.
std::string compileChatTemplates(llvm::ArrayRef<NamedTemplate> templates,
                                 std::vector<std::string> *problems);

} // namespace adze

#endif // ADZE_FRONTEND_TOKENIZERS_CHATTEMPLATE_H
