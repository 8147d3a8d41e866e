// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Opens the artefact it is given with the C++ header.
#include <adze/runtime.hpp>
#include <cstdio>

int main(int argc, char **argv) {
  auto model = adze::Model::open(argc > 1 ? argv[1] : "");
  if (!model) {
    std::fprintf(stderr, "%s\n", model.error().text().c_str());
    return 1;
  }
  std::printf("variant %s\n", model->info("variant").or_throw().c_str());
}
