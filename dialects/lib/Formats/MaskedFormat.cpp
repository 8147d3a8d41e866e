// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// #adze.masked<F, keep = B>: panels of the format F without the elements that
// are zero, and masks of those that are kept. What a kernel emits to read a
// panel is in MaskedFormatEmit.cpp.

#include "MaskedLayout.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/bit.h"
#include <array>
#include <cstring>
#include <optional>

using namespace mlir;
using namespace adze;
using namespace adze::detail;

//===-- syntax ------------------------------------------------------------===//

bool MaskedFormatAttr::takes(FormatAttrInterface element) {
  if (auto codes = dyn_cast_or_null<IntFormatAttr>(Attribute(element)))
    return codes.getBits() != 3 && !codes.getZeros();
  return isa_and_present<FloatFormatAttr>(Attribute(element));
}

IntFormatAttr MaskedFormatAttr::getCodes() const {
  return dyn_cast<IntFormatAttr>(Attribute(getElement()));
}
FloatFormatAttr MaskedFormatAttr::getFloats() const {
  return dyn_cast<FloatFormatAttr>(Attribute(getElement()));
}

int64_t MaskedFormatAttr::getKeptBytes(FormatAttrInterface element,
                                       int64_t first, int64_t second) {
  if (auto floats = dyn_cast<FloatFormatAttr>(Attribute(element)))
    return (first + second) * floats.getElementBytes();
  return cast<IntFormatAttr>(Attribute(element)).getBits() == 8
             ? first + second
             : std::max(first, second);
}

LogicalResult
MaskedFormatAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                         FormatAttrInterface element, int64_t keep, bool even) {
  if (!takes(element)) {
    auto diag = emitError() << "expects elements of #adze.float, or of "
                               "#adze.int with 4 or 8 bits and without zero "
                               "points, got ";
    if (!element)
      return diag << "no format";
    return diag << Attribute(element);
  }
  constexpr int64_t kMost = int64_t(1) << 31;
  int64_t most = even ? getMostBytes(element) : kMost;
  if (keep < 0 || keep > most)
    return emitError() << "expects to keep 0 to " << most << " bytes of a "
                       << (even ? "record's elements" : "panel's records")
                       << ", got " << keep;
  return success();
}

Attribute MaskedFormatAttr::parse(AsmParser &parser, Type) {
  Attribute element;
  int64_t keep;
  bool even = false;
  auto loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseAttribute(element) ||
      parser.parseComma() || parser.parseKeyword("keep") ||
      parser.parseEqual() || parser.parseInteger(keep))
    return {};
  if (succeeded(parser.parseOptionalComma())) {
    if (parser.parseKeyword("even"))
      return {};
    even = true;
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<MaskedFormatAttr>(
      loc, parser.getContext(), dyn_cast<FormatAttrInterface>(element), keep,
      even);
}

void MaskedFormatAttr::print(AsmPrinter &printer) const {
  printer << '<' << Attribute(getElement()) << ", keep = " << getKeep()
          << (getEven() ? ", even>" : ">");
}

/// int8+mask, or int4:g128+nm for even records, whatever is kept: what code
/// that reads a panel depends on.
std::string MaskedFormatAttr::getFormatName() const {
  return getElement().getFormatName() + (getEven() ? "+nm" : "+mask");
}

//===-- what the element says ---------------------------------------------===//

bool MaskedFormatAttr::hasCodes() const { return bool(getCodes()); }
int64_t MaskedFormatAttr::getGroup() const { return getCodes().getGroup(); }
int64_t MaskedFormatAttr::getZeroCode() const {
  return getCodes().getZeroCode();
}
int64_t MaskedFormatAttr::getMaxCode() const { return getCodes().getMaxCode(); }
bool MaskedFormatAttr::hasMinimum() const { return false; }
int64_t MaskedFormatAttr::getPanelDepth() const {
  return getElement().getPanelDepth();
}
int64_t MaskedFormatAttr::getRowBytes(int64_t cols) const {
  return getElement().getRowBytes(cols);
}
void MaskedFormatAttr::encodeRow(ArrayRef<float> values,
                                 MutableArrayRef<uint8_t> row) const {
  getElement().encodeRow(values, row);
}
void MaskedFormatAttr::decodeRow(ArrayRef<uint8_t> row,
                                 MutableArrayRef<float> values) const {
  getElement().decodeRow(row, values);
}

//===-- panels ------------------------------------------------------------===//

namespace {

void storeWord(uint8_t *to, uint32_t word) { std::memcpy(to, &word, 4); }
uint32_t loadWord(const uint8_t *from) {
  uint32_t word;
  std::memcpy(&word, from, 4);
  return word;
}

/// What is kept of a step: as its record has it, and how many bytes that is
/// beside the masks.
struct Step {
  uint64_t masks[2] = {};
  std::array<uint8_t, 4 * 2 * kQuadCodes> kept;
  int64_t bytes = 0;
};

/// Reads steps from a dense panel of integers.
class CodeReader {
public:
  CodeReader(IntFormatAttr element, ArrayRef<uint8_t> dense, int64_t cols)
      : at(element, cols), dense(dense), bits(element.getBits()),
        zero(uint8_t(element.getZeroCode())) {
    for (int64_t i = 0; i < at.groups * kPanelRows; ++i)
      hasZeroScale |= isZeroScale(scaleAt(i), at.scaleBytes);
  }

  void read(int64_t step, Step &found) const {
    const uint8_t *codes = dense.data() + step * kQuadCodes * bits / 4;
    int64_t scale =
        step * MaskedFormatAttr::kStepColumns / at.group * kPanelRows;
    std::array<uint8_t, kQuadCodes> kept[2];
    int64_t counts[2];
    for (int64_t quad : {0, 1}) {
      int64_t count = 0;
      found.masks[quad] = 0;
      for (int64_t i = 0; i < kQuadCodes; ++i) {
        uint8_t code = bits == 8 ? codes[quad * kQuadCodes + i]
                                 : codes[i] >> (4 * quad) & 15;
        bool isKept = code != zero;
        if (hasZeroScale && isZeroScale(scaleAt(scale + i / 4), at.scaleBytes))
          isKept = false;
        // Without a branch: which are kept is a matter of chance.
        found.masks[quad] |= uint64_t(isKept) << i;
        kept[quad][count] = uint8_t((code - zero) & mask());
        count += isKept;
      }
      counts[quad] = count;
    }
    write(kept, counts, found);
  }

private:
  void write(const std::array<uint8_t, kQuadCodes> (&kept)[2],
             const int64_t (&counts)[2], Step &found) const {
    uint8_t *to = found.kept.data();
    if (bits == 8) {
      std::memcpy(to, kept[0].data(), counts[0]);
      std::memcpy(to + counts[0], kept[1].data(), counts[1]);
      found.bytes = counts[0] + counts[1];
      return;
    }
    found.bytes = std::max(counts[0], counts[1]);
    std::memset(to, 0, found.bytes);
    for (int64_t quad : {0, 1})
      for (int64_t i = 0; i < counts[quad]; ++i)
        to[i] |= uint8_t(kept[quad][i] << (4 * quad));
  }
  const uint8_t *scaleAt(int64_t index) const {
    return dense.data() + at.scales + index * at.scaleBytes;
  }
  int mask() const { return bits == 8 ? 255 : 15; }

  IntPanel at;
  ArrayRef<uint8_t> dense;
  int64_t bits;
  uint8_t zero;
  bool hasZeroScale = false;
};

/// Reads a step of words, floats of as many bytes, from a dense panel; what is
/// behind its end is zero.
template <typename Word>
void readFloats(ArrayRef<uint8_t> dense, int64_t step, Step &found) {
  constexpr int64_t kInStep = 2 * kQuadCodes;
  constexpr auto kMagnitude = Word(Word(~Word(0)) >> 1); // all but the sign
  Word words[kInStep] = {}, kept[kInStep];
  size_t from = step * sizeof(words);
  std::memcpy(words, dense.data() + from,
              std::min(sizeof(words), dense.size() - from));
  int64_t count = 0;
  for (int64_t quad : {0, 1}) {
    found.masks[quad] = 0;
    for (int64_t i = 0; i < kQuadCodes; ++i) {
      Word word = words[quad * kQuadCodes + i];
      bool isKept = (word & kMagnitude) != 0;
      found.masks[quad] |= uint64_t(isKept) << i;
      kept[count] = word;
      count += isKept;
    }
  }
  found.bytes = count * sizeof(Word);
  std::memcpy(found.kept.data(), kept, found.bytes);
}

} // namespace

int64_t MaskedFormatAttr::getPanelBytes(int64_t cols) const {
  return MaskedPanel(*this, cols).bytes;
}

int64_t MaskedFormatAttr::packIfKept(ArrayRef<const uint8_t *> rows,
                                     int64_t cols,
                                     MutableArrayRef<uint8_t> panel) const {
  MaskedPanel to(*this, cols);
  std::vector<uint8_t> dense(getElement().getPanelBytes(cols));
  getElement().packPanel(rows, cols, dense);
  std::optional<CodeReader> codes;
  if (getCodes())
    codes.emplace(getCodes(), dense, cols);
  if (!panel.empty()) {
    assert(int64_t(panel.size()) == to.bytes && "panel size");
    std::memset(panel.data(), 0, panel.size());
    storeWord(panel.data(), uint32_t(to.scales));
    storeWord(panel.data() + 4, uint32_t(to.record));
    if (getCodes())
      std::memcpy(panel.data() + to.scales,
                  dense.data() + IntPanel(getCodes(), cols).scales,
                  to.bytes - to.scales);
  }
  int64_t need = 0;
  Step step;
  for (int64_t s = 0; s < to.steps; ++s) {
    if (codes)
      codes->read(s, step);
    else if (getFloats().getElementBytes() == 2)
      readFloats<uint16_t>(dense, s, step);
    else
      readFloats<uint32_t>(dense, s, step);
    int64_t at = to.record ? to.records + s * to.record : to.records + need;
    need =
        to.record ? std::max(need, step.bytes) : need + kMaskBytes + step.bytes;
    if (panel.empty() || need > getKeep())
      continue;
    if (!to.record)
      storeWord(panel.data() + to.offsets + 4 * s, uint32_t(at));
    std::memcpy(panel.data() + at, step.masks, kMaskBytes);
    std::memcpy(panel.data() + at + kMaskBytes, step.kept.data(), step.bytes);
  }
  return need;
}

void MaskedFormatAttr::packPanel(ArrayRef<const uint8_t *> rows, int64_t cols,
                                 MutableArrayRef<uint8_t> panel) const {
  [[maybe_unused]] int64_t need = packIfKept(rows, cols, panel);
  assert(need <= getKeep() && "more than is kept");
}

float MaskedFormatAttr::decodePanel(ArrayRef<uint8_t> panel, int64_t cols,
                                    int64_t row, int64_t k) const {
  MaskedPanel at(*this, cols);
  int64_t step = k / kStepColumns, within = k % kStepColumns;
  // The bit of 128, which is the place in a dense step of codes of 8 bits, and
  // of floats.
  int64_t depth = getCodes() ? 4 : getElement().getPanelDepth();
  int64_t bit = (within / depth * kPanelRows + row) * depth + within % depth;
  int64_t half = bit / kQuadCodes;
  int64_t begin = at.record ? at.records + step * at.record
                            : loadWord(panel.data() + at.offsets + 4 * step);
  uint64_t masks[2];
  std::memcpy(masks, panel.data() + begin, kMaskBytes);
  uint64_t above = uint64_t(1) << bit % kQuadCodes;
  if (!(masks[half] & above))
    return 0;
  int64_t place = llvm::popcount(masks[half] & (above - 1));
  if (half && !(getCodes() && getCodes().getBits() == 4))
    place += llvm::popcount(masks[0]);
  const uint8_t *kept = panel.data() + begin + kMaskBytes;
  if (FloatFormatAttr floats = getFloats()) {
    int64_t bytes = floats.getElementBytes();
    float value;
    floats.decodeRow({kept + place * bytes, size_t(bytes)}, {&value, 1});
    return value;
  }
  // A panel of the element that is this code alone.
  IntFormatAttr codes = getCodes();
  IntPanel dense(codes, cols), alone(codes, kStepColumns);
  SmallVector<uint8_t> small(alone.bytes);
  bool isByte = codes.getBits() == 8;
  int code = isByte ? kept[place] : kept[place] >> (4 * half) & 15;
  auto stored = uint8_t(code + getZeroCode());
  small[isByte ? bit : bit % kQuadCodes] =
      isByte ? stored : uint8_t((stored & 15) << (4 * half));
  int64_t scaleBytes = kPanelRows * dense.scaleBytes;
  std::memcpy(small.data() + alone.scales,
              panel.data() + at.scales + k / dense.group * scaleBytes,
              scaleBytes);
  return codes.decodePanel(small, kStepColumns, row, within);
}
