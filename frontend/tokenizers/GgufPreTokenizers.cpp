// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The patterns are those of the original tokenizers (tokenizer.json of each
// model), which GGUF's names refer to. A name is in this list only if its
// pattern is known exactly.

#include "GgufPreTokenizers.h"

#include "ByteLevel.h"

using namespace llvm;

namespace adze {

// Digits one to three at a time; case of contractions does not matter.
#define LLAMA3_PATTERN                                                         \
  R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"
// The same with digits one at a time.
#define QWEN2_PATTERN                                                          \
  R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"
#define GPT2_PATTERN                                                           \
  R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"
// Letters with upper and lower case, as the model's authors spelled them out.
static constexpr char kDeepSeekLetters[] =
    R"(\s?[A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA})"
    R"(\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{295}-\x{2AF}\x{370}-\x{373})"
    R"(\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A}\x{38C})"
    R"(\x{38E}-\x{3A1}\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F})"
    R"(\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD})"
    R"(\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B})"
    R"(\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15})"
    R"(\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D})"
    R"(\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D})"
    R"(\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4})"
    R"(\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB})"
    R"(\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102})"
    R"(\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124}\x{2126})"
    R"(\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139})"
    R"(\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184})"
    R"(\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2})"
    R"(\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F})"
    R"(\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF})"
    R"(\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A})"
    R"(\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}\x{104B0}-\x{104D3})"
    R"(\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2})"
    R"(\x{118A0}-\x{118DF}\x{1E900}-\x{1E943}]+)";

static constexpr const char *kGpt2[] = {GPT2_PATTERN};
static constexpr const char *kLlama3[] = {LLAMA3_PATTERN};
static constexpr const char *kQwen2[] = {QWEN2_PATTERN};
static constexpr const char *kSmolLm[] = {R"(\p{N})", GPT2_PATTERN};
static constexpr const char *kDeepSeekLlm[] = {
    R"([\r\n])",
    kDeepSeekLetters,
    R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)",
    R"(\s+$)",
    R"([\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+)",
    R"(\p{N}+)"};
static constexpr const char *kDeepSeekCoder[] = {
    R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)",
    R"([\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+)", R"(\p{N})"};
static constexpr const char *kDefault[] = {
    R"([\p{P}\$\+<=>\^~\|]+)", GPT2_PATTERN, R"(\p{N}+)", R"([0-9][0-9][0-9])"};

static constexpr const char *kGpt2Names[] = {"gpt-2", "gpt2", "phi-2",
                                             "mpt",   "olmo", "jais"};
static constexpr const char *kLlama3Names[] = {"llama3", "llama-v3",
                                               "llama-bpe"};
static constexpr const char *kLlama3LikeNames[] = {"dbrx", "smaug-bpe"};
static constexpr const char *kQwen2Names[] = {"qwen2", "deepseek-r1-qwen"};
static constexpr const char *kStableLmNames[] = {"stablelm2"};
static constexpr const char *kSmolLmNames[] = {
    "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"};
static constexpr const char *kDeepSeekLlmNames[] = {"deepseek-llm"};
static constexpr const char *kDeepSeekCoderNames[] = {"deepseek-coder"};
static constexpr const char *kDefaultNames[] = {"default"};

static const GgufPreTokenizer kPreTokenizers[] = {
    {kDefaultNames, kDefault},
    {kGpt2Names, kGpt2},
    {kLlama3Names, kLlama3, /*ignoreMerges=*/true, /*nfc=*/false,
     /*addBos=*/true},
    {kLlama3LikeNames, kLlama3},
    {kQwen2Names, kQwen2, /*ignoreMerges=*/false, /*nfc=*/true},
    {kStableLmNames, kQwen2},
    {kSmolLmNames, kSmolLm},
    {kDeepSeekLlmNames, kDeepSeekLlm},
    {kDeepSeekCoderNames, kDeepSeekCoder},
};

const GgufPreTokenizer *findGgufPreTokenizer(StringRef name) {
  for (const GgufPreTokenizer &entry : kPreTokenizers)
    for (const char *known : entry.names)
      if (name == known)
        return &entry;
  return nullptr;
}

std::string listGgufPreTokenizers() {
  std::string list;
  for (const GgufPreTokenizer &entry : kPreTokenizers)
    for (const char *known : entry.names)
      list += (list.empty() ? "" : ", ") + std::string(known);
  return list;
}

} // namespace adze
