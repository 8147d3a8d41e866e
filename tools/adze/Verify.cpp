// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze verify: the hashes of an artefact, and what its proof says, measured
// again.

#include "Verify.h"
#include "Console.h"
#include "ModelArguments.h"
#include "QualityReport.h"
#include "Subcommands.h"
#include "report/Values.h"
#include "llvm/Support/JSON.h"
#include <CLI/CLI.hpp>
#include <cmath>
#include <optional>

using namespace adze;
using namespace adze::tools;
namespace json = llvm::json;

/// Opens the artefact and reads all of it.
static Result<Model> openAndVerify(const std::string &path,
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
  return model;
}

static Verified describe(const Model &model) {
  Verified result;
  auto id = model.info("id"), bytes = model.info("weights_bytes");
  result.id = id ? *id : "";
  result.weights = adze_model_weight_count(model.c());
  result.weightBytes = bytes ? std::stoull(*bytes) : 0;
  return result;
}

Result<Verified> adze::tools::verifyArtefact(const std::string &path,
                                             Progress &progress) {
  auto model = openAndVerify(path, progress);
  if (!model)
    return model.error();
  return describe(*model);
}

namespace {
struct VerifyArguments {
  std::string artefact, against, text;
  unsigned threads = 0;
  bool json = false;
};

/// What was found; parts that were not asked for are absent.
struct Findings {
  Verified verified;
  json::Object proof; // as the artefact has it; empty without one
  std::optional<Quality> measured;
  bool sameText = false; // as in the proof: figures can be compared
};

/// Other variants and thread counts change the last digits of logits where
/// bf16 dots round, and with them a perplexity a little.
bool isClose(double found, double expected) {
  return std::fabs(found - expected) <= 2e-3 * std::fabs(expected);
}

/// An error where what was measured is not what the proof says.
Result<void> compareWithProof(const Findings &findings,
                              const std::string &artefact) {
  const json::Object *quality = findings.proof.getObject("quality");
  auto check = [&](const char *what, std::optional<double> said,
                   double found) -> Result<void> {
    if (said && !isClose(found, *said))
      return Error{ADZE_BAD_ARTEFACT,
                   artefact + ": the proof says a " + what + " of " +
                       std::to_string(*said) + ", measured was " +
                       std::to_string(found),
                   "the artefact or the model it is compared with is not the "
                   "one that was measured"};
    return {};
  };
  if (auto good = check("perplexity", quality->getNumber("perplexity"),
                        findings.measured->perplexity);
      !good)
    return good;
  const json::Object *against = quality->getObject("against");
  if (!against || !findings.measured->against)
    return {};
  return check("perplexity of the source", against->getNumber("perplexity"),
               findings.measured->against->perplexity);
}

Result<Findings> verify(const VerifyArguments &a) {
  Progress progress(a.json);
  auto model = openAndVerify(a.artefact, progress);
  if (!model)
    return model.error();
  Findings findings;
  findings.verified = describe(*model);
  if (auto text = model->info("proof")) {
    auto parsed = json::parse(*text);
    json::Object *object = parsed ? parsed->getAsObject() : nullptr;
    if (!object) {
      llvm::consumeError(parsed.takeError());
      return Error{ADZE_BAD_ARTEFACT,
                   a.artefact + ": its proof is no JSON object", ""};
    }
    findings.proof = std::move(*object);
  }
  if (a.text.empty())
    return findings;

  std::optional<Model> other;
  if (!a.against.empty()) {
    ModelArguments given;
    given.model = a.against;
    given.options.threads = a.threads;
    given.json = a.json;
    auto opened = openModel(given);
    if (!opened)
      return opened.error();
    other = std::move(opened->model);
  }
  const json::Object *quality = findings.proof.getObject("quality");
  QualityOptions options;
  options.threads = a.threads;
  options.name = a.artefact;
  options.againstName = a.against;
  options.progress = progress.callback();
  if (quality)
    options.context = uint32_t(quality->getInteger("context").value_or(0));
  auto measured =
      measureQuality(*model, a.text, other ? &*other : nullptr, options);
  if (!measured)
    return measured.error();
  if (auto finite = checkFinite(*measured, options); !finite)
    return finite.error();
  findings.measured = *measured;
  findings.sameText =
      quality && quality->getString("text_sha256") == measured->textHash;
  if (findings.sameText)
    if (auto same = compareWithProof(findings, a.artefact); !same)
      return same.error();
  return findings;
}

//===-- what is printed ---------------------------------------------------===//

void printErrors(const json::Array &errors) {
  double worst = 0, sum = 0;
  llvm::StringRef where;
  for (const json::Value &value : errors) {
    const json::Object *row = value.getAsObject();
    double error = row ? row->getNumber("relative_error").value_or(0) : 0;
    sum += error;
    if (error >= worst) {
      worst = error;
      where = row ? row->getString("weight").value_or("") : "";
    }
  }
  std::printf("proof: %zu weight%s rounded, with a relative error of %s in "
              "the mean and %s at most (%s)\n",
              errors.size(), errors.size() == 1 ? " was" : "s were",
              percentText(sum / double(errors.size()), 2).c_str(),
              percentText(worst, 2).c_str(), where.str().c_str());
}

void printRounding(const json::Object &rounding) {
  const json::Array *weights = rounding.getArray("weights");
  double output = 0, plain = 0;
  size_t count = weights ? weights->size() : 0;
  for (size_t i = 0; i < count; ++i)
    if (const json::Object *row = (*weights)[i].getAsObject()) {
      output += row->getNumber("output").value_or(0) / double(count);
      plain += row->getNumber("plain").value_or(0) / double(count);
    }
  std::printf("proof: %zu weight%s rounded by %s after a calibration of "
              "%lld tokens (text %.12s): error of what they compute %s in the "
              "mean, %s with plain rounding\n",
              count, count == 1 ? " was" : "s were",
              rounding.getString("pass").value_or("?").str().c_str(),
              (long long)rounding.getInteger("tokens").value_or(0),
              rounding.getString("text").value_or("").str().c_str(),
              percentText(output, 2).c_str(), percentText(plain, 2).c_str());
}

void printPruning(const json::Object &pruning) {
  const json::Array *weights = pruning.getArray("weights");
  double output = 0, zeros = 0;
  size_t count = weights ? weights->size() : 0, measured = 0;
  for (size_t i = 0; i < count; ++i)
    if (const json::Object *row = (*weights)[i].getAsObject()) {
      zeros += row->getNumber("zeros").value_or(0) / double(count);
      measured += row->getNumber("output").has_value();
      output += row->getNumber("output").value_or(0);
    }
  std::printf("proof: %zu weights were pruned: %s zeros in the mean", count,
              percentText(zeros, 2).c_str());
  if (measured)
    std::printf(", error of what they compute %s",
                percentText(output / double(measured), 2).c_str());
  std::printf("\n");
}

void printProof(const json::Object &proof) {
  if (proof.empty())
    return;
  std::string recipe = recipeText(proof.getObject("recipe"));
  std::printf(
      "proof: made by %s; %s\n",
      proof.getString("compiler").value_or("an unknown compiler").str().c_str(),
      recipe.empty() ? "weights as in the checkpoint" : recipe.c_str());
  auto line = [](const std::string &text) {
    if (!text.empty())
      std::printf("proof: %s\n", text.c_str());
  };
  line(choiceText(proof));
  if (proof.get("checkpoint"))
    line("weights of another checkpoint, " + textOf(proof, "checkpoint"));
  if (proof.get("formats"))
    line("formats by the budget: " + textOf(proof, "formats"));
  if (const json::Object *scaling = proof.getObject("scaling"))
    line(scalingText(*scaling));
  if (const json::Object *ranges = proof.getObject("ranges"))
    line("ranges of activations: " + rangesText(*ranges));
  if (const json::Array *errors = proof.getArray("errors");
      errors && !errors->empty())
    printErrors(*errors);
  if (const json::Object *rounding = proof.getObject("rounding"))
    printRounding(*rounding);
  if (const json::Object *pruning = proof.getObject("pruning"))
    printPruning(*pruning);
  if (const json::Object *packing = proof.getObject("packing"))
    std::printf("proof: panels of %lld packed weights equal the rows they are "
                "made of\n",
                (long long)packing->getInteger("weights").value_or(0));
  if (const json::Object *kernels = proof.getObject("kernels"))
    std::printf("proof: logits of %lld tokens are within %.1e of the reference "
                "interpreter\n",
                (long long)kernels->getInteger("tokens").value_or(0),
                kernels->getNumber("relative_error").value_or(0));
  const json::Object *quality = proof.getObject("quality");
  if (!quality)
    return;
  std::printf("proof: perplexity %.4f",
              quality->getNumber("perplexity").value_or(0));
  if (const json::Object *against = quality->getObject("against"))
    std::printf(", of the source %.4f; KL divergence %.5f, same likeliest "
                "token in %s",
                against->getNumber("perplexity").value_or(0),
                against->getNumber("kl_divergence").value_or(0),
                percentText(against->getNumber("top1_agreement").value_or(0), 2)
                    .c_str());
  std::printf(" (text %.12s)\n",
              quality->getString("text_sha256").value_or("").str().c_str());
}

int printFindings(const VerifyArguments &a, const Findings &found) {
  if (a.json) {
    json::Object object{{"artefact", a.artefact},
                        {"ok", true},
                        {"id", found.verified.id},
                        {"weights", int64_t(found.verified.weights)},
                        {"weight_bytes", int64_t(found.verified.weightBytes)}};
    if (!found.proof.empty())
      object["proof"] = json::Object(found.proof);
    if (found.measured) {
      object["measured"] = qualityJson(*found.measured);
      object["same_text"] = found.sameText;
    }
    return printJson(std::move(object));
  }
  std::printf("%s: code, tables and %llu weights (%s) are as they were "
              "written\nid %s\n",
              a.artefact.c_str(), (unsigned long long)found.verified.weights,
              bytesText(found.verified.weightBytes).c_str(),
              found.verified.id.c_str());
  printProof(found.proof);
  if (found.measured) {
    std::printf("measured: ");
    printQuality(*found.measured);
    std::printf("%s\n", found.sameText
                            ? "the proof's figures hold"
                            : "the proof has no figures for this text");
  }
  return ExitOk;
}

int run(const VerifyArguments &a) {
  if (!a.against.empty() && a.text.empty())
    return fail({ADZE_INVALID_ARGUMENT, "--against needs a text",
                 "add --text FILE: both models predict it"});
  auto found = verify(a);
  if (found)
    return printFindings(a, *found);
  if (a.json)
    if (int failed = printJson(json::Object{{"artefact", a.artefact},
                                            {"ok", false},
                                            {"error", found.error().message}}))
      return failed;
  return fail(found.error());
}
} // namespace

void adze::tools::addVerify(CLI::App &app, int &status) {
  CLI::App &command = *app.add_subcommand(
      "verify", "check an artefact and the proof it carries");
  auto a = std::make_shared<VerifyArguments>();
  command.add_option("ARTEFACT", a->artefact, "what adze compile has written")
      ->type_name("")
      ->required();
  command
      .add_option("--text", a->text,
                  "predict this text too; where it is the\n"
                  "proof's, the figures must agree")
      ->type_name("FILE");
  command
      .add_option("--against", a->against,
                  "predict it with this model beside, such as the\n"
                  "one that the artefact was made from")
      ->type_name("MODEL");
  command
      .add_option("--threads", a->threads,
                  "threads (default: what this process may use)")
      ->type_name("N");
  command.add_flag("--json", a->json, "print one JSON object and nothing else");
  command.footer(R"(
Opening a model checks its code and tables; this reads all weights as well. The
id names the artefact: a program can ask for it when it opens the file.

The proof says how the artefact was made and what that cost; `adze compile
--text FILE` makes one with figures.

examples
  adze verify model.adze.so
  adze verify model.adze.so --against model/ --text valid.txt
  adze verify model.adze.so --json)");
  command.callback([a, &status] { status = run(*a); });
}
