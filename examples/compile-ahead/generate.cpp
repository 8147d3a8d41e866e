// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Opens an artefact and goes on with a text:  generate-cpp model.adze.so "Once"

#include "adze/runtime.hpp"
#include "adze/text.h"

#include <cstdio>

static adze_text *openText(const adze::Model &model) {
  const void *table;
  size_t bytes;
  adze_text *text = nullptr;
  adze_text_error error;
  if (adze_model_text_table(model.c(), &table, &bytes))
    throw adze::Exception(adze::lastError());
  if (adze_text_open(table, bytes, &text, &error))
    throw std::runtime_error(error.message);
  return text;
}

static void run(const char *path, const std::string &words) {
  auto model = adze::Model::open(path).or_throw();
  auto session = model.session().or_throw();
  adze_text *text = openText(model);

  int32_t *ids;
  size_t count;
  adze_text_error error;
  adze_text_stream *stream;
  if (adze_text_encode(text, words.data(), words.size(), ADZE_TEXT_ADD_SPECIAL,
                       &ids, &count, &error) ||
      adze_text_stream_create(text, ADZE_TEXT_CONTINUATION, nullptr, 0, &stream,
                              &error))
    throw std::runtime_error(error.message);
  std::vector<int32_t> prompt(ids, ids + count);
  adze_text_free(ids);

  adze::Sampling sampling;
  sampling.maxTokens = 40;
  std::printf("%s", words.c_str());
  session
      .generate(prompt, sampling,
                [&](const adze::Token &token) {
                  adze_text_chunk chunk;
                  if (adze_text_stream_push(stream, token.id, &chunk, nullptr))
                    return adze::Next::Cancel;
                  std::fwrite(chunk.utf8, 1, chunk.length, stdout);
                  std::fflush(stdout);
                  return adze::Next::Continue;
                })
      .or_throw();
  std::printf("\n");
  adze_text_stream_destroy(stream);
  adze_text_close(text);
}

int main(int argc, char **argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s MODEL.adze.so TEXT\n", argv[0]);
    return 2;
  }
  try {
    run(argv[1], argv[2]);
  } catch (const std::exception &problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
}
