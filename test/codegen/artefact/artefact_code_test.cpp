// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An artefact as a file, for every variant and on any machine: one symbol out,
// none in but memcpy and its like, nothing for the loader to relocate, and code
// that stays inside its variant and inside the file.

#include "Disassembly.h"
#include "adze/Compiler.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Regex.h"
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>
#include <unistd.h>

using namespace adze;
using namespace adze::test;
using llvm::StringRef;

namespace {

using ELFFile = llvm::object::ELF64LEObjectFile;

const std::set<std::string> kVariants = {"x86-64-v3",
                                         "x86-64-v3+avxvnni",
                                         "x86-64-v4",
                                         "x86-64-v4+vnni",
                                         "x86-64-v4+vnni+vbmi2",
                                         "x86-64-v4+vnni+bf16",
                                         "x86-64-v4+vnni+bf16+amx"};

/// "x86-64-v3" of "k1_linear.finish.x86-64-v3".
StringRef variantOf(StringRef function) {
  size_t at = function.rfind(".x86-64");
  return at == StringRef::npos ? "" : function.substr(at + 1);
}

/// A small model with every variant, as bytes and as instructions.
struct Artefact {
  explicit Artefact(const std::string &weights,
                    const std::string &target = "all");

  std::string problem;
  std::unique_ptr<llvm::MemoryBuffer> bytes;
  std::unique_ptr<llvm::object::ObjectFile> binary;
  std::vector<Function> code;
};

Artefact::Artefact(const std::string &weights, const std::string &target) {
  const char *folder = std::getenv("TMPDIR");
  std::string path = std::string(folder ? folder : "/tmp") + "/adze-code-" +
                     std::to_string(::getpid()) + "-" + weights + ".adze.so";
  CompileOptions options;
  options.target = target;
  options.weights = weights;
  auto result = compileToFile(std::string(ADZE_SOURCE_DIR) +
                                  "/test/numerics/references/hf/"
                                  "llama31-scaled-head80",
                              path, options);
  if (!result) {
    problem = result.error().text();
    return;
  }
  auto file = llvm::MemoryBuffer::getFile(path);
  ::unlink(path.c_str());
  if (!file) {
    problem = file.getError().message();
    return;
  }
  bytes = std::move(*file);
  auto object = llvm::object::ObjectFile::createELFObjectFile(*bytes);
  if (!object) {
    problem = llvm::toString(object.takeError());
    return;
  }
  binary = std::move(*object);
  auto functions = disassemble(bytes->getBuffer());
  if (!functions)
    problem = llvm::toString(functions.takeError());
  else
    code = std::move(*functions);
}

/// The parameter is the format of the weights; each is compiled once.
class ArtefactCodeTest : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    static std::map<std::string, Artefact> artefacts;
    Artefact &made =
        artefacts.try_emplace(GetParam(), GetParam()).first->second;
    ASSERT_EQ(made.problem, "");
    code = made.code;
    elf = llvm::dyn_cast<ELFFile>(made.binary.get());
    ASSERT_TRUE(elf) << "not a 64 bit ELF file";
  }

  /// Of bf16: with weights of bf16, and with a cache of it, as codes have.
  bool hasDots() const { return StringRef(GetParam()) != "f32"; }
  std::vector<Function> codeOf(StringRef variant) const {
    std::vector<Function> some;
    for (const Function &function : code)
      if (variantOf(function.name) == variant)
        some.push_back(function);
    return some;
  }

  ELFFile *elf = nullptr;
  std::vector<Function> code;
};

using Found = std::vector<std::string>;

TEST_P(ArtefactCodeTest, ExportsTheDescriptorAndImportsNextToNothing) {
  std::set<std::string> exported, imported;
  for (const llvm::object::ELFSymbolRef &symbol :
       elf->getDynamicSymbolIterators()) {
    auto name = symbol.getName();
    auto flags = symbol.getFlags();
    ASSERT_TRUE(name && flags);
    bool isUndefined = *flags & llvm::object::SymbolRef::SF_Undefined;
    (isUndefined ? imported : exported).insert(name->str());
  }
  EXPECT_EQ(exported, std::set<std::string>{"adze_model_desc"});
  for (const std::string &name : imported)
    EXPECT_TRUE(name == "memcpy" || name == "memmove" || name == "memset")
        << "imports " << name;
}

TEST_P(ArtefactCodeTest, LeavesNothingToTheLoader) {
  for (const llvm::object::ELFSectionRef section : elf->sections()) {
    auto name = section.getName();
    ASSERT_TRUE(bool(name));
    uint32_t type = section.getType();
    EXPECT_FALSE(type == llvm::ELF::SHT_RELA || type == llvm::ELF::SHT_REL ||
                 type == llvm::ELF::SHT_RELR)
        << "relocations in " << name->str();
    EXPECT_FALSE(type == llvm::ELF::SHT_INIT_ARRAY ||
                 type == llvm::ELF::SHT_FINI_ARRAY)
        << "code that runs at load: " << name->str();
    // Weights are mapped and sessions hold all that changes.
    uint64_t state = llvm::ELF::SHF_ALLOC | llvm::ELF::SHF_WRITE;
    if ((section.getFlags() & state) == state && section.getSize())
      EXPECT_TRUE(*name == ".dynamic" || *name == ".relro_padding")
          << "state in " << name->str();
  }
  auto entries = elf->getELFFile().dynamicEntries();
  ASSERT_TRUE(bool(entries)) << llvm::toString(entries.takeError());
  EXPECT_FALSE(entries->empty());
  for (const auto &entry : *entries)
    for (uint64_t tag :
         {llvm::ELF::DT_RELA, llvm::ELF::DT_REL, llvm::ELF::DT_RELR,
          llvm::ELF::DT_JMPREL, llvm::ELF::DT_TEXTREL, llvm::ELF::DT_NEEDED,
          llvm::ELF::DT_INIT, llvm::ELF::DT_FINI})
      EXPECT_NE(uint64_t(entry.getTag()), tag);
}

TEST_P(ArtefactCodeTest, HoldsCodeOfEveryVariantAndNoOther) {
  llvm::StringMap<std::set<std::string>> functions;
  for (const Function &function : code) {
    StringRef variant = variantOf(function.name);
    EXPECT_TRUE(kVariants.count(variant.str())) << function.name;
    EXPECT_FALSE(function.instructions.empty()) << function.name;
    functions[variant].insert(
        StringRef(function.name).drop_back(variant.size() + 1).str());
  }
  // What only adds byte dots has nothing of its own where no codes are
  // multiplied: it calls the code of the variant without them. Nor has what
  // spreads bytes, where nothing is masked, or AMX, where linears are of f32.
  for (StringRef variant : kVariants) {
    StringRef weights = GetParam();
    bool hasOwn = variant.ends_with("vbmi2")  ? false
                  : variant.ends_with("vnni") ? weights == "int8"
                  : variant.ends_with("amx")  ? weights != "f32"
                                              : true;
    EXPECT_EQ(functions[variant].count("step"), size_t(hasOwn))
        << variant.str();
    EXPECT_EQ(functions[variant].count("layer"), size_t(hasOwn))
        << variant.str();
    EXPECT_EQ(functions[variant].empty(), !hasOwn) << variant.str();
  }
  // No code without a symbol: what was looked at is all there is.
  for (const llvm::object::ELFSectionRef section : elf->sections()) {
    if (!section.isText())
      continue;
    uint64_t end = 0;
    std::set<std::pair<uint64_t, uint64_t>> ranges;
    for (const llvm::object::ELFSymbolRef symbol : elf->symbols()) {
      auto address = symbol.getAddress();
      ASSERT_TRUE(bool(address));
      if (symbol.getELFType() == llvm::ELF::STT_FUNC)
        ranges.insert({*address - section.getAddress(), symbol.getSize()});
    }
    for (auto [begin, size] : ranges) {
      EXPECT_LT(int64_t(begin - end), 64) << "a gap at byte " << end;
      end = std::max(end, begin + size);
    }
    EXPECT_EQ(end, section.getSize());
  }
}

TEST_P(ArtefactCodeTest, StaysInsideTheVariant) {
  // AVX2: no wide or upper registers, no masks.
  std::vector<Function> avx2 = codeOf("x86-64-v3");
  EXPECT_EQ(findInstructions(avx2, "zmm[0-9]|[xy]mm(1[6-9]|[23][0-9])"),
            Found());
  const StringRef masks = "[{ ,]k[0-7]([^a-z0-9]|$)";
  EXPECT_EQ(findInstructions(avx2, masks), Found());
  // AVX-512 without more.
  std::vector<Function> avx512 = codeOf("x86-64-v4");
  for (const std::vector<Function> *functions : {&avx2, &avx512}) {
    EXPECT_EQ(findInstructions(*functions, "vdpbf16ps|bf16"), Found());
    EXPECT_EQ(findInstructions(*functions, "vpdp(bus|wss)d"), Found());
  }
  std::vector<Function> dots = codeOf("x86-64-v4+vnni+bf16");
  EXPECT_EQ(findInstructions(code, "fp16|[^a-z]v[a-z]+(ph|sh) "), Found());
  // Tile registers only where they are asked for.
  for (const std::vector<Function> *functions : {&avx2, &avx512, &dots})
    EXPECT_EQ(findInstructions(*functions, "tmm[0-9]|tilecfg|tilerelease"),
              Found());
  // The questions can be answered with yes.
  EXPECT_FALSE(findInstructions(avx2, "ymm[0-9]").empty());
  EXPECT_FALSE(findInstructions(avx512, "zmm[0-9]").empty());
  EXPECT_FALSE(findInstructions(avx512, masks).empty());
  EXPECT_EQ(!findInstructions(dots, "vdpbf16ps").empty(), hasDots());
}

/// The variant with AMX beside the one that it adds to.
TEST(AmxArtefactTest, LinearsAndAttentionHaveCodeOfTheirOwn) {
  const std::string less = "x86-64-v4+vnni+bf16", amx = less + "+amx";
  for (const char *weights : {"bf16", "int8"}) {
    SCOPED_TRACE(weights);
    Artefact made(weights, amx + "," + less);
    ASSERT_EQ(made.problem, "");
    std::vector<Function> tiled, attention;
    std::map<std::string, std::set<std::string>> shared; // of the variants
    for (const Function &function : made.code) {
      if (!findInstructions({function}, "tmm[0-9]|tilecfg").empty())
        tiled.push_back(function);
      StringRef name = function.name;
      if (name.contains("rms_norm"))
        shared[variantOf(name).str()].insert(name.str());
      // What of K fills no tile register, linears add with other dots.
      if (variantOf(name) == amx && !name.starts_with("adze.tile.amx.") &&
          !name.starts_with("adze.tilec."))
        attention.push_back(function);
    }
    ASSERT_FALSE(tiled.empty());
    // Attention, which is faster there with fma than with dots of bf16.
    EXPECT_TRUE(llvm::any_of(attention, [](const Function &function) {
      return StringRef(function.name).starts_with("adze.attention.");
    }));
    EXPECT_EQ(findInstructions(attention, "vdpbf16ps"), Found());
    for (const Function &function : tiled) {
      EXPECT_EQ(variantOf(function.name), amx) << function.name;
      EXPECT_TRUE(StringRef(function.name).starts_with("adze.tile.amx."))
          << function.name;
    }
    EXPECT_EQ(findReturnsWithTiles(made.code), Found());
    EXPECT_FALSE(shared[less].empty());
    EXPECT_EQ(shared[amx], std::set<std::string>());
  }
}

TEST_P(ArtefactCodeTest, LoopsOfTilesDoNotSpill) {
  EXPECT_EQ(findVectorSpillsInLoops(code, "adze\\.tile|\\.finish"), Found());
}

TEST_P(ArtefactCodeTest, CallsItsOwnVariantOrThroughTheFrame) {
  EXPECT_EQ(findInstructions(code, "^(syscall|sysenter|int |in |out |hlt|"
                                   "cpuid|xgetbv|rd(tsc|rand|seed))"),
            Found());
  std::map<uint64_t, StringRef> starts;
  for (const Function &function : code)
    starts[function.instructions.front().address] = function.name;
  llvm::Regex direct("^call (-?[0-9]+)$"), indirect("^(call|jmp) [a-z]");
  llvm::Regex address("^lea [a-z0-9]+, \\[rip ([+-]) ([0-9]+)\\]$");
  uint64_t codeEnd = code.back().instructions.back().address;
  size_t calls = 0, throughFrame = 0, addresses = 0;
  for (const Function &function : code) {
    uint64_t begin = function.instructions.front().address,
             last = function.instructions.back().address;
    auto expectOwn = [&](uint64_t target, StringRef text) {
      auto callee = starts.find(target);
      ASSERT_TRUE(callee != starts.end())
          << function.name << ": " << text.str() << " leaves the functions";
      // Its own variant's, or what it shares with one that needs less.
      EXPECT_TRUE(
          variantOf(function.name).starts_with(variantOf(callee->second)))
          << function.name << " calls " << callee->second.str();
    };
    for (size_t i = 0; i < function.instructions.size(); ++i) {
      const Instruction &instruction = function.instructions[i];
      StringRef text = instruction.text;
      llvm::SmallVector<StringRef> match;
      if (address.match(text, &match)) {
        // Relative to the next instruction: data, or a function of its own.
        ASSERT_LT(i + 1, function.instructions.size());
        int64_t distance = 0;
        ASSERT_FALSE(match[2].getAsInteger(10, distance));
        uint64_t target = function.instructions[i + 1].address +
                          (match[1] == "-" ? -distance : distance);
        if (target >= starts.begin()->first && target <= codeEnd) {
          expectOwn(target, text);
          ++addresses;
        }
        continue;
      }
      if (direct.match(text, &match)) {
        // Relative to the next instruction; a call is 5 bytes.
        int64_t distance = 0;
        ASSERT_FALSE(match[1].getAsInteger(10, distance));
        expectOwn(instruction.address + 5 + distance, text);
        ++calls;
      } else if (text.starts_with("call") || indirect.match(text)) {
        // Only the phases of a step have the frame, and what it points to; the
        // loops that kernels share call what the kernels give them.
        StringRef name = function.name;
        bool isPhase = name.starts_with("step.") ||
                       name.starts_with("layer.") ||
                       name.starts_with("hidden.");
        EXPECT_TRUE(isPhase || name.starts_with("adze.linear.") ||
                    name.starts_with("adze.attention."))
            << name.str() << ": " << text.str();
        throughFrame += isPhase;
      } else if (instruction.target &&
                 (*instruction.target < begin || *instruction.target > last)) {
        expectOwn(*instruction.target, text); // a tail call
      }
    }
  }
  EXPECT_GT(calls, 0u);
  EXPECT_GT(throughFrame, 0u);
  EXPECT_GT(addresses, 0u);
}

INSTANTIATE_TEST_SUITE_P(Weights, ArtefactCodeTest,
                         testing::Values("f32", "bf16", "int8"),
                         [](const auto &info) {
                           return std::string(info.param);
                         });

} // namespace
