// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// embed MODEL OUTPUT: compiles in this process and ahead of time; both must
// continue a prompt with the same tokens.
#include <adze/Compiler.h>
#include <cstdio>
#include <string>

static std::vector<int32_t> eightTokens(const adze::Model &model) {
  auto session = model.session().or_throw();
  adze::Sampling greedy;
  greedy.maxTokens = 8;
  greedy.ignoreEos = true;
  return session.generate({1, 2, 3}, greedy).or_throw().tokens;
}

int main(int argc, char **argv) {
  if (argc != 3)
    return 2;
  adze::CompileOptions options;
  options.target = "host";
  options.cache = false;
  auto here = eightTokens(adze::compile(argv[1], options).or_throw());
  adze::compileToFile(argv[1], argv[2], options).or_throw();
  auto ahead = eightTokens(adze::Model::open(argv[2]).or_throw());
  for (int32_t id : here)
    std::printf("%d ", id);
  std::printf("\n");
  if (here.size() == 8 && here == ahead)
    return 0;
  std::fprintf(stderr, "JIT and artefact differ\n");
  return 1;
}
