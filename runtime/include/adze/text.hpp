// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Text in and out of a model for C++17: owners for the handles of adze/text.h,
// conversations by the model's own chat template, and generate() from a
// conversation to text. Header only; link libadze_text beside the runtime.
//
//   auto model = adze::Model::open("m.adze.so").or_throw();
//   auto text = adze::Text::open(model).or_throw();
//   auto session = model.session().or_throw();
//   adze::generate(session, text, adze::chat({{"user", "Hi"}}), {},
//                  [](std::string_view piece) {
//                    std::cout << piece;
//                    return adze::Next::Continue;
//                  }).or_throw();
#ifndef ADZE_TEXT_HPP
#define ADZE_TEXT_HPP

#include "adze/runtime.hpp"
#include "adze/text.h"

namespace adze {

struct Message {
  std::string role, content;
};

/// A conversation; see adze_chat for what each part means. JSON parts are empty
/// where there are none.
struct Chat {
  std::vector<Message> messages;
  std::string messagesJson; ///< instead of `messages`
  std::string toolsJson, variablesJson, templateName;
  bool addGenerationPrompt = true;
};

/// chat({{"system", "Be brief."}, {"user", "Hi"}})
inline Chat chat(std::initializer_list<Message> messages) {
  Chat made;
  made.messages = messages;
  return made;
}

namespace detail {
struct TextDeleter {
  void operator()(adze_text *t) const { adze_text_close(t); }
};
struct TextStreamDeleter {
  void operator()(adze_text_stream *s) const { adze_text_stream_destroy(s); }
};
inline Error textError(const adze_text_error &error) {
  adze_status code = ADZE_INVALID_ARGUMENT;
  const char *hint = "";
  switch (error.status) {
  case ADZE_TEXT_OUT_OF_MEMORY:
    code = ADZE_OUT_OF_MEMORY;
    break;
  case ADZE_TEXT_CORRUPT_TABLE:
  case ADZE_TEXT_UNSUPPORTED_VERSION:
    code = ADZE_BAD_ARTEFACT;
    break;
  case ADZE_TEXT_NO_CHAT_TEMPLATE:
    code = ADZE_NOT_FOUND;
    hint = "prompts without a template work as plain text (run, --prompt)";
    break;
  default:
    break;
  }
  return {code, error.message, hint};
}
} // namespace detail

/// The tokenizer of a model. Lives no longer than the model it came from.
class Text {
public:
  static Result<Text> open(const Model &model) {
    const void *table;
    size_t size;
    if (adze_model_text_table(model.c(), &table, &size))
      return lastError();
    adze_text *opened = nullptr;
    adze_text_error error = {};
    if (adze_text_open(table, size, &opened, &error))
      return detail::textError(error);
    return Text(opened);
  }

  /// `flags`: ADZE_TEXT_ADD_SPECIAL and ADZE_TEXT_PARSE_SPECIAL.
  Result<std::vector<int32_t>>
  encode(std::string_view utf8, uint32_t flags = ADZE_TEXT_ADD_SPECIAL) const {
    int32_t *ids = nullptr;
    size_t count = 0;
    adze_text_error error = {};
    if (adze_text_encode(handle.get(), utf8.data(), utf8.size(), flags, &ids,
                         &count, &error))
      return detail::textError(error);
    return taken(ids, count);
  }

  /// The conversation as the model's chat template writes it ...
  Result<std::string> format(const Chat &chat) const {
    Given given(chat);
    char *utf8 = nullptr;
    size_t length = 0;
    adze_text_error error = {};
    if (adze_chat_format(handle.get(), &given.raw, &utf8, &length, &error))
      return detail::textError(error);
    std::string made(utf8, length);
    adze_text_free(utf8);
    return made;
  }
  /// ... and as tokens.
  Result<std::vector<int32_t>> encode(const Chat &chat) const {
    Given given(chat);
    int32_t *ids = nullptr;
    size_t count = 0;
    adze_text_error error = {};
    if (adze_chat_encode(handle.get(), &given.raw, &ids, &count, &error))
      return detail::textError(error);
    return taken(ids, count);
  }

  /// Tokens that end a generation.
  std::vector<int32_t> stopTokens() const {
    adze_text_info info = {};
    info.struct_size = sizeof info;
    if (adze_text_get_info(handle.get(), &info))
      return {};
    return {info.stop_tokens, info.stop_tokens + info.stop_token_count};
  }
  const adze_text *c() const { return handle.get(); }

private:
  explicit Text(adze_text *opened) : handle(opened) {}

  struct Given {
    explicit Given(const Chat &chat) {
      for (const Message &message : chat.messages)
        messages.push_back({message.role.c_str(), message.content.c_str()});
      auto orNull = [](const std::string &text) {
        return text.empty() ? nullptr : text.c_str();
      };
      raw.struct_size = sizeof raw;
      raw.messages = messages.data();
      raw.message_count = messages.size();
      raw.messages_json = orNull(chat.messagesJson);
      raw.tools_json = orNull(chat.toolsJson);
      raw.variables_json = orNull(chat.variablesJson);
      raw.template_name = orNull(chat.templateName);
      raw.flags =
          chat.addGenerationPrompt ? ADZE_CHAT_ADD_GENERATION_PROMPT : 0;
    }
    std::vector<adze_chat_message> messages;
    adze_chat raw = {};
  };

  static std::vector<int32_t> taken(int32_t *ids, size_t count) {
    std::vector<int32_t> made(ids, ids + count);
    adze_text_free(ids);
    return made;
  }
  std::unique_ptr<adze_text, detail::TextDeleter> handle;
};

/// Tokens to text as they come, up to a stop string.
class TextStream {
public:
  static Result<TextStream> create(const Text &text,
                                   const std::vector<std::string> &stops = {}) {
    std::vector<const char *> pointers;
    for (const std::string &stop : stops)
      pointers.push_back(stop.c_str());
    adze_text_stream *made = nullptr;
    adze_text_error error = {};
    if (adze_text_stream_create(text.c(), ADZE_TEXT_CONTINUATION,
                                pointers.data(), pointers.size(), &made,
                                &error))
      return detail::textError(error);
    return TextStream(made);
  }
  /// The text that is final now, valid to the next call.
  Result<std::string_view> push(int32_t id) {
    adze_text_chunk chunk = {};
    adze_text_error error = {};
    if (adze_text_stream_push(handle.get(), id, &chunk, &error))
      return detail::textError(error);
    stopped = chunk.stop_string >= 0;
    return std::string_view(chunk.utf8, chunk.length);
  }
  Result<std::string_view> finish() {
    adze_text_chunk chunk = {};
    adze_text_error error = {};
    if (adze_text_stream_finish(handle.get(), &chunk, &error))
      return detail::textError(error);
    return std::string_view(chunk.utf8, chunk.length);
  }
  /// A stop string was found.
  bool ended() const { return stopped; }

private:
  explicit TextStream(adze_text_stream *made) : handle(made) {}
  std::unique_ptr<adze_text_stream, detail::TextStreamDeleter> handle;
  bool stopped = false;
};

using OnText = std::function<Next(std::string_view)>;

/// What came of one answer.
struct Answer {
  std::string text;
  std::vector<int32_t> tokens;
  adze_result info = {};
};

/// Lets the model answer a conversation. What the session holds of it already
/// is not evaluated again, so a conversation that grows costs only what is new.
/// A stop string ends the answer with finish STOP_STRING.
inline Result<Answer> generate(Session &session, const Text &text,
                               const Chat &chat, Sampling sampling = {},
                               const OnText &onText = {},
                               const std::vector<std::string> &stops = {}) {
  auto prompt = text.encode(chat);
  if (!prompt)
    return prompt.error();
  auto stream = TextStream::create(text, stops);
  if (!stream)
    return stream.error();
  if (!sampling.ignoreEos)
    for (int32_t id : text.stopTokens())
      sampling.stopTokens.push_back(id);
  Answer answer;
  auto show = [&](std::string_view piece) {
    answer.text += piece;
    return piece.empty() || !onText ? Next::Continue : onText(piece);
  };
  auto made = session.generate(*prompt, sampling, [&](const Token &token) {
    if (token.isStop)
      return Next::Continue;
    auto piece = stream->push(token.id);
    if (!piece)
      return Next::Cancel;
    Next next = show(*piece);
    return stream->ended() && next == Next::Continue ? Next::Stop : next;
  });
  if (!made)
    return made.error();
  if (auto rest = stream->finish())
    show(*rest);
  answer.tokens = std::move(made->tokens);
  answer.info = made->info;
  if (stream->ended())
    answer.info.finish = ADZE_FINISH_STOP_STRING;
  return answer;
}

} // namespace adze
#endif // ADZE_TEXT_HPP
