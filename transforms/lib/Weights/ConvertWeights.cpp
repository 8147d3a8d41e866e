// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-convert-weights: every matrix that ops read in one float format. The old
// symbol keeps its name and becomes a cast, so no op has to change; expressions
// of other weights go on reading what they read.

#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Remark.h"
#include "adze/Transforms/WeightExpr.h"
#include "llvm/ADT/StringSet.h"

namespace adze {
#define GEN_PASS_DEF_CONVERTWEIGHTS
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;

namespace {

struct ConvertWeights : adze::impl::ConvertWeightsBase<ConvertWeights> {
  using ConvertWeightsBase::ConvertWeightsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    Builder builder(&getContext());
    Type element = llvm::StringSwitch<Type>(format)
                       .Case("f32", builder.getF32Type())
                       .Case("f16", builder.getF16Type())
                       .Case("bf16", builder.getBF16Type())
                       .Default(Type());
    if (!element) {
      module.emitError() << "adze-convert-weights expects format to be f32, "
                            "f16 or bf16, got \""
                         << format << "\"";
      return signalPassFailure();
    }
    auto wanted = cast<FormatAttrInterface>(
        Attribute(FloatFormatAttr::get(&getContext(), element)));
    // What only other weights read is converted where the result is.
    llvm::StringSet<> readByOps, readByWeights;
    module.walk([&](Operation *op) {
      if (auto ref = dyn_cast<RefOp>(op))
        readByWeights.insert(ref.getWeight());
      else
        op->getAttrDictionary().walk([&](FlatSymbolRefAttr name) {
          readByOps.insert(name.getValue());
        });
    });
    SmallVector<WeightOp> sources;
    for (auto weight : module.getOps<WeightOp>())
      if (!weight.getWeightType().isVector() &&
          weight.getWeightType().getFormat() != wanted &&
          (readByOps.contains(weight.getSymName()) ||
           !readByWeights.contains(weight.getSymName())))
        sources.push_back(weight);
    for (WeightOp weight : sources)
      convert(weight, wanted);
  }

  void convert(WeightOp source, FormatAttrInterface wanted) {
    std::string name = source.getSymName().str();
    // Uses keep the name: rename the source first, then take its old name.
    std::string sourceName = name + ".source";
    while (SymbolTable::lookupSymbolIn(getOperation(), sourceName))
      sourceName += "_";
    source.setSymName(sourceName);
    getOperation().walk([&](RefOp ref) {
      if (ref.getWeight() == name)
        ref.setWeight(sourceName);
    });
    buildWeightExpr({source}, name, [&](OpBuilder &b, ValueRange in) -> Value {
      return CastOp::create(b, source.getLoc(),
                            withFormat(source.getWeightType(), wanted), in[0]);
    });
    reportFired(source, "adze-convert-weights",
                ("@" + Twine(name) + " becomes " + wanted.getFormatName())
                    .str());
  }
};

} // namespace
