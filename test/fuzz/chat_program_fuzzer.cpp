// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// libFuzzer entry: any bytes as the compiled chat templates of a text table.
// What the checks let through must render or fail within its bounds.

#include "chat_interpreter.h"

#include <cstdlib>
#include <cstring>

using namespace adze::text;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  // Sections are aligned; the fuzzer's input is not.
  auto *section = static_cast<uint8_t *>(std::malloc(size + 1));
  if (!section)
    return 0;
  if (size > 0)
    std::memcpy(section, data, size);
  ChatPrograms programs;
  if (!programs.open({section, static_cast<uint32_t>(size)})) {
    ChatLimits limits;
    limits.steps = 200000;
    limits.memory = size_t(16) << 20;
    for (const adze_chat_program &program : programs.programs) {
      if (program.root == ADZE_CHAT_NONE)
        continue;
      adze_text_error error = {};
      Interpreter interpreter(programs, limits, &error);
      interpreter.now = 1773065107;
      static const char json[] =
          R"({"messages": [{"role": "user", "content": "Hi <b>"}],
              "tools": null, "add_generation_prompt": true})";
      Value context;
      uint32_t at;
      const char *problem;
      if (!parseJson(interpreter.memory(), bytesOf(json), context, &at,
                     &problem))
        std::abort();
      interpreter.context = *context.dict;
      interpreter.render(program.root);
      break; // one per input keeps the fuzzer fast
    }
  }
  std::free(section);
  return 0;
}
