// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Text for token models: encoding, decoding, streaming and stop strings from a
// compact text table (adze/text_table.h) that the compiler wrote into an
// artefact. The table is read in place; nothing of it is copied.
//
// Threads: an adze_text is immutable after opening and may be used by any
// number of threads. An adze_text_stream belongs to one thread at a time.
// No function prints, aborts, opens a file or keeps global state.

#ifndef ADZE_TEXT_H
#define ADZE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// 0 is success; the others say what kind of failure it was. The values are
/// part of the ABI: they only grow.
typedef int32_t adze_text_status;
enum {
  ADZE_TEXT_OK = 0,
  /// A null pointer, an unknown flag or an empty stop string.
  ADZE_TEXT_INVALID_ARGUMENT = 1,
  /// The table is not a text table, is truncated, or contradicts itself.
  ADZE_TEXT_CORRUPT_TABLE = 2,
  /// A text table of another format version.
  ADZE_TEXT_UNSUPPORTED_VERSION = 3,
  /// The text to encode is not UTF-8; error->offset is the first bad byte.
  ADZE_TEXT_INVALID_UTF8 = 4,
  /// A token id below zero or beyond the vocabulary; error->offset is its
  /// index in the array given.
  ADZE_TEXT_TOKEN_OUT_OF_RANGE = 5,
  /// The result does not fit the caller's buffer; the length needed is given.
  ADZE_TEXT_BUFFER_TOO_SMALL = 6,
  ADZE_TEXT_OUT_OF_MEMORY = 7,
  /// Text of 1 GiB or more, or a split pattern that needs more than linear
  /// time on this text.
  ADZE_TEXT_LIMIT_EXCEEDED = 8,
  /// The model has no chat template, none of that name, or one that could not
  /// be compiled; the message says which.
  ADZE_TEXT_NO_CHAT_TEMPLATE = 9,
  /// The chat template refuses the conversation (raise_exception), or fails on
  /// it; the message has the line of the template.
  ADZE_TEXT_TEMPLATE_ERROR = 10,
  /// error->offset is the byte.
  ADZE_TEXT_INVALID_JSON = 11
};

/// Filled by a failing call when the caller passes one; never needed for
/// correctness, so every `error` parameter may be NULL.
typedef struct adze_text_error {
  adze_text_status status;
  /// Byte offset or array index of the failure; 0 where neither applies.
  uint64_t offset;
  /// One line, zero terminated: what was expected and what was found.
  char message[240];
} adze_text_error;

typedef struct adze_text adze_text;
typedef struct adze_text_stream adze_text_stream;

/// Opens the table at `table`, which must be aligned to 8 bytes and stay
/// mapped and unchanged until adze_text_close. Every offset and id in it is
/// checked here once, so that a damaged table is an error now and never a bad
/// access later.
adze_text_status adze_text_open(const void *table, size_t size,
                                adze_text **text, adze_text_error *error);
/// NULL is allowed. All streams over it must be destroyed before.
void adze_text_close(adze_text *text);

/// What the table says about its vocabulary. Pointers live as long as `text`.
typedef struct adze_text_info {
  /// Set by the caller to sizeof(adze_text_info); fields beyond it are left.
  size_t struct_size;
  int32_t vocabulary_size;
  /// -1 where the model has none.
  int32_t bos, eos, unk, pad;
  /// Nonzero if ADZE_TEXT_ADD_SPECIAL puts bos before (eos after) the text.
  int32_t adds_bos, adds_eos;
  /// End-of-generation tokens, ascending.
  const int32_t *stop_tokens;
  size_t stop_token_count;
  /// The chat template as the checkpoint ships it (of several, the default);
  /// not zero terminated, length 0 if there is none. adze_chat_format renders
  /// it.
  const char *chat_template;
  size_t chat_template_length;
} adze_text_info;

adze_text_status adze_text_get_info(const adze_text *text,
                                    adze_text_info *info);
/// 1 if `id` ends generation, 0 if not (also for ids out of range).
int adze_text_is_stop_token(const adze_text *text, int32_t id);
/// 1 if `id` is a control token (left out of decoded text unless
/// ADZE_TEXT_KEEP_SPECIAL is given), 0 if not.
int adze_text_is_special_token(const adze_text *text, int32_t id);

enum {
  /// Add the tokens that the model expects around a text (such as bos).
  ADZE_TEXT_ADD_SPECIAL = 1,
  /// Recognise control tokens written in the text ("<|eot_id|>"). Without it
  /// they are encoded as ordinary text: right for text from outside. Added
  /// tokens that are not control tokens are always recognised.
  ADZE_TEXT_PARSE_SPECIAL = 2
};

/// Encodes `length` bytes of UTF-8 into `*ids`, which the caller frees with
/// adze_text_free. `flags` is a combination of the two above. An empty result
/// gives a null pointer and count 0.
adze_text_status adze_text_encode(const adze_text *text, const char *utf8,
                                  size_t length, uint32_t flags, int32_t **ids,
                                  size_t *count, adze_text_error *error);

enum {
  /// Write control tokens as their text instead of leaving them out.
  ADZE_TEXT_KEEP_SPECIAL = 1,
  /// The tokens continue a text, so a leading space is kept that is otherwise
  /// an artefact of the vocabulary ("▁Once" at the start of a text).
  ADZE_TEXT_CONTINUATION = 2
};

/// Decodes all ids into valid UTF-8 (undecodable bytes become U+FFFD), zero
/// terminated after `*length` bytes; the caller frees it with adze_text_free.
adze_text_status adze_text_decode(const adze_text *text, const int32_t *ids,
                                  size_t count, uint32_t flags, char **utf8,
                                  size_t *length, adze_text_error *error);

/// Frees what adze_text_encode or adze_text_decode returned; NULL is allowed.
void adze_text_free(void *memory);

/// The bytes one token stands for, which need not be valid UTF-8: at most
/// `capacity` are written to `buffer`, and `*length` is how many there are.
/// With too small a buffer nothing is written.
adze_text_status adze_text_token_bytes(const adze_text *text, int32_t id,
                                       char *buffer, size_t capacity,
                                       size_t *length, adze_text_error *error);

/// A message of a conversation; zero terminated.
typedef struct adze_chat_message {
  const char *role; ///< "system", "user", "assistant", "tool"
  const char *content;
} adze_chat_message;

/// End with what makes the model answer next.
#define ADZE_CHAT_ADD_GENERATION_PROMPT 1u

/// A conversation for the model's own chat template, with the meaning that
/// apply_chat_template of transformers gives to it. Fields that are zero are
/// left out.
typedef struct adze_chat {
  /// Set by the caller to sizeof(adze_chat).
  size_t struct_size;
  const adze_chat_message *messages;
  size_t message_count;
  /// Instead of `messages`: a JSON array of objects, as in
  ///   [{"role": "user", "content": "Hi"}]
  /// for tool calls, tool results, contents of several parts.
  const char *messages_json;
  /// A JSON array of tools ({"type": "function", "function": {...}}).
  const char *tools_json;
  /// A JSON object of further variables of the template, such as
  ///   {"enable_thinking": false}
  const char *variables_json;
  /// One of several templates; null: "tool_use" where there are tools, else
  /// "default".
  const char *template_name;
  uint32_t flags;
  uint32_t reserved;
  /// What strftime_now of the template shows: seconds since 1970 as the clock
  /// on the wall has them; 0: the time now.
  int64_t now;
  /// Bounds on the work and on the memory of one rendering: nodes of the
  /// template walked (0: 20 million) and bytes (0: 256 MiB).
  uint64_t max_steps, max_bytes;
} adze_chat;

/// Renders the conversation into text, zero terminated after `*length` bytes;
/// the caller frees it with adze_text_free.
adze_text_status adze_chat_format(const adze_text *text, const adze_chat *chat,
                                  char **utf8, size_t *length,
                                  adze_text_error *error);
/// Renders and encodes it. Control tokens in the rendered text are recognised,
/// and nothing is put around it: a template writes bos itself. A message may
/// hold the text of a control token, as in transformers; take such text out of
/// messages from outside.
adze_text_status adze_chat_encode(const adze_text *text, const adze_chat *chat,
                                  int32_t **ids, size_t *count,
                                  adze_text_error *error);

/// What came of one step of a stream.
typedef struct adze_text_chunk {
  /// Text that is final now: complete UTF-8, possibly empty, zero terminated,
  /// valid to the next call on the same stream. Bytes of an unfinished
  /// character, and text that may begin a stop string, are held back.
  const char *utf8;
  size_t length;
  /// Index of the stop string found, or -1. Text from it on is dropped, and
  /// the stream ignores everything until adze_text_stream_reset.
  int32_t stop_string;
} adze_text_chunk;

/// A stream turns tokens into text as they are made. `flags` as for
/// adze_text_decode. `stop_strings` are `stop_count` zero terminated strings
/// (copied; none may be empty); a stop string is found wherever its bytes
/// appear, also when it spans tokens. If several match, the one complete first
/// wins, then the longest.
adze_text_status adze_text_stream_create(const adze_text *text, uint32_t flags,
                                         const char *const *stop_strings,
                                         size_t stop_count,
                                         adze_text_stream **stream,
                                         adze_text_error *error);
adze_text_status adze_text_stream_push(adze_text_stream *stream, int32_t id,
                                       adze_text_chunk *chunk,
                                       adze_text_error *error);
/// Gives what is still held back: an unfinished character becomes U+FFFD.
adze_text_status adze_text_stream_finish(adze_text_stream *stream,
                                         adze_text_chunk *chunk,
                                         adze_text_error *error);
/// Back to the state after creation.
void adze_text_stream_reset(adze_text_stream *stream);
/// NULL is allowed.
void adze_text_stream_destroy(adze_text_stream *stream);

#ifdef __cplusplus
}
#endif

#endif // ADZE_TEXT_H
