// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Importer.cpp - From a checkpoint to a model-level module -----------===//
//
// Checks what the builder of the IR relies on, and describes the model in the
// module's attributes.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Importer.h"
#include "DecoderBuilder.h"
#include "MlirDiagnostics.h"
#include "adze/Dialect/Adze/Adze.h"
#include "adze/Frontend/Architecture.h"

#include "mlir/IR/Verifier.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace llvm;

namespace adze {

/// An architecture from outside may name its tensors as it likes, but must have
/// those that the builder reads, with the same shapes.
static void checkRoles(const Checkpoint &checkpoint,
                       const ModelDescription &model, Diagnostics &diags) {
  for (const TensorSpec &spec :
       decoderTensors(model.config, checkpoint.kind()).specs) {
    const TensorSpec *given = model.table.find(spec.role);
    if (!given || given->shape != spec.shape ||
        StringRef(given->pattern).contains("{}") != isPerLayer(spec.role))
      diags.error(checkpoint.path(),
                  "architecture " + quoted(model.config.architecture),
                  "expected its table of tensors to have the " +
                      tensorRoleName(spec.role) + " with shape " +
                      formatShape(spec.shape) + ", found " +
                      (given ? quoted(given->pattern) + " with shape " +
                                   formatShape(given->shape)
                             : std::string("no such tensor")));
  }
}

/// The last part of the checkpoint's path, also for "." and "model/".
static std::string baseName(StringRef path) {
  SmallString<256> absolute(path);
  if (!sys::fs::make_absolute(absolute))
    sys::path::remove_dots(absolute, /*remove_dot_dot=*/true);
  return json::fixUTF8(sys::path::filename(absolute));
}

static std::string metadata(const Checkpoint &checkpoint,
                            const ModelConfig &config, StringRef weights,
                            DType cache) {
  json::Array eos;
  for (int64_t id : config.eosTokens)
    if (id < config.vocab) // others cannot be made; reading warned of them
      eos.push_back(id);
  json::Object meta{
      {"architecture", config.architecture},
      {"context", config.context},
      {"vocab", config.vocab},
      {"hidden", config.hidden},
      {"intermediate", config.intermediate},
      {"layers", config.layers},
      {"heads", config.heads},
      {"kv_heads", config.kvHeads},
      {"head_dim", config.headDim},
      {"kv_dtype", cache == DType::I8 ? "int8" : dtypeName(cache)},
      {"weights", weights},
      {"eos", std::move(eos)},
      {"source", baseName(checkpoint.path())},
      {"rope_theta", config.rope.theta}};
  if (config.bosToken)
    meta["bos"] = *config.bosToken;
  if (config.slidingWindow)
    meta["sliding_window"] = *config.slidingWindow;
  std::string text;
  raw_string_ostream(text) << json::Value(std::move(meta));
  return text;
}

static Expected<DType> cacheType(const ImportOptions &options,
                                 StringRef weights) {
  if (options.kvType.empty())
    return weights == "f32" ? DType::F32 : DType::BF16;
  if (options.kvType == "int8")
    return DType::I8;
  std::optional<DType> type = dtypeFromName(options.kvType);
  if (!type || !isFloatWeight(*type))
    return makeError("", "type of the KV cache",
                     "expected f32, bf16, f16 or int8, found " +
                         quoted(options.kvType));
  return *type;
}

Expected<mlir::OwningOpRef<mlir::ModuleOp>>
importModel(mlir::MLIRContext &context, const Checkpoint &checkpoint,
            const ImportOptions &options, Diagnostics &diags) {
  Expected<ModelDescription> model = describeModel(checkpoint, diags);
  if (!model)
    return model.takeError();
  const ModelConfig &config = model->config;
  Diagnostics errors;
  checkRoles(checkpoint, *model, errors);
  if (Error error = errors.takeError())
    return error;
  // The projections are nearly all of a model; a query is in every one.
  const TensorSpec *query = model->table.find(
      config.fusedQkv ? TensorRole::QueryKeyValue : TensorRole::Query);
  const std::string &weights =
      model->stored.of(query - model->table.specs.data()).format;
  Expected<DType> cache = cacheType(options, weights);
  if (!cache)
    return cache.takeError();

  auto module = buildDecoder(context, config, model->table, model->stored,
                             elementType(context, *cache));
  module.get()->setAttr(kLevelAttrName, LevelAttr::get(&context, Level::Model));
  module.get()->setAttr(
      kMetaAttrName,
      mlir::StringAttr::get(&context,
                            metadata(checkpoint, config, weights, *cache)));
  MlirDiagnostics listener(context, checkpoint.path(), errors);
  if (mlir::succeeded(mlir::verify(*module)))
    return module;
  Error error = errors.takeError();
  return error ? std::move(error)
               : makeError(checkpoint.path(), "",
                           "the imported module does not verify");
}

} // namespace adze
