// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze bench: speed beside what the machine can do at that moment.
//
//   bytes_per_token  packed weight bytes that a step reads, by the batch (a
//                    tied head once, rows of an embedding table not counted),
//                    and keys and values at the mean context
//   operations       2MNK of the linears that run, and causal attention; of a
//                    decoded token that of its one row. A batch of a few reads
//                    memory at the roof, a large one computes at the peak
//   roof, peak       a plain read of as many bytes and the variant's fastest
//   dot
//                    of such numbers in a loop in registers,
//                    by as many threads: before, between and after; the median

#include "Console.h"
#include "Measure.h"
#include "ModelArguments.h"
#include "StepTiming.h"
#include "Subcommands.h"
#include "llvm/Support/JSON.h"
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace adze;
using namespace adze::tools;
namespace json = llvm::json;

namespace {
struct BenchArguments : ModelArguments {
  uint32_t promptTokens = 512, genTokens = 64, repeat = 3;
  std::vector<uint32_t> batches = {1};
  bool givenPrompt = false, cached = false;
};

/// Sizes of the model that its figures are made of.
struct Sizes {
  uint64_t weightBytes = 0;    // read by a step
  double layerOperations = 0;  // of linears, for one token
  double headOperations = 0;   // for one row of logits
  double attentionPerPair = 0; // for one query and one position, all layers
  uint64_t kvPerToken = 0;
  bool bf16Weights = false, integerWeights = false;
};

int64_t integer(const Model &model, const char *key) {
  int64_t value = 0;
  return adze_model_integer(model.c(), key, &value) == ADZE_OK ? value : 0;
}

Sizes sizesOf(const Model &model) {
  Sizes s;
  for (size_t i = 0; i < adze_model_weight_count(model.c()); ++i) {
    adze_weight_info w = {};
    w.size = sizeof w;
    if (adze_model_weight(model.c(), i, &w))
      continue;
    if (!isReadWhole(w))
      continue;
    bool linear = std::strstr(w.format, "/panels") != nullptr;
    s.weightBytes += w.bytes;
    s.bf16Weights |= linear && !std::strncmp(w.format, "bf16", 4);
    s.integerWeights |= linear && std::strncmp(w.format, "bf16", 4) &&
                        std::strncmp(w.format, "f16", 3) &&
                        std::strncmp(w.format, "f32", 3);
    if (linear)
      (w.layer == ~0u ? s.headOperations : s.layerOperations) +=
          2.0 * double(w.rows) * double(w.cols);
  }
  double hidden = double(integer(model, "hidden")),
         layers = double(integer(model, "layers")),
         heads = double(integer(model, "heads")),
         kvHeads = double(integer(model, "kv_heads")),
         headDim = double(integer(model, "head_dim")),
         inner = double(integer(model, "intermediate")),
         vocabulary = double(integer(model, "vocab"));
  // Without the padding that packing adds, where the sizes are known.
  if (hidden && layers && heads && inner && vocabulary) {
    // Sizes are the largest of any layer: layers may differ.
    s.layerOperations =
        std::min(s.layerOperations,
                 2 * layers * hidden *
                     (2 * heads * headDim + 2 * kvHeads * headDim + 3 * inner));
    s.headOperations = 2 * hidden * vocabulary;
  }
  s.attentionPerPair = 4 * layers * heads * headDim;
  return s;
}

/// The fastest dot of such numbers as this model's that the variant has.
/// (Groups of 32 and blocks of codes do not fill AMX's tiles, and stay below.)
Dot dotOf(const Model &model, const Sizes &sizes) {
  auto variant = model.info("variant");
  std::string name = variant ? *variant : "";
  bool avx512 = name.find("v4") != std::string::npos;
  bool amx = name.find("amx") != std::string::npos;
  if (amx && sizes.integerWeights)
    return Dot::I8Amx;
  if (amx && sizes.bf16Weights)
    return Dot::BF16Amx;
  if (sizes.integerWeights)
    return !avx512                                  ? Dot::I8Avx2
           : name.find("vnni") != std::string::npos ? Dot::I8Vnni
                                                    : Dot::I8Avx512;
  if (!avx512)
    return Dot::F32Avx2;
  return sizes.bf16Weights && name.find("bf16") != std::string::npos
             ? Dot::BF16Avx512
             : Dot::F32Avx512;
}

double secondsOf(const std::function<adze_status()> &work,
                 adze_status &status) {
  auto start = std::chrono::steady_clock::now();
  status = work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

/// Prefill and decode of one batch.
class Bench {
public:
  Bench(const Model &model, const BenchArguments &a, uint32_t batch)
      : model(model), a(a), batch(batch) {}

  /// `done` counts on through all batches of a run.
  Result<void> run(Progress &bar, uint64_t &done) {
    if (auto ready = prepare(); !ready)
      return ready;
    uint64_t steps = a.batches.size() * stepsOf(a);
    auto tick = [&](const char *what) {
      return bar.show(what, done++, steps)
                 ? Error{ADZE_CANCELLED, "stopped", ""}
                 : Error{};
    };
    // The first round brings weights and pages in and is not counted.
    for (uint32_t round = 0; round <= a.repeat; ++round) {
      if (round == 1)
        sample();
      if (Error stop = tick("prefill"); stop.code)
        return stop;
      if (auto ran = prefill(round > 0); !ran)
        return ran;
    }
    sample();
    for (uint32_t round = 0; round < a.repeat; ++round) {
      if (Error stop = tick("decode"); stop.code)
        return stop;
      if (round)
        if (auto ran = prefill(false); !ran)
          return ran;
      if (auto ran = decode(); !ran)
        return ran;
    }
    sample();
    return {};
  }

  static uint64_t stepsOf(const BenchArguments &a) { return 2 * a.repeat + 1; }

  json::Object prefillJson() const {
    double tokens = double(batch) * prompt;
    double operations =
        tokens * sizes.layerOperations + batch * sizes.headOperations +
        batch * sizes.attentionPerPair * prompt * (prompt + 1.0) / 2;
    double rate = median(prefillRates),
           gflops = rate / tokens * operations / 1e9;
    double peak = median(peaks) / 1e9;
    return json::Object{{"tokens_per_second", rate},
                        {"gflops", gflops},
                        {"peak_gflops", peak},
                        {"fraction_of_peak", gflops / peak},
                        {"samples", json::Array(prefillRates)}};
  }
  json::Object decodeJson() const {
    double context = prompt + (a.genTokens + 1) / 2.0;
    double bytes =
        double(sizes.weightBytes) / batch + double(sizes.kvPerToken) * context;
    double rate = median(decodeRates), speed = rate * bytes / 1e9;
    double roof = median(roofs) / 1e9, peak = median(peaks) / 1e9;
    double gflops = rate / 1e9 *
                    (sizes.layerOperations + sizes.headOperations +
                     sizes.attentionPerPair * context);
    return json::Object{{"tokens_per_second", rate},
                        {"bytes_per_token", bytes},
                        {"gb_per_second", speed},
                        {"roof_gb_per_second", roof},
                        {"fraction_of_roof", speed / roof},
                        {"gflops", gflops},
                        {"peak_gflops", peak},
                        {"fraction_of_peak", gflops / peak},
                        {"samples", json::Array(decodeRates)}};
  }
  json::Object machineJson() const {
    auto scaled = [](const std::vector<double> &values) {
      json::Array array;
      for (double value : values)
        array.push_back(value / 1e9);
      return array;
    };
    auto variant = model.info("variant");
    return json::Object{{"variant", variant ? *variant : ""},
                        {"threads", int64_t(pool->threads())},
                        {"roof_gb_per_second", scaled(roofs)},
                        {"peak_gflops", scaled(peaks)}};
  }
  uint32_t promptTokens() const { return prompt; }

private:
  Result<void> prepare() {
    sizes = sizesOf(model);
    prompt = a.promptTokens;
    int64_t most = integer(model, "context");
    if (!a.givenPrompt && most > int64_t(a.genTokens))
      prompt = uint32_t(std::min<int64_t>(prompt, most - a.genTokens));
    auto made = Pool::create(a.options.threads);
    if (!made)
      return made.error();
    pool = std::make_unique<Pool>(std::move(*made));
    adze_session_options o = {};
    o.size = sizeof o;
    o.context = prompt + a.genTokens;
    o.max_sequences = batch;
    o.prefill_chunk = std::max<uint32_t>(512, batch);
    o.pool = pool->c();
    adze_memory memory = {};
    memory.size = sizeof memory;
    adze_session *created = nullptr;
    if (adze_memory_plan(model.c(), &o, &memory) ||
        adze_session_create(model.c(), &o, &created))
      return lastError();
    session.reset(created);
    sizes.kvPerToken = memory.kv_per_token;
    auto tools = Measure::create(pool->threads(), sizes.weightBytes,
                                 dotOf(model, sizes));
    if (!tools)
      return tools.error();
    measure = std::make_unique<Measure>(std::move(*tools));
    return {};
  }

  void sample() {
    roofs.push_back(measure->readRate());
    peaks.push_back(measure->dotRate());
  }

  /// Any ids do; these are spread over the vocabulary.
  int32_t token(uint64_t i) const {
    return int32_t(i * 7919 % adze_session_vocabulary(session.get()));
  }

  Result<void> prefill(bool counted) {
    std::vector<std::vector<int32_t>> tokens(batch);
    std::vector<adze_step_input> inputs(batch);
    uint32_t last = prompt - 1;
    for (uint32_t b = 0; b < batch; ++b) {
      if (adze_sequence_rewind(session.get(), b, 0))
        return lastError();
      for (uint32_t i = 0; i < prompt; ++i)
        tokens[b].push_back(token(uint64_t(b) * prompt + i));
      inputs[b] = {
          sizeof(adze_step_input), b, tokens[b].data(), prompt, &last, 1};
    }
    adze_status status;
    double seconds = secondsOf(
        [&] {
          return adze_step(session.get(), inputs.data(), inputs.size(),
                           &logits);
        },
        status);
    if (status)
      return lastError();
    if (counted)
      prefillRates.push_back(double(batch) * prompt / seconds);
    return {};
  }

  /// Greedy: what is measured is what `adze run` does.
  Result<void> decode() {
    size_t vocabulary = adze_session_vocabulary(session.get());
    adze_sampling greedy = {};
    greedy.size = sizeof greedy;
    std::vector<int32_t> next(batch);
    std::vector<adze_step_input> inputs(batch);
    uint32_t row = 0;
    adze_status status;
    double seconds = secondsOf(
        [&] {
          for (uint32_t i = 0; i < a.genTokens; ++i) {
            for (uint32_t b = 0; b < batch; ++b) {
              if (adze_status failed =
                      adze_sample(session.get(), logits + b * vocabulary,
                                  &greedy, nullptr, 0, i, &next[b]))
                return failed;
              inputs[b] = {sizeof(adze_step_input), b, &next[b], 1, &row, 1};
            }
            if (adze_status failed = adze_step(session.get(), inputs.data(),
                                               inputs.size(), &logits))
              return failed;
          }
          return ADZE_OK;
        },
        status);
    if (status)
      return lastError();
    decodeRates.push_back(double(batch) * a.genTokens / seconds);
    return {};
  }

  const Model &model;
  const BenchArguments &a;
  const uint32_t batch;
  Sizes sizes;
  uint32_t prompt = 0;
  std::unique_ptr<Pool> pool;
  std::unique_ptr<adze_session, detail::SessionDeleter> session;
  std::unique_ptr<Measure> measure;
  const float *logits = nullptr;
  std::vector<double> prefillRates, decodeRates, roofs, peaks;
};

json::Value compileJson(const OpenedModel &opened) {
  const CompileStats &s = opened.compile;
  if (opened.isArtefact || s.fromCache)
    return nullptr;
  return json::Object{{"seconds", s.seconds},
                      {"codegen_seconds", s.codegenSeconds},
                      {"pack_seconds", s.packSeconds},
                      {"peak_rss_bytes", int64_t(s.peakRssBytes)},
                      {"peak_anon_bytes", int64_t(s.peakAnonBytes)}};
}

/// Size of the artefact, whose pages are on disk afterwards: writing them back
/// would take bandwidth from what is measured.
int64_t settle(const Model &model) {
  auto path = model.info("file");
  int fd = path ? open(path->c_str(), O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0)
    return 0;
  struct stat status = {};
  fsync(fd);
  fstat(fd, &status);
  close(fd);
  return int64_t(status.st_size);
}

double number(const json::Object &o, const char *part, const char *key) {
  return o.getObject(part)->getNumber(key).value_or(0);
}

void printMachine(const json::Object &machine) {
  std::printf("%s, %lld threads\n", machine.getString("variant")->str().c_str(),
              (long long)machine.getInteger("threads").value_or(0));
}

void print(const json::Object &o) {
  std::printf("prefill  %9.1f tokens/s  %7.1f GFLOP/s of %7.1f (%.0f %%)\n",
              number(o, "prefill", "tokens_per_second"),
              number(o, "prefill", "gflops"),
              number(o, "prefill", "peak_gflops"),
              100 * number(o, "prefill", "fraction_of_peak"));
  std::printf(
      "decode   %9.1f tokens/s  %7.1f GB/s of %7.1f (%.0f %%), %s a "
      "token, %.1f GFLOP/s (%.0f %%)\n",
      number(o, "decode", "tokens_per_second"),
      number(o, "decode", "gb_per_second"),
      number(o, "decode", "roof_gb_per_second"),
      100 * number(o, "decode", "fraction_of_roof"),
      bytesText(uint64_t(number(o, "decode", "bytes_per_token"))).c_str(),
      number(o, "decode", "gflops"),
      100 * number(o, "decode", "fraction_of_peak"));
}

/// A row per batch: what decoding together gains, and which limit it nears.
void printTable(const json::Array &batches) {
  std::printf("batch  prefill tokens/s  of peak  decode tokens/s     gain  "
              "of roof  of peak  a token\n");
  double first = 0;
  for (const json::Value &value : batches) {
    const json::Object &o = *value.getAsObject();
    double rate = number(o, "decode", "tokens_per_second");
    first = first ? first : rate;
    std::printf(
        "%5lld  %16.1f  %5.0f %%  %15.1f  %6.2f x  %5.0f %%  %5.0f %%  %s\n",
        (long long)o.getInteger("batch").value_or(0),
        number(o, "prefill", "tokens_per_second"),
        100 * number(o, "prefill", "fraction_of_peak"), rate, rate / first,
        100 * number(o, "decode", "fraction_of_roof"),
        100 * number(o, "decode", "fraction_of_peak"),
        bytesText(uint64_t(number(o, "decode", "bytes_per_token"))).c_str());
  }
}

void printCompile(const json::Object &o) {
  if (!o.getObject("compile"))
    return;
  std::printf(
      "compile  %9.2f s  (code %.2f s, weights %.2f s)  %s, at most "
      "%s of memory beside the files\n",
      number(o, "compile", "seconds"), number(o, "compile", "codegen_seconds"),
      number(o, "compile", "pack_seconds"),
      bytesText(uint64_t(*o.getInteger("artefact_bytes"))).c_str(),
      bytesText(uint64_t(number(o, "compile", "peak_anon_bytes"))).c_str());
}

int run(BenchArguments &a) {
  auto opened = openModel(a);
  if (!opened)
    return fail(opened.error());
  int64_t artefactBytes = settle(opened->model);
  if (!opened->isArtefact && !opened->compile.fromCache)
    artefactBytes = int64_t(opened->compile.artefactBytes);
  json::Array batches;
  json::Object object{{"model", a.model},
                      {"gen_tokens", int64_t(a.genTokens)},
                      {"compile", compileJson(*opened)},
                      {"artefact_bytes", artefactBytes}};
  {
    Progress bar(a.json);
    uint64_t done = 0;
    for (uint32_t batch : a.batches) {
      Bench bench(opened->model, a, batch);
      if (auto ran = bench.run(bar, done); !ran)
        return fail(ran.error());
      batches.push_back(json::Object{{"batch", int64_t(batch)},
                                     {"machine", bench.machineJson()},
                                     {"prefill", bench.prefillJson()},
                                     {"decode", bench.decodeJson()}});
      object["prompt_tokens"] = int64_t(bench.promptTokens());
    }
  }
  // One batch is the object itself, several are rows of a list.
  if (batches.size() == 1)
    for (auto &entry : *batches[0].getAsObject())
      object[entry.first] = entry.second;
  else
    object["batches"] = std::move(batches);
  if (a.json)
    return printJson(std::move(object));
  const json::Object &first =
      object.get("batches") ? *(*object.getArray("batches"))[0].getAsObject()
                            : object;
  printMachine(*first.getObject("machine"));
  if (const json::Array *rows = object.getArray("batches"))
    printTable(*rows);
  else
    print(object);
  printCompile(object);
  return ExitOk;
}
} // namespace

void adze::tools::addBench(CLI::App &app, int &status) {
  CLI::App &command = *app.add_subcommand(
      "bench", "measure speed beside what the machine can do");
  auto a = std::make_shared<BenchArguments>();
  a->addTo(command, "directory, .gguf, .mlir or artefact");
  auto count = [&](const char *name, uint32_t &value, const char *help) {
    return command.add_option(name, value, help)
        ->check(CLI::Range(1u, 1u << 24).description(""))
        ->type_name("N");
  };
  auto *prompt = count("--prompt-tokens", a->promptTokens,
                       "tokens of a prefill (default: 512, or what the\n"
                       "context has room for)");
  count("--gen-tokens", a->genTokens, "tokens to make (default: 64)");
  command
      .add_option("--batch", a->batches,
                  "sequences that are decoded together, or several numbers\n"
                  "with commas between for a table (default: 1)")
      ->delimiter(',')
      ->expected(1)
      ->take_all()
      ->check(CLI::Range(1u, 4096u).description(""))
      ->type_name("B,...");
  count("--repeat", a->repeat,
        "rounds, of which the median counts (default: 3)");
  command
      .add_flag("--cached", a->cached,
                "take the artefact from the cache where it is there;\n"
                "`compile` is then null")
      ->group("Compilation");
  a->addOutputTo(command);
  command.footer(R"(
The roof is a plain read of as many bytes as a step reads, the peak a dot loop
in registers of the type that the model uses; both are measured by the same
number of threads before, between and after, and the median counts.

examples
  adze bench model/
  adze bench model/ --weights bf16 --threads 2 --json
  adze bench model.adze.so --prompt-tokens 2048 --gen-tokens 128
  adze bench model.adze.so --prompt-tokens 128 --batch 1,2,4,8,16)");
  command.callback([a, prompt, &status] {
    a->givenPrompt = prompt->count() > 0;
    a->refresh = !a->cached;
    status = run(*a);
  });
}
