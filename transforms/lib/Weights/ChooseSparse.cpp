// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-choose-sparse: packed weights of which many blocks are zero become
// #adze.blocks, those of which many elements are, #adze.masked: what is fastest
// by the rates of KernelRates.h. A few panels say that a weight is dense; only
// others are looked at as a whole.

#include "adze/Transforms/ChooseSparse.h"
#include "ModuleTable.h"
#include "adze/Transforms/KernelRates.h"
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

/// How many times as fast as dense sparse weights must be: less is within what
/// measuring varies by from machine to machine.
constexpr double kMargin = 1.05;

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

/// What the rates say of a weight in some storage: of each number of rows, the
/// slowest of the targets.
struct Verdict {
  struct Figure {
    int64_t rows;
    double time;
    StringRef target;
    bool isMeasured;
  };
  SmallVector<Figure> figures; // of all rows that are expected, or none:
  StringRef unknownOn;         // what the rates do not have for this target

  bool pays() const { return !figures.empty() && worst().time * kMargin <= 1; }
  const Figure &worst() const {
    return *llvm::max_element(figures, [](const Figure &a, const Figure &b) {
      return a.time < b.time;
    });
  }
};

/// What is expected of steps and machines.
struct Conditions {
  const KernelRates &rates;
  SmallVector<int64_t> rows;
  SmallVector<std::string> targets;

  Verdict judge(StringRef format, StringRef storage, double zeros) const;
  std::string gain(const Verdict &verdict) const;
  std::string loss(const Verdict &verdict, StringRef what, double zeros) const;
  std::string place(const Verdict::Figure &figure) const;
};

/// A way to store a weight without its zeros.
struct Candidate {
  FormatAttrInterface format;
  Verdict verdict;
};

/// The choice for the weights of a module.
class Chooser {
public:
  Chooser(ModuleOp module, const Conditions &conditions, double threshold,
          bool force)
      : module(module), conditions(conditions), threshold(threshold),
        force(force) {
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
  /// Why it does not pay, or nothing.
  std::string tryBlocks(WeightOp weight, const Count &count, Candidate &made);
  std::string tryMasks(WeightOp weight, const Count &count, Candidate &made);
  MaskedFormatAttr maskedFormat(WeightType type, const Count &all);
  void makeMasked(WeightOp weight, const Count &all, const Candidate &chosen);
  void makeBlocks(WeightOp weight, const Count &all, const Candidate &chosen);
  void setFormat(WeightOp weight, Attribute format);

  ModuleOp module;
  const Conditions &conditions;
  double threshold;
  bool force;
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

static SmallVector<Panel> panelsOf(WeightOp weight) {
  int64_t panels = numWeightUnits(weight.getWeightType());
  SmallVector<Panel> all;
  for (int64_t layer : weight.getLayerIndices())
    for (int64_t panel = 0; panel < panels; ++panel)
      all.push_back({layer, panel});
  return all;
}

/// All of them, or a few from all over the layers and the rows.
static SmallVector<Panel> samplesOf(WeightOp weight) {
  SmallVector<int64_t> layers = llvm::to_vector(weight.getLayerIndices());
  int64_t panels = numWeightUnits(weight.getWeightType());
  if (panels * int64_t(layers.size()) <= kSamples)
    return panelsOf(weight);
  SmallVector<Panel> samples;
  for (int64_t i = 0; i < kSamples; ++i) {
    int64_t layer = int64_t(layers.size()) * i / kSamples;
    int64_t panel = panels * ((3 * i + 1) % kSamples) / kSamples;
    samples.push_back({layers[layer], panel});
  }
  return samples;
}

//===-- what the rates say ------------------------------------------------===//

/// What the table calls it: integers by the bits that they are stored in.
static std::string rateName(FormatAttrInterface element) {
  if (auto codes = dyn_cast<IntFormatAttr>(Attribute(element)))
    return codes.getBits() == 8 ? "int8" : "int4";
  return element.getFormatName();
}

Verdict Conditions::judge(StringRef format, StringRef storage,
                          double zeros) const {
  Verdict verdict;
  for (int64_t count : rows) {
    std::optional<Verdict::Figure> slowest;
    for (const std::string &target : targets) {
      auto rate = rates.find(target, format, storage, zeros, count);
      if (!rate)
        return {{}, target};
      // Of equal ones, one that was measured.
      if (!slowest || rate->time > slowest->time ||
          (rate->time == slowest->time && !slowest->isMeasured))
        slowest = {count, rate->time, target, rate->isMeasured};
    }
    verdict.figures.push_back(*slowest);
  }
  return verdict;
}

/// Where it is so slow, if there are several places, or it was not measured.
std::string Conditions::place(const Verdict::Figure &figure) const {
  if (!figure.isMeasured)
    return (" (not measured on " + figure.target + ": the slowest of all)")
        .str();
  return targets.size() > 1 ? (" on " + figure.target).str() : "";
}

/// "1.77 x as fast at 1 row, 1.78 x at 512".
std::string Conditions::gain(const Verdict &verdict) const {
  std::string text;
  for (const Verdict::Figure &figure : verdict.figures) {
    bool isFirst = text.empty();
    text += llvm::formatv("{0}{1:f2} x {2}{3}{4}{5}", isFirst ? "" : ", ",
                          1 / figure.time, isFirst ? "as fast at " : "at ",
                          figure.rows,
                          !isFirst           ? ""
                          : figure.rows == 1 ? " row"
                                             : " rows",
                          place(figure))
                .str();
  }
  return text;
}

/// "a mask of int8 with 50.0 % zeros takes 1.23 x the time of dense at 512
/// rows"
std::string Conditions::loss(const Verdict &verdict, StringRef what,
                             double zeros) const {
  bool isPlural = what.starts_with("blocks");
  if (verdict.figures.empty())
    return llvm::formatv("{0} with {1} zeros {2} not measured on {3}", what,
                         percent(zeros), isPlural ? "were" : "was",
                         verdict.unknownOn)
        .str();
  const Verdict::Figure &worst = verdict.worst();
  return llvm::formatv("{0} with {1} zeros take{2} {3:f2} x the time of dense "
                       "at {4} row{5}{6}",
                       what, percent(zeros), isPlural ? "" : "s", worst.time,
                       worst.rows, worst.rows == 1 ? "" : "s", place(worst))
      .str();
}

//===-- the choice --------------------------------------------------------===//

static LogicalResult fail(WeightOp weight, llvm::Error error) {
  return weight.emitError() << kPass << ": @" << weight.getSymName() << ": "
                            << llvm::toString(std::move(error));
}

LogicalResult Chooser::choose(WeightOp weight, const WeightEvaluator &values) {
  WeightType type = weight.getWeightType();
  bool takesBlocks = BlocksFormatAttr::takes(type.getFormat());
  auto panels = panelsOf(weight);
  auto counted = count(weight, samplesOf(weight), values);
  if (!counted)
    return fail(weight, counted.takeError());
  bool forced = force && takesBlocks;
  if (!forced && counted->zeroElements() < kManyZeros &&
      (!takesBlocks || counted->kept == counted->blocks))
    return success();

  Candidate blocks, masks;
  std::string whyNoBlocks, whyNoMasks;
  auto consider = [&] {
    blocks = masks = {};
    whyNoBlocks = tryBlocks(weight, *counted, blocks);
    whyNoMasks = tryMasks(weight, *counted, masks);
  };
  consider();
  // Half of what is asked for in a few panels may be more in all of them.
  double least =
      threshold
          ? threshold
          : conditions.rates.leastZeros(rateName(type.getFormat()), "blocks")
                .value_or(1);
  bool mayPay = blocks.format || masks.format ||
                (takesBlocks && counted->kept != counted->blocks &&
                 counted->zeroBlocks() >= least / 2);
  if (mayPay && counted->panels < int64_t(panels.size())) {
    counted = count(weight, panels, values);
    if (!counted)
      return fail(weight, counted.takeError());
    consider();
  }
  if (blocks.format && masks.format && !forced && !threshold) {
    bool isMask = masks.verdict.worst().time < blocks.verdict.worst().time;
    (isMask ? blocks : masks).format = {};
  }
  if (blocks.format) {
    makeBlocks(weight, *counted, blocks);
  } else if (masks.format) {
    makeMasked(weight, *counted, masks);
  } else {
    std::string reason = whyNoBlocks;
    if (!whyNoMasks.empty())
      reason += ", and " + whyNoMasks;
    reportMissed(
        weight, kPass,
        reason + " (" + percent(counted->zeroBlocks()) +
            " of its blocks of 16 x 32 are zero, " +
            percent(counted->zeroElements()) + " of its elements" +
            (counted->panels < int64_t(panels.size())
                 ? ", in " + std::to_string(counted->panels) + " panels"
                 : std::string()) +
            ")");
  }
  return success();
}

std::string Chooser::tryBlocks(WeightOp weight, const Count &count,
                               Candidate &made) {
  WeightType type = weight.getWeightType();
  if (!BlocksFormatAttr::takes(type.getFormat()))
    return "its groups cut blocks of 32";
  if (!force && count.kept == count.blocks)
    return "its zeros are not in blocks";
  std::string name = rateName(type.getFormat());
  double zeros = count.zeroBlocks();
  auto least = conditions.rates.leastZeros(name, "blocks");
  if (!force && zeros < (threshold ? threshold : least.value_or(0)))
    return "too few blocks are zero";
  if (std::string why = reasonAgainst(weight); !why.empty())
    return why;
  if (count.mostKept > BlocksFormatAttr::kMostBlocks)
    return "its rows are too long";
  made.verdict = conditions.judge(name, "blocks", zeros);
  if (!force && !threshold && !made.verdict.pays())
    return conditions.loss(made.verdict, "blocks of " + name, zeros);
  made.format = cast<FormatAttrInterface>(
      Attribute(BlocksFormatAttr::get(module.getContext(), type.getFormat(),
                                      std::max<int64_t>(1, count.mostKept))));
  return "";
}

std::string Chooser::tryMasks(WeightOp weight, const Count &count,
                              Candidate &made) {
  WeightType type = weight.getWeightType();
  FormatAttrInterface element = maskable(type);
  double zeros = count.zeroElements();
  if (!element || zeros < kManyZeros)
    return "";
  std::string name = rateName(element);
  MaskedFormatAttr format = maskedFormat(type, count);
  made.verdict =
      conditions.judge(name, format && format.getEven() ? "nm" : "mask", zeros);
  if (!made.verdict.pays())
    return conditions.loss(made.verdict, "a mask of " + name, zeros);
  if (!format)
    return "masks would take more than they save, or have no room";
  made.format = cast<FormatAttrInterface>(Attribute(format));
  return "";
}

/// What `all` needs; nothing if that would not be smaller, or is too long.
MaskedFormatAttr Chooser::maskedFormat(WeightType type, const Count &all) {
  FormatAttrInterface element = maskable(type);
  auto of = [&](bool even) {
    return MaskedFormatAttr::get(module.getContext(), element,
                                 even ? all.evenNeed : all.need, even);
  };
  int64_t steps =
      llvm::divideCeil(type.getCols(), MaskedFormatAttr::kStepColumns);
  if (std::max(all.need, steps * (MaskedFormatAttr::kMaskBytes +
                                  all.evenNeed)) > INT32_MAX)
    return {}; // offsets have 32 bits
  // Evenly as well as it can: N of M zeros need no table.
  MaskedFormatAttr format = of(true);
  if (of(false).getPanelBytes(type.getCols()) <
      format.getPanelBytes(type.getCols()))
    format = of(false);
  if (format.getPanelBytes(type.getCols()) >=
      element.getPanelBytes(type.getCols()))
    return {};
  return format;
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

/// Of all layers.
static int64_t storedBytes(WeightOp weight) {
  return weight.getWeightType().getStorageBytes() *
         int64_t(weight.getLayerIndices().size());
}

void Chooser::makeMasked(WeightOp weight, const Count &all,
                         const Candidate &chosen) {
  int64_t dense = storedBytes(weight);
  setFormat(weight, chosen.format);
  reportFired(
      weight, kPass,
      llvm::formatv("{0} of its elements are zero: {1} keeps {2} MB of "
                    "{3} MB, {4}",
                    percent(all.zeroElements()),
                    FormatAttrInterface(chosen.format).getFormatName(),
                    llvm::format("%.1f", double(storedBytes(weight)) / 1e6),
                    llvm::format("%.1f", double(dense) / 1e6),
                    conditions.gain(chosen.verdict))
          .str());
}

void Chooser::makeBlocks(WeightOp weight, const Count &all,
                         const Candidate &chosen) {
  auto format = cast<BlocksFormatAttr>(Attribute(chosen.format));
  // What a pass over it reads: of scales all, though some may be left out.
  int64_t dense = storedBytes(weight),
          left = (all.mostKept * all.panels - all.kept) * format.getTileBytes();
  setFormat(weight, chosen.format);
  std::string gain = conditions.gain(chosen.verdict);
  reportFired(
      weight, kPass,
      llvm::formatv(
          "{0} of its blocks are zero: {1} keeps {2} of {3} in a "
          "panel at most, {4} MB of {5} MB are read{6}{7}",
          percent(all.zeroBlocks()), format.getFormatName(), format.getKeep(),
          format.countBlocks(weight.getWeightType().getCols()),
          llvm::format("%.1f", double(storedBytes(weight) - left) / 1e6),
          llvm::format("%.1f", double(dense) / 1e6), gain.empty() ? "" : ", ",
          gain)
          .str());
}

void ChooseSparse::runOnOperation() {
  ModuleOp module = getOperation();
  auto wrong = [&](const Twine &message) {
    module.emitError() << kPass << ": " << message;
    signalPassFailure();
  };
  if (threshold < 0 || threshold > 1)
    return wrong("expects a threshold from 0 to 1, got " +
                 llvm::formatv("{0}", threshold.getValue()).str());
  for (int64_t count : rows)
    if (count < 1)
      return wrong("expects rows from 1 on, got " + Twine(count));
  std::optional<KernelRates> given;
  if (!rates.empty()) {
    auto read = KernelRates::open(rates);
    if (!read)
      return wrong(llvm::toString(read.takeError()));
    given = std::move(*read);
  }
  Conditions conditions{given ? *given : KernelRates::builtIn(),
                        {rows.begin(), rows.end()},
                        {targets.begin(), targets.end()}};
  if (conditions.rows.empty())
    conditions.rows.push_back(1);
  if (conditions.targets.empty())
    conditions.targets.push_back(conditions.rates.firstTarget().str());
  Chooser chooser(module, conditions, threshold, force);
  SmallVector<WeightOp> candidates = chooser.candidates();
  if (candidates.empty())
    return;

  std::unique_ptr<WeightTable> opened;
  WeightSource *source = lent;
  if (!table.empty() || !lent || module->getAttr(kTableAttrName) != lentTable) {
    if (table.empty() && !namesTable(module))
      return; // nothing to look at
    auto made = openModuleTable(module, table);
    if (!made)
      return wrong(llvm::toString(made.takeError()));
    opened = std::move(*made);
    source = opened.get();
  }
  auto made = WeightEvaluator::create(module, *source);
  if (!made)
    return wrong(llvm::toString(made.takeError()));
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
