// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- DecoderWeights.cpp - The weights of a decoder's IR -----------------===//
//
// A symbol for each role. Where the checkpoint stores something else than the
// ops read (q, k and v as one tensor, norms without their 1, the channels of a
// partial rotary embedding), the stored tensor gets a symbol of its own and the
// role's weight is an expression of it.
//
//===----------------------------------------------------------------------===//

#include "DecoderBuilder.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "adze/Dialect/Adze/FormatName.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;
using llvm::StringRef;

namespace adze {

/// Those of layers begin with the prefix of the layer kind.
StringRef symbolOf(TensorRole role) {
  switch (role) {
  case TensorRole::Embedding:
    return "emb";
  case TensorRole::AttentionNorm:
    return "l.n1";
  case TensorRole::Query:
    return "l.q";
  case TensorRole::Key:
    return "l.k";
  case TensorRole::Value:
    return "l.v";
  case TensorRole::Output:
    return "l.o";
  case TensorRole::QueryBias:
    return "l.q_bias";
  case TensorRole::KeyBias:
    return "l.k_bias";
  case TensorRole::ValueBias:
    return "l.v_bias";
  case TensorRole::OutputBias:
    return "l.o_bias";
  case TensorRole::QueryNorm:
    return "l.qn";
  case TensorRole::KeyNorm:
    return "l.kn";
  case TensorRole::FeedForwardNorm:
    return "l.n2";
  case TensorRole::Gate:
    return "l.gate";
  case TensorRole::Up:
    return "l.up";
  case TensorRole::Down:
    return "l.down";
  case TensorRole::GateBias:
    return "l.gate_bias";
  case TensorRole::UpBias:
    return "l.up_bias";
  case TensorRole::DownBias:
    return "l.down_bias";
  case TensorRole::FinalNorm:
    return "norm";
  case TensorRole::Head:
    return "head";
  case TensorRole::QueryKeyValue:
    return "l.qkv.stored";
  case TensorRole::GateUp:
    return "l.gate_up.stored";
  case TensorRole::PostAttentionNorm:
    return "l.n1_post";
  case TensorRole::PostFeedForwardNorm:
    return "l.n2_post";
  }
  llvm_unreachable("all roles are named");
}

static bool isNorm(TensorRole role) {
  switch (role) {
  case TensorRole::AttentionNorm:
  case TensorRole::QueryNorm:
  case TensorRole::KeyNorm:
  case TensorRole::FeedForwardNorm:
  case TensorRole::FinalNorm:
  case TensorRole::PostAttentionNorm:
  case TensorRole::PostFeedForwardNorm:
    return true;
  default:
    return false;
  }
}

namespace {

class WeightBuilder {
public:
  WeightBuilder(ImplicitLocOpBuilder &builder, const ModelConfig &config)
      : builder(builder), config(config) {}

  void add(const TensorSpec &spec, FormatAttrInterface format) {
    builder.setLoc(NameLoc::get(builder.getStringAttr(spec.pattern)));
    auto type = WeightType::get(builder.getContext(), spec.shape, format,
                                LayoutKind::Rows);
    using R = TensorRole;
    int64_t q = config.queryWidth(), kv = config.kvWidth();
    if (spec.role == R::QueryKeyValue) {
      WeightOp stored = addStored(spec, symbolOf(spec.role), type);
      addSlice(stored, R::Query, 0, q);
      addSlice(stored, R::Key, q, kv);
      addSlice(stored, R::Value, q + kv, kv);
    } else if (spec.role == R::GateUp) {
      WeightOp stored = addStored(spec, symbolOf(spec.role), type);
      addSlice(stored, R::Gate, 0, config.intermediate);
      addSlice(stored, R::Up, config.intermediate, config.intermediate);
    } else if ((isNorm(spec.role) && config.normsAddOne) ||
               spreadHeads(spec.role)) {
      WeightOp stored =
          addStored(spec, (symbolOf(spec.role) + ".stored").str(), type);
      addExpression(stored, spec.role, [](Value value) { return value; });
    } else {
      addStored(spec, symbolOf(spec.role), type);
    }
  }

private:
  WeightOp addStored(const TensorSpec &spec, StringRef name, WeightType type) {
    return WeightOp::create(builder, name, spec.pattern,
                            isPerLayer(spec.role) ? config.layers : 0, type);
  }

  void addSlice(WeightOp stored, TensorRole role, int64_t first, int64_t rows) {
    addExpression(stored, role, [&](Value value) -> Value {
      auto type = cast<WeightType>(value.getType());
      SmallVector<int64_t> shape(type.getShape());
      shape[0] = rows;
      return SliceOp::create(builder,
                             WeightType::get(builder.getContext(), shape,
                                             type.getFormat(),
                                             type.getLayout()),
                             value, first);
    });
  }

  /// The weight of `role`: `part` of what is stored, made into what ops read.
  void addExpression(WeightOp stored, TensorRole role,
                     llvm::function_ref<Value(Value)> part) {
    OpBuilder::InsertionGuard guard(builder);
    // The type is known once the body is built; any type serves until then.
    WeightOp weight = WeightOp::create(builder, symbolOf(role), "",
                                       isPerLayer(role) ? config.layers : 0,
                                       stored.getWeightType());
    builder.createBlock(&weight.getBody());
    Value value = part(
        RefOp::create(builder, stored.getWeightType(), stored.getSymName()));
    if (isNorm(role) && config.normsAddOne)
      value = addOne(value);
    if (int64_t heads = spreadHeads(role))
      value = RotarySpreadOp::create(builder, value.getType(), value, heads,
                                     config.rope.rotated);
    YieldOp::create(builder, value);
    weight.setType(cast<WeightType>(value.getType()));
  }

  Value addOne(Value value) {
    auto type = cast<WeightType>(value.getType());
    auto f32 = WeightType::get(
        builder.getContext(), type.getShape(),
        FloatFormatAttr::get(builder.getContext(), builder.getF32Type()),
        type.getLayout());
    if (type != f32)
      value = CastOp::create(builder, f32, value);
    return OffsetOp::create(builder, value.getType(), value,
                            llvm::APFloat(1.0));
  }

  /// How many heads the rows of a role make whose channels are to be moved for
  /// a partial rotary embedding; 0 where nothing moves.
  int64_t spreadHeads(TensorRole role) const {
    if (!config.rope.rotated)
      return 0;
    switch (role) {
    case TensorRole::Query:
    case TensorRole::QueryBias:
      return config.heads;
    case TensorRole::Key:
    case TensorRole::KeyBias:
      return config.kvHeads;
    case TensorRole::QueryNorm:
    case TensorRole::KeyNorm:
      return 1;
    default:
      return 0;
    }
  }

  ImplicitLocOpBuilder &builder;
  const ModelConfig &config;
};

} // namespace

void addDecoderWeights(ImplicitLocOpBuilder &builder, const ModelConfig &config,
                       const TensorTable &table, llvm::ArrayRef<DType> types) {
  WeightBuilder weights(builder, config);
  for (auto [spec, type] : llvm::zip_equal(table.specs, types))
    // The names of types are those of formats (the importer has checked them).
    weights.add(spec, cantFail(parseFormatName(dtypeName(type),
                                               builder.getContext())));
}

} // namespace adze
