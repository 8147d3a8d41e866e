// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header; the layouts are in the description of adze.unpack.

#include "UnpackSparse.h"
#include "../Formats/FiniteCheck.h"
#include "adze/Dialect/Adze/FormatName.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace adze;
using namespace adze::detail;
using llvm::createStringError;
using llvm::Error;
using llvm::Expected;

ArrayRef<llvm::StringLiteral> SparseRows::parts(StringRef packing) {
  static constexpr llvm::StringLiteral masked[] = {".weight_orig",
                                                   ".weight_mask"};
  static constexpr llvm::StringLiteral sparse24[] = {".compressed", ".bitmask"};
  if (packing == "masked")
    return masked;
  if (packing == "sparse24")
    return sparse24;
  return {};
}

SparseRows::SparseRows(UnpackOp op)
    : format(op.getType().getFormat()), isMasked(op.getPacking() == "masked"),
      rows(op.getType().getRows()), cols(op.getType().getCols()),
      elementBytes(format.getRowBytes(1)) {}

Error SparseRows::check(const Tensor &tensor, ArrayRef<StringRef> types,
                        int64_t columns, const Twine &what) const {
  bool isMine =
      llvm::is_contained(types, tensor.view.dtype) &&
      ArrayRef<int64_t>(tensor.view.shape) == ArrayRef<int64_t>{rows, columns};
  if (isMine)
    return Error::success();
  std::string shape =
      llvm::join(llvm::map_range(tensor.view.shape,
                                 [](int64_t d) { return llvm::itostr(d); }),
                 ", ");
  return createStringError("tensor \"" + tensor.name + "\": expected " + what +
                           " in " + llvm::join(types, ", ") + " [" +
                           Twine(rows) + ", " + Twine(columns) + "], found " +
                           tensor.view.dtype + " [" + shape + "]");
}

Expected<SparseRows> SparseRows::bind(UnpackOp op, int64_t layer,
                                      WeightSource &source) {
  SparseRows result(op);
  ArrayRef<llvm::StringLiteral> names = parts(op.getPacking());
  Tensor *tensors[] = {&result.values, &result.bits};
  for (auto [tensor, suffix] : llvm::zip_equal(tensors, names)) {
    tensor->name = op.getSourceName(layer) + suffix.str();
    Expected<TensorView> view = source.lookup(tensor->name);
    if (!view)
      return view.takeError();
    tensor->view = std::move(*view);
  }
  std::string own = result.format.getFormatName();
  if (result.isMasked) {
    if (Error error = result.check(result.values, {own}, result.cols,
                                   "the weight before its mask"))
      return std::move(error);
    if (Error error =
            result.check(result.bits, {"f32", "f16", "bf16", "bool", "u8"},
                         result.cols, "the mask of the weight"))
      return std::move(error);
    StringRef type = result.bits.view.dtype;
    if (type != "bool" && type != "u8") {
      auto read = parseFormatName(type, op.getContext());
      if (!read)
        return read.takeError();
      result.maskFormat = *read;
    }
    return result;
  }
  if (Error error = result.check(result.values, {own}, result.cols / 2,
                                 "the values that are kept"))
    return std::move(error);
  if (Error error =
          result.check(result.bits, {"u8"}, llvm::divideCeil(result.cols, 8),
                       "a bit for each element"))
    return std::move(error);
  return result;
}

/// What a mask makes of finite weights is finite.
Error SparseRows::mask(int64_t row, uint8_t *out) const {
  size_t n = size_t(cols), size = n * size_t(elementBytes);
  std::vector<float> w(n), factors(n);
  format.decodeRow(ArrayRef(values.view.data + size_t(row) * size, size), w);
  if (maskFormat) {
    size_t bytes = size_t(maskFormat.getRowBytes(cols));
    maskFormat.decodeRow(ArrayRef(bits.view.data + size_t(row) * bytes, bytes),
                         factors);
  } else {
    std::copy_n(bits.view.data + size_t(row) * n, n, factors.begin());
  }
  std::vector<float> product(n);
  for (size_t k = 0; k < n; ++k)
    product[k] = factors[k] == 0 ? 0 : w[k] * factors[k];
  llvm::MutableArrayRef<uint8_t> made(out, size);
  format.encodeRow(product, made);
  std::optional<int64_t> bad = findNotFinite(format, made, cols);
  if (!bad)
    return Error::success();
  float value = w[size_t(*bad)], factor = factors[size_t(*bad)];
  if (std::isfinite(factor) && !std::isfinite(value))
    return Error::success(); // as other weights are, the reader says so
  std::string found = std::isnan(factor)      ? "nan"
                      : std::isfinite(factor) ? std::to_string(factor)
                      : factor < 0            ? "-inf"
                                              : "inf";
  return createStringError(
      "tensor \"" + bits.name + "\": row " + Twine(row) + ", column " +
      Twine(*bad) + ": expects a factor that leaves the weight finite in " +
      format.getFormatName() + ", got " + found +
      "; the file is damaged, or the mask is none: get it again, or leave the "
      "masks out");
}

Error SparseRows::spread(int64_t row, uint8_t *out) const {
  const uint8_t *mask = bits.view.data + row * llvm::divideCeil(cols, 8);
  const uint8_t *next = values.view.data + row * (cols / 2) * elementBytes;
  std::memset(out, 0, size_t(cols * elementBytes));
  for (int64_t i = 0; i < cols; i += 4) {
    int four = mask[i / 8] >> (i % 8) & 15;
    if (int kept = llvm::popcount(unsigned(four)); kept != 2)
      return createStringError("tensor \"" + bits.name +
                               "\": expected 2 bits for the 4 columns from " +
                               Twine(i) + " on in row " + Twine(row) +
                               ", found " + Twine(kept));
    for (int64_t k = 0; k < 4; ++k)
      if (four >> k & 1) {
        std::memcpy(out + (i + k) * elementBytes, next, size_t(elementBytes));
        next += elementBytes;
      }
  }
  return Error::success();
}

Error SparseRows::read(int64_t first, int64_t count, uint8_t *out) const {
  for (int64_t row = first; row < first + count; ++row) {
    if (Error error = isMasked ? mask(row, out) : spread(row, out))
      return error;
    out += cols * elementBytes;
  }
  return Error::success();
}
