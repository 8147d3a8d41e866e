// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads the names of formats; see the header.

#include "adze/Dialect/Adze/FormatName.h"
#include "IntLayout.h"

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

/// int8 or int4 with the parts after it.
static Expected<FormatAttrInterface> parseInteger(StringRef name,
                                                  MLIRContext *context) {
  auto fail = [&](const Twine &message) {
    return llvm::createStringError("format \"" + name + "\": " + message);
  };
  SmallVector<StringRef> parts;
  name.split(parts, ':');
  int64_t bits = parts[0] == "int8" ? 8 : 4, group = bits == 8 ? 0 : 128;
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
  if (first == "int8" || first == "int4")
    return parseInteger(name, context);
  if (auto block = symbolizeGgufBlock(name))
    return asFormat(GgufFormatAttr::get(context, *block));
  return llvm::createStringError("expects a format to be one of " +
                                 kFormatNames + ", got \"" + name + "\"");
}
