// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "ExpandTable.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include <numeric>

using namespace mlir;
using namespace adze;

namespace {

/// The table for elements of so many bytes: for each mask of `bits` bits the
/// places in a register that the bytes of as many elements come from.
struct Table {
  int64_t bytes, bits;
  llvm::StringLiteral name;

  int64_t entryBytes() const { return bits * bytes; }
};
constexpr Table kTables[] = {{1, 8, "adze.expand.bytes"},
                             {2, 8, "adze.expand.words"},
                             {4, 4, "adze.expand.dwords"}};

const Table &tableOf(kernel::ExpandLoadOp op) {
  int64_t bits =
      cast<VectorType>(op.getType()).getElementType().getIntOrFloatBitWidth();
  return *llvm::find_if(kTables,
                        [=](const Table &t) { return 8 * t.bytes == bits; });
}

void addTable(ModuleOp module, const Table &table) {
  if (module.lookupSymbol(table.name))
    return;
  SmallVector<uint8_t> places;
  for (int64_t mask = 0; mask < int64_t(1) << table.bits; ++mask)
    for (int64_t bit = 0, next = 0; bit < table.bits; ++bit) {
      bool isSet = mask >> bit & 1;
      for (int64_t byte = 0; byte < table.bytes; ++byte)
        places.push_back(isSet ? uint8_t(next * table.bytes + byte) : 0x80);
      next += isSet;
    }
  OpBuilder b(module.getBodyRegion());
  auto bytes = RankedTensorType::get({int64_t(places.size())}, b.getI8Type());
  LLVM::GlobalOp::create(
      b, module.getLoc(),
      LLVM::LLVMArrayType::get(b.getI8Type(), bytes.getNumElements()),
      /*isConstant=*/true, LLVM::Linkage::Internal, table.name,
      DenseElementsAttr::get(bytes, ArrayRef<uint8_t>(places)),
      /*alignment=*/64);
}

/// What the emission below repeats.
struct Emitter {
  OpBuilder &b;
  Location loc;
  const Table &table;
  Value places; // of the table
  Type i64 = b.getI64Type();
  VectorType bytes = VectorType::get({16}, b.getI8Type());

  Value constant(uint64_t v) {
    return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(int64_t(v)));
  }
  Value at(Value base, Value offset) {
    return LLVM::GEPOp::create(b, loc, base.getType(), b.getI8Type(), base,
                               ValueRange{offset});
  }
  Value count(Value bits) { return LLVM::CtPopOp::create(b, loc, i64, bits); }
  Value mul(Value x, int64_t y) {
    return y == 1 ? x : Value(arith::MulIOp::create(b, loc, x, constant(y)));
  }
  /// Bits from `first` on, as many as the table's masks have.
  Value bitsFrom(Value mask, int64_t first) {
    if (first)
      mask = arith::ShRUIOp::create(b, loc, mask, constant(first));
    return arith::AndIOp::create(b, loc, mask,
                                 constant((uint64_t(1) << table.bits) - 1));
  }
  Value entry(Type type, Value bits) {
    return LLVM::LoadOp::create(b, loc, type,
                                at(places, mul(bits, table.entryBytes())), 8);
  }

  /// The places of 16 bytes of the result, and how many elements they take.
  std::pair<Value, Value> part(Value mask, int64_t first) {
    Value low = bitsFrom(mask, first), lowCount = count(low);
    if (table.entryBytes() == 16)
      return {entry(bytes, low), lowCount};
    // The second half goes on where the first ends. Places stay below 16, and
    // what is above 127 stays there.
    Value high = bitsFrom(mask, first + table.bits);
    Value shift = arith::MulIOp::create(b, loc, lowCount,
                                        constant(0x0101010101010101ull));
    Value both = LLVM::PoisonOp::create(b, loc, VectorType::get({2}, i64));
    both = vector::InsertOp::create(b, loc, entry(i64, low), both, 0);
    both = vector::InsertOp::create(
        b, loc, arith::AddIOp::create(b, loc, entry(i64, high), shift), both,
        1);
    return {vector::BitCastOp::create(b, loc, bytes, both),
            arith::AddIOp::create(b, loc, lowCount, count(high))};
  }
};

} // namespace

void adze::addExpandTable(ModuleOp module) {
  SmallVector<const Table *> wanted;
  module.walk([&](kernel::ExpandLoadOp op) { wanted.push_back(&tableOf(op)); });
  for (const Table *table : wanted)
    addTable(module, *table);
}

Value adze::expandByTable(OpBuilder &b, kernel::ExpandLoadOp op,
                          BytePermute permute) {
  Location loc = op.getLoc();
  const Table &table = tableOf(op);
  Emitter e = {
      b, loc, table,
      LLVM::AddressOfOp::create(
          b, loc, LLVM::LLVMPointerType::get(b.getContext()), table.name)};
  Value from = op.getFrom(), mask = op.getMask();
  if (mask.getType() != e.i64)
    mask = arith::ExtUIOp::create(b, loc, e.i64, mask);
  SmallVector<Value> parts;
  for (int64_t part = 0; part < 4; ++part) {
    auto [places, count] = e.part(mask, part * 16 / table.bytes);
    Value data = LLVM::LoadOp::create(b, loc, e.bytes, from, 1);
    parts.push_back(permute(data, places));
    if (part < 3)
      from = e.at(from, e.mul(count, table.bytes));
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
  return vector::BitCastOp::create(b, loc, op.getType(), parts.front());
}
