// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A linear's parameters, operands and scratch, shared by its main loop
// (Linear.cpp) and by what runs on finished tiles (LinearSinks.cpp).
#ifndef ADZE_CODEGEN_KERNELS_LINEAR_H
#define ADZE_CODEGEN_KERNELS_LINEAR_H

#include "IntegerTile.h"
#include "KernelEmitter.h"
#include "KernelParams.h"
#include "SparseTallTile.h"

namespace adze {

struct LinearPlan {
  LinearPlan(KernelOp kernel, const KernelTarget &target);

  KernelParams params;
  TileTypes types;
  IntegerTile codes; // without a format unless in = i8
  SparseTile sparse; // without a format unless the weight's is sparse
  /// Format of a weight that float rows meet decoded part by part; in the types
  /// of `types`, which are f32 but for masked floats.
  FormatAttrInterface decoded;
  /// Whether it is masked floats; and whether few rows meet them decoded in
  /// registers.
  bool masked = false, spreads = false;
  mlir::Type out, kv;     // out is null for quantized rows
  QuantizedRows outRows;  // where out = i8
  bool hasRanges = false; // and their ranges are given
  int64_t streams;
  bool bias;
  llvm::SmallVector<mlir::Type> captures;
  HeadSinkAttr sink; // null without one
  bool hasRegion;

  /// Panels of one unit of the domain. Units whose tiles are in scratch
  /// together are a group: few where panels are long (tall tiles pass over them
  /// again and again), else more.
  int64_t unitPanels, fewUnits, manyUnits;
  /// Panels that the widest group and the overhang of its last tile take,
  /// whatever tiles there are: linears that differ in these share a finish.
  int64_t groupPanels;
  static constexpr int64_t kWidestTile = 4;
  /// Whether the finish of a kernel loops over rows and units itself. With few
  /// registers it does one unit of one row: there, constants hoisted out of a
  /// loop would be spilled in it.
  bool finishLoops;
  TileShapes shapes;
  /// The first of them, which take transposed rows.
  int64_t tallShapes = 0;

  bool rotates() const;
  bool appends() const;
  bool multipliesCodes() const { return bool(codes.format); }
  bool isSparse() const { return bool(sparse.format); }
  bool quantizes() const { return !out; }
  /// 16-column blocks of the result that a unit holds.
  int64_t unitBlocks() const { return unitPanels / streams; }
  /// Rows whose tiles are in scratch together.
  int64_t tileRows() const {
    return decoded ? decodedRows() : shapes.front().rows;
  }
  /// Bytes of a row of x, of a panel, for a K known at run time.
  mlir::Value rowBytes(KernelEmitter &e, mlir::Value k) const;
  mlir::Value panelBytes(KernelEmitter &e, mlir::Value k) const;
  mlir::func::FuncOp tile(KernelEmitter &e, const KernelTarget &target,
                          int64_t rows, int64_t panels) const;
  /// The tile of few rows that spreads.
  mlir::func::FuncOp spreadTile(KernelEmitter &e, const KernelTarget &target,
                                int64_t rows, int64_t panels) const;
  /// Columns that the sink stores to the result.
  int64_t storedColumns() const;
  bool hasResult() const { return !sink || storedColumns() > 0; }

  // Scratch, in bytes from its start, where the kernel's operands are, in words
  // of 8 bytes. What a finish needs comes before what depends on the tiles.
  int64_t stagingOffset() const {
    return llvm::alignTo((pointerOperands() + 5) * 8, kLineBytes);
  }
  int64_t headOffset() const {
    return stagingOffset() + int64_t(captures.size() + 1) * kLineBytes;
  }
  /// The values of a group before they are quantized.
  int64_t valuesOffset() const {
    return headOffset() + (unitPanels + 1) * kLineBytes;
  }
  int64_t tilesOffset() const {
    return valuesOffset() + (quantizes() ? unitPanels * kLineBytes : 0);
  }
  int64_t tileRowBytes() const { return groupPanels * kLineBytes; }
  int64_t decodedOffset() const {
    return tilesOffset() + tileRows() * tileRowBytes() + kLineBytes;
  }
  int64_t transposedOffset() const {
    return llvm::alignTo(decodedOffset(), kLineBytes);
  }
  /// For rows of x of at most so many columns.
  int64_t scratchBytes(int64_t columns) const {
    if (tallShapes)
      return transposedOffset() + transposedBytes(columns);
    return decodedOffset() + (decoded ? groupPanels * partBytes() : 0);
  }
  /// Bytes of x that pass over one group after the other: they shall stay in
  /// L2, and so are what is transposed together.
  static constexpr int64_t kRowsBytes = 448 << 10;
  int64_t transposedBytes(int64_t columns) const;
  /// A part of K whose panels stay in L1 or L2 once decoded, and the rows that
  /// use it before the next one is: more where tiles are fast.
  static constexpr int64_t kDecodedK = 256;
  int64_t decodedRows() const { return masked ? 128 : 64; }
  /// The most rows that meet panels decoded in registers, if `spreads`.
  static constexpr int64_t kSpreadRows = 16;
  /// Bytes of a panel of such a part.
  int64_t partBytes() const {
    return kDecodedK / types.depth() * types.lineBytes();
  }

  /// Those of the operands that are pointers; up to five sizes follow them.
  int64_t pointerOperands() const;
  /// What the kernel function takes behind lo, hi, scratch and batch.
  llvm::SmallVector<mlir::Type> operandTypes(KernelEmitter &e) const;

private:
  void readOperands();
  void readSparse();
  TileShapes chooseShapes(const KernelTarget &target) const;
};

/// The operands of the kernel function by name.
struct LinearOperands {
  LinearOperands(const LinearPlan &plan, mlir::Value scratch, mlir::Value batch,
                 mlir::ValueRange arguments);

  mlir::Value scratch, batch, x;
  llvm::SmallVector<mlir::Value> captures;
  mlir::Value result, rope, panels, bias;
  llvm::SmallVector<mlir::Value> norms;
  mlir::Value ranges; // null unless the plan has them
  mlir::Value cache, layer, rows, columns, k;
};

/// Finishes one unit of one row, `tileUnit` of `tileRow` in scratch: bias,
/// region and store, or the chains of a head sink.
llvm::LogicalResult emitFinish(KernelEmitter &e, const LinearPlan &plan,
                               KernelOp kernel, const LinearOperands &operands,
                               mlir::Value row, mlir::Value unit,
                               mlir::Value tileRow, mlir::Value tileUnit,
                               mlir::Value rowsAhead);

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_LINEAR_H
