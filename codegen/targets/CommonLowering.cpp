// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze_kernel where every target does the same: conversions by LLVM's own or by
// integer arithmetic, exp2 by the shared polynomial.

#include "adze/Codegen/KernelLowering.h"
#include "adze/Codegen/MathExpansion.h"
#include "adze/Dialect/AdzeKernel/AdzeKernel.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace adze;

/// `element`, or vectors of it shaped as `like`.
static Type shapedLike(Type like, Type element) {
  if (auto vector = dyn_cast<VectorType>(like))
    return vector.clone(element);
  return element;
}

static Value integer(OpBuilder &b, Location loc, Type type, int64_t value) {
  TypedAttr attr = b.getIntegerAttr(getElementTypeOrSelf(type), value);
  if (auto vector = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(vector, ArrayRef<Attribute>(attr));
  return arith::ConstantOp::create(b, loc, attr);
}

namespace {

struct LowerToF32 : OpRewritePattern<kernel::ToF32Op> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(kernel::ToF32Op op,
                                PatternRewriter &b) const override {
    Location loc = op.getLoc();
    Value x = op.getX();
    Type element = getElementTypeOrSelf(x.getType());
    if (element.isF32()) {
      b.replaceOp(op, x);
      return success();
    }
    if (element.isF16()) {
      b.replaceOpWithNewOp<arith::ExtFOp>(op, op.getType(), x);
      return success();
    }
    Type i16 = shapedLike(x.getType(), b.getI16Type());
    Type i32 = shapedLike(x.getType(), b.getI32Type());
    Value bits = arith::BitcastOp::create(b, loc, i16, x);
    Value wide = arith::ExtUIOp::create(b, loc, i32, bits);
    Value high = arith::ShLIOp::create(b, loc, wide, integer(b, loc, i32, 16));
    b.replaceOpWithNewOp<arith::BitcastOp>(op, op.getType(), high);
    return success();
  }
};

struct LowerFromF32 : OpRewritePattern<kernel::FromF32Op> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(kernel::FromF32Op op,
                                PatternRewriter &b) const override {
    Location loc = op.getLoc();
    Value x = op.getX();
    Type element = getElementTypeOrSelf(op.getType());
    if (element.isF32()) {
      b.replaceOp(op, x);
      return success();
    }
    if (element.isF16()) {
      b.replaceOpWithNewOp<arith::TruncFOp>(op, op.getType(), x);
      return success();
    }
    // Nearest even by integers, on every variant alike: vcvtneps2bf16 would
    // flush subnormals. A NaN keeps its sign and becomes quiet.
    Type i16 = shapedLike(x.getType(), b.getI16Type());
    Type i32 = shapedLike(x.getType(), b.getI32Type());
    auto constant = [&](int64_t value) { return integer(b, loc, i32, value); };
    Value bits = arith::BitcastOp::create(b, loc, i32, x);
    Value upper = arith::ShRUIOp::create(b, loc, bits, constant(16));
    Value odd = arith::AndIOp::create(b, loc, upper, constant(1));
    Value bias = arith::AddIOp::create(b, loc, odd, constant(0x7fff));
    Value sum = arith::AddIOp::create(b, loc, bits, bias);
    Value rounded = arith::ShRUIOp::create(b, loc, sum, constant(16));
    Value quiet = arith::OrIOp::create(b, loc, upper, constant(0x40));
    Value isNan =
        arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, x, x);
    Value chosen = arith::SelectOp::create(b, loc, isNan, quiet, rounded);
    Value half = arith::TruncIOp::create(b, loc, i16, chosen);
    b.replaceOpWithNewOp<arith::BitcastOp>(op, op.getType(), half);
    return success();
  }
};

/// Halves of 32-bit lanes; targets with an instruction for it take precedence.
struct LowerDotWords : OpRewritePattern<kernel::DotWordsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(kernel::DotWordsOp op,
                                PatternRewriter &b) const override {
    Location loc = op.getLoc();
    Type lanes = op.getType();
    Value sixteen = integer(b, loc, lanes, 16), sum = op.getAcc();
    Value x = vector::BitCastOp::create(b, loc, lanes, op.getA());
    Value y = vector::BitCastOp::create(b, loc, lanes, op.getB());
    for (bool high : {false, true}) {
      auto half = [&](Value v) -> Value {
        if (!high)
          v = arith::ShLIOp::create(b, loc, v, sixteen);
        return arith::ShRSIOp::create(b, loc, v, sixteen);
      };
      Value product = arith::MulIOp::create(b, loc, half(x), half(y));
      sum = arith::AddIOp::create(b, loc, sum, product);
    }
    b.replaceOp(op, sum);
    return success();
  }
};

struct LowerExp2 : OpRewritePattern<kernel::Exp2Op> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(kernel::Exp2Op op,
                                PatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, emitExp2(rewriter, op.getLoc(), op.getX()));
    return success();
  }
};

} // namespace

void adze::populateCommonKernelPatterns(RewritePatternSet &patterns) {
  patterns.add<LowerToF32, LowerFromF32, LowerExp2, LowerDotWords>(
      patterns.getContext());
}
