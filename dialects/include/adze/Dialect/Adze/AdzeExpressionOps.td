// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Weight expressions that few files know: what import makes where a checkpoint
// stores something else than the ops read, with the order of columns that goes
// with one, and the factors that calibrated scaling folds in. They have a
// header of their own, AdzeExpressions.h, because few files know them.
#ifndef ADZE_EXPRESSION_OPS_TD
#define ADZE_EXPRESSION_OPS_TD

include "adze/Dialect/Adze/AdzeModelOps.td"

def Adze_SliceOp : Adze_ExprOp<"slice"> {
  let summary = "some rows of a weight";
  let description = [{
    Rows [first, first + N) of the input, where the result has N rows: the
    queries of a checkpoint that stores queries, keys and values as one matrix.

    (C1) the input has those rows and the layout rows; the result differs in
    rows only.
  }];
  let arguments = (ins Adze_WeightType:$input, I64Attr:$first);
  let results = (outs Adze_WeightType:$result);
  let assemblyFormat =
      "$input `from` $first attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def Adze_OffsetOp : Adze_ExprOp<"offset", [AllTypesMatch<["input", "result"]>]> {
  let summary = "the same values plus a number";
  let description = [{
    The weight of a norm that multiplies by 1 + w. The sum is one of f32.

    (C1) the format is f32 (`adze.cast` to it first: 1 + w of a bf16 weight has
    more digits than bf16) and the number is one of f32 and finite.
  }];
  let arguments = (ins Adze_WeightType:$input, F64Attr:$by);
  let results = (outs Adze_WeightType:$result);
  let assemblyFormat = "$input `by` $by attr-dict `:` type($input)";
  let hasVerifier = 1;
}

class Adze_ScaleOp<string mn> : Adze_ExprOp<mn, [Adze_UsesSymbols,
    AllTypesMatch<["input", "result"]>]> {
  let arguments = (ins Adze_WeightType:$input, FlatSymbolRefAttr:$factors,
    UnitAttr:$inverse);
  let results = (outs Adze_WeightType:$result);
  let assemblyFormat = [{
    $input `by` $factors (`inverse` $inverse^)? attr-dict `:` type($input)
  }];
  let hasVerifier = 1;
}

def Adze_ScaleColumnsOp : Adze_ScaleOp<"scale_columns"> {
  let summary = "each column of a matrix times a number";
  let description = [{
    result[n, k] = w[n, k] * s[k], or w[n, k] / s[k] with `inverse`, in f32: what
    a linear multiplies whose input was divided by s (AWQ, SmoothQuant). The
    weight goes on being named after the tensor that `input` leads to; `factors`
    is a parameter.

    (C1) the input is a matrix in f32 (`adze.cast` to it first: products have
    more digits than bf16) and in the layout rows.
    (C2) the factors are a weight with a source, a vector of f32 with a number
    for each column, of the whole model or of the same layers.

    ```mlir
    adze.weight @s from "layers.{}.q.input_scales" x 2
      : !adze.weight<48, #adze.float<f32>>
    adze.weight @q from "layers.{}.q.weight" x 2
      : !adze.weight<32x48, #adze.float<f32>>
    adze.weight @q.scaled x 2 : !adze.weight<32x48, #adze.float<f32>> {
      %0 = adze.ref @q : !adze.weight<32x48, #adze.float<f32>>
      %1 = adze.scale_columns %0 by @s : !adze.weight<32x48, #adze.float<f32>>
      adze.yield %1 : !adze.weight<32x48, #adze.float<f32>>
    }
    ```
  }];
}

def Adze_ScaleRowsOp : Adze_ScaleOp<"scale_rows"> {
  let summary = "each row of a matrix, or element of a vector, times a number";
  let description = [{
    result[n, k] = w[n, k] * s[n], or w[n, k] / s[n] with `inverse`, in f32: what
    gives a linear's result, or a norm's, times s.

    (C1) the input is in f32 and in the layout rows.
    (C2) the factors are a weight with a source, a vector of f32 with a number
    for each row, of the whole model or of the same layers.

    ```mlir
    adze.weight @s from "norm.scales" : !adze.weight<48, #adze.float<f32>>
    adze.weight @norm from "norm.weight" : !adze.weight<48, #adze.float<f32>>
    adze.weight @norm.scaled : !adze.weight<48, #adze.float<f32>> {
      %0 = adze.ref @norm : !adze.weight<48, #adze.float<f32>>
      %1 = adze.scale_rows %0 by @s inverse : !adze.weight<48, #adze.float<f32>>
      adze.yield %1 : !adze.weight<48, #adze.float<f32>>
    }
    ```
  }];
}

def Adze_RotarySpreadOp : Adze_ExprOp<"rotary_spread"> {
  let summary = "rows of each head from partial rotary halves to whole ones";
  let description = [{
    A partial rotary embedding turns the first R of D channels of a head: i
    with i + R/2. The rows are moved so that the turning pairs, and after them
    the channels that do not turn, are i and i + D/2: an embedding over the
    whole head whose last (D - R)/2 frequencies are 0. The dot product of q and
    k does not change when both are permuted.

    (C1) rows are a multiple of 2 * heads; `rotated` is even, above 0 and at
    most D.
  }];
  let arguments = (ins Adze_WeightType:$input, I64Attr:$heads, I64Attr:$rotated);
  let results = (outs Adze_WeightType:$result);
  let assemblyFormat = [{
    $input `heads` $heads `rotated` $rotated attr-dict
    `:` type($input) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Adze_UnpackOp : Adze_ExprOp<"unpack"> {
  let summary = "a weight of codes from the tensors of another quantizer";
  let description = [{
    Codes, scales and zero points of a checkpoint as a weight in rows of
    #adze.int or #adze.fp8, or floats with zeros among them: the same numbers in
    another place, nothing is rounded. `source` is the name that the tensors begin with, `{}` stands for the layer. Packings:

    * `gptq`, `gptq_v2`: `.qweight` i32 [K * bits / 32][N], words along K;
      `.scales` [groups][N]; `.qzeros` i32 [groups][N * bits / 32], less one in
      `gptq`; `.g_idx` i32 [K], the group of each k.
    * `awq`: `.qweight` i32 [K][N / 8], eight channels to a word in the order 0,
      2, 4, 6, 1, 3, 5, 7; `.scales` and `.qzeros` as above, in that order.
    * `packed`: `.weight_packed` i32 [N][K * bits / 32]; `.weight_scale`
      [N][groups]; `.weight_zero_point`, packed along N or bytes; codes and zero
      points are stored plus 8 or 128. `.weight_g_idx` as in gptq.
    * `bytes`: `.weight` i8 [N][K], the rest as in `packed`.
    * `fp8`: `.weight` f8e4m3 [N][K], `.weight_scale` [N][1], [N] or one number.
    * `masked`: `.weight_orig` floats [N][K] times `.weight_mask` [N][K], of floats
      or bytes, as torch.nn.utils.prune has them; where that is 0, 0.
    * `sparse24`: `.compressed` floats [N][K / 2], of 4 neighbours 2, and `.bitmask`
      u8 [N][K / 8], bit k % 8 of byte k / 8 for those that are there.

    `ordered` sorts the columns by their groups (which need not be consecutive
    in `gptq` and `packed`), and by k within one; `adze.unpack_order` says where
    each came from. Without zero points in the format the tensor of zero points,
    if there is one, must hold the middle code everywhere.

    (C1) the packing is one of those; the result is a matrix in the layout rows,
    of #adze.fp8 in `fp8`, of #adze.float in `masked` and `sparse24` (with columns
    in groups of 4), else of #adze.int, 4 bits in `awq` and 8 in `bytes`.
    (C2) `ordered` needs groups, in `gptq`, `gptq_v2` or `packed`.

    ```mlir
    adze.weight @l.q x 22
      : !adze.weight<2048x2048, #adze.int<4, group = 128, scale = f16>> {
      %q = adze.unpack "gptq" "model.layers.{}.self_attn.q_proj"
        : !adze.weight<2048x2048, #adze.int<4, group = 128, scale = f16>>
      adze.yield %q
        : !adze.weight<2048x2048, #adze.int<4, group = 128, scale = f16>>
    }
    ```
  }];
  let arguments = (ins StrAttr:$packing, StrAttr:$source, UnitAttr:$ordered);
  let results = (outs Adze_WeightType:$result);
  let assemblyFormat =
      "$packing $source (`ordered` $ordered^)? attr-dict `:` type($result)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The start of the tensors' names in `layer`.
    std::string getSourceName(int64_t layer);
  }];
}

def Adze_UnpackOrderOp : Adze_ExprOp<"unpack_order"> {
  let summary = "which column each column of an ordered adze.unpack was";
  let description = [{
    Element j of the result is the k that column j of the weight was stored at,
    as a number of f32.

    (C1) the packing has groups of each k (`gptq`, `gptq_v2` or `packed`); the
    result is a vector of f32, of at most 2^24 elements; the group is positive.
  }];
  let arguments = (ins StrAttr:$packing, StrAttr:$source, I64Attr:$group);
  let results = (outs Adze_WeightType:$result);
  let assemblyFormat =
      "$packing $source `group` $group attr-dict `:` type($result)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The start of the tensors' names in `layer`.
    std::string getSourceName(int64_t layer);
  }];
}

def Adze_PermuteOp : Adze_Op<"permute", [Pure, Adze_Decompose, Adze_UsesSymbols,
    AllTypesMatch<["x", "result"]>]> {
  let summary = "columns of rows in another order";
  let description = [{
    result[t, j] = x[t, order[j]]: what a weight reads whose columns were sorted
    (`adze.unpack ... ordered`). Numbers of `order` are column indices.

    (C1) the weight is a vector of f32 as long as a row.

    ```mlir
    %p = adze.permute %x by @l.q.order[%l] : tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Adze_Rows:$x, FlatSymbolRefAttr:$order,
    Optional<Index>:$layer);
  let results = (outs Adze_Rows:$result);
  let assemblyFormat = [{
    $x `by` $order (`[` $layer^ `]`)? attr-dict `:` type($x)
  }];
}

#endif // ADZE_EXPRESSION_OPS_TD
