// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze inspect: what is in a model or an artefact.

#include "Inspect.h"
#include "Console.h"
#include "ModelArguments.h"
#include "ModelCompiler.h"
#include "Subcommands.h"
#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

using namespace adze;
using namespace adze::tools;
namespace json = llvm::json;

namespace {
struct InspectArguments {
  std::string model;
  std::vector<std::string> plugins;
  bool json = false, zeros = false;
};

json::Array featureNames(uint64_t bits) {
  static const std::pair<uint64_t, const char *> names[] = {
      {ADZE_X86_AVX2, "avx2+fma+f16c"},
      {ADZE_X86_AVX512, "avx512"},
      {ADZE_X86_VNNI512, "avx512vnni"},
      {ADZE_X86_BF16_512, "avx512bf16"},
      {ADZE_X86_AVX_VNNI, "avxvnni"},
      {ADZE_X86_VBMI2, "avx512vbmi2"},
      {ADZE_X86_AMX, "amx"}};
  json::Array list;
  for (auto [bit, name] : names)
    if (bits & bit)
      list.push_back(name);
  return list;
}

void addVariant(json::Object &object, const std::string &name,
                uint64_t missing) {
  if (!object.get("variants"))
    object["variants"] = json::Array();
  object.getArray("variants")
      ->push_back(json::Object{{"name", name},
                               {"runs_here", missing == 0},
                               {"missing", featureNames(missing)}});
}

Result<json::Object> inspectArtefact(const std::string &path) {
  auto model = openOrDescribe(path);
  if (!model)
    return model.error();
  json::Object object;
  if (auto meta = model->info("meta")) {
    auto parsed = json::parse(*meta);
    if (!parsed)
      return toError(parsed.takeError());
    if (auto *fields = parsed->getAsObject())
      object = std::move(*fields);
  }
  for (const char *key : {"id", "variant"})
    if (auto value = model->info(key))
      object[key] = *value;
  // Copies: a json::Value only borrows a const char *.
  json::Array tensors;
  for (size_t i = 0; i < adze_model_weight_count(model->c()); ++i) {
    adze_weight_info w = {};
    w.size = sizeof w;
    if (adze_model_weight(model->c(), i, &w))
      return lastError();
    json::Object tensor{
        {"name", std::string(w.name)},
        {"source", std::string(w.source)},
        {"format", std::string(w.format)},
        {"shape", json::Array{int64_t(w.rows), int64_t(w.cols)}},
        {"bytes", int64_t(w.bytes)}};
    if (const json::Object *chosen = object.getObject("activations"))
      if (auto activations = chosen->getString(w.name))
        tensor["activations"] = activations->str();
    if (w.layer != ~0u)
      tensor["layer"] = int64_t(w.layer);
    tensors.push_back(std::move(tensor));
  }
  object["tensors"] = std::move(tensors);
  for (size_t i = 0; i < adze_model_variant_count(model->c()); ++i) {
    adze_variant_info v = {};
    v.size = sizeof v;
    if (adze_model_variant(model->c(), i, &v))
      return lastError();
    addVariant(object, v.name, v.missing[0]);
  }
  json::Array entries;
  for (size_t i = 0; i < adze_model_entry_count(model->c()); ++i)
    entries.push_back(std::string(adze_model_entry_name(model->c(), i)));
  object["entries"] = std::move(entries);
  object["kind"] = "artefact";
  return object;
}

Result<json::Object> inspectSource(const InspectArguments &a) {
  if (auto there = checkExists(a.model); !there)
    return there.error();
  CompileOptions options;
  options.plugins = a.plugins;
  auto object = inspectModel(a.model, options, a.zeros);
  if (!object)
    return toError(object.takeError());
  for (const KnownVariant &known : knownVariants()) {
    addVariant(*object, known.name, known.missing);
    if (!object->get("variant") && !known.missing && !known.isSlow)
      (*object)["variant"] = known.name;
  }
  (*object)["kind"] = "model";
  return std::move(*object);
}

/// Tensors and bytes of each format, and of all; the model's parameters.
void addTotals(json::Object &object) {
  std::map<std::string, std::pair<int64_t, int64_t>> formats;
  int64_t bytes = 0, parameters = 0;
  for (const json::Value &value : *object.getArray("tensors")) {
    const json::Object &tensor = *value.getAsObject();
    auto &[count, sum] = formats[tensor.getString("format")->str()];
    int64_t size = *tensor.getInteger("bytes"), elements = 1;
    ++count, sum += size, bytes += size;
    for (const json::Value &dim : *tensor.getArray("shape"))
      elements *= *dim.getAsInteger();
    parameters += elements;
  }
  json::Object list;
  for (const auto &[name, total] : formats)
    list[name] =
        json::Object{{"tensors", total.first}, {"bytes", total.second}};
  object["formats"] = std::move(list);
  object["bytes"] = bytes;
  // Artefacts know; what they hold is padded, and some of it twice.
  object.try_emplace("parameters", parameters);
}

std::string shapeText(const json::Array &shape) {
  std::string text;
  for (const json::Value &dim : shape)
    text += (text.empty() ? "" : "x") + std::to_string(*dim.getAsInteger());
  return text;
}

/// "50.00 %, 2:4, 3 rows": of one matrix.
std::string zerosText(const json::Object &zeros) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f %%",
                100 * zeros.getNumber("share").value_or(0));
  std::string out = text;
  if (auto pattern = zeros.getString("pattern"))
    out += ", " + pattern->str();
  double blocks = zeros.getNumber("zero_blocks_16x32").value_or(0);
  if (blocks > 0) {
    std::snprintf(text, sizeof text, ", %.2f %% of blocks", 100 * blocks);
    out += text;
  }
  for (auto [key, name] :
       {std::pair("zero_rows", " rows"), std::pair("zero_columns", " columns")})
    if (int64_t count = zeros.getInteger(key).value_or(0))
      out += ", " + std::to_string(count) + name;
  return out;
}

/// The matrices that have zeros.
void printZeros(const json::Object &o) {
  std::printf("\nzeros (and whole blocks of 16x32, rows, columns)\n");
  int64_t matrices = 0, without = 0, zeros = 0, elements = 0;
  for (const json::Value &value : *o.getArray("tensors")) {
    const json::Object &tensor = *value.getAsObject();
    const json::Object *found = tensor.getObject("zeros");
    if (!found)
      continue;
    ++matrices;
    int64_t size = 1, count = found->getInteger("count").value_or(0);
    for (const json::Value &dim : *tensor.getArray("shape"))
      size *= *dim.getAsInteger();
    elements += size;
    zeros += count;
    if (count)
      std::printf("  %-52s %s\n", tensor.getString("name")->str().c_str(),
                  zerosText(*found).c_str());
    else
      ++without;
  }
  std::printf("  %lld of %lld matrices have none; in all %.2f %%\n",
              (long long)without, (long long)matrices,
              elements ? 100 * double(zeros) / double(elements) : 0.0);
}

/// Layers that hold tensors of the same formats and shapes are a kind: where
/// precision is mixed or neurons are gone, a model has several.
void addKinds(json::Object &object) {
  struct Layer {
    std::vector<std::string> tensors; // what they are, in any order
    std::map<std::string, int64_t> formats;
    int64_t bytes = 0;
  };
  std::map<int64_t, Layer> layers;
  for (const json::Value &value : *object.getArray("tensors")) {
    const json::Object &tensor = *value.getAsObject();
    auto number = tensor.getInteger("layer");
    if (!number)
      continue;
    Layer &layer = layers[*number];
    std::string format = tensor.getString("format")->str();
    int64_t bytes = *tensor.getInteger("bytes");
    layer.tensors.push_back(format + " " +
                            shapeText(*tensor.getArray("shape")));
    layer.formats[format] += bytes;
    layer.bytes += bytes;
  }
  std::map<std::vector<std::string>, size_t> known;
  std::vector<std::pair<Layer, json::Array>> kinds;
  for (auto &[number, layer] : layers) {
    std::sort(layer.tensors.begin(), layer.tensors.end());
    auto [it, isNew] = known.emplace(layer.tensors, kinds.size());
    if (isNew)
      kinds.push_back({layer, {}});
    kinds[it->second].second.push_back(number);
  }
  json::Array list;
  for (auto &[layer, numbers] : kinds) {
    json::Object formats;
    for (const auto &[name, bytes] : layer.formats)
      formats[name] = bytes;
    list.push_back(json::Object{{"layers", std::move(numbers)},
                                {"tensors", int64_t(layer.tensors.size())},
                                {"bytes", layer.bytes},
                                {"formats", std::move(formats)}});
  }
  object["kinds"] = std::move(list);
}

/// "0-3, 5".
std::string rangesText(const json::Array &numbers) {
  std::string text;
  for (size_t i = 0; i < numbers.size();) {
    int64_t first = *numbers[i].getAsInteger(), last = first;
    while (++i < numbers.size() && *numbers[i].getAsInteger() == last + 1)
      ++last;
    text += (text.empty() ? "" : ", ") + std::to_string(first);
    if (last > first)
      text += "-" + std::to_string(last);
  }
  return text;
}

void printKinds(const json::Array &kinds) {
  if (kinds.empty())
    return;
  std::printf("\nlayers\n");
  for (const json::Value &value : kinds) {
    const json::Object &kind = *value.getAsObject();
    std::printf("  %-14s %lld tensors, %s each:",
                rangesText(*kind.getArray("layers")).c_str(),
                (long long)*kind.getInteger("tensors"),
                bytesText(uint64_t(*kind.getInteger("bytes"))).c_str());
    const char *comma = " ";
    std::map<std::string, int64_t> formats; // by name
    for (const auto &[name, bytes] : *kind.getObject("formats"))
      formats[name.str()] = *bytes.getAsInteger();
    for (const auto &[name, bytes] : formats) {
      std::printf("%s%s %s", comma, name.c_str(),
                  bytesText(uint64_t(bytes)).c_str());
      comma = ", ";
    }
    std::printf("\n");
  }
}

void print(const std::string &path, const json::Object &o, bool zeros) {
  auto number = [&](const char *key) {
    return (long long)o.getInteger(key).value_or(0);
  };
  std::printf("%s: %s, %s\n", path.c_str(),
              o.getString("architecture").value_or("a module").str().c_str(),
              o.getString("kind")->str().c_str());
  if (o.get("layers"))
    std::printf("%lld layers, hidden %lld, intermediate %lld, %lld heads (%lld "
                "of keys and values) of %lld, vocabulary %lld, context %lld\n",
                number("layers"), number("hidden"), number("intermediate"),
                number("heads"), number("kv_heads"), number("head_dim"),
                number("vocab"), number("context"));
  std::printf("\n");
  for (const json::Value &value : *o.getArray("tensors")) {
    const json::Object &tensor = *value.getAsObject();
    std::string name = tensor.getString("name")->str();
    if (auto layer = tensor.getInteger("layer"); layer && tensor.get("source"))
      name += "[" + std::to_string(*layer) + "]";
    std::string times;
    if (auto activations = tensor.getString("activations"))
      times = ", times " + activations->str();
    std::printf("  %-52s %-12s %-12s %s%s\n", name.c_str(),
                tensor.getString("format")->str().c_str(),
                shapeText(*tensor.getArray("shape")).c_str(),
                bytesText(uint64_t(*tensor.getInteger("bytes"))).c_str(),
                times.c_str());
  }
  std::printf(
      "\n%zu tensors, %lld parameters, %s:", o.getArray("tensors")->size(),
      number("parameters"), bytesText(uint64_t(number("bytes"))).c_str());
  for (const auto &[name, total] : *o.getObject("formats"))
    std::printf(
        " %s %s", name.str().c_str(),
        bytesText(uint64_t(*total.getAsObject()->getInteger("bytes"))).c_str());
  std::printf("\n");
  printKinds(*o.getArray("kinds"));
  if (zeros)
    printZeros(o);
  std::printf("\nvariants\n");
  auto chosen = o.getString("variant");
  for (const json::Value &value : *o.getArray("variants")) {
    const json::Object &variant = *value.getAsObject();
    std::string missing;
    for (const json::Value &name : *variant.getArray("missing"))
      missing +=
          (missing.empty() ? ": lacks " : ", ") + name.getAsString()->str();
    std::printf("  %-24s %s%s\n", variant.getString("name")->str().c_str(),
                variant.getString("name") == chosen ? "this machine takes it"
                : missing.empty()                   ? "could run here"
                                                    : "cannot run here",
                missing.c_str());
  }
}

int run(const InspectArguments &a) {
  bool artefact = isArtefact(a.model);
  if (artefact && a.zeros)
    return fail({ADZE_INVALID_ARGUMENT,
                 a.model + " is an artefact, whose weights are packed",
                 "give the model it was made from; adze verify shows what was "
                 "pruned"});
  auto object = artefact ? inspectArtefact(a.model) : inspectSource(a);
  if (!object)
    return fail(object.error());
  addTotals(*object);
  addKinds(*object);
  if (a.json)
    return printJson(std::move(*object));
  if (const json::Array *warnings = object->getArray("warnings"))
    for (const json::Value &warning : *warnings)
      warn(warning.getAsString()->str());
  print(a.model, *object, a.zeros);
  return ExitOk;
}
} // namespace

void adze::tools::addInspect(CLI::App &app, int &status) {
  CLI::App &command =
      *app.add_subcommand("inspect", "say what is in a model or an artefact");
  auto a = std::make_shared<InspectArguments>();
  command.add_option("MODEL", a->model, "directory, .gguf, .mlir or artefact")
      ->type_name("")
      ->required();
  command
      .add_option("--load-pass-plugin", a->plugins,
                  "shared library with ops or formats that a module uses")
      ->type_name("F.so")
      ->expected(1)
      ->take_all();
  command.add_flag("--zeros", a->zeros,
                   "which zeros the matrices have: 2:4 and 4:8,\n"
                   "blocks of 16x32, whole rows and columns");
  command.add_flag("--json", a->json, "print one JSON object and nothing else");
  command.footer(R"(
Of a model, the tensors are the checkpoint's; of an artefact, the packed weights
with the tensors that they were made from.

examples
  adze inspect model/
  adze inspect model/ --zeros
  adze inspect model.adze.so --json)");
  command.callback([a, &status] { status = run(*a); });
}
