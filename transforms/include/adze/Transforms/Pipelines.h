// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The one readable list of what happens to a model, as textual pipelines with
// named extension points, and the places a user's passes can go.
#ifndef ADZE_TRANSFORMS_PIPELINES_H
#define ADZE_TRANSFORMS_PIPELINES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>
#include <vector>

namespace adze {

/// One step of the pipeline: a pass with its options, or an extension point
/// (`pass` empty).
struct PipelineStep {
  std::string pass;
  std::string extensionPoint;
};

/// What a method by calibration can be.
inline constexpr llvm::StringLiteral kMethodNames =
    "gptq, search, awq or smoothquant, or one of the latter with rounding, "
    "such "
    "as awq+gptq";
bool isMethodName(llvm::StringRef method);

/// The bits per weight of "mixed:4.5" or "mixed:4.5bpw", which formats are
/// chosen for by adze-choose-formats; nothing for other weights.
std::optional<double> mixedBudget(llvm::StringRef weights);

struct PipelineOptions {
  /// A format or rules, see adze-convert-weights; empty: as the checkpoint has
  /// them.
  std::string weights;
  /// Folder of a calibration, by which integer weights are scaled and rounded;
  /// empty: each number to the nearest code. `method`: see kMethodNames; empty:
  /// gptq. Codes and factors go to the weight store `store`; `table` is the
  /// module's weight table, if it does not name one.
  std::string calibration, method, store, table;
  /// What becomes zero, rules as in adze-prune; empty: nothing. `pruneMethod`:
  /// magnitude (where it is empty and there is no calibration), wanda or
  /// sparsegpt; `pruneAllocate`: uniform (also where it is empty), global or
  /// sensitivity. Weights go to `store` too.
  std::string prune, pruneMethod, pruneAllocate;
  /// Rotate what layers pass on; weights go to `store`.
  bool rotate = false;
  /// Parts of the neurons and query heads of each layer that are taken out, see
  /// adze-prune-structure, and whether adze-remove-dead runs also where there
  /// are none.
  double pruneNeurons = 0, pruneHeads = 0;
  bool removeDead = false;
  /// What linears with integer weights multiply, see kActivationNames; empty:
  /// kDefaultActivations. Static ranges are those of `calibration`.
  std::string activations;
  /// What weights are stored without their zeros for, see adze-choose-sparse:
  /// rows of a step (empty: one), and variants by name. `kernelRates` is a file
  /// with rates of kernels; empty: those that are built in.
  std::vector<uint32_t> expectRows;
  std::vector<std::string> targets;
  std::string kernelRates;
  /// Passes left out, by name (for instance adze-merge-qkv).
  std::vector<std::string> disabled;
  /// Ops that take the generic path, by name, or all. What would hide them in
  /// the sink of a linear is left out of the pipeline.
  std::vector<std::string> generic;
  /// `point:pass{options}`, in order; see extensionPoints().
  std::vector<std::string> inserted;
};

/// after-import, after-compress, after-fuse, before-codegen.
llvm::ArrayRef<llvm::StringLiteral> extensionPoints();

/// The steps from an imported module to a fused, packed one: everything that
/// does not depend on the target. Inserted passes stand after their point.
/// Fails with a message on an unknown point, pass or kind of activations.
bool buildPipeline(const PipelineOptions &options,
                   std::vector<PipelineStep> &steps, std::string &error);

/// The passes that decide the formats of weights (`weights`, by `calibration`
/// where there is a budget of bits and it is given); none where `weights` is
/// empty. What is there already, such as codes, they leave.
std::vector<std::string> formatPasses(const PipelineOptions &options);

/// The passes that scale and round by a calibration, which stand after
/// adze-convert-weights. Fails with a message on an unknown method.
bool calibratedPasses(const PipelineOptions &options,
                      std::vector<std::string> &passes, std::string &error);

/// The steps as text that adze-opt's --pass-pipeline accepts.
std::string pipelineText(llvm::ArrayRef<PipelineStep> steps);

} // namespace adze

#endif // ADZE_TRANSFORMS_PIPELINES_H
