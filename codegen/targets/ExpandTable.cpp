// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ExpandTable.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include <numeric>

using namespace mlir;
using namespace adze;

static constexpr llvm::StringLiteral kTable = "adze.expand.places";
/// Masks of 8 bits, and places for each.
static constexpr int64_t kMasks = 256, kPlaces = 8;

void adze::addExpandTable(ModuleOp module) {
  WalkResult found =
      module.walk([](kernel::ExpandLoadOp) { return WalkResult::interrupt(); });
  if (!found.wasInterrupted() || module.lookupSymbol(kTable))
    return;
  SmallVector<uint8_t> places;
  for (int64_t mask = 0; mask < kMasks; ++mask)
    for (uint8_t bit = 0, next = 0; bit < kPlaces; ++bit)
      places.push_back(mask >> bit & 1 ? next++ : 0x80);
  OpBuilder b(module.getBodyRegion());
  auto bytes = RankedTensorType::get({kMasks * kPlaces}, b.getI8Type());
  LLVM::GlobalOp::create(
      b, module.getLoc(),
      LLVM::LLVMArrayType::get(b.getI8Type(), bytes.getNumElements()),
      /*isConstant=*/true, LLVM::Linkage::Internal, kTable,
      DenseElementsAttr::get(bytes, ArrayRef<uint8_t>(places)),
      /*alignment=*/64);
}

namespace {

/// What the emission below repeats.
struct Emitter {
  OpBuilder &b;
  Location loc;
  Type i64 = b.getI64Type();

  Value constant(uint64_t v) {
    return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(int64_t(v)));
  }
  Value at(Value base, Value bytes) {
    return LLVM::GEPOp::create(b, loc, base.getType(), b.getI8Type(), base,
                               ValueRange{bytes});
  }
  Value count(Value bits) { return LLVM::CtPopOp::create(b, loc, i64, bits); }
};

} // namespace

Value adze::expandByTable(OpBuilder &b, kernel::ExpandLoadOp op,
                          BytePermute permute) {
  Emitter e = {b, op.getLoc()};
  Location loc = e.loc;
  auto bytes = VectorType::get({16}, b.getI8Type());
  auto words = VectorType::get({2}, e.i64);
  Value table = LLVM::AddressOfOp::create(
      b, loc, LLVM::LLVMPointerType::get(b.getContext()), kTable);
  Value from = op.getFrom(), mask = op.getMask();
  auto placesOf = [&](Value bits) -> Value {
    Value offset = arith::ShLIOp::create(b, loc, bits, e.constant(3));
    return LLVM::LoadOp::create(b, loc, e.i64, e.at(table, offset), 8);
  };
  SmallVector<Value> parts;
  for (int64_t part = 0; part < 4; ++part) {
    Value bits = mask;
    if (part)
      bits = arith::ShRUIOp::create(b, loc, mask, e.constant(16 * part));
    Value low = arith::AndIOp::create(b, loc, bits, e.constant(255));
    Value high = arith::AndIOp::create(
        b, loc, arith::ShRUIOp::create(b, loc, bits, e.constant(8)),
        e.constant(255));
    Value lowCount = e.count(low);
    // The second half goes on where the first ends. Places stay below 16, and
    // what is above 127 stays there.
    Value shift = arith::MulIOp::create(b, loc, lowCount,
                                        e.constant(0x0101010101010101ull));
    Value places = LLVM::PoisonOp::create(b, loc, words);
    places = vector::InsertOp::create(b, loc, placesOf(low), places, 0);
    places = vector::InsertOp::create(
        b, loc, arith::AddIOp::create(b, loc, placesOf(high), shift), places,
        1);
    Value data = LLVM::LoadOp::create(b, loc, bytes, from, 1);
    parts.push_back(
        permute(data, vector::BitCastOp::create(b, loc, bytes, places)));
    if (part < 3)
      from = e.at(from, arith::AddIOp::create(b, loc, lowCount, e.count(high)));
  }
  while (parts.size() > 1) {
    SmallVector<Value> joined;
    int64_t size = cast<VectorType>(parts.front().getType()).getNumElements();
    SmallVector<int64_t> order(2 * size);
    std::iota(order.begin(), order.end(), 0);
    for (size_t i = 0; i < parts.size(); i += 2)
      joined.push_back(
          vector::ShuffleOp::create(b, loc, parts[i], parts[i + 1], order));
    parts = joined;
  }
  return parts.front();
}
