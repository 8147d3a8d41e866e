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
constexpr llvm::StringLiteral kStatic = ":static";

struct QuantizeActivations
    : adze::impl::QuantizeActivationsBase<QuantizeActivations> {
  using QuantizeActivationsBase::QuantizeActivationsBase;

  void runOnOperation() override {
    std::optional<int64_t> group = activationGroup(format);
    if (hasStaticRanges(format)) {
      getOperation().emitError()
          << kPass << " finds ranges at run time, got \"" << format
          << "\": expects " << withDynamicRanges(format)
          << ", and adze-static-ranges behind it";
      return signalPassFailure();
    }
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
        quantize = QuantizeOp::create(builder, op.getLoc(), op.getX(), *group);
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
  name = withDynamicRanges(name);
  if (name == "int8:token")
    return 0;
  if (!name.consume_front("int8:g") || name.getAsInteger(10, group) ||
      group <= 0 || group % 16 || group > kLargestGroup)
    return std::nullopt;
  return group;
}

bool adze::hasStaticRanges(StringRef name) {
  return activationGroup(name) && name.ends_with(kStatic);
}

StringRef adze::withDynamicRanges(StringRef name) {
  name.consume_back(kStatic);
  return name;
}

std::string adze::activationName(int64_t group, bool isStatic) {
  std::string name = group ? "int8:g" + std::to_string(group) : "int8:token";
  return isStatic ? name + kStatic.str() : name;
}

bool adze::isActivationName(StringRef name) {
  return name == "f32" || name == "bf16" || activationGroup(name);
}
