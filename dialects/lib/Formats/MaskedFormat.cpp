// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// #adze.masked<F, keep = B>: panels of the integer format F without the codes
// that are zero, and masks of those that are kept. What a kernel emits to read
// a panel is in MaskedFormatEmit.cpp.

#include "MaskedLayout.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/bit.h"
#include <array>
#include <cstring>

using namespace mlir;
using namespace adze;
using namespace adze::detail;

//===-- syntax ------------------------------------------------------------===//

bool MaskedFormatAttr::takes(FormatAttrInterface element) {
  auto codes = dyn_cast_or_null<IntFormatAttr>(Attribute(element));
  return codes && codes.getBits() != 3 && !codes.getZeros();
}

LogicalResult
MaskedFormatAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                         IntFormatAttr element, int64_t keep, bool even) {
  if (!element || !MaskedFormatAttr::takes(element))
    return emitError() << "expects elements of #adze.int with 4 or 8 bits and "
                          "without zero points, got "
                       << element;
  constexpr int64_t kMost = int64_t(1) << 31;
  int64_t most =
      even ? MaskedFormatAttr::getCodeBytes(element, kQuadCodes, kQuadCodes)
           : kMost;
  if (keep < 0 || keep > most)
    return emitError() << "expects to keep 0 to " << most << " bytes of a "
                       << (even ? "record's codes" : "panel's records")
                       << ", got " << keep;
  return success();
}

Attribute MaskedFormatAttr::parse(AsmParser &parser, Type) {
  IntFormatAttr element;
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
  return parser.getChecked<MaskedFormatAttr>(loc, parser.getContext(), element,
                                             keep, even);
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

int64_t MaskedFormatAttr::getGroup() const { return getElement().getGroup(); }
int64_t MaskedFormatAttr::getZeroCode() const {
  return getElement().getZeroCode();
}
int64_t MaskedFormatAttr::getMaxCode() const {
  return getElement().getMaxCode();
}
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

/// The codes of a step that are kept: those whose value is not zero.
struct Step {
  uint64_t masks[2] = {};
  std::array<uint8_t, kQuadCodes> codes[2];
  int64_t counts[2] = {};

  int64_t bytes(IntFormatAttr element) const {
    return MaskedFormatAttr::getCodeBytes(element, counts[0], counts[1]);
  }
};

/// Reads steps from a dense panel of the element.
class StepReader {
public:
  StepReader(IntFormatAttr element, ArrayRef<uint8_t> dense, int64_t cols)
      : at(element, cols), dense(dense), bits(element.getBits()),
        zero(uint8_t(element.getZeroCode())) {
    for (int64_t i = 0; i < at.groups * kPanelRows; ++i)
      hasZeroScale |= isZeroScale(scaleAt(i), at.scaleBytes);
  }

  Step read(int64_t step) const {
    Step found;
    const uint8_t *codes = dense.data() + step * kQuadCodes * bits / 4;
    int64_t scale =
        step * MaskedFormatAttr::kStepColumns / at.group * kPanelRows;
    for (int64_t quad : {0, 1}) {
      int64_t count = 0;
      for (int64_t i = 0; i < kQuadCodes; ++i) {
        uint8_t code = bits == 8 ? codes[quad * kQuadCodes + i]
                                 : codes[i] >> (4 * quad) & 15;
        bool isKept = code != zero;
        if (hasZeroScale && isZeroScale(scaleAt(scale + i / 4), at.scaleBytes))
          isKept = false;
        // Without a branch: which are kept is a matter of chance.
        found.masks[quad] |= uint64_t(isKept) << i;
        found.codes[quad][count] = uint8_t((code - zero) & mask());
        count += isKept;
      }
      found.counts[quad] = count;
    }
    return found;
  }

private:
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

void storeWord(uint8_t *to, uint32_t word) { std::memcpy(to, &word, 4); }
uint32_t loadWord(const uint8_t *from) {
  uint32_t word;
  std::memcpy(&word, from, 4);
  return word;
}

} // namespace

int64_t MaskedFormatAttr::getPanelBytes(int64_t cols) const {
  return MaskedPanel(*this, cols).bytes;
}

int64_t MaskedFormatAttr::packIfKept(ArrayRef<const uint8_t *> rows,
                                     int64_t cols,
                                     MutableArrayRef<uint8_t> panel) const {
  MaskedPanel to(*this, cols);
  IntFormatAttr element = getElement();
  std::vector<uint8_t> dense(element.getPanelBytes(cols));
  element.packPanel(rows, cols, dense);
  StepReader reader(element, dense, cols);
  if (!panel.empty()) {
    assert(int64_t(panel.size()) == to.bytes && "panel size");
    std::memset(panel.data(), 0, panel.size());
    storeWord(panel.data(), uint32_t(to.scales));
    storeWord(panel.data() + 4, uint32_t(to.record));
    std::memcpy(panel.data() + to.scales, dense.data() + to.element.scales,
                to.bytes - to.scales);
  }
  int64_t need = 0;
  for (int64_t s = 0; s < to.steps; ++s) {
    Step step = reader.read(s);
    int64_t at = to.record ? to.records + s * to.record : to.records + need;
    int64_t bytes = step.bytes(element);
    need = to.record ? std::max(need, bytes) : need + kMaskBytes + bytes;
    if (panel.empty() || need > getKeep())
      continue;
    if (!to.record)
      storeWord(panel.data() + to.offsets + 4 * s, uint32_t(at));
    std::memcpy(panel.data() + at, step.masks, kMaskBytes);
    uint8_t *codes = panel.data() + at + kMaskBytes;
    if (element.getBits() == 8) {
      std::memcpy(codes, step.codes[0].data(), step.counts[0]);
      std::memcpy(codes + step.counts[0], step.codes[1].data(), step.counts[1]);
      continue;
    }
    for (int64_t quad : {0, 1})
      for (int64_t i = 0; i < step.counts[quad]; ++i)
        codes[i] |= uint8_t(step.codes[quad][i] << (4 * quad));
  }
  return need;
}

void MaskedFormatAttr::packPanel(ArrayRef<const uint8_t *> rows, int64_t cols,
                                 MutableArrayRef<uint8_t> panel) const {
  [[maybe_unused]] int64_t need = packIfKept(rows, cols, panel);
  assert(need <= getKeep() && "more codes than are kept");
}

float MaskedFormatAttr::decodePanel(ArrayRef<uint8_t> panel, int64_t cols,
                                    int64_t row, int64_t k) const {
  MaskedPanel at(*this, cols);
  int64_t step = k / kStepColumns, quad = k % kStepColumns / 4;
  int64_t bit = 4 * row + k % 4, bits = getElement().getBits();
  int64_t begin = at.record ? at.records + step * at.record
                            : loadWord(panel.data() + at.offsets + 4 * step);
  uint64_t masks[2];
  std::memcpy(masks, panel.data() + begin, kMaskBytes);
  if (!(masks[quad] >> bit & 1))
    return 0;
  int64_t place = llvm::popcount(masks[quad] & ((uint64_t(1) << bit) - 1));
  if (quad && bits == 8)
    place += llvm::popcount(masks[0]);
  uint8_t code = panel[begin + kMaskBytes + place];
  if (bits == 4)
    code = code >> (4 * quad) & 15;
  // A panel of the element that is this code alone.
  IntPanel alone(getElement(), kStepColumns);
  SmallVector<uint8_t> small(alone.bytes);
  int64_t byte = bits == 8 ? quad * kQuadCodes + bit : bit;
  auto stored = uint8_t(code + getZeroCode());
  small[byte] = bits == 8 ? stored : uint8_t((stored & 15) << (4 * quad));
  int64_t scaleBytes = kPanelRows * at.element.scaleBytes;
  int64_t group = k / at.element.group;
  std::memcpy(small.data() + alone.scales,
              panel.data() + at.scales + group * scaleBytes, scaleBytes);
  return getElement().decodePanel(small, kStepColumns, row, k % kStepColumns);
}
