// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Chat templates as the text table holds them: the syntax trees of all
// templates of a model, in the section ADZE_TT_CHAT_PROGRAMS of the extension
// (adze/text_table.h). The compiler writes it (frontend/tokenizers),
// libadze_text walks it. A part of the format of the text table: numbers are
// only added at the end of a list.
//
//   adze_chat_header | programs | nodes | links | strings | bytes
//
// Nodes stand after their children, so that no reader can be led in circles.

#ifndef ADZE_CHAT_PROGRAM_H
#define ADZE_CHAT_PROGRAM_H

#include <stdint.h>

#define ADZE_CHAT_NONE 0xFFFFFFFFu
/// How deep a template may nest, as written.
#define ADZE_CHAT_MAX_DEPTH 400u

typedef struct adze_chat_header {
  uint32_t program_count, node_count, link_count, string_count, byte_count;
  uint32_t reserved[3];
} adze_chat_header;

/// One template. `problem` is a string where it could not be compiled.
typedef struct adze_chat_program {
  uint32_t name;    ///< string; "default" for the only one
  uint32_t root;    ///< node, or ADZE_CHAT_NONE
  uint32_t problem; ///< string, or ADZE_CHAT_NONE
  uint32_t reserved;
} adze_chat_program;

typedef struct adze_chat_node {
  uint32_t operation;
  uint32_t line;
  uint32_t operands[5];
} adze_chat_node;

typedef struct adze_chat_string {
  uint32_t offset, length;
} adze_chat_string;

/// X(name, operands), one letter per operand:
///   N node   M node or NONE   S string   I a number
///   L list of nodes (or NONE in it): index of a link that holds the length,
///     the entries follow
///   K the same, of pairs of a string and a node
///   C the same, of pairs of a comparison and a node
#define ADZE_CHAT_OPERATIONS(X)                                                \
  /* Expressions. */                                                           \
  X(CONSTANT, "I") /* ADZE_CHAT_CONSTANT_* */                                  \
  X(INTEGER, "II") /* low and high half */                                     \
  X(FLOAT, "II")                                                               \
  X(STRING, "S")                                                               \
  X(NAME, "S")                                                                 \
  X(LIST, "L")                                                                 \
  X(TUPLE, "L")                                                                \
  X(DICT, "L") /* key, value, key, value ... */                                \
  X(ATTRIBUTE, "NS")                                                           \
  X(ITEM, "NN")                                                                \
  X(SLICE, "MMM")                                                              \
  X(CALL, "NLK")                                                               \
  X(FILTER, "MILK") /* without input: of a block's text */                     \
  X(TEST, "NILK")                                                              \
  X(NOT, "N")                                                                  \
  X(NEGATE, "N")                                                               \
  X(PLUS, "N")                                                                 \
  X(AND, "NN")                                                                 \
  X(OR, "NN")                                                                  \
  X(ADD, "NN")                                                                 \
  X(SUBTRACT, "NN")                                                            \
  X(MULTIPLY, "NN")                                                            \
  X(DIVIDE, "NN")                                                              \
  X(FLOOR_DIVIDE, "NN")                                                        \
  X(MODULO, "NN")                                                              \
  X(POWER, "NN")                                                               \
  X(CONCATENATE, "L")                                                          \
  X(COMPARE, "NC")                                                             \
  X(CONDITIONAL, "NNM") /* condition, value, else */                           \
  X(NAMESPACE_TARGET, "SS")                                                    \
  /* Statements. */                                                            \
  X(TEXT, "S")                                                                 \
  X(PRINT, "N")                                                                \
  X(BLOCK, "L")                                                                \
  X(IF, "NNM")                                                                 \
  X(FOR, "NNMNM") /* target, iterable, condition, body, else */                \
  X(SET, "NN")                                                                 \
  X(SET_BLOCK, "NMN") /* target, filter, body */                               \
  X(MACRO, "SLLN")    /* name, parameters, their defaults, body */             \
  X(CALL_BLOCK, "NLLN")                                                        \
  X(FILTER_BLOCK, "NN")                                                        \
  X(WITH, "LLN")                                                               \
  X(SCOPE, "N")                                                                \
  X(BREAK, "")                                                                 \
  X(CONTINUE, "")

enum {
#define ADZE_CHAT_X(name, operands) ADZE_CHAT_##name,
  ADZE_CHAT_OPERATIONS(ADZE_CHAT_X)
#undef ADZE_CHAT_X
      ADZE_CHAT_OPERATION_COUNT
};

enum {
  ADZE_CHAT_CONSTANT_NONE,
  ADZE_CHAT_CONSTANT_FALSE,
  ADZE_CHAT_CONSTANT_TRUE
};

enum {
  ADZE_CHAT_EQ,
  ADZE_CHAT_NE,
  ADZE_CHAT_LT,
  ADZE_CHAT_LE,
  ADZE_CHAT_GT,
  ADZE_CHAT_GE,
  ADZE_CHAT_IN,
  ADZE_CHAT_NOT_IN,
  ADZE_CHAT_COMPARISON_COUNT
};

/// X(name, text): the filters of Jinja that templates may use.
#define ADZE_CHAT_FILTERS(X)                                                   \
  X(ABS, "abs")                                                                \
  X(ATTR, "attr")                                                              \
  X(BATCH, "batch")                                                            \
  X(CAPITALIZE, "capitalize")                                                  \
  X(COUNT, "count")                                                            \
  X(D, "d")                                                                    \
  X(DEFAULT, "default")                                                        \
  X(DICTSORT, "dictsort")                                                      \
  X(E, "e")                                                                    \
  X(ESCAPE, "escape")                                                          \
  X(FIRST, "first")                                                            \
  X(FLOAT, "float")                                                            \
  X(INDENT, "indent")                                                          \
  X(INT, "int")                                                                \
  X(ITEMS, "items")                                                            \
  X(JOIN, "join")                                                              \
  X(LAST, "last")                                                              \
  X(LENGTH, "length")                                                          \
  X(LIST, "list")                                                              \
  X(LOWER, "lower")                                                            \
  X(MAP, "map")                                                                \
  X(MAX, "max")                                                                \
  X(MIN, "min")                                                                \
  X(REJECT, "reject")                                                          \
  X(REJECTATTR, "rejectattr")                                                  \
  X(REPLACE, "replace")                                                        \
  X(REVERSE, "reverse")                                                        \
  X(ROUND, "round")                                                            \
  X(SAFE, "safe")                                                              \
  X(SELECT, "select")                                                          \
  X(SELECTATTR, "selectattr")                                                  \
  X(SORT, "sort")                                                              \
  X(STRING, "string")                                                          \
  X(SUM, "sum")                                                                \
  X(TITLE, "title")                                                            \
  X(TOJSON, "tojson")                                                          \
  X(TRIM, "trim")                                                              \
  X(UNIQUE, "unique")                                                          \
  X(UPPER, "upper")                                                            \
  X(WORDCOUNT, "wordcount")

enum {
#define ADZE_CHAT_X(name, text) ADZE_CHAT_FILTER_##name,
  ADZE_CHAT_FILTERS(ADZE_CHAT_X)
#undef ADZE_CHAT_X
      ADZE_CHAT_FILTERS_END
};

#define ADZE_CHAT_TESTS(X)                                                     \
  X(BOOLEAN, "boolean")                                                        \
  X(CALLABLE, "callable")                                                      \
  X(DEFINED, "defined")                                                        \
  X(DIVISIBLEBY, "divisibleby")                                                \
  X(EQ, "eq")                                                                  \
  X(EQUALTO, "equalto")                                                        \
  X(EVEN, "even")                                                              \
  X(FALSE, "false")                                                            \
  X(FLOAT, "float")                                                            \
  X(GE, "ge")                                                                  \
  X(GT, "gt")                                                                  \
  X(GREATERTHAN, "greaterthan")                                                \
  X(IN, "in")                                                                  \
  X(INTEGER, "integer")                                                        \
  X(ITERABLE, "iterable")                                                      \
  X(LE, "le")                                                                  \
  X(LESSTHAN, "lessthan")                                                      \
  X(LOWER, "lower")                                                            \
  X(LT, "lt")                                                                  \
  X(MAPPING, "mapping")                                                        \
  X(NE, "ne")                                                                  \
  X(NONE, "none")                                                              \
  X(NUMBER, "number")                                                          \
  X(ODD, "odd")                                                                \
  X(SAMEAS, "sameas")                                                          \
  X(SEQUENCE, "sequence")                                                      \
  X(STRING, "string")                                                          \
  X(TRUE, "true")                                                              \
  X(UNDEFINED, "undefined")                                                    \
  X(UPPER, "upper")

enum {
#define ADZE_CHAT_X(name, text) ADZE_CHAT_TEST_##name,
  ADZE_CHAT_TESTS(ADZE_CHAT_X)
#undef ADZE_CHAT_X
      ADZE_CHAT_TESTS_END
};

#endif // ADZE_CHAT_PROGRAM_H
