// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A small vocabulary over OpBuilder in which kernels are written: addresses in
// bytes on !llvm.ptr, 16-lane vectors, loops with carried values. It knows no
// kernel and no target. Private to codegen/kernels.
#ifndef ADZE_CODEGEN_KERNELS_KERNELEMITTER_H
#define ADZE_CODEGEN_KERNELS_KERNELEMITTER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Builders.h"

namespace adze {

/// Lanes of every vector that a kernel uses, in 32-bit terms.
inline constexpr int64_t kLanes = 16;
/// Bytes of one line of 16 32-bit lanes.
inline constexpr int64_t kLineBytes = 64;

/// Elements of a channel (or position) that lie together in panels of
/// `element`, as FormatAttrInterface::getPanelDepth says for weights: what the
/// dots of some target take in 32 bits.
int64_t panelDepth(mlir::Type element);

class KernelEmitter {
public:
  KernelEmitter(mlir::OpBuilder &builder, mlir::Location loc);

  mlir::OpBuilder &b;
  mlir::Location loc;
  mlir::Type f32, i32, i64, index, ptr;
  mlir::VectorType vf32, vi32;

  mlir::VectorType lanesOf(mlir::Type element) const;
  static int64_t bytesOf(mlir::Type element);

  // Constants.
  mlir::Value constant(int64_t value); // index
  mlir::Value constantI32(int64_t value);
  mlir::Value constantF32(double value);
  mlir::Value splat(double value);
  mlir::Value splatI32(int64_t value);
  /// (0, 1, ..., 15) as i32.
  mlir::Value iota();

  // Index arithmetic, folded where constant.
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value add(mlir::Value x, int64_t y) { return add(x, constant(y)); }
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, int64_t y) { return sub(x, constant(y)); }
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, int64_t y) { return mul(x, constant(y)); }
  mlir::Value div(mlir::Value x, mlir::Value y); // x, y >= 0
  mlir::Value div(mlir::Value x, int64_t y) { return div(x, constant(y)); }
  mlir::Value rem(mlir::Value x, mlir::Value y); // x, y >= 0
  mlir::Value rem(mlir::Value x, int64_t y) { return rem(x, constant(y)); }
  mlir::Value ceilDiv(mlir::Value x, int64_t y) {
    return div(add(x, y - 1), y);
  }
  mlir::Value min(mlir::Value x, mlir::Value y);
  mlir::Value max(mlir::Value x, mlir::Value y);
  mlir::Value compare(mlir::arith::CmpIPredicate p, mlir::Value x,
                      mlir::Value y);
  mlir::Value compare(mlir::arith::CmpIPredicate p, mlir::Value x, int64_t y) {
    return compare(p, x, constant(y));
  }
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y);
  mlir::Value toIndex(mlir::Value x);
  mlir::Value toI32(mlir::Value x);

  // Floats: scalars or vectors.
  mlir::Value addf(mlir::Value x, mlir::Value y);
  mlir::Value subf(mlir::Value x, mlir::Value y);
  mlir::Value mulf(mlir::Value x, mlir::Value y);
  mlir::Value divf(mlir::Value x, mlir::Value y);
  mlir::Value fma(mlir::Value x, mlir::Value y, mlir::Value z); // vectors
  mlir::Value maxf(mlir::Value x, mlir::Value y); // y if either is a NaN
  mlir::Value exp2(mlir::Value x);
  mlir::Value broadcast(mlir::Value scalar);
  /// Sum or maximum over 16 lanes by a tree, in one fixed order.
  mlir::Value reduceAdd(mlir::Value v);
  mlir::Value reduceMax(mlir::Value v);
  mlir::Value toF32(mlir::Value x);
  /// With `flush`, a subnormal result may become zero (operands of a dot).
  mlir::Value fromF32(mlir::Value x, mlir::Type element, bool flush = false);

  // Memory.
  mlir::Value at(mlir::Value pointer, mlir::Value bytes);
  mlir::Value at(mlir::Value pointer, int64_t bytes);
  /// The same pointer, of which LLVM knows nothing: loops keep it in a register
  /// instead of deriving it from others, one addition per use.
  mlir::Value opaque(mlir::Value pointer);
  /// The same for LLVM behind a vector: what is read there waits in no register
  /// before that one is computed. For AVX-512.
  mlir::Value opaqueBehind(mlir::Value vector, mlir::Value pointer);
  mlir::Value load(mlir::Type type, mlir::Value pointer, unsigned align);
  void store(mlir::Value value, mlir::Value pointer, unsigned align);
  /// So many lines of the stack, of which LLVM knows nothing.
  mlir::Value stackLines(int64_t lines);
  /// Brings a line to the cache of this level, 1 or 2.
  void prefetch(mlir::Value pointer, int64_t level = 2);
  /// With a line that is read of one of several panels side by side: brings
  /// `later`, what the panel behind them has there, to L2, as panels of a short
  /// K end before the processor has noticed that they are read in order; and
  /// what `here` comes to soon to L1, as reading would wait for L2.
  void prefetchStream(mlir::Value here, mlir::Value later);
  /// i32 in memory -> index.
  mlir::Value loadI32(mlir::Value pointer);
  /// i64 in memory -> index.
  mlir::Value loadI64(mlir::Value pointer);
  mlir::Value loadPtr(mlir::Value pointer) { return load(ptr, pointer, 8); }
  /// One stored element -> f32.
  mlir::Value loadScalar(mlir::Type element, mlir::Value pointer);
  void storeScalar(mlir::Value value, mlir::Type element, mlir::Value pointer);
  /// 16 stored elements -> f32 lanes. With `count` < 16 (a constant) only so
  /// many are touched; the other lanes are zero, or not written.
  mlir::Value loadLanes(mlir::Type element, mlir::Value pointer,
                        int64_t count = kLanes);
  void storeLanes(mlir::Value value, mlir::Type element, mlir::Value pointer,
                  int64_t count = kLanes);
  /// Copies `count` elements of `bytes` bytes (1, 2, 4 or 8) one by one.
  void copyElements(mlir::Value to, mlir::Value from, mlir::Value count,
                    int64_t bytes);

  // Control.
  using Values = llvm::SmallVector<mlir::Value>;
  Values loop(mlir::Value lo, mlir::Value hi, int64_t step,
              mlir::ValueRange init,
              llvm::function_ref<Values(mlir::Value, mlir::ValueRange)> body);
  void loop(mlir::Value lo, mlir::Value hi, int64_t step,
            llvm::function_ref<void(mlir::Value)> body);
  void ifThen(mlir::Value condition, llvm::function_ref<void()> then);
  void ifElse(mlir::Value condition, llvm::function_ref<void()> then,
              llvm::function_ref<void()> otherwise);
  Values ifElse(mlir::Value condition, mlir::TypeRange types,
                llvm::function_ref<Values()> then,
                llvm::function_ref<Values()> otherwise);

  /// A function in the module of the insertion point, with its body begun; the
  /// builder is left inside. Private unless `isPublic`.
  mlir::func::FuncOp beginFunction(llvm::StringRef name,
                                   mlir::TypeRange arguments,
                                   mlir::TypeRange results, bool isPublic);
  void call(mlir::func::FuncOp callee, mlir::ValueRange arguments);
  /// A function as a value, and a call of one.
  mlir::Value address(mlir::func::FuncOp function);
  void callIndirect(mlir::Value callee, mlir::ValueRange arguments);
  /// The function of that name in the module of the insertion point, or null:
  /// what kernels share is emitted by the first of them, at the module's end.
  mlir::func::FuncOp lookup(llvm::StringRef name);
  /// As beginFunction, at the end of the module.
  mlir::func::FuncOp beginShared(llvm::StringRef name,
                                 mlir::TypeRange arguments,
                                 mlir::TypeRange results = {});
  void ret(mlir::ValueRange values = {});

private:
  mlir::Value partMask(int64_t count);
};

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_KERNELEMITTER_H
