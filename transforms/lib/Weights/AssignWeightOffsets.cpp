// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-assign-weight-offsets: where each weight lies in the artefact.
//
// Weights per layer lie layer by layer in the order of their declaration, so
// that one layer's bytes are one stretch of the file: what decode streams, and
// what prefetch and paging see, is in the order of use.
//
//   [emb][head] [layer 0: n1 qkv o n2 gateup down] [layer 1: ...] [norm]

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/MathExtras.h"

namespace adze {
#define GEN_PASS_DEF_ASSIGNWEIGHTOFFSETS
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;

namespace {

constexpr int64_t kAlign = 64; // ADZE_TENSOR_ALIGN
constexpr int64_t kMaxBytes = int64_t(1) << 56;

struct AssignWeightOffsets
    : adze::impl::AssignWeightOffsetsBase<AssignWeightOffsets> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    llvm::DenseSet<StringAttr> used;
    for (auto func : module.getOps<func::FuncOp>())
      func.walk([&](Operation *op) {
        op->getAttrDictionary().walk(
            [&](FlatSymbolRefAttr ref) { used.insert(ref.getAttr()); });
      });
    SmallVector<WeightOp> whole, layered;
    for (auto weight : module.getOps<WeightOp>())
      if (used.contains(weight.getSymNameAttr()))
        (weight.isPerLayer() ? layered : whole).push_back(weight);

    if (failed(checkSum(whole, layered)))
      return signalPassFailure();
    Builder builder(&getContext());
    int64_t offset = 0;
    auto place = [&](WeightOp weight) {
      weight->setAttr("adze.offset", builder.getI64IntegerAttr(offset));
      offset += llvm::alignTo(weight.getWeightType().getStorageBytes(), kAlign);
    };
    for (WeightOp weight : whole) {
      place(weight);
      weight->setAttr("adze.stride", builder.getI64IntegerAttr(0));
    }
    if (llvm::any_of(layered,
                     [](WeightOp w) { return bool(w.getLayersAttr()); }))
      return placeByList(layered, offset);
    int64_t layers = 0, start = offset;
    for (WeightOp weight : layered) {
      place(weight);
      layers = std::max(layers, weight.getLayerEnd());
    }
    int64_t stride = offset - start;
    for (WeightOp weight : layered)
      weight->setAttr("adze.stride", builder.getI64IntegerAttr(stride));
    module->setAttr("adze.weight_bytes",
                    builder.getI64IntegerAttr(start + layers * stride));
  }

  /// Offsets are 64-bit: a weight has less than 2^45 bytes, and 2^16 layers at
  /// most.
  LogicalResult checkSum(ArrayRef<WeightOp> whole, ArrayRef<WeightOp> layered) {
    int64_t layers = 1;
    for (WeightOp weight : layered)
      layers = std::max(layers, weight.getLayerEnd());
    int64_t sum = 0;
    for (ArrayRef<WeightOp> weights : {whole, layered})
      for (WeightOp weight : weights) {
        int64_t bytes =
            llvm::alignTo(weight.getWeightType().getStorageBytes(), kAlign);
        sum += bytes * (weight.isPerLayer() ? layers : 1);
        if (sum > kMaxBytes)
          return weight.emitOpError()
                 << "takes the weights beyond " << kMaxBytes << " bytes";
      }
    return success();
  }

  /// Where kinds of layers have weights of their own, no stride fits all.
  void placeByList(ArrayRef<WeightOp> layered, int64_t offset) {
    int64_t end = 0;
    for (WeightOp weight : layered)
      end = std::max(end, weight.getLayerEnd());
    SmallVector<SmallVector<int64_t>> places(layered.size());
    for (int64_t layer = 0; layer < end; ++layer)
      for (auto [weight, list] : llvm::zip(layered, places)) {
        if (!WeightOp(weight).hasLayer(layer))
          continue;
        list.push_back(offset);
        offset += llvm::alignTo(
            WeightOp(weight).getWeightType().getStorageBytes(), kAlign);
      }
    Builder builder(&getContext());
    for (auto [weight, list] : llvm::zip(layered, places))
      WeightOp(weight)->setAttr("adze.offsets",
                                builder.getDenseI64ArrayAttr(list));
    getOperation()->setAttr("adze.weight_bytes",
                            builder.getI64IntegerAttr(offset));
  }
};

} // namespace
