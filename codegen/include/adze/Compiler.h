// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The compiler as a library: compile ahead of time, or compile and open in this
// process. Needs no MLIR header; link Adze::Adze.
//
//   auto model = adze::compile("model/").or_throw();     // cached on disk
//   auto session = model.session().or_throw();
//
//   adze::compileToFile("model/", "model.adze.so").or_throw();
//
// A model is a Hugging Face directory, a .gguf file, or a module (.mlir,
// .mlirbc) with its weight table beside it. All calls may be made from any
// thread; each has a compiler of its own.
#ifndef ADZE_COMPILER_H
#define ADZE_COMPILER_H

#include "adze/result.hpp"
#include "adze/runtime.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace adze {

/// Called during long work: stage ("import", "optimize", "codegen", "pack", and
/// of passes that compute weights "rotate", "choose", "check", "scale",
/// "round", "prune", "allocate"), how much is done of how much; from any
/// thread, in "pack" from several at once. Return true to stop.
using CompileProgress =
    std::function<bool(const char *stage, uint64_t done, uint64_t total)>;

struct CompileOptions {
  /// One format (f32, bf16, f16, int8, int4, int4:g32, ...) or rules by tensor
  /// name ("lm_head=int8,*=int4:g128", first match); empty: as the checkpoint
  /// has them. checkWeights says what is wrong with one.
  /// "mixed:4.5bpw" chooses among int4:g128, int4:g32, int8, bf16 and f16 for
  /// each matrix of each layer, within so many bits per weight, by what each
  /// loses (on a calibration's inputs, where there is one).
  std::string weights;
  /// Folder that adze::calibrate wrote for this model: integer weights that
  /// only linears read are scaled and rounded by what they read. `method` says
  /// how: gptq (also where it is empty), search, awq, smoothquant, or one of
  /// the latter with rounding (awq+gptq, awq+search, ...). What it chose goes
  /// to the weight store `store` (empty: `weights` in the calibration's
  /// folder).
  std::string calibration, method, store;
  /// What becomes zero, by tensor name ("*down_proj=0,*=2:4", first match) or
  /// for all matrices of layers: an amount of the elements ("0.5"), N of M
  /// neighbours that are kept ("2:4"), or an amount of blocks ("0.5:16x32").
  /// checkPrune says what is wrong with one. `pruneMethod` says how it is
  /// chosen: magnitude, wanda or sparsegpt (where there is a calibration, which
  /// the latter two need, and it is empty). With `pruneAllocate` amounts are of
  /// all weights of a rule together: global (one threshold) or sensitivity (the
  /// least loss of what weights compute). Weights go to `store`; where that and
  /// `calibration` are empty, to a folder that is removed with the compiler.
  std::string prune, pruneMethod, pruneAllocate;
  /// Rotate what layers pass on before anything else: a model of the same
  /// results that is easier to round. Calibrations have to be of the rotated
  /// model: give CalibrateOptions the same. f32 weights without `weights`.
  bool rotate = false;
  /// The part of each layer's neurons and of its query heads (from 0 to below
  /// 1) that goes, those that matter least, by the calibration where there is
  /// one.
  double pruneNeurons = 0, pruneHeads = 0;
  /// Take neurons, heads and layers out that change nothing, as where some are
  /// pruned. New weights go to `store`.
  bool removeDead = false;
  /// Keys and values: f32, bf16, f16 or int8 (a scale for each head of each
  /// position); empty: f32 for f32 weights, else bf16.
  std::string kv;
  /// What linears with integer weights multiply: int8:gN (codes with a scale
  /// per N values; N a multiple of 16), int8:token (a scale per row), bf16 or
  /// f32 (no codes; with f32, bf16 weights are not multiplied in bf16 pairs
  /// either). int8:gN:static and int8:token:static take scales from
  /// `calibration` in place of the values. Empty: int8:g128. checkActivations
  /// says what is wrong with one.
  std::string activations;
  /// Rows of the steps that the artefact is for: weights with zeros are stored
  /// without them where kernels are faster for all of these (empty: for one
  /// row, decode of one sequence; 512 and more: prompts).
  std::vector<uint32_t> expectRows;
  /// A file with rates of kernels by which that is decided, as
  /// adze-kernel-bench --rates writes it; empty: what was measured on some
  /// machines. See docs/sparsity.md.
  std::string kernelRates;
  /// all, host, or a comma separated list of psABI levels with features
  /// (x86-64-v3, x86-64-v4+vnni+bf16) and CPU names. compile() takes host.
  std::string target;
  /// Passes to leave out, by name.
  std::vector<std::string> disable;
  /// Ops that take the generic path of plain loops in place of a kernel, by
  /// name (adze.linear, adze.attention ...), or all.
  std::vector<std::string> generic;
  /// Shared libraries with passes, ops or formats.
  std::vector<std::string> plugins;
  /// "POINT:PASS{options}" with POINT one of after-import, after-compress,
  /// after-fuse, before-codegen.
  std::vector<std::string> insert;
  /// compileToFile() only: a text that the model is run on once it is compiled.
  /// How well it predicts it, beside the checkpoint with its own weights, and
  /// how far its kernels are from the reference interpreter, become part of the
  /// artefact's proof (key "proof" of Model::info). Empty: nothing is run.
  std::string proofText;
  /// Positions of a window of that text; 0: as QualityOptions::context.
  uint32_t proofContext = 0;
  /// Threads to compile and pack with; 0: what this process may use.
  unsigned threads = 0;
  /// compile() only: keep and look for the artefact in the model cache.
  bool cache = true;
  /// compile() only: make it again even where the cache has it.
  bool refresh = false;
  /// Empty: $ADZE_CACHE_DIR, else the XDG cache directory.
  std::string cacheDirectory;
  CompileProgress progress;
};

/// Whether `weights` is something that CompileOptions::weights takes; the error
/// says what is expected. Names of tensors are checked when a model is
/// compiled.
Result<void> checkWeights(const std::string &weights);

/// Whether `prune` is something that CompileOptions::prune takes.
Result<void> checkPrune(const std::string &prune);

/// Whether `activations` is something that CompileOptions::activations takes.
Result<void> checkActivations(const std::string &activations);

/// Whether `method` is something that CompileOptions::method takes.
Result<void> checkMethod(const std::string &method);

/// What compiling took. Bytes of memory are of the whole process.
struct CompileStats {
  double seconds = 0, importSeconds = 0, optimizeSeconds = 0,
         codegenSeconds = 0, packSeconds = 0;
  uint64_t peakRssBytes = 0, peakAnonBytes = 0;
  uint64_t artefactBytes = 0, weightBytes = 0;
  bool fromCache = false;
  std::vector<std::string> warnings;
};

/// Compiles `model` into the artefact `output`, written beside and renamed.
Result<CompileStats> compileToFile(const std::string &model,
                                   const std::string &output,
                                   const CompileOptions &options = {});

/// For static linking: writes the object file `output`, the weights
/// `output`.weights, and the header `output`.h that says how to open them with
/// adze_model_link.
Result<CompileStats> compileToObject(const std::string &model,
                                     const std::string &output,
                                     const CompileOptions &options = {});

/// Compiles `model` for this machine and opens it: the same Model that
/// Model::open gives, from an artefact in the cache (or, without the cache, in
/// a temporary file that is gone when the model is released).
Result<Model> compile(const std::string &model,
                      const CompileOptions &options = {},
                      CompileStats *stats = nullptr);

/// What an intermediate form is written as.
enum class Emit { Adze, Kernel, LLVM, Assembly };

/// The model at an intermediate form, as text. `point`
/// is for Emit::Adze: an extension point, `scheduled`, or empty for the
/// imported module. Kernel, LLVM and Assembly show the best variant of the
/// target.
Result<std::string> emitForm(const std::string &model, Emit form,
                             const std::string &point,
                             const CompileOptions &options = {});

/// The model as a module on disk that any tool reads again: `output` (.mlir)
/// and beside it `output`.weights.json, the weight table that the module names
/// and that refers to the files of the checkpoint. `point` as for emitForm, but
/// not `scheduled`. What adze-opt makes of it is compiled and run like a model.
Result<void> emitModule(const std::string &model, const std::string &point,
                        const std::string &output,
                        const CompileOptions &options = {});

/// Version, LLVM version: what caches and plug-ins compare.
std::string compilerVersion();

} // namespace adze

#endif // ADZE_COMPILER_H
