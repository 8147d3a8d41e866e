// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The C functions for chat templates: choose the template, make its variables
// from the caller's messages, render, encode.

#include "chat_interpreter.h"
#include "tokenizer.h"
#include "unicode.h"

namespace adze::text {
namespace {

class Renderer {
public:
  Renderer(const adze_text &text, const adze_chat &chat, adze_text_error *error)
      : table(text.tokenizer.table), programs(text.tokenizer.chat), chat(chat),
        error(error), interpreter(programs, limitsOf(chat), error) {}

  adze_text_status render(Array<uint8_t> &out) {
    const adze_chat_program *program;
    adze_text_status status = choose(program);
    if (status == ADZE_TEXT_OK)
      status = fillContext();
    if (status != ADZE_TEXT_OK)
      return status;
    interpreter.now = chat.now;
    if (!interpreter.render(program->root))
      return interpreter.status() == ADZE_TEXT_OK ? failOutOfMemory(error)
                                                  : interpreter.status();
    out.swap(interpreter.out);
    return ADZE_TEXT_OK;
  }

private:
  static ChatLimits limitsOf(const adze_chat &chat) {
    ChatLimits limits;
    if (chat.max_steps > 0)
      limits.steps = chat.max_steps;
    if (chat.max_bytes > 0)
      limits.memory = static_cast<size_t>(chat.max_bytes);
    return limits;
  }

  const adze_chat_program *named(Bytes name) {
    for (const adze_chat_program &program : programs.programs)
      if (equalBytes(programs.string(program.name), name))
        return &program;
    return nullptr;
  }

  /// As transformers: the template asked for, else "tool_use" where there are
  /// tools, else "default".
  adze_text_status choose(const adze_chat_program *&program) {
    if (programs.programs.empty())
      return fail(error, ADZE_TEXT_NO_CHAT_TEMPLATE, 0,
                  table.chatTemplate.empty()
                      ? "the model has no chat template: write its prompt "
                        "yourself, or add chat_template.jinja to the model's "
                        "directory and compile again"
                      : "the model was compiled before chat templates were: "
                        "compile it again");
    program = nullptr;
    if (chat.template_name) {
      program = named(bytesOf(chat.template_name));
      if (!program)
        return fail(error, ADZE_TEXT_NO_CHAT_TEMPLATE, 0,
                    "the model has no chat template named '%.60s'",
                    chat.template_name);
    }
    if (!program && chat.tools_json)
      program = named(bytesOf("tool_use"));
    if (!program)
      program = named(bytesOf("default"));
    if (!program)
      program = &programs.programs[0];
    if (program->root != ADZE_CHAT_NONE)
      return ADZE_TEXT_OK;
    Bytes problem = programs.string(program->problem);
    return fail(error, ADZE_TEXT_NO_CHAT_TEMPLATE, 0,
                "the chat template is not available: %.*s",
                int(problem.size < 180 ? problem.size : 180),
                reinterpret_cast<const char *>(problem.data));
  }

  adze_text_status json(const char *what, const char *text, Kind kind,
                        Value &value) {
    size_t length = strlen(text);
    if (length >= kLongestText)
      return fail(error, ADZE_TEXT_LIMIT_EXCEEDED, 0, "%s: too long", what);
    uint32_t at;
    const char *problem;
    if (!parseJson(interpreter.memory(),
                   {reinterpret_cast<const uint8_t *>(text),
                    static_cast<uint32_t>(length)},
                   value, &at, &problem))
      return fail(error, ADZE_TEXT_INVALID_JSON, at, "%s, byte %u: %s", what,
                  at, problem);
    if (kind != Kind::None && !value.is(kind))
      return fail(error, ADZE_TEXT_INVALID_JSON, 0, "%s: expected %s, found %s",
                  what, kind == Kind::List ? "a JSON array" : "a JSON object",
                  typeName(value));
    return ADZE_TEXT_OK;
  }

  bool put(const char *name, const Value &value) {
    return setEntry(interpreter.memory(), interpreter.context,
                    Value::of(bytesOf(name)), value);
  }

  adze_text_status messages(Value &value) {
    if (chat.messages_json)
      return json("messages", chat.messages_json, Kind::List, value);
    Arena &arena = interpreter.memory();
    auto *list = arena.make<List>();
    auto *items = arena.make<Value>(chat.message_count + 1);
    if (!list || !items)
      return failOutOfMemory(error);
    for (size_t i = 0; i < chat.message_count; ++i) {
      const adze_chat_message &message = chat.messages[i];
      if (!message.role || !message.content)
        return fail(error, ADZE_TEXT_INVALID_ARGUMENT, i,
                    "message %zu has no role or no content", i);
      auto *dict = arena.make<Dict>();
      if (!dict)
        return failOutOfMemory(error);
      *dict = Dict();
      for (bool content : {false, true}) {
        const char *text = content ? message.content : message.role;
        size_t length = strlen(text);
        Bytes bytes = {reinterpret_cast<const uint8_t *>(text),
                       static_cast<uint32_t>(length)};
        if (length >= kLongestText || findInvalidUtf8(bytes) != length)
          return fail(error, ADZE_TEXT_INVALID_UTF8, i,
                      "message %zu is not UTF-8 or too long", i);
        if (!setEntry(arena, *dict,
                      Value::of(bytesOf(content ? "content" : "role")),
                      Value::of(bytes)))
          return failOutOfMemory(error);
      }
      items[i] = Value();
      items[i].kind = Kind::Dict;
      items[i].dict = dict;
    }
    *list = {items, static_cast<uint32_t>(chat.message_count), 0};
    value.kind = Kind::List;
    value.list = list;
    return ADZE_TEXT_OK;
  }

  adze_text_status fillContext() {
    Value value;
    adze_text_status status = messages(value);
    if (status != ADZE_TEXT_OK)
      return status;
    Value tools, none;
    if (chat.tools_json)
      status = json("tools", chat.tools_json, Kind::List, tools);
    if (status != ADZE_TEXT_OK)
      return status;
    bool prompt = (chat.flags & ADZE_CHAT_ADD_GENERATION_PROMPT) != 0;
    if (!put("messages", value) || !put("tools", tools) ||
        !put("documents", none) ||
        !put("add_generation_prompt", Value::of(prompt)))
      return failOutOfMemory(error);
    const struct {
      const char *name;
      int32_t id;
    } specials[] = {{"bos_token", table.header().bos},
                    {"eos_token", table.header().eos},
                    {"unk_token", table.header().unk},
                    {"pad_token", table.header().pad}};
    for (const auto &special : specials)
      if (special.id >= 0) {
        Bytes text = table.token(static_cast<uint32_t>(special.id));
        if (findInvalidUtf8(text) == text.size &&
            !put(special.name, Value::of(text)))
          return failOutOfMemory(error);
      }
    if (!chat.variables_json)
      return ADZE_TEXT_OK;
    status = json("variables", chat.variables_json, Kind::Dict, value);
    if (status != ADZE_TEXT_OK)
      return status;
    for (uint32_t i = 0; i < value.dict->count; ++i)
      if (!setEntry(interpreter.memory(), interpreter.context,
                    value.dict->entries[i].key, value.dict->entries[i].value))
        return failOutOfMemory(error);
    return ADZE_TEXT_OK;
  }

  const Table &table;
  const ChatPrograms &programs;
  const adze_chat &chat;
  adze_text_error *error;
  Interpreter interpreter;
};

adze_text_status render(const adze_text *text, const adze_chat *given,
                        Array<uint8_t> &out, adze_text_error *error) {
  if (!text || !given || given->struct_size < sizeof given->struct_size)
    return fail(error, ADZE_TEXT_INVALID_ARGUMENT, 0,
                "a chat without text, or without its struct_size");
  adze_chat chat = {};
  memcpy(&chat, given,
         given->struct_size < sizeof chat ? given->struct_size : sizeof chat);
  if ((chat.flags & ~uint32_t(ADZE_CHAT_ADD_GENERATION_PROMPT)) ||
      (!chat.messages_json && chat.message_count > 0 && !chat.messages) ||
      (chat.messages_json && chat.message_count > 0) ||
      chat.message_count > (1u << 20))
    return fail(error, ADZE_TEXT_INVALID_ARGUMENT, 0,
                "a chat takes messages or messages_json, and known flags");
  return Renderer(*text, chat, error).render(out);
}

} // namespace
} // namespace adze::text

using namespace adze::text;

adze_text_status adze_chat_format(const adze_text *text, const adze_chat *chat,
                                  char **utf8, size_t *length,
                                  adze_text_error *error) {
  if (!utf8 || !length)
    return fail(error, ADZE_TEXT_INVALID_ARGUMENT, 0,
                "adze_chat_format: null pointer");
  *utf8 = nullptr;
  *length = 0;
  Array<uint8_t> out;
  adze_text_status status = render(text, chat, out, error);
  if (status != ADZE_TEXT_OK)
    return status;
  size_t size = out.size();
  if (!out.push(0))
    return failOutOfMemory(error);
  *length = size;
  *utf8 = reinterpret_cast<char *>(out.release());
  return ADZE_TEXT_OK;
}

adze_text_status adze_chat_encode(const adze_text *text, const adze_chat *chat,
                                  int32_t **ids, size_t *count,
                                  adze_text_error *error) {
  if (!ids || !count)
    return fail(error, ADZE_TEXT_INVALID_ARGUMENT, 0,
                "adze_chat_encode: null pointer");
  *ids = nullptr;
  *count = 0;
  Array<uint8_t> out;
  adze_text_status status = render(text, chat, out, error);
  if (status != ADZE_TEXT_OK)
    return status;
  // The template wrote bos and all else that belongs around the text.
  return adze_text_encode(text, reinterpret_cast<const char *>(out.data()),
                          out.size(), ADZE_TEXT_PARSE_SPECIAL, ids, count,
                          error);
}
