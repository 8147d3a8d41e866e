// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Ops that only fusion passes make.
#ifndef ADZE_FUSED_OPS_TD
#define ADZE_FUSED_OPS_TD

include "adze/Dialect/Adze/AdzeModelOps.td"

def Adze_MapOp : Adze_Op<"map", [Pure, Adze_Decompose]> {
  let summary = "a scalar region over elements of equally shaped rows";
  let description = [{
    What fusion leaves of elementwise ops that no linear took in: one pass over
    memory for a whole chain.

    (C1) there is an input; all inputs and the result have the same shape.
    (C2) the region has one f32 argument per input, holds only pure elementwise
    ops, and yields one f32.

    ```mlir
    %m = adze.map %g, %u : tensor<?x172xf32>, tensor<?x172xf32> -> tensor<?x172xf32> {
    ^bb0(%a: f32, %b: f32):
      %s = adze.silu %a : f32
      %p = arith.mulf %s, %b : f32
      adze.yield %p : f32
    }
    ```
  }];
  let arguments = (ins Variadic<Adze_Rows>:$inputs);
  let results = (outs Adze_Rows:$result);
  let regions = (region AnyRegion:$body);
  let assemblyFormat = [{
    $inputs `:` type($inputs) `->` type($result) $body attr-dict-with-keyword
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}

def Adze_KVAppendOp : Adze_Op<"kv_append", [Adze_UsesSymbols,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "keys and values into the cache, at each row's position";
  let description = [{
    (C1) k and v have the cache's heads * head size columns.

    ```mlir
    adze.kv_append %k, %v cache @kv[%l] at %b
      : tensor<?x32xf32>, tensor<?x32xf32>
    ```
  }];
  let arguments = (ins Adze_Rows:$k, Adze_Rows:$v, FlatSymbolRefAttr:$cache,
    Optional<Index>:$layer, Adze_BatchType:$batch);
  let assemblyFormat = [{
    $k `,` $v `cache` $cache (`[` $layer^ `]`)? `at` $batch attr-dict
    `:` type($k) `,` type($v)
  }];
}

def Adze_GenericOp : Adze_Op<"generic", [IsolatedFromAbove, Pure,
    AttrSizedOperandSegments, SingleBlock]> {
  let summary = "rows that plain loops compute";
  let description = [{
    What no kernel builder claims, or what `--generic` names: upstream linalg,
    tensor, arith and math ops, outlined just before they are scheduled. The
    region stands for one row of the result: block arguments are the inputs,
    then the weights as f32 tensors (decoded element by element), then the
    batch. `whole` says which inputs are read at any row; the others are read at
    the row that is computed. `origin` names the op it stands for.

    (C1) the region has one argument per input, weight and batch, and yields the
    result.
    (C2) only the first dimension of a tensor may be dynamic; inputs read by row
    come first.

    ```mlir
    %y = adze.generic "tensor.cast" (%x : tensor<?x4xf32>) whole [false]
      -> tensor<?x4xf32> {
    ^bb0(%a: tensor<?x4xf32>):
      adze.yield %a : tensor<?x4xf32>
    }
    ```
  }];
  let arguments = (ins StrAttr:$origin, Variadic<AnyRankedTensor>:$inputs,
    DenseBoolArrayAttr:$whole,
    OptionalAttr<FlatSymbolRefArrayAttr>:$weights, Optional<Index>:$layer,
    Optional<Adze_BatchType>:$batch);
  let results = (outs AnyRankedTensor:$result);
  let regions = (region AnyRegion:$body);
  let assemblyFormat = [{
    $origin `(` ($inputs^ `:` type($inputs))? `)` `whole` $whole
    (`weights` $weights^)? (`layer` $layer^)? (`at` $batch^)?
    `->` type($result) $body attr-dict-with-keyword
  }];
  let hasRegionVerifier = 1;
}

#endif // ADZE_FUSED_OPS_TD
