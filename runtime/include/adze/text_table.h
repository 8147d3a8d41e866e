// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The text table: everything that turns text into token ids and back, as one
// block of bytes inside an artefact. The compiler writes it (frontend/
// tokenizers), libadze_text reads it in place. This header is the only
// definition of the format; change it together with ADZE_TT_VERSION.
//
//   header | extension | section | section | ...
//
// all little endian, sections 8-aligned. Sections that came later are in the
// extension, which readers from before it do not look for; a table from before
// it lacks ADZE_TT_EXTENDED. So both kinds of reader read both kinds of table.
//
// How a text is encoded:
//   1. added tokens of kind "raw" are cut out of the text;
//   2. the rest runs through the normaliser steps;
//   3. added tokens of kind "normalised" are cut out of the result;
//   4. the rest is split into pieces by the pre-tokenizer steps;
//   5. the model turns each piece into ids;
//   6. the prefix and suffix ids go around it all.
// Decoding joins the bytes of the tokens, after the decoder's replacements.

#ifndef ADZE_TEXT_TABLE_H
#define ADZE_TEXT_TABLE_H

#include "adze/chat_program.h"

#include <stdint.h>

#define ADZE_TT_MAGIC 0x54585A41u /* "AZXT" */
#define ADZE_TT_VERSION 1u
#define ADZE_TT_ALIGNMENT 8u
/// Bounds that keep readers from trusting a count: no real vocabulary is near.
#define ADZE_TT_MAX_VOCABULARY (1u << 24)
#define ADZE_TT_MAX_INSTRUCTIONS 4096u
#define ADZE_TT_MAX_REPEAT 255u
#define ADZE_TT_UNBOUNDED 0xFFFFFFFFu

/// What turns a piece into ids.
enum {
  /// Symbols are bytes; merges by rank over pairs of ids (GPT-2 and later).
  ADZE_TT_BYTE_BPE = 1,
  /// Symbols are characters; merges by rank over pairs of ids (Llama 2 as
  /// tokenizer.json).
  ADZE_TT_CHAR_BPE = 2,
  /// Symbols are characters; two neighbours merge if their joint text is a
  /// token, best score first (SentencePiece BPE, GGUF "llama").
  ADZE_TT_SPM_BPE = 3,
  /// The most likely segmentation by token scores (SentencePiece unigram).
  ADZE_TT_UNIGRAM = 4
};

/// Flags of the header.
enum {
  /// A piece that is a token as a whole is not merged (Llama 3).
  ADZE_TT_IGNORE_MERGES = 1u << 0,
  /// What is not in the vocabulary becomes byte tokens, if there are any.
  ADZE_TT_BYTE_FALLBACK = 1u << 1,
  /// Neighbouring unknown symbols give one unk token.
  ADZE_TT_FUSE_UNKNOWN = 1u << 2,
  /// ADZE_TEXT_ADD_SPECIAL adds bos (eos): the prefix (suffix) holds it.
  ADZE_TT_ADDS_BOS = 1u << 3,
  ADZE_TT_ADDS_EOS = 1u << 4,
  /// In decoding, each undecodable byte gives a U+FFFD of its own; otherwise
  /// one for each maximal part of a character, as most libraries do.
  ADZE_TT_REPLACEMENT_PER_BYTE = 1u << 5,
  /// In decoding, the decoder's replacements write nothing in the first token
  /// (the Metaspace decoder).
  ADZE_TT_DROP_IN_FIRST_TOKEN = 1u << 6,
  /// An adze_tt_extension follows the header.
  ADZE_TT_EXTENDED = 1u << 7
};

/// Kinds of token, one byte each in ADZE_TT_TOKEN_KINDS.
enum {
  ADZE_TT_NORMAL = 0,
  /// Never comes out of the model; left out of decoded text.
  ADZE_TT_CONTROL = 1,
  ADZE_TT_UNKNOWN = 2,
  /// Text "<0xHH>": stands for one byte.
  ADZE_TT_BYTE = 3,
  /// Added to the vocabulary as text, not by training.
  ADZE_TT_USER = 4,
  /// An id without text.
  ADZE_TT_UNUSED = 5
};

enum {
  ADZE_TT_TOKEN_OFFSETS, ///< uint32 [vocabulary + 1] into TOKEN_BYTES
  ADZE_TT_TOKEN_BYTES,   ///< text of the tokens, in order, without gaps
  ADZE_TT_TOKEN_KINDS,   ///< uint8 [vocabulary]
  ADZE_TT_TOKEN_SCORES,  ///< float [vocabulary]; unigram only
  ADZE_TT_TOKEN_RANKS,   ///< uint32 [vocabulary], 0 merges first; SPM BPE only
  ADZE_TT_TOKEN_HASH,    ///< adze_tt_slot [a power of two]
  ADZE_TT_MERGE_OFFSETS, ///< uint32 [vocabulary + 1] into MERGES, by left id
  ADZE_TT_MERGES,        ///< adze_tt_merge, ascending by right id per left id
  ADZE_TT_BYTE_TOKENS,   ///< int32 [256], -1 where the vocabulary has none
  ADZE_TT_ADDED,         ///< adze_tt_added: raw ones, then normalised ones,
                         ///< each part ascending by text
  ADZE_TT_USER_SYMBOLS,  ///< adze_tt_added ascending by text: pieces that a
                         ///< SentencePiece model never takes apart
  ADZE_TT_STEPS,         ///< adze_tt_step: normaliser, then pre-tokenizer
  ADZE_TT_DECODER_STEPS, ///< adze_tt_step: REPLACE_TEXT, for each token
  ADZE_TT_PATTERNS,      ///< adze_tt_pattern
  ADZE_TT_INSTRUCTIONS,  ///< adze_tt_instruction
  ADZE_TT_SETS,          ///< adze_tt_set
  ADZE_TT_RANGES,        ///< adze_tt_range, ascending and disjoint per set
  ADZE_TT_STRINGS,       ///< bytes that the entries above refer to
  ADZE_TT_PREFIX_IDS,    ///< int32: put before a text
  ADZE_TT_SUFFIX_IDS,    ///< int32: put after a text
  ADZE_TT_STOP_IDS,      ///< int32, ascending: end of generation
  ADZE_TT_CHAT_TEMPLATE, ///< bytes, as the checkpoint ships it
  ADZE_TT_CHARSMAP_TRIE, ///< uint32: double array of SentencePiece
  ADZE_TT_CHARSMAP_TEXT, ///< zero terminated replacements of the trie
  ADZE_TT_UNKNOWN_TEXT,  ///< what decoding writes for an UNKNOWN token; empty:
                         ///< its own text, as a control token
  ADZE_TT_SECTION_COUNT
};

typedef struct adze_tt_section {
  uint32_t offset; ///< from the start of the table, a multiple of 8
  uint32_t bytes;
} adze_tt_section;

typedef struct adze_tt_header {
  uint32_t magic;
  uint32_t version;
  uint64_t size; ///< of the whole table
  uint32_t model;
  uint32_t flags;
  uint32_t vocabulary_size;
  uint32_t longest_token;     ///< bytes of the longest token in TOKEN_HASH
  int32_t bos, eos, unk, pad; ///< -1 where there is none
  uint32_t raw_added;         ///< entries of ADDED matched in the raw text
  uint32_t normalizer_steps;  ///< entries of STEPS that normalise
  /// Spaces taken off the start of a decoded text at most.
  uint32_t decode_strip;
  uint32_t longest_probe; ///< slots to look at in TOKEN_HASH at most
  float unknown_score;    ///< of one unknown character; unigram only
  float user_score;       ///< per byte of a USER token; unigram only
  adze_tt_section sections[ADZE_TT_SECTION_COUNT];
} adze_tt_header;

/// Sections of the extension. Readers take those that they know.
enum {
  ADZE_TT_CHAT_PROGRAMS, ///< adze_chat_header and what follows it
  ADZE_TT_EXTENSION_COUNT
};

typedef struct adze_tt_extension {
  uint32_t section_count;
  uint32_t reserved;
  adze_tt_section sections[ADZE_TT_EXTENSION_COUNT];
} adze_tt_extension;

/// Open addressing from `adze_tt_hash(text) & (slots - 1)`, linear probing.
typedef struct adze_tt_slot {
  uint32_t hash;
  uint32_t token; ///< id + 1; 0 is an empty slot
} adze_tt_slot;

typedef struct adze_tt_merge {
  uint32_t right, rank, result;
} adze_tt_merge;

/// Bytes of STRINGS.
typedef struct adze_tt_string {
  uint32_t offset, length;
} adze_tt_string;

enum {
  /// A control token: found only with ADZE_TEXT_PARSE_SPECIAL.
  ADZE_TT_ADDED_SPECIAL = 1,
  /// Takes the white space before (after) it along.
  ADZE_TT_ADDED_LSTRIP = 2,
  ADZE_TT_ADDED_RSTRIP = 4
};

typedef struct adze_tt_added {
  adze_tt_string text;
  uint32_t id;
  uint32_t flags;
} adze_tt_added;

/// Steps of normaliser, pre-tokenizer and decoder.
enum {
  /// Puts text `a` before a text that is not empty.
  ADZE_TT_PREPEND = 1,
  /// Replaces each text `a` by `b`; each match of `pattern` by `b`.
  ADZE_TT_REPLACE_TEXT = 2,
  ADZE_TT_REPLACE_PATTERN = 3,
  /// Unicode normal form: `argument` is one of ADZE_TT_NFC and so on.
  ADZE_TT_NORMAL_FORM = 4,
  /// Drops white space: `argument` bit 0 at the start, bit 1 at the end.
  ADZE_TT_STRIP = 5,
  /// SentencePiece: character map, then spaces; `argument` as ADZE_TT_SPM_*.
  ADZE_TT_SPM_NORMALIZE = 6,
  /// Splits pieces at `pattern`; `argument` is a behaviour, plus
  /// ADZE_TT_SPLIT_INVERT.
  ADZE_TT_SPLIT = 7,
  /// Puts `a` before a piece that does not begin with it; `argument` 1: only
  /// before the piece at the very start of the text.
  ADZE_TT_ENSURE_PREFIX = 8
};

enum { ADZE_TT_NFC, ADZE_TT_NFD, ADZE_TT_NFKC, ADZE_TT_NFKD };

enum {
  ADZE_TT_SPM_DUMMY_PREFIX = 1,
  ADZE_TT_SPM_REMOVE_EXTRA = 2,
  ADZE_TT_SPM_ESCAPE = 4
};

/// What happens to the text of a match, in the terms of Hugging Face.
enum {
  ADZE_TT_SPLIT_ISOLATED,
  ADZE_TT_SPLIT_REMOVED,
  ADZE_TT_SPLIT_MERGED_WITH_PREVIOUS,
  ADZE_TT_SPLIT_MERGED_WITH_NEXT,
  ADZE_TT_SPLIT_CONTIGUOUS,
  ADZE_TT_SPLIT_INVERT = 16 ///< added: what is between the matches is meant
};

typedef struct adze_tt_step {
  uint32_t operation;
  uint32_t argument;
  uint32_t pattern;
  uint32_t reserved;
  adze_tt_string a, b;
} adze_tt_step;

/// A pattern is a program that backtracks. Instructions go forward only
/// (next and other are greater than their own index), so that every program
/// ends; loops exist only inside RUN, over one set of characters.
typedef struct adze_tt_pattern {
  uint32_t first, count;
} adze_tt_pattern;

enum {
  ADZE_TT_MATCH = 1,
  /// `minimum` to `maximum` characters of `set`, then `next`.
  ADZE_TT_RUN = 2,
  /// `next`; if that fails, `other`.
  ADZE_TT_ALTERNATIVE = 3,
  /// A character of `set` follows (for ADZE_TT_NEGATED: none does).
  ADZE_TT_LOOKAHEAD = 4,
  ADZE_TT_LINE_BEGIN = 5,
  ADZE_TT_LINE_END = 6,
  /// `next`, nothing else.
  ADZE_TT_JUMP = 7
};

/// Flags of instructions; a run is greedy unless it says otherwise.
enum { ADZE_TT_LAZY = 1, ADZE_TT_POSSESSIVE = 2, ADZE_TT_NEGATED = 4 };

typedef struct adze_tt_instruction {
  uint32_t operation;
  uint32_t flags;
  uint32_t set;
  uint32_t minimum, maximum;
  uint32_t next, other; ///< relative to the pattern's first instruction
} adze_tt_instruction;

/// A character is in the set if it is in a range, or its general category is
/// in `categories`, or it is white space and WITH_SPACE is set, or it is none
/// and WITH_NON_SPACE is set; COMPLEMENT turns the answer round.
enum {
  ADZE_TT_SET_COMPLEMENT = 1,
  ADZE_TT_SET_WITH_SPACE = 2,
  ADZE_TT_SET_WITH_NON_SPACE = 4
};

/// Bits of `categories`, in the order of the Unicode Character Database.
enum {
  ADZE_TT_CN,
  ADZE_TT_LU,
  ADZE_TT_LL,
  ADZE_TT_LT,
  ADZE_TT_LM,
  ADZE_TT_LO,
  ADZE_TT_MN,
  ADZE_TT_MC,
  ADZE_TT_ME,
  ADZE_TT_ND,
  ADZE_TT_NL,
  ADZE_TT_NO,
  ADZE_TT_PC,
  ADZE_TT_PD,
  ADZE_TT_PS,
  ADZE_TT_PE,
  ADZE_TT_PI,
  ADZE_TT_PF,
  ADZE_TT_PO,
  ADZE_TT_SM,
  ADZE_TT_SC,
  ADZE_TT_SK,
  ADZE_TT_SO,
  ADZE_TT_ZS,
  ADZE_TT_ZL,
  ADZE_TT_ZP,
  ADZE_TT_CC,
  ADZE_TT_CF,
  ADZE_TT_CS,
  ADZE_TT_CO,
  ADZE_TT_CATEGORY_COUNT
};

typedef struct adze_tt_set {
  uint32_t flags;
  uint32_t categories;
  uint32_t first_range, range_count;
} adze_tt_set;

typedef struct adze_tt_range {
  uint32_t low, high; ///< both included
} adze_tt_range;

/// FNV-1a with a final mix; extending a text by bytes extends the state.
#define ADZE_TT_HASH_START 2166136261u
static inline uint32_t adze_tt_hash_extend(uint32_t state, uint8_t byte) {
  return (state ^ byte) * 16777619u;
}
static inline uint32_t adze_tt_hash_finish(uint32_t state) {
  state ^= state >> 15;
  state *= 0x2C1B3C6Du;
  return state ^ state >> 13;
}

#endif // ADZE_TEXT_TABLE_H
