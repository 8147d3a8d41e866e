// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads the names of formats; see the header.

#include "adze/Dialect/Adze/FormatName.h"
#include "IntLayout.h"
#include "adze/Weights/WeightStore.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace adze;
using namespace adze::detail;
using llvm::Expected;

static Type floatType(StringRef name, MLIRContext *context) {
  return llvm::StringSwitch<Type>(name)
      .Case("f32", Float32Type::get(context))
      .Case("f16", Float16Type::get(context))
      .Case("bf16", BFloat16Type::get(context))
      .Default(Type());
}

static FormatAttrInterface asFormat(Attribute attribute) {
  return cast<FormatAttrInterface>(attribute);
}

/// int8, int4 or int3 with the parts after it.
static Expected<FormatAttrInterface> parseInteger(StringRef name,
                                                  MLIRContext *context) {
  auto fail = [&](const Twine &message) {
    return llvm::createStringError("format \"" + name + "\": " + message);
  };
  SmallVector<StringRef> parts;
  name.split(parts, ':');
  int64_t bits = parts[0].back() - '0', group = bits == 8 ? 0 : 128;
  Type scale;
  bool zeros = false, hasGroup = false;
  for (StringRef part : ArrayRef(parts).drop_front()) {
    Type type = floatType(part, context);
    StringRef number = part;
    if (type && !scale) {
      scale = type;
    } else if (part == "zp" && !zeros) {
      zeros = true;
    } else if (!hasGroup && number.consume_front("g") &&
               !number.getAsInteger(10, group)) {
      hasGroup = true;
    } else {
      return fail("expects each of gN, f32, f16 or bf16, and zp at most once, "
                  "got \"" +
                  part + "\"");
    }
  }
  if (!scale)
    scale = defaultScaleType(context, bits, group);
  // The verifier's words, without a place in a text.
  std::string problem;
  ScopedDiagnosticHandler handler(context, [&](Diagnostic &diagnostic) {
    problem = diagnostic.str();
    return success();
  });
  auto format = IntFormatAttr::getChecked(
      [&] { return emitError(UnknownLoc::get(context)); }, context, bits, group,
      scale, zeros);
  if (!format)
    return fail(problem);
  return asFormat(format);
}

Expected<FormatAttrInterface> adze::parseFormatName(StringRef name,
                                                    MLIRContext *context) {
  if (Type type = floatType(name, context))
    return asFormat(FloatFormatAttr::get(context, type));
  StringRef first = name.split(':').first;
  if (first == "int8" || first == "int4" || first == "int3")
    return parseInteger(name, context);
  if (StringRef scale = name; scale.consume_front("fp8:"))
    if (Type type = floatType(scale, context))
      return asFormat(Fp8FormatAttr::get(context, type));
  if (auto block = symbolizeGgufBlock(name))
    return asFormat(GgufFormatAttr::get(context, *block));
  return llvm::createStringError("expects a format to be one of " +
                                 kFormatNames + ", got \"" + name + "\"");
}

//===-- rules -------------------------------------------------------------===//

/// * stands for any characters, ? for one.
static bool matchesGlob(StringRef pattern, StringRef text) {
  size_t p = 0, t = 0, star = StringRef::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() &&
               (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != StringRef::npos) {
      p = star + 1; // the last star takes one character more
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.drop_front(p).find_first_not_of('*') == StringRef::npos;
}

bool adze::matchesTensor(StringRef pattern, StringRef tensor) {
  auto matches = [&](StringRef name) {
    return matchesGlob(pattern, name) ||
           (name.consume_back(".weight") && matchesGlob(pattern, name));
  };
  return matches(tensor) || matches(nameInCheckpoint(tensor));
}

Expected<std::vector<RuleText>> adze::splitRules(StringRef text,
                                                 StringRef example) {
  std::vector<RuleText> rules;
  SmallVector<StringRef> parts;
  text.split(parts, ',');
  for (StringRef part : parts) {
    StringRef pattern = "*", value = part;
    if (part.contains('='))
      std::tie(pattern, value) = part.rsplit('=');
    else if (parts.size() > 1)
      return llvm::createStringError("expects rules such as " + example +
                                     ", got \"" + part + "\" in \"" + text +
                                     "\"");
    if (pattern.empty())
      return llvm::createStringError(
          "expects the name of a tensor or a pattern with * and ? before =, "
          "got \"" +
          part + "\"");
    rules.push_back({part, pattern, value});
  }
  return rules;
}

Expected<std::vector<FormatRule>> adze::parseFormatRules(StringRef text,
                                                         MLIRContext *context) {
  auto parts = splitRules(text, "lm_head=int8,*=int4:g128");
  if (!parts)
    return parts.takeError();
  std::vector<FormatRule> rules;
  for (auto [part, pattern, name] : *parts) {
    Expected<FormatAttrInterface> format = parseFormatName(name, context);
    if (!format)
      return format.takeError();
    if (isa<Fp8FormatAttr>(Attribute(*format)))
      return llvm::createStringError(
          "weights in " + name +
          " are read from checkpoints as they are, not made; int8 is nearest");
    if (isa<GgufFormatAttr>(Attribute(*format)))
      return llvm::createStringError(
          "weights in " + name +
          " are read from GGUF files as they are, not made; int8:g32 and "
          "int4:g32 are nearest");
    rules.push_back({part.str(), pattern.str(), *format});
  }
  return rules;
}
