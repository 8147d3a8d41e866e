// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-convert-weights: every source matrix in one float format. The old symbol
// keeps its name and becomes a cast, so no use has to change.

#include "adze/Transforms/Passes.h"
#include "adze/Transforms/WeightExpr.h"
#include "mlir/IR/Remarks.h"

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
    SmallVector<WeightOp> sources;
    for (auto weight : module.getOps<WeightOp>())
      if (weight.isSource() && !weight.getWeightType().isVector() &&
          weight.getWeightType().getFormat() != wanted)
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
    buildWeightExpr({source}, name, [&](OpBuilder &b, ValueRange in) -> Value {
      return CastOp::create(b, source.getLoc(),
                            withFormat(source.getWeightType(), wanted), in[0]);
    });
    remark::passed(source.getLoc(), remark::RemarkOpts::name("Convert")
                                        .category("adze-convert-weights"))
        << "@" << name << " becomes " << wanted.getFormatName();
  }
};

} // namespace
