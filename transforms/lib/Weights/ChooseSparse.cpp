// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-choose-sparse: packed weights of which many blocks are zero become
// #adze.blocks; those of which many elements are, #adze.masked. A few panels
// say that a weight is dense; only others are looked at as a whole.

#include "adze/Transforms/ChooseSparse.h"
#include "ModuleTable.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Remark.h"
#include "adze/Weights/Evaluator.h"
#include "mlir/IR/Threading.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"

namespace adze {
#define GEN_PASS_DEF_CHOOSESPARSE
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;
using namespace adze::detail;

namespace {

constexpr StringLiteral kPass = "adze-choose-sparse";

/// Panels that are looked at before a weight is taken for dense.
constexpr int64_t kSamples = 8;
/// Zeros that are worth a remark where they are not in blocks.
constexpr double kManyZeros = 0.3;

/// The least share of elements that must be zero for masks to pay, measured
/// (docs/sparsity.md): reading a mask and spreading elements costs what some
/// bytes do, so that fewer bits of an element ask for more zeros.
double maskThreshold(FormatAttrInterface element) {
  auto codes = dyn_cast<IntFormatAttr>(Attribute(element));
  return codes && codes.getBits() == 4 ? 0.45 : 0.4;
}

FormatAttrInterface maskable(WeightType type) {
  FormatAttrInterface format = type.getFormat();
  return MaskedFormatAttr::takes(format) ? format : FormatAttrInterface();
}

/// What was counted in some panels.
struct Count {
  int64_t panels = 0, blocks = 0, kept = 0, mostKept = 0;
  int64_t elements = 0, zeros = 0;
  /// What #adze.masked needs for a panel at most, evenly and not.
  int64_t evenNeed = 0, need = 0;

  double zeroBlocks() const {
    return blocks ? 1 - double(kept) / double(blocks) : 0;
  }
  double zeroElements() const {
    return elements ? double(zeros) / double(elements) : 0;
  }
  void add(const Count &other) {
    panels += other.panels;
    blocks += other.blocks;
    kept += other.kept;
    mostKept = std::max(mostKept, other.mostKept);
    elements += other.elements;
    zeros += other.zeros;
    evenNeed = std::max(evenNeed, other.evenNeed);
    need = std::max(need, other.need);
  }
};

std::string percent(double share) {
  return llvm::formatv("{0:f1} %", 100 * share).str();
}

struct Panel {
  int64_t layer, index;
};

/// The choice for the weights of a module.
class Chooser {
public:
  Chooser(ModuleOp module, double threshold, bool force, bool masks,
          bool floatMasks)
      : module(module), threshold(threshold), force(force), masks(masks),
        floatMasks(floatMasks) {
    findReaders();
  }

  SmallVector<WeightOp> candidates();
  /// Fails with a diagnostic: values that cannot be read.
  LogicalResult choose(WeightOp weight, const WeightEvaluator &values);

private:
  void findReaders();
  bool isCandidate(WeightOp weight);
  llvm::Expected<Count> count(WeightOp weight, ArrayRef<Panel> panels,
                              const WeightEvaluator &values);
  std::string reasonAgainst(WeightOp weight);
  LogicalResult chooseMasks(WeightOp weight, Count count, const Twine &why,
                            const WeightEvaluator &values);
  bool makeMasked(WeightOp weight, const Count &all);
  void makeSparse(WeightOp weight, const Count &all);
  void setFormat(WeightOp weight, Attribute format);

  ModuleOp module;
  double threshold;
  bool force, masks, floatMasks;
  llvm::StringMap<SmallVector<LinearOp, 1>> linears;
  llvm::StringSet<> others;
};

struct ChooseSparse : adze::impl::ChooseSparseBase<ChooseSparse> {
  using ChooseSparseBase::ChooseSparseBase;

  void runOnOperation() override;

  WeightSource *lent = nullptr;
  Attribute lentTable; // what the module said when it was
};

} // namespace

//===-- which weights -----------------------------------------------------===//

void Chooser::findReaders() {
  module.walk([&](Operation *op) {
    auto linear = dyn_cast<LinearOp>(op);
    if (linear)
      linears[linear.getWeight()].push_back(linear);
    op->getAttrDictionary().walk([&](FlatSymbolRefAttr name) {
      if (!linear || name != linear.getWeightAttr())
        others.insert(name.getValue());
    });
  });
}

/// Packed here, and read by linears alone.
bool Chooser::isCandidate(WeightOp weight) {
  WeightType type = weight.getWeightType();
  return type.getLayout() == LayoutKind::Panels && !weight.isSource() &&
         (BlocksFormatAttr::takes(type.getFormat()) ||
          MaskedFormatAttr::takes(type.getFormat())) &&
         linears.contains(weight.getSymName()) &&
         !others.contains(weight.getSymName()) &&
         isa<PackOp>(weight.getBody()
                         .front()
                         .getTerminator()
                         ->getOperand(0)
                         .getDefiningOp());
}

SmallVector<WeightOp> Chooser::candidates() {
  SmallVector<WeightOp> found;
  for (auto weight : module.getOps<WeightOp>())
    if (isCandidate(weight))
      found.push_back(weight);
  return found;
}

/// Why kernels cannot read it in blocks, or nothing.
std::string Chooser::reasonAgainst(WeightOp weight) {
  for (LinearOp linear : linears[weight.getSymName()])
    if (auto rounded = linear.getX().getDefiningOp<QuantizeOp>();
        rounded && rounded.getGroup() % BlocksFormatAttr::kBlockColumns)
      return ("it is multiplied with activations in groups of " +
              Twine(rounded.getGroup()) + ", which cut blocks of " +
              Twine(BlocksFormatAttr::kBlockColumns))
          .str();
  return "";
}

//===-- what is zero ------------------------------------------------------===//

static llvm::Expected<Count> count(WeightOp weight, Panel panel,
                                   const WeightEvaluator &evaluator) {
  constexpr int64_t kColumns = BlocksFormatAttr::kBlockColumns;
  WeightType type = weight.getWeightType();
  int64_t cols = type.getCols(), first = panel.index * kPanelRows;
  int64_t rows = std::min(kPanelRows, type.getRows() - first);
  std::vector<float> values(size_t(rows * cols));
  if (llvm::Error error = evaluator.readUnrounded(weight, panel.layer, first,
                                                  rows, values.data()))
    return error;
  Count found;
  found.panels = 1;
  found.elements = rows * cols;
  for (int64_t begin = 0; begin < cols; begin += kColumns) {
    int64_t end = std::min(begin + kColumns, cols), zeros = 0;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t k = begin; k < end; ++k)
        zeros += values[r * cols + k] == 0;
    found.zeros += zeros;
    found.kept += zeros != rows * (end - begin);
    ++found.blocks;
  }
  found.mostKept = found.kept;
  FormatAttrInterface element = maskable(type);
  constexpr int64_t kStep = MaskedFormatAttr::kStepColumns;
  for (int64_t begin = 0; element && begin < cols; begin += kStep) {
    int64_t kept[2] = {}, end = std::min(begin + kStep, cols); // of its halves
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t k = begin; k < end; ++k)
        kept[k - begin >= kStep / 2] += values[r * cols + k] != 0;
    int64_t bytes = MaskedFormatAttr::getKeptBytes(element, kept[0], kept[1]);
    found.evenNeed = std::max(found.evenNeed, bytes);
    found.need += MaskedFormatAttr::kMaskBytes + bytes;
  }
  return found;
}

llvm::Expected<Count> Chooser::count(WeightOp weight, ArrayRef<Panel> panels,
                                     const WeightEvaluator &values) {
  std::vector<Count> counts(panels.size());
  std::vector<std::string> errors(panels.size()); // empty: none
  parallelFor(module.getContext(), 0, panels.size(), [&](size_t i) {
    if (auto found = ::count(weight, panels[i], values))
      counts[i] = *found;
    else
      errors[i] = llvm::toString(found.takeError());
  });
  // The first, whichever thread was first: one says what is wrong.
  for (std::string &error : errors)
    if (!error.empty())
      return llvm::createStringError(error);
  Count all;
  for (const Count &count : counts)
    all.add(count);
  return all;
}

/// A few, from all over the layers and the rows.
static SmallVector<Panel> samplesOf(WeightOp weight) {
  SmallVector<int64_t> layers = llvm::to_vector(weight.getLayerIndices());
  int64_t panels = numWeightUnits(weight.getWeightType());
  int64_t total = panels * int64_t(layers.size());
  SmallVector<Panel> samples;
  for (int64_t i = 0, n = std::min(kSamples, total); i < n; ++i) {
    int64_t layer = int64_t(layers.size()) * i / n;
    samples.push_back({layers[layer], panels * ((3 * i + 1) % n) / n});
  }
  return samples;
}

static SmallVector<Panel> panelsOf(WeightOp weight) {
  int64_t panels = numWeightUnits(weight.getWeightType());
  SmallVector<Panel> all;
  for (int64_t layer : weight.getLayerIndices())
    for (int64_t panel = 0; panel < panels; ++panel)
      all.push_back({layer, panel});
  return all;
}

//===-- the choice --------------------------------------------------------===//

static LogicalResult fail(WeightOp weight, llvm::Error error) {
  return weight.emitError() << kPass << ": @" << weight.getSymName() << ": "
                            << llvm::toString(std::move(error));
}

LogicalResult Chooser::choose(WeightOp weight, const WeightEvaluator &values) {
  auto sample = count(weight, samplesOf(weight), values);
  if (!sample)
    return fail(weight, sample.takeError());
  auto missed = [&](const Count &count, const Twine &why) {
    return chooseMasks(weight, count, why, values);
  };
  if (!BlocksFormatAttr::takes(weight.getWeightType().getFormat()))
    return sample->zeroElements() < kManyZeros
               ? success()
               : missed(*sample, "its groups cut blocks of 32");
  bool isDense = sample->kept == sample->blocks;
  if (!force && isDense) {
    if (sample->zeroElements() >= kManyZeros)
      return missed(*sample, "its zeros are not in blocks");
    return success();
  }
  if (!force && sample->zeroBlocks() < threshold / 2)
    return missed(*sample, "too few blocks are zero");
  auto all = count(weight, panelsOf(weight), values);
  if (!all)
    return fail(weight, all.takeError());
  if (!force && all->zeroBlocks() < threshold)
    return missed(*all, "too few blocks are zero");
  if (std::string why = reasonAgainst(weight); !why.empty())
    return missed(*all, why);
  if (all->mostKept > BlocksFormatAttr::kMostBlocks)
    return missed(*all, "its rows are too long");
  makeSparse(weight, *all);
  return success();
}

void Chooser::setFormat(WeightOp weight, Attribute format) {
  WeightType type = weight.getWeightType();
  auto sparse =
      WeightType::get(module.getContext(), type.getShape(),
                      cast<FormatAttrInterface>(format), type.getLayout());
  Operation *yield = weight.getBody().front().getTerminator();
  yield->getOperand(0).setType(sparse);
  weight.setTypeAttr(TypeAttr::get(sparse));
}

/// Looks for zeros that are not in blocks, since `why` there are none of
/// blocks: in a count of some panels or all.
LogicalResult Chooser::chooseMasks(WeightOp weight, Count count,
                                   const Twine &why,
                                   const WeightEvaluator &values) {
  std::string reason = why.str();
  auto panels = panelsOf(weight);
  auto missed = [&] {
    reportMissed(weight, kPass,
                 reason + " (" + percent(count.zeroBlocks()) +
                     " of its blocks of 16 x 32 are zero, " +
                     percent(count.zeroElements()) + " of its elements" +
                     (count.panels < int64_t(panels.size())
                          ? ", in " + std::to_string(count.panels) + " panels"
                          : std::string()) +
                     ")");
    return success();
  };
  FormatAttrInterface element = maskable(weight.getWeightType());
  if (!element || count.zeroElements() < kManyZeros)
    return missed();
  if (!masks) {
    reason += ", and masks are not wanted (where a target does not spread "
              "elements over them)";
    return missed();
  }
  if (!floatMasks && isa<FloatFormatAttr>(Attribute(element))) {
    reason += ", and masks of floats are not wanted (where a target multiplies "
              "them in tile registers)";
    return missed();
  }
  double least = maskThreshold(element);
  if (count.zeroElements() >= least && count.panels < int64_t(panels.size())) {
    auto all = this->count(weight, panels, values);
    if (!all)
      return fail(weight, all.takeError());
    count = *all;
  }
  if (count.zeroElements() < least) {
    reason += ", and masks pay from " + percent(least) + " of zeros on";
    return missed();
  }
  if (!makeMasked(weight, count)) {
    reason += ", and masks would take more than they save, or have no room";
    return missed();
  }
  return success();
}

/// Unless it would not be smaller, or is too long.
bool Chooser::makeMasked(WeightOp weight, const Count &all) {
  WeightType type = weight.getWeightType();
  FormatAttrInterface element = maskable(type);
  auto of = [&](bool even) {
    return MaskedFormatAttr::get(module.getContext(), element,
                                 even ? all.evenNeed : all.need, even);
  };
  int64_t steps =
      llvm::divideCeil(type.getCols(), MaskedFormatAttr::kStepColumns);
  if (std::max(all.need, steps * (MaskedFormatAttr::kMaskBytes +
                                  all.evenNeed)) > INT32_MAX)
    return false; // offsets have 32 bits
  // Evenly as well as it can: N of M zeros need no table.
  MaskedFormatAttr format = of(true);
  if (of(false).getPanelBytes(type.getCols()) <
      format.getPanelBytes(type.getCols()))
    format = of(false);
  if (format.getPanelBytes(type.getCols()) >=
      element.getPanelBytes(type.getCols()))
    return false;
  int64_t dense = type.getStorageBytes() * weight.getLayerIndices().size();
  setFormat(weight, format);
  int64_t stored = weight.getWeightType().getStorageBytes() *
                   weight.getLayerIndices().size();
  reportFired(weight, kPass,
              llvm::formatv("{0} of its elements are zero: {1} keeps {2} MB of "
                            "{3} MB",
                            percent(all.zeroElements()), format.getFormatName(),
                            llvm::format("%.1f", double(stored) / 1e6),
                            llvm::format("%.1f", double(dense) / 1e6))
                  .str());
  return true;
}

void Chooser::makeSparse(WeightOp weight, const Count &all) {
  WeightType type = weight.getWeightType();
  auto format = BlocksFormatAttr::get(module.getContext(), type.getFormat(),
                                      std::max<int64_t>(1, all.mostKept));
  setFormat(weight, format);
  WeightType sparse = weight.getWeightType();

  // What a pass over it reads: of scales all, though some may be left out.
  int64_t dense = type.getStorageBytes() * weight.getLayerIndices().size();
  int64_t stored = sparse.getStorageBytes() * weight.getLayerIndices().size();
  int64_t left = (all.mostKept * all.panels - all.kept) * format.getTileBytes();
  reportFired(
      weight, kPass,
      llvm::formatv("{0} of its blocks are zero: {1} keeps {2} of {3} in a "
                    "panel at most, {4} MB of {5} MB are read",
                    percent(all.zeroBlocks()), format.getFormatName(),
                    format.getKeep(), format.countBlocks(type.getCols()),
                    llvm::format("%.1f", double(stored - left) / 1e6),
                    llvm::format("%.1f", double(dense) / 1e6))
          .str());
}

void ChooseSparse::runOnOperation() {
  ModuleOp module = getOperation();
  if (threshold < 0 || threshold > 1) {
    module.emitError() << kPass << ": expects a threshold from 0 to 1, got "
                       << threshold;
    return signalPassFailure();
  }
  Chooser chooser(module, threshold, force, masks, floatMasks);
  SmallVector<WeightOp> candidates = chooser.candidates();
  if (candidates.empty())
    return;

  std::unique_ptr<WeightTable> opened;
  WeightSource *source = lent;
  if (!table.empty() || !lent || module->getAttr(kTableAttrName) != lentTable) {
    if (table.empty() && !namesTable(module))
      return; // nothing to look at
    auto made = openModuleTable(module, table);
    if (!made) {
      module.emitError() << kPass << ": " << llvm::toString(made.takeError());
      return signalPassFailure();
    }
    opened = std::move(*made);
    source = opened.get();
  }
  auto made = WeightEvaluator::create(module, *source);
  if (!made) {
    module.emitError() << kPass << ": " << llvm::toString(made.takeError());
    return signalPassFailure();
  }
  for (WeightOp weight : candidates)
    if (failed(chooser.choose(weight, **made)))
      return signalPassFailure();
}

void adze::lendWeights(OpPassManager &manager, ModuleOp module,
                       WeightSource &source) {
  for (Pass &pass : manager.getPasses()) {
    if (pass.getTypeID() != TypeID::get<ChooseSparse>())
      continue;
    auto &choose = static_cast<ChooseSparse &>(pass);
    choose.lent = &source;
    choose.lentTable = module->getAttr(kTableAttrName);
  }
}
