// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A checkpoint with zeros in blocks, made of another: what pruning leaves.
#ifndef ADZE_TEST_COMMON_ZEROBLOCKS_H
#define ADZE_TEST_COMMON_ZEROBLOCKS_H

#include "llvm/Support/JSON.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

namespace adze::test {

/// Zeroes that share of the blocks of 16 rows by 32 columns of every matrix of
/// the layers in folder/model.safetensors. Returns how many it zeroed; -1 where
/// the file is not what is expected.
inline int64_t zeroBlocks(const std::filesystem::path &folder, double share) {
  std::filesystem::path path = folder / "model.safetensors";
  std::ifstream in(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), {});
  in.close();
  uint64_t headerBytes = 0;
  if (bytes.size() < 8)
    return -1;
  std::memcpy(&headerBytes, bytes.data(), 8);
  if (headerBytes > bytes.size() - 8)
    return -1;
  auto header =
      llvm::json::parse(llvm::StringRef(bytes).substr(8, headerBytes));
  if (!header || !header->getAsObject()) {
    llvm::consumeError(header.takeError());
    return -1;
  }
  std::mt19937 random(5);
  std::uniform_real_distribution<double> uniform(0, 1);
  int64_t zeroed = 0;
  for (auto &[name, value] : *header->getAsObject()) {
    auto *tensor = value.getAsObject();
    auto *shape = tensor ? tensor->getArray("shape") : nullptr;
    if (!shape || shape->size() != 2 ||
        !llvm::StringRef(name).contains("layers."))
      continue;
    int64_t rows = *(*shape)[0].getAsInteger(),
            cols = *(*shape)[1].getAsInteger();
    int64_t size = *tensor->getString("dtype") == "F32" ? 4 : 2;
    char *data = bytes.data() + 8 + headerBytes +
                 *(*tensor->getArray("data_offsets"))[0].getAsInteger();
    for (int64_t r = 0; r < rows; r += 16)
      for (int64_t k = 0; k < cols; k += 32) {
        if (uniform(random) >= share)
          continue;
        ++zeroed;
        for (int64_t i = r; i < std::min(rows, r + 16); ++i)
          std::memset(data + (i * cols + k) * size, 0,
                      size_t(std::min<int64_t>(32, cols - k) * size));
      }
  }
  std::ofstream(path, std::ios::binary) << bytes;
  return zeroed;
}

} // namespace adze::test

#endif // ADZE_TEST_COMMON_ZEROBLOCKS_H
