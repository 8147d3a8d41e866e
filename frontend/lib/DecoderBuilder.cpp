// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- DecoderBuilder.cpp - The IR of a decoder ---------------------------===//
//
// A pre-norm decoder with gated feed-forward. What a family adds (biases, head
// norms, windows, a head of its own) is read off the configuration and the
// table of tensors.
//
//===----------------------------------------------------------------------===//

#include "DecoderBuilder.h"
#include "adze/Dialect/Adze/Adze.h"
#include "adze/Dialect/Adze/FormatName.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <cmath>

using namespace mlir;
using llvm::StringRef;

namespace adze {

static constexpr StringRef cacheSymbol = "kv";

/// The symbol of a role's weight; those of layers begin with the prefix of the
/// layer kind.
static StringRef symbolOf(TensorRole role) {
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
  }
  llvm_unreachable("all roles are named");
}

Type elementType(MLIRContext &context, DType type) {
  switch (type) {
  case DType::F32:
    return Float32Type::get(&context);
  case DType::F16:
    return Float16Type::get(&context);
  case DType::BF16:
    return BFloat16Type::get(&context);
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
};

class DecoderBuilder {
public:
  DecoderBuilder(MLIRContext &context, const ModelConfig &config,
                 const TensorTable &table)
      : config(config), table(table),
        builder(UnknownLoc::get(&context), &context),
        f32(Float32Type::get(&context)), batchType(BatchType::get(&context)),
        hiddenRows(rows(config.hidden)), ropeRows(rows(config.headDim)) {}

  OwningOpRef<ModuleOp> build(llvm::ArrayRef<DType> types, Type kvType);

private:
  // Symbols and functions.
  void addWeights(llvm::ArrayRef<DType> types);
  void addLayerKind(bool sliding);
  void addEntry(StringRef name, StringRef result, int64_t width, bool head);

  // Parts of a layer.
  Value attentionBlock(Value x, Value rope, Value batch, bool sliding);
  Value feedForwardBlock(Value x);
  /// Norm of each head (where the model has it), then rotary.
  Value positioned(Value x, Value rope, int64_t heads, TensorRole projection,
                   TensorRole norm);
  Value linear(Value x, TensorRole weight, TensorRole bias, int64_t width);
  Value rmsNorm(Value x, TensorRole weight, int64_t heads = 1);

  std::vector<LayerRun> layerRuns() const;
  /// With one kind it is called `layer`.
  StringRef kindName(bool sliding) const {
    return sliding && mixed() ? "layer_sliding" : "layer";
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

  // Locations: the names that the checkpoint gives to its modules.
  void at(StringRef name) {
    builder.setLoc(NameLoc::get(builder.getStringAttr(name)));
  }
  void at(TensorRole role) { at(moduleName(role)); }
  StringRef moduleName(TensorRole role) const {
    return StringRef(table.find(role)->pattern).rsplit('.').first;
  }
  /// What holds both: `model.layers.{}.mlp` of gate_proj and up_proj.
  static std::string holder(StringRef a, StringRef b) {
    size_t common = 0;
    while (common < std::min(a.size(), b.size()) && a[common] == b[common])
      ++common;
    return a.take_front(common).rtrim("._").str();
  }

  const ModelConfig &config;
  const TensorTable &table;
  ImplicitLocOpBuilder builder;
  Type f32, batchType;
  RankedTensorType hiddenRows, ropeRows;
  Value layer; ///< the index argument of the layer kind being built
  std::string attentionName, feedForwardName, layerName;
};

} // namespace

std::vector<LayerRun> DecoderBuilder::layerRuns() const {
  std::vector<LayerRun> runs;
  for (int64_t i = 0; i < config.layers; ++i) {
    if (runs.empty() || runs.back().sliding != config.isSliding(i))
      runs.push_back({i, 0, config.isSliding(i)});
    ++runs.back().count;
  }
  return runs;
}

void DecoderBuilder::addWeights(llvm::ArrayRef<DType> types) {
  for (auto [spec, type] : llvm::zip_equal(table.specs, types)) {
    at(spec.pattern);
    // The names of types are those of formats (the importer has checked them).
    FormatAttrInterface format =
        cantFail(parseFormatName(dtypeName(type), builder.getContext()));
    WeightOp::create(builder, symbolOf(spec.role), spec.pattern,
                     isPerLayer(spec.role) ? config.layers : 0,
                     WeightType::get(builder.getContext(), spec.shape, format,
                                     LayoutKind::Rows));
  }
}

Value DecoderBuilder::linear(Value x, TensorRole weight, TensorRole bias,
                             int64_t width) {
  at(weight);
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
      llvm::APFloat(1.0 / std::sqrt(static_cast<double>(config.headDim))),
      MaskAttr::get(builder.getContext(), window));
  Value o = linear(a, R::Output, R::OutputBias, config.hidden);
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
  }
  Value product = arith::MulFOp::create(builder, active, up);
  Value down = linear(product, R::Down, R::DownBias, config.hidden);
  at(feedForwardName);
  return arith::AddFOp::create(builder, x, down);
}

void DecoderBuilder::addLayerKind(bool sliding) {
  OpBuilder::InsertionGuard guard(builder);
  at(layerName);
  auto function = func::FuncOp::create(
      builder, kindName(sliding),
      builder.getFunctionType(
          {builder.getIndexType(), hiddenRows, ropeRows, batchType},
          hiddenRows));
  function.setPrivate();
  Block *body = function.addEntryBlock();
  builder.setInsertionPointToStart(body);
  layer = body->getArgument(0);
  Value x = attentionBlock(body->getArgument(1), body->getArgument(2),
                           body->getArgument(3), sliding);
  x = feedForwardBlock(x);
  layer = {};
  at(layerName);
  func::ReturnOp::create(builder, x);
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

  at(TensorRole::Embedding);
  Value x = EmbedOp::create(builder, hiddenRows, tokens,
                            symbolOf(TensorRole::Embedding));
  at(attentionName);
  Value rope = RotaryTableOp::create(
      builder, ropeRows, batch,
      ropeInverseFrequencies(config.rope, config.headDim), llvm::APFloat(1.0));
  at(layerName);
  for (const LayerRun &run : layerRuns())
    x = RepeatOp::create(builder, hiddenRows, run.count, run.first,
                         kindName(run.sliding), ValueRange{x, rope, batch});
  x = rmsNorm(x, TensorRole::FinalNorm);
  if (head) {
    TensorRole role =
        has(TensorRole::Head) ? TensorRole::Head : TensorRole::Embedding;
    at(role);
    x = LinearOp::create(builder, rows(width), x, symbolOf(role), "", Value())
            .getResult();
  }
  x = TakeRowsOp::create(builder, x, body->getArgument(2));
  func::ReturnOp::create(builder, x);
}

OwningOpRef<ModuleOp> DecoderBuilder::build(llvm::ArrayRef<DType> types,
                                            Type kvType) {
  attentionName =
      holder(moduleName(TensorRole::Query), moduleName(TensorRole::Key));
  feedForwardName =
      holder(moduleName(TensorRole::Gate), moduleName(TensorRole::Up));
  layerName = holder(attentionName, feedForwardName);

  OwningOpRef<ModuleOp> module = ModuleOp::create(builder.getLoc());
  builder.setInsertionPointToEnd(module->getBody());
  addWeights(types);
  at(attentionName);
  StateOp::create(builder, cacheSymbol,
                  builder.getI64IntegerAttr(config.layers),
                  KVType::get(builder.getContext(), config.kvHeads,
                              config.headDim, kvType));
  bool anySliding = false, anyFull = false;
  for (const LayerRun &run : layerRuns())
    (run.sliding ? anySliding : anyFull) = true;
  if (anyFull)
    addLayerKind(/*sliding=*/false);
  if (anySliding)
    addLayerKind(/*sliding=*/true);
  addEntry("step", "logits", config.vocab, /*head=*/true);
  addEntry("hidden", "hidden", config.hidden, /*head=*/false);
  return module;
}

OwningOpRef<ModuleOp> buildDecoder(MLIRContext &context,
                                   const ModelConfig &config,
                                   const TensorTable &table,
                                   llvm::ArrayRef<DType> types, Type kvType) {
  context.loadDialect<AdzeDialect, arith::ArithDialect, func::FuncDialect>();
  return DecoderBuilder(context, config, table).build(types, kvType);
}

} // namespace adze
