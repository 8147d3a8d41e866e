// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Logits of a model as raw float32, one row per token, in one of two ways:
//
//   adze-logits compile MODEL TOKENS OUT [plugin=F.so] [insert=POINT:PASS]
//       [remove-dead=1] [prune-neurons=P] [prune-heads=P]...
//   adze-logits interpret MODEL TOKENS OUT [replace=A=B]...
//
// `compile` is those options of adze::compile. `interpret`
// is the oracle of the plug-in tests: the interpreter, on the imported module
// with the text A replaced by B. No pass is involved.

#include "adze/Compiler.h"
#include "adze/Dialect/Adze/Adze.h"
#include "adze/Frontend/CheckpointSource.h"
#include "adze/Frontend/Importer.h"
#include "adze/InitAll.h"
#include "adze/Interpreter/Interpreter.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"
#include <cstdio>
#include <cstdlib>

using namespace adze;

namespace {

struct Arguments {
  std::string model, output;
  std::vector<int32_t> tokens;
  std::vector<std::pair<std::string, std::string>> extra;
};

int fail(const std::string &message) {
  std::fprintf(stderr, "adze-logits: %s\n", message.c_str());
  return 1;
}

int write(const Arguments &a, const std::vector<float> &values) {
  std::FILE *file = std::fopen(a.output.c_str(), "wb");
  if (!file)
    return fail("cannot write " + a.output);
  bool good =
      std::fwrite(values.data(), 4, values.size(), file) == values.size();
  return std::fclose(file) == 0 && good ? 0 : fail("cannot write " + a.output);
}

int compileLogits(const Arguments &a) {
  CompileOptions options;
  options.cache = false;
  options.weights = "f32";
  for (const auto &[key, value] : a.extra)
    if (key == "remove-dead")
      options.removeDead = value == "1";
    else if (key == "prune-neurons")
      options.pruneNeurons = std::atof(value.c_str());
    else if (key == "prune-heads")
      options.pruneHeads = std::atof(value.c_str());
    else
      (key == "plugin" ? options.plugins : options.insert).push_back(value);
  auto model = compile(a.model, options);
  if (!model)
    return fail(model.error().text());
  auto session = model->session();
  if (!session)
    return fail(session.error().text());
  std::vector<uint32_t> rows;
  for (uint32_t i = 0; i < a.tokens.size(); ++i)
    rows.push_back(i);
  auto logits = session->eval(a.tokens, rows);
  if (!logits)
    return fail(logits.error().text());
  return write(
      a, {logits->data, logits->data + logits->rows * logits->vocabulary});
}

int interpretLogits(const Arguments &a) {
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  mlir::MLIRContext context(registry);
  Diagnostics diags;
  auto checkpoint = Checkpoint::open(a.model, diags);
  if (!checkpoint)
    return fail(llvm::toString(checkpoint.takeError()));
  ImportOptions import;
  import.kvType = "f32"; // nothing is rounded: what --weights f32 computes
  auto imported = importModel(context, *checkpoint, import, diags);
  if (!imported)
    return fail(llvm::toString(imported.takeError()));
  std::string text;
  llvm::raw_string_ostream(text) << **imported;
  for (const auto &[key, value] : a.extra) {
    auto [from, to] = llvm::StringRef(value).split('=');
    size_t at = text.find(from.str());
    if (at == std::string::npos)
      return fail("the module has no " + from.str());
    for (; at != std::string::npos; at = text.find(from.str(), at + to.size()))
      text.replace(at, from.size(), to.str());
  }
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module)
    return fail("the module does not parse after the replacement");
  CheckpointSource source(*checkpoint);
  auto interpreter = Interpreter::create(*module, source);
  if (failed(interpreter))
    return fail("cannot interpret the module");
  Batch batch;
  batch.add(0, 0, a.tokens);
  auto logits = (*interpreter)->step(batch);
  if (failed(logits))
    return fail("the step failed");
  return write(a, {logits->floats.begin(), logits->floats.end()});
}

} // namespace

int main(int argc, char **argv) {
  if (argc < 5)
    return fail("expected compile|interpret MODEL TOKENS OUT [KEY=VALUE]...");
  Arguments a;
  a.model = argv[2];
  a.output = argv[4];
  llvm::SmallVector<llvm::StringRef> parts;
  llvm::StringRef(argv[3]).split(parts, ',');
  for (llvm::StringRef part : parts)
    if (part.getAsInteger(10, a.tokens.emplace_back()))
      return fail("no token id: " + part.str());
  for (int i = 5; i < argc; ++i) {
    auto [key, value] = llvm::StringRef(argv[i]).split('=');
    a.extra.emplace_back(key.str(), value.str());
  }
  return llvm::StringRef(argv[1]) == "interpret" ? interpretLogits(a)
                                                 : compileLogits(a);
}
