// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-quantize-activations: adze.quantize before the linears whose weights are
// codes, one for all that read the same value. Which values are stored as codes
// and by whom is the scheduler's.

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Transforms/Activations.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Remark.h"

namespace adze {
#define GEN_PASS_DEF_QUANTIZEACTIVATIONS
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;

namespace {

constexpr llvm::StringLiteral kPass = "adze-quantize-activations";
constexpr int64_t kLargestGroup = 4096;

struct QuantizeActivations
    : adze::impl::QuantizeActivationsBase<QuantizeActivations> {
  using QuantizeActivationsBase::QuantizeActivationsBase;

  void runOnOperation() override {
    std::optional<int64_t> group = activationGroup(format);
    if (!group) {
      getOperation().emitError()
          << kPass << " expects format to be int8:token or int8:gN with N a "
          << "multiple of 16 up to " << kLargestGroup << ", got \"" << format
          << "\"";
      return signalPassFailure();
    }
    SmallVector<LinearOp> codes, others;
    getOperation().walk([&](LinearOp op) {
      FormatAttrInterface weight =
          lookupWeight(op, op.getWeightAttr()).getWeightType().getFormat();
      (isa<IntegerFormatAttrInterface>(Attribute(weight)) ? codes : others)
          .push_back(op);
    });
    // By block: a value of another block may be read in several.
    DenseMap<std::pair<Block *, Value>, QuantizeOp> made;
    for (LinearOp op : codes) {
      if (op.getX().getDefiningOp<QuantizeOp>())
        continue;
      QuantizeOp &quantize = made[{op->getBlock(), op.getX()}];
      OpBuilder builder(op);
      if (!quantize)
        quantize = QuantizeOp::create(builder, op.getLoc(), op.getX(),
                                      builder.getI64IntegerAttr(*group));
      else
        quantize->setLoc(builder.getFusedLoc({quantize.getLoc(), op.getLoc()}));
      op.getXMutable().assign(quantize.getResult());
      reportFired(op, kPass, "multiplies codes: activations " + format);
    }
    // In a module without any, nobody expects codes.
    for (LinearOp op : others)
      if (!codes.empty())
        reportMissed(op, kPass,
                     "its weight has no integer format: activations stay in "
                     "floating point");
  }
};

} // namespace

std::optional<int64_t> adze::activationGroup(StringRef name) {
  int64_t group = 0;
  if (name == "int8:token")
    return 0;
  if (!name.consume_front("int8:g") || name.getAsInteger(10, group) ||
      group <= 0 || group % 16 || group > kLargestGroup)
    return std::nullopt;
  return group;
}

std::string adze::activationName(int64_t group) {
  return group ? "int8:g" + std::to_string(group) : "int8:token";
}

bool adze::isActivationName(StringRef name) {
  return name == "f32" || name == "bf16" || activationGroup(name);
}
