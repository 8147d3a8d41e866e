// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Quantized rows and integer weights for the kernel tests, by plain loops: what
// the storage of both says, and the order in which a linear adds.
#ifndef ADZE_TEST_CODEGEN_KERNELS_QUANTIZEDLAB_H
#define ADZE_TEST_CODEGEN_KERNELS_QUANTIZEDLAB_H

#include "KernelLab.h"
#include "mlir/AsmParser/AsmParser.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>
#include <cstring>
#include <numeric>

namespace adze::test {

/// A row of codes with a scale per group and the sums of runs of codes.
struct QuantizedRow {
  std::vector<int8_t> codes;
  std::vector<float> scales;
  std::vector<int32_t> sums;

  /// With `ranges`, those of the groups.
  QuantizedRow(const std::vector<float> &x, int64_t group, int64_t run,
               const std::vector<float> &ranges = {}) {
    int64_t k = x.size();
    group = group ? group : k;
    codes.resize(k);
    for (int64_t first = 0; first < k; first += group) {
      int64_t end = std::min(k, first + group);
      float most = 0;
      for (int64_t i = first; i < end; ++i)
        most = std::max(most, std::fabs(x[i]));
      if (!ranges.empty())
        most = ranges[first / group];
      float inverse = 127 / most;
      for (int64_t i = first; i < end; ++i) {
        float scaled = x[i] * inverse;
        float code =
            std::min(127.0f, std::max(-127.0f, std::nearbyint(scaled)));
        codes[i] = most == 0 ? 0 : int8_t(code);
      }
      scales.push_back(most / 127);
    }
    for (int64_t first = 0; first < k; first += run)
      sums.push_back(std::accumulate(codes.begin() + first,
                                     codes.begin() + std::min(k, first + run),
                                     int32_t(0)));
  }

  /// As a buffer stores it: each part padded to 64 bytes.
  std::vector<uint8_t> bytes() const {
    std::vector<uint8_t> all;
    auto append = [&](const void *data, size_t size) {
      auto *from = static_cast<const uint8_t *>(data);
      all.insert(all.end(), from, from + size);
      all.resize(llvm::alignTo(all.size(), 64));
    };
    append(codes.data(), codes.size());
    append(scales.data(), scales.size() * 4);
    append(sums.data(), sums.size() * 4);
    return all;
  }
};

/// A weight in an integer format: rows as stored, and panels.
struct IntegerWeight {
  IntegerWeight(IntFormatAttr format, int64_t n, int64_t k)
      : format(format), n(n), k(k), rowBytes(format.getRowBytes(k)),
        rows(n * rowBytes), panels((n + 15) / 16 * format.getPanelBytes(k)) {}

  /// Of random values.
  void fill(std::mt19937 &random) {
    std::normal_distribution<float> normal;
    std::vector<float> values(k);
    for (int64_t r = 0; r < n; ++r) {
      for (float &v : values)
        v = normal(random);
      format.encodeRow(values, {rows.data() + r * rowBytes, size_t(rowBytes)});
    }
    pack();
  }
  void pack() {
    size_t panelBytes = format.getPanelBytes(k);
    for (int64_t p = 0; p < (n + 15) / 16; ++p) {
      std::vector<const uint8_t *> sixteen;
      for (int64_t r = 16 * p; r < 16 * p + 16; ++r)
        sixteen.push_back(r < n ? rows.data() + r * rowBytes : nullptr);
      format.packPanel(sixteen, k,
                       {panels.data() + p * panelBytes, panelBytes});
    }
  }
  std::vector<float> decode(int64_t r) const {
    std::vector<float> values(k);
    format.decodeRow({rows.data() + r * rowBytes, size_t(rowBytes)}, values);
    return values;
  }

  // The parts of a row: codes, scales, zero points (AdzeAttrs.td).
  int64_t group() const {
    return format.getGroupSize() ? format.getGroupSize() : k;
  }
  int64_t groups() const { return (k + group() - 1) / group(); }
  int32_t code(int64_t r, int64_t i) const {
    const uint8_t *row = rows.data() + r * rowBytes;
    return format.getBits() == 8 ? row[i] : row[i / 2] >> i % 2 * 4 & 15;
  }
  Stored scaleType() const {
    return format.getScaleType().isF32()   ? Stored::F32
           : format.getScaleType().isF16() ? Stored::F16
                                           : Stored::BF16;
  }
  int64_t scalesAt() const { return format.getBits() == 8 ? k : (k + 1) / 2; }
  float scale(int64_t r, int64_t g) const {
    return get(rows.data() + r * rowBytes + scalesAt(), scaleType(), g);
  }
  int32_t zero(int64_t r, int64_t g) const {
    if (!format.getZeros())
      return 1 << (format.getBits() - 1);
    return rows.data()[r * rowBytes + scalesAt() +
                       groups() * bytesOf(scaleType()) + g];
  }

  /// Whether the one scale of a row is left to the end.
  bool rowScalesLast(int64_t xGroup) const {
    return xGroup == 0 && format.getGroupSize() != 0;
  }

  /// One output: blocks of K that share all scales, in ascending order.
  float multiply(const QuantizedRow &x, int64_t xGroup, int64_t r) const {
    int64_t block = std::gcd(format.getGroupSize(), xGroup);
    block = block ? block : k;
    int32_t middle = 1 << (format.getBits() - 1);
    bool last = !format.getGroupSize() && !format.getZeros();
    bool rowLast = rowScalesLast(xGroup);
    float sum = 0;
    for (int64_t first = 0; first < k; first += block) {
      int64_t dot = 0, codes = 0;
      for (int64_t i = first; i < std::min(k, first + block); ++i) {
        dot += int64_t(code(r, i) - middle) * x.codes[i];
        codes += x.codes[i];
      }
      int64_t g = first / group();
      float xScale = rowLast ? 1 : x.scales[xGroup ? first / xGroup : 0];
      float factor = last ? xScale : scale(r, g) * xScale;
      sum = std::fma(float(dot), factor, sum);
      if (format.getZeros())
        sum = std::fma(xScale * float(codes),
                       scale(r, g) * float(middle - zero(r, g)), sum);
    }
    return last ? sum * scale(r, 0) : rowLast ? sum * x.scales[0] : sum;
  }

  IntFormatAttr format;
  int64_t n, k, rowBytes;
  Memory rows, panels;
};

inline IntFormatAttr parseIntFormat(KernelLab &lab, const std::string &text) {
  return mlir::dyn_cast_or_null<IntFormatAttr>(
      mlir::parseAttribute(text, &lab.context));
}

} // namespace adze::test

#endif // ADZE_TEST_CODEGEN_KERNELS_QUANTIZEDLAB_H
