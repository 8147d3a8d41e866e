// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// All passes of transforms/, in pipeline order. Each fusion can be left out of
// the pipeline and the model computes the same.
#ifndef ADZE_TRANSFORMS_PASSES_TD
#define ADZE_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

//===-- model level -------------------------------------------------------===//

def ConvertWeights : Pass<"adze-convert-weights", "::mlir::ModuleOp"> {
  let summary = "Convert the matrices of a model to a float format";
  let description = [{
    Every matrix read from the checkpoint (`from`) whose format differs becomes
    a weight of the wanted format: the source is renamed and the old symbol
    becomes a `cast` of it. Vectors (norms, biases) stay as they are.

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
                        "f32, bf16 or f16">];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def HoistTakeRows : Pass<"adze-hoist-take-rows", "::mlir::ModuleOp"> {
  let summary = "Compute only the rows asked for";
  let description = [{
    Moves `adze.take_rows` up through ops that work row by row (linear without
    captures, rms_norm, elementwise ops), so that the output head runs on the
    rows asked for instead of on every token. Declines, with a remark, at an op
    whose result has other uses.
  }];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def NormalizeRotary : Pass<"adze-normalize-rotary", "::mlir::ModuleOp"> {
  let summary = "Turn interleaved rotary pairs into halves";
  let description = [{
    A rotary embedding over adjacent pairs whose input is a linear that nothing
    else uses becomes one over halves: the rows of the weight and of the bias
    are permuted (`adze.rotary_halves`). Fires for q and k of one attention
    together or not at all, since the dot product only keeps its value when both
    are permuted alike.
  }];
  let dependentDialects = ["::adze::AdzeDialect"];
}

//===-- fusion ------------------------------------------------------------===//

def SplitAttention : Pass<"adze-split-attention", "::mlir::ModuleOp"> {
  let summary = "Separate the append to the KV cache from attention";
  let description = [{
    `adze.attention %q, %k, %v` becomes `adze.kv_append %k, %v` followed by
    `adze.attention %q`: what a sink can take over, and what a kernel does.
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
  }];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def MergeQKV : Pass<"adze-merge-qkv", "::mlir::ModuleOp"> {
  let summary = "One linear for the q, k and v projections";
  let description = [{
    Linears with head sinks that share input, layer and head size become one
    with the weights concatenated: one phase and one barrier instead of three.
  }];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def MergeGateUp : Pass<"adze-merge-gate-up", "::mlir::ModuleOp"> {
  let summary = "One linear with two streams for the gate and up projections";
  let description = [{
    `mul(f(linear x, G), linear x, U)`, with any elementwise f, becomes one
    linear over the interleaved weights whose region computes f and the product
    in registers.
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
  }];
  let dependentDialects = ["::adze::AdzeDialect", "::mlir::arith::ArithDialect"];
}

def FuseMaps : Pass<"adze-fuse-maps", "::mlir::ModuleOp"> {
  let summary = "Chains of elementwise ops into one adze.map";
  let description = [{
    What no linear took in: every remaining elementwise op on rows becomes an
    `adze.map`, and a map whose result has one use, in another map, joins it.
    With fuse=false each op becomes a map of its own.
  }];
  let options = [Option<"fuse", "fuse", "bool", "true", "join chains">];
  let dependentDialects = ["::adze::AdzeDialect", "::mlir::arith::ArithDialect"];
}

def EliminateDeadWeights : Pass<"adze-eliminate-dead-weights", "::mlir::ModuleOp"> {
  let summary = "Remove weights and states that nothing reads";
  let description = [{
    Removes `adze.weight` and `adze.state` symbols that no op and no other
    weight refers to, and private functions that are never applied.
  }];
}

//===-- layout and schedule -----------------------------------------------===//

def PackWeights : Pass<"adze-pack-weights", "::mlir::ModuleOp"> {
  let summary = "Weights in the layout that kernels read";
  let description = [{
    The weight of each linear becomes panels (heads padded to whole panels where
    a sink needs it), vectors become f32, a table that only embeds stays rows
    and one that is also a linear's weight (tied) is stored once, as panels.
    Ends with the module at the level `fused`.
  }];
  let dependentDialects = ["::adze::AdzeDialect"];
}

def AssignWeightOffsets : Pass<"adze-assign-weight-offsets", "::mlir::ModuleOp"> {
  let summary = "Place of each weight in the artefact";
  let description = [{
    Gives every weight that an op reads the attributes `adze.offset` (bytes from
    the start of the weights, 64-byte aligned) and `adze.stride` (bytes from one
    layer to the next), in the order in which a step reads them: layer by layer.
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
