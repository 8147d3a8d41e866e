// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze verify: the hashes of an artefact.

#include "Verify.h"
#include "Console.h"
#include "Subcommands.h"
#include "llvm/Support/JSON.h"
#include <CLI/CLI.hpp>

using namespace adze;
using namespace adze::tools;

Result<Verified> adze::tools::verifyArtefact(const std::string &path,
                                             Progress &progress) {
  adze_open_options options = {};
  options.size = sizeof options;
  options.user = &progress;
  options.progress = [](const char *stage, uint64_t done, uint64_t total,
                        void *user) {
    return int32_t(static_cast<Progress *>(user)->show(stage, done, total));
  };
  auto model = Model::open(path, &options);
  if (!model)
    return model.error();
  if (adze_model_verify(model->c()))
    return lastError();
  Verified result;
  auto id = model->info("id"), bytes = model->info("weights_bytes");
  result.id = id ? *id : "";
  result.weights = adze_model_weight_count(model->c());
  result.weightBytes = bytes ? std::stoull(*bytes) : 0;
  return result;
}

namespace {
struct VerifyArguments {
  std::string artefact;
  bool json = false;
};

int run(const VerifyArguments &a) {
  auto verified = [&] {
    Progress progress(a.json);
    return verifyArtefact(a.artefact, progress);
  }();
  if (a.json) {
    llvm::json::Object object{{"artefact", a.artefact}, {"ok", bool(verified)}};
    if (verified) {
      object["id"] = verified->id;
      object["weights"] = int64_t(verified->weights);
      object["weight_bytes"] = int64_t(verified->weightBytes);
    } else {
      object["error"] = verified.error().message;
    }
    if (int failed = printJson(std::move(object)))
      return failed;
  }
  if (!verified)
    return fail(verified.error());
  if (!a.json)
    std::printf("%s: code, tables and %llu weights (%s) are as they were "
                "written\nid %s\n",
                a.artefact.c_str(), (unsigned long long)verified->weights,
                bytesText(verified->weightBytes).c_str(), verified->id.c_str());
  return ExitOk;
}
} // namespace

void adze::tools::addVerify(CLI::App &app, int &status) {
  CLI::App &command = *app.add_subcommand(
      "verify", "check that an artefact is as it was written");
  auto a = std::make_shared<VerifyArguments>();
  command.add_option("ARTEFACT", a->artefact, "what adze compile has written")
      ->type_name("")
      ->required();
  command.add_flag("--json", a->json, "print one JSON object and nothing else");
  command.footer(R"(
Opening a model checks its code and tables; this reads all weights as well. The
id names the artefact: a program can ask for it when it opens the file.

examples
  adze verify model.adze.so
  adze verify model.adze.so --json)");
  command.callback([a, &status] { status = run(*a); });
}
