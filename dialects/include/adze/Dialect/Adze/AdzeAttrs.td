// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attributes: levels, weight formats and layouts, masks, head sinks.
#ifndef ADZE_ATTRS_TD
#define ADZE_ATTRS_TD

include "adze/Dialect/Adze/AdzeDialect.td"
include "adze/Dialect/Adze/AdzeInterfaces.td"
include "mlir/IR/EnumAttr.td"

def Adze_Level : I32EnumAttr<"Level", "level of the IR", [
    I32EnumAttrCase<"Model", 0, "model">,
    I32EnumAttrCase<"Fused", 1, "fused">,
    I32EnumAttrCase<"Scheduled", 2, "scheduled">]> {
  let cppNamespace = "::adze";
  let genSpecializedAttr = 0;
}
def Adze_LevelAttr : EnumAttr<Adze_Dialect, Adze_Level, "level"> {
  let assemblyFormat = "`<` $value `>`";
}

def Adze_FloatFormatAttr : Adze_Attr<"FloatFormat", "float",
    [DeclareAttrInterfaceMethods<Adze_FormatAttrInterface>]> {
  let summary = "plain floating point weights";
  let description = [{
    Elements as they are, in f32, f16 or bf16.

    Panel: `[K/kk][16][kk]` with kk = 2 for bf16, whose pairs dot instructions
    multiply, and 1 for f32 and f16; K padded with zeros to whole 64 bytes.

    ```mlir
    adze.weight @w : !adze.weight<2048x2048, #adze.float<bf16>>
    ```
  }];
  let parameters = (ins "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $elementType `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getElementBytes() const {
      return getElementType().getIntOrFloatBitWidth() / 8;
    }
  }];
}

def Adze_IntFormatAttr : Adze_Attr<"IntFormat", "int",
    [DeclareAttrInterfaceMethods<Adze_FormatAttrInterface>,
     DeclareAttrInterfaceMethods<Adze_IntegerFormatAttrInterface>]> {
  let summary = "int8, int4 and int3 weights with scales";
  let description = [{
    Codes of 8, 4 or 3 bits; a scale for each group of `group` elements along K of
    an output channel, or, with group 0, one for the channel. Symmetric around
    the code 128 (8, 4), or with a zero point per group (`zeros`).

    Row: codes (4 bits: two to a byte, the even k low), then the scales, then the
    zero points, a byte each.

    Panel: the codes, `[K/8][16][8]`, then the scales `[groups][16]`, then the
    zero points `[groups][16]`, each part padded to 64 bytes. A 32-bit lane of 4-bit codes holds
    8 k: byte j has k = j low and k = 4 + j high. A lane of 8-bit codes holds 4,
    and there are two lines to a step.

    Codes of 3 bits, 0 to 7, lie in rows and panels as those of 4 bits do, and take
    the same space: they are there to find out what 3 bits would cost a model.

    ```mlir
    adze.weight @w8 : !adze.weight<2048x2048, #adze.int<8, scale = f32>>
    adze.weight @w4 : !adze.weight<2048x2048, #adze.int<4, group = 128, scale = bf16>>
    ```
  }];
  let parameters = (ins "int64_t":$bits,
    DefaultValuedParameter<"int64_t", "0">:$groupSize,
    "::mlir::Type":$scaleType,
    DefaultValuedParameter<"bool", "false">:$zeros);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Adze_Fp8FormatAttr : Adze_Attr<"Fp8Format", "fp8",
    [DeclareAttrInterfaceMethods<Adze_FormatAttrInterface>,
     DeclareAttrInterfaceMethods<Adze_DecodedFormatAttrInterface>]> {
  let summary = "8-bit floats with a scale per output channel";
  let description = [{
    Elements of 1 sign, 4 exponent and 3 mantissa bits without infinities (E4M3
    as NVIDIA, Arm and Intel published it), times the scale of their channel.

    Row: the elements, a byte each, then the scale. Panel: `[K/4][16][4]`, K
    padded with zeros to a multiple of 8, then 16 scales, padded to 64 bytes.

    Source: Micikevicius et al., FP8 Formats for Deep Learning, 2022.

    ```mlir
    adze.weight @w : !adze.weight<2048x2048, #adze.fp8<scale = bf16>>
    ```
  }];
  let parameters = (ins "::mlir::Type":$scaleType);
  let assemblyFormat = "`<` `scale` `=` $scaleType `>`";
  let genVerifyDecl = 1;
}

def Adze_GgufBlock : I32EnumAttr<"GgufBlock", "a block format of GGUF", [
    I32EnumAttrCase<"Q4_0", 2, "q4_0">, I32EnumAttrCase<"Q4_1", 3, "q4_1">,
    I32EnumAttrCase<"Q5_0", 6, "q5_0">, I32EnumAttrCase<"Q5_1", 7, "q5_1">,
    I32EnumAttrCase<"Q8_0", 8, "q8_0">, I32EnumAttrCase<"Q2_K", 10, "q2_k">,
    I32EnumAttrCase<"Q3_K", 11, "q3_k">, I32EnumAttrCase<"Q4_K", 12, "q4_k">,
    I32EnumAttrCase<"Q5_K", 13, "q5_k">, I32EnumAttrCase<"Q6_K", 14, "q6_k">,
    I32EnumAttrCase<"IQ4_NL", 20, "iq4_nl">,
    I32EnumAttrCase<"IQ4_XS", 23, "iq4_xs">,
    I32EnumAttrCase<"MXFP4", 39, "mxfp4">]> {
  let cppNamespace = "::adze";
  let genSpecializedAttr = 0;
}

def Adze_GgufFormatAttr : Adze_Attr<"GgufFormat", "gguf",
    [DeclareAttrInterfaceMethods<Adze_FormatAttrInterface>,
     DeclareAttrInterfaceMethods<Adze_IntegerFormatAttrInterface>]> {
  let summary = "weights in the blocks of GGUF files";
  let description = [{
    Rows are blocks as ggml defines them (32 or 256 elements along K). Panels
    hold the same codes, scales and minima, regrouped; nothing is rounded again.

    ```mlir
    adze.weight @w : !adze.weight<2048x2048, #adze.gguf<q4_0>>
    ```
  }];
  let parameters = (ins EnumParameter<Adze_GgufBlock>:$block);
  let assemblyFormat = "`<` $block `>`";
}

def Adze_BlocksFormatAttr : Adze_Attr<"BlocksFormat", "blocks",
    [DeclareAttrInterfaceMethods<Adze_FormatAttrInterface>]> {
  let summary = "a format of which panels keep only the blocks that are not zero";
  let description = [{
    The elements of the format `element`, in blocks of 16 output channels (a
    panel) by 32 consecutive k from a multiple of 32 on. Blocks that are zero
    are not stored; at most `keep` of a panel are.

    Row: as `element` stores it, zeros and all.

    Panel: a header, the number of blocks that it holds and their indices
    (k / 32) in ascending order, u16 each, padded to 64 bytes; the tiles of
    `keep` blocks, each as it lies in a panel of `element`; then what `element`
    has beside its codes: all scales, then all zero points, of whole groups
    where groups are longer than a block or whole rows, else of each block that
    is held. Each part is padded to 64 bytes; what is behind the blocks that
    are held is zero and never read.

    All panels are as long, so that each is found without a table; what a kernel
    reads follows the true number of blocks.

    (C1) `element` is #adze.float, or #adze.int with groups of 0 or a multiple
    of 32. (C2) `keep` is from 1 to 65535; in a weight of K columns at most
    K / 32, rounded up.

    ```mlir
    adze.weight @w : !adze.weight<2048x2048, #adze.blocks<#adze.float<bf16>, keep = 32>>
    ```
  }];
  let parameters = (ins "::adze::FormatAttrInterface":$element,
                        "int64_t":$keep);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// k of a block.
    static constexpr int64_t kBlockColumns = 32;
    static constexpr int64_t kMostBlocks = 65535;
    static int64_t countBlocks(int64_t cols) {
      return (cols + kBlockColumns - 1) / kBlockColumns;
    }
    /// Whether a format may be the element of such a one.
    static bool takes(FormatAttrInterface element);
    /// Bytes of the 16 x 32 elements of a block, without scales.
    int64_t getTileBytes() const;
    /// Bytes of the header: where the tiles begin.
    int64_t getHeaderBytes() const;
    /// Where the scales begin, behind the tiles.
    int64_t getScalesOffset() const;
    /// The blocks of 16 rows (as packPanel takes them) that are not zero, in
    /// ascending order.
    ::llvm::SmallVector<uint16_t>
    findBlocks(::llvm::ArrayRef<const uint8_t *> rows, int64_t cols) const;

    /// For a K known at run time (index): getPanelBytes, and where the zero
    /// points begin.
    ::mlir::Value emitPanelBytes(::mlir::OpBuilder &builder,
                                 ::mlir::Location loc,
                                 ::mlir::Value cols) const;
    ::mlir::Value emitZerosOffset(::mlir::OpBuilder &builder,
                                  ::mlir::Location loc,
                                  ::mlir::Value cols) const;
    /// The scales and the minima (as of IntegerFormatAttrInterface) of a block,
    /// the one at `place` of the list, from pointers to the scales and to the
    /// zero points of a panel: vector<16xf32>. They do not depend on `keep`.
    ::mlir::Value emitScale(::mlir::OpBuilder &builder, ::mlir::Location loc,
                            ::mlir::Value scales, ::mlir::Value place,
                            ::mlir::Value block) const;
    ::mlir::Value emitMinimum(::mlir::OpBuilder &builder, ::mlir::Location loc,
                              ::mlir::Value scales, ::mlir::Value zeros,
                              ::mlir::Value place, ::mlir::Value block) const;
  }];
}

def Adze_MaskedFormatAttr : Adze_Attr<"MaskedFormat", "masked",
    [DeclareAttrInterfaceMethods<Adze_FormatAttrInterface>,
     DeclareAttrInterfaceMethods<Adze_IntegerFormatAttrInterface,
                                 ["hasCodes"]>]> {
  let summary = "weights of which panels keep only the elements that are not zero";
  let description = [{
    The elements of the format `element` in steps of 8 k of 16 output channels,
    each with masks of 128 bits in all, which say what is kept. An integer format
    where `element` is one.

    Of #adze.int: a step is two quads of 64 codes (see
    IntegerFormatAttrInterface), each with a mask of 64 bits: bit
    4 * channel + j that of k = 4 * quad + j. Of #adze.float: bit i is that of
    element i of the step as it lies in a panel of `element`.

    Row: as `element` stores it, zeros and all.

    Panel: a header of 64 bytes, u32 each: where the scales begin (of floats: the
    padding), and, with `even`, the bytes of a record; without, where each record
    begins, u32 each, padded to 64 bytes; the records, one for each step; the
    scales as `element` has them, or, of floats, 64 bytes of padding, so that a
    line may be read from any element on. All parts but the first begin at a
    multiple of 64 bytes.

    Record: the masks; what is kept, in the order of the bits. Codes are stored
    less the code for zero (modulo 256, or 16). Codes of 8 bits: those of the
    first quad, then those of the second. Codes of 4 bits: byte i holds code i
    of the first quad low and code i of the second high. Floats are as they are.

    What a scale of zero makes zero is not kept either, nor is -0, which reads as
    0.

    With `even` all records are as long, which suits N of M zeros, and `keep` is
    how many bytes a record has beside its masks; without, it is how many bytes
    the records of a panel have together, at most, masks included.

    (C1) `element` is #adze.float, or #adze.int without zero points. (C2) `keep`
    is at least 0 and at most what all elements would take.

    ```mlir
    adze.weight @w : !adze.weight<2048x2048, #adze.masked<#adze.int<8, scale = f32>, keep = 64, even>>
    adze.weight @f : !adze.weight<2048x2048, #adze.masked<#adze.float<bf16>, keep = 128, even>>
    ```
  }];
  let parameters = (ins "::adze::FormatAttrInterface":$element,
                        "int64_t":$keep,
                        DefaultValuedParameter<"bool", "false">:$even);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// k of a step, and bytes of the masks of its record.
    static constexpr int64_t kStepColumns = 8, kMaskBytes = 16;
    /// Whether a format may be the element of such a one.
    static bool takes(FormatAttrInterface element);
    /// The element as codes, or null; as floats, or null.
    IntFormatAttr getCodes() const;
    FloatFormatAttr getFloats() const;
    /// Bytes, beside masks, of a record that keeps so many elements of the first
    /// and of the second four k of its step.
    static int64_t getKeptBytes(FormatAttrInterface element, int64_t first,
                                int64_t second);
    /// The same if it keeps all.
    static int64_t getMostBytes(FormatAttrInterface element) {
      return getKeptBytes(element, 64, 64);
    }
    /// The bytes that a panel needs for 16 rows (as packPanel takes them), in
    /// the sense of `keep`. If it keeps as many, writes the panel, unless that
    /// is empty.
    int64_t packIfKept(::llvm::ArrayRef<const uint8_t *> rows, int64_t cols,
                       ::llvm::MutableArrayRef<uint8_t> panel = {}) const;
    /// Of floats: emits k = 8 * step .. 8 * step + 7 as they lie in a panel of
    /// the element, 64 bytes in each value: vector<32xi16> or vector<16xi32>.
    /// `panel` and `step` are as in IntegerFormatAttrInterface.
    ::llvm::SmallVector<::mlir::Value> emitLines(::mlir::OpBuilder &builder,
                                                 ::mlir::Location loc,
                                                 ::mlir::Value panel,
                                                 ::mlir::Value step) const;
  }];
}

def Adze_LayoutKind : I32EnumAttr<"LayoutKind", "layout of a packed weight", [
    I32EnumAttrCase<"Rows", 0, "rows">,
    I32EnumAttrCase<"Panels", 1, "panels">]> {
  let cppNamespace = "::adze";
  let genSpecializedAttr = 0;
}
def Adze_LayoutAttr : EnumAttr<Adze_Dialect, Adze_LayoutKind, "layout"> {
  let description = [{
    * `rows`: row-major rows as the format stores them (vectors, tables).
    * `panels`: panels of 16 output channels in lanes, `[N/16][K/kk][16][kk]`,
      N padded with zero rows. One layout serves decode, prefill and every
      variant of an architecture family.
  }];
  let assemblyFormat = "`<` $value `>`";
}

def Adze_MaskAttr : Adze_Attr<"Mask", "mask"> {
  let summary = "which positions a query attends to";
  let description = [{
    `causal`: positions 0 .. p of a query at position p. With a window of W:
    positions max(0, p - W + 1) .. p (Mistral's sliding window).

    `#adze.mask<causal>`, `#adze.mask<causal, window = 4096>`
  }];
  let parameters = (ins DefaultValuedParameter<"int64_t", "0">:$window);
  let assemblyFormat = "`<` `causal` (`,` `window` `=` $window^)? `>`";
  let genVerifyDecl = 1;
}

def Adze_HeadDest : I32EnumAttr<"HeadDest", "where a head sink puts a head", [
    I32EnumAttrCase<"Store", 0, "store">,
    I32EnumAttrCase<"Key", 1, "key">,
    I32EnumAttrCase<"Value", 2, "value">]> {
  let cppNamespace = "::adze";
  let genSpecializedAttr = 0;
}

def Adze_HeadChainAttr : Adze_Attr<"HeadChain", "head"> {
  let summary = "what happens to some heads of a linear's result";
  let description = [{
    A chain that runs on finished heads while they are in L1: optional RMS norm
    over the head (weight symbol, epsilon), optional rotary embedding, then
    either store to the result or append to the KV cache.

    `#adze.head<32, norm = @l.qn, eps = 1.0e-6, rotary, store>`
  }];
  let parameters = (ins
    "int64_t":$heads,
    OptionalParameter<"::mlir::FlatSymbolRefAttr">:$norm,
    OptionalParameter<"::mlir::FloatAttr">:$eps,
    DefaultValuedParameter<"bool", "false">:$rotary,
    "::adze::HeadDest":$dest);
  let hasCustomAssemblyFormat = 1;
}

def Adze_HeadSinkAttr : Adze_Attr<"HeadSink", "heads"> {
  let summary = "a sink that runs head by head";
  let description = [{
    The output channels of the linear are, in order, the heads of each chain;
    each head is `headDim` channels.

    `#adze.heads<64, [#adze.head<32, rotary, store>, #adze.head<4, rotary, key>, #adze.head<4, value>]>`
  }];
  let parameters = (ins "int64_t":$headDim,
                        ArrayRefParameter<"::adze::HeadChainAttr">:$chains);
  let assemblyFormat = "`<` $headDim `,` `[` $chains `]` `>`";
  let genVerifyDecl = 1;
}

#endif // ADZE_ATTRS_TD
