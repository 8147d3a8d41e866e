// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What an artefact says of its own making, as JSON in its table PROOF:
//
//   {"version": 1, "compiler": "adze ...",
//    "recipe": {"weights": "int4:g32", "activations": "", ...},
//    "errors": [{"weight": "model.layers.0.mlp.up_proj.weight",
//                "format": "int4...", "relative_error": 0.05, "rows": 64}],
//    "rounding": {"pass": "adze-gptq", "text": ..., "weights": [...]},
//    "ranges": {"pass": "adze-static-ranges", "text": ..., "inputs": [...]},
//    "pruning": {"pass": "adze-prune", "weights": [{"tensor": ..., "zeros":
//                0.5, "pattern": "2:4", "method": "wanda", ...}]},
//    "packing": {"weights": 180, "elements": 737280},
//    "quality": {"text_sha256": ..., "perplexity": ..., "against": {...}},
//    "kernels": {"tokens": 16, "relative_error": 1e-5}}
//
// `errors` has the weights that this compiler rounded to the nearest code,
// `rounding` and `ranges` what a calibration was used for (the report of the
// pass), `pruning` what was set to zero (likewise). The rest is there if a text
// was given (CompileOptions::proofText). Where activations are rounded to
// codes, or keys and values to 16 bits, `kernels` says how far such roundings
// that go another way move the logits.
#ifndef ADZE_CODEGEN_DRIVER_PROOF_H
#define ADZE_CODEGEN_DRIVER_PROOF_H

#include "adze/Quality.h"
#include "adze/Weights/Evaluator.h"
#include "llvm/Support/JSON.h"

namespace adze {

class ModelCompiler;

/// The options that change what a model computes.
llvm::json::Object recipeJson(const CompileOptions &options);

/// |Q(W) - W| / |W| (Frobenius norms) of every tensor that a cast rounds to an
/// integer format, over at most 16 of its rows, spread evenly: each is rounded
/// once more for it. On so many threads.
llvm::Expected<llvm::json::Array> weightErrors(mlir::ModuleOp module,
                                               const WeightEvaluator &weights,
                                               unsigned threads);

/// Compares one panel of every packed matrix and layer, as the reference
/// decoder of its format reads it, with the rows that it was packed from: all
/// equal, or it is an error that names the first that is not.
llvm::Expected<llvm::json::Object> checkPacking(mlir::ModuleOp module,
                                                const WeightEvaluator &weights);

/// What `adze eval --json` prints too.
llvm::json::Object qualityJson(const Quality &quality);

/// The largest error of a position, max|a - b| / max|b|, of the logits that the
/// compiled model gives for the first tokens of a text, against the reference
/// interpreter on the module that it was compiled from. Fewer tokens for larger
/// models: the interpreter is slow.
Result<llvm::json::Object> checkKernels(ModelCompiler &compiler,
                                        const Model &model,
                                        const std::string &textFile);

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_PROOF_H
