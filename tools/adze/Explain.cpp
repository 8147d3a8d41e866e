// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze explain: what the compiler makes of a model, layer by layer.

#include "Explain.h"
#include "Console.h"
#include "ModelArguments.h"
#include "ModelCompiler.h"
#include "Subcommands.h"
#include <CLI/CLI.hpp>
#include <cmath>

using namespace adze;
using namespace adze::tools;
namespace json = llvm::json;

namespace {
struct ExplainArguments : ModelArguments {
  int64_t layer = -1;
};

std::string countText(double count) {
  const char *units[] = {"", "k", "M", "G", "T"};
  size_t unit = 0;
  for (; count >= 1000 && unit + 1 < std::size(units); ++unit)
    count /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, unit && count < 100 ? "%.1f%s" : "%.0f%s",
                count, units[unit]);
  return text;
}

std::string text(const json::Object &object, const char *key) {
  return object.getString(key).value_or("").str();
}

void printLaunch(const json::Object &launch) {
  std::printf("  %s\n", text(launch, "source").c_str());
  std::printf("      %s by %s, over %s", text(launch, "op").c_str(),
              text(launch, "kernel").c_str(), text(launch, "over").c_str());
  if (launch.getBoolean("repeated").value_or(false))
    std::printf(" (a single one on every thread)");
  if (int64_t bytes = launch.getInteger("weight_bytes").value_or(0))
    std::printf(", %s of %s", bytesText(uint64_t(bytes)).c_str(),
                text(launch, "format").c_str());
  if (launch.getString("activations") && text(launch, "format") != "f32/panels")
    std::printf(" times %s", text(launch, "activations").c_str());
  if (launch.getString("writes"))
    std::printf(", writes %s", text(launch, "writes").c_str());
  if (int64_t n = launch.getInteger("operations_per_token").value_or(0))
    std::printf(", %s operations a token", countText(double(n)).c_str());
  if (auto n = launch.getInteger("operations_per_token_and_position"))
    std::printf(", %s operations a token and position",
                countText(double(*n)).c_str());
  std::printf("\n");
  for (const char *kind : {"fired", "missed"})
    for (const json::Value &value : *launch.getArray(kind)) {
      const json::Object &remark = *value.getAsObject();
      std::printf("      %c %s: %s\n", *kind == 'f' ? '+' : '-',
                  text(remark, "pass").c_str(), text(remark, "text").c_str());
    }
}

void print(const json::Object &o) {
  std::printf(
      "%s: %s for %s, %s of packed weights\n", text(o, "model").c_str(),
      o.get("architecture") ? text(o, "architecture").c_str() : "a module",
      text(o, "variant").c_str(),
      bytesText(uint64_t(o.getInteger("weight_bytes").value_or(0))).c_str());
  std::printf("+ what a pass did, - what it could have done and did not\n");
  for (const json::Value &value : *o.getArray("parts")) {
    const json::Object &part = *value.getAsObject();
    if (auto first = part.getInteger("first")) {
      int64_t count = *part.getInteger("count");
      std::printf(count > 1 ? "\nlayers %lld to %lld\n" : "\nlayer %lld\n",
                  (long long)*first, (long long)(*first + count - 1));
    } else {
      std::printf("\n%s the layers\n", text(part, "part").c_str());
    }
    for (const json::Value &launch : *part.getArray("launches"))
      printLaunch(*launch.getAsObject());
  }
  if (!o.getArray("remarks")->empty())
    std::printf("\nelsewhere\n");
  for (const json::Value &value : *o.getArray("remarks")) {
    const json::Object &remark = *value.getAsObject();
    std::printf("  %s\n      %c %s: %s\n", text(remark, "source").c_str(),
                text(remark, "kind") == "fired" ? '+' : '-',
                text(remark, "pass").c_str(), text(remark, "text").c_str());
  }
}

int run(const ExplainArguments &a) {
  if (isArtefact(a.model))
    return fail(
        {ADZE_INVALID_ARGUMENT,
         a.model + " is an artefact: the compiler is done with it",
         "give the model it was made from, or ask adze report about the "
         "artefact"});
  if (auto there = checkExists(a.model); !there)
    return fail(there.error());
  auto explained = explainModel(a.model, a.options, a.layer);
  if (!explained)
    return fail(toError(explained.takeError()));
  if (a.json)
    return printJson(std::move(*explained));
  print(*explained);
  return ExitOk;
}
} // namespace

void adze::tools::addExplain(CLI::App &app, int &status) {
  CLI::App &command = *app.add_subcommand(
      "explain", "say what the compiler makes of a model, and why");
  auto a = std::make_shared<ExplainArguments>();
  a->addTo(command, "directory, .gguf or .mlir");
  command.add_option("--layer", a->layer, "this layer only")
      ->check(CLI::Range(int64_t(0), int64_t(1) << 30).description(""))
      ->type_name("N");
  a->addOutputTo(command);
  command.footer(R"(
For each launch: the names in the checkpoint, the kernel, the bytes of weights,
the operations for one token, and what passes did or declined to do there.
Layers of one kind are shown once.

examples
  adze explain model/
  adze explain model/ --layer 3
  adze explain model/ --disable-pass adze-merge-qkv --json)");
  command.callback([a, &status] { status = run(*a); });
}
