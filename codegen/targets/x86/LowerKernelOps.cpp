// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze_kernel on x86: dots and conversions by AVX512_BF16, dots of codes by
// VNNI or multiplies of 16 bits; the rest is common to all targets
// (CommonLowering.cpp).

#include "adze/Codegen/KernelLowering.h"
#include "adze/Dialect/AdzeKernel/AdzeKernel.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include <numeric>

using namespace mlir;
using namespace adze;

static Value integer(OpBuilder &b, Location loc, Type type, int64_t value) {
  TypedAttr attr = b.getIntegerAttr(getElementTypeOrSelf(type), value);
  if (auto vector = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(vector, ArrayRef<Attribute>(attr));
  return arith::ConstantOp::create(b, loc, attr);
}

namespace {

struct LowerDot : OpRewritePattern<kernel::DotOp> {
  LowerDot(MLIRContext *context, bool hasBF16)
      : OpRewritePattern(context), hasBF16(hasBF16) {}

  LogicalResult matchAndRewrite(kernel::DotOp op,
                                PatternRewriter &rewriter) const override {
    auto operands = cast<VectorType>(op.getA().getType());
    if (!hasBF16 || !operands.getElementType().isBF16() ||
        operands.getNumElements() != 32)
      return failure();
    auto call = LLVM::CallIntrinsicOp::create(
        rewriter, op.getLoc(), op.getType(),
        rewriter.getStringAttr("llvm.x86.avx512bf16.dpbf16ps.512"),
        ValueRange{op.getAcc(), op.getA(), op.getB()});
    rewriter.replaceOp(op, call.getResult(0));
    return success();
  }

  bool hasBF16;
};

/// Quads of bytes: one instruction where there are byte dots; else products of
/// pairs in 16 bits where those cannot saturate (vpmaddubsw); else even and odd
/// bytes as 16-bit numbers, which vpmaddwd multiplies exactly.
struct LowerDotCodes : OpRewritePattern<kernel::DotCodesOp> {
  LowerDotCodes(MLIRContext *context, const KernelTarget &target)
      : OpRewritePattern(context), target(target) {}

  LogicalResult matchAndRewrite(kernel::DotCodesOp op,
                                PatternRewriter &b) const override {
    int64_t lanes = cast<VectorType>(op.getType()).getNumElements();
    if (lanes % target.lanes)
      return failure();
    Location loc = op.getLoc();
    // The instructions of a target work on its own registers.
    SmallVector<Value> parts;
    for (int64_t first = 0; first < lanes; first += target.lanes) {
      auto part = [&](Value v, int64_t width) {
        return slice(b, loc, v, first * width, target.lanes * width);
      };
      parts.push_back(dot(b, loc, part(op.getAcc(), 1), part(op.getCodes(), 4),
                          part(op.getX(), 4), op.getMax()));
    }
    Value result = parts.front();
    if (parts.size() == 2) {
      SmallVector<int64_t> all(lanes);
      std::iota(all.begin(), all.end(), 0);
      result = vector::ShuffleOp::create(b, loc, parts[0], parts[1], all);
    }
    b.replaceOp(op, result);
    return success();
  }

private:
  static Value slice(OpBuilder &b, Location loc, Value v, int64_t first,
                     int64_t count) {
    if (cast<VectorType>(v.getType()).getNumElements() == count)
      return v;
    SmallVector<int64_t> lanes(count);
    std::iota(lanes.begin(), lanes.end(), first);
    return vector::ShuffleOp::create(b, loc, v, v, lanes);
  }

  Value call(OpBuilder &b, Location loc, Type type, StringRef wide,
             StringRef narrow, ValueRange operands) const {
    StringRef name = target.lanes == 16 ? wide : narrow;
    return LLVM::CallIntrinsicOp::create(b, loc, type, b.getStringAttr(name),
                                         operands)
        .getResult(0);
  }

  Value dot(OpBuilder &b, Location loc, Value acc, Value codes, Value x,
            int64_t max) const {
    if (target.hasByteDot)
      return call(b, loc, acc.getType(), "llvm.x86.avx512.vpdpbusd.512",
                  "llvm.x86.avx512.vpdpbusd.256", {acc, codes, x});
    int64_t lanes = target.lanes;
    auto words = VectorType::get({2 * lanes}, b.getI16Type());
    auto pairs = [&](Value u, Value v) {
      return call(b, loc, acc.getType(), "llvm.x86.avx512.pmaddw.d.512",
                  "llvm.x86.avx2.pmadd.wd", {u, v});
    };
    if (max <= 128) {
      Value products = call(b, loc, words, "llvm.x86.avx512.pmaddubs.w.512",
                            "llvm.x86.avx2.pmadd.ub.sw", {codes, x});
      return arith::AddIOp::create(b, loc, acc,
                                   pairs(products, integer(b, loc, words, 1)));
    }
    Value c = vector::BitCastOp::create(b, loc, words, codes);
    Value s = vector::BitCastOp::create(b, loc, words, x);
    Value eight = integer(b, loc, words, 8);
    Value evenCodes =
        arith::AndIOp::create(b, loc, c, integer(b, loc, words, 255));
    Value oddCodes = arith::ShRUIOp::create(b, loc, c, eight);
    Value evenX = arith::ShRSIOp::create(
        b, loc, arith::ShLIOp::create(b, loc, s, eight), eight);
    Value oddX = arith::ShRSIOp::create(b, loc, s, eight);
    Value even = arith::AddIOp::create(b, loc, acc, pairs(evenCodes, evenX));
    return arith::AddIOp::create(b, loc, even, pairs(oddCodes, oddX));
  }

  KernelTarget target;
};

/// Operands of a dot: subnormals may be flushed, as the instruction does.
struct LowerFlushingFromF32 : OpRewritePattern<kernel::FromF32Op> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(kernel::FromF32Op op,
                                PatternRewriter &b) const override {
    auto vector = dyn_cast<VectorType>(op.getType());
    if (!op.getFlush() || !vector || !vector.getElementType().isBF16() ||
        vector.getNumElements() != 16)
      return failure();
    auto call = LLVM::CallIntrinsicOp::create(
        b, op.getLoc(), op.getType(),
        b.getStringAttr("llvm.x86.avx512bf16.cvtneps2bf16.512"), op.getX());
    b.replaceOp(op, call.getResult(0));
    return success();
  }
};

} // namespace

void adze::populateX86KernelPatterns(RewritePatternSet &patterns,
                                     const TargetVariant &variant) {
  patterns.add<LowerDot>(patterns.getContext(), variant.kernel.hasBF16Dot);
  patterns.add<LowerDotCodes>(patterns.getContext(), variant.kernel);
  if (variant.kernel.hasBF16Dot)
    patterns.add<LowerFlushingFromF32>(patterns.getContext(), /*benefit=*/2);
}
