// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A random decoder with its weights and the steps it is run for, all from one
// seed.
#ifndef ADZE_TEST_RANDOM_RANDOMCASE_H
#define ADZE_TEST_RANDOM_RANDOMCASE_H

#include "Random.h"
#include "adze/Interpreter/Interpreter.h"

namespace adze::test {

/// A model-level module with an entry @step, as text.
struct RandomModel {
  std::string text;
  int64_t vocabulary = 1;
};
RandomModel generateModel(Random &random);

/// One to four sequences, prefilled in random chunks and then decoded, joining
/// and leaving. Every step asks for at least one row.
std::vector<Batch> generateSteps(Random &random, int64_t vocabulary);

struct RandomCase {
  uint64_t seed = 0;
  std::string text;
  std::vector<Batch> steps;
};
RandomCase makeCase(uint64_t seed);

/// Values for every source weight of `module`: matrices around
/// 1 / sqrt(columns), vectors around 1.
void addWeights(mlir::ModuleOp module, uint64_t seed,
                MemoryWeightSource &source);

} // namespace adze::test

#endif // ADZE_TEST_RANDOM_RANDOMCASE_H
