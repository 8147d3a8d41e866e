// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Polynomials are minimax fits (Lawson's weighted least squares) over the
// reduced ranges that the comments name; the constant terms that must be exact
// were fixed before fitting the rest.

#include "adze/Codegen/MathExpansion.h"
#include "adze/Dialect/Adze/Adze.h"
#include "adze/Dialect/AdzeKernel/AdzeKernel.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace adze;

namespace {

/// Arithmetic on values that are all scalars, or all vectors of one length.
class Arithmetic {
public:
  Arithmetic(OpBuilder &b, Location loc, Type like)
      : b(b), loc(loc), vector(dyn_cast<VectorType>(like)) {}

  Type shaped(Type element) {
    return vector ? Type(vector.clone(element)) : element;
  }
  Value real(double value, Type element = {}) {
    if (!element)
      element = b.getF32Type();
    TypedAttr attr = b.getFloatAttr(element, value);
    return constant(attr);
  }
  Value integer(int64_t value, Type element = {}) {
    if (!element)
      element = b.getI32Type();
    return constant(b.getIntegerAttr(element, value));
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }
  Value neg(Value x) { return arith::NegFOp::create(b, loc, x); }
  Value abs(Value x) { return math::AbsFOp::create(b, loc, x); }
  Value copySign(Value x, Value sign) {
    return math::CopySignOp::create(b, loc, x, sign);
  }
  Value fma(Value x, Value y, Value z) {
    return math::FmaOp::create(b, loc, x, y, z);
  }
  Value compare(arith::CmpFPredicate p, Value x, Value y) {
    return arith::CmpFOp::create(b, loc, p, x, y);
  }
  Value select(Value c, Value x, Value y) {
    return arith::SelectOp::create(b, loc, c, x, y);
  }
  Value addi(Value x, Value y) { return arith::AddIOp::create(b, loc, x, y); }
  Value shl(Value x, Value y) { return arith::ShLIOp::create(b, loc, x, y); }
  Value bits(Value x, Type element) {
    return arith::BitcastOp::create(b, loc, shaped(element), x);
  }
  /// c[0] + c[1] x + c[2] x^2 ...
  Value polynomial(Value x, ArrayRef<double> c) {
    Type element = getElementTypeOrSelf(x.getType());
    Value sum = real(c.back(), element);
    for (double coefficient : llvm::reverse(c.drop_back()))
      sum = fma(sum, x, real(coefficient, element));
    return sum;
  }
  /// x limited to [lo, hi]. A NaN stays a NaN: the constant comes first, and a
  /// comparison with a NaN is false.
  Value clamp(Value x, double lo, double hi) {
    Type element = getElementTypeOrSelf(x.getType());
    Value low = real(lo, element), high = real(hi, element);
    x = select(compare(arith::CmpFPredicate::OGT, low, x), low, x);
    return select(compare(arith::CmpFPredicate::OLT, high, x), high, x);
  }

  // Adding 1.5 * 2^23 rounds |x| < 2^22 to the nearest integer, which then sits
  // in the low bits.
  static constexpr double kRound = 12582912.0;
  // The same with the bias of an exponent.
  static constexpr double kRoundBiased = kRound + 127;

  /// 2^n for an integer-valued n in [-127, 128] that was rounded into
  /// `shifted` = n + kRoundBiased. The bits above those of n + 127 leave by the
  /// shift; -127 gives 0, 128 infinity.
  Value scale(Value shifted) {
    Value biased = bits(shifted, b.getI32Type());
    return bits(shl(biased, integer(23)), b.getF32Type());
  }

  Value exp2(Value x);
  Value exp(Value x);
  Value log(Value x);
  Value tanh(Value x);
  Value erf(Value x);
  std::pair<Value, Value> cosSin(Value turns);
  Value pow(Value x, Value y);
  Value cbrt(Value x);
  Value round(Value x);
  Value widen(Value x) {
    return arith::ExtFOp::create(b, loc, shaped(b.getF64Type()), x);
  }
  Value floor(Value x) { return math::FloorOp::create(b, loc, x); }
  Value both(Value x, Value y) { return arith::AndIOp::create(b, loc, x, y); }

private:
  Value log2Wide(Value x);
  Value exp2Narrow(Value p);
  Value constant(TypedAttr scalar) {
    if (!vector)
      return arith::ConstantOp::create(b, loc, scalar);
    auto type = vector.clone(scalar.getType());
    return arith::ConstantOp::create(
        b, loc, DenseElementsAttr::get(type, ArrayRef<Attribute>(scalar)));
  }

  OpBuilder &b;
  Location loc;
  VectorType vector;
};

Value Arithmetic::exp2(Value x) {
  x = clamp(x, -127, 128);
  Value shifted = add(x, real(kRoundBiased));
  Value f = sub(x, sub(shifted, real(kRoundBiased))); // [-1/2, 1/2], exact
  Value p =
      polynomial(f, {1.0, 6.9314718246e-01, 2.4022647738e-01, 5.5503323674e-02,
                     9.6184369177e-03, 1.3398875017e-03, 1.5353360504e-04});
  return mul(p, scale(shifted));
}

Value Arithmetic::exp(Value x) {
  // Below the result is 0, above infinity.
  x = clamp(x, -88.1, 88.8);
  Value shifted = fma(x, real(1.4426950408889634), real(kRoundBiased));
  Value n = sub(shifted, real(kRoundBiased));
  // ln 2 in two parts: n times the first is exact.
  Value r = fma(n, real(-0.693359375), x);
  r = fma(n, real(2.12194440e-4), r);
  Value p =
      polynomial(r, {1.0, 1.0, 0.5, 1.6666665673e-01, 4.1666280478e-02,
                     8.3335042000e-03, 1.3945752289e-03, 1.9789265934e-04});
  return mul(p, scale(shifted));
}

Value Arithmetic::log(Value x) {
  Type i32 = b.getI32Type(), f32 = b.getF32Type();
  // Subnormals are scaled into range first.
  Value tiny = compare(arith::CmpFPredicate::OLT, x, real(1.1754944e-38));
  Value scaled = select(tiny, mul(x, real(8388608.0)), x);
  // x = 2^e m with m in [sqrt(1/2), sqrt(2)): the bits of sqrt(1/2) are taken
  // off, so that the exponent field counts from there.
  Value raw = bits(scaled, i32);
  Value offset = addi(raw, integer(-0x3f3504f3));
  Value e = arith::ShRSIOp::create(b, loc, offset, integer(23));
  Value mantissa = arith::AndIOp::create(b, loc, offset, integer(0x7fffff));
  Value m = bits(addi(mantissa, integer(0x3f3504f3)), f32);
  Value f = sub(m, real(1.0));
  Value n = arith::SIToFPOp::create(b, loc, shaped(f32), e);
  n = select(tiny, sub(n, real(23.0)), n);
  Value f2 = mul(f, f);
  Value p =
      polynomial(f, {3.3333310485e-01, -2.4999986589e-01, 2.0002226532e-01,
                     -1.6669249535e-01, 1.4218656719e-01, -1.2384371459e-01,
                     1.1873009801e-01, -1.1789685488e-01, 6.9151490927e-02});
  Value tail = mul(mul(f, f2), p);
  tail = fma(n, real(-2.12194440e-4), tail);
  tail = fma(f2, real(-0.5), tail);
  Value result = fma(n, real(0.693359375), add(f, tail));
  // log(0) = -inf, log(negative) = NaN, log(inf) = inf, log(NaN) = NaN.
  double inf = std::numeric_limits<double>::infinity();
  double nan = std::numeric_limits<double>::quiet_NaN();
  result = select(compare(arith::CmpFPredicate::OEQ, x, real(0.0)), real(-inf),
                  result);
  result = select(compare(arith::CmpFPredicate::OEQ, x, real(inf)), x, result);
  return select(compare(arith::CmpFPredicate::UGE, x, real(0.0)),
                select(compare(arith::CmpFPredicate::UNO, x, x), x, result),
                real(nan));
}

Value Arithmetic::tanh(Value x) {
  // Small: x + x^3 P(x^2). Else 1 - 2 / (e^2|x| + 1) with the sign of x.
  Value a = abs(x), z = mul(x, x);
  Value p =
      polynomial(z, {-3.3333331347e-01, 1.3333210349e-01, -5.3947202861e-02,
                     2.1702967584e-02, -8.1826737151e-03, 2.1475369576e-03});
  Value small = fma(mul(x, z), p, x);
  Value e = exp(add(a, a));
  Value large = sub(real(1.0), div(real(2.0), add(e, real(1.0))));
  return select(compare(arith::CmpFPredicate::OLT, a, real(0.625)), small,
                copySign(large, x));
}

Value Arithmetic::erf(Value x) {
  Value a = abs(x), z = mul(x, x);
  Value small = mul(
      x, polynomial(z, {1.1283792257e+00, -3.7612637877e-01, 1.1283782870e-01,
                        -2.6865445077e-02, 5.2210749127e-03, -8.4847112885e-04,
                        1.1270544201e-04, -9.6801350082e-06}));
  // erfc(a) = exp(-a^2) Q(1 / (1 + a/2)) for a in [1, 4]; beyond, erf is 1.
  Value limited = clamp(a, 0.0, 4.0);
  Value t = div(real(1.0), fma(limited, real(0.5), real(1.0)));
  Value q = polynomial(t, {2.0736427978e-03, 2.5707924366e-01, 4.0816608071e-01,
                           -9.0655893087e-02, 6.7054599524e-01,
                           -2.5408640504e-01, 6.6523491405e-03});
  Value large = sub(real(1.0), mul(exp(neg(mul(limited, limited))), q));
  return select(compare(arith::CmpFPredicate::OLT, a, real(1.0)), small,
                copySign(large, x));
}

std::pair<Value, Value> Arithmetic::cosSin(Value turns) {
  Type f32 = b.getF32Type(), f64 = b.getF64Type(), i32 = b.getI32Type(),
       i64 = b.getI64Type();
  // Quarter turns k and the rest f in [-1/2, 1/2] quarters, both in f64.
  constexpr double kRound64 = 6755399441055744.0; // 1.5 * 2^52
  Value quarters = mul(turns, real(4.0, f64));
  Value shifted = add(quarters, real(kRound64, f64));
  Value rest = sub(quarters, sub(shifted, real(kRound64, f64)));
  Value f = arith::TruncFOp::create(b, loc, shaped(f32), rest);
  Value k = arith::TruncIOp::create(b, loc, shaped(i32), bits(shifted, i64));
  Value z = mul(f, f);
  Value sine = mul(
      f, polynomial(z, {1.5707963705e+00, -6.4596408606e-01, 7.9692579806e-02,
                        -4.6812663786e-03, 1.5820674889e-04}));
  Value cosine =
      polynomial(z, {1.0, -1.2337005138e+00, 2.5366950035e-01,
                     -2.0863469690e-02, 9.1916590463e-04, -2.4857046810e-05});
  // An odd quarter swaps them; the sine changes sign in quarters 2 and 3, the
  // cosine in 1 and 2.
  Value odd = arith::CmpIOp::create(
      b, loc, arith::CmpIPredicate::ne,
      arith::AndIOp::create(b, loc, k, integer(1)), integer(0));
  auto withSign = [&](Value magnitude, Value quarter) {
    Value sign =
        shl(arith::AndIOp::create(b, loc, quarter, integer(2)), integer(30));
    return bits(arith::XOrIOp::create(b, loc, bits(magnitude, i32), sign), f32);
  };
  return {withSign(select(odd, sine, cosine), addi(k, integer(1))),
          withSign(select(odd, cosine, sine), k)};
}

/// log2 of a positive finite normal f64, to 1e-12.
Value Arithmetic::log2Wide(Value x) {
  Type i32 = b.getI32Type(), i64 = b.getI64Type(), f64 = b.getF64Type();
  // x = 2^e m with m in [sqrt(1/2), sqrt(2)), as in log.
  constexpr int64_t kRoot = 0x3fe6a09e667f3bcd;
  Value offset = addi(bits(x, i64), integer(-kRoot, i64));
  Value e = arith::TruncIOp::create(
      b, loc, shaped(i32),
      arith::ShRSIOp::create(b, loc, offset, integer(52, i64)));
  Value mantissa =
      arith::AndIOp::create(b, loc, offset, integer((1LL << 52) - 1, i64));
  Value m = bits(addi(mantissa, integer(kRoot, i64)), f64);
  Value n = arith::SIToFPOp::create(b, loc, shaped(f64), e);
  // log m = 2 atanh((m - 1) / (m + 1)), by its series.
  Value one = real(1.0, f64), s = div(sub(m, one), add(m, one));
  Value p = polynomial(
      mul(s, s), {1.0, 1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11, 1.0 / 13});
  return fma(mul(s, p), real(2.8853900817779268, f64), n); // 2 / ln 2
}

/// 2^p in f32 of an f64; beyond f32 it is 0 or infinity.
Value Arithmetic::exp2Narrow(Value p) {
  Type i64 = b.getI64Type(), f64 = b.getF64Type();
  p = clamp(p, -200, 200);
  constexpr double kRound64 = 6755399441055744.0; // 1.5 * 2^52
  Value shifted = add(p, real(kRound64, f64));
  Value f = mul(sub(p, sub(shifted, real(kRound64, f64))),
                real(0.6931471805599453, f64)); // ln 2 [-1/2, 1/2]
  Value e = polynomial(f, {1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120,
                           1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880});
  Value two = bits(
      shl(addi(bits(shifted, i64), integer(1023, i64)), integer(52, i64)), f64);
  return arith::TruncFOp::create(b, loc, shaped(b.getF32Type()), mul(e, two));
}

/// x^y with x in f32 and y in f32 or f64: 2^(y log2 |x|) in f64, then the cases
/// that IEEE 754 (and libm) single out.
Value Arithmetic::pow(Value x, Value y) {
  using P = arith::CmpFPredicate;
  Type f64 = b.getF64Type();
  double inf = std::numeric_limits<double>::infinity();
  double nan = std::numeric_limits<double>::quiet_NaN();
  if (getElementTypeOrSelf(y.getType()).isF32())
    y = widen(y);
  Value a = abs(widen(x)), zero = real(0.0, f64), one = real(1.0, f64);
  Value log = log2Wide(a);
  log = select(compare(P::OEQ, a, zero), real(-inf, f64), log);
  log = select(compare(P::OEQ, a, real(inf, f64)), a, log);
  Value magnitude = exp2Narrow(mul(y, log));
  // 1^y is 1 for an infinite y too.
  magnitude = select(compare(P::OEQ, a, one), real(1.0), magnitude);
  Value half = mul(y, real(0.5, f64));
  Value whole = compare(P::OEQ, floor(y), y);
  Value odd = both(whole, compare(P::ONE, floor(half), half));
  Value result = select(odd, copySign(magnitude, x), magnitude);
  Value negative =
      both(compare(P::OLT, x, real(0.0)), compare(P::OGT, x, real(-inf)));
  Value broken = compare(P::UNE, floor(y), y); // a NaN is no whole number
  result = select(both(negative, broken), real(nan), result);
  Value unordered = compare(P::UNO, widen(x), y);
  result = select(unordered, real(nan), result);
  // x^0 and 1^y are 1 whatever the other is.
  result = select(compare(P::OEQ, y, zero), real(1.0), result);
  return select(compare(P::OEQ, x, real(1.0)), x, result);
}

Value Arithmetic::cbrt(Value x) {
  Type f64 = b.getF64Type();
  Value a = abs(widen(x));
  Value root = exp2Narrow(mul(log2Wide(a), real(1.0 / 3, f64)));
  // Zeros, infinities and NaNs are their own roots.
  Value finite = both(compare(arith::CmpFPredicate::ONE, x, real(0.0)),
                      compare(arith::CmpFPredicate::OLT, abs(x),
                              real(std::numeric_limits<double>::infinity())));
  return select(finite, copySign(root, x), x);
}

/// Half away from zero.
Value Arithmetic::round(Value x) {
  Value whole = math::TruncOp::create(b, loc, x);
  Value rest = abs(sub(x, whole)); // exact
  Value away = add(whole, copySign(real(1.0), x));
  // What is whole already, infinities and NaNs stay: no rest compares.
  return select(compare(arith::CmpFPredicate::OGE, rest, real(0.5)), away,
                whole);
}

} // namespace

Value adze::emitExp2(OpBuilder &builder, Location loc, Value x) {
  return Arithmetic(builder, loc, x.getType()).exp2(x);
}

std::pair<Value, Value> adze::emitCosSin(OpBuilder &builder, Location loc,
                                         Value turns) {
  return Arithmetic(builder, loc, turns.getType()).cosSin(turns);
}

/// Cosine and sine of an angle in radians, reduced in f64.
static std::pair<Value, Value> cosSinOfRadians(OpBuilder &b, Location loc,
                                               Arithmetic &m, Value x) {
  Value wide = arith::ExtFOp::create(b, loc, m.shaped(b.getF64Type()), x);
  Value turns = m.mul(wide, m.real(0.15915494309189535, b.getF64Type()));
  return m.cosSin(turns);
}

Value adze::expandMath(OpBuilder &b, Operation *op, ValueRange operands) {
  if (operands.empty() ||
      !getElementTypeOrSelf(operands.front().getType()).isF32())
    return {};
  Location loc = op->getLoc();
  Value x = operands.front();
  Arithmetic m(b, loc, x.getType());
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](math::ExpOp) { return m.exp(x); })
      .Case([&](math::Exp2Op) { return m.exp2(x); })
      .Case([&](kernel::Exp2Op) { return m.exp2(x); })
      .Case([&](math::ExpM1Op) { return m.sub(m.exp(x), m.real(1.0)); })
      .Case([&](math::LogOp) { return m.log(x); })
      .Case([&](math::Log2Op) {
        return m.mul(m.log(x), m.real(1.4426950408889634));
      })
      .Case([&](math::Log10Op) {
        return m.mul(m.log(x), m.real(0.43429448190325183));
      })
      .Case([&](math::PowFOp) { return m.pow(x, operands[1]); })
      .Case([&](math::FPowIOp) {
        // A wide integer is rounded, but no less even or odd for what counts.
        return m.pow(x, arith::SIToFPOp::create(
                            b, loc, m.shaped(b.getF64Type()), operands[1]));
      })
      .Case([&](math::CbrtOp) { return m.cbrt(x); })
      .Case([&](math::CoshOp) {
        Value e = m.exp(m.abs(x));
        return m.add(m.mul(m.real(0.5), e), m.div(m.real(0.5), e));
      })
      .Case([&](math::SinhOp) {
        Value e = m.exp(m.abs(x));
        return m.copySign(m.sub(m.mul(m.real(0.5), e), m.div(m.real(0.5), e)),
                          x);
      })
      .Case([&](math::RoundOp) { return m.round(x); })
      .Case([&](math::ClampFOp) {
        Value low = arith::MaximumFOp::create(b, loc, x, operands[1]);
        return arith::MinimumFOp::create(b, loc, low, operands[2]);
      })
      .Case([&](math::Log1pOp) { return m.log(m.add(x, m.real(1.0))); })
      .Case([&](math::TanhOp) { return m.tanh(x); })
      .Case([&](math::ErfOp) { return m.erf(x); })
      .Case([&](math::RsqrtOp) {
        return m.div(m.real(1.0), math::SqrtOp::create(b, loc, x));
      })
      .Case([&](math::CosOp) { return cosSinOfRadians(b, loc, m, x).first; })
      .Case([&](math::SinOp) { return cosSinOfRadians(b, loc, m, x).second; })
      .Case(
          [&](SiluOp) { return m.div(x, m.add(m.real(1.0), m.exp(m.neg(x)))); })
      .Case([&](GeluOp) {
        Value cubic = m.mul(m.mul(x, x), x);
        Value u = m.mul(m.real(0.7978845608028654),
                        m.fma(cubic, m.real(0.044715), x));
        return m.mul(m.mul(m.real(0.5), x), m.add(m.real(1.0), m.tanh(u)));
      })
      .Default([](Operation *) { return Value(); });
}

namespace {
struct ExpandMath : RewritePattern {
  explicit ExpandMath(MLIRContext *context)
      : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}

  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    if (op->getNumOperands() == 0 || op->getNumResults() != 1 ||
        isa<TensorType>(op->getOperand(0).getType()))
      return failure();
    Value expanded = expandMath(rewriter, op, op->getOperands());
    if (!expanded)
      return failure();
    rewriter.replaceOp(op, expanded);
    return success();
  }
};
} // namespace

void adze::populateMathExpansionPatterns(RewritePatternSet &patterns) {
  patterns.add<ExpandMath>(patterns.getContext());
}
