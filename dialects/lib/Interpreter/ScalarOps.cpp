// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The table of elementwise ops: one line per op, by its name.

#include "Scalar.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/TypeUtilities.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace adze;
using namespace adze::interpreter;

namespace {

Scalar fl(double value) { return {value, 0}; }
Scalar in(int64_t value) { return {0, value}; }

double maximum(double a, double b) {
  if (std::isnan(a) || std::isnan(b))
    return std::numeric_limits<double>::quiet_NaN();
  if (a == 0 && b == 0)
    return std::signbit(a) ? b : a;
  return std::max(a, b);
}
double minimum(double a, double b) {
  if (std::isnan(a) || std::isnan(b))
    return std::numeric_limits<double>::quiet_NaN();
  if (a == 0 && b == 0)
    return std::signbit(a) ? a : b;
  return std::min(a, b);
}

double gelu(double x) {
  double t = std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x));
  return 0.5 * x * (1.0 + t);
}

bool compareFloats(arith::CmpFPredicate predicate, double a, double b) {
  using P = arith::CmpFPredicate;
  bool unordered = std::isnan(a) || std::isnan(b);
  switch (predicate) {
  case P::AlwaysFalse:
    return false;
  case P::AlwaysTrue:
    return true;
  case P::ORD:
    return !unordered;
  case P::UNO:
    return unordered;
  case P::OEQ:
    return a == b;
  case P::OGT:
    return a > b;
  case P::OGE:
    return a >= b;
  case P::OLT:
    return a < b;
  case P::OLE:
    return a <= b;
  case P::ONE:
    return !unordered && a != b;
  case P::UEQ:
    return unordered || a == b;
  case P::UGT:
    return unordered || a > b;
  case P::UGE:
    return unordered || a >= b;
  case P::ULT:
    return unordered || a < b;
  case P::ULE:
    return unordered || a <= b;
  case P::UNE:
    return unordered || a != b;
  }
  return false;
}

/// The low `bits` of an integer, as unsigned ops see them.
uint64_t unsignedBits(int64_t value, int64_t bits) {
  return bits >= 64 ? value : value & ((uint64_t(1) << bits) - 1);
}

/// `aux` of an integer comparison: predicate, and the width above it.
bool compareInts(int64_t aux, int64_t a, int64_t b) {
  using P = arith::CmpIPredicate;
  uint64_t ua = unsignedBits(a, aux >> 8), ub = unsignedBits(b, aux >> 8);
  switch (P(aux & 255)) {
  case P::eq:
    return a == b;
  case P::ne:
    return a != b;
  case P::slt:
    return a < b;
  case P::sle:
    return a <= b;
  case P::sgt:
    return a > b;
  case P::sge:
    return a >= b;
  case P::ult:
    return ua < ub;
  case P::ule:
    return ua <= ub;
  case P::ugt:
    return ua > ub;
  case P::uge:
    return ua >= ub;
  }
  return false;
}

/// Division by zero and overflow are undefined in arith; here they are zero.
int64_t divide(int64_t a, int64_t b) {
  return b == 0 || (b == -1 && a == std::numeric_limits<int64_t>::min())
             ? 0
             : a / b;
}
int64_t floorDivide(int64_t a, int64_t b) {
  int64_t q = divide(a, b);
  return b && a % (b == -1 ? 1 : b) && (a < 0) != (b < 0) ? q - 1 : q;
}
int64_t ceilDivide(int64_t a, int64_t b) {
  int64_t q = divide(a, b);
  return b && a % (b == -1 ? 1 : b) && (a < 0) == (b < 0) ? q + 1 : q;
}
int64_t toInt(double value) {
  if (std::isnan(value) || value >= 0x1p63 || value < -0x1p63)
    return 0;
  return int64_t(value);
}

#define FLOAT1(NAME, EXPR)                                                     \
  {NAME, [](const Scalar *v, int64_t) {                                        \
     double a = v[0].f;                                                        \
     return fl(EXPR);                                                          \
   }}
#define FLOAT2(NAME, EXPR)                                                     \
  {NAME, [](const Scalar *v, int64_t) {                                        \
     double a = v[0].f, b = v[1].f;                                            \
     return fl(EXPR);                                                          \
   }}
#define INT1(NAME, EXPR)                                                       \
  {NAME, []([[maybe_unused]] const Scalar *v, [[maybe_unused]] int64_t aux) {  \
     [[maybe_unused]] int64_t a = v[0].i;                                      \
     return EXPR;                                                              \
   }}
#define INT2(NAME, EXPR)                                                       \
  {NAME, [](const Scalar *v, [[maybe_unused]] int64_t aux) {                   \
     int64_t a = v[0].i, b = v[1].i;                                           \
     [[maybe_unused]] uint64_t ua = unsignedBits(a, aux),                      \
                               ub = unsignedBits(b, aux);                      \
     return in(EXPR);                                                          \
   }}

struct Row {
  StringLiteral name;
  ScalarFn fn;
};

constexpr Row kTable[] = {
    FLOAT1("adze.silu", a / (1.0 + std::exp(-a))),
    FLOAT1("adze.gelu", gelu(a)),
    FLOAT2("arith.addf", a + b),
    FLOAT2("arith.subf", a - b),
    FLOAT2("arith.mulf", a *b),
    FLOAT2("arith.divf", a / b),
    FLOAT2("arith.remf", std::fmod(a, b)),
    FLOAT1("arith.negf", -a),
    FLOAT2("arith.maximumf", maximum(a, b)),
    FLOAT2("arith.minimumf", minimum(a, b)),
    FLOAT2("arith.maxnumf", std::fmax(a, b)),
    FLOAT2("arith.minnumf", std::fmin(a, b)),
    FLOAT1("arith.extf", a),
    FLOAT1("arith.truncf", a),
    FLOAT1("math.absf", std::fabs(a)),
    FLOAT1("math.acos", std::acos(a)),
    FLOAT1("math.acosh", std::acosh(a)),
    FLOAT1("math.asin", std::asin(a)),
    FLOAT1("math.asinh", std::asinh(a)),
    FLOAT1("math.atan", std::atan(a)),
    FLOAT2("math.atan2", std::atan2(a, b)),
    FLOAT1("math.atanh", std::atanh(a)),
    FLOAT1("math.cbrt", std::cbrt(a)),
    FLOAT1("math.ceil", std::ceil(a)),
    FLOAT2("math.copysign", std::copysign(a, b)),
    FLOAT1("math.cos", std::cos(a)),
    FLOAT1("math.cosh", std::cosh(a)),
    FLOAT1("math.erf", std::erf(a)),
    FLOAT1("math.erfc", std::erfc(a)),
    FLOAT1("math.exp", std::exp(a)),
    FLOAT1("math.exp2", std::exp2(a)),
    FLOAT1("math.expm1", std::expm1(a)),
    FLOAT1("math.floor", std::floor(a)),
    FLOAT1("math.log", std::log(a)),
    FLOAT1("math.log10", std::log10(a)),
    FLOAT1("math.log1p", std::log1p(a)),
    FLOAT1("math.log2", std::log2(a)),
    FLOAT2("math.powf", std::pow(a, b)),
    FLOAT1("math.round", std::round(a)),
    FLOAT1("math.roundeven", std::nearbyint(a)),
    FLOAT1("math.rsqrt", 1.0 / std::sqrt(a)),
    FLOAT1("math.sin", std::sin(a)),
    FLOAT1("math.sinh", std::sinh(a)),
    FLOAT1("math.sqrt", std::sqrt(a)),
    FLOAT1("math.tan", std::tan(a)),
    FLOAT1("math.tanh", std::tanh(a)),
    FLOAT1("math.trunc", std::trunc(a)),
    {"math.fma", [](const Scalar *v,
                    int64_t) { return fl(std::fma(v[0].f, v[1].f, v[2].f)); }},
    {"math.clampf",
     [](const Scalar *v, int64_t) {
       return fl(minimum(maximum(v[0].f, v[1].f), v[2].f));
     }},
    {"math.fpowi",
     [](const Scalar *v, int64_t) {
       return fl(std::pow(v[0].f, double(v[1].i)));
     }},
    {"arith.cmpf",
     [](const Scalar *v, int64_t aux) {
       return in(compareFloats(arith::CmpFPredicate(aux), v[0].f, v[1].f));
     }},
    {"arith.select",
     [](const Scalar *v, int64_t) { return v[0].i ? v[1] : v[2]; }},
    {"arith.cmpi",
     [](const Scalar *v, int64_t aux) {
       return in(compareInts(aux, v[0].i, v[1].i));
     }},
    {"arith.fptosi",
     [](const Scalar *v, int64_t) { return in(toInt(v[0].f)); }},
    {"arith.fptoui",
     [](const Scalar *v, int64_t) { return in(toInt(v[0].f)); }},
    INT1("arith.sitofp", fl(double(a))),
    INT1("arith.uitofp", fl(double(unsignedBits(a, aux)))),
    INT1("arith.extsi", in(aux == 1 ? -a : a)),
    INT1("arith.extui", in(unsignedBits(a, aux))),
    INT1("arith.trunci", in(a)),
    INT1("arith.index_cast", in(aux == 1 ? -a : a)),
    INT1("arith.index_castui", in(unsignedBits(a, aux))),
    INT1("math.absi", in(a < 0 ? 0 - uint64_t(a) : a)),
    INT2("arith.addi", ua + ub),
    INT2("arith.subi", ua - ub),
    INT2("arith.muli", ua *ub),
    INT2("arith.divsi", divide(a, b)),
    INT2("arith.divui", ub ? ua / ub : 0),
    INT2("arith.floordivsi", floorDivide(a, b)),
    INT2("arith.ceildivsi", ceilDivide(a, b)),
    INT2("arith.remsi", a - divide(a, b) * b),
    INT2("arith.remui", ub ? ua % ub : 0),
    INT2("arith.andi", a &b),
    INT2("arith.ori", a | b),
    INT2("arith.xori", a ^ b),
    INT2("arith.shli", b < 0 || b > 63 ? 0 : int64_t(uint64_t(a) << b)),
    INT2("arith.shrsi", a >> std::clamp<int64_t>(b, 0, 63)),
    INT2("arith.shrui", b < 0 || b > 63 ? 0 : int64_t(ua >> b)),
    INT2("arith.maxsi", std::max(a, b)),
    INT2("arith.minsi", std::min(a, b)),
    INT2("arith.maxui", int64_t(std::max(ua, ub))),
    INT2("arith.minui", int64_t(std::min(ua, ub))),
};

#undef FLOAT1
#undef FLOAT2
#undef INT1
#undef INT2

} // namespace

ScalarOp adze::interpreter::findScalarOp(Operation *op) {
  if (op->getNumResults() != 1 || op->getNumOperands() > kMaxScalarArgs ||
      op->getNumOperands() == 0)
    return {};
  StringRef name = op->getName().getStringRef();
  const Row *row = llvm::find_if(
      kTable, [&](const Row &candidate) { return candidate.name == name; });
  if (row == std::end(kTable))
    return {};
  ScalarOp found{row->fn, 0};
  auto integer =
      dyn_cast<IntegerType>(getElementTypeOrSelf(op->getOperand(0).getType()));
  int64_t bits = integer ? integer.getWidth() : 64;
  if (auto compare = dyn_cast<arith::CmpFOp>(op))
    found.aux = int64_t(compare.getPredicate());
  else if (auto compare = dyn_cast<arith::CmpIOp>(op))
    found.aux = int64_t(compare.getPredicate()) | bits << 8;
  else
    found.aux = bits;
  return found;
}

InFlightDiagnostic adze::interpreter::emitUnknownOp(Operation *op) {
  return op->emitOpError()
         << "has no meaning that the interpreter knows; it runs the model and "
            "fused level of adze, and arith, math, tensor and linalg";
}
