// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Weight expressions that import makes, where a checkpoint stores something
// else than the ops read. They have a header of their own, AdzeExpressions.h:
// only import and the evaluator know them.
#ifndef ADZE_EXPRESSION_OPS_TD
#define ADZE_EXPRESSION_OPS_TD

include "adze/Dialect/Adze/AdzeSymbolOps.td"

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

#endif // ADZE_EXPRESSION_OPS_TD
