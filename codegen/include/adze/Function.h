// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Functions over tensors, compiled in this process: an MLP, a block, anything
// of adze ops and of elementwise arith and math. Needs no MLIR header.
//
//   adze::FunctionOptions options;
//   options.bind("up", up).bind("down", down);     // packed when compiled
//   auto model = adze::compileFunction(R"(
//     func.func @mlp(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
//       %u = adze.linear %x, @up : (tensor<?x64xf32>) -> tensor<?x256xf32>
//       %s = adze.silu %u : tensor<?x256xf32>
//       %y = adze.linear %s, @down : (tensor<?x256xf32>) -> tensor<?x64xf32>
//       return %y : tensor<?x64xf32>
//     })", options).or_throw();
//   auto mlp = model.entry("mlp").or_throw();
//   adze::Tensor y = mlp.call(x).or_throw()[0];
//
// Every public function is an entry. A tensor that is bound and that the module
// does not declare as a weight becomes the weight of that name. The number of
// rows (`?`) may differ from call to call. Weights may also be arguments, for
// upstream's ops (linalg.matmul): that is the generic path, right but slow.
//
// A function with adze.attention declares its cache (adze.state) and has an
// argument of type !adze.batch, which calls do not pass: call() takes the rows
// as one whole sequence, append() continues the one that the entry keeps.
#ifndef ADZE_FUNCTION_H
#define ADZE_FUNCTION_H

#include "adze/Compiler.h"

#include <string>
#include <utility>
#include <vector>

namespace adze {

/// As for models; `cache` and `kv` mean nothing here, and an empty `target` is
/// the host.
struct FunctionOptions : CompileOptions {
  /// The values of the weights that read `name`: a vector [N] or a matrix
  /// [outputs, inputs] of f32, f16 or bf16. They are copied into the layout of
  /// the kernels by compileFunction and only needed until it returns.
  FunctionOptions &bind(const std::string &name, const Tensor &value) {
    bound.emplace_back(name, value);
    return *this;
  }
  std::vector<std::pair<std::string, Tensor>> bound;
};

/// Compiles the functions of a module given as text and opens them: the Model
/// owns code and weights.
Result<Model> compileFunction(const std::string &text,
                              const FunctionOptions &options = {});

/// The same from a file (.mlir or .mlirbc), which declares all its weights.
/// Those that are not bound are read through the weight table that the module
/// names, if any.
Result<Model> compileFunctionFile(const std::string &path,
                                  const FunctionOptions &options = {});

} // namespace adze

#endif // ADZE_FUNCTION_H
