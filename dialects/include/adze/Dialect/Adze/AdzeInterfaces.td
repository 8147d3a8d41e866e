// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Interfaces through which formats and ops are added, from outside too.
#ifndef ADZE_INTERFACES_TD
#define ADZE_INTERFACES_TD

include "mlir/IR/OpBase.td"

def Adze_FormatAttrInterface : AttrInterface<"FormatAttrInterface"> {
  let cppNamespace = "::adze";
  let description = [{
    How the elements of a weight are stored. One attribute, in one file, per
    format; everything that reads or writes weights goes through this interface,
    so there is no second definition of a format.

    A *row* is one output channel: K consecutive elements of the logical matrix
    `N x K`. `encodeRow` and `decodeRow` convert between float32 and the storage
    of one unpacked row; `packPanel` brings 16 rows into the layout that kernels
    read (see LayoutAttr).
  }];
  let methods = [
    InterfaceMethod<"Short name used on command lines and in reports, such as bf16.",
      "std::string", "getFormatName">,
    InterfaceMethod<"Bytes of one unpacked row of `cols` elements.",
      "int64_t", "getRowBytes", (ins "int64_t":$cols)>,
    InterfaceMethod<"float32 -> storage of one row (round to nearest even).",
      "void", "encodeRow",
      (ins "::llvm::ArrayRef<float>":$values,
           "::llvm::MutableArrayRef<uint8_t>":$row)>,
    InterfaceMethod<"Storage of one row -> float32.",
      "void", "decodeRow",
      (ins "::llvm::ArrayRef<uint8_t>":$row,
           "::llvm::MutableArrayRef<float>":$values)>,
    InterfaceMethod<"Elements along K of one row that lie together in a panel "
                    "(its kk): 1 for f32 and f16, 2 for bf16.",
      "int64_t", "getPanelDepth">,
    InterfaceMethod<"Bytes of one packed panel of 16 rows of `cols` elements.",
      "int64_t", "getPanelBytes", (ins "int64_t":$cols)>,
    InterfaceMethod<"Packs 16 unpacked rows (`rows`, each getRowBytes(cols) "
                    "long, null: a row of zeros) into one panel.",
      "void", "packPanel",
      (ins "::llvm::ArrayRef<const uint8_t *>":$rows, "int64_t":$cols,
           "::llvm::MutableArrayRef<uint8_t>":$panel)>,
    InterfaceMethod<"Reads element (row, k) of a packed panel: the reference "
                    "decode of the packed form.",
      "float", "decodePanel",
      (ins "::llvm::ArrayRef<uint8_t>":$panel, "int64_t":$cols,
           "int64_t":$row, "int64_t":$k)>,
    InterfaceMethod<[{
        Emits the decode of element (row, k) of a stored weight of `cols`
        columns to f32. `base` is an !llvm.ptr to the weight, in panels or in
        rows; `row` and `k` are of index type. What the generic path reads
        weights with.
      }],
      "::mlir::Value", "emitLoadElement",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::Value":$base, "bool":$panels, "int64_t":$cols,
           "::mlir::Value":$row, "::mlir::Value":$k)>,
  ];
}

def Adze_IntegerFormatAttrInterface : AttrInterface<"IntegerFormatAttrInterface",
    [Adze_FormatAttrInterface]> {
  let cppNamespace = "::adze";
  let description = [{
    A format whose elements are small integers with scales:

      value(n, k) = scale(n, k / group) * (code(n, k) - zero) + minimum(n, k / group)

    with codes from 0 to getMaxCode(). Integer dot products read it through this
    interface: a kernel goes over K in steps of 8, in each of which a panel holds
    two *quads* per output channel, four consecutive k each.

    Every emit function takes `panel`, an !llvm.ptr to the panel (what packPanel
    made), and `cols`, the K of the weight as an index value; what they emit
    touches no byte outside of the panel. Values are for all 16 output channels.

    A format around another one has codes if that has: where hasCodes() is false,
    the attribute does not implement the interface.
  }];
  let extraClassOf = [{ return $_attr.hasCodes(); }];
  let methods = [
    InterfaceMethod<"Whether this attribute's elements are codes at all.",
      "bool", "hasCodes", (ins), "", [{ return true; }]>,
    InterfaceMethod<"Elements along K that share a scale; 0: the whole row.",
      "int64_t", "getGroup">,
    InterfaceMethod<"The code that stands for zero.", "int64_t", "getZeroCode">,
    InterfaceMethod<"The largest code, at most 255.", "int64_t", "getMaxCode">,
    InterfaceMethod<"Whether there is a minimum beside the scale.",
      "bool", "hasMinimum">,
    InterfaceMethod<"Emits getPanelBytes(cols) for a K known at run time.",
      "::mlir::Value", "emitPanelBytes",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::Value":$cols)>,
    InterfaceMethod<[{
        Emits the codes of k = 8 * step .. 8 * step + 7: two vector<64xi8>, byte
        4 * channel + j of the first is the code at k = 8 * step + j, of the
        second the code at 8 * step + 4 + j. Codes beyond K are anything.
      }],
      "::llvm::SmallVector<::mlir::Value>", "emitCodes",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::Value":$panel, "::mlir::Value":$cols,
           "::mlir::Value":$step)>,
    InterfaceMethod<"Emits the scales of `group` (index): vector<16xf32>.",
      "::mlir::Value", "emitScale",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::Value":$panel, "::mlir::Value":$cols,
           "::mlir::Value":$group)>,
    InterfaceMethod<"Emits the minima of `group`: vector<16xf32>.",
      "::mlir::Value", "emitMinimum",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::Value":$panel, "::mlir::Value":$cols,
           "::mlir::Value":$group)>,
  ];
}

def Adze_DecodedFormatAttrInterface : AttrInterface<"DecodedFormatAttrInterface",
    [Adze_FormatAttrInterface]> {
  let cppNamespace = "::adze";
  let description = [{
    A format that kernels neither multiply as it is stored, nor as codes: panels
    become f32, part by part, on the way into the float tile. `panel` and `cols`
    are as in IntegerFormatAttrInterface.
  }];
  let methods = [
    InterfaceMethod<"Emits getPanelBytes(cols) for a K known at run time.",
      "::mlir::Value", "emitPanelBytes",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::Value":$cols)>,
    InterfaceMethod<[{
        Emits the values of k = 8 * step .. 8 * step + 7 of the 16 output
        channels: eight vector<16xf32>. Those beyond K are finite.
      }],
      "::llvm::SmallVector<::mlir::Value>", "emitValues",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::Value":$panel, "::mlir::Value":$cols,
           "::mlir::Value":$step)>,
  ];
}

def Adze_DecomposableOpInterface : OpInterface<"DecomposableOpInterface"> {
  let cppNamespace = "::adze";
  let description = [{
    An op that can be written with upstream `linalg`, `tensor`, `arith` and
    `math` ops. Export, gradients and the generic path use it. Attention may
    assume that all rows belong to one sequence that starts at position 0.
  }];
  let methods = [
    InterfaceMethod<[{
        Emits the op's meaning at the builder's insertion point and returns one
        value per result. Weights are read with `adze.weight_tensor`.
      }],
      "::mlir::FailureOr<::llvm::SmallVector<::mlir::Value>>", "decompose",
      (ins "::mlir::OpBuilder &":$builder)>,
  ];
}

#endif // ADZE_INTERFACES_TD
