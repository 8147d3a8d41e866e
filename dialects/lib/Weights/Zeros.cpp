// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "adze/Weights/Zeros.h"
#include "llvm/ADT/STLExtras.h"

using namespace adze;

static constexpr int64_t kBlockRows = 16, kBlockColumns = 32;

/// Groups of `size` in a row, and those with at least half of it zeros.
static void countGroups(llvm::ArrayRef<float> row, int64_t size,
                        int64_t &groups, int64_t &sparse) {
  if (int64_t(row.size()) % size)
    return;
  for (size_t i = 0; i < row.size(); i += size_t(size)) {
    ++groups;
    sparse += llvm::count(row.slice(i, size_t(size)), 0.0f) * 2 >= size;
  }
}

llvm::Expected<ZeroCounts> adze::countZeros(const WeightEvaluator &weights,
                                            WeightOp weight, int64_t layer) {
  WeightType type = weight.getWeightType();
  ZeroCounts counts;
  counts.rows = type.getRows();
  counts.columns = type.getCols();
  size_t k = size_t(counts.columns);
  std::vector<float> values(kBlockRows * k);
  std::vector<bool> columnHas(k), blockHas;
  for (int64_t first = 0; first < counts.rows; first += kBlockRows) {
    int64_t some = std::min(kBlockRows, counts.rows - first);
    if (llvm::Error error =
            weights.readRows(weight, layer, first, some, values.data()))
      return std::move(error);
    blockHas.assign((k + kBlockColumns - 1) / kBlockColumns, false);
    for (int64_t r = 0; r < some; ++r) {
      llvm::ArrayRef<float> row(values.data() + size_t(r) * k, k);
      int64_t zeros = llvm::count(row, 0.0f);
      counts.zeros += zeros;
      counts.zeroRows += zeros == counts.columns;
      countGroups(row, 4, counts.groups4, counts.sparse4);
      countGroups(row, 8, counts.groups8, counts.sparse8);
      for (auto [i, value] : llvm::enumerate(row))
        if (value != 0) {
          columnHas[i] = true;
          blockHas[i / kBlockColumns] = true;
        }
    }
    counts.blocks += int64_t(blockHas.size());
    counts.zeroBlocks += llvm::count(blockHas, false);
  }
  counts.zeroColumns = llvm::count(columnHas, false);
  return counts;
}

std::string ZeroCounts::pattern() const {
  if (groups4 && sparse4 == groups4)
    return "2:4";
  if (groups8 && sparse8 == groups8)
    return "4:8";
  bool inBlocks =
      double(zeroBlocks * kBlockRows * kBlockColumns) >= 0.99 * double(zeros);
  return zeroBlocks && inBlocks ? "16x32" : "";
}
