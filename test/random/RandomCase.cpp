// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Schedules and weights of random cases.

#include "RandomCase.h"
#include <cmath>

using namespace adze;
using namespace adze::test;

std::vector<Batch> adze::test::generateSteps(Random &random,
                                             int64_t vocabulary) {
  struct Sequence {
    int32_t id, done = 0, length;
  };
  std::vector<Sequence> live;
  size_t count = random.between(1, 4);
  for (size_t i = 0; i < count; ++i)
    live.push_back({int32_t(i), 0,
                    int32_t(random.chance(0.1) ? random.between(17, 40)
                                               : random.between(1, 12))});
  std::vector<Batch> steps;
  while (!live.empty()) {
    Batch batch;
    for (Sequence &sequence : live) {
      if (random.chance(0.3))
        continue; // not in this step
      int32_t left = sequence.length - sequence.done;
      int32_t chunk = random.chance(0.5) ? 1 : random.between(1, left);
      std::vector<int32_t> tokens(chunk);
      for (int32_t &token : tokens)
        token = random.below(vocabulary);
      batch.add(sequence.id, sequence.done, tokens, random.chance(0.5));
      sequence.done += chunk;
    }
    std::erase_if(live, [](const Sequence &sequence) {
      return sequence.done == sequence.length;
    });
    if (!batch.tokens.empty())
      steps.push_back(std::move(batch));
  }
  return steps;
}

RandomCase adze::test::makeCase(uint64_t seed) {
  Random random(seed);
  RandomModel model = generateModel(random);
  return {seed, std::move(model.text), generateSteps(random, model.vocabulary)};
}

void adze::test::addWeights(mlir::ModuleOp module, uint64_t seed,
                            MemoryWeightSource &source) {
  Random random(seed ^ 0x5eed), zeros(seed ^ 0xb10c);
  for (auto weight : module.getOps<WeightOp>()) {
    if (!weight.isSource())
      continue;
    WeightType type = weight.getWeightType();
    FormatAttrInterface format = type.getFormat();
    int64_t cols = type.getCols(), rows = type.isVector() ? 1 : type.getRows();
    // Some are zero in blocks of 16 x 32.
    bool hasBlocks = !type.isVector() && zeros.chance(0.3);
    std::vector<bool> isZero(size_t((rows + 15) / 16 * ((cols + 31) / 32)));
    for (auto &&block : isZero)
      block = hasBlocks && zeros.chance(0.6);
    for (int64_t layer : weight.getLayerIndices()) {
      std::vector<uint8_t> bytes(rows * format.getRowBytes(cols));
      std::vector<float> values(cols);
      for (int64_t row = 0; row < rows; ++row) {
        for (float &value : values)
          value = type.isVector() ? 1 + 0.2 * random.normal()
                                  : random.normal() / std::sqrt(double(cols));
        for (int64_t k = 0; k < cols; ++k)
          if (isZero[size_t(row / 16 * ((cols + 31) / 32) + k / 32)])
            values[k] = 0;
        format.encodeRow(values, llvm::MutableArrayRef<uint8_t>(bytes).slice(
                                     row * format.getRowBytes(cols),
                                     format.getRowBytes(cols)));
      }
      source.add(weight.getSourceName(layer), format.getFormatName(),
                 type.getShape(), std::move(bytes));
    }
  }
}
