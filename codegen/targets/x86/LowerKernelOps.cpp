// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze_kernel on x86: dots and conversions by AVX512_BF16, dots of codes by
// VNNI or multiplies of 16 bits; the rest is common to all targets
// (CommonLowering.cpp).

#include "../ExpandTable.h"
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

/// `made` for each register of a vector of `lanes`, put together again.
static Value eachRegister(
    OpBuilder &b, Location loc, int64_t lanes, int64_t inRegister,
    llvm::function_ref<Value(llvm::function_ref<Value(Value v, int64_t width)>)>
        made) {
  SmallVector<Value> parts;
  for (int64_t first = 0; first < lanes; first += inRegister)
    parts.push_back(made([&](Value v, int64_t width) {
      int64_t count = inRegister * width;
      if (cast<VectorType>(v.getType()).getNumElements() == count)
        return v;
      SmallVector<int64_t> indices(count);
      std::iota(indices.begin(), indices.end(), first * width);
      return Value(vector::ShuffleOp::create(b, loc, v, v, indices));
    }));
  if (parts.size() == 1)
    return parts.front();
  SmallVector<int64_t> all(lanes);
  std::iota(all.begin(), all.end(), 0);
  return vector::ShuffleOp::create(b, loc, parts[0], parts[1], all);
}

static Value callIntrinsic(OpBuilder &b, Location loc, Type type,
                           StringRef name, ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(b, loc, type, b.getStringAttr(name),
                                       operands)
      .getResult(0);
}

/// Pairs of words: one instruction with VNNI, else products and their sum.
struct LowerDotWords : OpRewritePattern<kernel::DotWordsOp> {
  LowerDotWords(MLIRContext *context, const KernelTarget &target)
      : OpRewritePattern(context, /*benefit=*/2), target(target) {}

  LogicalResult matchAndRewrite(kernel::DotWordsOp op,
                                PatternRewriter &b) const override {
    int64_t lanes = cast<VectorType>(op.getType()).getNumElements();
    if (lanes % target.lanes)
      return failure();
    Location loc = op.getLoc();
    bool wide = target.lanes == 16;
    b.replaceOp(op, eachRegister(b, loc, lanes, target.lanes, [&](auto part) {
                  Value acc = part(op.getAcc(), 1), x = part(op.getA(), 2),
                        y = part(op.getB(), 2);
                  if (target.hasByteDot)
                    return callIntrinsic(b, loc, acc.getType(),
                                         wide ? "llvm.x86.avx512.vpdpwssd.512"
                                              : "llvm.x86.avx512.vpdpwssd.256",
                                         {acc, x, y});
                  Value products =
                      callIntrinsic(b, loc, acc.getType(),
                                    wide ? "llvm.x86.avx512.pmaddw.d.512"
                                         : "llvm.x86.avx2.pmadd.wd",
                                    {x, y});
                  return Value(arith::AddIOp::create(b, loc, acc, products));
                }));
    return success();
  }

  KernelTarget target;
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
    b.replaceOp(op, eachRegister(b, loc, lanes, target.lanes, [&](auto part) {
                  return dot(b, loc, part(op.getAcc(), 1),
                             part(op.getCodes(), 4), part(op.getX(), 4),
                             op.getMax());
                }));
    return success();
  }

private:
  Value call(OpBuilder &b, Location loc, Type type, StringRef wide,
             StringRef narrow, ValueRange operands) const {
    return callIntrinsic(b, loc, type, target.lanes == 16 ? wide : narrow,
                         operands);
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

/// vpexpandb, vpexpandw or vpexpandd from a register: LLVM would make it read
/// memory, which takes three times as long on some CPUs, so it must not see the
/// load. Or pshufb.
struct LowerExpandLoad : OpRewritePattern<kernel::ExpandLoadOp> {
  LowerExpandLoad(MLIRContext *context, bool hasExpand)
      : OpRewritePattern(context), hasExpand(hasExpand) {}

  LogicalResult matchAndRewrite(kernel::ExpandLoadOp op,
                                PatternRewriter &b) const override {
    Location loc = op.getLoc();
    if (!hasExpand) {
      b.replaceOp(op, expandByTable(b, op, [&](Value bytes, Value places) {
                    return callIntrinsic(b, loc, bytes.getType(),
                                         "llvm.x86.ssse3.pshuf.b.128",
                                         {bytes, places});
                  }));
      return success();
    }
    auto type = cast<VectorType>(op.getType());
    int64_t count = type.getNumElements();
    Value loaded = LLVM::LoadOp::create(b, loc, type, op.getFrom(), 1);
    Value data = LLVM::InlineAsmOp::create(
                     b, loc, type, loaded, /*asm_string=*/"",
                     /*constraints=*/"=v,0", /*has_side_effects=*/false,
                     /*is_align_stack=*/false, LLVM::TailCallKind::None,
                     /*asm_dialect=*/LLVM::AsmDialectAttr(),
                     /*operand_attrs=*/ArrayAttr())
                     .getResult(0);
    auto bits = VectorType::get({count}, b.getI1Type());
    Value mask = LLVM::BitcastOp::create(b, loc, bits, op.getMask());
    std::string name = ("llvm.x86.avx512.mask.expand.v" + Twine(count) + "i" +
                        Twine(type.getElementTypeBitWidth()))
                           .str();
    b.replaceOp(op, callIntrinsic(b, loc, type, name,
                                  {data, integer(b, loc, type, 0), mask}));
    return success();
  }

  bool hasExpand;
};

} // namespace

void adze::populateX86KernelPatterns(RewritePatternSet &patterns,
                                     const TargetVariant &variant) {
  patterns.add<LowerDot>(patterns.getContext(), variant.kernel.hasBF16Dot);
  patterns.add<LowerExpandLoad>(patterns.getContext(),
                                variant.kernel.hasExpand);
  patterns.add<LowerDotCodes, LowerDotWords>(patterns.getContext(),
                                             variant.kernel);
  if (variant.kernel.hasBF16Dot)
    patterns.add<LowerFlushingFromF32>(patterns.getContext(), /*benefit=*/2);
}
