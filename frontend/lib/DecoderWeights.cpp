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
static StringRef plainSymbol(TensorRole role) {
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

const TensorSpec *holderOf(const TensorTable &table, TensorRole role) {
  using R = TensorRole;
  if (const TensorSpec *own = table.find(role))
    return own;
  return table.find(role == R::Gate || role == R::Up ? R::GateUp
                                                     : R::QueryKeyValue);
}

//===-- symbols -----------------------------------------------------------===//

DecoderSymbols::DecoderSymbols(const ModelConfig &config,
                               const TensorTable &table,
                               const StoredWeights &stored)
    : config(config), table(table), stored(stored),
      layers(stored.layerGroups()) {}

bool DecoderSymbols::isSplit(const TensorSpec &spec) const {
  return layers.size() > 1 && isPerLayer(spec.role) &&
         (spec.shape.size() > 1 ||
          !stored.isUniform(&spec - table.specs.data()));
}

std::string DecoderSymbols::of(TensorRole role, size_t group) const {
  StringRef name = plainSymbol(role);
  if (!isSplit(*holderOf(table, role)))
    return name.str();
  auto [prefix, rest] = name.split('.');
  return (prefix + llvm::Twine(group) + "." + rest).str();
}

std::string DecoderSymbols::orderOf(TensorRole role, size_t group) const {
  const TensorSpec *spec = holderOf(table, role);
  const std::string &order =
      stored.of(spec - table.specs.data(), layers[group].front()).order;
  if (order.empty())
    return "";
  for (const TensorSpec &other : table.specs)
    if (other.pattern == order + ".weight")
      return of(other.role, group) + ".order";
  llvm_unreachable("an order is one of the table's tensors");
}

size_t DecoderSymbols::groupOf(int64_t layer) const {
  for (auto [i, group] : llvm::enumerate(layers))
    if (llvm::is_contained(group, layer))
      return i;
  llvm_unreachable("every layer is in a group");
}

//===-- weights -----------------------------------------------------------===//

namespace {

class WeightBuilder {
public:
  WeightBuilder(ImplicitLocOpBuilder &builder, const DecoderSymbols &symbols)
      : builder(builder), config(symbols.config), symbols(symbols) {}

  /// The weights of an entry in all layers, or in those of `group`.
  void add(const TensorSpec &spec, const StoredWeight &form,
           std::optional<size_t> group) {
    this->group = group;
    this->form = &form;
    // They are names of formats (the importer has checked them).
    FormatAttrInterface format =
        cantFail(parseFormatName(form.format, builder.getContext()));
    builder.setLoc(NameLoc::get(builder.getStringAttr(spec.pattern)));
    auto type = WeightType::get(builder.getContext(), spec.shape, format,
                                LayoutKind::Rows);
    using R = TensorRole;
    int64_t q = config.queryWidth(), kv = config.kvWidth();
    if (spec.role == R::QueryKeyValue) {
      WeightOp stored = addStored(spec, symbol(spec.role), type);
      addSlice(stored, R::Query, 0, q);
      addSlice(stored, R::Key, q, kv);
      addSlice(stored, R::Value, q + kv, kv);
    } else if (spec.role == R::GateUp) {
      WeightOp stored = addStored(spec, symbol(spec.role), type);
      addSlice(stored, R::Gate, 0, config.intermediate);
      addSlice(stored, R::Up, config.intermediate, config.intermediate);
    } else if ((isNorm(spec.role) && config.normsAddOne) ||
               spreadHeads(spec.role)) {
      WeightOp stored = addStored(spec, symbol(spec.role) + ".stored", type);
      addExpression(stored, spec.role, [](Value value) { return value; });
    } else {
      addStored(spec, symbol(spec.role), type);
    }
  }

private:
  WeightOp addStored(const TensorSpec &spec, StringRef name, WeightType type) {
    if (form->packing.empty())
      return create(name, spec.pattern, spec.role, type);
    StringRef source = spec.pattern;
    source.consume_back(".weight");
    bool ordered = !form->order.empty();
    if (form->order == source)
      addOrder(spec);
    return createBody(name, spec.role, type, [&]() -> Value {
      return UnpackOp::create(builder, type, form->packing, source, ordered);
    });
  }

  /// Where the columns of a weight were that are in another order now.
  void addOrder(const TensorSpec &spec) {
    auto type = WeightType::get(
        builder.getContext(), spec.shape.back(),
        FloatFormatAttr::get(builder.getContext(), builder.getF32Type()),
        LayoutKind::Rows);
    auto format = cast<IntFormatAttr>(Attribute(
        cantFail(parseFormatName(form->format, builder.getContext()))));
    createBody(symbol(spec.role) + ".order", spec.role, type, [&]() -> Value {
      return UnpackOrderOp::create(builder, type, form->packing, form->order,
                                   format.getGroupSize());
    });
  }

  WeightOp createBody(StringRef name, TensorRole role, WeightType type,
                      llvm::function_ref<Value()> body) {
    WeightOp weight = create(name, "", role, type);
    OpBuilder::InsertionGuard guard(builder);
    builder.createBlock(&weight.getBody());
    YieldOp::create(builder, body());
    return weight;
  }

  WeightOp create(StringRef name, StringRef source, TensorRole role,
                  WeightType type) {
    auto weight = WeightOp::create(builder, name, source,
                                   isPerLayer(role) ? config.layers : 0, type);
    if (group) {
      weight.removeCountAttr();
      weight.setLayersAttr(
          builder.getDenseI64ArrayAttr(symbols.groups()[*group]));
    }
    return weight;
  }

  std::string symbol(TensorRole role) const {
    return symbols.of(role, group.value_or(0));
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
    WeightOp weight = create(symbol(role), "", role, stored.getWeightType());
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
  const DecoderSymbols &symbols;
  const StoredWeight *form = nullptr; ///< of the entry at hand
  std::optional<size_t> group;        ///< of the entry at hand
};

} // namespace

void addDecoderWeights(ImplicitLocOpBuilder &builder,
                       const DecoderSymbols &symbols) {
  WeightBuilder weights(builder, symbols);
  for (auto [i, spec] : llvm::enumerate(symbols.table.specs)) {
    auto add = [&](int64_t layer, std::optional<size_t> group) {
      weights.add(spec, symbols.stored.of(i, layer), group);
    };
    if (!symbols.isSplit(spec)) {
      add(0, std::nullopt);
      continue;
    }
    for (auto [number, layers] : llvm::enumerate(symbols.groups()))
      add(layers.front(), number);
  }
}

} // namespace adze
