// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Architecture.cpp - Registry of model architectures -----------------===//
//
// The list of registered architectures and the way from a checkpoint to a
// checked description.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Architecture.h"
#include "adze/Frontend/Json.h"
#include "adze/Frontend/Quantization.h"

#include "llvm/ADT/STLExtras.h"

#include <mutex>

using namespace llvm;

namespace adze {

/// Registrations are static objects that link themselves here; both variables
/// are constant-initialized, so the order of initialization does not matter.
static ArchitectureRegistration *registered = nullptr;
static std::mutex registeredLock;

ArchitectureRegistration::ArchitectureRegistration(
    StringRef name, const Architecture &architecture)
    : key(name), instance(architecture) {
  std::lock_guard<std::mutex> lock(registeredLock);
  link = registered;
  registered = this;
}

ArchitectureRegistration::~ArchitectureRegistration() {
  std::lock_guard<std::mutex> lock(registeredLock);
  for (ArchitectureRegistration **at = &registered; *at; at = &(*at)->link) {
    if (*at == this) {
      *at = link;
      return;
    }
  }
}

template <typename Visitor> static void forEachRegistration(Visitor visit) {
  std::lock_guard<std::mutex> lock(registeredLock);
  for (const ArchitectureRegistration *at = registered; at; at = at->next())
    visit(*at);
}

template <typename Predicate>
static std::vector<const ArchitectureRegistration *>
findRegistrations(Predicate matches) {
  std::vector<const ArchitectureRegistration *> found;
  forEachRegistration([&](const ArchitectureRegistration &at) {
    if (matches(at))
      found.push_back(&at);
  });
  return found;
}

static std::vector<const ArchitectureRegistration *> byName(StringRef name) {
  return findRegistrations(
      [&](const ArchitectureRegistration &at) { return at.name() == name; });
}

static std::vector<const ArchitectureRegistration *>
byGgufName(StringRef name) {
  return findRegistrations([&](const ArchitectureRegistration &at) {
    return !name.empty() && at.architecture().ggufName() == name;
  });
}

const ArchitectureRegistration *findArchitecture(StringRef name) {
  auto found = byName(name);
  return found.empty() ? nullptr : found.back();
}

const ArchitectureRegistration *findGgufArchitecture(StringRef name) {
  auto found = byGgufName(name);
  return found.empty() ? nullptr : found.back();
}

static std::vector<std::string> sortedUnique(std::vector<std::string> names) {
  llvm::sort(names);
  names.erase(llvm::unique(names), names.end());
  return names;
}

std::vector<std::string> architectureNames() {
  std::vector<std::string> names;
  forEachRegistration([&](const ArchitectureRegistration &at) {
    names.push_back(at.name().str());
  });
  return sortedUnique(std::move(names));
}

std::vector<std::string> ggufArchitectureNames() {
  std::vector<std::string> names;
  forEachRegistration([&](const ArchitectureRegistration &at) {
    if (StringRef name = at.architecture().ggufName(); !name.empty())
      names.push_back(name.str());
  });
  return sortedUnique(std::move(names));
}

void Architecture::readMetadata(const Checkpoint &, ConfigReader &reader,
                                ModelConfig &) const {
  reader.error("general.architecture",
               "this architecture cannot be read from GGUF files",
               "use its Hugging Face directory");
}

/// One registration out of those under a name, or null after an error.
static const ArchitectureRegistration *
theOnly(ArrayRef<const ArchitectureRegistration *> found, StringRef key,
        const std::string &name, std::vector<std::string> supported,
        ConfigReader &reader) {
  if (found.empty())
    reader.unsupported(key, supported);
  else if (found.size() > 1)
    reader.error(key,
                 "expected one registration of architecture " + quoted(name) +
                     ", found " + Twine(found.size()),
                 "load only one plug-in that brings it");
  return found.size() == 1 ? found.front() : nullptr;
}

static const ArchitectureRegistration *chooseHuggingFace(ConfigReader &reader) {
  std::vector<std::string> names = reader.strings("architectures");
  for (const std::string &name : names)
    if (auto found = byName(name); !found.empty())
      return theOnly(found, "architectures", name, {}, reader);
  return theOnly({}, "architectures", "", architectureNames(), reader);
}

static const ArchitectureRegistration *chooseGguf(ConfigReader &reader) {
  constexpr StringLiteral key = "general.architecture";
  std::string name = reader.string(key).value_or("");
  return theOnly(byGgufName(name), key, name, ggufArchitectureNames(), reader);
}

Expected<ModelConfig> readModelConfig(const json::Object &object,
                                      StringRef file, Diagnostics &diags) {
  Diagnostics found;
  ConfigReader reader(object, file.str(), found);
  ModelConfig config;
  if (const ArchitectureRegistration *chosen = chooseHuggingFace(reader)) {
    config.architecture = chosen->name().str();
    chosen->architecture().readConfig(reader, config);
    reader.finish();
    if (!found.hasErrors())
      checkConsistency(config, file, found);
  }
  Error error = found.takeError();
  for (const Diagnostic &warning : found.all())
    diags.add(warning);
  if (error)
    return error;
  return config;
}

/// generation_config.json goes before config.json for the tokens that end a
/// text.
static void readGenerationConfig(const Checkpoint &checkpoint,
                                 ModelConfig &config, Diagnostics &diags) {
  if (!checkpoint.generationConfig())
    return;
  ConfigReader reader(*checkpoint.generationConfig(),
                      (checkpoint.path() + "/generation_config.json").str(),
                      diags);
  if (reader.has("bos_token_id"))
    config.bosToken = reader.integer("bos_token_id", 0, config.vocab - 1);
  if (reader.has("eos_token_id"))
    config.eosTokens = reader.integers("eos_token_id", 0, INT32_MAX);
}

static Expected<ModelConfig> readGgufConfig(const Checkpoint &checkpoint,
                                            Diagnostics &diags) {
  Diagnostics found;
  ConfigReader reader(checkpoint.config(), checkpoint.configFile().str(),
                      found);
  ModelConfig config;
  if (const ArchitectureRegistration *chosen = chooseGguf(reader)) {
    config.architecture = chosen->name().str();
    chosen->architecture().readMetadata(checkpoint, reader, config);
    reader.finish();
    if (!found.hasErrors())
      checkConsistency(config, checkpoint.configFile(), found);
  }
  Error error = found.takeError();
  for (const Diagnostic &warning : found.all())
    diags.add(warning);
  if (error)
    return error;
  return config;
}

Expected<ModelDescription> describeModel(const Checkpoint &checkpoint,
                                         Diagnostics &diags) {
  Expected<ModelConfig> config =
      checkpoint.kind() == Checkpoint::Kind::Gguf
          ? readGgufConfig(checkpoint, diags)
          : readModelConfig(checkpoint.config(), checkpoint.configFile(),
                            diags);
  if (!config)
    return config.takeError();
  ModelDescription model;
  model.config = std::move(*config);
  const ArchitectureRegistration *chosen =
      findArchitecture(model.config.architecture);
  model.architecture = &chosen->architecture();
  Diagnostics errors;
  readGenerationConfig(checkpoint, model.config, errors);
  model.table = model.architecture->tensors(model.config, checkpoint.kind());
  std::unique_ptr<Quantization> quantization;
  if (checkpoint.kind() == Checkpoint::Kind::HuggingFace) {
    quantization =
        readQuantization(checkpoint.config(), checkpoint.configFile(), errors);
    // Without it every tensor would be one too many.
    if (Error error = errors.takeError())
      return error;
  }
  model.stored = StoredWeights(checkpoint, model.table, model.config.layers,
                               quantization.get(), errors);
  if (Error error = errors.takeError())
    return error;
  for (const Diagnostic &warning : errors.all())
    diags.add(warning);
  return model;
}

} // namespace adze
