// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze cache: what `adze run` and adze::compile have kept.

#include "Console.h"
#include "ModelCache.h"
#include "ModelCompiler.h"
#include "Subcommands.h"
#include "Verify.h"
#include "llvm/Support/Chrono.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include <CLI/CLI.hpp>

using namespace adze;
using namespace adze::tools;
namespace json = llvm::json;

namespace {
struct CacheArguments {
  std::string directory;
  uint64_t limit = ModelCache::limitBytes();
  bool json = false, all = false, remove = false;
};

using Entries = std::vector<ModelCache::Entry>;

/// Source, weights and variants as the artefact's description has them.
json::Object describe(const ModelCache::Entry &entry) {
  json::Object object{
      {"path", entry.path},
      {"bytes", int64_t(entry.bytes)},
      {"used", llvm::formatv("{0:%Y-%m-%d %H:%M}", entry.used).str()}};
  adze_open_options options = {};
  options.size = sizeof options;
  options.flags = ADZE_OPEN_DESCRIBE;
  auto model = Model::open(entry.path, &options);
  if (!model) {
    object["error"] = model.error().message;
    return object;
  }
  for (const char *key : {"source", "weights", "variants"})
    if (auto value = model->info(key))
      object[key] = *value;
  return object;
}

int list(const CacheArguments &a, const Entries &entries) {
  json::Array array;
  uint64_t total = 0;
  for (const ModelCache::Entry &entry : entries) {
    array.push_back(describe(entry));
    total += entry.bytes;
  }
  if (a.json)
    return printJson(json::Object{{"directory", a.directory},
                                  {"bytes", int64_t(total)},
                                  {"limit", int64_t(ModelCache::limitBytes())},
                                  {"artefacts", std::move(array)}});
  for (const json::Value &value : array) {
    const json::Object &o = *value.getAsObject();
    auto text = [&](const char *key) {
      return o.getString(key).value_or("").str();
    };
    std::printf("%s  %8s  %s %s %s%s\n    %s\n", text("used").c_str(),
                bytesText(uint64_t(*o.getInteger("bytes"))).c_str(),
                text("source").c_str(), text("weights").c_str(),
                text("variants").c_str(), o.get("error") ? "damaged" : "",
                text("path").c_str());
  }
  std::printf("%zu artefacts, %s of at most %s, in %s\n", entries.size(),
              bytesText(total).c_str(),
              bytesText(ModelCache::limitBytes()).c_str(), a.directory.c_str());
  return ExitOk;
}

int verify(const CacheArguments &a, const Entries &entries) {
  json::Array array;
  size_t damaged = 0;
  for (const ModelCache::Entry &entry : entries) {
    auto verified = [&] {
      Progress progress(a.json);
      return verifyArtefact(entry.path, progress);
    }();
    json::Object object{{"path", entry.path}, {"ok", bool(verified)}};
    if (!verified) {
      if (verified.error().code == ADZE_CANCELLED)
        return fail(verified.error());
      ++damaged;
      object["error"] = verified.error().message;
      if (a.remove)
        std::remove(entry.path.c_str());
      fail(
          {verified.error().code, verified.error().message,
           a.remove ? "removed" : "remove it with adze cache verify --remove"});
    }
    array.push_back(std::move(object));
  }
  int status = damaged ? ExitFailure : ExitOk;
  if (!a.json)
    std::printf("%zu artefacts, %zu damaged\n", entries.size(), damaged);
  else if (printJson(json::Object{{"directory", a.directory},
                                  {"damaged", int64_t(damaged)},
                                  {"artefacts", std::move(array)}}))
    status = ExitFailure;
  return status;
}

int collect(const CacheArguments &a) {
  auto removed = ModelCache::collect(a.directory, a.all ? 0 : a.limit);
  if (!removed)
    return fail(toError(removed.takeError()));
  uint64_t bytes = 0;
  json::Array paths;
  for (const ModelCache::Entry &entry : *removed) {
    bytes += entry.bytes;
    paths.push_back(entry.path);
  }
  if (a.json)
    return printJson(json::Object{{"directory", a.directory},
                                  {"removed", std::move(paths)},
                                  {"removed_bytes", int64_t(bytes)}});
  std::printf("removed %zu files, %s\n", removed->size(),
              bytesText(bytes).c_str());
  return ExitOk;
}
} // namespace

void adze::tools::addCache(CLI::App &app, int &status) {
  CLI::App &command =
      *app.add_subcommand("cache", "list, verify and empty the model cache");
  command.require_subcommand(1);
  auto a = std::make_shared<CacheArguments>();
  a->directory = ModelCache::directory("");
  command.footer(R"(
Compiled models are kept in $ADZE_CACHE_DIR, else in `adze` below the XDG cache
directory, up to $ADZE_CACHE_BYTES bytes (20 GB); the least recently used go
first. A process that has one open keeps it when it is removed.

examples
  adze cache ls
  adze cache gc --limit 5000000000
  adze cache gc --all)");
  auto add = [&](const char *name, const char *help) {
    CLI::App *sub = command.add_subcommand(name, help);
    sub->add_flag("--json", a->json, "print one JSON object and nothing else");
    return sub;
  };
  CLI::App *ls = add("ls", "list it, least recently used first");
  ls->callback(
      [a, &status] { status = list(*a, ModelCache::list(a->directory)); });
  CLI::App *check = add("verify", "read all of it and compare the hashes");
  check->add_flag("--remove", a->remove, "remove what is damaged");
  check->callback(
      [a, &status] { status = verify(*a, ModelCache::list(a->directory)); });
  CLI::App *gc = add("gc", "remove what is over the limit");
  auto *limit = gc->add_option("--limit", a->limit, "bytes to keep at most")
                    ->type_name("BYTES");
  gc->add_flag("--all", a->all, "remove everything")->excludes(limit);
  gc->callback([a, &status] { status = collect(*a); });
}
