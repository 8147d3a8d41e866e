// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Types: weights, the batch of a step, the KV cache, the frame.
#ifndef ADZE_TYPES_TD
#define ADZE_TYPES_TD

include "adze/Dialect/Adze/AdzeDialect.td"
include "adze/Dialect/Adze/AdzeAttrs.td"

def Adze_WeightType : Adze_Type<"Weight", "weight"> {
  let summary = "a weight: logical shape, format, layout";
  let description = [{
    `!adze.weight<2560x2048, #adze.float<bf16>, panels>`: N output channels by
    K, or a vector. Scales and indices are bytes of the weight, never of the
    type. Without a layout the weight is as a checkpoint has it: rows.
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$shape,
    "::adze::FormatAttrInterface":$format,
    DefaultValuedParameter<"::adze::LayoutKind",
                           "::adze::LayoutKind::Rows">:$layout);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getRows() const { return getShape()[0]; }
    /// Columns; 1 for a vector's logical second dimension is not used: a vector
    /// of N is one row of N.
    int64_t getCols() const { return getShape().back(); }
    bool isVector() const { return getShape().size() == 1; }
    /// Bytes of one layer of this weight as stored in this layout.
    int64_t getStorageBytes() const;
  }];
}

def Adze_BatchType : Adze_Type<"Batch", "batch"> {
  let summary = "position and sequence of each row of a step";
}

def Adze_KVType : Adze_Type<"KV", "kv"> {
  let summary = "keys and values of one layer";
  let description = [{
    `!adze.kv<4x64xbf16>`: KV heads, head size, element type. Pages are not
    visible at the model level.
  }];
  let parameters = (ins "int64_t":$heads, "int64_t":$headDim,
                        "::mlir::Type":$elementType);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Adze_FrameType : Adze_Type<"Frame", "frame"> {
  let summary = "the adze_frame that emitted code is given (scheduled level)";
}

def Adze_BufferType : Adze_Type<"Buffer", "buffer"> {
  let summary = "rows of an activation in memory (scheduled level)";
  let description = [{
    `!adze.buffer<2048xbf16>`: rows of 2048 elements, row-major and dense; the
    number of rows is the number of tokens, or of logit rows, of the step.

    `!adze.buffer<2048xi8, group 128, sums 32>`: quantized rows, the result of
    `adze.quantize`. A row is its codes, then an f32 scale for each group of 128,
    then the i32 sum of the codes of each 32; each part is padded with zeros to a
    multiple of 64 bytes. A last group may be short. `sums` divides `group`.
  }];
  let parameters = (ins "int64_t":$cols, "::mlir::Type":$elementType,
                        DefaultValuedParameter<"int64_t", "0">:$group,
                        DefaultValuedParameter<"int64_t", "0">:$sums);
  let builders = [TypeBuilder<(ins "int64_t":$cols,
                                   "::mlir::Type":$elementType),
                              "return $_get($_ctxt, cols, elementType, 0, 0);">];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    bool isQuantized() const { return getGroup() != 0; }
    /// Bytes of one row.
    int64_t getRowBytes() const;
    /// Where the scales and the sums of a quantized row begin.
    int64_t getScalesOffset() const;
    int64_t getSumsOffset() const;
  }];
  let hasCustomAssemblyFormat = 1;
}

#endif // ADZE_TYPES_TD
