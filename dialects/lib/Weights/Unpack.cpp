// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads codes, scales, zero points and groups as GPTQ, AWQ and
// compressed-tensors store them (the layouts are in the description of
// adze.unpack); see the header.

#include "Unpack.h"
#include "../Formats/IntLayout.h"
#include "../Formats/Quantize.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

using namespace mlir;
using namespace adze;
using namespace adze::detail;
using llvm::createStringError;
using llvm::Error;
using llvm::Expected;

namespace {

struct PartNames {
  llvm::StringLiteral codes, scales, zeros, groups;
};
constexpr PartNames kChannelsLast = {".qweight", ".scales", ".qzeros",
                                     ".g_idx"};
constexpr PartNames kPacked = {".weight_packed", ".weight_scale",
                               ".weight_zero_point", ".weight_g_idx"};
constexpr PartNames kBytes = {".weight", ".weight_scale", ".weight_zero_point",
                              ""};

/// At which place of its word channel n of eight is: the words of AWQ hold the
/// channels 0, 2, 4, 6, 1, 3, 5, 7.
constexpr int kAwqPlace[8] = {0, 4, 1, 5, 2, 6, 3, 7};

uint32_t loadWord(const uint8_t *base, int64_t index) {
  uint32_t word;
  std::memcpy(&word, base + index * 4, 4);
  return word;
}

std::string typeText(StringRef dtype, ArrayRef<int64_t> shape) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << dtype << " [";
  llvm::interleaveComma(shape, os);
  os << "]";
  return text;
}

Error wrong(StringRef tensor, const Twine &expected, const Twine &found) {
  return createStringError("tensor \"" + tensor + "\": expected " + expected +
                           ", found " + found);
}

uint64_t elementBytes(StringRef dtype) {
  return llvm::StringSwitch<uint64_t>(dtype)
      .Cases({"i32", "f32"}, 4)
      .Cases({"f16", "bf16"}, 2)
      .Cases({"i8", "f8e4m3"}, 1)
      .Default(0);
}

/// Type and shape, and as many bytes as they take.
Error expectTensor(StringRef name, const TensorView &view, StringRef dtype,
                   ArrayRef<int64_t> shape) {
  if (view.dtype != dtype || ArrayRef<int64_t>(view.shape) != shape)
    return wrong(name, typeText(dtype, shape),
                 typeText(view.dtype, view.shape));
  bool overflow = false;
  uint64_t bytes = elementBytes(dtype);
  for (int64_t dim : shape) {
    bool over = false;
    bytes = llvm::SaturatingMultiply<uint64_t>(bytes, dim, &over);
    overflow |= over;
  }
  if (overflow || bytes != view.bytes)
    return wrong(name, Twine(bytes) + " bytes", Twine(view.bytes) + " bytes");
  return Error::success();
}

/// The group of each k; empty where the tensor is missing: in order.
Expected<std::vector<int32_t>>
readGroups(StringRef name, int64_t cols, int64_t groups, WeightSource &source) {
  Expected<TensorView> view = source.lookup(name);
  if (!view) {
    llvm::consumeError(view.takeError());
    return std::vector<int32_t>();
  }
  if (Error error = expectTensor(name, *view, "i32", {cols}))
    return error;
  std::vector<int32_t> result(cols);
  std::memcpy(result.data(), view->data, cols * 4);
  for (auto [k, group] : llvm::enumerate(result))
    if (group < 0 || group >= groups)
      return wrong(name, "groups from 0 to " + Twine(groups - 1),
                   Twine(group) + " for column " + Twine(k));
  return result;
}

/// Columns sorted by their groups: element j is where column j comes from.
Expected<std::vector<int32_t>>
sortColumns(StringRef name, ArrayRef<int32_t> groupOf, int64_t group) {
  int64_t cols = groupOf.size();
  std::vector<int64_t> next(llvm::divideCeil(cols, group) + 1, 0);
  for (int32_t g : groupOf)
    ++next[g + 1];
  for (size_t g = 0; g + 1 < next.size(); ++g) {
    int64_t size = std::min(group, cols - int64_t(g) * group);
    if (next[g + 1] != size)
      return createStringError(
          "tensor \"" + name + "\": expected " + Twine(size) +
          " columns in group " + Twine(g) + ", found " + Twine(next[g + 1]) +
          ": scales of groups of other sizes cannot be kept; compile the "
          "model that it was made from with --weights=int4:g" +
          Twine(group));
    next[g + 1] += next[g];
  }
  std::vector<int32_t> order(cols);
  for (int64_t k = 0; k < cols; ++k)
    order[next[groupOf[k]]++] = k;
  return order;
}

const PartNames &partNames(StringRef packing) {
  return packing == "packed"                               ? kPacked
         : packing.starts_with("gptq") || packing == "awq" ? kChannelsLast
                                                           : kBytes;
}

} // namespace

SmallVector<std::string> adze::detail::tensorNames(UnpackOp op, int64_t layer) {
  SmallVector<std::string> tensors;
  for (StringRef part : SparseRows::parts(op.getPacking()))
    tensors.push_back((op.getSourceName(layer) + part).str());
  if (!tensors.empty())
    return tensors;
  const PartNames &names = partNames(op.getPacking());
  for (StringRef part : {names.codes, names.scales, names.zeros, names.groups})
    if (!part.empty())
      tensors.push_back((op.getSourceName(layer) + part).str());
  return tensors;
}

//===-- binding -----------------------------------------------------------===//

UnpackedWeight::UnpackedWeight(UnpackOp op)
    : packing(llvm::StringSwitch<Packing>(op.getPacking())
                  .Case("gptq", Packing::Gptq)
                  .Case("gptq_v2", Packing::GptqV2)
                  .Case("awq", Packing::Awq)
                  .Case("packed", Packing::Packed)
                  .Case("bytes", Packing::Bytes)
                  .Default(Packing::Fp8)),
      ordered(op.getOrdered()), rows(op.getType().getRows()),
      cols(op.getType().getCols()) {
  Attribute format = op.getType().getFormat();
  if (auto floats = dyn_cast<Fp8FormatAttr>(format)) {
    scaleType = floats.getScaleType();
    scalesAt = cols;
    rowBytes = zerosAt = floats.getRowBytes(cols);
  } else {
    auto integers = cast<IntFormatAttr>(format);
    IntRow at(integers, cols);
    scaleType = integers.getScaleType();
    scalesAt = at.scales;
    zerosAt = at.zeros;
    rowBytes = at.bytes;
    hasZeros = integers.getZeros();
    bits = integers.getBits();
    group = integers.getGroupSize();
    groups = at.groups;
  }
  scaleBytes = scaleType.getIntOrFloatBitWidth() / 8;
  perWord = 32 / bits;
  middle = 1 << (bits - 1);
}

Expected<UnpackedWeight> UnpackedWeight::bind(UnpackOp op, int64_t layer,
                                              WeightSource &source) {
  if (!SparseRows::parts(op.getPacking()).empty()) {
    Expected<SparseRows> sparse = SparseRows::bind(op, layer, source);
    if (!sparse)
      return sparse.takeError();
    return UnpackedWeight(std::move(*sparse));
  }
  UnpackedWeight result(op);
  std::string prefix = op.getSourceName(layer);
  if (Error error = result.find(source, prefix))
    return error;
  if (Error error = result.findZeros(source, prefix))
    return error;
  if (Error error = result.findOrder(source, prefix))
    return error;
  return result;
}

Error UnpackedWeight::find(WeightSource &source, StringRef prefix) {
  const PartNames &names = isChannelsLast()             ? kChannelsLast
                           : packing == Packing::Packed ? kPacked
                                                        : kBytes;
  for (auto [tensor, part] :
       {std::pair(&codes, names.codes), std::pair(&scales, names.scales)}) {
    tensor->name = (prefix + part).str();
    Expected<TensorView> view = source.lookup(tensor->name);
    if (!view)
      return view.takeError();
    tensor->view = std::move(*view);
  }
  SmallVector<int64_t> shape;
  switch (packing) {
  case Packing::Gptq:
  case Packing::GptqV2:
    if (cols % perWord)
      return wrong(codes.name, "a multiple of " + Twine(perWord) + " columns",
                   Twine(cols));
    shape = {cols / perWord, rows};
    break;
  case Packing::Awq:
    if (rows % perWord)
      return wrong(codes.name, "a multiple of 8 output channels", Twine(rows));
    shape = {cols, rows / perWord};
    break;
  case Packing::Packed:
    shape = {rows, int64_t(llvm::divideCeil(cols, perWord))};
    break;
  case Packing::Bytes:
  case Packing::Fp8:
    shape = {rows, cols};
    break;
  }
  if (Error error = expectTensor(codes.name, codes.view,
                                 packing == Packing::Bytes ? "i8"
                                 : packing == Packing::Fp8 ? "f8e4m3"
                                                           : "i32",
                                 shape))
    return error;

  std::string type;
  llvm::raw_string_ostream(type) << scaleType;
  ArrayRef<int64_t> found = scales.view.shape;
  if (!isChannelsLast() && groups == 1) {
    // A scale for each channel, or for all of them, with or without a 1.
    oneScale = found.empty() || (rows != 1 && found == ArrayRef<int64_t>{1});
    if (oneScale || found == ArrayRef<int64_t>{rows})
      return expectTensor(scales.name, scales.view, type, found);
  }
  if (isChannelsLast())
    return expectTensor(scales.name, scales.view, type, {groups, rows});
  return expectTensor(scales.name, scales.view, type, {rows, groups});
}

Error UnpackedWeight::findZeros(WeightSource &source, StringRef prefix) {
  if (packing == Packing::Fp8)
    return Error::success();
  zeros.name =
      (prefix + (isChannelsLast() ? kChannelsLast.zeros : kPacked.zeros)).str();
  Expected<TensorView> view = source.lookup(zeros.name);
  if (!view) {
    if (hasZeros)
      return view.takeError();
    llvm::consumeError(view.takeError());
    return Error::success();
  }
  zeros.view = std::move(*view);
  int64_t words = llvm::divideCeil(rows, perWord);
  if (isChannelsLast())
    return expectTensor(zeros.name, zeros.view, "i32", {groups, words});
  if (zeros.view.dtype != "i8")
    return expectTensor(zeros.name, zeros.view, "i32", {words, groups});
  ArrayRef<int64_t> found = zeros.view.shape;
  if (groups == 1 && (oneScale || found == ArrayRef<int64_t>{rows})) {
    int64_t count = oneScale ? 1 : rows;
    if (found.empty() ? count == 1 : found == ArrayRef<int64_t>{count})
      return expectTensor(zeros.name, zeros.view, "i8", found);
  }
  return expectTensor(zeros.name, zeros.view, "i8", {rows, groups});
}

Error UnpackedWeight::findOrder(WeightSource &source, StringRef prefix) {
  if (packing != Packing::Gptq && packing != Packing::GptqV2 &&
      packing != Packing::Packed)
    return Error::success();
  std::string name =
      (prefix + (isChannelsLast() ? kChannelsLast.groups : kPacked.groups))
          .str();
  Expected<std::vector<int32_t>> groupOf =
      readGroups(name, cols, groups, source);
  if (!groupOf)
    return groupOf.takeError();
  if (ordered) {
    if (groupOf->empty())
      return wrong(name, "the group of each column", "no such tensor");
    Expected<std::vector<int32_t>> sorted = sortColumns(name, *groupOf, group);
    if (!sorted)
      return sorted.takeError();
    order = std::move(*sorted);
    return Error::success();
  }
  for (auto [k, found] : llvm::enumerate(*groupOf))
    if (int64_t expected = group ? int64_t(k) / group : 0; found != expected)
      return wrong(name,
                   "columns in the order of their groups, " + Twine(expected) +
                       " for column " + Twine(k),
                   Twine(found));
  return Error::success();
}

Expected<std::vector<float>>
adze::detail::readOrder(UnpackOrderOp op, int64_t layer, WeightSource &source) {
  std::string name =
      op.getSourceName(layer) + partNames(op.getPacking()).groups.str();
  int64_t cols = op.getType().getRows(), group = op.getGroup();
  Expected<std::vector<int32_t>> groupOf =
      readGroups(name, cols, llvm::divideCeil(cols, group), source);
  if (!groupOf)
    return groupOf.takeError();
  if (groupOf->empty())
    return wrong(name, "the group of each column", "no such tensor");
  Expected<std::vector<int32_t>> sorted = sortColumns(name, *groupOf, group);
  if (!sorted)
    return sorted.takeError();
  return std::vector<float>(sorted->begin(), sorted->end());
}

//===-- reading -----------------------------------------------------------===//

/// Codes of rows [first, first + count), one to a byte.
void UnpackedWeight::readCodes(int64_t first, int64_t count,
                               uint8_t *out) const {
  const uint8_t *data = codes.view.data;
  uint32_t mask = (1u << bits) - 1;
  switch (packing) {
  case Packing::Gptq:
  case Packing::GptqV2:
    for (int64_t word = 0; word < cols / perWord; ++word)
      for (int64_t r = 0; r < count; ++r) {
        uint32_t value = loadWord(data, word * rows + first + r);
        uint8_t *to = out + r * cols + word * perWord;
        for (int64_t i = 0; i < perWord; ++i)
          to[i] = value >> (i * bits) & mask;
      }
    return;
  case Packing::Awq:
    for (int64_t k = 0; k < cols; ++k)
      for (int64_t r = 0; r < count; ++r) {
        int64_t n = first + r;
        uint32_t word = loadWord(data, k * (rows / 8) + n / 8);
        out[r * cols + k] = word >> (4 * kAwqPlace[n % 8]) & mask;
      }
    return;
  case Packing::Packed: {
    int64_t words = llvm::divideCeil(cols, perWord);
    for (int64_t r = 0; r < count; ++r)
      for (int64_t k = 0; k < cols; ++k)
        out[r * cols + k] = loadWord(data, (first + r) * words + k / perWord) >>
                                (k % perWord * bits) &
                            mask;
    return;
  }
  case Packing::Bytes:
    for (int64_t i = 0; i < count * cols; ++i)
      out[i] = data[first * cols + i] ^ 0x80; // plus 128
    return;
  case Packing::Fp8:
    std::memcpy(out, data + first * cols, count * cols);
    return;
  }
}

int UnpackedWeight::zeroOf(int64_t row, int64_t group) const {
  int mask = (1 << bits) - 1;
  const uint8_t *data = zeros.view.data;
  if (isChannelsLast()) {
    int64_t words = llvm::divideCeil(rows, perWord), i = row % perWord;
    uint32_t word = loadWord(data, group * words + row / perWord);
    int64_t place = packing == Packing::Awq ? kAwqPlace[i] : i;
    int zero = word >> (place * bits) & mask;
    return packing == Packing::Gptq ? (zero + 1) & mask : zero;
  }
  if (zeros.view.dtype == "i8") {
    bool isOne = zeros.view.bytes == 1;
    return int8_t(data[isOne ? 0 : row * groups + group]) + middle;
  }
  uint32_t word = loadWord(data, row / perWord * groups + group);
  return word >> (row % perWord * bits) & mask;
}

const uint8_t *UnpackedWeight::scaleOf(int64_t row, int64_t group) const {
  int64_t index = isChannelsLast() ? group * rows + row
                  : oneScale       ? 0
                                   : row * groups + group;
  return scales.view.data + index * scaleBytes;
}

Error UnpackedWeight::read(int64_t first, int64_t count, uint8_t *out) const {
  if (sparse)
    return sparse->read(first, count, out);
  std::vector<uint8_t> found(count * cols), sorted;
  readCodes(first, count, found.data());
  if (ordered) {
    sorted.resize(found.size());
    for (int64_t r = 0; r < count; ++r)
      for (int64_t j = 0; j < cols; ++j)
        sorted[r * cols + j] = found[r * cols + order[j]];
    found.swap(sorted);
  }
  for (int64_t r = 0; r < count; ++r, out += rowBytes) {
    const uint8_t *row = found.data() + r * cols;
    if (bits == 8)
      std::memcpy(out, row, cols);
    else
      packNibbles(row, cols, out);
    for (int64_t g = 0; g < groups; ++g) {
      std::memcpy(out + scalesAt + g * scaleBytes, scaleOf(first + r, g),
                  scaleBytes);
      if (!zeros.isThere())
        continue;
      int zero = zeroOf(first + r, g);
      if (zero < 0 || zero > 255)
        return wrong(zeros.name, "zero points from 0 to 255",
                     Twine(zero) + " for channel " + Twine(first + r));
      if (hasZeros)
        out[zerosAt + g] = uint8_t(zero);
      else if (zero != middle)
        return wrong(zeros.name,
                     "the zero point " + Twine(middle) +
                         " of symmetric weights everywhere",
                     Twine(zero) + " for channel " + Twine(first + r) +
                         ", group " + Twine(g) +
                         "; quantization_config says that weights are "
                         "symmetric, and they are not");
    }
  }
  return Error::success();
}
