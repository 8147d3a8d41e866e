// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// libFuzzer entry: any text as a chat template, and after a zero byte any JSON
// as messages. What the compiler accepts must open, and render or fail within
// its bounds.

#include "ChatTemplate.h"
#include "TextTableBuilder.h"
#include "adze/text.h"

#include <cstdio>
#include <cstdlib>

using namespace llvm;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto [source, messages] =
      StringRef(reinterpret_cast<const char *>(data), size).split('\0');
  adze::TextTableBuilder builder;
  builder.model = ADZE_TT_SPM_BPE;
  builder.tokens.resize(4);
  builder.chatTemplates.push_back({"default", source.str()});
  Expected<std::string> table = builder.write("fuzz");
  adze_text *text = nullptr;
  adze_text_error error = {};
  if (!table || adze_text_open(table->data(), table->size(), &text, &error) !=
                    ADZE_TEXT_OK) {
    std::fprintf(stderr, "%s\n", error.message);
    std::abort();
  }
  std::string json =
      messages.empty()
          ? R"([{"role": "user", "content": "Hi <b> \u00e9 5", "n": [1, 2.5]},
                {"role": "assistant", "content": null, "tool_calls": [
                  {"function": {"name": "f", "arguments": {"x": true}}}]}])"
          : messages.str();
  adze_chat chat = {};
  chat.struct_size = sizeof chat;
  chat.messages_json = json.c_str();
  chat.tools_json = R"([{"function": {"name": "f", "parameters": {}}}])";
  chat.flags = ADZE_CHAT_ADD_GENERATION_PROMPT;
  chat.now = 1773065107;
  chat.max_steps = 200000;
  chat.max_bytes = 16 << 20;
  int32_t *ids = nullptr;
  size_t count = 0;
  adze_chat_encode(text, &chat, &ids, &count, &error);
  adze_text_free(ids);
  adze_text_close(text);
  return 0;
}
