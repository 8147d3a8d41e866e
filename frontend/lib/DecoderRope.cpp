// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- DecoderRope.cpp - Rotary keys of config.json -----------------------===//
//
// Types, scalings and partial factors of rotary embeddings, under the names of
// older and newer versions of transformers.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Architecture.h"
#include "adze/Frontend/Json.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>

using namespace llvm;

namespace adze {

double longRopeScale(double factor, int64_t originalContext) {
  if (factor <= 1.0 || originalContext <= 1)
    return 1.0;
  return std::sqrt(1.0 + std::log(factor) /
                             std::log(static_cast<double>(originalContext)));
}

void chooseLongRope(ConfigReader &reader, StringRef key, const Twine &advice,
                    const ModelConfig &config, int64_t originalContext,
                    std::vector<double> shortFactors,
                    std::vector<double> longFactors, RopeConfig &rope) {
  rope.scaling = RopeConfig::Scaling::Factors;
  bool isLong = config.context > originalContext;
  rope.factors = isLong ? std::move(longFactors) : std::move(shortFactors);
  if (isLong)
    reader.warning(key,
                   "compiled with the rotary factors for a context of " +
                       Twine(config.context) + ", also for texts of up to " +
                       Twine(originalContext) +
                       " tokens, where transformers takes the short ones",
                   advice);
}

static void readLongRope(ConfigReader &reader, int64_t originalContext,
                         const ModelConfig &config, RopeConfig &rope) {
  // The family's own key counts, not the copy in here.
  reader.ignore({"original_max_position_embeddings"});
  double factor =
      reader.positiveRealOr("factor", static_cast<double>(config.context) /
                                          static_cast<double>(originalContext));
  rope.scale = reader.positiveRealOr("attention_factor",
                                     longRopeScale(factor, originalContext));
  std::vector<double> factors[2];
  for (auto [key, list] :
       zip_equal(ArrayRef<StringRef>{"short_factor", "long_factor"}, factors)) {
    list = reader.positiveReals(key);
    size_t pairs = rope.rotatedOf(config.headDim) / 2;
    if (list.size() == pairs)
      continue;
    reader.error(key, "expected a factor for each of the " + Twine(pairs) +
                          " rotated pairs of a head, found " +
                          Twine(list.size()));
    list.assign(pairs, 1.0);
  }
  // The factor keeps the scale, which is that of the longer context.
  chooseLongRope(reader, "long_factor",
                 "for those, set max_position_embeddings to " +
                     Twine(originalContext) + " and factor to " +
                     formatJson(json::Value(factor)) +
                     " in a copy of the configuration",
                 config, originalContext, std::move(factors[0]),
                 std::move(factors[1]), rope);
}

static void readPartial(ConfigReader &reader, const RopeSupport &support,
                        const ModelConfig &config, RopeConfig &rope) {
  constexpr StringLiteral key = "partial_rotary_factor";
  if (!support.partial) {
    reader.require(key, 1.0);
    return;
  }
  if (!reader.has(key))
    return;
  double part = reader.positiveReal(key);
  if (part > 1.0) {
    reader.error(key,
                 "expected a part of the head dimension, at most 1, found " +
                     formatJson(json::Value(part)));
    return;
  }
  int64_t rotated =
      static_cast<int64_t>(static_cast<double>(config.headDim) * part);
  if (rotated < 2 || rotated % 2 != 0) {
    reader.error(key, "expected a part of the head dimension " +
                          Twine(config.headDim) +
                          " that is an even number of channels, found " +
                          Twine(rotated));
    return;
  }
  rope.rotated = rotated == config.headDim ? 0 : rotated;
}

void readRopeObject(ConfigReader &reader, const RopeSupport &support,
                    const ModelConfig &config, RopeConfig &rope) {
  rope.theta = reader.positiveRealOr("rope_theta", rope.theta);
  readPartial(reader, support, config, rope);
  // Older files say "type"; where both are, "rope_type" counts.
  StringRef typeKey = reader.has("rope_type") ? "rope_type" : "type";
  reader.ignore({"type", "rope_type"});
  std::string fallback = reader.has(typeKey) ? "" : "default";
  std::string type = support.longRope
                         ? reader.choose<std::string>(typeKey,
                                                      {{"default", "default"},
                                                       {"longrope", "longrope"},
                                                       {"su", "longrope"},
                                                       {"yarn", "longrope"}},
                                                      fallback)
                         : reader.choose<std::string>(typeKey,
                                                      {{"default", "default"},
                                                       {"linear", "linear"},
                                                       {"llama3", "llama3"}},
                                                      fallback);
  if (type.empty())
    return;
  if (type == "longrope") {
    readLongRope(reader, *support.longRope, config, rope);
  } else if (type == "linear") {
    rope.scaling = RopeConfig::Scaling::Linear;
    rope.factor = reader.positiveReal("factor");
    // Written by newer versions, without a meaning here.
    reader.ignore({"original_max_position_embeddings"});
  } else if (type == "llama3") {
    rope.scaling = RopeConfig::Scaling::Llama3;
    rope.factor = reader.positiveReal("factor");
    rope.lowFreqFactor = reader.positiveReal("low_freq_factor");
    rope.highFreqFactor = reader.positiveReal("high_freq_factor");
    rope.originalContext =
        reader.positiveOr("original_max_position_embeddings", config.context);
  } else if (support.longRope) {
    reader.ignore({"original_max_position_embeddings"});
  }
  reader.finish();
}

void readRope(ConfigReader &reader, const RopeSupport &support,
              ModelConfig &config) {
  RopeConfig &rope = config.rope;
  rope.theta = reader.positiveRealOr("rope_theta", 10000.0);
  readPartial(reader, support, config, rope);
  for (StringRef key : {"rope_scaling", "rope_parameters"})
    if (std::optional<ConfigReader> object = reader.nested(key))
      readRopeObject(*object, support, config, rope);
}

} // namespace adze
