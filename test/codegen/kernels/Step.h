// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A step's batch and KV pages for the kernel tests: sequences with so many
// positions already in the cache and so many new rows, pages in shuffled order.
#ifndef ADZE_TEST_CODEGEN_KERNELS_STEP_H
#define ADZE_TEST_CODEGEN_KERNELS_STEP_H

#include "KernelLab.h"
#include "adze/Codegen/KernelBuilder.h"
#include <algorithm>
#include <gtest/gtest.h>
#include <numeric>

namespace adze::test {

struct Sequence {
  int64_t past, rows;
};

class Step {
public:
  Step(KernelLab &lab, std::vector<Sequence> sequences, int64_t layers,
       int64_t kvHeads, int64_t headDim, Stored kv, std::mt19937 &random)
      : sequences(std::move(sequences)) {
    mlir::Type type =
        kv == Stored::F32  ? mlir::Type(mlir::Float32Type::get(&lab.context))
        : kv == Stored::I8 ? mlir::Type(mlir::IntegerType::get(&lab.context, 8))
        : kv == Stored::F16 ? mlir::Type(mlir::Float16Type::get(&lab.context))
                            : mlir::Type(mlir::BFloat16Type::get(&lab.context));
    view.layerBytes = kvHeads * kvHeadBytes(headDim, type);
    view.pageBytes = layers * view.layerBytes;
    rowBegin.push_back(0);
    int64_t most = 0, total = 0;
    for (size_t s = 0; s < this->sequences.size(); ++s) {
      Sequence q = this->sequences[s];
      for (int64_t r = 0; r < q.rows; ++r) {
        positions.push_back(q.past + r);
        seqs.push_back(s);
      }
      rowBegin.push_back(positions.size());
      int64_t count = (q.past + q.rows + 63) / 64;
      most = std::max(most, count);
      total += count;
    }
    std::vector<int32_t> order(total);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    pages.assign(this->sequences.size() * most, -1);
    int64_t next = 0;
    for (size_t s = 0; s < this->sequences.size(); ++s) {
      Sequence q = this->sequences[s];
      for (int64_t p = 0; p < (q.past + q.rows + 63) / 64; ++p)
        pages[s * most + p] = order[next++];
    }
    pool = std::make_unique<Memory>(total * view.pageBytes);
    view.rows = positions.size();
    view.sequences = this->sequences.size();
    view.pagesPerSeq = most;
    view.positions = positions.data();
    view.seqs = seqs.data();
    view.rowBegin = rowBegin.data();
    view.pages = pages.data();
  }

  std::vector<Sequence> sequences;
  std::vector<int32_t> positions, seqs, rowBegin, pages;
  std::unique_ptr<Memory> pool;
  BatchView view = {};
};

/// Appends k and v (rows of kvHeads * headDim for positions 0 .. of every
/// sequence, sequence after sequence) by the kv_append kernel.
inline void appendAll(KernelLab &lab, const TargetVariant &variant, Step &step,
                      const Matrix &k, const Matrix &v, int64_t layer,
                      int64_t kvHeads, int64_t headDim, Stored kv) {
  auto kernel = lab.compile(
      "adze.kernel @append kv_append {heads = " + std::to_string(kvHeads) +
          " : i64, head_dim = " + std::to_string(headDim) +
          " : i64, in = " + nameOf(k.type) + ", kv = " + nameOf(kv) + "}",
      variant);
  if (!kernel)
    llvm::report_fatal_error(lab.errors.c_str());
  BatchView all = step.view;
  std::vector<int32_t> positions, seqs;
  for (size_t s = 0; s < step.sequences.size(); ++s)
    for (int64_t p = 0; p < step.sequences[s].past + step.sequences[s].rows;
         ++p) {
      positions.push_back(p);
      seqs.push_back(s);
    }
  all.positions = positions.data();
  all.seqs = seqs.data();
  (*kernel)(0, positions.size(), &all,
            {word(k), word(v), word(*step.pool), uint64_t(layer)});
}

inline std::string
variantName(const testing::TestParamInfo<const TargetVariant *> &info) {
  std::string name = info.param->name.str();
  for (char &c : name)
    c = std::isalnum(c) ? c : '_';
  return name;
}

} // namespace adze::test

#endif // ADZE_TEST_CODEGEN_KERNELS_STEP_H
