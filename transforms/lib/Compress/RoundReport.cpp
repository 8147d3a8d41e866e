// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "RoundReport.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>

using namespace adze;
using namespace adze::detail;
using llvm::ArrayRef;

std::string RoundingError::text() const {
  std::string out;
  llvm::raw_string_ostream(out)
      << llvm::format("error %.3g of the weight, %.3g of what it computes "
                      "(%.3g with plain rounding)",
                      relative, output, plain);
  return out;
}

static double squares(ArrayRef<float> values) {
  double sum = 0;
  for (float value : values)
    sum += double(value) * double(value);
  return sum;
}

double adze::detail::outputOf(ArrayRef<float> x, const InputStatistics &input,
                              ParallelFor parallel) {
  if (!input.gram.empty())
    return energy(x, input.gram, input.columns, parallel);
  double sum = 0;
  for (size_t i = 0, k = input.sumSquares.size(); i < x.size(); ++i)
    sum += double(x[i]) * double(x[i]) * double(input.sumSquares[i % k]);
  return sum;
}

RoundingError adze::detail::measureRounding(IntFormatAttr format,
                                            ArrayRef<float> w,
                                            ArrayRef<float> rounded,
                                            const InputStatistics &input,
                                            ParallelFor parallel) {
  int64_t k = input.columns, n = int64_t(w.size()) / k;
  std::vector<float> change(w.size());
  for (size_t i = 0; i < w.size(); ++i)
    change[i] = w[i] - rounded[i];
  // Where nothing is there to lose, nothing is lost.
  auto ratio = [](double part, double whole) {
    return whole > 0 ? std::max(part, 0.0) / whole : 0.0;
  };
  RoundingError error;
  error.relative = std::sqrt(ratio(squares(change), squares(w)));
  double whole = outputOf(w, input, parallel);
  error.output = ratio(outputOf(change, input, parallel), whole);
  parallel(n, [&](int64_t row) {
    std::vector<uint8_t> bytes(size_t(format.getRowBytes(k)));
    llvm::MutableArrayRef<float> out(change.data() + row * k, size_t(k));
    ArrayRef<float> in = w.slice(size_t(row * k), size_t(k));
    format.encodeRow(in, bytes);
    format.decodeRow(bytes, out);
    for (auto [value, before] : llvm::zip_equal(out, in))
      value = before - value;
  });
  error.plain = ratio(outputOf(change, input, parallel), whole);
  return error;
}

RoundReport::RoundReport(const Statistics &statistics, llvm::StringRef pass)
    : root{{"version", 1},
           {"pass", pass.str()},
           {"model", statistics.model().str()},
           {"text", statistics.text().str()},
           {"sequences", statistics.sequences()},
           {"tokens", statistics.tokens()}} {}

void RoundReport::add(llvm::StringRef tensor, llvm::StringRef format,
                      const WeightTableEntry &entry, const RoundingError &error,
                      llvm::StringRef note) {
  llvm::json::Object weight{
      {"tensor", tensor.str()},
      {"format", format.str()},
      {"file", llvm::sys::path::filename(entry.file).str()},
      {"relative", error.relative},
      {"output", error.output},
      {"plain", error.plain}};
  if (!note.empty())
    weight["note"] = note.str();
  weights.push_back(std::move(weight));
}

llvm::json::Value RoundReport::whole() const {
  llvm::json::Object all(root);
  all["weights"] = llvm::json::Array(weights);
  return all;
}

std::string RoundReport::text() const {
  std::string out;
  llvm::raw_string_ostream(out) << whole();
  return out;
}

llvm::Error RoundReport::write(llvm::StringRef path) const {
  return llvm::writeToOutput(path, [&](llvm::raw_ostream &os) {
    os << llvm::formatv("{0:2}\n", whole());
    return llvm::Error::success();
  });
}
