/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The descriptor of the pretend decoder, byte by byte as adze/abi.h says it;
 * the hash is filled in by set-hash.py. Code references are differences of
 * symbols, so that nothing has to be relocated. */

#if defined(FAKE_ABI_MAJOR)
#define MAJOR FAKE_ABI_MAJOR
#else
#define MAJOR 1
#endif

    .section .adze.desc,"a",%progbits
    .balign 64
    .globl adze_model_desc
    .type adze_model_desc,%object
adze_model_desc:
    .asciz "ADZEMDL"
    .4byte MAJOR, 0
    .8byte desc_end - adze_model_desc
    .8byte weights_end - weights_begin
    .fill 32, 1, 0

    .macro table tag, name
    .balign 8
    .4byte \tag, 0
    .8byte \name\()_end - \name
\name:
    .endm

    table 1, strings
s_empty: .asciz ""
s_magic: .asciz "wish+magic"
s_base: .asciz "base"
s_other: .asciz "other"
s_triple: .asciz "any"
s_step: .asciz "step"
s_hidden: .asciz "hidden"
s_scale: .asciz "scale"
s_T: .asciz "T"
s_R: .asciz "R"
s_S: .asciz "S"
s_S1: .asciz "S1"
s_P: .asciz "P"
s_N: .asciz "N"
s_tokens: .asciz "tokens"
s_positions: .asciz "positions"
s_seqs: .asciz "seqs"
s_row_begin: .asciz "row_begin"
s_pages: .asciz "pages"
s_rows: .asciz "rows"
s_logits: .asciz "logits"
s_x: .asciz "x"
s_w: .asciz "w"
s_y: .asciz "y"
s_kv: .asciz "kv"
s_w0: .asciz "model.a.weight"
s_w1: .asciz "model.b.weight"
s_f32: .asciz "f32"
strings_end:

    .macro string at
    .4byte \at - strings
    .endm

    table 2, variants
    .8byte 0, 0x8000000000000000
    string s_magic
    string s_triple
    .8byte 0, 0
    string s_base
    string s_triple
    .8byte 0, 0
    string s_other
    string s_triple
variants_end:

    .macro entry name, n_args, args0, n_states, n_symbols, symbols0
    string \name
    .4byte 1, \n_args, \args0, 1, \n_states, 0, \n_symbols, \symbols0, 0
    .endm
    table 3, entries
    entry s_step, 7, 0, 1, 5, 0
    entry s_hidden, 7, 7, 1, 5, 0
    entry s_scale, 3, 14, 0, 1, 5
entries_end:

    .macro arg name, dtype, rank, dims0
    string \name
    .2byte \dtype, 0
    .4byte \rank, \dims0
    .endm
    table 4, args
    arg s_tokens, 7, 1, 0
    arg s_positions, 7, 1, 0
    arg s_seqs, 7, 1, 0
    arg s_row_begin, 7, 1, 1
    arg s_pages, 7, 2, 2
    arg s_rows, 7, 1, 4
    arg s_logits, 1, 2, 4
    arg s_tokens, 7, 1, 0
    arg s_positions, 7, 1, 0
    arg s_seqs, 7, 1, 0
    arg s_row_begin, 7, 1, 1
    arg s_pages, 7, 2, 2
    arg s_rows, 7, 1, 4
    arg s_hidden, 1, 2, 6
    arg s_x, 1, 2, 8
    arg s_w, 1, 1, 9
    arg s_y, 1, 2, 8
args_end:

    /* ~0 T, ~1 R, ~2 S, ~3 S1, ~4 P */
    table 5, dims
    .8byte -1
    .8byte -4
    .8byte -3, -5
    .8byte -2, 64
    .8byte -2, 8
    .8byte -1, 4
dims_end:

    table 6, symbols
    string s_T
    string s_R
    string s_S
    string s_S1
    string s_P
    string s_N
symbols_end:

    table 7, states
    string s_kv
    .4byte 1, 1, 1, 1, 1
    .8byte 512
states_end:

    /* arena: 8 bytes per logit row and 64 per thread */
    .macro code function
    .8byte \function - adze_model_desc
    .8byte 0, 64
    .8byte 0, 8, 0, 0, 0, 0, 0, 0
    .endm
    table 8, codes
    code fake_step
    code fake_hidden
    code fake_scale
    code fake_step
    code fake_hidden
    code fake_scale
    code fake_step_other
    code fake_hidden
    code fake_scale
codes_end:

    table 9, weight_rows
    string s_w0
    string s_f32
    string s_w0
    .4byte 0xffffffff
    .8byte 1, 16, 0, 64
    .8byte 0, 0 /* filled in by set-hash.py */
    string s_w1
    string s_f32
    string s_w1
    .4byte 0
    .8byte 1, 4, 64, 16
    .8byte 0, 0
weight_rows_end:

    table 11, meta
    .ascii "{\"architecture\": \"Fake\\u0044ecoder\", \"context\": 2048, "
    .ascii "\"vocab\": 64, \"hidden\": 8, \"layers\": 1, \"eos\": [2, 61], "
    .ascii "\"nested\": {\"context\": 7, \"list\": [1, [2, {}]]}}"
meta_end:

    /* a table from the future that may be skipped */
    table 4242, future
    .ascii "hello"
future_end:
    .balign 8
desc_end:

    .section .adze.weights,"",%progbits
    .balign 4096
weights_begin:
    .4byte 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    .4byte 0x3f800000, 0x40000000, 0x40400000, 0x40800000 /* 1 2 3 4 */
    .fill 48, 1, 0
weights_end:

    .section .note.GNU-stack,"",%progbits
