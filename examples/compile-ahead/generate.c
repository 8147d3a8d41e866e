/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Opens an artefact and goes on with a text:  generate-c model.adze.so "Once"
 */
#include "adze/runtime.h"
#include "adze/text.h"

#include <stdio.h>
#include <string.h>

static int fail(const char *what) {
  const adze_error *error = adze_last_error();
  fprintf(stderr, "%s: %s\n%s\n", what, error->message, error->hint);
  return 1;
}

static int fail_text(const adze_text_error *error) {
  fprintf(stderr, "text: %s\n", error->message);
  return 1;
}

/* Prints the text that each token completes. */
static adze_next on_token(void *stream, const adze_token_event *event) {
  adze_text_chunk chunk;
  if (adze_text_stream_push(stream, event->id, &chunk, NULL))
    return ADZE_CANCEL;
  fwrite(chunk.utf8, 1, chunk.length, stdout);
  fflush(stdout);
  return ADZE_CONTINUE;
}

static int generate(adze_session *session, const adze_text *text,
                    const char *words) {
  adze_text_error error;
  int32_t *ids;
  size_t count;
  if (adze_text_encode(text, words, strlen(words), ADZE_TEXT_ADD_SPECIAL, &ids,
                       &count, &error))
    return fail_text(&error);
  adze_text_stream *stream;
  if (adze_text_stream_create(text, ADZE_TEXT_CONTINUATION, NULL, 0, &stream,
                              &error)) {
    adze_text_free(ids);
    return fail_text(&error);
  }
  adze_prompt prompt = {.size = sizeof prompt, .ids = ids, .count = count};
  adze_sampling sampling = {.size = sizeof sampling, .max_tokens = 40};
  printf("%s", words);
  int status =
      adze_generate(session, &prompt, &sampling, on_token, stream, NULL)
          ? fail("generate")
          : 0;
  printf("\n");
  adze_text_stream_destroy(stream);
  adze_text_free(ids);
  return status;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: %s MODEL.adze.so TEXT\n", argv[0]);
    return 2;
  }
  adze_source source = {.size = sizeof source, .path = argv[1]};
  adze_model *model = NULL;
  adze_session *session = NULL;
  adze_text *text = NULL;
  adze_text_error error;
  const void *table;
  size_t bytes;
  int status = 0;
  if (adze_model_open(&source, NULL, NULL, &model))
    status = fail("open");
  else if (adze_model_text_table(model, &table, &bytes))
    status = fail("tokenizer");
  else if (adze_text_open(table, bytes, &text, &error))
    status = fail_text(&error);
  else if (adze_session_create(model, NULL, &session))
    status = fail("session");
  else
    status = generate(session, text, argv[2]);
  adze_text_close(text);
  adze_session_release(session);
  adze_model_release(model);
  return status;
}
