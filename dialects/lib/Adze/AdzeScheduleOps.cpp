// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Generated definitions of all adze ops, with the syntax that they share.

#include "adze/Dialect/Adze/Adze.h"

using namespace mlir;
using namespace adze;

//===-- custom<ExactReals> ------------------------------------------------===//

/// `[1.0, 0.1]`. Unlike an array attribute's own syntax, which keeps seven
/// digits, the numbers read back as they were.
static void printExactReals(OpAsmPrinter &printer, Operation *,
                            DenseF64ArrayAttr reals) {
  printer << '[';
  llvm::interleaveComma(reals.asArrayRef(), printer, [&](double real) {
    printer.printFloat(llvm::APFloat(real));
  });
  printer << ']';
}

static ParseResult parseExactReals(OpAsmParser &parser,
                                   DenseF64ArrayAttr &reals) {
  SmallVector<double> values;
  auto parseOne = [&] { return parser.parseFloat(values.emplace_back()); };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseOne))
    return failure();
  reals = parser.getBuilder().getDenseF64ArrayAttr(values);
  return success();
}

//===-- custom<ExactParams> -----------------------------------------------===//

/// A dictionary in its usual syntax, but for arrays of f64, of which it prints
/// all digits.
static void printExactParams(OpAsmPrinter &printer, Operation *,
                             DictionaryAttr params) {
  printer << '{';
  llvm::interleaveComma(params, printer, [&](NamedAttribute param) {
    printer.printKeywordOrString(param.getName());
    if (isa<UnitAttr>(param.getValue()))
      return;
    printer << " = ";
    auto reals = dyn_cast<DenseF64ArrayAttr>(param.getValue());
    if (!reals || reals.empty())
      return printer.printAttribute(param.getValue());
    printer << "array<f64: ";
    llvm::interleaveComma(reals.asArrayRef(), printer, [&](double real) {
      printer.printFloat(llvm::APFloat(real));
    });
    printer << '>';
  });
  printer << '}';
}

static ParseResult parseExactParams(OpAsmParser &parser,
                                    DictionaryAttr &params) {
  return parser.parseAttribute(params);
}

//===-- generated definitions ---------------------------------------------===//

#define GET_OP_CLASSES
#include "adze/Dialect/Adze/AdzeOps.cpp.inc"
