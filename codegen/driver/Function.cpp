// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Functions of a user, compiled and linked in this process.

#include "adze/Function.h"
#include "LinkModel.h"
#include "ModelCompiler.h"
#include "adze/Frontend/ModuleFile.h"
#include "adze/FunctionBuilder.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

using namespace mlir;
using namespace adze;

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
  return linkModel(compiler);
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
