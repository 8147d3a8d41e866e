// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-pack-weights: each weight that an op reads in the layout of its kernel.
//
//   linear            panels of 16 output channels; heads padded to whole
//                     panels first when a sink works head by head
//   bias, norms       f32 vectors (bias padded like its weight)
//   embedding         rows, or the panels of the output head when tied; a
//   format
//                     with codes in panels always: kernels read codes there

#include "adze/Transforms/Passes.h"
#include "adze/Transforms/WeightExpr.h"
#include "llvm/Support/MathExtras.h"

namespace adze {
#define GEN_PASS_DEF_PACKWEIGHTS
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;

namespace {

struct PackWeights : adze::impl::PackWeightsBase<PackWeights> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    module.walk([&](LinearOp op) { packLinear(op); });
    module.walk([&](EmbedOp op) { packTable(op); });
    module.walk([&](WeightTensorOp op) { packRead(op); });
    module.walk([&](RmsNormOp op) {
      op.setWeightAttr(floatVector(op.getWeightAttr()));
    });
    module->setAttr(kLevelAttrName,
                    LevelAttr::get(&getContext(), Level::Fused));
  }

  FlatSymbolRefAttr nameOf(WeightOp weight) {
    return FlatSymbolRefAttr::get(&getContext(), weight.getSymName());
  }

  /// The packed form of `name`, made once however many ops read it.
  FlatSymbolRefAttr packed(FlatSymbolRefAttr name, HeadSinkAttr sink) {
    WeightOp weight = lookupWeight(getOperation(), name);
    WeightType type = weight.getWeightType();
    if (type.getLayout() == LayoutKind::Panels)
      return name;
    auto [it, isNew] = packedForms.try_emplace({name.getAttr(), padding(sink)});
    if (isNew)
      it->second = nameOf(buildWeightExpr(
          {weight}, (name.getValue() + ".packed").str(),
          [&](OpBuilder &b, ValueRange in) -> Value {
            Value rows = padHeads(b, in[0], sink);
            auto rowsType = cast<WeightType>(rows.getType());
            return PackOp::create(b, weight.getLoc(),
                                  withLayout(rowsType, LayoutKind::Panels),
                                  rows);
          }));
    return it->second;
  }

  FlatSymbolRefAttr floatVector(FlatSymbolRefAttr name,
                                HeadSinkAttr sink = {}) {
    WeightOp weight = lookupWeight(getOperation(), name);
    auto f32 = cast<FormatAttrInterface>(Attribute(
        FloatFormatAttr::get(&getContext(), Float32Type::get(&getContext()))));
    if (weight.getWeightType().getFormat() == f32 && !padding(sink))
      return name;
    auto [it, isNew] = packedForms.try_emplace({name.getAttr(), padding(sink)});
    if (isNew)
      it->second = nameOf(buildWeightExpr(
          {weight}, (name.getValue() + ".f32").str(),
          [&](OpBuilder &b, ValueRange in) -> Value {
            Value v = padHeads(b, in[0], sink);
            auto type = cast<WeightType>(v.getType());
            if (type.getFormat() == f32)
              return v;
            return CastOp::create(b, weight.getLoc(), withFormat(type, f32), v);
          }));
    return it->second;
  }

  /// The head size that rows are padded for; 0 where none are.
  static int64_t padding(HeadSinkAttr sink) {
    return sink && sink.getHeadDim() % kPanelRows ? sink.getHeadDim() : 0;
  }

  Value padHeads(OpBuilder &b, Value rows, HeadSinkAttr sink) {
    if (!padding(sink))
      return rows;
    auto type = cast<WeightType>(rows.getType());
    int64_t heads = type.getRows() / sink.getHeadDim();
    int64_t padded = llvm::alignTo(sink.getHeadDim(), kPanelRows);
    return PadHeadsOp::create(b, rows.getLoc(), withRows(type, heads * padded),
                              rows, b.getI64IntegerAttr(heads));
  }

  void packLinear(LinearOp op) {
    HeadSinkAttr sink = op.getSinkAttr();
    // A bias was padded when its weight was.
    bool isPacked = lookupWeight(getOperation(), op.getWeightAttr())
                        .getWeightType()
                        .getLayout() == LayoutKind::Panels;
    op.setWeightAttr(packed(op.getWeightAttr(), sink));
    if (op.getBiasAttr())
      op.setBiasAttr(
          floatVector(op.getBiasAttr(), isPacked ? HeadSinkAttr() : sink));
    if (!sink)
      return;
    SmallVector<HeadChainAttr> chains;
    for (HeadChainAttr chain : sink.getChains())
      chains.push_back(HeadChainAttr::get(
          &getContext(), chain.getHeads(),
          chain.getNorm() ? floatVector(chain.getNorm()) : FlatSymbolRefAttr(),
          chain.getEps(), chain.getRotary(), chain.getDest()));
    op.setSinkAttr(HeadSinkAttr::get(&getContext(), sink.getHeadDim(), chains));
  }

  /// A tied table is stored once: as the panels the output head reads.
  void packTable(EmbedOp op) {
    auto it = packedForms.find({op.getTableAttr().getAttr(), 0});
    WeightOp table = lookupWeight(getOperation(), op.getTableAttr());
    if (it != packedForms.end())
      op.setTableAttr(it->second);
    else if (isa<IntegerFormatAttrInterface>(
                 Attribute(table.getWeightType().getFormat())))
      op.setTableAttr(packed(op.getTableAttr(), {}));
  }

  /// Elements of GGUF blocks are read one by one in panels only.
  void packRead(WeightTensorOp op) {
    WeightOp weight = lookupWeight(getOperation(), op.getWeightAttr());
    if (isa<GgufFormatAttr>(Attribute(weight.getWeightType().getFormat())))
      op.setWeightAttr(packed(op.getWeightAttr(), {}));
  }

  /// By name and padding().
  llvm::DenseMap<std::pair<StringAttr, int64_t>, FlatSymbolRefAttr> packedForms;
};

} // namespace
