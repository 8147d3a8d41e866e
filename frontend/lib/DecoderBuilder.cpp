// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- DecoderBuilder.cpp - The IR of a decoder ---------------------------===//
//
// A pre-norm decoder with gated feed-forward. What a family adds (biases, head
// norms, windows, a head of its own) is read off the configuration and the
// table of tensors.
//
//===----------------------------------------------------------------------===//

#include "DecoderBuilder.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "adze/Dialect/Adze/FormatName.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <cmath>

using namespace mlir;
using llvm::StringRef;

namespace adze {

static constexpr StringRef cacheSymbol = "kv";

Type elementType(MLIRContext &context, DType type) {
  switch (type) {
  case DType::F32:
    return Float32Type::get(&context);
  case DType::F16:
    return Float16Type::get(&context);
  case DType::BF16:
    return BFloat16Type::get(&context);
  case DType::I8: // of a cache
    return IntegerType::get(&context, 8);
  default:
    return {};
  }
}

namespace {

/// A run of equal layers: what one adze.repeat applies.
struct LayerRun {
  int64_t first;
  int64_t count;
  bool sliding;
  size_t group; ///< of layers that store their weights alike

  bool sameKind(const LayerRun &other) const {
    return sliding == other.sliding && group == other.group;
  }
};

class DecoderBuilder {
public:
  DecoderBuilder(MLIRContext &context, const ModelConfig &config,
                 const TensorTable &table, const StoredWeights &stored)
      : config(config), table(table), stored(stored),
        symbols(config, table, stored),
        builder(UnknownLoc::get(&context), &context),
        f32(Float32Type::get(&context)), batchType(BatchType::get(&context)),
        hiddenRows(rows(config.hidden)), ropeRows(rows(config.headDim)) {}

  OwningOpRef<ModuleOp> build(Type kvType);

private:
  // Symbols and functions.
  void addLayerKind(const LayerRun &kind);
  void addEntry(StringRef name, StringRef result, int64_t width, bool head);

  // Parts of a layer.
  Value attentionBlock(Value x, Value rope, Value batch, bool sliding);
  Value feedForwardBlock(Value x);
  /// Norm of each head (where the model has it), then rotary.
  Value positioned(Value x, Value rope, int64_t heads, TensorRole projection,
                   TensorRole norm);
  Value linear(Value x, TensorRole weight, TensorRole bias, int64_t width);
  /// The columns of x as the weight has them.
  Value inOrderOf(Value x, TensorRole weight);
  Value rmsNorm(Value x, TensorRole weight, int64_t heads = 1);
  Value rotaryTable(Value batch, const RopeConfig &rope);
  /// Elementwise arithmetic on rows, one scalar op after the other.
  Value map(Value x, llvm::function_ref<Value(Value)> scalar);
  Value embed(Value tokens);
  Value cappedLogits(Value logits);

  std::vector<LayerRun> layerRuns() const;
  /// With one kind it is called `layer`.
  std::string kindName(const LayerRun &kind) const {
    std::string name = kind.sliding && mixed() ? "layer_sliding" : "layer";
    if (symbols.groups().size() > 1)
      name += "_" + std::to_string(kind.group);
    return name;
  }
  bool mixed() const {
    return config.slidingWindow && !config.slidingLayers.empty() &&
           !llvm::all_equal(config.slidingLayers);
  }

  RankedTensorType rows(int64_t width) {
    return RankedTensorType::get({ShapedType::kDynamic, width}, f32);
  }
  RankedTensorType indices() {
    return RankedTensorType::get({ShapedType::kDynamic}, builder.getI32Type());
  }
  bool has(TensorRole role) const { return table.find(role); }
  std::string symbolOf(TensorRole role) const {
    return symbols.of(role, isPerLayer(role) ? group : 0);
  }

  // Locations: the names that the checkpoint gives to its modules.
  void at(StringRef name) {
    builder.setLoc(NameLoc::get(builder.getStringAttr(name)));
  }
  void at(TensorRole role) { at(moduleName(role)); }
  StringRef moduleName(TensorRole role) const {
    return StringRef(holderOf(table, role)->pattern).rsplit('.').first;
  }
  /// What holds both: `model.layers.{}.mlp` of gate_proj and down_proj.
  static std::string holder(StringRef a, StringRef b) {
    size_t common = 0;
    while (common < std::min(a.size(), b.size()) && a[common] == b[common])
      ++common;
    return a.take_front(common).rtrim("._").str();
  }

  const ModelConfig &config;
  const TensorTable &table;
  const StoredWeights &stored;
  DecoderSymbols symbols;
  ImplicitLocOpBuilder builder;
  Type f32, batchType;
  Type embeddingType; ///< of the stored embedding; null: not floating point
  RankedTensorType hiddenRows, ropeRows;
  Value layer;      ///< the index argument of the layer kind being built
  size_t group = 0; ///< of the layer kind being built
  std::string attentionName, feedForwardName, layerName;
};

} // namespace

std::vector<LayerRun> DecoderBuilder::layerRuns() const {
  std::vector<LayerRun> runs;
  for (int64_t i = 0; i < config.layers; ++i) {
    LayerRun own = {i, 0, config.isSliding(i), symbols.groupOf(i)};
    if (runs.empty() || !runs.back().sameKind(own))
      runs.push_back(own);
    ++runs.back().count;
  }
  return runs;
}

Value DecoderBuilder::inOrderOf(Value x, TensorRole weight) {
  std::string order = symbols.orderOf(weight, isPerLayer(weight) ? group : 0);
  if (order.empty())
    return x;
  Value index = isPerLayer(weight) ? layer : Value();
  // Projections of one vector may share an order.
  for (Operation *user : x.getUsers())
    if (auto known = dyn_cast<PermuteOp>(user);
        known && known.getOrder() == order && known.getLayer() == index)
      return known;
  return PermuteOp::create(builder, x, order, index);
}

Value DecoderBuilder::linear(Value x, TensorRole weight, TensorRole bias,
                             int64_t width) {
  at(weight);
  x = inOrderOf(x, weight);
  return LinearOp::create(builder, rows(width), x, symbolOf(weight),
                          has(bias) ? symbolOf(bias) : "",
                          isPerLayer(weight) ? layer : Value())
      .getResult();
}

Value DecoderBuilder::rmsNorm(Value x, TensorRole weight, int64_t heads) {
  at(weight);
  return RmsNormOp::create(builder, x.getType(), x, symbolOf(weight),
                           isPerLayer(weight) ? layer : Value(),
                           llvm::APFloat(config.rmsEps), heads);
}

Value DecoderBuilder::positioned(Value x, Value rope, int64_t heads,
                                 TensorRole projection, TensorRole norm) {
  if (has(norm))
    x = rmsNorm(x, norm, heads);
  at(projection);
  return RotaryOp::create(builder, x, rope, heads,
                          config.rope.pairing == RopeConfig::Pairing::Half
                              ? RotaryPairing::Half
                              : RotaryPairing::Interleaved);
}

Value DecoderBuilder::attentionBlock(Value x, Value rope, Value batch,
                                     bool sliding) {
  using R = TensorRole;
  Value n = rmsNorm(x, R::AttentionNorm);
  Value q = linear(n, R::Query, R::QueryBias, config.queryWidth());
  Value k = linear(n, R::Key, R::KeyBias, config.kvWidth());
  Value v = linear(n, R::Value, R::ValueBias, config.kvWidth());
  q = positioned(q, rope, config.heads, R::Query, R::QueryNorm);
  k = positioned(k, rope, config.kvHeads, R::Key, R::KeyNorm);
  at(attentionName);
  int64_t window = sliding ? *config.slidingWindow : 0;
  Value a = AttentionOp::create(
      builder, q, k, v, cacheSymbol, layer, batch, config.heads, config.kvHeads,
      llvm::APFloat(config.attentionScale.value_or(
          1.0 / std::sqrt(static_cast<double>(config.headDim)))),
      MaskAttr::get(builder.getContext(), window));
  Value o = linear(a, R::Output, R::OutputBias, config.hidden);
  if (has(R::PostAttentionNorm))
    o = rmsNorm(o, R::PostAttentionNorm);
  at(attentionName);
  return arith::AddFOp::create(builder, x, o);
}

Value DecoderBuilder::feedForwardBlock(Value x) {
  using R = TensorRole;
  Value n = rmsNorm(x, R::FeedForwardNorm);
  Value gate = linear(n, R::Gate, R::GateBias, config.intermediate);
  Value up = linear(n, R::Up, R::UpBias, config.intermediate);
  at(feedForwardName);
  Value active;
  switch (config.activation) {
  case Activation::Silu:
    active = SiluOp::create(builder, gate);
    break;
  case Activation::GeluTanh:
    active = GeluOp::create(builder, gate);
    break;
  }
  Value product = arith::MulFOp::create(builder, active, up);
  Value down = linear(product, R::Down, R::DownBias, config.hidden);
  if (has(R::PostFeedForwardNorm))
    down = rmsNorm(down, R::PostFeedForwardNorm);
  at(feedForwardName);
  return arith::AddFOp::create(builder, x, down);
}

void DecoderBuilder::addLayerKind(const LayerRun &kind) {
  OpBuilder::InsertionGuard guard(builder);
  at(layerName);
  auto function = func::FuncOp::create(
      builder, kindName(kind),
      builder.getFunctionType(
          {builder.getIndexType(), hiddenRows, ropeRows, batchType},
          hiddenRows));
  function.setPrivate();
  Block *body = function.addEntryBlock();
  builder.setInsertionPointToStart(body);
  layer = body->getArgument(0);
  group = kind.group;
  Value x = attentionBlock(body->getArgument(1), body->getArgument(2),
                           body->getArgument(3), kind.sliding);
  x = feedForwardBlock(x);
  layer = {};
  at(layerName);
  func::ReturnOp::create(builder, x);
}

Value DecoderBuilder::rotaryTable(Value batch, const RopeConfig &rope) {
  return RotaryTableOp::create(builder, ropeRows, batch,
                               ropeInverseFrequencies(rope, config.headDim),
                               llvm::APFloat(rope.scale));
}

Value DecoderBuilder::map(Value x, llvm::function_ref<Value(Value)> scalar) {
  auto op = MapOp::create(builder, x.getType(), x);
  OpBuilder::InsertionGuard guard(builder);
  Block *body = builder.createBlock(&op.getBody());
  YieldOp::create(builder, scalar(body->addArgument(f32, builder.getLoc())));
  return op.getResult();
}

Value DecoderBuilder::embed(Value tokens) {
  at(TensorRole::Embedding);
  Value x = EmbedOp::create(builder, hiddenRows, tokens,
                            symbolOf(TensorRole::Embedding));
  if (config.embeddingScale == 1.0)
    return x;
  llvm::APFloat scale(config.embeddingScale);
  bool inexact;
  auto round = [&](const llvm::fltSemantics &type) {
    scale.convert(type, llvm::APFloat::rmNearestTiesToEven, &inexact);
  };
  round(llvm::APFloat::IEEEsingle());
  if (config.roundEmbeddingScale && embeddingType) {
    round(cast<FloatType>(embeddingType).getFloatSemantics());
    round(llvm::APFloat::IEEEsingle());
  }
  return map(x, [&](Value value) -> Value {
    return arith::MulFOp::create(
        builder, value,
        arith::ConstantOp::create(builder, builder.getFloatAttr(f32, scale)));
  });
}

Value DecoderBuilder::cappedLogits(Value logits) {
  if (!config.logitSoftcap)
    return logits;
  return map(logits, [&](Value value) -> Value {
    Value cap = arith::ConstantOp::create(
        builder, builder.getF32FloatAttr(float(*config.logitSoftcap)));
    Value part = arith::DivFOp::create(builder, value, cap);
    Value capped = math::TanhOp::create(builder, part);
    return arith::MulFOp::create(builder, capped, cap);
  });
}

void DecoderBuilder::addEntry(StringRef name, StringRef result, int64_t width,
                              bool head) {
  OpBuilder::InsertionGuard guard(builder);
  at(name);
  auto function = func::FuncOp::create(
      builder, name,
      builder.getFunctionType({indices(), batchType, indices()}, rows(width)));
  function->setAttr(kEntryAttrName, builder.getUnitAttr());
  auto adzeName = [&](StringRef text) { return builder.getStringAttr(text); };
  function.setArgAttr(0, "adze.name", adzeName("tokens"));
  function.setArgAttr(2, "adze.name", adzeName("rows"));
  function.setResultAttr(0, "adze.name", adzeName(result));
  Block *body = function.addEntryBlock();
  builder.setInsertionPointToStart(body);
  Value tokens = body->getArgument(0), batch = body->getArgument(1);

  Value x = embed(tokens);
  at(attentionName);
  std::vector<LayerRun> runs = layerRuns();
  // By kind, full and sliding; one serves both where they do not differ.
  Value ropes[2];
  for (const LayerRun &run : runs) {
    Value &rope = ropes[run.sliding && config.slidingRope];
    if (!rope)
      rope = rotaryTable(batch, run.sliding
                                    ? config.slidingRope.value_or(config.rope)
                                    : config.rope);
  }
  at(layerName);
  for (const LayerRun &run : runs)
    x = RepeatOp::create(
        builder, hiddenRows, run.count, run.first, kindName(run),
        ValueRange{x, ropes[run.sliding && config.slidingRope], batch});
  x = rmsNorm(x, TensorRole::FinalNorm);
  if (head) {
    TensorRole role =
        has(TensorRole::Head) ? TensorRole::Head : TensorRole::Embedding;
    at(StringRef(table.headName).rsplit('.').first); // tied or not
    x = inOrderOf(x, role);
    x = LinearOp::create(builder, rows(width), x, symbolOf(role), "", Value())
            .getResult();
    x = cappedLogits(x);
  }
  x = TakeRowsOp::create(builder, x, body->getArgument(2));
  func::ReturnOp::create(builder, x);
}

OwningOpRef<ModuleOp> DecoderBuilder::build(Type kvType) {
  attentionName =
      holder(moduleName(TensorRole::Query), moduleName(TensorRole::Output));
  feedForwardName =
      holder(moduleName(TensorRole::Gate), moduleName(TensorRole::Down));
  layerName = holder(attentionName, feedForwardName);

  const TensorSpec *embedding = table.find(TensorRole::Embedding);
  auto format = cantFail(parseFormatName(
      stored.of(embedding - table.specs.data()).format, builder.getContext()));
  if (auto floats = dyn_cast<FloatFormatAttr>(Attribute(format)))
    embeddingType = floats.getElementType();

  OwningOpRef<ModuleOp> module = ModuleOp::create(builder.getLoc());
  builder.setInsertionPointToEnd(module->getBody());
  addDecoderWeights(builder, symbols);
  at(attentionName);
  StateOp::create(builder, cacheSymbol,
                  builder.getI64IntegerAttr(config.layers),
                  KVType::get(builder.getContext(), config.kvHeads,
                              config.headDim, kvType));
  std::vector<LayerRun> kinds;
  for (const LayerRun &run : layerRuns())
    if (llvm::none_of(
            kinds, [&](const LayerRun &other) { return run.sameKind(other); }))
      kinds.push_back(run);
  llvm::sort(kinds, [](const LayerRun &a, const LayerRun &b) {
    return std::pair(a.sliding, a.group) < std::pair(b.sliding, b.group);
  });
  for (const LayerRun &kind : kinds)
    addLayerKind(kind);
  addEntry("step", "logits", config.vocab, /*head=*/true);
  addEntry("hidden", "hidden", config.hidden, /*head=*/false);
  return module;
}

OwningOpRef<ModuleOp> buildDecoder(MLIRContext &context,
                                   const ModelConfig &config,
                                   const TensorTable &table,
                                   const StoredWeights &stored, Type kvType) {
  context.loadDialect<AdzeDialect, arith::ArithDialect, func::FuncDialect,
                      math::MathDialect>();
  return DecoderBuilder(context, config, table, stored).build(kvType);
}

} // namespace adze
