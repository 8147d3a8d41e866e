// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Evaluates rows of weights. Without a cast the rows that a panel packs are the
// bytes of the mapped file; with one, a row goes through f32 in a buffer of its
// own. Nothing larger than the rows of a panel is ever held.

#include "adze/Weights/Evaluator.h"
#include "../Formats/FiniteCheck.h"
#include "Expression.h"
#include "Unpack.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace adze;
using namespace adze::detail;
using llvm::Error;
using llvm::Expected;

//===-- units -------------------------------------------------------------===//

int64_t adze::numWeightUnits(WeightType type) {
  return type.isVector() ? 1 : llvm::divideCeil(type.getRows(), kPanelRows);
}

int64_t adze::weightUnitOffset(WeightType type, int64_t unit) {
  if (unit >= numWeightUnits(type))
    return type.getStorageBytes();
  if (type.getLayout() == LayoutKind::Panels)
    return unit * type.getFormat().getPanelBytes(type.getCols());
  return type.isVector()
             ? 0
             : unit * kPanelRows * type.getFormat().getRowBytes(type.getCols());
}

//===-- sources -----------------------------------------------------------===//

namespace {

std::string joinLayers(WeightOp weight) {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::interleaveComma(weight.getLayerIndices(), os);
  return text;
}

std::string shapeText(StringRef dtype, ArrayRef<int64_t> shape) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << dtype << " [";
  llvm::interleaveComma(shape, os);
  os << "]";
  return text;
}

std::string typeText(WeightType type) {
  return shapeText(type.getFormat().getFormatName(), type.getShape());
}

/// The bytes of a source tensor, checked against the weight's declared type.
Expected<const uint8_t *> bindSource(WeightOp weight, int64_t layer,
                                     WeightSource &source) {
  std::string name = weight.getSourceName(layer);
  Expected<TensorView> view = source.lookup(name);
  if (!view)
    return view.takeError();
  WeightType type = weight.getWeightType();
  auto mismatch = [&](const Twine &expected, const Twine &found) {
    return llvm::createStringError("tensor \"" + name + "\": weight @" +
                                   weight.getSymName() + " expects " +
                                   expected + ", found " + found);
  };
  if (view->dtype != type.getFormat().getFormatName() ||
      ArrayRef<int64_t>(view->shape) != type.getShape())
    return mismatch(typeText(type), shapeText(view->dtype, view->shape));
  bool overflow = false;
  uint64_t rows = type.isVector() ? 1 : type.getRows();
  uint64_t bytes = llvm::SaturatingMultiply<uint64_t>(
      rows, type.getFormat().getRowBytes(type.getCols()), &overflow);
  if (overflow || view->bytes != bytes)
    return mismatch(Twine(bytes) + " bytes", Twine(view->bytes) + " bytes");
  return view->data;
}

bool isFiniteBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return (bits & 0x7f800000) != 0x7f800000;
}

/// True if all values are finite. No early exit: the loop vectorises.
bool allFinite(ArrayRef<float> values) {
  uint32_t bad = 0;
  for (float value : values) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    bad |= (bits & 0x7f800000) == 0x7f800000;
  }
  return !bad;
}

/// One call's view of a weight: its leaves bound to the tensors of a layer, and
/// buffers for one row.
class BoundWeight {
public:
  static Expected<BoundWeight> create(const WeightProgram &program,
                                      int64_t layer, WeightSource &source) {
    WeightOp weight = program.weight;
    if (!weight.hasLayer(layer))
      return llvm::createStringError(
          "weight @" + weight.getSymName() + ": expected " +
          (weight.getLayersAttr()
               ? "one of the layers " + joinLayers(weight)
               : "a layer below " + std::to_string(weight.getLayerEnd())) +
          ", got " + Twine(layer));
    BoundWeight bound(program, layer, source);
    for (auto [leaf, made] : llvm::zip_equal(program.leaves, bound.leaves))
      if (Error error = bound.bind(leaf, source, made))
        return error;
    return bound;
  }

  RowSource resolve(int64_t row) const { return program.resolve(row); }

  /// True if values of the leaf do not change.
  bool isRaw(const RowSource &at) const {
    return program.leaves[at.leaf].steps.empty();
  }
  /// True if the bytes of a raw row stay where they are.
  bool isMapped(const RowSource &at) const { return !leaves[at.leaf].unpacked; }
  /// The row as its source stores it; unless isMapped, until the next one is
  /// asked for. Its numbers are finite, or it is an error.
  Expected<ArrayRef<uint8_t>> rawRow(const RowSource &at) {
    const ExprLeaf &leaf = program.leaves[at.leaf];
    FormatAttrInterface format = leaf.format;
    size_t bytes = format.getRowBytes(columns());
    ArrayRef<uint8_t> row;
    if (isMapped(at)) {
      row = {leaves[at.leaf].data + at.row * bytes, bytes};
    } else {
      auto unpacked = unpackedRow(at, bytes);
      if (!unpacked)
        return unpacked.takeError();
      row = *unpacked;
    }
    if (Error error = checkFinite(at, row, columns()))
      return error;
    return row;
  }

  /// The values of a row of a matrix in the result's format, or before they are
  /// rounded to it.
  Error readRow(const RowSource &at, bool isRounded,
                MutableArrayRef<float> out) {
    const ExprLeaf &leaf = program.leaves[at.leaf];
    Expected<ArrayRef<uint8_t>> raw = rawRow(at);
    if (!raw)
      return raw.takeError();
    FormatAttrInterface format = leaf.format;
    format.decodeRow(*raw, out);
    ArrayRef<ExprStep> steps = leaf.steps;
    if (!isRounded && !steps.empty() && steps.back().format)
      steps = steps.drop_back();
    return convert(at, steps, out);
  }

  /// The element of a vector in the result's format. Source vectors are read
  /// once.
  Expected<float> readElement(const RowSource &at) {
    const ExprLeaf &leaf = program.leaves[at.leaf];
    vectors.resize(program.leaves.size());
    std::vector<float> &values = vectors[at.leaf];
    // Where elements have factors each goes its own way.
    ArrayRef<ExprStep> common = leaf.steps, own;
    if (!at.scaled.empty())
      std::swap(common, own);
    if (values.empty()) {
      WeightOp weight = leaf.weight;
      int64_t n = weight.getWeightType().getRows();
      values.resize(n);
      FormatAttrInterface format = leaf.format;
      ArrayRef<uint8_t> stored(leaves[at.leaf].data,
                               size_t(format.getRowBytes(n)));
      if (Error error = checkFinite({at.leaf, 0}, stored, n)) {
        values.clear();
        return error;
      }
      format.decodeRow(stored, values);
      if (Error error = convert({at.leaf, 0}, common, values))
        return error;
    }
    float value = values[at.row];
    if (Error error = convert(at, own, value))
      return error;
    return value;
  }

  /// A row of a matrix as the result's format stores it, for rows that are not
  /// raw. What is stored is what the last cast rounded to: encoding its values
  /// once more could choose another scale.
  Error encodeRow(const RowSource &at, MutableArrayRef<uint8_t> out) {
    const ExprLeaf &leaf = program.leaves[at.leaf];
    Expected<ArrayRef<uint8_t>> raw = rawRow(at);
    if (!raw)
      return raw.takeError();
    FormatAttrInterface format = leaf.format;
    values.resize(columns());
    format.decodeRow(*raw, values);
    ArrayRef<ExprStep> steps = leaf.steps;
    if (steps.back().format)
      steps = steps.drop_back();
    if (Error error = convert(at, steps, values))
      return error;
    return roundTo(elementFormat(type().getFormat()), at, values, out);
  }

  WeightType type() const {
    WeightOp weight = program.weight;
    return weight.getWeightType();
  }
  int64_t columns() const { return type().getCols(); }
  /// "weight @w, layer 3"
  std::string name() const {
    WeightOp weight = program.weight;
    return ("weight @" + weight.getSymName() + ", layer " + Twine(layer)).str();
  }

private:
  struct BoundLeaf {
    const uint8_t *data = nullptr;
    std::optional<UnpackedWeight> unpacked;
    std::vector<float> order; // what data refers to in an unpack_order
    int64_t rows = 0, first = 0;
    std::vector<uint8_t> block; // unpacked rows from `first` on
  };

  BoundWeight(const WeightProgram &program, int64_t layer, WeightSource &source)
      : program(program), layer(layer), source(source),
        leaves(program.leaves.size()) {}

  Error bind(const ExprLeaf &leaf, WeightSource &source, BoundLeaf &made) {
    WeightOp weight = leaf.weight;
    int64_t at = weight.isPerLayer() ? layer : 0;
    if (leaf.unpack) {
      Expected<UnpackedWeight> unpacked =
          UnpackedWeight::bind(leaf.unpack, at, source);
      if (!unpacked)
        return unpacked.takeError();
      made.unpacked = std::move(*unpacked);
      made.rows =
          cast<WeightType>(leaf.unpack->getResult(0).getType()).getRows();
      return Error::success();
    }
    if (leaf.order) {
      Expected<std::vector<float>> order = readOrder(leaf.order, at, source);
      if (!order)
        return order.takeError();
      made.order = std::move(*order);
      made.data = reinterpret_cast<const uint8_t *>(made.order.data());
      return Error::success();
    }
    Expected<const uint8_t *> data = bindSource(weight, at, source);
    if (!data)
      return data.takeError();
    made.data = *data;
    return Error::success();
  }

  /// `row` is what is stored at `at`. Scales of codes are looked at: no code
  /// can be wrong.
  Error checkFinite(const RowSource &at, ArrayRef<uint8_t> row, int64_t cols) {
    const ExprLeaf &leaf = program.leaves[at.leaf];
    FormatAttrInterface format = leaf.format;
    std::optional<int64_t> column = findNotFinite(format, row, cols);
    if (!column)
      return Error::success();
    std::string what = "scale", found = "infinity or NaN", made = "quantized";
    if (isa<Fp8FormatAttr>(Attribute(format)))
      what = "number";
    if (isa<FloatFormatAttr>(Attribute(format))) {
      std::vector<float> decoded(static_cast<size_t>(cols));
      format.decodeRow(row, decoded);
      float value = decoded[*column];
      what = "number";
      found = std::isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
      made = "saved";
    }
    return llvm::createStringError(
        place(leaf, at.row, *column) + "expects a finite " + what + " in " +
        format.getFormatName() + ", got " + found +
        "; the file is damaged, or the model was " + made +
        " from weights that are not finite: get it again, or use another one");
  }

  /// Tensors of other quantizers often lie across: 16 rows are read at once.
  Expected<ArrayRef<uint8_t>> unpackedRow(const RowSource &at, size_t bytes) {
    BoundLeaf &leaf = leaves[at.leaf];
    int64_t first = at.row / kPanelRows * kPanelRows;
    if (leaf.block.empty() || leaf.first != first) {
      leaf.block.resize(kPanelRows * bytes);
      leaf.first = first;
      if (Error error = leaf.unpacked->read(
              first, std::min(kPanelRows, leaf.rows - first),
              leaf.block.data())) {
        leaf.block.clear();
        return error;
      }
    }
    return ArrayRef(leaf.block).slice((at.row - first) * bytes, bytes);
  }

  /// Takes values through steps: each format rounds them.
  Error convert(const RowSource &at, ArrayRef<ExprStep> steps,
                MutableArrayRef<float> values) {
    size_t scaled = at.scaled.size();
    for (const ExprStep &step : steps) {
      FormatAttrInterface format = step.format;
      if (step.kind == ExprStep::Add) {
        for (float &value : values)
          value += step.offset;
        continue;
      }
      if (!format) {
        Expected<ArrayRef<float>> factors = readFactors(step.factors);
        if (!factors)
          return factors.takeError();
        bool perRow = step.kind == ExprStep::ScaleRow;
        float factor = perRow ? (*factors)[at.scaled[--scaled]] : 0;
        for (auto [k, value] : llvm::enumerate(values)) {
          float by = perRow ? factor : (*factors)[k];
          value = step.inverse ? value / by : value * by;
        }
        continue;
      }
      encoded.resize(format.getRowBytes(values.size()));
      if (Error error = roundTo(format, at, values, encoded))
        return error;
      llvm::copy(rounded, values.begin());
    }
    return Error::success();
  }

  /// Numbers of a vector that scales, in the layer. The file may be unaligned.
  Expected<ArrayRef<float>> readFactors(WeightOp weight) {
    std::vector<float> &factors = scales[weight];
    if (factors.empty()) {
      auto data = bindSource(weight, weight.isPerLayer() ? layer : 0, source);
      if (!data)
        return data.takeError();
      WeightType type = weight.getWeightType();
      size_t bytes = size_t(type.getRows()) * sizeof(float);
      if (auto i =
              findNotFinite(type.getFormat(), {*data, bytes}, type.getRows()))
        return llvm::createStringError(
            "tensor \"" +
            weight.getSourceName(weight.isPerLayer() ? layer : 0) +
            "\": element " + Twine(*i) + ": expects a finite factor");
      factors.resize(size_t(type.getRows()));
      std::memcpy(factors.data(), *data, bytes);
    }
    return ArrayRef<float>(factors);
  }

  /// Encodes values to `out`; `rounded` is what is read back.
  Error roundTo(FormatAttrInterface format, const RowSource &at,
                ArrayRef<float> values, MutableArrayRef<uint8_t> out) {
    const ExprLeaf &leaf = program.leaves[at.leaf];
    if (isa<IntegerFormatAttrInterface>(Attribute(format)) &&
        !allFinite(values))
      for (auto [i, value] : llvm::enumerate(values))
        if (!isFiniteBits(value))
          return llvm::createStringError(
              place(leaf, at.row, i) + "expects finite values for " +
              format.getFormatName() + ", got " + std::to_string(value));
    format.encodeRow(values, out);
    rounded.resize(values.size());
    format.decodeRow(out, rounded);
    if (!allFinite(rounded))
      for (auto [i, before, after] : llvm::enumerate(values, rounded))
        if (isFiniteBits(before) && !isFiniteBits(after))
          return overflow(leaf, at.row, i, before, format);
    return Error::success();
  }

  /// "tensor "x": row 1, column 2: ", or of a vector "tensor "x": element 3: "
  std::string place(const ExprLeaf &leaf, int64_t row, int64_t column) {
    WeightOp source = leaf.weight;
    const BoundLeaf &bound = leaves[&leaf - program.leaves.data()];
    std::string name =
        bound.unpacked ? bound.unpacked->floatsName()
                       : source.getSourceName(source.isPerLayer() ? layer : 0);
    std::string at =
        "row " + std::to_string(row) + ", column " + std::to_string(column);
    if (source.getWeightType().isVector()) // all of it, or one, is at hand
      at = "element " + std::to_string(row + column);
    return "tensor \"" + name + "\": " + at + ": ";
  }

  Error overflow(const ExprLeaf &leaf, int64_t row, int64_t column, float value,
                 FormatAttrInterface format) {
    return llvm::createStringError(
        place(leaf, row, column) + std::to_string(value) +
        " is not finite in " + format.getFormatName() +
        "; keep this weight in " +
        FormatAttrInterface(leaf.format).getFormatName() +
        ", or use bf16 (or bf16 scales)");
  }

  const WeightProgram &program;
  int64_t layer;
  WeightSource &source;
  std::vector<BoundLeaf> leaves;
  std::vector<float> values, rounded;
  std::vector<uint8_t> encoded;
  std::vector<std::vector<float>> vectors; // of each leaf, vectors only
  llvm::DenseMap<Operation *, std::vector<float>> scales;
};

Error checkRange(WeightOp weight, StringRef what, int64_t begin, int64_t end,
                 int64_t limit) {
  if (begin >= 0 && begin <= end && end <= limit)
    return Error::success();
  return llvm::createStringError("weight @" + weight.getSymName() +
                                 ": expected " + what + " within 0 to " +
                                 Twine(limit) + ", got " + Twine(begin) +
                                 " to " + Twine(end));
}

/// Rows [row, row + count) of a vector: its elements.
Error readElements(BoundWeight &bound, int64_t row, int64_t count, float *out) {
  for (int64_t i = 0; i < count; ++i) {
    RowSource at = bound.resolve(row + i);
    out[i] = 0;
    if (at.leaf == RowSource::kZero)
      continue;
    Expected<float> value = bound.readElement(at);
    if (!value)
      return value.takeError();
    out[i] = *value;
  }
  return Error::success();
}

Error evaluateVector(const WeightProgram &program, BoundWeight &bound,
                     uint8_t *out) {
  WeightType type = bound.type();
  size_t bytes = type.getStorageBytes();
  if (program.nodes.size() == 1 && bound.isRaw({0, 0})) {
    Expected<ArrayRef<uint8_t>> raw = bound.rawRow({0, 0});
    if (!raw)
      return raw.takeError();
    std::memcpy(out, raw->data(), bytes);
    return Error::success();
  }
  std::vector<float> values(type.getRows());
  if (Error error = readElements(bound, 0, values.size(), values.data()))
    return error;
  type.getFormat().encodeRow(values, {out, bytes});
  return Error::success();
}

Error evaluateRowBlock(BoundWeight &bound, int64_t first, uint8_t *out) {
  WeightType type = bound.type();
  int64_t rowBytes = type.getFormat().getRowBytes(type.getCols());
  int64_t end = std::min(first + kPanelRows, type.getRows());
  for (int64_t row = first; row < end; ++row, out += rowBytes) {
    RowSource at = bound.resolve(row);
    if (at.leaf == RowSource::kZero)
      std::memset(out, 0, rowBytes);
    else if (bound.isRaw(at)) {
      Expected<ArrayRef<uint8_t>> raw = bound.rawRow(at);
      if (!raw)
        return raw.takeError();
      std::memcpy(out, raw->data(), rowBytes);
    } else if (Error error = bound.encodeRow(at, {out, size_t(rowBytes)}))
      return error;
  }
  return Error::success();
}

/// Packs the rows from `first` on. A type that was chosen for other tensors may
/// keep too little of them.
Error packRows(BoundWeight &bound, ArrayRef<const uint8_t *> rows,
               int64_t first, MutableArrayRef<uint8_t> panel) {
  FormatAttrInterface format = bound.type().getFormat();
  int64_t cols = bound.type().getCols(), found = 0, keep = 0;
  StringRef what;
  if (auto masked = dyn_cast<MaskedFormatAttr>(Attribute(format))) {
    found = masked.packIfKept(rows, cols, panel), keep = masked.getKeep();
    what = masked.getEven()
               ? "bytes of elements that are not zero in eight columns"
               : "bytes of elements that are not zero and masks";
  } else {
    if (auto blocks = dyn_cast<BlocksFormatAttr>(Attribute(format))) {
      found = blocks.findBlocks(rows, cols).size(), keep = blocks.getKeep();
      what = "blocks that are not zero";
    }
    if (found <= keep)
      format.packPanel(rows, cols, panel);
  }
  if (found <= keep)
    return Error::success();
  return llvm::createStringError(
      bound.name() + ": rows " + Twine(first) + " to " +
      Twine(first + kPanelRows - 1) + " have " + Twine(found) + " " + what +
      ", and " + format.getFormatName() + " keeps " + Twine(keep) +
      "; run adze-choose-sparse on these tensors");
}

Error evaluatePanel(BoundWeight &bound, int64_t first,
                    std::vector<uint8_t> &converted, uint8_t *out) {
  WeightType type = bound.type();
  FormatAttrInterface format = type.getFormat();
  size_t rowBytes = format.getRowBytes(type.getCols());
  const uint8_t *rows[kPanelRows] = {};
  for (int64_t r = 0; r < kPanelRows && first + r < type.getRows(); ++r) {
    RowSource at = bound.resolve(first + r);
    if (at.leaf == RowSource::kZero)
      continue;
    if (bound.isRaw(at)) {
      Expected<ArrayRef<uint8_t>> raw = bound.rawRow(at);
      if (!raw)
        return raw.takeError();
      rows[r] = raw->data();
      if (bound.isMapped(at))
        continue;
    }
    converted.resize(kPanelRows * rowBytes);
    uint8_t *row = converted.data() + r * rowBytes;
    if (rows[r])
      std::memcpy(row, rows[r], rowBytes);
    else if (Error error = bound.encodeRow(at, {row, rowBytes}))
      return error;
    rows[r] = row;
  }
  return packRows(bound, rows, first,
                  {out, size_t(format.getPanelBytes(type.getCols()))});
}

} // namespace

//===-- WeightEvaluator ---------------------------------------------------===//

WeightEvaluator::WeightEvaluator(WeightSource &source) : source(source) {}
WeightEvaluator::~WeightEvaluator() = default;

Expected<std::unique_ptr<WeightEvaluator>>
WeightEvaluator::create(ModuleOp module, WeightSource &source) {
  std::unique_ptr<WeightEvaluator> result(new WeightEvaluator(source));
  for (auto weight : module.getOps<WeightOp>()) {
    auto program = compileWeight(weight);
    if (!program)
      return program.takeError();
    result->programs[weight] = std::move(*program);
  }
  return result;
}

/// Only weights of the module it was made for have a program.
static Expected<const WeightProgram *> findProgram(
    const llvm::DenseMap<Operation *, std::unique_ptr<WeightProgram>> &programs,
    WeightOp weight) {
  auto it = programs.find(weight);
  if (it == programs.end())
    return llvm::createStringError("weight @" + weight.getSymName() +
                                   " is not a weight of the evaluated module");
  return it->second.get();
}

Error WeightEvaluator::readRows(WeightOp weight, int64_t layer, int64_t row,
                                int64_t count, float *out) const {
  return read(weight, layer, row, count, /*isRounded=*/true, out);
}

Error WeightEvaluator::readUnrounded(WeightOp weight, int64_t layer,
                                     int64_t row, int64_t count,
                                     float *out) const {
  return read(weight, layer, row, count, /*isRounded=*/false, out);
}

Error WeightEvaluator::read(WeightOp weight, int64_t layer, int64_t row,
                            int64_t count, bool isRounded, float *out) const {
  WeightType type = weight.getWeightType();
  if (Error error =
          checkRange(weight, "rows", row, row + count, type.getRows()))
    return error;
  auto program = findProgram(programs, weight);
  if (!program)
    return program.takeError();
  auto bound = BoundWeight::create(**program, layer, source);
  if (!bound)
    return bound.takeError();
  if (type.isVector())
    return readElements(*bound, row, count, out);
  for (int64_t i = 0; i < count; ++i, out += type.getCols()) {
    RowSource at = bound->resolve(row + i);
    if (at.leaf == RowSource::kZero)
      std::fill_n(out, type.getCols(), 0.0f);
    else if (Error error =
                 bound->readRow(at, isRounded, {out, size_t(type.getCols())}))
      return error;
  }
  return Error::success();
}

Error WeightEvaluator::evaluate(WeightOp weight, int64_t layer, int64_t begin,
                                int64_t end, uint8_t *out) const {
  WeightType type = weight.getWeightType();
  if (Error error =
          checkRange(weight, "units", begin, end, numWeightUnits(type)))
    return error;
  auto program = findProgram(programs, weight);
  if (!program)
    return program.takeError();
  auto bound = BoundWeight::create(**program, layer, source);
  if (!bound)
    return bound.takeError();
  if (begin == end)
    return Error::success();
  if (type.isVector())
    return evaluateVector(**program, *bound, out);
  std::vector<uint8_t> converted;
  int64_t base = weightUnitOffset(type, begin);
  for (int64_t unit = begin; unit < end; ++unit) {
    uint8_t *at = out + (weightUnitOffset(type, unit) - base);
    Error error = type.getLayout() == LayoutKind::Panels
                      ? evaluatePanel(*bound, unit * kPanelRows, converted, at)
                      : evaluateRowBlock(*bound, unit * kPanelRows, at);
    if (error)
      return error;
  }
  return Error::success();
}

Error WeightEvaluator::checkSources() const {
  constexpr size_t kMaxFindings = 50;
  std::vector<std::string> findings;
  size_t count = 0;
  for (auto &[op, program] : programs) {
    auto weight = cast<WeightOp>(op);
    // What reads tensors itself: a source, or a weight that unpacks them.
    if (program->leaves.size() != 1 || program->leaves[0].weight != weight)
      continue;
    for (int64_t layer : weight.getLayerIndices()) {
      auto data = BoundWeight::create(*program, layer, source);
      if (data)
        continue;
      std::string text = llvm::toString(data.takeError());
      if (count++ < kMaxFindings)
        findings.push_back(std::move(text));
      if (count > 10 * kMaxFindings)
        break; // a layer count by mistake
    }
  }
  if (!count)
    return Error::success();
  llvm::sort(findings); // the map has no order
  if (count > kMaxFindings)
    findings.push_back("and " + std::to_string(count - kMaxFindings) +
                       " more tensors");
  return llvm::createStringError(llvm::join(findings, "\n"));
}
