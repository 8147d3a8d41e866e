// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Disassembly.h"
#include "llvm/MC/MCAsmInfo.h"
#include "llvm/MC/MCContext.h"
#include "llvm/MC/MCDisassembler/MCDisassembler.h"
#include "llvm/MC/MCInstPrinter.h"
#include "llvm/MC/MCInstrAnalysis.h"
#include "llvm/MC/MCInstrInfo.h"
#include "llvm/MC/MCRegisterInfo.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>

using namespace adze::test;
using namespace llvm;

namespace {

/// LLVM's disassembler for x86-64 with all that the tests may meet.
class Decoder {
public:
  Decoder() {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86Disassembler();
    Triple triple("x86_64-unknown-linux-gnu");
    std::string error;
    const Target *target = TargetRegistry::lookupTarget(triple, error);
    registers.reset(target->createMCRegInfo(triple));
    asmInfo.reset(target->createMCAsmInfo(*registers, triple, options));
    subtarget.reset(target->createMCSubtargetInfo(
        triple, "x86-64-v4",
        "+avx512bf16,+avx512vnni,+avxvnni,+avx512fp16,"
        "+amx-tile,+amx-int8,+amx-bf16"));
    instructions.reset(target->createMCInstrInfo());
    context = std::make_unique<MCContext>(triple, asmInfo.get(),
                                          registers.get(), subtarget.get());
    disassembler.reset(target->createMCDisassembler(*subtarget, *context));
    printer.reset(target->createMCInstPrinter(triple, /*Intel*/ 1, *asmInfo,
                                              *instructions, *registers));
    analysis.reset(target->createMCInstrAnalysis(instructions.get()));
  }

  /// Size of the instruction at the front of `bytes`; 0 if there is none.
  uint64_t decode(ArrayRef<uint8_t> bytes, uint64_t address,
                  adze::test::Instruction &result) {
    MCInst inst;
    uint64_t size = 0;
    if (disassembler->getInstruction(inst, size, bytes, address, nulls()) !=
        MCDisassembler::Success)
      return 0;
    result.address = address;
    raw_string_ostream stream(result.text);
    printer->printInst(&inst, address, "", *subtarget, stream);
    std::replace(result.text.begin(), result.text.end(), '\t', ' ');
    result.text.erase(0, result.text.find_first_not_of(' '));
    uint64_t target;
    const MCInstrDesc &desc = instructions->get(inst.getOpcode());
    if (desc.isBranch() &&
        analysis->evaluateBranch(inst, address, size, target))
      result.target = target;
    return size;
  }

private:
  MCTargetOptions options;
  std::unique_ptr<MCRegisterInfo> registers;
  std::unique_ptr<MCAsmInfo> asmInfo;
  std::unique_ptr<MCSubtargetInfo> subtarget;
  std::unique_ptr<MCInstrInfo> instructions;
  std::unique_ptr<MCContext> context;
  std::unique_ptr<MCDisassembler> disassembler;
  std::unique_ptr<MCInstPrinter> printer;
  std::unique_ptr<MCInstrAnalysis> analysis;
};

} // namespace

Expected<std::vector<adze::test::Function>>
adze::test::disassemble(StringRef elf) {
  auto object =
      object::ObjectFile::createELFObjectFile(MemoryBufferRef(elf, "code"));
  if (!object)
    return object.takeError();
  Decoder decoder;
  std::vector<adze::test::Function> functions;
  for (const object::SymbolRef &symbol : (*object)->symbols()) {
    auto type = symbol.getType();
    if (!type || *type != object::SymbolRef::ST_Function)
      continue;
    auto section = symbol.getSection();
    if (!section || *section == (*object)->section_end())
      continue;
    auto contents = (*section)->getContents();
    auto address = symbol.getAddress();
    auto name = symbol.getName();
    if (!contents || !address || !name)
      return createStringError("unreadable symbol");
    uint64_t offset = *address - (*section)->getAddress();
    uint64_t size = object::ELFSymbolRef(symbol).getSize();
    adze::test::Function function{name->str(), {}};
    for (uint64_t at = offset; at < offset + size;) {
      adze::test::Instruction instruction;
      uint64_t length = decoder.decode(
          arrayRefFromStringRef(contents->substr(at)), at, instruction);
      if (length == 0)
        return createStringError("cannot decode " + *name + " at byte " +
                                 Twine(at - offset));
      function.instructions.push_back(std::move(instruction));
      at += length;
    }
    functions.push_back(std::move(function));
  }
  return functions;
}

std::vector<std::string>
adze::test::findInstructions(const std::vector<adze::test::Function> &code,
                             StringRef pattern) {
  Regex regex(pattern);
  std::vector<std::string> found;
  for (const adze::test::Function &function : code)
    for (const adze::test::Instruction &instruction : function.instructions)
      if (regex.match(instruction.text))
        found.push_back(function.name + ": " + instruction.text);
  return found;
}

std::vector<std::string>
adze::test::findInLoops(const std::vector<adze::test::Function> &code,
                        StringRef functions, StringRef pattern) {
  Regex name(functions), text(pattern);
  std::vector<std::string> found;
  for (const adze::test::Function &function : code) {
    if (!name.match(function.name))
      continue;
    std::vector<std::pair<uint64_t, uint64_t>> loops;
    for (const adze::test::Instruction &instruction : function.instructions)
      if (instruction.target && *instruction.target <= instruction.address)
        loops.push_back({*instruction.target, instruction.address});
    for (const adze::test::Instruction &instruction : function.instructions) {
      bool inLoop = llvm::any_of(loops, [&](auto loop) {
        return loop.first <= instruction.address &&
               instruction.address <= loop.second;
      });
      if (inLoop && text.match(instruction.text))
        found.push_back(function.name + ": " + instruction.text);
    }
  }
  return found;
}

std::vector<std::string> adze::test::findVectorSpillsInLoops(
    const std::vector<adze::test::Function> &code, StringRef functions) {
  // Emitted functions have no frame pointer: rbp is a register as any other.
  return findInLoops(code, functions,
                     "[xyzt]mm[0-9].*\\[rsp|\\[rsp.*[xyzt]mm[0-9]");
}

/// Whether code that leaves at instruction `last` has released its tiles, from
/// wherever it came there.
static bool isReleased(const adze::test::Function &function, size_t last) {
  for (size_t i = last; i-- > 0;) {
    const adze::test::Instruction &instruction = function.instructions[i];
    if (StringRef(instruction.text).contains("tilerelease"))
      return none_of(
          function.instructions, [&](const adze::test::Instruction &branch) {
            return branch.target && *branch.target > instruction.address &&
                   *branch.target <= function.instructions[last].address;
          });
    StringRef text = instruction.text;
    if (text.starts_with("j") || text.starts_with("call") ||
        text.starts_with("ret"))
      return false;
  }
  return false;
}

std::vector<std::string> adze::test::findReturnsWithTiles(
    const std::vector<adze::test::Function> &code) {
  std::vector<std::string> found;
  for (const adze::test::Function &function : code) {
    const std::vector<adze::test::Instruction> &all = function.instructions;
    if (none_of(all, [](const adze::test::Instruction &instruction) {
          return StringRef(instruction.text).contains("ldtilecfg");
        }))
      continue;
    for (size_t i = 0; i < all.size(); ++i) {
      StringRef text = all[i].text;
      bool leaves =
          text.starts_with("ret") || (text.starts_with("j") && all[i].target &&
                                      (*all[i].target < all.front().address ||
                                       *all[i].target > all.back().address));
      if (leaves && !isReleased(function, i))
        found.push_back(function.name + ": " + text.str());
    }
  }
  return found;
}
