// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Machine code of an object file or shared object as text, by LLVM's own
// disassembler, and the questions that tests ask of it.
#ifndef ADZE_TEST_CODEGEN_KERNELS_DISASSEMBLY_H
#define ADZE_TEST_CODEGEN_KERNELS_DISASSEMBLY_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <optional>
#include <string>
#include <vector>

namespace adze::test {

struct Instruction {
  uint64_t address;
  std::string text; // Intel syntax, such as "vaddps zmm0, zmm1, zmm2"
  std::optional<uint64_t> target; // of a direct branch
};

struct Function {
  std::string name;
  std::vector<Instruction> instructions;
};

/// All functions of an x86-64 ELF file, with every feature known to the
/// disassembler, so that nothing hides as data. An undecodable byte is an
/// error.
llvm::Expected<std::vector<Function>> disassemble(llvm::StringRef elf);

/// Instructions whose text matches `pattern` (a regular expression), each as
/// "function: text".
std::vector<std::string> findInstructions(const std::vector<Function> &code,
                                          llvm::StringRef pattern);

/// As findInstructions, of those inside loops (code between a backward branch
/// and its target) in functions whose name matches `functions`.
std::vector<std::string> findInLoops(const std::vector<Function> &code,
                                     llvm::StringRef functions,
                                     llvm::StringRef pattern);

/// Moves of vector and tile registers to or from the stack inside loops.
std::vector<std::string>
findVectorSpillsInLoops(const std::vector<Function> &code,
                        llvm::StringRef functions);

/// Ways out of functions that configure tiles (ldtilecfg), with no tilerelease
/// on the straight line before them.
std::vector<std::string>
findReturnsWithTiles(const std::vector<Function> &code);

} // namespace adze::test

#endif // ADZE_TEST_CODEGEN_KERNELS_DISASSEMBLY_H
