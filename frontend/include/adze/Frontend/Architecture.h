// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Architecture.h - Registry of model architectures --------*- C++ -*-===//
//
// A model architecture made of known operations is one file in frontend/models:
// a class derived from Architecture and one ADZE_REGISTER_MODEL line. The file
// says how to read its configuration; the tensor names of decoders are common.
//
//   struct Llama : Architecture { ... };
//   ADZE_REGISTER_MODEL("LlamaForCausalLM", Llama)
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_FRONTEND_ARCHITECTURE_H
#define ADZE_FRONTEND_ARCHITECTURE_H

#include "adze/Frontend/Checkpoint.h"
#include "adze/Frontend/ConfigReader.h"
#include "adze/Frontend/ModelConfig.h"
#include "adze/Frontend/StoredWeights.h"
#include "adze/Frontend/TensorTable.h"

namespace adze {

class Architecture {
public:
  virtual ~Architecture() = default;

  /// From a Hugging Face config.json.
  virtual void readConfig(ConfigReader &reader, ModelConfig &config) const = 0;

  /// `general.architecture` of GGUF files of this architecture, or empty.
  virtual llvm::StringRef ggufName() const { return ""; }
  /// From GGUF metadata; called only when ggufName() is not empty.
  virtual void readMetadata(const Checkpoint &checkpoint, ConfigReader &reader,
                            ModelConfig &config) const;

  virtual TensorTable tensors(const ModelConfig &config,
                              Checkpoint::Kind kind) const {
    return decoderTensors(config, kind);
  }
};

/// Adds `architecture` under `name` for the life of the process (or until the
/// returned object is destroyed). Two equal names make the name unusable: an
/// error of describeModel().
class ArchitectureRegistration {
public:
  ArchitectureRegistration(llvm::StringRef name,
                           const Architecture &architecture);
  ~ArchitectureRegistration();
  ArchitectureRegistration(const ArchitectureRegistration &) = delete;
  ArchitectureRegistration &
  operator=(const ArchitectureRegistration &) = delete;

  llvm::StringRef name() const { return key; }
  const Architecture &architecture() const { return instance; }
  const ArchitectureRegistration *next() const { return link; }

private:
  llvm::StringRef key;
  const Architecture &instance;
  ArchitectureRegistration *link = nullptr;
};

#define ADZE_REGISTER_MODEL(NAME, CLASS)                                       \
  static const CLASS adzeArchitecture##CLASS;                                  \
  static const ::adze::ArchitectureRegistration adzeRegistration##CLASS(       \
      NAME, adzeArchitecture##CLASS);

/// By class name of transformers ("LlamaForCausalLM") or null.
const ArchitectureRegistration *findArchitecture(llvm::StringRef name);
/// By GGUF's `general.architecture` or null.
const ArchitectureRegistration *findGgufArchitecture(llvm::StringRef name);
/// Sorted; for messages and help.
std::vector<std::string> architectureNames();
std::vector<std::string> ggufArchitectureNames();

/// A checkpoint that has been understood and checked: every tensor of `table`
/// is there with the right shape and an importable type.
struct ModelDescription {
  const Architecture *architecture = nullptr;
  ModelConfig config;
  TensorTable table;
  StoredWeights stored; ///< the weights of `table`
};

/// Finds the architecture, reads and checks the configuration and the tensors.
/// Errors come back all at once, warnings in `diags`.
llvm::Expected<ModelDescription> describeModel(const Checkpoint &checkpoint,
                                               Diagnostics &diags);

/// The configuration alone, without a look at the tensors.
llvm::Expected<ModelConfig> readModelConfig(const llvm::json::Object &config,
                                            llvm::StringRef file,
                                            Diagnostics &diags);

//===----------------------------------------------------------------------===//
// What architecture files share
//===----------------------------------------------------------------------===//

/// Sizes, activation, norm, rotary and token ids under the keys that all
/// transformers decoders use; what differs by family is given here.
struct DecoderDefaults {
  std::optional<int64_t> kvHeads; ///< none: as many as heads
  std::optional<int64_t> headDim; ///< none: hidden / heads
  int64_t context = 2048;
  bool tiedHead = false;
  llvm::StringRef activationKey = "hidden_act";
  Activation activation = Activation::Silu; ///< the only one there is
  /// The family reads its rotary keys itself.
  bool ownRope = false;
};
void readDecoderConfig(ConfigReader &reader, const DecoderDefaults &defaults,
                       ModelConfig &config);
/// What rotary keys may ask for, beyond a theta and its scaling by type linear
/// or llama3.
struct RopeSupport {
  bool partial = false;
  /// Type longrope (also called su and yarn by Phi-3): the original context.
  std::optional<int64_t> longRope;
};
/// `rope_theta`, `rope_scaling` and `rope_parameters` of the whole model.
void readRope(ConfigReader &reader, const RopeSupport &support,
              ModelConfig &config);
/// One object of rotary keys: the value of rope_scaling, or of rope_parameters.
void readRopeObject(ConfigReader &reader, const RopeSupport &support,
                    const ModelConfig &config, RopeConfig &rope);
/// LongRoPE's factors for the context that the model is compiled for. A warning
/// about long ones names `key` and says with `advice` how to get the others.
void chooseLongRope(ConfigReader &reader, llvm::StringRef key,
                    const llvm::Twine &advice, const ModelConfig &config,
                    int64_t originalContext, std::vector<double> shortFactors,
                    std::vector<double> longFactors, RopeConfig &rope);
/// How LongRoPE scales cosines and sines of a context stretched by `factor`.
double longRopeScale(double factor, int64_t originalContext);

/// `sliding_window`, with `layer_types` where the file has it; layers below
/// `firstLayer` do not slide.
void readSlidingWindow(ConfigReader &reader, int64_t fallback,
                       int64_t firstLayer, ModelConfig &config);

/// The same for GGUF metadata under `prefix` ("llama.").
void readDecoderMetadata(const Checkpoint &checkpoint, ConfigReader &reader,
                         llvm::StringRef prefix, RopeConfig::Pairing pairing,
                         ModelConfig &config, const RopeSupport &support = {});

} // namespace adze

#endif // ADZE_FRONTEND_ARCHITECTURE_H
