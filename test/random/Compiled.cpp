// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiled code as a subject: the whole way through code generation, the
// artefact and the runtime. The module goes over as text, into a context of the
// compiler's own.

#include "Compiled.h"
#include "ModelCompiler.h"
#include "adze/runtime.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"

#include <cstdlib>
#include <unistd.h>

using namespace mlir;
using namespace adze;
using namespace adze::test;

namespace {

LogicalResult complain(const llvm::Twine &what) {
  llvm::errs() << "compiled: " << what << "\n";
  return failure();
}

LogicalResult compileModule(ModuleOp module, WeightSource &source,
                            const CompileOptions &options,
                            const std::string &path) {
  std::string text;
  llvm::raw_string_ostream(text) << module;
  ModelCompiler compiler(options);
  auto copy = parseSourceString<ModuleOp>(text, &compiler.mlirContext());
  if (!copy)
    return complain("the module does not parse again");
  llvm::Error error = compiler.adopt(
      std::move(copy), std::make_unique<BorrowedWeightSource>(source));
  if (!error)
    error = compiler.optimize();
  if (!error)
    error = compiler.generate();
  if (!error)
    error = compiler.write(path);
  return error ? complain(llvm::toString(std::move(error))) : success();
}

/// The rows of one step, sequence by sequence, and which row of the batch each
/// row of logits belongs to.
struct StepInputs {
  std::vector<adze_step_input> inputs;
  std::vector<std::vector<uint32_t>> rows; // behind the inputs
  std::vector<int32_t> order;              // batch rows asked for
};

FailureOr<StepInputs> inputsOf(const Batch &batch, adze_session *session) {
  StepInputs step;
  size_t total = batch.tokens.size();
  step.rows.reserve(total);
  for (size_t at = 0; at < total;) {
    size_t end = at;
    while (end < total && batch.sequences[end] == batch.sequences[at])
      ++end;
    uint32_t sequence = uint32_t(batch.sequences[at]);
    size_t first = size_t(batch.positions[at]);
    // A sequence that begins again, or goes back.
    if (adze_sequence_length(session, sequence) > first &&
        adze_sequence_rewind(session, sequence, first))
      return complain(adze_last_error()->message);
    std::vector<uint32_t> asked;
    for (size_t row = at; row < end; ++row)
      if (llvm::is_contained(batch.rows, int32_t(row))) {
        asked.push_back(uint32_t(row - at));
        step.order.push_back(int32_t(row));
      }
    step.rows.push_back(std::move(asked));
    adze_step_input input = {};
    input.size = sizeof input;
    input.sequence = sequence;
    input.tokens = batch.tokens.data() + at;
    input.count = end - at;
    input.rows = step.rows.back().data();
    input.n_rows = step.rows.back().size();
    step.inputs.push_back(input);
    at = end;
  }
  return step;
}

FailureOr<adze::test::Logits> runSteps(adze_model *model, ArrayRef<Batch> steps,
                                       uint32_t threads) {
  adze_session_options options = {};
  options.size = sizeof options;
  options.threads = threads;
  options.max_sequences = 8;
  options.context = 512;
  adze_session *session = nullptr;
  if (adze_session_create(model, &options, &session))
    return complain(adze_last_error()->message);
  std::unique_ptr<adze_session, void (*)(adze_session *)> owner(
      session, adze_session_release);
  size_t vocabulary = adze_session_vocabulary(session);
  adze::test::Logits all;
  for (const Batch &batch : steps) {
    auto step = inputsOf(batch, session);
    if (failed(step))
      return failure();
    const float *logits = nullptr;
    if (adze_step(session, step->inputs.data(), step->inputs.size(), &logits))
      return complain(adze_last_error()->message);
    // Back into the order in which the batch asks for rows.
    std::vector<double> values;
    for (int32_t row : batch.rows) {
      size_t at = llvm::find(step->order, row) - step->order.begin();
      values.insert(values.end(), logits + at * vocabulary,
                    logits + (at + 1) * vocabulary);
    }
    all.push_back(HostTensor::ofFloats(
        {int64_t(batch.rows.size()), int64_t(vocabulary)}, std::move(values)));
  }
  return all;
}

} // namespace

double adze::test::compiledTolerance(ModuleOp module, StringRef target) {
  bool narrow = false;
  module.walk([&](Operation *op) {
    if (auto state = dyn_cast<StateOp>(op))
      narrow |= !state.getKVType().getElementType().isF32();
    if (auto weight = dyn_cast<WeightOp>(op))
      narrow |= FormatAttrInterface(weight.getWeightType().getFormat())
                    .getFormatName() != "f32";
  });
  if (!narrow)
    return 1e-4;
  return target.contains("bf16") ? 3e-1 : 2e-2;
}

Subject adze::test::compiledSubject(std::string target,
                                    std::vector<std::string> disabled,
                                    uint32_t threads, double tolerance,
                                    std::vector<std::string> generic) {
  Subject subject;
  subject.name =
      "compiled for " + target + ", " + std::to_string(threads) + " threads" +
      (disabled.empty() ? "" : ", without " + llvm::join(disabled, ", ")) +
      (generic.empty() ? "" : ", generic " + llvm::join(generic, ", "));
  subject.tolerance = tolerance;
  subject.run = [=](ModuleOp module, WeightSource &source,
                    ArrayRef<Batch> steps) -> FailureOr<adze::test::Logits> {
    CompileOptions options;
    options.target = target;
    options.disable = disabled;
    options.generic = generic;
    options.activations = "bf16"; // the module says what is rounded
    std::string path = "/tmp/adze-random-" + std::to_string(::getpid()) + ".so";
    if (failed(compileModule(module, source, options, path)))
      return failure();
    adze_source artefact = {};
    artefact.size = sizeof artefact;
    artefact.path = path.c_str();
    adze_model *model = nullptr;
    adze_status status = adze_model_open(&artefact, nullptr, nullptr, &model);
    ::unlink(path.c_str());
    if (status)
      return complain(adze_last_error()->message);
    std::unique_ptr<adze_model, void (*)(adze_model *)> owner(
        model, adze_model_release);
    return runSteps(model, steps, threads);
  };
  return subject;
}
