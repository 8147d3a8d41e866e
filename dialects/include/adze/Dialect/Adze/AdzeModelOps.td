// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Model-level ops: pure tensor values. T tokens of a step, N and K channels,
// H query heads, G key/value heads, D head size, V vocabulary.
#ifndef ADZE_MODEL_OPS_TD
#define ADZE_MODEL_OPS_TD

include "adze/Dialect/Adze/AdzeSymbolOps.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

def Adze_Decompose : DeclareOpInterfaceMethods<Adze_DecomposableOpInterface>;
def Adze_UsesSymbols : DeclareOpInterfaceMethods<SymbolUserOpInterface>;

def Adze_AnyRows : 2DTensorOf<[F32, BF16, F16, F64]>;
def Adze_Rows : Type<And<[Adze_AnyRows.predicate,
    CPred<"::llvm::cast<::mlir::ShapedType>($_self).getDimSize(1) != 0">]>,
    "rows of an activation", Adze_AnyRows.cppType>;
def Adze_ScalarRows : AnyTypeOf<[AnyFloat, VectorOfAnyRankOf<[AnyFloat]>,
    RankedTensorOf<[AnyFloat]>], "a float, or a vector or tensor of floats">;

def Adze_EmbedOp : Adze_Op<"embed", [Pure, Adze_Decompose, Adze_UsesSymbols]> {
  let summary = "one row of a table per token";
  let description = [{
    result[t, :] = table[tokens[t], :].

    (C1) the weight is a V x N matrix and the result has N columns.

    ```mlir
    %x = adze.embed %tokens, @emb : tensor<?xi32> -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins 1DTensorOf<[I32]>:$tokens, FlatSymbolRefAttr:$table);
  let results = (outs Adze_Rows:$result);
  let assemblyFormat =
      "$tokens `,` $table attr-dict `:` type($tokens) `->` type($result)";
}

def Adze_LinearOp : Adze_Op<"linear", [AttrSizedOperandSegments,
    Adze_Decompose, Adze_UsesSymbols,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "rows times a weight, with a scalar region and a sink";
  let description = [{
    acc[t, n] = sum over k of x[t, k] * w[n, k] (+ bias[n]).

    Without a region the result is acc. At the fused level:

    * a **region** of elementwise scalar ops maps the accumulator (two of them,
      `streams 2`: the weight is an `adze.interleave`, the result has half the
      channels) and one element of each captured T x N tensor to the result;
    * a **sink** runs on finished heads: see HeadSinkAttr. The result is then
      the heads stored, if any; `rope` is the rotary table, `cache` the state.

    (C1) x has K columns, the weight is N x K, the bias is a vector of N.
    (C2) the result has N columns; N / 2 with two streams (up to the padding of
    16 rows of an interleaved weight); with a sink the sum of the stored heads.
    (C3) the region has one f32 argument per stream and per capture, holds only
    pure elementwise ops, and yields one f32.
    (C4) `layer` is given if and only if the weight is one per layer.
    (C5) a sink that rotates needs `rope`, one that appends needs `cache` and
    `batch`.

    ```mlir
    %q = adze.linear %n, @l.q[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
    %y = adze.linear %a, @l.o[%l] captures(%x : tensor<?x64xf32>) {
    ^bb0(%acc: f32, %r: f32):
      %0 = arith.addf %acc, %r : f32
      adze.yield %0 : f32
    } : (tensor<?x64xf32>) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Adze_Rows:$x, FlatSymbolRefAttr:$weight,
    OptionalAttr<FlatSymbolRefAttr>:$bias,
    Optional<Index>:$layer,
    Variadic<Adze_Rows>:$captures,
    Optional<Adze_Rows>:$rope,
    Optional<Adze_BatchType>:$batch,
    OptionalAttr<FlatSymbolRefAttr>:$cache,
    OptionalAttr<Adze_HeadSinkAttr>:$sink,
    DefaultValuedAttr<I64Attr, "1">:$streams);
  let results = (outs Optional<Adze_Rows>:$result);
  let regions = (region AnyRegion:$body);
  let assemblyFormat = [{
    $x `,` $weight (`[` $layer^ `]`)? (`bias` $bias^)?
    (`streams` $streams^)?
    (`captures` `(` $captures^ `:` type($captures) `)`)?
    (`sink` $sink^)? (`rope` $rope^ `:` type($rope))?
    (`cache` $cache^)? (`at` $batch^)?
    ($body^)? attr-dict-with-keyword
    `:` `(` type($x) `)` (`->` type($result)^)?
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let builders = [OpBuilder<(ins "::mlir::Type":$result, "::mlir::Value":$x,
      "::llvm::StringRef":$weight, "::llvm::StringRef":$bias,
      "::mlir::Value":$layer)>];
}

def Adze_RmsNormOp : Adze_Op<"rms_norm", [Pure, Adze_Decompose,
    Adze_UsesSymbols, AllTypesMatch<["x", "result"]>]> {
  let summary = "root mean square normalisation of rows, or of each head";
  let description = [{
    y[i] = x[i] / sqrt(mean over i of x[i]^2 + eps) * w[i], over each row, or
    with `heads H` over each of H equal parts of a row with one weight of D.

    (C1) the weight is a vector as long as a row, or as a head.

    Source: Zhang and Sennrich, Root Mean Square Layer Normalization, 2019.

    ```mlir
    %n = adze.rms_norm %x, @l.n1[%l] eps 1.0e-5 : tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Adze_Rows:$x, FlatSymbolRefAttr:$weight,
    Optional<Index>:$layer, F64Attr:$eps,
    DefaultValuedAttr<I64Attr, "1">:$heads);
  let results = (outs Adze_Rows:$result);
  let assemblyFormat = [{
    $x `,` $weight (`[` $layer^ `]`)? `eps` $eps (`heads` $heads^)? attr-dict
    `:` type($x)
  }];
}

def Adze_RotaryTableOp : Adze_Op<"rotary_table", [Pure, Adze_Decompose]> {
  let summary = "cosines and sines of the rotary angles of each row";
  let description = [{
    With p the position of row t and f the frequencies (radians per position):
    result[t, i] = scale * cos(p * f[i]) and
    result[t, D/2 + i] = scale * sin(p * f[i]) for i < D/2.
    Angles are reduced in f64, so that they stay right at any position. A pair
    of frequency 0 does not turn and is not scaled: 1 and 0 (the channels that a
    partial rotary embedding leaves alone).

    (C1) the result has twice as many columns as there are frequencies.

    Source: Su et al., RoFormer, 2021.

    ```mlir
    %r = adze.rotary_table %b freqs [1.0, 0.1] : tensor<?x4xf32>
    ```
  }];
  let arguments = (ins Adze_BatchType:$batch, DenseF64ArrayAttr:$freqs,
    DefaultValuedAttr<F64Attr, "1.0">:$scale);
  let results = (outs Adze_Rows:$result);
  let assemblyFormat = [{
    $batch `freqs` custom<ExactReals>($freqs) (`scale` $scale^)? attr-dict
    `:` type($result)
  }];
  let hasVerifier = 1;
}

def Adze_RotaryPairing : I32EnumAttr<"RotaryPairing", "which channels rotate together", [
    I32EnumAttrCase<"Half", 0, "half">,
    I32EnumAttrCase<"Interleaved", 1, "interleaved">]> {
  let cppNamespace = "::adze";
}

def Adze_RotaryOp : Adze_Op<"rotary", [Pure, Adze_Decompose,
    AllTypesMatch<["x", "result"]>]> {
  let summary = "rotary position embedding of heads";
  let description = [{
    For each head and i < D/2, with the pair (a, b) = (x[i], x[i + D/2])
    (`half`) or (x[2i], x[2i + 1]) (`interleaved`):
    a' = a cos - b sin, b' = b cos + a sin, in the same places.

    (C1) columns = heads * D with D even, and the table has D columns.

    ```mlir
    %qr = adze.rotary %q, %r heads 8 half : tensor<?x64xf32>, tensor<?x8xf32>
    ```
  }];
  let arguments = (ins Adze_Rows:$x, Adze_Rows:$table, I64Attr:$heads,
    Adze_RotaryPairing:$pairing);
  let results = (outs Adze_Rows:$result);
  let assemblyFormat = [{
    $x `,` $table `heads` $heads $pairing attr-dict `:` type($x) `,` type($table)
  }];
  let hasVerifier = 1;
}

def Adze_AttentionOp : Adze_Op<"attention", [AttrSizedOperandSegments,
    Adze_Decompose, Adze_UsesSymbols, AllTypesMatch<["q", "result"]>,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "attention of each row over its own sequence";
  let description = [{
    Appends k and v of each row to the cache at the row's position (when they
    are operands; at the fused level a sink may have done it), then for each
    query head h with key/value head g = h / (heads / kv_heads):

    s[j] = scale * (q[h] . K[g, j]) for the positions j that the mask allows,
    p = softmax(s), o[h] = sum over j of p[j] * V[g, j].

    A row sees the positions of its own sequence only: those in the cache, and
    those appended by this step.

    (C1) q has heads * D columns, k and v kv_heads * D, D from the cache's type.
    (C2) heads is a multiple of kv_heads, which is the cache's.

    ```mlir
    %a = adze.attention %q, %k, %v cache @kv[%l] at %b heads 8 kv_heads 4
      scale 0.35 mask <causal>
      : tensor<?x64xf32>, tensor<?x32xf32>, tensor<?x32xf32>
    ```
  }];
  let arguments = (ins Adze_Rows:$q, Optional<Adze_Rows>:$k,
    Optional<Adze_Rows>:$v, FlatSymbolRefAttr:$cache, Optional<Index>:$layer,
    Adze_BatchType:$batch, I64Attr:$heads, I64Attr:$kv_heads, F64Attr:$scale,
    Adze_MaskAttr:$mask);
  let results = (outs Adze_Rows:$result);
  let assemblyFormat = [{
    $q (`,` $k^ `,` $v)? `cache` $cache (`[` $layer^ `]`)? `at` $batch
    `heads` $heads `kv_heads` $kv_heads `scale` $scale `mask` $mask attr-dict
    `:` type($q) (`,` type($k)^ `,` type($v))?
  }];
  let hasVerifier = 1;
}

def Adze_TakeRowsOp : Adze_Op<"take_rows", [Pure, Adze_Decompose,
    AllTypesMatch<["x", "result"]>]> {
  let summary = "the rows asked for";
  let description = [{
    result[r, :] = x[rows[r], :].

    ```mlir
    %g = adze.take_rows %f, %rows : tensor<?x64xf32>, tensor<?xi32>
    ```
  }];
  let arguments = (ins Adze_Rows:$x, 1DTensorOf<[I32]>:$rows);
  let results = (outs Adze_Rows:$result);
  let assemblyFormat = "$x `,` $rows attr-dict `:` type($x) `,` type($rows)";
}

def Adze_QuantizeOp : Adze_Op<"quantize", [Pure, Adze_Decompose,
    Adze_UsesSymbols, AllTypesMatch<["x", "result"]>]> {
  let summary = "rows rounded to int8 codes with a scale per group";
  let description = [{
    For each group of `group` columns of a row (0: the whole row; a last group
    may be short), with m = max |x|:

    result = q * (m / 127) with q = round to nearest even (x * (127 / m)),

    or 0 where m is 0. With `ranges`, m is the group's number there, whatever the
    row holds, and q is the nearest code from -127 to 127; a group with an x that
    is not finite becomes NaN. A value of codes on the way into integer dot
    products: linears with an integer format multiply the codes, and all others see
    the rounded value. Scheduling stores it as codes, scales and sums.

    (C1) `group` is 0 or a positive multiple of 16.
    (C2) `ranges` is a vector of f32 with an element for each group.

    ```mlir
    %q = adze.quantize %x group 128 : tensor<?x64xf32>
    %s = adze.quantize %x group 32 ranges @l.q.ranges[%l] : tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Adze_Rows:$x, DefaultValuedAttr<I64Attr, "0">:$group,
    OptionalAttr<FlatSymbolRefAttr>:$ranges, Optional<Index>:$layer);
  let results = (outs Adze_Rows:$result);
  let assemblyFormat = [{
    $x (`group` $group^)? (`ranges` $ranges^ (`[` $layer^ `]`)?)? attr-dict
    `:` type($x)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$x, "int64_t":$group)>];
  let extraClassDeclaration = [{
    /// Groups of a row.
    int64_t getGroups();
  }];
  let hasVerifier = 1;
}

class Adze_ActivationOp<string mn> : Adze_Op<mn, [Pure, SameOperandsAndResultType,
    Elementwise, Scalarizable, Vectorizable, Tensorizable, Adze_Decompose]> {
  let arguments = (ins Adze_ScalarRows:$x);
  let results = (outs Adze_ScalarRows:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
}
def Adze_SiluOp : Adze_ActivationOp<"silu"> {
  let summary = "x / (1 + exp(-x))";
  let description = [{
    ```mlir
    %s = adze.silu %g : tensor<?x172xf32>
    ```
  }];
}
def Adze_GeluOp : Adze_ActivationOp<"gelu"> {
  let summary = "x * Phi(x), by the tanh approximation";
  let description = [{
    0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
    Source: Hendrycks and Gimpel, Gaussian Error Linear Units, 2016.

    ```mlir
    %s = adze.gelu %g : tensor<?x172xf32>
    ```
  }];
}

def Adze_RepeatOp : Adze_Op<"repeat", [Adze_UsesSymbols]> {
  let summary = "a layer kind, applied layer after layer";
  let description = [{
    for l in first .. first + count - 1: x = callee(l, x, invariants ...).

    (C1) the callee takes an index, then the types of x and of the invariants,
    and returns the type of x.
    (C2) every weight and state per layer that the callee reads has the layers
    first .. first + count - 1.
    (C3) count and first are at least 0, and there are at most 65536 layers.

    ```mlir
    %h = adze.repeat 22 @layer(%x, %r, %b)
      : (tensor<?x64xf32>, tensor<?x8xf32>, !adze.batch) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins I64Attr:$count, DefaultValuedAttr<I64Attr, "0">:$first,
    FlatSymbolRefAttr:$callee, Variadic<AnyType>:$args);
  let results = (outs Adze_Rows:$result);
  let assemblyFormat = [{
    $count (`from` $first^)? $callee `(` $args `)` attr-dict
    `:` functional-type($args, $result)
  }];
}

def Adze_TapOp : Adze_Op<"tap"> {
  let summary = "shows a value to the outside under a name";
  let description = [{
    Calls the runtime's tap callback with the value. Has no effect on results.

    ```mlir
    adze.tap %x "after attention" : tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Adze_Rows:$x, StrAttr:$name);
  let assemblyFormat = "$x $name attr-dict `:` type($x)";
}

def Adze_WeightTensorOp : Adze_Op<"weight_tensor", [Pure, Adze_UsesSymbols]> {
  let summary = "a weight as a float tensor";
  let description = [{
    What `decompose` reads weights with: the logical values, decoded to f32.

    ```mlir
    %w = adze.weight_tensor @l.q[%l] : tensor<64x64xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$weight, Optional<Index>:$layer);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat =
      "$weight (`[` $layer^ `]`)? attr-dict `:` type($result)";
}

def Adze_PositionsOp : Adze_Op<"positions", [Pure]> {
  let summary = "the position of each row in its sequence";
  let description = [{
    What `decompose` reads positions, and the number of rows, with.

    ```mlir
    %p = adze.positions %b : tensor<?xi32>
    ```
  }];
  let arguments = (ins Adze_BatchType:$batch);
  let results = (outs 1DTensorOf<[I32]>:$result);
  let assemblyFormat = "$batch attr-dict `:` type($result)";
}

#endif // ADZE_MODEL_OPS_TD
