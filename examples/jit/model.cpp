// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compiles a model in this process and makes 20 tokens:  jit-model MODEL
// The second run takes it from the cache.

#include "adze/Compiler.h"

#include <cstdio>

int main(int argc, char **argv) {
  if (argc != 2)
    return std::fprintf(stderr, "usage: %s MODEL\n", argv[0]), 2;
  try {
    adze::CompileOptions options;
    adze::Sampling sampling;
    sampling.maxTokens = 20;
    sampling.ignoreEos = true;
    auto model = adze::compile(argv[1], options).or_throw();
    auto session = model.session().or_throw();
    auto made = session.generate({0}, sampling).or_throw();
    for (int32_t token : made.tokens)
      std::printf("%d ", token);
    std::printf("\n");
  } catch (const std::exception &problem) {
    return std::fprintf(stderr, "%s\n", problem.what()), 1;
  }
}
