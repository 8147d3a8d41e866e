// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the emit functions of the formats share: index arithmetic and loads from
// a byte offset. Private to lib/Formats.
#ifndef ADZE_LIB_FORMATS_EMITSUPPORT_H
#define ADZE_LIB_FORMATS_EMITSUPPORT_H

#include "adze/Dialect/Adze/Adze.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace adze::detail {

struct FormatEmitter {
  mlir::OpBuilder &b;
  mlir::Location loc;

  using Value = mlir::Value;
  using Type = mlir::Type;

  Value index(int64_t v) {
    return mlir::arith::ConstantIndexOp::create(b, loc, v);
  }
  Value add(Value x, Value y) {
    return b.createOrFold<mlir::arith::AddIOp>(loc, x, y);
  }
  Value add(Value x, int64_t y) { return y ? add(x, index(y)) : x; }
  Value mul(Value x, int64_t y) {
    return y == 1 ? x : b.createOrFold<mlir::arith::MulIOp>(loc, x, index(y));
  }
  Value div(Value x, int64_t y) {
    return y == 1 ? x : b.createOrFold<mlir::arith::DivUIOp>(loc, x, index(y));
  }
  Value rem(Value x, int64_t y) {
    return b.createOrFold<mlir::arith::RemUIOp>(loc, x, index(y));
  }
  Value ceilDiv(Value x, int64_t y) {
    return y == 1 ? x : div(add(x, y - 1), y);
  }
  Value alignTo(Value x, int64_t y) { return mul(ceilDiv(x, y), y); }

  Type vector(int64_t lanes, Type element) {
    return mlir::VectorType::get({lanes}, element);
  }

  /// A constant of a type that is a scalar or a vector.
  Value constant(Type type, int64_t v) {
    mlir::TypedAttr attr =
        b.getIntegerAttr(mlir::getElementTypeOrSelf(type), v);
    if (auto vec = mlir::dyn_cast<mlir::VectorType>(type))
      attr = mlir::DenseElementsAttr::get(vec, mlir::Attribute(attr));
    return mlir::arith::ConstantOp::create(b, loc, attr);
  }

  /// `bytes` (index) behind a pointer.
  Value at(Value base, Value bytes) {
    Value distance =
        mlir::arith::IndexCastOp::create(b, loc, b.getI64Type(), bytes);
    return mlir::LLVM::GEPOp::create(
        b, loc, mlir::LLVM::LLVMPointerType::get(b.getContext()), b.getI8Type(),
        base, mlir::ValueRange{distance});
  }

  Value load(Type type, Value base, Value offset, unsigned align) {
    return mlir::LLVM::LoadOp::create(b, loc, type, at(base, offset), align);
  }

  /// Floats of `type` (f32, f16, bf16) at an offset, as f32; a scalar, or a
  /// vector of `lanes`. bf16 is widened by a shift, in integers, which is what
  /// the machine does.
  Value loadFloats(Type type, Value base, Value offset, int64_t lanes,
                   unsigned align) {
    auto shaped = [&](Type element) {
      return lanes ? vector(lanes, element) : element;
    };
    if (type.isF32())
      return load(shaped(type), base, offset, align);
    if (type.isF16())
      return mlir::arith::ExtFOp::create(
          b, loc, shaped(b.getF32Type()),
          load(shaped(type), base, offset, align));
    Value bits = mlir::arith::ExtUIOp::create(
        b, loc, shaped(b.getI32Type()),
        load(shaped(b.getI16Type()), base, offset, align));
    bits =
        mlir::arith::ShLIOp::create(b, loc, bits, constant(bits.getType(), 16));
    return mlir::arith::BitcastOp::create(b, loc, shaped(b.getF32Type()), bits);
  }

  /// Unsigned bytes at an offset as i32.
  Value loadBytes(Value base, Value offset, int64_t lanes, unsigned align) {
    auto shaped = [&](Type element) {
      return lanes ? vector(lanes, element) : element;
    };
    return mlir::arith::ExtUIOp::create(
        b, loc, shaped(b.getI32Type()),
        load(shaped(b.getI8Type()), base, offset, align));
  }

  /// i32 -> f32.
  Value toFloat(Value v) {
    Type type = b.getF32Type();
    if (auto vec = mlir::dyn_cast<mlir::VectorType>(v.getType()))
      type = vec.clone(type);
    return mlir::arith::SIToFPOp::create(b, loc, type, v);
  }
};

} // namespace adze::detail

#endif // ADZE_LIB_FORMATS_EMITSUPPORT_H
