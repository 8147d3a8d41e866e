// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// All passes of transforms/, in pipeline order; those that compress are in
// CompressPasses.td, and TableGen makes one adze/Transforms/Passes.h.inc of both.
// Each fusion can be left out of the pipeline and the model computes the same;
// adze-convert-weights and adze-quantize-activations decide what it computes.
#ifndef ADZE_TRANSFORMS_PASSES_TD
#define ADZE_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"
include "adze/Transforms/CompressPasses.td"

//===-- model level -------------------------------------------------------===//

def SplitLayers : Pass<"adze-split-layers", "::mlir::ModuleOp"> {
  let summary = "Make layers that are to have different formats different kinds";
  let description = [{
    `format` are rules as for `adze-convert-weights`. Where they give tensors of
    the layers of one kind different formats, the kind becomes one for each
    combination: a copy of its function, over copies of its weights with
    `layers [...]`. `adze.repeat` is cut where the kind changes. Nothing is
    converted: that pass does it, for which the layers of a weight have one
    format each then. Code generation makes one function of kinds that differ in
    kernels and sizes only.

    Before:
    ```mlir
    adze.weight @w from "layers.{}.w" x 2 : !adze.weight<64x64, #adze.float<f32>>
    func.func private @layer(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @w[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.repeat 2 @layer(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    ```
    After, with format=*layers.1.*=int8,*=int4:g32:
    ```mlir
    adze.weight @w.0 from "layers.{}.w" layers [0] : !adze.weight<64x64, #adze.float<f32>>
    adze.weight @w.1 from "layers.{}.w" layers [1] : !adze.weight<64x64, #adze.float<f32>>
    func.func private @layer.0(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @w.0[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    func.func private @layer.1(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @w.1[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.repeat 1 @layer.0(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      %z = adze.repeat 1 from 1 @layer.1(%y) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %z : tensor<?x64xf32>
    }
    ```
  }];
  let options = [Option<"format", "format", "std::string", "\"\"",
                        "rules as for adze-convert-weights">];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def ConvertWeights : Pass<"adze-convert-weights", "::mlir::ModuleOp"> {
  let summary = "Convert the matrices of a model to a format";
  let description = [{
    Every matrix that an op reads and whose format differs becomes a weight of
    the wanted format: it is renamed and the old symbol becomes a `cast` of it.
    Vectors (norms, biases) stay as they are, and so does what only the
    expressions of other weights read. Integer formats are for matrices of at
    least 32 columns that only linears and embeddings read; others stay.

    `format` is one format for all (see `parseFormatName`: f32, bf16, f16, int8,
    int4:g128, ...) or rules, of which the first that matches the name of a
    source tensor decides: `lm_head=int8,*=int4:g128`. Patterns have `*` and
    `?`, and match with or without a final `.weight`. It is an error if a rule
    matches nothing, or some layers of a weight only.

    Before:
    ```mlir
    adze.weight @w from "w" : !adze.weight<64x64, #adze.float<f32>>
    ```
    After, with format=bf16:
    ```mlir
    adze.weight @w.source from "w" : !adze.weight<64x64, #adze.float<f32>>
    adze.weight @w : !adze.weight<64x64, #adze.float<bf16>> {
      %0 = adze.ref @w.source : !adze.weight<64x64, #adze.float<f32>>
      %1 = adze.cast %0 : !adze.weight<64x64, #adze.float<f32>>
        -> !adze.weight<64x64, #adze.float<bf16>>
      adze.yield %1 : !adze.weight<64x64, #adze.float<bf16>>
    }
    ```
  }];
  let options = [Option<"format", "format", "std::string", "\"\"",
                        "a format, or rules PATTERN=FORMAT with commas">];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def HoistTakeRows : Pass<"adze-hoist-take-rows", "::mlir::ModuleOp"> {
  let summary = "Compute only the rows asked for";
  let description = [{
    Moves `adze.take_rows` up through ops that work row by row (linear without
    captures, rms_norm, quantize, elementwise ops), so that the output head runs on the
    rows asked for instead of on every token. Declines, with a remark, at an op
    whose result has other uses.

    Before:
    ```mlir
    adze.weight @head from "head" : !adze.weight<100x64, #adze.float<f32>>
    func.func @logits(%x: tensor<?x64xf32>, %rows: tensor<?xi32>) -> tensor<?x100xf32> {
      %y = adze.linear %x, @head : (tensor<?x64xf32>) -> tensor<?x100xf32>
      %t = adze.take_rows %y, %rows : tensor<?x100xf32>, tensor<?xi32>
      return %t : tensor<?x100xf32>
    }
    ```
    After:
    ```mlir
    adze.weight @head from "head" : !adze.weight<100x64, #adze.float<f32>>
    func.func @logits(%x: tensor<?x64xf32>, %rows: tensor<?xi32>) -> tensor<?x100xf32> {
      %t = adze.take_rows %x, %rows : tensor<?x64xf32>, tensor<?xi32>
      %y = adze.linear %t, @head : (tensor<?x64xf32>) -> tensor<?x100xf32>
      return %y : tensor<?x100xf32>
    }
    ```
  }];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def NormalizeRotary : Pass<"adze-normalize-rotary", "::mlir::ModuleOp"> {
  let summary = "Turn interleaved rotary pairs into halves";
  let description = [{
    A rotary embedding over adjacent pairs whose input is a linear that nothing
    else uses becomes one over halves: the rows of the weight and of the bias
    are permuted (`adze.rotary_halves`). Fires for every q and k that meet in a
    cache or for none, since the dot product only keeps its value when both are
    permuted alike.

    Before:
    ```mlir
    adze.weight @q from "q" : !adze.weight<16x64, #adze.float<f32>>
    adze.weight @k from "k" : !adze.weight<16x64, #adze.float<f32>>
    adze.state @kv : !adze.kv<2x8xf32>
    func.func @f(%x: tensor<?x64xf32>, %v: tensor<?x16xf32>, %r: tensor<?x8xf32>,
                 %b: !adze.batch) -> tensor<?x16xf32> {
      %q = adze.linear %x, @q : (tensor<?x64xf32>) -> tensor<?x16xf32>
      %k = adze.linear %x, @k : (tensor<?x64xf32>) -> tensor<?x16xf32>
      %qr = adze.rotary %q, %r heads 2 interleaved : tensor<?x16xf32>, tensor<?x8xf32>
      %kr = adze.rotary %k, %r heads 2 interleaved : tensor<?x16xf32>, tensor<?x8xf32>
      %a = adze.attention %qr, %kr, %v cache @kv at %b heads 2 kv_heads 2
        scale 0.5 mask <causal>
        : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>
      return %a : tensor<?x16xf32>
    }
    ```
    After:
    ```mlir
    adze.weight @q from "q" : !adze.weight<16x64, #adze.float<f32>>
    adze.weight @q.halves : !adze.weight<16x64, #adze.float<f32>> {
      %0 = adze.ref @q : !adze.weight<16x64, #adze.float<f32>>
      %1 = adze.rotary_halves %0 heads 2 : !adze.weight<16x64, #adze.float<f32>>
        -> !adze.weight<16x64, #adze.float<f32>>
      adze.yield %1 : !adze.weight<16x64, #adze.float<f32>>
    }
    adze.weight @k from "k" : !adze.weight<16x64, #adze.float<f32>>
    adze.weight @k.halves : !adze.weight<16x64, #adze.float<f32>> {
      %0 = adze.ref @k : !adze.weight<16x64, #adze.float<f32>>
      %1 = adze.rotary_halves %0 heads 2 : !adze.weight<16x64, #adze.float<f32>>
        -> !adze.weight<16x64, #adze.float<f32>>
      adze.yield %1 : !adze.weight<16x64, #adze.float<f32>>
    }
    adze.state @kv : !adze.kv<2x8xf32>
    func.func @f(%x: tensor<?x64xf32>, %v: tensor<?x16xf32>, %r: tensor<?x8xf32>,
                 %b: !adze.batch) -> tensor<?x16xf32> {
      %q = adze.linear %x, @q.halves : (tensor<?x64xf32>) -> tensor<?x16xf32>
      %k = adze.linear %x, @k.halves : (tensor<?x64xf32>) -> tensor<?x16xf32>
      %qr = adze.rotary %q, %r heads 2 half : tensor<?x16xf32>, tensor<?x8xf32>
      %kr = adze.rotary %k, %r heads 2 half : tensor<?x16xf32>, tensor<?x8xf32>
      %a = adze.attention %qr, %kr, %v cache @kv at %b heads 2 kv_heads 2
        scale 0.5 mask <causal>
        : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>
      return %a : tensor<?x16xf32>
    }
    ```
  }];
  let dependentDialects = ["::adze::AdzeDialect"];
}

//===-- fusion ------------------------------------------------------------===//

def SplitAttention : Pass<"adze-split-attention", "::mlir::ModuleOp"> {
  let summary = "Separate the append to the KV cache from attention";
  let description = [{
    `adze.attention %q, %k, %v` becomes `adze.kv_append %k, %v` followed by
    `adze.attention %q`: what a sink can take over, and what a kernel does.

    Before:
    ```mlir
    adze.state @kv : !adze.kv<2x8xf32>
    func.func @f(%q: tensor<?x32xf32>, %k: tensor<?x16xf32>, %v: tensor<?x16xf32>,
                 %b: !adze.batch) -> tensor<?x32xf32> {
      %a = adze.attention %q, %k, %v cache @kv at %b heads 4 kv_heads 2 scale 0.5
        mask <causal> : tensor<?x32xf32>, tensor<?x16xf32>, tensor<?x16xf32>
      return %a : tensor<?x32xf32>
    }
    ```
    After:
    ```mlir
    adze.state @kv : !adze.kv<2x8xf32>
    func.func @f(%q: tensor<?x32xf32>, %k: tensor<?x16xf32>, %v: tensor<?x16xf32>,
                 %b: !adze.batch) -> tensor<?x32xf32> {
      adze.kv_append %k, %v cache @kv at %b : tensor<?x16xf32>, tensor<?x16xf32>
      %a = adze.attention %q cache @kv at %b heads 4 kv_heads 2 scale 0.5
        mask <causal> : tensor<?x32xf32>
      return %a : tensor<?x32xf32>
    }
    ```
  }];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def FuseHeadSinks : Pass<"adze-fuse-head-sinks", "::mlir::ModuleOp"> {
  let summary = "Head norm, rotary and KV append as sinks of the projections";
  let description = [{
    A linear whose result only goes through an optional per-head rms_norm and an
    optional rotary (pairs by halves) to an attention's q, or to a kv_append,
    gets a sink that does this on finished heads in L1.

    Declines, with a remark, when a value has other uses, when the pairing is
    interleaved, or when keys and values cannot both be sunk.

    Before:
    ```mlir
    adze.weight @q from "q" : !adze.weight<32x64, #adze.float<f32>>
    adze.weight @qn from "qn" : !adze.weight<8, #adze.float<f32>>
    adze.state @kv : !adze.kv<2x8xf32>
    func.func @f(%x: tensor<?x64xf32>, %r: tensor<?x8xf32>, %b: !adze.batch)
        -> tensor<?x32xf32> {
      %q = adze.linear %x, @q : (tensor<?x64xf32>) -> tensor<?x32xf32>
      %qn = adze.rms_norm %q, @qn eps 0.5 heads 4 : tensor<?x32xf32>
      %qr = adze.rotary %qn, %r heads 4 half : tensor<?x32xf32>, tensor<?x8xf32>
      %a = adze.attention %qr cache @kv at %b heads 4 kv_heads 2 scale 0.5
        mask <causal> : tensor<?x32xf32>
      return %a : tensor<?x32xf32>
    }
    ```
    After:
    ```mlir
    adze.weight @q from "q" : !adze.weight<32x64, #adze.float<f32>>
    adze.weight @qn from "qn" : !adze.weight<8, #adze.float<f32>>
    adze.state @kv : !adze.kv<2x8xf32>
    func.func @f(%x: tensor<?x64xf32>, %r: tensor<?x8xf32>, %b: !adze.batch)
        -> tensor<?x32xf32> {
      %q = adze.linear %x, @q
        sink <8, [<4, norm = @qn, eps = 0.5, rotary, store>]>
        rope %r : tensor<?x8xf32> : (tensor<?x64xf32>) -> tensor<?x32xf32>
      %a = adze.attention %q cache @kv at %b heads 4 kv_heads 2 scale 0.5
        mask <causal> : tensor<?x32xf32>
      return %a : tensor<?x32xf32>
    }
    ```
  }];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def MergeQKV : Pass<"adze-merge-qkv", "::mlir::ModuleOp"> {
  let summary = "One linear for the q, k and v projections";
  let description = [{
    Linears with head sinks that share input, layer and head size become one
    with the weights concatenated: one phase and one barrier instead of three.

    Before:
    ```mlir
    adze.weight @k from "k" : !adze.weight<16x64, #adze.float<f32>>
    adze.weight @v from "v" : !adze.weight<16x64, #adze.float<f32>>
    adze.state @kv : !adze.kv<2x8xf32>
    func.func @f(%x: tensor<?x64xf32>, %r: tensor<?x8xf32>, %b: !adze.batch) {
      adze.linear %x, @k sink <8, [<2, rotary, key>]> rope %r : tensor<?x8xf32>
        cache @kv at %b : (tensor<?x64xf32>)
      adze.linear %x, @v sink <8, [<2, value>]> cache @kv at %b : (tensor<?x64xf32>)
      return
    }
    ```
    After:
    ```mlir
    adze.weight @k from "k" : !adze.weight<16x64, #adze.float<f32>>
    adze.weight @v from "v" : !adze.weight<16x64, #adze.float<f32>>
    adze.weight @k_v : !adze.weight<32x64, #adze.float<f32>> {
      %0 = adze.ref @k : !adze.weight<16x64, #adze.float<f32>>
      %1 = adze.ref @v : !adze.weight<16x64, #adze.float<f32>>
      %2 = adze.concat %0, %1 : (!adze.weight<16x64, #adze.float<f32>>,
        !adze.weight<16x64, #adze.float<f32>>) -> !adze.weight<32x64, #adze.float<f32>>
      adze.yield %2 : !adze.weight<32x64, #adze.float<f32>>
    }
    adze.state @kv : !adze.kv<2x8xf32>
    func.func @f(%x: tensor<?x64xf32>, %r: tensor<?x8xf32>, %b: !adze.batch) {
      adze.linear %x, @k_v sink <8, [<2, rotary, key>, <2, value>]>
        rope %r : tensor<?x8xf32> cache @kv at %b : (tensor<?x64xf32>)
      return
    }
    ```
  }];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def MergeGateUp : Pass<"adze-merge-gate-up", "::mlir::ModuleOp"> {
  let summary = "One linear with two streams for the gate and up projections";
  let description = [{
    `mul(f(linear x, G), linear x, U)`, with any elementwise f, becomes one
    linear over the interleaved weights whose region computes f and the product
    in registers.

    Before:
    ```mlir
    adze.weight @gate from "gate" : !adze.weight<176x64, #adze.float<f32>>
    adze.weight @up from "up" : !adze.weight<176x64, #adze.float<f32>>
    func.func @f(%x: tensor<?x64xf32>) -> tensor<?x176xf32> {
      %g = adze.linear %x, @gate : (tensor<?x64xf32>) -> tensor<?x176xf32>
      %u = adze.linear %x, @up : (tensor<?x64xf32>) -> tensor<?x176xf32>
      %s = adze.silu %g : tensor<?x176xf32>
      %p = arith.mulf %s, %u : tensor<?x176xf32>
      return %p : tensor<?x176xf32>
    }
    ```
    After:
    ```mlir
    adze.weight @gate from "gate" : !adze.weight<176x64, #adze.float<f32>>
    adze.weight @up from "up" : !adze.weight<176x64, #adze.float<f32>>
    adze.weight @gate_up : !adze.weight<352x64, #adze.float<f32>> {
      %0 = adze.ref @gate : !adze.weight<176x64, #adze.float<f32>>
      %1 = adze.ref @up : !adze.weight<176x64, #adze.float<f32>>
      %2 = adze.interleave %0, %1 : !adze.weight<176x64, #adze.float<f32>>
        -> !adze.weight<352x64, #adze.float<f32>>
      adze.yield %2 : !adze.weight<352x64, #adze.float<f32>>
    }
    func.func @f(%x: tensor<?x64xf32>) -> tensor<?x176xf32> {
      %y = adze.linear %x, @gate_up streams 2 {
      ^bb0(%g: f32, %u: f32):
        %s = adze.silu %g : f32
        %p = arith.mulf %s, %u : f32
        adze.yield %p : f32
      } : (tensor<?x64xf32>) -> tensor<?x176xf32>
      return %y : tensor<?x176xf32>
    }
    ```
  }];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def FuseLinearRegions : Pass<"adze-fuse-linear-regions", "::mlir::ModuleOp"> {
  let summary = "Elementwise ops into the region of the linear they follow";
  let description = [{
    An elementwise op (any pure op with the ElementwiseMappable traits, a
    plug-in's too) whose operand is a linear that nothing else uses joins the
    linear's region; its other operands are captured: biases, activations,
    residuals.

    Before:
    ```mlir
    adze.weight @w from "w" : !adze.weight<64x64, #adze.float<f32>>
    func.func @f(%x: tensor<?x64xf32>, %r: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
      %s = arith.addf %r, %y : tensor<?x64xf32>
      return %s : tensor<?x64xf32>
    }
    ```
    After:
    ```mlir
    adze.weight @w from "w" : !adze.weight<64x64, #adze.float<f32>>
    func.func @f(%x: tensor<?x64xf32>, %r: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @w captures(%r : tensor<?x64xf32>) {
      ^bb0(%acc: f32, %e: f32):
        %s = arith.addf %e, %acc : f32
        adze.yield %s : f32
      } : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    ```
  }];
  let dependentDialects = ["::adze::AdzeDialect", "::mlir::arith::ArithDialect"];
}

def FuseMaps : Pass<"adze-fuse-maps", "::mlir::ModuleOp"> {
  let summary = "Chains of elementwise ops into one adze.map";
  let description = [{
    What no linear took in: every remaining elementwise op on rows becomes an
    `adze.map`, and a map whose result has one use, in another map, joins it.
    With fuse=false each op becomes a map of its own.

    Before:
    ```mlir
    func.func @f(%g: tensor<?x64xf32>, %u: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %s = adze.silu %g : tensor<?x64xf32>
      %p = arith.mulf %s, %u : tensor<?x64xf32>
      return %p : tensor<?x64xf32>
    }
    ```
    After:
    ```mlir
    func.func @f(%g: tensor<?x64xf32>, %u: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %m = adze.map %u, %g : tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32> {
      ^bb0(%b: f32, %a: f32):
        %s = adze.silu %a : f32
        %p = arith.mulf %s, %b : f32
        adze.yield %p : f32
      }
      return %m : tensor<?x64xf32>
    }
    ```
  }];
  let options = [Option<"fuse", "fuse", "bool", "true", "join chains">];
  let dependentDialects = ["::adze::AdzeDialect", "::mlir::arith::ArithDialect"];
}

def QuantizeActivations : Pass<"adze-quantize-activations", "::mlir::ModuleOp"> {
  let summary = "Round what linears with integer weights multiply to int8";
  let description = [{
    Puts an `adze.quantize` before every linear whose weight has an integer
    format, so that codes are multiplied with codes. Linears that read the same
    value share one. A linear whose operand is quantized already is left alone,
    and so are linears with other weights: where a module has both, a remark says
    which stay in floating point.

    This changes the values that a model computes: it is a choice of the user
    (`--activations`), not a rewrite.

    Before:
    ```mlir
    adze.weight @w from "w" : !adze.weight<64x64, #adze.int<8, scale = f32>>
    func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    ```
    After, with format=int8:g32:
    ```mlir
    adze.weight @w from "w" : !adze.weight<64x64, #adze.int<8, scale = f32>>
    func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %q = adze.quantize %x group 32 : tensor<?x64xf32>
      %y = adze.linear %q, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    ```
  }];
  let options = [Option<"format", "format", "std::string", "\"int8:g128\"",
                        "int8:token (a scale per row), or int8:gN (per group of N)">];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def EliminateDeadWeights : Pass<"adze-eliminate-dead-weights", "::mlir::ModuleOp"> {
  let summary = "Remove weights and states that nothing reads";
  let description = [{
    Removes `adze.weight` and `adze.state` symbols that no op and no other
    weight refers to, and private functions that are never applied.

    Before:
    ```mlir
    adze.weight @old from "w" : !adze.weight<64x64, #adze.float<f32>>
    adze.weight @w from "w" : !adze.weight<64x64, #adze.float<f32>>
    func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    ```
    After:
    ```mlir
    adze.weight @w from "w" : !adze.weight<64x64, #adze.float<f32>>
    func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @w : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    ```
  }];
}

//===-- layout and schedule -----------------------------------------------===//

def ChooseSparse : Pass<"adze-choose-sparse", "::mlir::ModuleOp"> {
  let summary = "Packed weights with many zeros are stored without them";
  let description = [{
    Of packed weights that only linears read, the values are looked at. Where
    many blocks of 16 output channels (one panel, as it is packed) by 32 columns
    are zero the format F can become `#adze.blocks<F, keep = B>` (see there), B
    the most blocks that any panel of any layer has. Where they are not in blocks,
    but many elements of a float, or of an integer without a zero point, are zero
    (before they are rounded, where this module rounds them), it can become
    `#adze.masked<F, keep = B>`. Nothing else changes, and no value does.

    Which of the three is fastest, a table of kernel rates says: times relative to
    the dense kernel of F that were measured for some shares of zeros and numbers
    of rows (`docs/sparsity.md` has the format of such tables). The share that was
    counted is interpolated between those of the table; less zeros than were ever
    measured stay. A weight changes if its linears become at least 1.05 times as
    fast for all of the `rows` that are expected, on all of the `targets`; among
    formats that do, the one whose worst case is best is taken. A target that
    the table does not have counts as the slowest of those that it has; what was
    not measured stays dense. Remarks say what was found and what the
    table says of it.

    A weight is taken for dense, and costs nothing more, if eight panels from all
    over its layers have no block of zeros and few others. Weights that embeddings
    share stay dense, as do formats that take neither. Weights that meet
    activations in groups that cut blocks are not stored in blocks.

    `table` is the weight table that has the values, by default the one that the
    module names; a driver lends the pass those it has. Without any nothing
    changes. `rates` is a file with tables of rates that come before those that are built
    in. `threshold` stores
    weights in blocks from that share of zero blocks on, and `force` every weight
    that can be, whatever it holds and whatever the rates say.

    With a quarter of @w's blocks zero and `threshold=0.2`,
    ```
    %1 = adze.pack %0 : !adze.weight<64x128, #adze.float<f32>>
      -> !adze.weight<64x128, #adze.float<f32>, panels>
    ```
    becomes
    ```
    %1 = adze.pack %0 : !adze.weight<64x128, #adze.float<f32>>
      -> !adze.weight<64x128, #adze.blocks<#adze.float<f32>, keep = 3>, panels>
    ```
  }];
  let options = [
    ListOption<"rows", "rows", "int64_t",
               "The rows of a step that it has to pay for (default: 1)">,
    ListOption<"targets", "targets", "std::string",
               "The variants that it has to pay on (default: the first of the "
               "table of rates)">,
    Option<"rates", "rates", "std::string", /*default=*/"",
           "A table of kernel rates, in place of the built-in one">,
    Option<"threshold", "threshold", "double", /*default=*/"0",
           "The least share of blocks that must be zero (default: by the rates)">,
    Option<"force", "force", "bool", /*default=*/"false",
           "Store all weights in blocks that can be">,
    Option<"table", "table", "std::string", /*default=*/"",
           "The weight table, where the module names none">];
}

def PackWeights : Pass<"adze-pack-weights", "::mlir::ModuleOp"> {
  let summary = "Weights in the layout that kernels read";
  let description = [{
    The weight of each linear becomes panels (heads padded to whole panels where
    a sink needs it), vectors become f32, a table that only embeds stays rows
    and one that is also a linear's weight (tied) is stored once, as panels.
    Ends with the module at the level `fused`.

    Before:
    ```mlir
    adze.weight @w from "w" : !adze.weight<64x64, #adze.float<bf16>>
    adze.weight @b from "b" : !adze.weight<64, #adze.float<bf16>>
    func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @w bias @b : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    ```
    After:
    ```mlir
    module attributes {adze.level = #adze.level<fused>} {
      adze.weight @w from "w" : !adze.weight<64x64, #adze.float<bf16>>
      adze.weight @w.packed : !adze.weight<64x64, #adze.float<bf16>, panels> {
        %0 = adze.ref @w : !adze.weight<64x64, #adze.float<bf16>>
        %1 = adze.pack %0 : !adze.weight<64x64, #adze.float<bf16>>
          -> !adze.weight<64x64, #adze.float<bf16>, panels>
        adze.yield %1 : !adze.weight<64x64, #adze.float<bf16>, panels>
      }
      adze.weight @b from "b" : !adze.weight<64, #adze.float<bf16>>
      adze.weight @b.f32 : !adze.weight<64, #adze.float<f32>> {
        %0 = adze.ref @b : !adze.weight<64, #adze.float<bf16>>
        %1 = adze.cast %0 : !adze.weight<64, #adze.float<bf16>>
          -> !adze.weight<64, #adze.float<f32>>
        adze.yield %1 : !adze.weight<64, #adze.float<f32>>
      }
      func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
        %y = adze.linear %x, @w.packed bias @b.f32
          : (tensor<?x64xf32>) -> tensor<?x64xf32>
        return %y : tensor<?x64xf32>
      }
    }
    ```
  }];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def AssignWeightOffsets : Pass<"adze-assign-weight-offsets", "::mlir::ModuleOp"> {
  let summary = "Place of each weight in the artefact";
  let description = [{
    Gives every weight that an op reads the attributes `adze.offset` (bytes from
    the start of the weights, 64-byte aligned) and `adze.stride` (bytes from one
    layer to the next), in the order in which a step reads them: layer by layer.

    Before:
    ```mlir
    adze.weight @w from "w.{}" x 3 : !adze.weight<64x64, #adze.float<bf16>, panels>
    func.func @f(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %y = adze.linear %x, @w[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
      return %y : tensor<?x64xf32>
    }
    ```
    After:
    ```mlir
    module attributes {adze.weight_bytes = 24576} {
      adze.weight @w from "w.{}" x 3
        : !adze.weight<64x64, #adze.float<bf16>, panels>
        attributes {adze.offset = 0, adze.stride = 8192}
      func.func @f(%l: index, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
        %y = adze.linear %x, @w[%l] : (tensor<?x64xf32>) -> tensor<?x64xf32>
        return %y : tensor<?x64xf32>
      }
    }
    ```
  }];
}

def Schedule : Pass<"adze-schedule", "::mlir::ModuleOp"> {
  let summary = "From values to buffers, kernels, launches and barriers";
  let description = [{
    The last pass before code generation, once per variant. Every op becomes a
    launch of an `adze.kernel` (equal kernels are shared), values become buffers
    in one arena that is reused by liveness, barriers stand where data crosses
    threads. A value that is only a dot operand is stored in the element type
    that the target's dots want.

    What no kernel builder claims (upstream linalg, tensor, arith and math ops
    on rows, ops of plug-ins that decompose), and the ops that `generic` lists,
    become kernels of plain loops over rows.
  }];
  let options = [Option<"bf16Dot", "bf16-dot", "bool", "false",
                        "the target multiplies bf16 pairs">,
                 ListOption<"generic", "generic", "std::string",
                        "ops to take the generic path, by name, or all">];
  let dependentDialects = ["::adze::AdzeDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect",
                           "::mlir::tensor::TensorDialect"];
}

#endif // ADZE_TRANSFORMS_PASSES_TD
