// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernel builders: from an `adze.kernel` to a function of arith, vector, scf,
// adze_kernel and LLVM load/store ops, for one target.
//
// A kernel is a function over a part [lo, hi) of its domain:
//
//   func.func @name(%lo: index, %hi: index, %scratch: !llvm.ptr,
//                   %batch: !llvm.ptr, buffers: !llvm.ptr ...,
//                   weights: !llvm.ptr ..., [cache: !llvm.ptr, layer: index],
//                   sizes: index ...)
//
// Pointers are to dense row-major rows (buffers), packed panels or plain
// vectors of one layer (weights), and the base of the KV pool (cache).
// `scratch` is this thread's own, kernelScratchBytes() long, 64-byte aligned.
// `batch` points to a BatchView (below). No kernel calls anything but memcpy,
// memset.
//
// Numbers: a sum over K runs over ascending k in one fma (or dot) chain per
// output, whatever M, tile or part: one summation order. Products and sums are
// f32; bf16 dots only where in = bf16. Stores round to nearest even.
//
// Families, their params, operand lists and domains. M rows, N and K columns,
// D head size; every buffer has its own element type param, f32 unless said.
//
//   Quantized rows (BufferType with a group) are element type i8 with params
//   group (0: the whole row) and sums.
//
//   linear        params  format (FormatAttrInterface of the packed weight)
//                         in (f32|bf16: element type of x, the dot operand; i8
//                         with group and sums for an integer format)
//                         out (f32|bf16|f16; i8 with out_group, not 0, and
//                         out_sums), streams (1|2), bias (bool),
//                         captures (array of element types),
//                         sink (HeadSinkAttr), rope/cache as it needs,
//                         kv (element type of the cache)
//                 region  the scalar region, if any
//                 buffers x[M,K]; captures...[M,N]; result[M,N] (absent when a
//                         sink stores nothing); rope[M,D] (if the sink rotates)
//                 weights packed [panels]; bias vector f32 (rows of the packed
//                         weight, if bias); head norm vectors (in chain order,
//                         f32)
//                 cache   if the sink appends
//                 sizes   M, N (logical result columns), K
//                 domain  panels: lo and hi count units of `unit` panels; a
//                 unit
//                         is one panel, a gate/up pair, one head (ceil(D/16)
//                         panels) with a sink, or a group with out = i8
//                 An integer format (IntegerFormatAttrInterface) with
//                         in = i8: x holds quantized rows (BufferType), params
//                         group (of x; 0: the whole row) and sums, which
//                         divides what the groups of weight and x have in
//                         common; codes are multiplied, in the order that
//                         kernels/IntegerTile.h states, with the same bits on
//                         all variants. With in = f32 or bf16 panels are
//                         decoded to f32: one fma chain as with an f32 weight.
//                         So are those of a DecodedFormatAttrInterface.
//                 #adze.masked around #adze.float: what it keeps is multiplied
//                         as a dense panel, with the same bits.
//                 out = i8: quantized rows, params out_group (at least 16; N is
//                         a multiple of it) and out_sums; no sink. A unit of
//                         the domain is then a group of the result.
//   attention     params  heads, kv_heads, head_dim, scale, window, q, out, kv
//                         (element types)
//                 buffers q[M, H*D]; result[M, H*D]; shared
//                 cache, sizes M
//                 domain  attention: lo is the thread, hi their number; each
//                         takes an equal part of the cost, cut at chunks of
//                         positions, and leaves the number of items that cuts
//                         split (int64) at the start of its scratch
//   attention_merge  params as its attention; buffers result[M, H*D], shared;
//                 sizes M; domain attention. Runs on the scratch that its
//                 attention left, if that number is not 0, after a barrier
//   rms_norm      params  eps, heads, in, out (i8 with group and sums if heads
//                 is 1); buffers x[M,N], result[M,N];
//                 weights vector f32 [N / heads]; sizes M, N; domain rows
//   quantize      params  group, sums, in; buffers x[M,N], result[M,N]; sizes
//                 M, N; domain rows
//   embed         params  format, layout, out; buffers tokens i32[M],
//                 result[M,N]; weights table; sizes M, N; domain rows
//   rotary_table  params  turns (DenseF64Array: frequency / 2 pi), scale;
//                 buffers result[M,D]; domain rows (positions from the batch)
//   rotary        params  heads, head_dim, pairing; buffers x[M,N], table[M,D],
//                 result[M,N]; sizes M, N; domain rows
//   kv_append     params  heads, head_dim, kv; buffers k[M,G*D], v[M,G*D];
//                 cache; domain rows
//   take_rows     params  elem; buffers x[M,N], rows i32[R], result[R,N];
//                 sizes R, N; domain rows of the result
//   map           params  in (array of element types), out; region; buffers
//                 inputs...[M,N], result[M,N]; sizes M, N; domain rows
//
//   generic       what no builder claims: params origin (the op it stands for),
//                 whole (per input: read at any row, else at the row computed),
//                 weights (their types); region over one row: inputs, weights
//                 as f32 tensors, the batch -> the result; buffers inputs...,
//                 result; weights in rows or panels; sizes M; domain rows.
//                 origin adze.attention and adze.kv_append: no region, params,
//                 buffers and cache as the families above, sizes M; domain rows
//
// KV page of a layer and head: see KVLayout in the builder; common to all
// variants of an artefact.
#ifndef ADZE_CODEGEN_KERNELBUILDER_H
#define ADZE_CODEGEN_KERNELBUILDER_H

#include "adze/Dialect/Adze/Adze.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace adze {

/// What a builder needs to know of a target.
struct KernelTarget {
  /// Vector registers of 32-bit lanes: 16 on AVX-512, 8 on AVX2. Kernels use
  /// 16-lane vectors everywhere; this decides tile shapes.
  int64_t lanes = 16;
  /// Vector registers: 32 on AVX-512, 16 on AVX2.
  int64_t registers = 32;
  /// vdpbf16ps or the like.
  bool hasBF16Dot = false;
  /// vpdpbusd or the like: four products of bytes into each 32-bit lane.
  bool hasByteDot = false;
  /// vpexpandb and vpexpandw: spread bytes and words over the bits of a mask.
  bool hasExpand = false;
  /// AMX tile registers, of bytes and of bf16.
  bool hasAmx = false;
  /// AMD's way: a dozen sums keep the dots of bytes busy, where other cores
  /// need two; storing sums keeps dots waiting; and unpacking codes does not.
  bool fewSums = false;
};

/// The step's batch, as kernels see it: written by the entry's prologue into
/// the arena from the arguments of adze/abi.h.
struct BatchView {
  int64_t rows;             // T
  int64_t sequences;        // S
  int64_t pagesPerSeq;      // P
  const int32_t *positions; // [T]
  const int32_t *seqs;      // [T]
  const int32_t *rowBegin;  // [S + 1]
  const int32_t *pages;     // [S][P]
  int64_t pageBytes;        // of the whole page (all layers)
  int64_t layerBytes;       // of one layer in a page
};

/// Bytes of one KV head (K block, then V block) of ADZE_KV_PAGE_POSITIONS
/// positions in a page, each block padded to 64 bytes.
int64_t kvHeadBytes(int64_t headDim, mlir::Type elementType);

/// Dots that the code of a kernel depends on: where a target has them, its
/// builder may use them; of others it does not know.
struct KernelDots {
  bool bf16 = false, bytes = false;
  /// Whether tile registers may make them (those of linears), or attention does
  /// without where a target has some.
  bool tiles = false;
  /// Whether it spreads packed codes (#adze.masked).
  bool expands = false;
};
KernelDots kernelDots(KernelOp kernel);

/// Bytes of scratch that a kernel needs per thread; `columns` is the largest K
/// that a linear is launched with.
int64_t kernelScratchBytes(KernelOp kernel, const KernelTarget &target,
                           int64_t columns);

/// Panels of one unit of the domain of a linear.
int64_t linearUnitPanels(KernelOp kernel);

/// Memory (64-byte aligned) through which the threads of an attention pass
/// partial results to its merge: the buffer `shared`.
struct SharedBytes {
  int64_t constant = 0, perPage = 0; // of BatchView::pagesPerSeq
};
SharedBytes kernelSharedBytes(KernelOp kernel, const KernelTarget &target);

/// Loads the dialects that built kernels are made of.
void loadKernelDialects(mlir::MLIRContext &context);

/// Builds the function of `kernel` at the builder's insertion point. A kernel
/// outside what its builder implements is a diagnostic on the kernel. Helper
/// functions (@kernel.finish, @kernel.item, the tiles @adze.tile... that
/// kernels of a module share) are private functions beside it: build into a
/// module of its own, not beside the adze.kernel op.
mlir::FailureOr<mlir::func::FuncOp> buildKernel(mlir::OpBuilder &builder,
                                                KernelOp kernel,
                                                const KernelTarget &target);

} // namespace adze

#endif // ADZE_CODEGEN_KERNELBUILDER_H
