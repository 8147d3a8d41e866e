// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Weights, their expressions, and state: the symbols of a module.
#ifndef ADZE_SYMBOL_OPS_TD
#define ADZE_SYMBOL_OPS_TD

include "adze/Dialect/Adze/AdzeTypes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Adze_WeightOp : Adze_Op<"weight", [Symbol, IsolatedFromAbove
  ]> {
  let summary = "a weight: a tensor of the checkpoint, or an expression";
  let description = [{
    Names a tensor of the checkpoint (`from`), or computes a weight from others
    (a body that ends in `adze.yield`). No bytes enter the IR: file and offset
    of each tensor are in the weight table named by the module attribute
    `adze.table`. `x 22` declares one weight per layer; `{}` in the source name
    stands for the layer. `layers [0, 2]` declares one for each of some layers:
    those of a layer kind, where kinds differ in sizes or formats.

    (C1) exactly one of `from` and a body is present.
    (C2) `{}` is in the source if and only if the weight is one per layer.
    (C3) the body yields a weight of the declared type.
    (C4) `x` and `layers` are not both given; layers are ascending.
    (C5) there are 1 to 65536 layers.

    ```mlir
    adze.weight @l.q from "model.layers.{}.self_attn.q_proj.weight" x 22
      : !adze.weight<2048x2048, #adze.float<bf16>>
    adze.weight @l.qkv x 22 : !adze.weight<2560x2048, #adze.float<bf16>, panels> {
      %q = adze.ref @l.q : !adze.weight<2048x2048, #adze.float<bf16>>
      %k = adze.ref @l.k : !adze.weight<256x2048, #adze.float<bf16>>
      %v = adze.ref @l.v : !adze.weight<256x2048, #adze.float<bf16>>
      %c = adze.concat %q, %k, %v : (!adze.weight<2048x2048, #adze.float<bf16>>,
        !adze.weight<256x2048, #adze.float<bf16>>,
        !adze.weight<256x2048, #adze.float<bf16>>)
        -> !adze.weight<2560x2048, #adze.float<bf16>>
      %p = adze.pack %c : !adze.weight<2560x2048, #adze.float<bf16>>
        -> !adze.weight<2560x2048, #adze.float<bf16>, panels>
      adze.yield %p : !adze.weight<2560x2048, #adze.float<bf16>, panels>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       OptionalAttr<StrAttr>:$source,
                       OptionalAttr<I64Attr>:$count,
                       OptionalAttr<DenseI64ArrayAttr>:$layers,
                       TypeAttrOf<Adze_WeightType>:$type);
  let regions = (region AnyRegion:$body);
  let assemblyFormat = [{
    $sym_name (`from` $source^)? (`x` $count^)? (`layers` $layers^)? `:` $type
    attr-dict-with-keyword
    ($body^)?
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    ::adze::WeightType getWeightType() {
      return ::llvm::cast<::adze::WeightType>(getType());
    }
    bool isSource() { return getSource().has_value(); }
    bool isPerLayer() { return getCount() || getLayersAttr(); }
    /// One beyond the last layer; 1 for a weight of the whole model.
    int64_t getLayerEnd() {
      if (auto list = getLayersAttr())
        return list.empty() ? 0 : list.asArrayRef().back() + 1;
      return getCount().value_or(1);
    }
    /// Whether there is a weight for `layer`.
    bool hasLayer(int64_t layer) {
      if (auto list = getLayersAttr())
        return ::llvm::is_contained(list.asArrayRef(), layer);
      return layer >= 0 && layer < getLayerEnd();
    }
    /// The layers there is a weight for; {0} for a weight of the whole model.
    ::llvm::SmallVector<int64_t> getLayerIndices();
    /// Whether both have weights for the same layers.
    bool hasSameLayers(::adze::WeightOp other) {
      return getCount() == other.getCount() && getLayers() == other.getLayers();
    }
    /// Where `layer` lies in the artefact; nothing before
    /// adze-assign-weight-offsets, or for a layer that there is none of.
    std::optional<int64_t> getOffset(int64_t layer);
    /// Checkpoint tensor of `layer`: the source with {} replaced.
    std::string getSourceName(int64_t layer);
  }];
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name,
      "::llvm::StringRef":$source, "int64_t":$layers,
      "::adze::WeightType":$type)>];
}

class Adze_ExprOp<string mn, list<Trait> traits = []>
    : Adze_Op<mn, !listconcat(traits, [Pure, HasParent<"WeightOp">])>;

def Adze_RefOp : Adze_ExprOp<"ref"> {
  let summary = "another weight, of the same layer";
  let description = [{
    (C1) the symbol is a weight of the result type.
    (C2) a weight per layer is only read by a weight of the same layers, or by
    one with a list of some of them.
    A weight of the whole model can be read by a weight per layer.
  }];
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs Adze_WeightType:$result);
  let assemblyFormat = "$weight attr-dict `:` type($result)";
}

def Adze_ConcatOp : Adze_ExprOp<"concat"> {
  let summary = "rows of several weights, one after the other";
  let description = [{
    (C1) all have the same columns, format and the layout rows; the result has
    the sum of their rows. Vectors are concatenated along their only dimension.
  }];
  let arguments = (ins Variadic<Adze_WeightType>:$inputs);
  let results = (outs Adze_WeightType:$result);
  let assemblyFormat = "$inputs attr-dict `:` functional-type($inputs, $result)";
  let hasVerifier = 1;
}

def Adze_InterleaveOp : Adze_ExprOp<"interleave", [AllTypesMatch<["a", "b"]>]> {
  let summary = "blocks of 16 rows of two weights, alternating";
  let description = [{
    Puts 16 rows of `a` and 16 rows of `b` in turn, each padded with zero rows
    to a multiple of 16 first, so that a pair of panels holds the same output
    channels of both: gate and up.

    (C1) `a` and `b` have the same type; the result has 2 * ceil(N/16) * 16 rows.
  }];
  let arguments = (ins Adze_WeightType:$a, Adze_WeightType:$b);
  let results = (outs Adze_WeightType:$result);
  let assemblyFormat = "$a `,` $b attr-dict `:` type($a) `->` type($result)";
  let hasVerifier = 1;
}

def Adze_PadHeadsOp : Adze_ExprOp<"pad_heads"> {
  let summary = "each head padded with zero rows to a multiple of 16";
  let description = [{
    (C1) rows are a multiple of `heads`; the result has
    heads * ceil(rows / heads / 16) * 16 rows.
  }];
  let arguments = (ins Adze_WeightType:$input, I64Attr:$heads);
  let results = (outs Adze_WeightType:$result);
  let assemblyFormat =
      "$input `heads` $heads attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def Adze_RotaryHalvesOp : Adze_ExprOp<"rotary_halves"> {
  let summary = "rows of each head from adjacent rotary pairs to halves";
  let description = [{
    Row 2i of a head moves to i and row 2i + 1 to i + D/2, so that a rotary
    embedding over adjacent pairs (GGUF llama) becomes one over halves (Hugging
    Face). The dot product of q and k does not change when both are permuted.

    (C1) rows are a multiple of 2 * heads.
  }];
  let arguments = (ins Adze_WeightType:$input, I64Attr:$heads);
  let results = (outs Adze_WeightType:$result);
  let assemblyFormat =
      "$input `heads` $heads attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def Adze_CastOp : Adze_ExprOp<"cast"> {
  let summary = "the same values in another format";
  let description = [{
    (C1) only the format differs. Rounds to nearest even; a value that is no
    longer finite is an error of the evaluation that names the tensor.
  }];
  let arguments = (ins Adze_WeightType:$input);
  let results = (outs Adze_WeightType:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def Adze_PackOp : Adze_ExprOp<"pack"> {
  let summary = "the same weight in the layout that kernels read";
  let description = [{
    (C1) a matrix; the layout differs, from rows to panels, and of a format F may
    become #adze.blocks<F, ...>. Nothing else does.
  }];
  let arguments = (ins Adze_WeightType:$input);
  let results = (outs Adze_WeightType:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def Adze_StateOp : Adze_Op<"state", [Symbol]> {
  let summary = "keys and values that live from step to step";
  let description = [{
    `x 22` declares keys and values per layer.

    (C1) there are 1 to 65536 layers.

    ```mlir
    adze.state @kv x 22 : !adze.kv<4x64xbf16>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       OptionalAttr<I64Attr>:$count,
                       TypeAttrOf<Adze_KVType>:$type);
  let assemblyFormat = "$sym_name (`x` $count^)? `:` $type attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::adze::KVType getKVType() { return ::llvm::cast<::adze::KVType>(getType()); }
    int64_t getLayers() { return getCount().value_or(1); }
  }];
}

def Adze_YieldOp : Adze_Op<"yield", [Pure, Terminator,
    ParentOneOf<["WeightOp", "LinearOp", "MapOp", "GenericOp", "KernelOp"]>]> {
  let summary = "the result of a region";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "$values attr-dict `:` type($values)";
}

#endif // ADZE_SYMBOL_OPS_TD
