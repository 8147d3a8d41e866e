// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "Facts.h"
#include "../ModelArguments.h"
#include "Plan.h"
#include "StepTimes.h"
#include "Values.h"
#include <optional>

using namespace adze;
using namespace adze::tools;
namespace json = llvm::json;

namespace {

/// The JSON under `key` of a model; empty where there is none.
Result<json::Object> objectOf(const Model &model, const char *key,
                              const std::string &artefact) {
  auto text = model.info(key);
  if (!text)
    return json::Object();
  auto parsed = json::parse(*text);
  json::Object *object = parsed ? parsed->getAsObject() : nullptr;
  if (object)
    return std::move(*object);
  llvm::consumeError(parsed.takeError());
  return Error{ADZE_BAD_ARTEFACT,
               artefact + ": its " + key + " is no JSON object",
               "compile the model again"};
}

/// The number in "model.layers.3.mlp", or -1.
int64_t layerIn(llvm::StringRef name) {
  while (!name.empty()) {
    auto [head, tail] = name.split('.');
    int64_t number;
    if (!head.getAsInteger(10, number))
      return number;
    name = tail;
  }
  return -1;
}

class Gatherer {
public:
  Gatherer(const FactsOptions &options, const Model &model)
      : options(options), model(model) {}

  Result<json::Object> run(Progress &progress) {
    for (auto read : {&Gatherer::readTables, &Gatherer::readPlan})
      if (auto done = (this->*read)(); !done)
        return done.error();
    addMaking();
    addErrors();
    if (auto done = measure(progress); !done)
      return done.error();
    addLayers();
    addPhases();
    facts["notes"] = std::move(notes);
    return std::move(facts);
  }

private:
  Result<void> readTables() {
    auto meta = objectOf(model, "meta", options.artefact);
    if (!meta)
      return meta.error();
    auto made = objectOf(model, "proof", options.artefact);
    if (!made)
      return made.error();
    proof = std::move(*made);
    if (auto done = weights.read(model); !done)
      return done;
    facts["artefact"] = json::fixUTF8(options.artefact);
    if (auto id = model.info("id"))
      facts["id"] = *id;
    if (auto compiler = meta->getString("compiler"))
      facts["compiler"] = compiler->str();
    for (const char *key : {"activations", "compiler", "chat_template"})
      meta->erase(key);
    facts["parameters"] =
        meta->getInteger("parameters").value_or(int64_t(weights.parameters));
    facts["model"] = std::move(*meta);
    facts["weight_bytes"] = int64_t(weights.bytes);
    facts["formats"] = weights.formats();
    json::Array names;
    for (size_t i = 0; i < adze_model_variant_count(model.c()); ++i) {
      adze_variant_info v = {};
      v.size = sizeof v;
      if (adze_model_variant(model.c(), i, &v))
        return lastError();
      names.push_back(std::string(v.name));
    }
    facts["variants"] = std::move(names);
    if (auto variant = model.info("variant"))
      facts["variant"] = *variant;
    return {};
  }

  /// The plan of the variant that runs here, or else of the best.
  Result<void> readPlan() {
    auto schedule = objectOf(model, "schedule", options.artefact);
    if (!schedule)
      return schedule.error();
    const json::Array *plans = schedule->getArray("plans");
    auto variant = facts.getString("variant");
    for (size_t i = 0; plans && i < plans->size(); ++i) {
      const json::Object *candidate = (*plans)[i].getAsObject();
      const json::Array *of =
          candidate ? candidate->getArray("variants") : nullptr;
      if (!of || (variant && !llvm::is_contained(*of, json::Value(*variant))))
        continue;
      plan = json::Object(*candidate);
      break;
    }
    if (plan.empty()) {
      notes.push_back("the artefact does not say what it launches: it was "
                      "written by an older compiler");
      return {};
    }
    auto found = phasesOf(plan, weights, options.artefact);
    if (!found)
      return found.error();
    phases = std::move(*found);
    uint64_t bytes = 0;
    for (const Phase &phase : phases)
      bytes += phase.bytes, attentions += phase.attentions;
    facts["bytes_per_token"] = int64_t(bytes);
    facts["schedule"] = json::Object(plan);
    return {};
  }

  /// Of the proof, what it says of how the artefact was made and tested.
  void addMaking() {
    if (const json::Value *compiler = proof.get("compiler"))
      facts["compiler"] = *compiler;
    for (const char *key :
         {"recipe", "quality", "kernels", "packing", "scaling", "ranges",
          "candidates", "forced", "checkpoint"})
      if (const json::Value *value = proof.get(key))
        facts[key] = *value;
    if (const json::Value *rules = proof.get("formats"))
      facts["rules"] = *rules; // of the weights as they are: "formats"
    for (const char *key : {"scaling", "pruning", "ranges", "rounding"})
      if (const json::Object *report = proof.getObject(key);
          report && report->getString("text")) {
        json::Object calibration;
        for (const char *field : {"text", "model", "tokens", "sequences"})
          if (const json::Value *value = report->get(field))
            calibration[field] = *value;
        facts["calibration"] = std::move(calibration);
      }
    if (!proof.get("quality"))
      notes.push_back(
          "quality was not measured: adze compile --text FILE does");
  }

  void addErrors() {
    json::Array list;
    auto take = [&](const json::Object &row, const char *name,
                    const char *relative, std::string by) {
      auto weight = row.getString(name);
      if (!weight)
        return;
      json::Object error{{"weight", weight->str()}, {"by", std::move(by)}};
      if (int64_t layer = layerIn(*weight); layer >= 0)
        error["layer"] = layer;
      if (auto value = row.getNumber(relative))
        error["relative"] = *value;
      for (const char *key : {"format", "pattern", "output", "plain", "zeros"})
        if (const json::Value *value = row.get(key))
          error[key] = *value;
      list.push_back(std::move(error));
    };
    for (const char *key : {"pruning", "rounding"}) {
      const json::Object *report = proof.getObject(key);
      const json::Array *rows = report ? report->getArray("weights") : nullptr;
      bool pruning = llvm::StringRef(key) == "pruning";
      for (size_t i = 0; rows && i < rows->size(); ++i)
        if (const json::Object *row = (*rows)[i].getAsObject();
            // Rounded in the same sweep: `rounding` has that row as well.
            row && !(pruning && row->get("format")))
          take(*row, "tensor", "relative",
               report->getString("pass").value_or(key).str());
    }
    const json::Array *rows = proof.getArray("errors");
    for (size_t i = 0; rows && i < rows->size(); ++i)
      if (const json::Object *row = (*rows)[i].getAsObject())
        take(*row, "weight", "relative_error", "cast");
    facts["errors"] = std::move(list);
  }

  Result<void> measure(Progress &progress) {
    const char *why = nullptr;
    if (!options.measure)
      why = "it was not asked for";
    else if (!facts.get("variant"))
      why = "no variant of the artefact runs on this machine";
    else if (phases.empty() || plan.getString("entry") != "step")
      why = "the artefact has no step that is described";
    if (why) {
      notes.push_back(std::string("time was not measured: ") + why);
      return {};
    }
    uint64_t bytes = 0;
    for (const Phase &phase : phases)
      bytes += phase.bytes;
    auto measured =
        measureStep(model, phases.size(), bytes, options.threads, progress);
    if (!measured)
      return measured.error();
    times = std::move(*measured);
    if (times->phases.empty())
      notes.push_back("the time of layers is missing: a step passed another "
                      "number of barriers than the artefact's plan has");
    double all = 0, sum = 0;
    for (const Phase &phase : phases)
      all += roofSeconds(phase);
    for (double seconds : times->phases)
      sum += seconds;
    if (sum > 0 && times->stepSeconds > 1.3 * sum)
      notes.push_back(
          "the machine was busy: half of the steps took more than " +
          timeText(times->stepSeconds) +
          ", while the times of their phases, each the median, add "
          "up to " +
          timeText(sum));
    facts["step"] = json::Object{{"threads", int64_t(times->threads)},
                                 {"seconds", times->stepSeconds},
                                 {"tokens_per_second", 1 / times->stepSeconds},
                                 {"read_bytes_per_second", times->readRate},
                                 {"roof_seconds", all},
                                 {"context", times->context},
                                 {"samples", int64_t(times->samples)}};
    return {};
  }

  /// Keys and values of attention included.
  double bytesOf(const Phase &phase) const {
    double bytes = double(phase.bytes);
    if (times && attentions)
      bytes += phase.attentions * double(times->kvPerToken) / attentions *
               times->context;
    return bytes;
  }
  double roofSeconds(const Phase &phase) const {
    return bytesOf(phase) / times->readRate;
  }
  bool haveTimes() const { return times && !times->phases.empty(); }

  void addLayers() {
    struct Sum {
      double bytes = 0, seconds = 0, roof = 0;
      double byKind[3] = {};
      std::set<std::string> formats;
    };
    std::vector<std::pair<std::pair<size_t, int64_t>, Sum>> places;
    for (size_t i = 0; i < phases.size(); ++i) {
      const Phase &phase = phases[i];
      std::pair<size_t, int64_t> place(phase.layer < 0 ? phase.part : 0,
                                       phase.layer);
      if (places.empty() || places.back().first != place)
        places.push_back({place, {}});
      Sum &sum = places.back().second;
      sum.bytes += bytesOf(phase);
      sum.formats.insert(phase.formats.begin(), phase.formats.end());
      if (times)
        sum.roof += roofSeconds(phase);
      if (haveTimes()) {
        sum.seconds += times->phases[i];
        sum.byKind[int(phase.kind)] += times->phases[i];
      }
    }
    std::map<int64_t, std::pair<double, int64_t>> errors;
    for (const json::Value &value : *facts.getArray("errors")) {
      const json::Object &error = *value.getAsObject();
      auto layer = error.getInteger("layer");
      auto relative = error.getNumber("relative");
      if (!layer || !relative)
        continue;
      auto &[sum, count] = errors[*layer];
      sum += *relative, ++count;
    }
    json::Array list;
    const json::Array *parts = plan.getArray("parts");
    for (auto &[place, sum] : places) {
      json::Object layer{{"bytes", sum.bytes},
                         {"formats", json::Array(sum.formats)}};
      if (place.second >= 0) {
        layer["layer"] = place.second;
        if (auto it = errors.find(place.second); it != errors.end())
          layer["error"] = it->second.first / double(it->second.second);
      } else {
        layer["place"] = (*parts)[place.first]
                             .getAsObject()
                             ->getString("part")
                             .value_or("before")
                             .str();
      }
      if (times)
        layer["roof_seconds"] = sum.roof;
      if (haveTimes()) {
        layer["seconds"] = sum.seconds;
        layer["seconds_matrices"] = sum.byKind[0];
        layer["seconds_attention"] = sum.byKind[1];
        layer["seconds_rest"] = sum.byKind[2];
      }
      list.push_back(std::move(layer));
    }
    facts["layers"] = std::move(list);
  }

  /// Phases of the same launches, over the layers that have them.
  void addPhases() {
    struct Sum {
      json::Object phase;
      double bytes = 0, seconds = 0, roof = 0;
      int64_t count = 0, first = -1, last = -1;
    };
    std::vector<Sum> sums; // in the order of the first of each
    std::map<std::string, size_t> known;
    int64_t ordinal = 0; // in its layer
    for (size_t i = 0; i < phases.size(); ++i) {
      bool isNext = i && phases[i].part == phases[i - 1].part &&
                    phases[i].layer == phases[i - 1].layer;
      ordinal = isNext ? ordinal + 1 : 0;
      json::Object described = describe(phases[i]);
      std::string key = std::to_string(ordinal) + textOf(described, "part") +
                        phaseText(described);
      auto [it, isNew] = known.emplace(key, sums.size());
      if (isNew) {
        sums.emplace_back();
        sums.back().phase = std::move(described);
        sums.back().first = phases[i].layer;
      }
      Sum &sum = sums[it->second];
      sum.last = phases[i].layer;
      ++sum.count;
      sum.bytes += bytesOf(phases[i]);
      if (times)
        sum.roof += roofSeconds(phases[i]);
      if (haveTimes())
        sum.seconds += times->phases[i];
    }
    json::Array list;
    for (Sum &sum : sums) {
      double n = double(sum.count);
      sum.phase["layers"] = sum.count;
      if (sum.first >= 0) {
        sum.phase["first"] = sum.first;
        sum.phase["last"] = sum.last;
      }
      sum.phase["bytes"] = sum.bytes / n;
      if (times)
        sum.phase["roof_seconds"] = sum.roof / n;
      if (haveTimes())
        sum.phase["seconds"] = sum.seconds / n;
      list.push_back(std::move(sum.phase));
    }
    facts["phases"] = std::move(list);
  }

  json::Object describe(const Phase &phase) const {
    const json::Object &part =
        *(*plan.getArray("parts"))[phase.part].getAsObject();
    const json::Array &launches = *part.getArray("launches");
    json::Array described;
    for (size_t l = phase.begin; l < phase.end && l < launches.size(); ++l) {
      const json::Object &launch = *launches[l].getAsObject();
      described.push_back(json::Object{{"op", textOf(launch, "op")},
                                       {"source", textOf(launch, "source")}});
    }
    return json::Object{{"part", textOf(part, "part")},
                        {"launches", std::move(described)}};
  }

  const FactsOptions &options;
  const Model &model;
  WeightTable weights;
  json::Object facts, proof, plan;
  json::Array notes;
  std::vector<Phase> phases;
  unsigned attentions = 0; // launches of a step
  std::optional<StepTimes> times;
};

} // namespace

Result<json::Object> adze::tools::reportFacts(const FactsOptions &options,
                                              Progress &progress) {
  auto model = openOrDescribe(options.artefact);
  if (!model)
    return model.error();
  return Gatherer(options, *model).run(progress);
}
