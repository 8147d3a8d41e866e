// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Row access of linalg, tensor and elementwise ops; see the header.
//
// An op is computed row by row when row t of each result needs row t of some
// operands, and any rows of the others. Sizes of first dimensions are the
// number of rows, which the computation of one row takes as 1: so they may
// only be used as sizes of first dimensions.

#include "RowAccess.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace adze;

bool adze::isRowTensor(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() > 0 && tensor.isDynamicDim(0) &&
         tensor.getNumDynamicDims() == 1;
}

namespace {

constexpr llvm::StringLiteral kRowIndex =
    "uses the index of the row, which the generic path does not pass on; "
    "compute what depends on it from adze.positions";

bool isRowCount(OpFoldResult size) {
  auto value = dyn_cast_if_present<Value>(size);
  auto dim = value ? value.getDefiningOp<tensor::DimOp>() : tensor::DimOp();
  return dim && dim.getConstantIndex() == 0 &&
         isRowTensor(dim.getSource().getType());
}

class Analysis {
public:
  explicit Analysis(Operation *op) : op(op) {}
  RowAccess run();

private:
  void fail(StringRef why) {
    if (access.problem.empty())
      access.problem = why.str();
  }
  void read(Value v, bool whole) {
    if (isRowTensor(v.getType()))
      access.whole[v] |= whole;
  }
  void readAll(bool whole) {
    for (Value v : op->getOperands())
      read(v, whole);
  }
  bool makesRows() { return llvm::any_of(op->getResultTypes(), isRowTensor); }
  bool isFirstKept(ArrayRef<ReassociationIndices> groups) {
    return !groups.empty() && groups.front().size() == 1;
  }
  void readLinalg(linalg::LinalgOp linalg);
  void readDim(tensor::DimOp dim);

  Operation *op;
  RowAccess access;
};

void Analysis::readLinalg(linalg::LinalgOp linalg) {
  // The loop over rows: the first dimension of every result with rows.
  std::optional<unsigned> rowLoop;
  for (OpOperand &init : linalg.getDpsInitsMutable()) {
    if (!isRowTensor(init.get().getType()))
      continue;
    auto dim = dyn_cast<AffineDimExpr>(
        linalg.getMatchingIndexingMap(&init).getResult(0));
    if (!dim || (rowLoop && *rowLoop != dim.getPosition()))
      return fail("has results whose rows are not one loop");
    rowLoop = dim.getPosition();
  }
  if (rowLoop &&
      linalg.getIteratorTypesArray()[*rowLoop] != utils::IteratorType::parallel)
    return fail("reduces over the rows of its result");
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<RankedTensorType>(operand.get().getType()))
      continue;
    AffineMap map = linalg.getMatchingIndexingMap(&operand);
    bool isRow = false;
    for (auto [i, expr] : llvm::enumerate(map.getResults())) {
      if (!rowLoop || !expr.isFunctionOfDim(*rowLoop))
        continue;
      auto dim = dyn_cast<AffineDimExpr>(expr);
      if (i == 0 && dim && isRowTensor(operand.get().getType()))
        isRow = true;
      else
        return fail("indexes a dimension other than the first by the row");
    }
    if (linalg.isDpsInit(&operand) && rowLoop && !isRow)
      return fail("has a result that every row adds to");
    read(operand.get(), !isRow);
  }
  if (!rowLoop)
    return;
  op->walk([&](linalg::IndexOp index) {
    if (index.getDim() == *rowLoop)
      fail(kRowIndex);
  });
}

/// The number of rows as a size is 1 for one row; as a number it is a number.
void Analysis::readDim(tensor::DimOp dim) {
  if (!dim.getConstantIndex())
    return fail("asks for the size of a dimension that is no constant");
  if (dim.getConstantIndex() != 0)
    return read(dim.getSource(), false);
  bool isNumber =
      !llvm::all_of(dim->getUsers(),
                    llvm::IsaPred<tensor::EmptyOp, tensor::ExpandShapeOp,
                                  tensor::ExtractSliceOp, tensor::InsertSliceOp,
                                  tensor::GenerateOp>);
  read(dim.getSource(), isNumber);
}

RowAccess Analysis::run() {
  auto isOther = [](Type type) {
    auto tensor = dyn_cast<TensorType>(type);
    return tensor && !isRowTensor(type) && !tensor.hasStaticShape();
  };
  if (llvm::any_of(op->getResultTypes(), isOther) ||
      llvm::any_of(op->getOperandTypes(), isOther))
    fail("has a tensor with a dynamic dimension that is not the first, so that "
         "a row has no fixed size");
  if (!isMemoryEffectFree(op))
    fail("has side effects");
  if (!access.problem.empty())
    return std::move(access);
  // What regions capture is read at any row.
  SetVector<Value> captured;
  for (Region &region : op->getRegions())
    getUsedValuesDefinedAbove(region, captured);
  for (Value v : captured)
    read(v, true);

  auto slice = [&](auto s, Value rows) {
    OpFoldResult size =
        s.getMixedSizes().empty() ? OpFoldResult() : s.getMixedSizes()[0];
    bool all = !s.getMixedOffsets().empty() &&
               isConstantIntValue(s.getMixedOffsets()[0], 0) &&
               isConstantIntValue(s.getMixedStrides()[0], 1) &&
               isRowCount(size);
    if (makesRows() && !all)
      return fail("takes some of the rows; only whole columns can be sliced");
    readAll(/*whole=*/!makesRows());
  };
  TypeSwitch<Operation *>(op)
      .Case([&](linalg::LinalgOp linalg) { readLinalg(linalg); })
      .Case([&](tensor::DimOp dim) { readDim(dim); })
      .Case([&](tensor::EmptyOp empty) {
        if (makesRows() && !isRowCount(empty.getMixedSizes()[0]))
          fail("has a first dimension that is not the number of rows");
      })
      .Case([&](tensor::ExtractOp) { readAll(true); })
      .Case([&](tensor::CastOp cast) {
        if (makesRows() && !isRowTensor(cast.getSource().getType()))
          fail("makes rows of a tensor that has none");
        readAll(!makesRows());
      })
      .Case<tensor::ExpandShapeOp, tensor::CollapseShapeOp>([&](auto reshape) {
        if (makesRows() && !isFirstKept(reshape.getReassociationIndices()))
          fail("reshapes across rows");
        readAll(!makesRows());
      })
      .Case([&](tensor::ExtractSliceOp s) { slice(s, s.getSource()); })
      .Case([&](tensor::InsertSliceOp s) { slice(s, s.getDest()); })
      .Case([&](tensor::ConcatOp concat) {
        if (makesRows() && concat.getDim() == 0)
          fail("concatenates rows");
        readAll(!makesRows());
      })
      .Case([&](tensor::PadOp pad) {
        if (makesRows() && (!isConstantIntValue(pad.getMixedLowPad()[0], 0) ||
                            !isConstantIntValue(pad.getMixedHighPad()[0], 0)))
          fail("adds rows");
        else if (makesRows() && !pad.getRegion().getArgument(0).use_empty())
          fail(kRowIndex);
        readAll(!makesRows());
      })
      .Case([&](tensor::GenerateOp generate) {
        if (makesRows() && !isRowCount(generate.getDynamicExtents()[0]))
          fail("has a first dimension that is not the number of rows");
        else if (makesRows() && !generate.getBody().getArgument(0).use_empty())
          fail(kRowIndex);
      })
      .Default([&](Operation *) {
        bool elementwise = op->hasTrait<OpTrait::Elementwise>();
        if (makesRows() && !elementwise)
          fail("is no op that the generic path knows how to cut by rows");
        readAll(!elementwise);
      });
  return std::move(access);
}

} // namespace

RowAccess adze::rowAccessOf(Operation *op) { return Analysis(op).run(); }
