// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Names of weight formats as command lines and weight tables spell them.
#ifndef ADZE_DIALECT_ADZE_FORMATNAME_H
#define ADZE_DIALECT_ADZE_FORMATNAME_H

#include "adze/Dialect/Adze/Adze.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace adze {

/// The format that `name` stands for: what getFormatName() of any format gives,
/// and shorter spellings of it.
///
///   f32 f16 bf16        elements as they are
///   int8[:gN]           a scale per row, or per group of N
///   int4[:gN]           groups of 128 if N is not given; g0: a scale per row
///   int3[:gN]           the same with 3 bits, in the space of int4
///     [:f32|:f16|:bf16]   how scales are stored
///     [:zp]               with zero points
///   q4_0 q8_0 q4_k ...  blocks of GGUF files
///
/// The error says what is accepted.
llvm::Expected<FormatAttrInterface> parseFormatName(llvm::StringRef name,
                                                    mlir::MLIRContext *context);

/// What parseFormatName accepts for weights that are to be converted, for
/// messages and help texts.
inline constexpr llvm::StringLiteral kFormatNames =
    "f32, f16, bf16, int8[:gN], int4[:gN], int3[:gN] (then :f32, :f16 or :bf16 "
    "for the scales, :zp for zero points)";

/// Whether `pattern`, with * and ?, is `tensor`, or `tensor` without the
/// ".weight" that nearly all end in. What a pass made of a tensor of the
/// checkpoint goes by the name of that.
bool matchesTensor(llvm::StringRef pattern, llvm::StringRef tensor);

/// One of "PATTERN=VALUE,..."; a VALUE alone is for all ("*").
struct RuleText {
  llvm::StringRef text, pattern, value;
};
/// The error shows `example`.
llvm::Expected<std::vector<RuleText>> splitRules(llvm::StringRef text,
                                                 llvm::StringRef example);

/// A part of a command line's choice of formats: tensors whose name matches
/// `pattern` get `format`.
struct FormatRule {
  std::string text;    ///< as it was written
  std::string pattern; ///< with * and ?
  FormatAttrInterface format;

  bool matches(llvm::StringRef tensor) const {
    return matchesTensor(pattern, tensor);
  }
};

/// Reads "lm_head=int8,*=int4:g128": rules in the order in which they apply, or
/// one format for all. Formats that nothing can be converted to (those of GGUF
/// files) are errors.
llvm::Expected<std::vector<FormatRule>>
parseFormatRules(llvm::StringRef text, mlir::MLIRContext *context);

} // namespace adze

#endif // ADZE_DIALECT_ADZE_FORMATNAME_H
