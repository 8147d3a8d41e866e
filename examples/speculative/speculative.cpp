// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Speculative decoding: a small model drafts tokens, the large one evaluates
// all of them in one step and keeps those that it would have chosen itself.
//
//   speculative TARGET.adze.so DRAFT.adze.so TEXT [--tokens N] [--draft K]
//
// The text is that of plain greedy decoding, whatever the draft says: the
// logits of a position do not depend on how many positions a step has.

#include "adze/runtime.hpp"
#include "adze/text.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

struct Arguments {
  std::string target, draft, text;
  size_t tokens = 60, ahead = 4;
};

/// A model, its one sequence, and the tokens of the text so far.
class Side {
public:
  Side(const adze::Model &model, uint32_t context) {
    adze::SessionOptions options;
    options.context = context;
    session =
        std::make_unique<adze::Session>(model.session(options).or_throw());
  }

  /// Evaluates what it has not yet of `text`; rows of logits of the last
  /// `count` positions.
  adze::Logits advance(const std::vector<int32_t> &text, size_t count) {
    size_t held = session->length();
    adze::StepInput in{0, {text.begin() + long(held), text.end()}, {}};
    for (size_t i = in.tokens.size() - count; i < in.tokens.size(); ++i)
      in.rows.push_back(uint32_t(i));
    return session->step({in}).or_throw();
  }
  /// Forgets what it holds beyond `length` positions.
  void keep(size_t length) {
    if (session->length() > length)
      session->rewind(length).or_throw();
  }
  int32_t best(const float *row) { return session->sample(row).or_throw(); }

  std::unique_ptr<adze::Session> session;
};

struct Made {
  std::vector<int32_t> tokens;
  size_t drafted = 0, accepted = 0, steps = 0;
};

/// `count` tokens after `prompt`, or as many as there are up to one of `ends`.
Made speculate(Side &target, Side &draft, std::vector<int32_t> text,
               size_t count, size_t ahead, const std::vector<int64_t> &ends) {
  Made made;
  bool ended = false;
  while (!ended && made.tokens.size() < count) {
    // The target gives one token more than were drafted.
    size_t room =
        std::min<size_t>(target.session->context(), draft.session->context());
    size_t drafts =
        std::min({ahead, count - made.tokens.size() - 1, room - text.size()});
    std::vector<int32_t> guess = text;
    for (size_t i = 0; i < drafts; ++i)
      guess.push_back(draft.best(draft.advance(guess, 1).row(0)));

    adze::Logits logits = target.advance(guess, drafts + 1);
    ++made.steps;
    made.drafted += drafts;
    size_t right = 0;
    for (bool agree = true; agree && !ended; ++right) {
      int32_t token = target.best(logits.row(right));
      agree = right < drafts && token == guess[text.size()];
      text.push_back(token);
      made.tokens.push_back(token);
      made.accepted += agree;
      ended = std::find(ends.begin(), ends.end(), token) != ends.end();
    }
    // The last token is not evaluated, and wrong guesses are forgotten.
    target.keep(text.size() - 1);
    draft.keep(text.size() - 1);
    ended |= text.size() > room;
  }
  return made;
}

std::pair<const void *, size_t> textTable(const adze::Model &model) {
  const void *table;
  size_t bytes;
  if (adze_model_text_table(model.c(), &table, &bytes))
    throw adze::Exception(adze::lastError());
  return {table, bytes};
}

/// Ids must mean the same to both.
void checkPair(const Arguments &a, const adze::Model &target,
               const adze::Model &draft) {
  int64_t of = target.integers("vocab").or_throw().at(0),
          other = draft.integers("vocab").or_throw().at(0);
  if (of != other)
    throw std::runtime_error(a.draft + " has a vocabulary of " +
                             std::to_string(other) + ", " + a.target + " of " +
                             std::to_string(of) +
                             ": a draft needs the target's tokenizer");
  auto [table, bytes] = textTable(target);
  auto [draftTable, draftBytes] = textTable(draft);
  if (bytes != draftBytes || std::memcmp(table, draftTable, bytes))
    throw std::runtime_error(a.draft + " and " + a.target +
                             " have different tokenizers: a draft needs the "
                             "target's");
}

class Text {
public:
  explicit Text(const adze::Model &model) {
    adze_text_error error;
    auto [table, bytes] = textTable(model);
    if (adze_text_open(table, bytes, &handle, &error))
      throw std::runtime_error(error.message);
  }
  ~Text() { adze_text_close(handle); }
  std::vector<int32_t> encode(const std::string &words) const {
    int32_t *ids;
    size_t count;
    adze_text_error error;
    if (adze_text_encode(handle, words.data(), words.size(),
                         ADZE_TEXT_ADD_SPECIAL, &ids, &count, &error))
      throw std::runtime_error(error.message);
    std::vector<int32_t> list(ids, ids + count);
    adze_text_free(ids);
    return list;
  }
  void print(const std::vector<int32_t> &tokens) const {
    adze_text_stream *stream;
    adze_text_error error;
    if (adze_text_stream_create(handle, ADZE_TEXT_CONTINUATION, nullptr, 0,
                                &stream, &error))
      throw std::runtime_error(error.message);
    for (int32_t token : tokens) {
      adze_text_chunk chunk;
      if (!adze_text_stream_push(stream, token, &chunk, nullptr))
        std::fwrite(chunk.utf8, 1, chunk.length, stdout);
    }
    adze_text_stream_destroy(stream);
  }

private:
  adze_text *handle = nullptr;
};

int run(const Arguments &a) {
  auto target = adze::Model::open(a.target).or_throw();
  auto draft = adze::Model::open(a.draft).or_throw();
  checkPair(a, target, draft);
  auto context = uint32_t(std::min(target.integers("context").or_throw().at(0),
                                   draft.integers("context").or_throw().at(0)));
  Text text(target);
  std::vector<int32_t> prompt = text.encode(a.text);
  std::vector<int64_t> ends;
  if (auto eos = target.integers("eos"))
    ends = *eos;

  Side large(target, context), small(draft, context);
  if (prompt.empty() || prompt.size() > large.session->context())
    throw std::runtime_error("the text has " + std::to_string(prompt.size()) +
                             " tokens; expected 1 to " +
                             std::to_string(large.session->context()));
  Made made = speculate(large, small, prompt, a.tokens, a.ahead, ends);
  std::printf("%s", a.text.c_str());
  text.print(made.tokens);
  std::printf("\n\n%zu tokens in %zu steps of the target, %zu saved; accepted "
              "%zu of %zu drafted (%.0f %%)\n",
              made.tokens.size(), made.steps, made.tokens.size() - made.steps,
              made.accepted, made.drafted,
              made.drafted
                  ? 100.0 * double(made.accepted) / double(made.drafted)
                  : 0.0);

  Side plain(target, context);
  adze::Sampling greedy;
  greedy.maxTokens = uint32_t(a.tokens);
  auto expected = plain.session->generate(prompt, greedy).or_throw();
  if (made.tokens != expected.tokens) {
    std::fprintf(stderr, "plain greedy decoding gives other tokens\n");
    return 1;
  }
  std::printf("plain greedy decoding gives the same tokens\n");
  return 0;
}

bool number(const char *text, size_t &value) {
  char *end;
  value = std::strtoul(text, &end, 10);
  return end != text && !*end && value <= 100000;
}

bool parse(int argc, char **argv, Arguments &a) {
  if (argc < 4)
    return false;
  a.target = argv[1];
  a.draft = argv[2];
  a.text = argv[3];
  for (int i = 4; i < argc; i += 2) {
    bool tokens = !std::strcmp(argv[i], "--tokens");
    if ((!tokens && std::strcmp(argv[i], "--draft")) || i + 1 == argc ||
        !number(argv[i + 1], tokens ? a.tokens : a.ahead))
      return false;
  }
  return a.tokens > 0;
}

} // namespace

int main(int argc, char **argv) {
  Arguments a;
  if (!parse(argc, argv, a)) {
    std::fprintf(stderr,
                 "usage: %s TARGET.adze.so DRAFT.adze.so TEXT [--tokens N] "
                 "[--draft K]\n",
                 argv[0]);
    return 2;
  }
  try {
    return run(a);
  } catch (const std::exception &problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
}
