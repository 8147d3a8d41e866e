// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiled models for numeric tests; see the header.

#include "CompiledModel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <unistd.h>

using namespace adze;
using namespace adze::test;

CompiledModel::CompiledModel(const std::string &model,
                             const CompileOptions &options) {
  static std::atomic<int> next{0};
  const char *folder = std::getenv("TMPDIR");
  file = std::string(folder ? folder : "/tmp") + "/adze-numerics-" +
         std::to_string(::getpid()) + "-" + std::to_string(next++) + ".adze.so";
  auto result = compileToFile(model, file, options);
  if (!result)
    problem = result.error().text();
}

CompiledModel::~CompiledModel() { ::unlink(file.c_str()); }

std::vector<std::string> CompiledModel::variants() const {
  std::vector<std::string> names;
  ModelHandle model = openModel(file, "");
  for (size_t i = 0; model && i < adze_model_variant_count(model.get()); ++i) {
    adze_variant_info info = {};
    info.size = sizeof info;
    if (adze_model_variant(model.get(), i, &info) == ADZE_OK &&
        !info.missing[0] && !info.missing[1])
      names.push_back(info.name);
  }
  return names;
}

ModelHandle adze::test::openModel(const std::string &path,
                                  const std::string &variant) {
  adze_source source = {};
  source.size = sizeof source;
  source.path = path.c_str();
  adze_open_options options = {};
  options.size = sizeof options;
  options.variant = variant.empty() ? nullptr : variant.c_str();
  adze_model *model = nullptr;
  if (adze_model_open(&source, nullptr, &options, &model))
    ADD_FAILURE() << adze_last_error()->message;
  return ModelHandle(model);
}

SessionHandle adze::test::makeSession(adze_model *model, uint32_t threads,
                                      uint32_t sequences, uint32_t chunk,
                                      uint32_t context) {
  adze_session_options options = {};
  options.size = sizeof options;
  options.threads = threads;
  options.max_sequences = sequences;
  options.prefill_chunk = chunk;
  options.context = context;
  adze_session *session = nullptr;
  if (adze_session_create(model, &options, &session))
    ADD_FAILURE() << adze_last_error()->message;
  return SessionHandle(session);
}

std::vector<float> adze::test::evaluate(adze_session *session,
                                        const std::vector<int32_t> &tokens) {
  std::vector<uint32_t> rows(tokens.size());
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i] = uint32_t(i);
  const float *logits = nullptr;
  if (adze_eval(session, tokens.data(), tokens.size(), rows.data(), rows.size(),
                &logits)) {
    ADD_FAILURE() << adze_last_error()->message;
    return {};
  }
  return {logits, logits + tokens.size() * adze_session_vocabulary(session)};
}
