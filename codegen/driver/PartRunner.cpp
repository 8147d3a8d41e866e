// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. A part is compiled in a context of its own, so that memory
// does not grow from layer to layer. Taps are called in the middle of a step,
// while its other threads wait: rows are copied there and summed up after it.

#include "PartRunner.h"
#include "LinkModel.h"
#include "ModelCompiler.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Parser/Parser.h"

using namespace mlir;
using namespace adze;

namespace {

llvm::Error asError(const adze::Error &error) {
  return llvm::createStringError(error.text());
}

llvm::Expected<Model> compilePart(ModuleOp module, WeightSource &weights,
                                  const CompileOptions &options) {
  std::string bytes;
  llvm::raw_string_ostream os(bytes);
  if (failed(writeBytecodeToFile(module, os)))
    return llvm::createStringError("a part of the model cannot be written");
  ModelCompiler compiler(options);
  ParserConfig config(&compiler.mlirContext());
  auto parsed = parseSourceString<ModuleOp>(bytes, config, "part");
  if (!parsed)
    return compiler.diagnosed("a part of the model cannot be read again");
  if (llvm::Error error = compiler.adopt(
          std::move(parsed), std::make_unique<BorrowedWeightSource>(weights)))
    return std::move(error);
  if (llvm::Error error = compiler.optimize())
    return std::move(error);
  if (llvm::Error error = compiler.generate())
    return std::move(error);
  auto linked = linkModel(compiler);
  if (!linked)
    return asError(linked.error());
  return std::move(*linked);
}

} // namespace

PartRunner::~PartRunner() = default;

llvm::Expected<std::unique_ptr<PartRunner>>
PartRunner::create(ModuleOp module, WeightSource &weights,
                   const CompileOptions &options, uint32_t context,
                   bool wantGram, llvm::ThreadPoolInterface &pool) {
  std::unique_ptr<PartRunner> runner(new PartRunner(wantGram, pool));
  auto compiled = compilePart(module, weights, options);
  if (!compiled)
    return compiled.takeError();
  adze_model_retain(compiled->c());
  runner->model.reset(compiled->c());
  if (llvm::Error error = runner->readArguments())
    return std::move(error);
  adze_session_options o = {};
  o.size = sizeof o;
  o.context = context;
  o.threads = options.threads;
  o.tap = onTap;
  o.user = runner.get();
  adze_session *session = nullptr;
  if (adze_session_create(runner->model.get(), &o, &session))
    return asError(lastError());
  runner->session.reset(session);
  return runner;
}

llvm::Error PartRunner::readArguments() {
  adze_arg_info info = {};
  info.size = sizeof info;
  for (size_t i = 0; adze_model_entry_arg(model.get(), kPartEntry.data(), i,
                                          &info) == ADZE_OK;
       ++i) {
    if (info.is_batch)
      continue;
    StringRef name = info.name;
    bool isRows = info.dtype == ADZE_F32 && info.rank == 2;
    if (info.is_result && isRows) {
      arguments.push_back(Argument::Result);
      outColumns = info.shape[1];
    } else if (name == "x" && isRows) {
      arguments.push_back(Argument::Rows);
      inColumns = info.shape[1];
    } else if (name == "tokens" && info.dtype == ADZE_I32 && info.rank == 1) {
      arguments.push_back(Argument::Tokens);
    } else {
      return llvm::createStringError(
          "a part of the model reads \"" + name +
          "\", which calibration does not have: it gives tokens (i32) and rows "
          "of the part before (f32)");
    }
  }
  return llvm::Error::success();
}

void PartRunner::onTap(const char *name, const float *data, int64_t rows,
                       int64_t cols, void *user) {
  auto *self = static_cast<PartRunner *>(user);
  if (self->shownCount == self->shown.size())
    self->shown.emplace_back();
  Shown &next = self->shown[self->shownCount++];
  next.name = name;
  next.columns = cols;
  next.rows.assign(data, data + rows * cols);
}

llvm::Error PartRunner::run(llvm::ArrayRef<int32_t> tokens, const float *x,
                            float *y) {
  std::vector<adze_tensor> args;
  for (Argument argument : arguments) {
    adze_tensor t = {};
    t.size = sizeof t;
    t.dtype = argument == Argument::Tokens ? ADZE_I32 : ADZE_F32;
    t.rank = argument == Argument::Tokens ? 1 : 2;
    t.shape[0] = int64_t(tokens.size());
    t.shape[1] = argument == Argument::Rows ? inColumns : outColumns;
    // Inputs are only read.
    t.data = argument == Argument::Tokens
                 ? static_cast<void *>(const_cast<int32_t *>(tokens.data()))
             : argument == Argument::Rows
                 ? static_cast<void *>(const_cast<float *>(x))
                 : y;
    args.push_back(t);
  }
  shownCount = 0;
  if (adze_entry_call(session.get(), kPartEntry.data(), args.data(),
                      args.size()))
    return asError(lastError());
  for (size_t i = 0; i < shownCount; ++i) {
    const Shown &value = shown[i];
    auto it = sums.find(value.name);
    if (it == sums.end())
      it = sums.try_emplace(value.name, value.columns, wantGram).first;
    if (it->second.columns() != value.columns)
      return llvm::createStringError(
          "two values of " + llvm::Twine(it->second.columns()) + " and " +
          llvm::Twine(value.columns) + " columns are both called \"" +
          value.name + "\"");
    it->second.add(value.rows.data(),
                   int64_t(value.rows.size()) / value.columns, pool);
  }
  return llvm::Error::success();
}
