// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze chat: a conversation by the model's own chat template.

#include "Console.h"
#include "ModelArguments.h"
#include "Sampling.h"
#include "Subcommands.h"
#include "chat_model.h"
#include <CLI/CLI.hpp>

using namespace adze;
using namespace adze::tools;

namespace {
struct ChatArguments : ModelArguments {
  ChatOptions chat;
};

int run(ChatArguments &a) {
  auto opened = openModel(a);
  if (!opened)
    return fail(opened.error());
  a.chat.json = a.json;
  a.chat.threads = a.options.threads;
  if (auto done = chatWithModel(opened->model, a.chat); !done)
    return fail(done.error());
  return ExitOk;
}
} // namespace

void adze::tools::addChat(CLI::App &app, int &status) {
  CLI::App &command =
      *app.add_subcommand("chat", "talk with a model by its chat template");
  auto a = std::make_shared<ChatArguments>();
  a->addTo(command, "directory, .gguf, .mlir or artefact");
  ChatOptions &chat = a->chat;
  command.add_option("--system", chat.system, "the system message")
      ->type_name("TEXT");
  auto *message = command
                      .add_option("--message", chat.message,
                                  "the user's message; the model answers once")
                      ->type_name("TEXT");
  command
      .add_option("--messages", chat.messagesPath,
                  "a JSON array of messages ('-': standard input);\nthe model "
                  "answers once")
      ->type_name("FILE.json");
  command
      .add_option("--tools", chat.toolsPath,
                  "a JSON array of tools that the model may call")
      ->type_name("FILE.json");
  command
      .add_option("--variables", chat.variables,
                  "a JSON object of variables of the template, such\nas "
                  "{\"enable_thinking\": false}")
      ->type_name("JSON");
  command.add_flag("--show-prompt", chat.showPrompt,
                   "print what the template makes, and nothing else");
  command
      .add_option("--max-tokens", chat.maxTokens,
                  "end an answer after N tokens (default: when the\ncontext is "
                  "full)")
      ->check(CLI::Range(1u, uint32_t(INT32_MAX)).description(""))
      ->type_name("N");
  command
      .add_option("--stop", chat.stopStrings,
                  "end before this text; may be given several times")
      ->expected(1)
      ->take_all()
      ->type_name("TEXT")
      ->check([](const std::string &text) {
        return text.empty() ? std::string("the text is empty") : std::string();
      });
  command
      .add_option("--context", chat.context,
                  "positions of the session (default: 4096, or what\nthe model "
                  "has)")
      ->type_name("N");
  a->addOutputTo(command);
  addSampling(command, chat.sampling);
  command
      .add_flag("--no-cache", a->noCache,
                "compile again and keep nothing on disk")
      ->group("Compilation");
  command.footer(R"(
Without --message and --messages it is a conversation, line by line: /reset
forgets it, /prompt shows what the template makes of it, /exit or Ctrl-D ends,
Ctrl-C ends an answer. Each turn evaluates only what is new.

examples
  adze chat model/ --system "Answer in one sentence." --temperature 0.7
  adze chat model.gguf --message "Why is the sky blue?" --max-tokens 100
  adze chat model/ --messages talk.json --tools tools.json --show-prompt
  adze chat model/ --message Hi --json | jq -r .text)");
  command.callback([a, message, &status] {
    a->chat.hasMessage = message->count() > 0;
    if (a->json && !isOneShot(a->chat))
      throw CLI::ValidationError(
          "--json answers once: give --message or --messages");
    status = run(*a);
  });
}
