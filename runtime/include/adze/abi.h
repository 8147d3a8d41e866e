/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The artefact ABI: the one header that the compiler (which writes artefacts)
 * and the runtime (which opens them) share. C11, little endian, 64 bit.
 *
 * An artefact is an ELF shared object. It carries
 *   .adze.desc     allocated, read only: adze_model_desc and its tables
 *   .text ...      the code of every variant
 *   .adze.weights  not allocated, page aligned in the file: the packed weights,
 *                  mapped by offset and never touched by the dynamic loader
 * and exports exactly one symbol, adze_model_desc. Its undefined symbols are
 * at most memcpy, memmove and memset; all else goes through adze_frame.rt.
 *
 * Growth: structs only grow at their end, tables are tagged and length
 * prefixed, an unknown tag is skipped unless ADZE_TABLE_MUST_UNDERSTAND is set.
 * abi_major changes when an old runtime could misread a new artefact.
 *
 * References inside the descriptor
 *   code    int64, target address - address of adze_model_desc: a link-time
 *           constant, so that an artefact has no dynamic relocation
 *   string  uint32 offset into the STRINGS table (NUL-terminated UTF-8)
 *   weight  uint64 offset into .adze.weights
 */
#ifndef ADZE_ABI_H
#define ADZE_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ADZE_ABI_MAGIC "ADZEMDL" /* 7 characters and the NUL */
#define ADZE_ABI_MAJOR 1u
#define ADZE_ABI_MINOR 0u
#define ADZE_DESC_SYMBOL "adze_model_desc"
#define ADZE_DESC_SECTION ".adze.desc"
#define ADZE_WEIGHTS_SECTION ".adze.weights"
#define ADZE_WEIGHTS_ALIGN 4096u /* file alignment of .adze.weights */
#define ADZE_TENSOR_ALIGN 64u    /* alignment of each tensor inside it */

/* Positions per KV page, and per attention chunk. A chunk is softmaxed alone
 * and chunks are merged in ascending order: part of the summation order, hence
 * of the ABI and not of a variant. */
#define ADZE_KV_PAGE_POSITIONS 64u
#define ADZE_ATTENTION_CHUNK 256u

/* CPU features an x86-64 variant may need: bits of adze_variant.need[0]. */
enum adze_x86_feature {
  ADZE_X86_AVX2 = 1u << 0,     /* AVX2 and FMA and F16C */
  ADZE_X86_AVX512 = 1u << 1,   /* F, BW, DQ, VL, CD */
  ADZE_X86_VNNI512 = 1u << 2,  /* AVX512_VNNI */
  ADZE_X86_BF16_512 = 1u << 3, /* AVX512_BF16 */
  ADZE_X86_AVX_VNNI = 1u << 4,
  ADZE_X86_VBMI2 = 1u << 5,
  ADZE_X86_AMX = 1u << 6
};

/* The same for an aarch64 variant. Code for SVE is made for one vector length:
 * its bit is set where the running thread's length is that one. */
enum adze_arm_feature {
  ADZE_ARM_DOTPROD = 1u << 0,
  ADZE_ARM_I8MM = 1u << 1,
  ADZE_ARM_BF16 = 1u << 2,
  ADZE_ARM_SVE = 1u << 3,
  ADZE_ARM_SVE_256 = 1u << 4, /* vectors of 256 bits */
  ADZE_ARM_SVE_512 = 1u << 5
};

/* The descriptor: this header, then tables up to `size`. Each table starts on
 * an 8-byte boundary. */
typedef struct adze_model_desc {
  char magic[8];
  uint32_t abi_major, abi_minor;
  uint64_t size;          /* bytes, this header included */
  uint64_t weights_bytes; /* size of .adze.weights; 0: weights are elsewhere */
  uint8_t hash[32]; /* SHA-256 of the file without these 32 bytes and without
                       .adze.weights; all zero: not hashed (static linking) */
} adze_model_desc;

enum adze_table_tag {
  ADZE_TABLE_STRINGS = 1,  /* bytes */
  ADZE_TABLE_VARIANTS = 2, /* adze_variant[], best first */
  ADZE_TABLE_ENTRIES = 3,  /* adze_entry[] */
  ADZE_TABLE_ARGS = 4,     /* adze_arg[] */
  ADZE_TABLE_DIMS = 5,     /* int64[]: >= 0 a constant, < 0 the symbol ~dim */
  ADZE_TABLE_SYMBOLS = 6,  /* uint32[]: name of each symbol (string) */
  ADZE_TABLE_STATES = 7,   /* adze_state[] */
  ADZE_TABLE_CODE = 8,     /* adze_entry_code[]: variant-major, entry-minor */
  ADZE_TABLE_WEIGHTS = 9,  /* adze_weight_row[] */
  ADZE_TABLE_TEXT = 10,    /* tokenizer, see adze/text_table.h */
  ADZE_TABLE_META = 11,    /* UTF-8 JSON: architecture, sizes, compiler ... */
  ADZE_TABLE_PROOF = 12,   /* UTF-8 JSON: what compression cost */
  ADZE_TABLE_SCHEDULE = 13 /* UTF-8 JSON: the launches of a step, and why */
};
#define ADZE_TABLE_MUST_UNDERSTAND 1u
/* flags >> 16: bytes per row of a table of structs, so that rows can grow at
 * their end too; 0: the size that this header gives the row. */
#define ADZE_TABLE_ROW_SHIFT 16
#define ADZE_MAX_SYMBOLS 8u /* of one entry */

typedef struct adze_table {
  uint32_t tag, flags;
  uint64_t bytes; /* of the payload that follows; padded to 8 in the file */
} adze_table;

typedef struct adze_variant {
  uint64_t need[2]; /* CPU features, all must be present */
  uint32_t name;    /* string, such as "x86-64-v4+bf16" */
  uint32_t triple;  /* string: target family */
} adze_variant;

/* bytes(symbols) = constant + sum over symbols of per_symbol * value
 *                + per_thread * threads */
typedef struct adze_affine {
  int64_t constant, per_thread;
  int64_t per_symbol[8]; /* by the entry's own symbol order, first 8 symbols */
} adze_affine;

enum adze_entry_kind {
  ADZE_ENTRY_CPU_SPMD = 1, /* every thread calls code(tid, frame) */
  ADZE_ENTRY_HOST_LAUNCH = 2
};

typedef struct adze_entry {
  uint32_t name, kind;
  uint32_t n_args, args0;       /* into ARGS; inputs first, then results */
  uint32_t n_results;           /* the last n_results of the args */
  uint32_t n_states, states0;   /* into STATES */
  uint32_t n_symbols, symbols0; /* into SYMBOLS */
  uint32_t pad;
} adze_entry;

typedef struct adze_entry_code {
  int64_t code;      /* code reference to an adze_entry_fn */
  adze_affine arena; /* bytes of adze_frame.arena this variant needs */
} adze_entry_code;

enum adze_dtype {
  ADZE_F32 = 1,
  ADZE_F16 = 2,
  ADZE_BF16 = 3,
  ADZE_F64 = 4,
  ADZE_I8 = 5,
  ADZE_I16 = 6,
  ADZE_I32 = 7,
  ADZE_I64 = 8,
  ADZE_U8 = 9,
  ADZE_BOOL = 10
};
enum adze_space { ADZE_SPACE_HOST = 0, ADZE_SPACE_DEVICE = 1 };

typedef struct adze_arg {
  uint32_t name;
  uint16_t dtype, space;
  uint32_t rank, dims0; /* into DIMS; row-major, dense */
} adze_arg;

enum adze_state_kind { ADZE_STATE_KV_PAGES = 1 };

/* A pool of KV pages. Page p of the pool starts at base + p * page_bytes and
 * holds ADZE_KV_PAGE_POSITIONS positions of every layer:
 *   [layer][kv head][K block | V block], both blocks padded to 64 bytes.
 * What is inside a block is between the emitted kernels of one artefact. A page
 * is zeroed before it is used again. */
typedef struct adze_state {
  uint32_t name, kind;
  uint32_t dtype, layers, heads, head_dim;
  uint64_t page_bytes;
} adze_state;

typedef struct adze_weight_row {
  uint32_t name, format; /* strings: tensor as packed, and its format */
  uint32_t source;       /* string: checkpoint tensor(s) it was made from */
  uint32_t layer;        /* layer index, or ~0u */
  uint64_t rows, cols;   /* logical shape */
  uint64_t offset, bytes;
  uint8_t hash[16]; /* XXH64 of the packed bytes (seed 0) in the first 8 */
} adze_weight_row;

/* ------------------------------------------------------------------------ */
/* The frame: all that emitted code is given.                               */

struct adze_frame;

/* The whole list of what emitted code may call. */
typedef struct adze_rt {
  uint32_t size;
  uint32_t pad;
  /* Returns when every thread of the frame has called it. Release/acquire: what
   * a thread wrote before is seen by all after. */
  void (*barrier)(struct adze_frame *, uint32_t tid);
  /* Values out of the middle of a model (adze.tap). */
  void (*tap)(struct adze_frame *, const char *name, const float *data,
              int64_t rows, int64_t cols);
} adze_rt;

typedef struct adze_frame {
  uint32_t size, nthreads;
  const int64_t *sym;     /* values of the entry's symbols, in order */
  void *const *arg;       /* in the entry's order */
  void *const *state;     /* base address of each state */
  const uint8_t *weights; /* .adze.weights as mapped */
  uint8_t *arena;         /* 64-byte aligned, arena(symbols, nthreads) bytes */
  const adze_rt *rt;
  const volatile uint32_t *stop; /* non-zero: return at the next phase; every
                                    thread reads it through the barrier's
                                    broadcast in `stopped` */
  volatile uint32_t stopped; /* set by the barrier, same for all threads after
                                it: the value of *stop seen by thread 0 */
  uint32_t pad;
  void *sync; /* the runtime's, for barrier */
} adze_frame;

/* Returns 0 when the entry ran to its end, 1 when it stopped early (stop). */
typedef int32_t (*adze_entry_fn)(uint32_t tid, adze_frame *);

/* The arguments of the entry `step` of a decoder, symbols T R S P:
 *   tokens     i32[T]     token of each row
 *   positions  i32[T]     its position in its sequence
 *   seqs       i32[T]     its sequence, 0 <= . < S
 *   row_begin  i32[S+1]   rows of sequence s: row_begin[s] .. row_begin[s+1],
 *                         consecutive positions; dims (S1 = S + 1 is a symbol
 *                         of its own so that a dimension stays a symbol)
 *   pages      i32[S][P]  pool page of each 64 positions of each sequence
 *   rows       i32[R]     the rows whose logits are asked for
 *   logits     f32[R][V]  result
 * symbols, in order: T, R, S, S1, P. State 0 is the KV pool.
 * Entry `hidden` is the same with hidden f32[R][H] (after the final norm). */

#ifdef __cplusplus
}
#endif
#endif /* ADZE_ABI_H */
