// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// #adze.blocks<F, keep = B>: panels of F without the blocks that are zero. A
// block of F's panel is one run of bytes, so that packing is F's, and copies.
// What a kernel emits to read a panel is in BlocksFormatEmit.cpp.

#include "BlocksLayout.h"
#include "mlir/IR/DialectImplementation.h"
#include <cstring>

using namespace mlir;
using namespace adze;
using namespace adze::detail;

//===-- syntax ------------------------------------------------------------===//

bool BlocksFormatAttr::takes(FormatAttrInterface element) {
  if (auto codes = dyn_cast_or_null<IntFormatAttr>(Attribute(element)))
    return codes.getGroupSize() % kBlockColumns == 0;
  return isa_and_present<FloatFormatAttr>(Attribute(element));
}

LogicalResult
BlocksFormatAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                         FormatAttrInterface element, int64_t keep) {
  if (!takes(element)) {
    auto diag = emitError()
                << "expects elements of #adze.float, or of #adze.int "
                   "with a group of 0 or a multiple of "
                << kBlockColumns << ", got ";
    if (!element)
      return diag << "no format";
    return diag << Attribute(element);
  }
  if (keep < 1 || keep > kMostBlocks)
    return emitError() << "expects to keep 1 to " << kMostBlocks
                       << " blocks of a panel, got " << keep;
  return success();
}

Attribute BlocksFormatAttr::parse(AsmParser &parser, Type) {
  Attribute element;
  int64_t keep;
  auto loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseAttribute(element) ||
      parser.parseComma() || parser.parseKeyword("keep") ||
      parser.parseEqual() || parser.parseInteger(keep) || parser.parseGreater())
    return {};
  return parser.getChecked<BlocksFormatAttr>(
      loc, parser.getContext(), dyn_cast<FormatAttrInterface>(element), keep);
}

void BlocksFormatAttr::print(AsmPrinter &printer) const {
  printer << '<' << Attribute(getElement()) << ", keep = " << getKeep() << '>';
}

/// int4:g128+blocks, whatever is kept.
std::string BlocksFormatAttr::getFormatName() const {
  return getElement().getFormatName() + "+blocks";
}

//===-- rows --------------------------------------------------------------===//

int64_t BlocksFormatAttr::getRowBytes(int64_t cols) const {
  return getElement().getRowBytes(cols);
}
void BlocksFormatAttr::encodeRow(ArrayRef<float> values,
                                 MutableArrayRef<uint8_t> row) const {
  getElement().encodeRow(values, row);
}
void BlocksFormatAttr::decodeRow(ArrayRef<uint8_t> row,
                                 MutableArrayRef<float> values) const {
  getElement().decodeRow(row, values);
}

//===-- which blocks are zero ---------------------------------------------===//

namespace {

/// Marks the blocks of a row that have an element other than `zero` within the
/// bits of `mask`; a block is so many words.
template <typename Word>
void markWords(const uint8_t *row, int64_t words, int64_t inBlock, Word zero,
               Word mask, MutableArrayRef<uint8_t> used) {
  for (int64_t first = 0, b = 0; first < words; first += inBlock, ++b) {
    int64_t end = std::min(first + inBlock, words);
    Word differs = 0;
    for (int64_t i = first; i < end; ++i) {
      Word word;
      std::memcpy(&word, row + i * sizeof(Word), sizeof(Word));
      differs |= (word ^ zero) & mask;
    }
    used[b] |= differs != 0;
  }
}

void markFloats(FloatFormatAttr format, const uint8_t *row, int64_t cols,
                MutableArrayRef<uint8_t> used) {
  constexpr int64_t kInBlock = BlocksFormatAttr::kBlockColumns;
  if (format.getElementType().isF32()) // 0 and -0
    markWords<uint32_t>(row, cols, kInBlock, 0, 0x7fffffff, used);
  else
    markWords<uint16_t>(row, cols, kInBlock, 0, 0x7fff, used);
}

void markCodes(IntFormatAttr format, const uint8_t *row, int64_t cols,
               MutableArrayRef<uint8_t> used) {
  constexpr int64_t kInBlock = BlocksFormatAttr::kBlockColumns;
  IntRow at(format, cols);
  int64_t blocks = at.group / kInBlock;
  for (int64_t g = 0; g < at.groups; ++g) {
    if (isZeroScale(row + at.scales + g * at.scaleBytes, at.scaleBytes))
      continue;
    // Groups of 0 are the row, which need not be whole blocks.
    int64_t begin = g * at.group, end = std::min(begin + at.group, cols);
    int zero = format.getZeros() ? row[at.zeros + g] : format.getZeroCode();
    auto marks = used.drop_front(g * blocks);
    if (format.getBits() == 8) {
      markWords<uint8_t>(row + begin, end - begin, kInBlock, uint8_t(zero),
                         0xff, marks);
      continue;
    }
    uint8_t both = uint8_t(zero | zero << 4);
    int64_t pairs = (end - begin) / 2;
    markWords<uint8_t>(row + begin / 2, pairs, kInBlock / 2, both, 0xff, marks);
    if ((end - begin) % 2) // the last one alone in its byte
      marks[pairs / (kInBlock / 2)] |= (row[begin / 2 + pairs] & 15) != zero;
  }
}

} // namespace

SmallVector<uint16_t>
BlocksFormatAttr::findBlocks(ArrayRef<const uint8_t *> rows,
                             int64_t cols) const {
  SmallVector<uint8_t> used(countBlocks(cols));
  for (const uint8_t *row : rows) {
    if (!row)
      continue;
    if (auto codes = dyn_cast<IntFormatAttr>(Attribute(getElement())))
      markCodes(codes, row, cols, used);
    else
      markFloats(cast<FloatFormatAttr>(Attribute(getElement())), row, cols,
                 used);
  }
  SmallVector<uint16_t> blocks;
  for (auto [index, mark] : llvm::enumerate(used))
    if (mark)
      blocks.push_back(uint16_t(index));
  return blocks;
}

//===-- panels ------------------------------------------------------------===//

int64_t BlocksFormatAttr::getTileBytes() const {
  auto element = Attribute(getElement());
  int64_t bits = 0;
  if (auto codes = dyn_cast<IntFormatAttr>(element))
    bits = storedBits(codes);
  else
    bits =
        cast<FloatFormatAttr>(element).getElementType().getIntOrFloatBitWidth();
  return kPanelRows * kBlockColumns * bits / 8;
}

int64_t BlocksFormatAttr::getHeaderBytes() const {
  return llvm::alignTo(2 * (1 + getKeep()), kLine);
}
int64_t BlocksFormatAttr::getScalesOffset() const {
  return getHeaderBytes() + getKeep() * getTileBytes();
}
int64_t BlocksFormatAttr::getPanelDepth() const {
  return getElement().getPanelDepth();
}
int64_t BlocksFormatAttr::getPanelBytes(int64_t cols) const {
  return BlocksPanel(*this, cols).bytes;
}

/// Scales and zero points of a panel of `codes`: those of all groups, or of the
/// blocks alone.
static void packScales(IntFormatAttr codes, ArrayRef<uint16_t> blocks,
                       ArrayRef<uint8_t> dense, int64_t cols,
                       const BlocksPanel &to, MutableArrayRef<uint8_t> panel) {
  IntPanel from(codes, cols);
  int64_t scaleBytes = kPanelRows * to.scaleBytes;
  bool perBlock = BlocksPanel::perBlock(codes);
  int64_t sets = perBlock ? int64_t(blocks.size()) : to.sets;
  for (int64_t i = 0; i < sets; ++i) {
    int64_t group = perBlock ? blocks[i] : i;
    std::memcpy(panel.data() + to.scales + i * scaleBytes,
                dense.data() + from.scales + group * scaleBytes, scaleBytes);
    if (codes.getZeros())
      std::memcpy(panel.data() + to.zeros + i * kPanelRows,
                  dense.data() + from.zeros + group * kPanelRows, kPanelRows);
  }
}

void BlocksFormatAttr::packPanel(ArrayRef<const uint8_t *> rows, int64_t cols,
                                 MutableArrayRef<uint8_t> panel) const {
  BlocksPanel to(*this, cols);
  assert(int64_t(panel.size()) == to.bytes && "panel size");
  SmallVector<uint16_t> blocks = findBlocks(rows, cols);
  assert(int64_t(blocks.size()) <= getKeep() && "more blocks than are kept");
  std::memset(panel.data(), 0, panel.size());
  auto count = uint16_t(blocks.size());
  std::memcpy(panel.data(), &count, 2);
  std::memcpy(panel.data() + 2, blocks.data(), 2 * blocks.size());

  FormatAttrInterface element = getElement();
  std::vector<uint8_t> dense(element.getPanelBytes(cols));
  element.packPanel(rows, cols, dense);
  auto codes = dyn_cast<IntFormatAttr>(Attribute(element));
  int64_t tilesEnd = codes ? IntPanel(codes, cols).scales : dense.size();
  for (auto [place, block] : llvm::enumerate(blocks)) {
    uint8_t *tile = panel.data() + to.tiles + place * to.tileBytes;
    int64_t from = block * to.tileBytes;
    int64_t bytes = std::min(to.tileBytes, tilesEnd - from);
    std::memcpy(tile, dense.data() + from, bytes);
    if (bytes < to.tileBytes) // K ends within: codes for zero
      std::memset(tile + bytes, codes ? zeroCodeByte(codes) : 0,
                  to.tileBytes - bytes);
  }
  if (codes)
    packScales(codes, blocks, dense, cols, to, panel);
}

static uint16_t wordAt(ArrayRef<uint8_t> panel, int64_t index) {
  uint16_t word;
  std::memcpy(&word, panel.data() + 2 * index, 2);
  return word;
}

float BlocksFormatAttr::decodePanel(ArrayRef<uint8_t> panel, int64_t cols,
                                    int64_t row, int64_t k) const {
  BlocksPanel at(*this, cols);
  int64_t place = 0, count = wordAt(panel, 0), block = k / kBlockColumns;
  while (place < count && wordAt(panel, 1 + place) != block)
    ++place;
  if (place == count)
    return 0;
  ArrayRef<uint8_t> tile =
      panel.slice(at.tiles + place * at.tileBytes, at.tileBytes);
  int64_t within = k % kBlockColumns;
  auto codes = dyn_cast<IntFormatAttr>(Attribute(getElement()));
  if (!codes)
    return getElement().decodePanel(tile, kBlockColumns, row, within);
  // The block as a panel of its own.
  IntPanel alone(codes, kBlockColumns);
  SmallVector<uint8_t> small(alone.bytes);
  std::memcpy(small.data(), tile.data(), tile.size());
  int64_t set = BlocksPanel::perBlock(codes) ? place
                : codes.getGroupSize()       ? k / codes.getGroupSize()
                                             : 0;
  int64_t scaleBytes = kPanelRows * at.scaleBytes;
  std::memcpy(small.data() + alone.scales,
              panel.data() + at.scales + set * scaleBytes, scaleBytes);
  if (codes.getZeros())
    std::memcpy(small.data() + alone.zeros,
                panel.data() + at.zeros + set * kPanelRows, kPanelRows);
  return getElement().decodePanel(small, kBlockColumns, row, within);
}
