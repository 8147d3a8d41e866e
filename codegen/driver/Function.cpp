// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Functions of a user, compiled and linked in this process by ORC: the objects
// of the variants and the descriptor become one JITDylib, and the runtime links
// the descriptor as it links one that is part of a program. Code and packed
// weights are freed when the model is.

#include "adze/Function.h"
#include "ModelCompiler.h"
#include "adze/Frontend/ModuleFile.h"
#include "adze/FunctionBuilder.h"
#include "adze/Weights/Evaluator.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ExecutionEngine/Orc/Debugging/DebuggerSupport.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h"
#include "llvm/Support/TargetSelect.h"

using namespace mlir;
using namespace adze;
namespace orc = llvm::orc;

//===-- weights -----------------------------------------------------------===//

namespace {

/// Bound tensors first, then the module's own weight table.
class BoundWeights : public WeightSource {
public:
  void setTable(std::unique_ptr<WeightSource> weights) {
    table = std::move(weights);
  }
  llvm::Error bind(StringRef name, const Tensor &value);
  llvm::Expected<TensorView> lookup(StringRef name) override {
    auto it = tensors.find(name);
    if (it != tensors.end())
      return it->second;
    if (table)
      return table->lookup(name);
    return llvm::createStringError("no tensor is bound to \"" + name +
                                   "\"; give it with options.bind");
  }

  llvm::StringMap<TensorView> tensors;

private:
  std::unique_ptr<WeightSource> table;
};

} // namespace

llvm::Error BoundWeights::bind(StringRef name, const Tensor &value) {
  auto problem = [&](const Twine &text) {
    return llvm::createStringError("bound tensor \"" + name + "\": " + text);
  };
  TensorView view;
  uint64_t bytes = adze_dtype_size(value.dtype());
  switch (value.dtype()) {
  case ADZE_F32:
    view.dtype = "f32";
    break;
  case ADZE_F16:
    view.dtype = "f16";
    break;
  case ADZE_BF16:
    view.dtype = "bf16";
    break;
  default:
    return problem(Twine("expected elements of type f32, f16 or bf16, found ") +
                   adze_dtype_name(value.dtype()));
  }
  uint32_t rank = value.c().rank;
  if (rank != 1 && rank != 2)
    return problem("expected a vector or a matrix, found rank " + Twine(rank));
  for (uint32_t i = 0; i < rank; ++i) {
    int64_t dim = value.c().shape[i];
    if (dim <= 0 || dim > INT32_MAX)
      return problem("dimension " + Twine(i) + " is " + Twine(dim));
    view.shape.push_back(dim);
    bytes *= uint64_t(dim); // at most 4 * 2^62
  }
  view.data = value.data<const uint8_t>();
  view.bytes = bytes;
  if (!view.data)
    return problem("has no data");
  if (!tensors.try_emplace(name, std::move(view)).second)
    return problem("is bound twice");
  return llvm::Error::success();
}

/// Declares what is bound and not declared.
static void declareWeights(ModuleOp module, const BoundWeights &weights,
                           const FunctionOptions &options) {
  OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
  for (const auto &[name, value] : options.bound) {
    const TensorView &view = weights.tensors.find(name)->second;
    bool isDeclared = llvm::any_of(module.getOps<WeightOp>(), [&](WeightOp w) {
      return w.getSymName() == name || w.getSource() == StringRef(name);
    });
    if (isDeclared || module.lookupSymbol(name))
      continue;
    Type element = view.dtype == "f32"   ? b.getF32Type()
                   : view.dtype == "f16" ? Type(b.getF16Type())
                                         : Type(b.getBF16Type());
    auto format = FloatFormatAttr::get(b.getContext(), element);
    auto type =
        WeightType::get(b.getContext(), view.shape, format, LayoutKind::Rows);
    auto weight = WeightOp::create(b, b.getUnknownLoc(), name, name, 0, type);
    b.setInsertionPointAfter(weight);
  }
}

/// Public functions become entries.
static void markEntries(ModuleOp module) {
  for (auto func : module.getOps<func::FuncOp>())
    if (!func.isPrivate() && !func.isExternal())
      func->setAttr(kEntryAttrName, UnitAttr::get(module.getContext()));
  if (!module->hasAttr(kLevelAttrName))
    module->setAttr(kLevelAttrName,
                    LevelAttr::get(module.getContext(), Level::Model));
}

//===-- linking -----------------------------------------------------------===//

namespace {

/// What a linked model borrows: freed through adze_open_options.on_release.
struct LinkedCode {
  std::unique_ptr<orc::LLJIT> jit;
  struct alignas(64) Line {
    uint8_t bytes[64];
  };
  std::vector<Line> weights;

  uint8_t *weightBytes() { return weights.front().bytes; }
  static void release(void *owner) { delete static_cast<LinkedCode *>(owner); }
};

} // namespace

static llvm::Error packWeights(const ArtefactInput &input, LinkedCode &linked) {
  uint64_t total = 0;
  ModuleOp module = input.module;
  if (auto attr = module->getAttrOfType<IntegerAttr>("adze.weight_bytes"))
    total = uint64_t(attr.getInt());
  linked.weights.resize((total + 63) / 64);
  for (auto weight : module.getOps<WeightOp>()) {
    int64_t units = numWeightUnits(weight.getWeightType());
    for (int64_t layer : weight.getLayerIndices())
      if (auto offset = weight.getOffset(layer))
        if (llvm::Error error = input.weights->evaluate(
                weight, layer, 0, units, linked.weightBytes() + *offset))
          return error;
  }
  return llvm::Error::success();
}

static llvm::Error addObjects(ArtefactInput &input, orc::LLJIT &jit) {
  auto desc = buildDescriptorObject(input, {});
  if (!desc)
    return desc.takeError();
  if (llvm::Error error = jit.addObjectFile(std::move(*desc)))
    return error;
  for (ArtefactVariant &variant : input.variants)
    for (auto &object : variant.objects)
      if (llvm::Error error = jit.addObjectFile(std::move(object)))
        return error;
  return llvm::Error::success();
}

static llvm::Expected<std::unique_ptr<orc::LLJIT>> makeJIT() {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  auto jit = orc::LLJITBuilder()
                 .setObjectLinkingLayerCreator([](orc::ExecutionSession &es) {
                   return std::make_unique<orc::ObjectLinkingLayer>(es);
                 })
                 .setPlatformSetUp(orc::setUpInactivePlatform)
                 .create();
  if (!jit)
    return jit.takeError();
  // Debuggers see the code by name; without one this costs nothing.
  llvm::consumeError(orc::enableDebuggerSupport(**jit));
  return jit;
}

static Result<Model> link(ModelCompiler &compiler) {
  std::unique_ptr<WeightEvaluator> evaluator;
  auto input = compiler.artefactInput(evaluator);
  if (!input)
    return toError(input.takeError());
  auto linked = std::make_unique<LinkedCode>();
  if (llvm::Error error = packWeights(*input, *linked))
    return toError(std::move(error));
  auto jit = makeJIT();
  if (!jit)
    return toError(jit.takeError());
  linked->jit = std::move(*jit);
  if (llvm::Error error = addObjects(*input, *linked->jit))
    return toError(std::move(error));
  auto desc = linked->jit->lookup(ADZE_DESC_SYMBOL);
  if (!desc)
    return toError(desc.takeError());

  adze_source weights = {};
  weights.size = sizeof weights;
  weights.kind = ADZE_SOURCE_MEMORY;
  weights.length = linked->weights.size() * sizeof(LinkedCode::Line);
  weights.memory = weights.length ? linked->weightBytes() : nullptr;
  adze_open_options options = {};
  options.size = sizeof options;
  options.on_release = LinkedCode::release;
  options.owner = linked.get();
  adze_model *model = nullptr;
  if (adze_model_link(desc->toPtr<const adze_model_desc *>(),
                      weights.length ? &weights : nullptr, &options, &model))
    return lastError();
  (void)linked.release(); // the model's from here on
  return Model::adopt(model);
}

//===-- the calls ---------------------------------------------------------===//

/// `make` gives the module and, where it names one, its weight table.
static Result<Model> compileModule(
    const FunctionOptions &given,
    function_ref<llvm::Expected<ModuleFile>(ModelCompiler &, BoundWeights &)>
        make) {
  FunctionOptions options = given;
  if (options.target.empty())
    options.target = "host";
  ModelCompiler compiler(options);
  MLIRContext &context = compiler.mlirContext();
  context.loadDialect<AdzeDialect, arith::ArithDialect, func::FuncDialect,
                      math::MathDialect, tensor::TensorDialect>();
  auto weights = std::make_unique<BoundWeights>();
  for (const auto &[name, value] : options.bound)
    if (llvm::Error error = weights->bind(name, value))
      return toError(std::move(error));
  auto made = make(compiler, *weights);
  if (!made)
    return toError(made.takeError());
  ModuleOp module = *made->module;
  declareWeights(module, *weights, options);
  markEntries(module);
  if (failed(verify(module)))
    return toError(compiler.diagnosed("the module is not valid"));
  weights->setTable(std::move(made->weights));
  if (llvm::Error error =
          compiler.adopt(std::move(made->module), std::move(weights)))
    return toError(std::move(error));
  if (llvm::Error error = compiler.optimize())
    return toError(std::move(error));
  if (llvm::Error error = compiler.generate())
    return toError(std::move(error));
  return link(compiler);
}

Result<Model> adze::compileFunction(const std::string &text,
                                    const FunctionOptions &options) {
  return compileModule(
      options,
      [&](ModelCompiler &compiler,
          BoundWeights &) -> llvm::Expected<ModuleFile> {
        // Verified later: weights that are bound are declared first.
        ParserConfig config(&compiler.mlirContext(),
                            /*verifyAfterParse=*/false);
        ModuleFile file;
        file.module = parseSourceString<ModuleOp>(text, config, "function");
        if (!file.module)
          return compiler.diagnosed("the text is no MLIR module");
        return file;
      });
}

Result<Model> adze::compileFunctionFile(const std::string &path,
                                        const FunctionOptions &options) {
  return compileModule(options, [&](ModelCompiler &compiler, BoundWeights &) {
    return loadModuleFile(compiler.mlirContext(), path);
  });
}

Result<Model> adze::buildFunction(llvm::function_ref<void(OpBuilder &)> build,
                                  const FunctionOptions &options) {
  return compileModule(
      options,
      [&](ModelCompiler &compiler,
          BoundWeights &weights) -> llvm::Expected<ModuleFile> {
        ModuleFile file;
        file.module =
            ModuleOp::create(UnknownLoc::get(&compiler.mlirContext()));
        declareWeights(*file.module, weights, options);
        OpBuilder builder = OpBuilder::atBlockEnd(file.module->getBody());
        build(builder);
        return file;
      });
}
