// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiled models for numeric tests: an artefact with every variant in a
// temporary file, opened with the variant that a test asks for.
#ifndef ADZE_TEST_NUMERICS_COMPILEDMODEL_H
#define ADZE_TEST_NUMERICS_COMPILEDMODEL_H

#include "adze/Compiler.h"
#include "adze/runtime.h"

#include <memory>
#include <string>
#include <vector>

namespace adze::test {

/// An artefact that is removed with this object.
class CompiledModel {
public:
  /// A failed compilation leaves error() set and is a test failure.
  CompiledModel(const std::string &model, const CompileOptions &options);
  ~CompiledModel();
  CompiledModel(const CompiledModel &) = delete;

  const std::string &error() const { return problem; }
  const std::string &path() const { return file; }
  /// Variants of the artefact that this machine runs.
  std::vector<std::string> variants() const;

private:
  std::string file, problem;
};

struct ModelDeleter {
  void operator()(adze_model *m) const { adze_model_release(m); }
};
struct SessionDeleter {
  void operator()(adze_session *s) const { adze_session_release(s); }
};
using ModelHandle = std::unique_ptr<adze_model, ModelDeleter>;
using SessionHandle = std::unique_ptr<adze_session, SessionDeleter>;

/// Opens with a variant forced; null (and a test failure) on error.
ModelHandle openModel(const std::string &path, const std::string &variant);
SessionHandle makeSession(adze_model *model, uint32_t threads,
                          uint32_t sequences = 1, uint32_t chunk = 0,
                          uint32_t context = 0);

/// Logits of every token of one sequence, evaluated at once.
std::vector<float> evaluate(adze_session *session,
                            const std::vector<int32_t> &tokens);

} // namespace adze::test

#endif // ADZE_TEST_NUMERICS_COMPILEDMODEL_H
