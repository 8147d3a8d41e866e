// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A conversation with a model by its own chat template: what `adze chat MODEL`
// and `adze-run ARTEFACT --chat` do once they have a model. On a terminal turn
// by turn; with a message or a file of messages one answer.
#ifndef ADZE_TOOLS_COMMON_CHAT_MODEL_H
#define ADZE_TOOLS_COMMON_CHAT_MODEL_H

#include <string>
#include <vector>

#include "adze/text.hpp"

namespace adze::tools {

struct ChatOptions {
  std::string system;  ///< empty: none
  std::string message; ///< one question; empty with hasMessage is one
  bool hasMessage = false;
  std::string messagesPath; ///< JSON array of messages
  std::string toolsPath;    ///< JSON array of tools
  std::string variables;    ///< JSON object of variables of the template
  bool showPrompt = false;  ///< only print what the template makes
  bool json = false;
  uint32_t maxTokens = 0; ///< of one answer; 0: until the context is full
  Sampling sampling;      ///< maxTokens in it is not used
  std::vector<std::string> stopStrings;
  uint32_t threads = 0, context = 0;
};

/// True where the options ask for one answer and not for a conversation.
bool isOneShot(const ChatOptions &options);

Result<void> chatWithModel(const Model &model, const ChatOptions &options);

} // namespace adze::tools
#endif // ADZE_TOOLS_COMMON_CHAT_MODEL_H
