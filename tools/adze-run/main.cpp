// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-run ARTEFACT: runs a compiled model with the runtime alone. Exit status
// 0: done, 1: failed, 2: wrong usage.
#include <cerrno>
#include <chrono>
#include <climits>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <getopt.h>

#include "chat_model.h"
#include "run_model.h"

using namespace adze;
using namespace adze::tools;

static const char help[] =
    R"(adze-run runs a model that `adze compile` has written.

usage: adze-run ARTEFACT --prompt TEXT | --tokens 1,2,3 [options]
       adze-run ARTEFACT --chat [options]

what to run
  --prompt TEXT            the text to continue
  --tokens 1,2,3           the same as token ids; needs no tokenizer
  --max-tokens N           stop after N tokens (128); 0 only evaluates
  --stop TEXT              end before this text; may be given several times
  --ignore-eos             go on after the model's own end token
  --context N              positions of the session (what the run needs)
a conversation by the model's own chat template
  --chat                   talk with the model; with --message or --messages it
                           answers once
  --system TEXT            the system message
  --message TEXT           the user's message
  --messages FILE.json     a JSON array of messages ("-": standard input)
  --tools FILE.json        a JSON array of tools that the model may call
  --variables JSON         variables of the template: {"enable_thinking": false}
  --show-prompt            print what the template makes, and nothing else
how tokens are chosen
  --temperature X          0 takes the most likely one (0)
  --top-k N  --top-p X  --min-p X
                           sample among the N most likely, among those that
                           make up X of the probability, among those with at
                           least X of the best one's probability (off)
  --repetition-penalty X   makes what was said less likely (1: off)
  --seed N                 the same seed gives the same text (0)
how it runs and what comes out
  --threads N              (the CPUs that this process may use)
  --logits FILE.npy        float32 [positions, vocabulary], a row per token
  --json                   one JSON object instead of the text
  --help, --version

environment
  ADZE_ISA=NAME            force a variant of the artefact

examples
  adze-run stories.adze.so --prompt "Once upon a time" --max-tokens 200
  adze-run model.adze.so --chat --system "Answer in one sentence."
  adze-run model.adze.so --tokens 1,15043 --max-tokens 0 --logits out.npy
)";

namespace {
struct Arguments {
  std::string artefact;
  RunOptions run;
  bool isChat = false, setsMaxTokens = false;
  ChatOptions chat;
};

[[noreturn]] void usage(const std::string &message) {
  std::fprintf(stderr, "adze-run: %s\n  see adze-run --help\n",
               message.c_str());
  std::exit(2);
}

uint64_t wholeNumber(const char *option, const char *text, uint64_t most) {
  char *end;
  errno = 0;
  unsigned long long value = std::strtoull(text, &end, 10);
  if (end == text || *end || errno || std::strchr(text, '-') || value > most)
    usage(std::string("--") + option + ": expected a number from 0 to " +
          std::to_string(most) + ", found '" + text + "'");
  return value;
}

float realNumber(const char *option, const char *text) {
  char *end;
  float value = std::strtof(text, &end);
  if (end == text || *end || !std::isfinite(value) || value < 0)
    usage(std::string("--") + option +
          ": expected a number of at least 0, found '" + text + "'");
  return value;
}

void take(Arguments &a, const option &o, const char *value) {
  auto small = [&] {
    return static_cast<uint32_t>(wholeNumber(o.name, value, INT32_MAX));
  };
  RunOptions &run = a.run;
  switch (o.val) {
  case 'p':
    run.hasPrompt = true;
    run.prompt = value;
    break;
  case 't': {
    auto tokens = parseTokenList(value);
    if (!tokens)
      usage(tokens.error().message);
    run.hasTokens = true;
    run.tokens = *tokens;
    break;
  }
  case 'n':
    run.maxTokens = small();
    a.setsMaxTokens = true;
    break;
  case 's':
    if (!*value)
      usage("--stop: the text is empty");
    run.stopStrings.push_back(value);
    break;
  case 'e':
    run.sampling.ignoreEos = true;
    break;
  case 'c':
    run.context = small();
    break;
  case 'T':
    run.sampling.temperature = realNumber(o.name, value);
    break;
  case 'k':
    run.sampling.topK = small();
    break;
  case 'P':
    run.sampling.topP = realNumber(o.name, value);
    break;
  case 'm':
    run.sampling.minP = realNumber(o.name, value);
    break;
  case 'r':
    run.sampling.repetitionPenalty = realNumber(o.name, value);
    break;
  case 'S':
    run.sampling.seed = wholeNumber(o.name, value, UINT64_MAX);
    break;
  case 'j':
    run.threads = small();
    break;
  case 'l':
    run.logitsPath = value;
    break;
  case 'J':
    run.json = true;
    break;
  case 'C':
    a.isChat = true;
    break;
  case 'y':
    a.chat.system = value;
    break;
  case 'M':
    a.chat.hasMessage = true;
    a.chat.message = value;
    break;
  case 'F':
    a.chat.messagesPath = value;
    break;
  case 'O':
    a.chat.toolsPath = value;
    break;
  case 'V':
    a.chat.variables = value;
    break;
  case 'w':
    a.chat.showPrompt = true;
    break;
  case 'h':
    std::fputs(help, stdout);
    std::exit(0);
  case 'v':
    std::printf("adze-run %s\n", adze_version());
    std::exit(0);
  }
}

Arguments parse(int argc, char **argv) {
  static const option options[] = {
      {"prompt", required_argument, nullptr, 'p'},
      {"tokens", required_argument, nullptr, 't'},
      {"max-tokens", required_argument, nullptr, 'n'},
      {"stop", required_argument, nullptr, 's'},
      {"ignore-eos", no_argument, nullptr, 'e'},
      {"context", required_argument, nullptr, 'c'},
      {"temperature", required_argument, nullptr, 'T'},
      {"top-k", required_argument, nullptr, 'k'},
      {"top-p", required_argument, nullptr, 'P'},
      {"min-p", required_argument, nullptr, 'm'},
      {"repetition-penalty", required_argument, nullptr, 'r'},
      {"seed", required_argument, nullptr, 'S'},
      {"threads", required_argument, nullptr, 'j'},
      {"logits", required_argument, nullptr, 'l'},
      {"json", no_argument, nullptr, 'J'},
      {"chat", no_argument, nullptr, 'C'},
      {"system", required_argument, nullptr, 'y'},
      {"message", required_argument, nullptr, 'M'},
      {"messages", required_argument, nullptr, 'F'},
      {"tools", required_argument, nullptr, 'O'},
      {"variables", required_argument, nullptr, 'V'},
      {"show-prompt", no_argument, nullptr, 'w'},
      {"help", no_argument, nullptr, 'h'},
      {"version", no_argument, nullptr, 'v'},
      {nullptr, 0, nullptr, 0}};
  Arguments a;
  int index = 0;
  for (int c; (c = getopt_long(argc, argv, ":", options, &index)) != -1;) {
    if (c == '?')
      usage(std::string("unknown option ") + argv[optind - 1]);
    if (c == ':')
      usage(std::string(argv[optind - 1]) + " needs a value");
    take(a, options[index], optarg ? optarg : "");
  }
  if (optind + 1 != argc)
    usage(optind == argc ? "expected an artefact"
                         : std::string("expected one artefact, found also '") +
                               argv[optind + 1] + "'");
  a.artefact = argv[optind];
  bool asks = !a.chat.system.empty() || a.chat.hasMessage ||
              a.chat.showPrompt || !a.chat.messagesPath.empty() ||
              !a.chat.toolsPath.empty() || !a.chat.variables.empty();
  if (asks && !a.isChat)
    usage("messages, tools and the chat template go with --chat");
  if (a.isChat &&
      (a.run.hasPrompt || a.run.hasTokens || !a.run.logitsPath.empty()))
    usage("--chat takes --message or --messages, not --prompt, --tokens or "
          "--logits");
  if (!a.isChat && a.run.hasPrompt == a.run.hasTokens)
    usage("expected either --prompt or --tokens");
  if (a.isChat && a.run.json && !isOneShot(a.chat))
    usage("--json answers once: give --message or --messages");
  a.chat.json = a.run.json;
  a.chat.maxTokens = a.setsMaxTokens ? a.run.maxTokens : 0;
  a.chat.sampling = a.run.sampling;
  a.chat.stopStrings = a.run.stopStrings;
  a.chat.threads = a.run.threads;
  a.chat.context = a.run.context;
  return a;
}
} // namespace

int main(int argc, char **argv) {
  Arguments a = parse(argc, argv);
  auto start = std::chrono::steady_clock::now();
  auto model = Model::open(a.artefact);
  a.run.loadSeconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  Result<void> done = !model     ? model.error()
                      : a.isChat ? chatWithModel(*model, a.chat)
                                 : runModel(*model, a.run);
  if (done)
    return 0;
  std::fflush(stdout);
  std::fprintf(stderr, "adze-run: %s\n", done.error().text().c_str());
  return 1;
}
