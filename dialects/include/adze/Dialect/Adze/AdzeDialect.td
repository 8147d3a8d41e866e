// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The adze dialect itself, and the base classes of its ops, types, attributes.
#ifndef ADZE_DIALECT_TD
#define ADZE_DIALECT_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"

def Adze_Dialect : Dialect {
  let name = "adze";
  let cppNamespace = "::adze";
  let summary = "A transformer language model, from import to schedule.";
  let description = [{
    The model as a transformer, at three levels (module attribute
    `adze.level`):

    * **model**: pure tensor values, one sequence-aware `adze.attention` with its
      cache; what import produces.
    * **fused**: the same ops with scalar regions and sinks, packed weights.
    * **scheduled**: buffers in an arena, kernels, launches, barriers.

    Weights are symbols (`adze.weight`), never constants. Layers are rolled: a
    layer kind is one private `func.func` whose first argument is the layer
    index, applied by `adze.repeat`. An entry is a public `func.func` with the
    attribute `adze.entry`.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::func::FuncDialect",
                           "::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect"];
}

class Adze_Op<string mnemonic, list<Trait> traits = []>
    : Op<Adze_Dialect, mnemonic, traits>;

class Adze_Type<string cpp, string mn, list<Trait> traits = []>
    : TypeDef<Adze_Dialect, cpp, traits> {
  let mnemonic = mn;
}

class Adze_Attr<string cpp, string mn, list<Trait> traits = []>
    : AttrDef<Adze_Dialect, cpp, traits> {
  let mnemonic = mn;
}

#endif // ADZE_DIALECT_TD
