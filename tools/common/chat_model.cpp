// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The conversation is kept as JSON texts, one per message, and rendered as a
// whole for each answer; the session evaluates only what is new of it.
#include "chat_model.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <unistd.h>

#include "json_text.h"

using namespace adze;
using namespace adze::tools;

namespace {

/// Ctrl-C while the model answers ends the answer, not the program.
volatile std::sig_atomic_t interruptions = 0;
adze_session *answering = nullptr; // written with the handler off

extern "C" void interruptAnswer(int) {
  if (interruptions++ == 0 && answering)
    adze_cancel(answering); // the prompt is still being read
}

class Interruptible {
public:
  explicit Interruptible(adze_session *session) {
    interruptions = 0;
    answering = session;
    struct sigaction action = {};
    action.sa_handler = interruptAnswer;
    sigaction(SIGINT, &action, &before);
  }
  ~Interruptible() {
    sigaction(SIGINT, &before, nullptr);
    answering = nullptr;
  }

private:
  struct sigaction before = {};
};

Result<std::string> readFile(const std::string &path) {
  std::FILE *file = path == "-" ? stdin : std::fopen(path.c_str(), "rb");
  if (!file)
    return Error{ADZE_IO_ERROR, path + ": " + std::strerror(errno), ""};
  std::string text;
  char buffer[1 << 14];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, file)) > 0;)
    text.append(buffer, n);
  bool failed = std::ferror(file) != 0;
  if (file != stdin)
    std::fclose(file);
  if (failed)
    return Error{ADZE_IO_ERROR, path + ": cannot be read", ""};
  return text;
}

/// What stands between the brackets of a JSON array.
Result<std::string> insideOfArray(const std::string &path,
                                  const std::string &text) {
  const char *space = " \t\r\n";
  size_t begin = text.find_first_not_of(space);
  size_t end = text.find_last_not_of(space);
  if (begin == std::string::npos || text[begin] != '[' || text[end] != ']' ||
      begin == end)
    return Error{ADZE_INVALID_ARGUMENT, path + ": expected a JSON array",
                 "write [{\"role\": \"user\", \"content\": \"Hi\"}]"};
  std::string inside = text.substr(begin + 1, end - begin - 1);
  return inside.find_first_not_of(space) == std::string::npos ? "" : inside;
}

std::string messageJson(const char *role, const std::string &content) {
  return std::string("{\"role\": \"") + role +
         "\", \"content\": " + quotedJson(content) + "}";
}

class Conversation {
public:
  Conversation(const Model &model, const ChatOptions &options)
      : model(model), options(options) {}

  Result<void> run() {
    if (auto ready = prepare(); !ready)
      return ready;
    if (options.showPrompt) {
      auto prompt = text->format(asChat());
      if (!prompt)
        return prompt.error();
      std::fwrite(prompt->data(), 1, prompt->size(), stdout);
      return flushed();
    }
    if (auto ready = createSession(); !ready)
      return ready;
    return isOneShot(options) ? answerOnce() : talk();
  }

private:
  Result<void> prepare() {
    auto opened = Text::open(model);
    if (!opened && opened.error().code == ADZE_NOT_FOUND)
      return Error{ADZE_NOT_FOUND,
                   "the model was compiled without a tokenizer, so it has no "
                   "chat template",
                   "put the tokenizer's files beside the weights and compile "
                   "again"};
    if (!opened)
      return opened.error();
    text = std::make_unique<Text>(std::move(*opened));
    if (!options.system.empty())
      history.push_back(messageJson("system", options.system));
    if (!options.messagesPath.empty()) {
      auto file = readFile(options.messagesPath);
      if (!file)
        return file.error();
      auto inside = insideOfArray(options.messagesPath, *file);
      if (!inside)
        return inside.error();
      if (!inside->empty())
        history.push_back(*inside);
    }
    if (!options.toolsPath.empty()) {
      auto file = readFile(options.toolsPath);
      if (!file)
        return file.error();
      tools = *file;
    }
    kept = history.size();
    if (options.hasMessage)
      history.push_back(messageJson("user", options.message));
    // A model without a template is found out before the first question.
    Chat probe = chat({{"user", "Hi"}});
    auto made = text->format(probe);
    if (!made && made.error().code == ADZE_NOT_FOUND)
      return made.error();
    return {};
  }

  Result<void> createSession() {
    SessionOptions o;
    o.threads = options.threads;
    o.context = options.context;
    auto made = model.session(o);
    if (!made)
      return made.error();
    session = std::make_unique<Session>(std::move(*made));
    return {};
  }

  Chat asChat() const {
    Chat made;
    made.messagesJson = "[";
    for (size_t i = 0; i < history.size(); ++i)
      made.messagesJson += (i ? ", " : "") + history[i];
    made.messagesJson += "]";
    made.toolsJson = tools;
    made.variablesJson = options.variables;
    return made;
  }

  Result<Answer> answer(bool show) {
    Sampling sampling = options.sampling;
    sampling.maxTokens = options.maxTokens;
    Interruptible guard(session->c());
    return generate(
        *session, *text, asChat(), sampling,
        [&](std::string_view piece) {
          // From here on an interruption keeps what was said.
          answering = nullptr;
          if (show) {
            std::fwrite(piece.data(), 1, piece.size(), stdout);
            std::fflush(stdout);
          }
          return interruptions ? Next::Stop : Next::Continue;
        },
        options.stopStrings);
  }

  static Result<void> flushed() {
    if (std::fflush(stdout) || std::ferror(stdout))
      return Error{ADZE_IO_ERROR, "cannot write to the standard output", ""};
    return {};
  }

  static const char *finishName(uint32_t finish) {
    switch (finish) {
    case ADZE_FINISH_STOP_TOKEN:
      return "stop_token";
    case ADZE_FINISH_STOP_STRING:
      return "stop_string";
    case ADZE_FINISH_CONTEXT_FULL:
      return "context_full";
    case ADZE_FINISH_STOPPED:
      return "stopped";
    default:
      return "length";
    }
  }

  Result<void> answerOnce() {
    std::string prompt;
    if (options.json) {
      auto made = text->format(asChat());
      if (!made)
        return made.error();
      prompt = *made;
    }
    auto made = answer(!options.json);
    if (!made)
      return made.error();
    if (!options.json) {
      std::putchar('\n');
      return flushed();
    }
    std::printf("{\"prompt\": %s, \"text\": %s, \"tokens\": [",
                quotedJson(prompt).c_str(), quotedJson(made->text).c_str());
    for (size_t i = 0; i < made->tokens.size(); ++i)
      std::printf("%s%d", i ? ", " : "", made->tokens[i]);
    std::printf("], \"prompt_tokens\": %zu, \"finish\": \"%s\", "
                "\"prefill_seconds\": %.6f, \"decode_seconds\": %.6f}\n",
                made->info.prompt_tokens, finishName(made->info.finish),
                made->info.prefill_seconds, made->info.decode_seconds);
    return flushed();
  }

  /// A line of the user's; false at the end of input.
  static bool readLine(bool terminal, std::string &line) {
    line.clear();
    if (terminal) {
      std::fputs("> ", stderr);
      std::fflush(stderr);
    }
    int c;
    while ((c = std::getchar()) != EOF && c != '\n')
      line += static_cast<char>(c);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' '))
      line.pop_back();
    return c != EOF || !line.empty();
  }

  Result<void> talk() {
    bool terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    if (terminal)
      std::fputs("Write a message and press Enter; /help says what else there "
                 "is, Ctrl-D ends.\n",
                 stderr);
    for (std::string line; readLine(terminal, line);) {
      if (line.empty())
        continue;
      if (line[0] == '/' && !command(line))
        break;
      if (line[0] == '/')
        continue;
      if (auto done = turn(line); !done)
        return done;
    }
    if (terminal)
      std::fputc('\n', stderr);
    return flushed();
  }

  /// False: end.
  bool command(const std::string &line) {
    if (line == "/exit" || line == "/quit")
      return false;
    if (line == "/reset") {
      history.resize(kept);
      std::fputs("The conversation begins anew.\n", stderr);
    } else if (line == "/prompt") {
      auto prompt = text->format(asChat());
      std::fprintf(stderr, "%s\n",
                   prompt ? prompt->c_str() : prompt.error().text().c_str());
    } else {
      std::fprintf(stderr,
                   "%s/reset   forget the conversation\n"
                   "/prompt  show what the chat template makes of it\n"
                   "/exit    end (also Ctrl-D)\n"
                   "Ctrl-C   ends an answer\n",
                   line == "/help" ? "" : "There is no such command.\n");
    }
    return true;
  }

  /// One question and its answer. What one can go on after is printed.
  Result<void> turn(const std::string &line) {
    history.push_back(messageJson("user", line));
    auto made = answer(true);
    if (made) {
      std::putchar('\n');
      history.push_back(messageJson("assistant", made->text));
      if (made->info.finish == ADZE_FINISH_CONTEXT_FULL)
        std::fputs("The context is full: /reset begins anew; --context gives "
                   "more room.\n",
                   stderr);
      return flushed();
    }
    history.pop_back();
    if (made.error().code == ADZE_CANCELLED) {
      std::fputs("(stopped; the message is forgotten)\n", stderr);
      return {};
    }
    if (made.error().code != ADZE_CONTEXT_FULL &&
        made.error().code != ADZE_INVALID_ARGUMENT)
      return made.error();
    std::fprintf(stderr, "%s\n", made.error().text().c_str());
    if (made.error().code == ADZE_CONTEXT_FULL)
      std::fputs("/reset begins anew.\n", stderr);
    return {};
  }

  const Model &model;
  const ChatOptions &options;
  std::unique_ptr<Text> text;
  std::unique_ptr<Session> session;
  std::vector<std::string> history; ///< messages as JSON, with commas between
  size_t kept = 0;                  ///< of the history: what /reset leaves
  std::string tools;
};

} // namespace

bool adze::tools::isOneShot(const ChatOptions &options) {
  return options.hasMessage || !options.messagesPath.empty();
}

Result<void> adze::tools::chatWithModel(const Model &model,
                                        const ChatOptions &options) {
  return Conversation(model, options).run();
}
