// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze_kernel on aarch64: dots by BFDOT, dots of codes by USDOT (I8MM), SDOT or
// multiplies, of NEON registers or of SVE ones whose length is known. A vector
// of 16 lanes is cut into registers; LLVM puts the pieces together again, or
// rather never apart.

#include "../ExpandTable.h"
#include "adze/Codegen/KernelLowering.h"
#include "adze/Dialect/AdzeKernel/AdzeKernel.h"
#include "adze/abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace adze;

namespace {

/// Emits `intrinsic`(acc, a, b) over vectors of 16 lanes, register by register.
class RegisterDots {
public:
  RegisterDots(PatternRewriter &b, Location loc, const TargetVariant &variant)
      : b(b), loc(loc), lanes(variant.kernel.lanes), isSVE(variant.vscale) {}

  Value emit(StringRef name, Value acc, Value x, Value y) {
    auto type = cast<VectorType>(acc.getType());
    int64_t depth =
        cast<VectorType>(x.getType()).getNumElements() / type.getNumElements();
    SmallVector<Value> sums;
    std::string intrinsic =
        (Twine("llvm.aarch64.") + (isSVE ? "sve." : "neon.") + name).str();
    for (int64_t at = 0; at < type.getNumElements(); at += lanes) {
      SmallVector<Value> parts{piece(acc, at, lanes),
                               piece(x, at * depth, lanes * depth),
                               piece(y, at * depth, lanes * depth)};
      Value sum =
          LLVM::CallIntrinsicOp::create(b, loc, parts.front().getType(),
                                        b.getStringAttr(intrinsic), parts)
              .getResult(0);
      if (isSVE)
        sum = vector::ScalableExtractOp::create(
            b, loc, VectorType::get({lanes}, type.getElementType()), sum, 0);
      sums.push_back(sum);
    }
    return join(sums);
  }

private:
  static SmallVector<int64_t> indices(int64_t begin, int64_t end) {
    return llvm::to_vector(llvm::seq(begin, end));
  }
  /// Registers one after the other, a power of two of them.
  Value join(SmallVector<Value> parts) {
    while (parts.size() > 1) {
      SmallVector<Value> pairs;
      int64_t count =
          cast<VectorType>(parts.front().getType()).getNumElements();
      for (size_t i = 0; i < parts.size(); i += 2)
        pairs.push_back(vector::ShuffleOp::create(
            b, loc, parts[i], parts[i + 1], indices(0, 2 * count)));
      parts = pairs;
    }
    return parts.front();
  }

  /// Elements [at, at + count) in a register.
  Value piece(Value v, int64_t at, int64_t count) {
    auto type = cast<VectorType>(v.getType());
    Value part = v;
    if (count != type.getNumElements())
      part = vector::ShuffleOp::create(b, loc, v, v, indices(at, at + count));
    if (!isSVE)
      return part;
    // A register of 128 bits times vscale.
    int64_t least = 128 / type.getElementTypeBitWidth();
    auto scalable = VectorType::get({least}, type.getElementType(), {true});
    Value none = LLVM::PoisonOp::create(b, loc, scalable);
    return vector::ScalableInsertOp::create(b, loc, part, none, 0);
  }

  PatternRewriter &b;
  Location loc;
  int64_t lanes;
  bool isSVE;
};

struct LowerDot : OpRewritePattern<kernel::DotOp> {
  LowerDot(MLIRContext *context, const TargetVariant &variant)
      : OpRewritePattern(context), variant(variant) {}

  LogicalResult matchAndRewrite(kernel::DotOp op,
                                PatternRewriter &rewriter) const override {
    if (!variant.kernel.hasBF16Dot ||
        !cast<VectorType>(op.getA().getType()).getElementType().isBF16())
      return failure();
    rewriter.replaceOp(
        op, RegisterDots(rewriter, op.getLoc(), variant)
                .emit("bfdot" + suffix(), op.getAcc(), op.getA(), op.getB()));
    return success();
  }

  /// NEON names the types of the registers, SVE's are implied.
  std::string suffix() const { return variant.vscale ? "" : ".v4f32.v8bf16"; }

  const TargetVariant &variant;
};

/// Codes are unsigned and x signed, as USDOT takes them. SDOT takes codes up to
/// 127 as they are; larger ones less 128, and 128 times x is added by two dots
/// with 64. Without either, byte by byte of the 32-bit lanes. All exact.
struct LowerDotCodes : OpRewritePattern<kernel::DotCodesOp> {
  LowerDotCodes(MLIRContext *context, const TargetVariant &variant)
      : OpRewritePattern(context), variant(variant) {}

  LogicalResult matchAndRewrite(kernel::DotCodesOp op,
                                PatternRewriter &b) const override {
    Location loc = op.getLoc();
    Value acc = op.getAcc(), codes = op.getCodes(), x = op.getX();
    RegisterDots dots(b, loc, variant);
    std::string types = variant.vscale ? ".nxv4i32" : ".v4i32.v16i8";
    if (variant.kernel.hasByteDot) {
      b.replaceOp(op, dots.emit("usdot" + types, acc, codes, x));
      return success();
    }
    if (variant.need & ADZE_ARM_DOTPROD) {
      if (op.getMax() > 127) {
        codes = arith::XOrIOp::create(b, loc, codes,
                                      splat(b, loc, codes.getType(), -128));
        Value half = splat(b, loc, codes.getType(), 64);
        for (int i = 0; i < 2; ++i)
          acc = dots.emit("sdot" + types, acc, half, x);
      }
      b.replaceOp(op, dots.emit("sdot" + types, acc, codes, x));
      return success();
    }
    Type lanes = acc.getType();
    Value c = vector::BitCastOp::create(b, loc, lanes, codes);
    Value s = vector::BitCastOp::create(b, loc, lanes, x);
    for (int64_t byte = 0; byte < 4; ++byte) {
      Value code = arith::AndIOp::create(
          b, loc,
          arith::ShRUIOp::create(b, loc, c, splat(b, loc, lanes, 8 * byte)),
          splat(b, loc, lanes, 255));
      Value high =
          arith::ShLIOp::create(b, loc, s, splat(b, loc, lanes, 24 - 8 * byte));
      Value term =
          arith::ShRSIOp::create(b, loc, high, splat(b, loc, lanes, 24));
      acc = arith::AddIOp::create(b, loc, acc,
                                  arith::MulIOp::create(b, loc, code, term));
    }
    b.replaceOp(op, acc);
    return success();
  }

private:
  static Value splat(OpBuilder &b, Location loc, Type type, int64_t value) {
    Type element = cast<VectorType>(type).getElementType();
    return arith::ConstantOp::create(
        b, loc,
        DenseElementsAttr::get(cast<VectorType>(type),
                               Attribute(b.getIntegerAttr(element, value))));
  }

  const TargetVariant &variant;
};

/// TBL of one register.
struct LowerExpandLoad : OpRewritePattern<kernel::ExpandLoadOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(kernel::ExpandLoadOp op,
                                PatternRewriter &b) const override {
    b.replaceOp(op, expandByTable(b, op, [&](Value bytes, Value places) {
                  return LLVM::CallIntrinsicOp::create(
                             b, op.getLoc(), bytes.getType(),
                             b.getStringAttr("llvm.aarch64.neon.tbl1.v16i8"),
                             ValueRange{bytes, places})
                      .getResult(0);
                }));
    return success();
  }
};

} // namespace

void adze::populateAArch64KernelPatterns(RewritePatternSet &patterns,
                                         const TargetVariant &variant) {
  patterns.add<LowerDot, LowerDotCodes>(patterns.getContext(), variant);
  patterns.add<LowerExpandLoad>(patterns.getContext());
}
