// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "CompressReport.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>

using namespace adze;
using namespace adze::detail;
using llvm::ArrayRef;

std::string ChangeError::text() const {
  std::string out;
  llvm::raw_string_ostream os(out);
  os << llvm::format("error %.3g of the weight", relative);
  if (output)
    os << llvm::format(", %.3g of what it computes", *output);
  if (plain)
    os << llvm::format(" (%.3g with plain rounding)", *plain);
  return out;
}

void ChangeError::addTo(llvm::json::Object &object) const {
  object["relative"] = relative;
  object["zeros"] = zeros;
  if (output)
    object["output"] = *output;
  if (plain)
    object["plain"] = *plain;
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

/// Where nothing is there to lose, nothing is lost.
static double ratio(double part, double whole) {
  return whole > 0 ? std::max(part, 0.0) / whole : 0.0;
}

/// `change` becomes what plain rounding takes off `w`.
static void roundPlainly(IntFormatAttr format, ArrayRef<float> w, int64_t k,
                         llvm::MutableArrayRef<float> change,
                         ParallelFor parallel) {
  parallel(int64_t(w.size()) / k, [&](int64_t row) {
    std::vector<uint8_t> bytes(size_t(format.getRowBytes(k)));
    auto out = change.slice(size_t(row * k), size_t(k));
    ArrayRef<float> in = w.slice(size_t(row * k), size_t(k));
    format.encodeRow(in, bytes);
    format.decodeRow(bytes, out);
    for (auto [value, before] : llvm::zip_equal(out, in))
      value = before - value;
  });
}

ChangeError adze::detail::measureChange(ArrayRef<float> w,
                                        ArrayRef<float> after,
                                        const InputStatistics &input,
                                        ParallelFor parallel,
                                        IntFormatAttr rounded) {
  std::vector<float> change(w.size());
  for (size_t i = 0; i < w.size(); ++i)
    change[i] = w[i] - after[i];
  ChangeError error;
  error.relative = std::sqrt(ratio(squares(change), squares(w)));
  error.zeros = ratio(double(llvm::count(after, 0.0f)), double(after.size()));
  if (!input.columns)
    return error;
  double whole = outputOf(w, input, parallel);
  error.output = ratio(outputOf(change, input, parallel), whole);
  if (rounded) {
    roundPlainly(rounded, w, input.columns, change, parallel);
    error.plain = ratio(outputOf(change, input, parallel), whole);
  }
  return error;
}

CompressReport::CompressReport(const Statistics *statistics,
                               llvm::StringRef pass)
    : root{{"version", 1}, {"pass", pass.str()}} {
  if (!statistics)
    return;
  root["model"] = statistics->model().str();
  root["text"] = statistics->text().str();
  root["sequences"] = statistics->sequences();
  root["tokens"] = statistics->tokens();
}

llvm::json::Value CompressReport::whole() const {
  llvm::json::Object all(root);
  all["weights"] = llvm::json::Array(weights);
  return all;
}

std::string CompressReport::text() const {
  std::string out;
  llvm::raw_string_ostream(out) << whole();
  return out;
}

llvm::Error CompressReport::write(llvm::StringRef path) const {
  return llvm::writeToOutput(path, [&](llvm::raw_ostream &os) {
    os << llvm::formatv("{0:2}\n", whole());
    return llvm::Error::success();
  });
}
