// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Scheduled level: what every thread of a step runs, phase by phase.
#ifndef ADZE_SCHEDULE_OPS_TD
#define ADZE_SCHEDULE_OPS_TD

include "adze/Dialect/Adze/AdzeFusedOps.td"

def Adze_KernelFamily : I32EnumAttr<"KernelFamily", "which builder makes a kernel", [
    I32EnumAttrCase<"Linear", 0, "linear">,
    I32EnumAttrCase<"Attention", 1, "attention">,
    I32EnumAttrCase<"RmsNorm", 2, "rms_norm">,
    I32EnumAttrCase<"Embed", 3, "embed">,
    I32EnumAttrCase<"RotaryTable", 4, "rotary_table">,
    I32EnumAttrCase<"Rotary", 5, "rotary">,
    I32EnumAttrCase<"KVAppend", 6, "kv_append">,
    I32EnumAttrCase<"TakeRows", 7, "take_rows">,
    I32EnumAttrCase<"Map", 8, "map">,
    I32EnumAttrCase<"Generic", 9, "generic">,
    I32EnumAttrCase<"Quantize", 10, "quantize">,
    I32EnumAttrCase<"AttentionMerge", 11, "attention_merge">]> {
  let cppNamespace = "::adze";
}

def Adze_KernelOp : Adze_Op<"kernel", [Symbol, IsolatedFromAbove]> {
  let summary = "a kernel to be built";
  let description = [{
    Names a kernel by what it computes; code generation builds it for a target,
    once, whatever the number of layers and of calls. `params` are the family's
    (see KernelBuilder.h); the region is the scalar region of a linear or map,
    or the body of a generic.

    ```mlir
    adze.kernel @k0 rms_norm {eps = 1.0e-5, in = f32, out = bf16, weight = #adze.float<bf16>}
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Adze_KernelFamily:$family,
                       DictionaryAttr:$params);
  let regions = (region AnyRegion:$body);
  let assemblyFormat = [{
    $sym_name $family custom<ExactParams>($params) ($body^)?
    attr-dict-with-keyword
  }];
}

def Adze_Domain : I32EnumAttr<"Domain", "what a launch is cut over", [
    I32EnumAttrCase<"Tokens", 0, "tokens">,
    I32EnumAttrCase<"LogitRows", 1, "logit_rows">,
    I32EnumAttrCase<"Panels", 2, "panels">,
    I32EnumAttrCase<"Attention", 3, "attention">]> {
  let cppNamespace = "::adze";
}

def Adze_ArenaOp : Adze_Op<"arena", [Pure]> {
  let summary = "a buffer in the arena";
  let description = [{
    The offset in bytes is base + perToken * T + perRow * R, with 64-byte
    aligned parts; buffers whose lives do not meet share bytes.

    (C1) the offset is one linear expression in T and R.

    ```mlir
    %x = adze.arena %f at affine_map<(T, R) -> (T * 256)> : !adze.buffer<64xf32>
    ```
  }];
  let arguments = (ins Adze_FrameType:$frame, AffineMapAttr:$offset);
  let results = (outs Adze_BufferType:$result);
  let assemblyFormat = "$frame `at` $offset attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Adze_FrameArgOp : Adze_Op<"frame_arg", [Pure]> {
  let summary = "an argument of the entry, by its place in the ABI";
  let description = [{
    ```mlir
    %t = adze.frame_arg %f 0 : !adze.buffer<1xi32>
    ```
  }];
  let arguments = (ins Adze_FrameType:$frame, I64Attr:$index);
  let results = (outs Adze_BufferType:$result);
  let assemblyFormat = "$frame $index attr-dict `:` type($result)";
}

def Adze_LaunchOp : Adze_Op<"launch", [AttrSizedOperandSegments,
    Adze_UsesSymbols]> {
  let summary = "a kernel over a domain, cut between the threads";
  let description = [{
    Every thread calls the kernel with its part [lo, hi) of the domain: rows one
    by one, panels in units of `unit`, attention by (sequence, kv head, row
    block). Operands are the kernel's buffers in the order of its family (see
    KernelBuilder.h); `weights` its weights and `cache` its state, both taken at
    `layer`; `sizes` what follows the number of rows in its size arguments.
    A result buffer may be one of the captured buffers: an element is written by
    the thread that read it.

    (C1) `kernel` names a kernel of the module.
    (C2) `weights` and `cache` name weights and a state of the module, and there
    is a `layer` where those are per layer.
    (C3) rows are tokens or logit rows; an extent and units of at least 1 are
    given for panels.

    ```mlir
    adze.launch @k1 over panels 20 unit 4 rows tokens frame %f (%n, %q)
      weights [@l.qkv] layer %l sizes [64, 64]
      : !adze.buffer<64xf32>, !adze.buffer<64xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Adze_Domain:$domain,
    DefaultValuedAttr<I64Attr, "0">:$extent,
    DefaultValuedAttr<I64Attr, "1">:$unit,
    Adze_Domain:$rows,
    Adze_FrameType:$frame, Variadic<Adze_BufferType>:$buffers,
    OptionalAttr<FlatSymbolRefArrayAttr>:$weights,
    OptionalAttr<FlatSymbolRefAttr>:$cache,
    Optional<Index>:$layer,
    DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$sizes);
  let assemblyFormat = [{
    $kernel `over` $domain ($extent^)? (`unit` $unit^)? `rows` $rows
    `frame` $frame `(` $buffers `)` (`weights` $weights^)? (`cache` $cache^)?
    (`layer` $layer^)? (`sizes` $sizes^)? attr-dict `:` type($buffers)
  }];
  let hasVerifier = 1;
}

def Adze_TapBufferOp : Adze_Op<"tap_buffer"> {
  let summary = "shows the rows of a buffer to the outside";
  let description = [{
    The scheduled form of `adze.tap`: thread 0 calls the frame's tap, if there
    is one, with f32 rows.

    (C1) rows are tokens or logit rows.

    ```mlir
    adze.tap_buffer %x "after attention" rows tokens frame %f : !adze.buffer<64xf32>
    ```
  }];
  let arguments = (ins Adze_BufferType:$buffer, StrAttr:$name,
    Adze_Domain:$rows, Adze_FrameType:$frame);
  let assemblyFormat =
      "$buffer $name `rows` $rows `frame` $frame attr-dict `:` type($buffer)";
  let hasVerifier = 1;
}

def Adze_BarrierOp : Adze_Op<"barrier"> {
  let summary = "waits for every thread";
  let description = [{
    Stands where data crosses threads. Also where a stop request is seen: the
    function returns early when the frame says so.

    ```mlir
    adze.barrier %f
    ```
  }];
  let arguments = (ins Adze_FrameType:$frame);
  let assemblyFormat = "$frame attr-dict";
}

def Adze_CallLayersOp : Adze_Op<"call_layers", [Adze_UsesSymbols]> {
  let summary = "a scheduled layer kind, layer after layer";
  let description = [{
    (C1) the callee takes an index and a frame, and returns nothing.
    (C2) count and first are at least 0, and there are at most 65536 layers.
    (C3) every weight and state per layer that the callee reads has them.

    ```mlir
    adze.call_layers 22 from 0 @layer(%f)
    ```
  }];
  let arguments = (ins I64Attr:$count, I64Attr:$first,
    FlatSymbolRefAttr:$callee, Adze_FrameType:$frame);
  let assemblyFormat = "$count `from` $first $callee `(` $frame `)` attr-dict";
}

#endif // ADZE_SCHEDULE_OPS_TD
