// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze_kernel on x86: dots and conversions by AVX512_BF16; the rest is common to
// all targets (CommonLowering.cpp).

#include "adze/Codegen/KernelLowering.h"
#include "adze/Dialect/AdzeKernel/AdzeKernel.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace adze;

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
  if (variant.kernel.hasBF16Dot)
    patterns.add<LowerFlushingFromF32>(patterns.getContext(), /*benefit=*/2);
}
