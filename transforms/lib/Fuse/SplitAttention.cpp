// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-split-attention: attention(q, k, v) -> kv_append(k, v); attention(q).

#include "adze/Dialect/Adze/Adze.h"
#include "adze/Transforms/Passes.h"

namespace adze {
#define GEN_PASS_DEF_SPLITATTENTION
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;

namespace {

struct SplitAttention : adze::impl::SplitAttentionBase<SplitAttention> {
  void runOnOperation() override {
    getOperation().walk([](AttentionOp op) {
      if (!op.getK())
        return;
      OpBuilder builder(op);
      KVAppendOp::create(builder, op.getLoc(), op.getK(), op.getV(),
                         op.getCacheAttr(), op.getLayer(), op.getBatch());
      op.getKMutable().clear();
      op.getVMutable().clear();
    });
  }
};

} // namespace
