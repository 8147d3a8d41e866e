// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Modules on disk with their weight tables: what import writes reads back as
// the same model, and what is wrong with a file is said with its place.

#include "ImportTesting.h"
#include "adze/Frontend/CheckpointSource.h"
#include "adze/Frontend/ModuleFile.h"
#include "adze/Interpreter/Interpreter.h"

#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

#include "gtest/gtest.h"

using namespace adze;
using namespace adze::test;

static std::vector<double> logits(mlir::ModuleOp module,
                                  WeightSource &weights) {
  auto interpreter = Interpreter::create(module, weights);
  Batch batch;
  batch.add(0, 0, {1, 4, 2, 8});
  if (mlir::failed(interpreter))
    return {};
  auto result = (*interpreter)->step(batch);
  return mlir::succeeded(result) ? result->floats : std::vector<double>();
}

/// Text when `bytecode` is not set.
static void writeModule(mlir::ModuleOp module, const std::string &path,
                        bool bytecode) {
  std::error_code code;
  llvm::raw_fd_ostream os(path, code);
  ASSERT_FALSE(code) << code.message();
  if (bytecode)
    ASSERT_TRUE(mlir::succeeded(mlir::writeBytecodeToFile(module, os)));
  else
    module.print(os);
}

static void roundTrip(const std::string &path, bool bytecode) {
  Diagnostics diags;
  mlir::MLIRContext context;
  auto checkpoint = Checkpoint::open(path, diags);
  ASSERT_TRUE(bool(checkpoint)) << failure(std::move(checkpoint));
  auto module = importModel(context, *checkpoint, {}, diags);
  ASSERT_TRUE(bool(module)) << failure(std::move(module));
  CheckpointSource source(*checkpoint);
  std::vector<double> expected = logits(**module, source);
  ASSERT_FALSE(expected.empty());

  TemporaryDirectory folder;
  ASSERT_EQ(
      text(writeCheckpointTable(*checkpoint, folder.file("m.weights.json"))),
      "");
  module->get()->setAttr(kTableAttrName,
                         mlir::StringAttr::get(&context, "m.weights.json"));
  writeModule(**module, folder.file("m.mlir"), bytecode);

  // A context that knows nothing yet.
  mlir::DialectRegistry registry;
  registry.insert<mlir::func::FuncDialect, mlir::arith::ArithDialect>();
  mlir::MLIRContext other(registry);
  auto loaded = loadModuleFile(other, folder.file("m.mlir"));
  ASSERT_TRUE(bool(loaded)) << failure(std::move(loaded));
  ASSERT_TRUE(loaded->weights);
  EXPECT_EQ(logits(*loaded->module, *loaded->weights), expected);
}

TEST(ModuleFile, ReadsBackTextOfAShardedCheckpoint) {
  roundTrip(referencesRoot() + "/hf/llama-bf16-sharded", /*bytecode=*/false);
}

TEST(ModuleFile, ReadsBackBytecodeOfAGgufFile) {
  roundTrip(referencesRoot() + "/gguf/qwen3-f16/model.gguf",
            /*bytecode=*/true);
}

static std::string loadFailure(const TemporaryDirectory &folder,
                               llvm::StringRef module) {
  folder.write("m.mlir", module);
  mlir::MLIRContext context;
  std::string message = failure(loadModuleFile(context, folder.file("m.mlir")));
  // What stays the same from run to run.
  std::string root = folder.root().str() + "/";
  for (size_t at; (at = message.find(root)) != std::string::npos;)
    message.erase(at, root.size());
  return message;
}

TEST(ModuleFile, HasNoWeightsWithoutATable) {
  TemporaryDirectory folder;
  folder.write("m.mlir", "module {}");
  mlir::MLIRContext context;
  auto loaded = loadModuleFile(context, folder.file("m.mlir"));
  ASSERT_TRUE(bool(loaded)) << failure(std::move(loaded));
  EXPECT_FALSE(loaded->weights);
}

TEST(ModuleFile, SaysWhereTheModuleIsWrong) {
  TemporaryDirectory folder;
  EXPECT_EQ(loadFailure(folder, "module {\n  nonsense\n}"),
            "m.mlir:2:3: custom op 'nonsense' is unknown (tried "
            "'builtin.nonsense' as well)");
  // The verifier, with its note.
  EXPECT_EQ(
      loadFailure(folder, "adze.weight @w : !adze.weight<4, "
                          "#adze.float<f32>>"),
      "m.mlir:1:1: 'adze.weight' op expects either a source tensor (from) or "
      "a body, got neither (C1)");
  std::string cut = loadFailure(folder, "ML\xefR\x01\x02");
  EXPECT_FALSE(cut.empty());
}

TEST(ModuleFile, SaysWhatIsWrongWithTheTable) {
  TemporaryDirectory folder;
  EXPECT_EQ(loadFailure(folder, "module attributes {adze.table = 3} {}"),
            "m.mlir: \"adze.table\": expected the file name of a weight table");
  std::string missing =
      loadFailure(folder, "module attributes {adze.table = \"w.json\"} {}");
  EXPECT_EQ(missing.rfind("w.json: ", 0), 0u) << missing;
}

TEST(ModuleFile, RefusesWhatIsNoFile) {
  TemporaryDirectory folder;
  mlir::MLIRContext context;
  EXPECT_EQ(failure(loadModuleFile(context, folder.root())),
            folder.root().str() + ": expected a file, found a directory");
  EXPECT_EQ(failure(loadModuleFile(context, folder.file("none.mlir"))),
            folder.file("none.mlir") +
                ": cannot open: No such file or directory");
}

TEST(CheckpointSource, NamesWhatItLacks) {
  Diagnostics diags;
  auto checkpoint =
      Checkpoint::fromGguf(buffer(tinyGguf().write(), "d/m.gguf"), diags);
  ASSERT_TRUE(bool(checkpoint)) << failure(std::move(checkpoint));
  CheckpointSource source(std::move(*checkpoint));
  auto found = source.lookup("blk.0.attn_k.weight");
  ASSERT_TRUE(bool(found)) << failure(std::move(found));
  EXPECT_EQ(found->dtype, "f32");
  EXPECT_EQ(found->shape, (llvm::SmallVector<int64_t, 4>{4, 8}));
  EXPECT_EQ(found->bytes, 128u);
  EXPECT_EQ(failure(source.lookup("blk.1.attn_k.weight")),
            "d/m.gguf: tensor \"blk.1.attn_k.weight\": expected in the "
            "checkpoint, found no such tensor");
}
