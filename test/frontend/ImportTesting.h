// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- ImportTesting.h - Models that import tests look at ------*- C++ -*-===//
//
// The reference checkpoints by name, models made up from a config.json, and
// modules as text.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_TEST_FRONTEND_IMPORTTESTING_H
#define ADZE_TEST_FRONTEND_IMPORTTESTING_H

#include "TestFiles.h"
#include "adze/Dialect/Adze/Adze.h"
#include "adze/Frontend/Importer.h"
#include "adze/Frontend/Json.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/StringExtras.h"

#include <ostream>

namespace adze::test {

inline std::string referencesRoot() {
  return ADZE_SOURCE_DIR "/test/numerics/references";
}

struct Reference {
  std::string name;   ///< folder under the references
  std::string model;  ///< path of the checkpoint
  std::string folder; ///< of tokens.npy and expected_logits.npy
};

inline void PrintTo(const Reference &reference, std::ostream *os) {
  *os << reference.name;
}

/// All of the manifest, in the order of their names.
inline std::vector<Reference> references() {
  std::vector<Reference> list;
  auto manifest = readJsonObject(referencesRoot() + "/manifest.json");
  if (!manifest) {
    llvm::consumeError(manifest.takeError());
    return list;
  }
  const llvm::json::Object *entries = manifest->getObject("references");
  for (llvm::StringRef name : sortedKeys(*entries)) {
    auto model = entries->getObject(name)->getString("model");
    list.push_back({name.str(), referencesRoot() + "/" + model->str(),
                    referencesRoot() + "/" + name.str()});
  }
  return list;
}

/// The references in a folder of their own, `model` being what is opened.
inline std::vector<Reference> referencesIn(const std::string &folder,
                                           llvm::StringRef model) {
  std::vector<Reference> list;
  std::error_code error;
  std::string root = referencesRoot() + "/" + folder;
  for (llvm::sys::fs::directory_iterator it(root, error), end;
       !error && it != end; it.increment(error))
    list.push_back({folder + "/" + llvm::sys::path::filename(it->path()).str(),
                    it->path() + model.str(), it->path()});
  llvm::sort(list, [](const Reference &a, const Reference &b) {
    return a.name < b.name;
  });
  return list;
}

/// The references in GGUF's block types (make_block_references.py).
inline std::vector<Reference> blockReferences() {
  return referencesIn("blocks", "/model.gguf");
}
/// Those that other quantizers would have written
/// (make_quantized_references.py).
inline std::vector<Reference> quantizedReferences() {
  return referencesIn("quantized", "");
}

/// A test's name from a reference's: letters, digits and underscores.
inline std::string testName(const std::string &name) {
  std::string result = name;
  for (char &c : result)
    if (!llvm::isAlnum(c))
      c = '_';
  return result;
}

inline std::string print(mlir::Operation *op) {
  std::string text;
  llvm::raw_string_ostream os(text);
  op->print(os, mlir::OpPrintingFlags().assumeVerified());
  return text;
}

/// A directory's worth of zeros for `config`; `typeOf` names each tensor's type
/// as safetensors spells it.
inline llvm::Expected<Checkpoint>
madeUpModel(llvm::StringRef config,
            llvm::function_ref<llvm::StringRef(llvm::StringRef)> typeOf,
            Diagnostics &diags) {
  auto object = parseJsonObject(config, "config.json");
  if (!object)
    return object.takeError();
  auto read = readModelConfig(*object, "config.json", diags);
  if (!read)
    return read.takeError();
  llvm::json::Object header;
  int64_t at = 0;
  for (const TensorSpec &spec :
       decoderTensors(*read, Checkpoint::Kind::HuggingFace).specs) {
    int64_t layers = isPerLayer(spec.role) ? read->layers : 1;
    for (int64_t layer = 0; layer < layers; ++layer) {
      std::string name = spec.name(layer);
      llvm::StringRef type = typeOf(name);
      int64_t bytes = *tensorBytes(*dtypeFromSafetensors(type), spec.shape);
      header[name] = llvm::json::Object{
          {"dtype", type.str()},
          {"shape", llvm::json::Array(spec.shape)},
          {"data_offsets", llvm::json::Array{at, at + bytes}}};
      at += bytes;
    }
  }
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(std::move(header));
  std::vector<std::unique_ptr<llvm::MemoryBuffer>> files;
  files.push_back(buffer(safetensors(text, at), "made-up/model.safetensors"));
  return Checkpoint::fromHuggingFace(std::move(*object), std::nullopt,
                                     std::move(files), "made-up", diags);
}

} // namespace adze::test

#endif // ADZE_TEST_FRONTEND_IMPORTTESTING_H
