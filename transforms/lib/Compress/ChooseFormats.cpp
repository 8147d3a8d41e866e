// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-choose-formats: a format for each matrix of each layer, so that all
// together lose least within a budget of bits. What a format costs a weight is
// measured on some of its rows; bits go where they buy most (a walk along the
// convex hulls of loss over bytes, the best step first).

#include "Calibrated.h"
#include "ColumnScales.h"
#include "CompressReport.h"
#include "adze/Dialect/Adze/FormatName.h"
#include "adze/Transforms/Parts.h"
#include "adze/Transforms/Passes.h"
#include "adze/Transforms/Progress.h"
#include "adze/Transforms/Remark.h"
#include "adze/Transforms/Rounding.h"
#include "adze/Transforms/WeightExpr.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Format.h"
#include <cmath>
#include <queue>

namespace adze {
#define GEN_PASS_DEF_CHOOSEFORMATS
#include "adze/Transforms/Passes.h.inc"
} // namespace adze

using namespace mlir;
using namespace adze;
using namespace adze::detail;

namespace {

constexpr llvm::StringLiteral kPass = "adze-choose-formats";
constexpr int64_t kRows = 64; // of a weight that are measured

/// From one row that is measured to the next.
int64_t rowStride(WeightType type) {
  return llvm::divideCeil(type.getRows(), kRows);
}

/// A weight in one layer and what each format would make of it.
struct Member {
  WeightOp weight;
  int64_t layer;
  std::string source, tensor; // its name with {} for the layer, and without
  std::vector<double> loss;   // by format; infinite: it cannot hold the values
  std::vector<int64_t> bytes;
  llvm::SmallDenseSet<size_t, 2> held; // formats that hold all of its rows
  bool isSeen = true;                  // by the calibration
  std::string error;
};

/// Whether `format` can hold the row.
bool isHeld(ArrayRef<float> row, FormatAttrInterface format) {
  std::vector<uint8_t> coded(size_t(format.getRowBytes(int64_t(row.size()))));
  std::vector<float> back(row.size());
  format.encodeRow(row, coded);
  format.decodeRow(coded, back);
  return llvm::all_of(back, [](float value) { return std::isfinite(value); });
}

/// Weights of one layer that read one value have one format: fusion asks for
/// it.
struct Group {
  std::vector<Member *> members;
  size_t chosen = 0;

  double loss(size_t format) const {
    double sum = 0;
    for (const Member *member : members)
      sum += member->loss[format];
    return sum;
  }
  int64_t bytes(size_t format) const {
    int64_t sum = 0;
    for (const Member *member : members)
      sum += member->bytes[format];
    return sum;
  }
};

/// A step of a group to a larger format, and what it gains for a byte.
struct Step {
  double gain;
  size_t group, format;
  /// Ties go to the first group: the result depends on nothing else.
  bool operator<(const Step &other) const {
    return gain != other.gain ? gain < other.gain : group > other.group;
  }
};

class Chooser {
public:
  Chooser(ModuleOp module, std::vector<FormatAttrInterface> formats,
          const CalibratedOptions &options)
      : module(module), formats(std::move(formats)), options(options) {}

  LogicalResult measure();
  LogicalResult choose(double budgetBits);
  /// For adze-convert-weights.
  std::string rules() const;
  int64_t elements() const;
  int64_t bytes() const;

private:
  using MemberWork = llvm::function_ref<llvm::Error(Member &)>;

  void collect();
  LogicalResult forEach(llvm::StringLiteral stage, ArrayRef<Member *> list,
                        llvm::function_ref<double(const Member &)> effort,
                        MemberWork work);
  llvm::Error measureMember(Member &member);
  void chooseSmallest();
  void spend(int64_t limit);
  FailureOr<bool> excludeChosen();
  bool mayOverflow(const Member &member, FormatAttrInterface format) const;
  llvm::Expected<bool> holdsAll(const Member &member,
                                FormatAttrInterface format) const;
  std::optional<Step> bestStep(size_t group, int64_t room) const;

  ModuleOp module;
  std::vector<FormatAttrInterface> formats;
  const CalibratedOptions &options;
  CalibratedModule with;
  std::vector<std::unique_ptr<Member>> members;
  std::vector<Group> groups;
};

} // namespace

//===-- what there is to choose -------------------------------------------===//

void Chooser::collect() {
  // Linears that read one value, by the first weight of each.
  llvm::MapVector<Value, SmallVector<WeightOp>> readers;
  llvm::DenseSet<Operation *> seen;
  llvm::StringSet<> elsewhere = readElsewhere(module);
  bool hasIntegers = llvm::any_of(formats, [](FormatAttrInterface format) {
    return isa<IntegerFormatAttrInterface>(Attribute(format));
  });
  // What adze-convert-weights leaves takes no part.
  auto isLeft = [&](WeightOp weight) {
    StringRef why = hasIntegers ? whyNotInteger(weight, elsewhere) : "";
    if (!why.empty())
      reportMissed(weight, kPass, why);
    return !why.empty();
  };
  auto add = [&](Value x, FlatSymbolRefAttr name, Operation *op) {
    WeightOp weight = lookupWeight(op, name);
    if (isa<FloatFormatAttr>(Attribute(weight.getWeightType().getFormat())) &&
        weight.getWeightType().getLayout() == LayoutKind::Rows &&
        !weight->hasAttr(kExactAttrName) && !sourcesOf(weight).empty() &&
        seen.insert(weight).second && !isLeft(weight))
      readers[x].push_back(weight);
  };
  module.walk([&](LinearOp op) { add(op.getX(), op.getWeightAttr(), op); });
  module.walk([&](EmbedOp op) { add(op.getResult(), op.getTableAttr(), op); });
  for (auto &[x, weights] : readers) {
    llvm::MapVector<int64_t, Group> byLayer;
    for (WeightOp weight : weights) {
      std::string source = sourcesOf(weight).front();
      for (int64_t layer : weight.getLayerIndices()) {
        auto member = std::make_unique<Member>();
        member->weight = weight;
        member->layer = layer;
        member->source = source;
        member->tensor =
            weight.isPerLayer() ? nameOfLayer(source, layer) : source;
        byLayer[layer].members.push_back(member.get());
        members.push_back(std::move(member));
      }
    }
    for (auto &[layer, group] : byLayer)
      groups.push_back(std::move(group));
  }
}

llvm::Error Chooser::measureMember(Member &member) {
  WeightType type = member.weight.getWeightType();
  int64_t k = type.getCols(), stride = rowStride(type);
  // An embedding that no linear reads was not seen: its values stand for it.
  member.isSeen = with.statistics && with.statistics->has(member.tensor);
  std::optional<ScaledStatistics> scaled;
  if (member.isSeen) {
    auto read = inputOf(with, member.weight, member.layer, member.tensor,
                        /*needsGram=*/false);
    if (!read)
      return read.takeError();
    scaled = std::move(*read);
  }
  std::vector<float> w;
  for (int64_t row = 0; row < type.getRows(); row += stride) {
    w.resize(w.size() + size_t(k));
    if (llvm::Error error = with.evaluator->readRows(
            member.weight, member.layer, row, 1, w.data() + w.size() - k))
      return error;
  }
  for (float value : w)
    if (!std::isfinite(value))
      return llvm::createStringError("tensor \"" + member.tensor +
                                     "\" has values that are not finite");
  auto size = [&](ArrayRef<float> x) {
    if (scaled)
      return outputOf(x, scaled->get(), inTurn);
    double sum = 0;
    for (float value : x)
      sum += double(value) * double(value);
    return sum;
  };
  double whole = size(w);
  for (FormatAttrInterface format : formats) {
    std::vector<float> change(w.size());
    std::vector<uint8_t> row(size_t(format.getRowBytes(k)));
    for (size_t at = 0; at < w.size(); at += size_t(k)) {
      llvm::MutableArrayRef<float> out(change.data() + at, size_t(k));
      format.encodeRow(ArrayRef(w).slice(at, size_t(k)), row);
      format.decodeRow(row, out);
      for (int64_t i = 0; i < k; ++i)
        out[i] = w[at + i] - out[i];
    }
    // Values that it cannot hold, such as too large ones, are not finite.
    double lost = whole > 0 ? size(change) / whole : 0;
    member.loss.push_back(std::isfinite(lost) ? std::max(0.0, lost) : INFINITY);
    member.bytes.push_back(llvm::divideCeil(type.getRows(), kPanelRows) *
                           format.getPanelBytes(k));
  }
  return llvm::Error::success();
}

/// Does `work` of each on the threads of the context; the first error counts.
LogicalResult
Chooser::forEach(llvm::StringLiteral stage, ArrayRef<Member *> list,
                 llvm::function_ref<double(const Member &)> effort,
                 MemberWork work) {
  double whole = 0;
  for (const Member *member : list)
    whole += effort(*member);
  WorkProgress progress(module.getContext(), stage, whole);
  runParallel(module.getContext(), int64_t(list.size()), [&](int64_t i) {
    Member &member = *list[i];
    member.error = progress.isStopped() ? WorkProgress::stopped().str()
                                        : llvm::toString(work(member));
    progress.add(effort(member));
  });
  if (progress.isStopped())
    return module.emitError() << kPass << ": " << WorkProgress::stopped();
  for (Member *member : list)
    if (!member->error.empty())
      return member->weight.emitError() << kPass << ": " << member->error;
  return success();
}

static void reportLast(const Member &member, FormatAttrInterface format) {
  reportMissed(member.weight, kPass,
               "\"" + member.tensor + "\" comes last for " +
                   format.getFormatName() + ", which cannot hold its values");
}

LogicalResult Chooser::measure() {
  collect();
  if (members.empty())
    return success();
  auto opened = CalibratedModule::open(module, options);
  if (failed(opened))
    return failure();
  with = std::move(*opened);
  auto effort = [](const Member &member) {
    return double(WeightOp(member.weight).getWeightType().getCols());
  };
  SmallVector<Member *> all;
  for (auto &member : members)
    all.push_back(member.get());
  if (failed(forEach("choose", all, effort,
                     [&](Member &member) { return measureMember(member); })))
    return failure();
  for (auto &member : members) {
    if (with.statistics && !member->isSeen)
      reportMissed(member->weight, kPass,
                   "the calibration has not seen \"" + member->tensor +
                       "\": what is lost of its values stands for what is "
                       "lost of what it computes");
    for (auto [format, loss] : llvm::zip_equal(formats, member->loss))
      if (std::isinf(loss))
        reportLast(*member, format);
  }
  return success();
}

//===-- choosing ----------------------------------------------------------===//

int64_t Chooser::elements() const {
  int64_t sum = 0;
  for (auto &member : members) {
    WeightType type = member->weight.getWeightType();
    sum += type.getRows() * type.getCols();
  }
  return sum;
}

int64_t Chooser::bytes() const {
  int64_t sum = 0;
  for (const Group &group : groups)
    sum += group.bytes(group.chosen);
  return sum;
}

/// The step from what is chosen that gains most for a byte, of those that take
/// no more bytes than `room`.
std::optional<Step> Chooser::bestStep(size_t index, int64_t room) const {
  const Group &group = groups[index];
  double now = group.loss(group.chosen);
  std::optional<Step> best;
  for (size_t f = 0; f < formats.size(); ++f) {
    double after = group.loss(f);
    int64_t bytes = group.bytes(f) - group.bytes(group.chosen);
    if (!(after < now) || bytes <= 0 || bytes > room)
      continue;
    Step step{(now - after) / double(bytes), index, f};
    if (!best || best->gain < step.gain ||
        (best->gain == step.gain && after < group.loss(best->format)))
      best = step;
  }
  return best;
}

void Chooser::chooseSmallest() {
  for (Group &group : groups) {
    group.chosen = 0;
    for (size_t f = 1; f < formats.size(); ++f) {
      int64_t less = group.bytes(group.chosen) - group.bytes(f);
      if (less > 0 || (less == 0 && group.loss(f) < group.loss(group.chosen)))
        group.chosen = f;
    }
  }
}

LogicalResult Chooser::choose(double budgetBits) {
  chooseSmallest();
  auto limit = int64_t(std::min(budgetBits * double(elements()) / 8, 0x1p62));
  int64_t used = bytes();
  if (used > limit) {
    std::string text;
    llvm::raw_string_ostream(text)
        << llvm::format("the budget of %.4g bits per weight cannot be met: the "
                        "smallest of the formats take %.4g",
                        budgetBits, 8 * double(used) / double(elements()));
    return module.emitError()
           << kPass << ": " << text << "; raise it, or add a smaller format";
  }
  for (;;) {
    spend(limit);
    FailureOr<bool> excluded = excludeChosen();
    if (failed(excluded))
      return failure();
    if (!*excluded)
      return success();
    chooseSmallest();
  }
}

/// From the smallest formats up to `limit` bytes.
void Chooser::spend(int64_t limit) {
  int64_t used = bytes();
  std::priority_queue<Step> steps;
  auto push = [&](size_t group) {
    if (auto step = bestStep(group, limit - used))
      steps.push(*step);
  };
  for (size_t i = 0; i < groups.size(); ++i)
    push(i);
  while (!steps.empty()) {
    Step step = steps.top();
    steps.pop();
    Group &group = groups[step.group];
    int64_t more = group.bytes(step.format) - group.bytes(group.chosen);
    if (used + more <= limit) {
      group.chosen = step.format;
      used += more;
    }
    // Of a step that does not fit any more a smaller one takes the place.
    push(step.group);
  }
}

//===-- what rows that were not measured hold -----------------------------===//

/// Whether numbers of the weight's own format can be too large for `format`,
/// be it for its elements (f16) or its scales.
bool Chooser::mayOverflow(const Member &member,
                          FormatAttrInterface format) const {
  WeightType type = WeightOp(member.weight).getWeightType();
  auto from = cast<FloatFormatAttr>(Attribute(type.getFormat()));
  auto semantics = &cast<FloatType>(from.getElementType()).getFloatSemantics();
  std::vector<float> most(
      size_t(type.getCols()),
      llvm::APFloat::getLargest(*semantics).convertToFloat());
  return !isHeld(most, format);
}

llvm::Expected<bool> Chooser::holdsAll(const Member &member,
                                       FormatAttrInterface format) const {
  WeightType type = WeightOp(member.weight).getWeightType();
  std::vector<float> row(size_t(type.getCols()));
  for (int64_t r = 0; r < type.getRows(); ++r) {
    if (llvm::Error error = with.evaluator->readRows(
            member.weight, member.layer, r, 1, row.data()))
      return std::move(error);
    if (!isHeld(row, format))
      return false;
  }
  return true;
}

/// Looks at all rows of what has got a format that may be too small for some.
/// Formats that are come last from now on; true if there are any.
FailureOr<bool> Chooser::excludeChosen() {
  llvm::MapVector<Member *, size_t> chosen;
  SmallVector<Member *> list;
  for (const Group &group : groups)
    for (Member *member : group.members) {
      size_t f = group.chosen;
      WeightType type = member->weight.getWeightType();
      if (rowStride(type) > 1 && std::isfinite(member->loss[f]) &&
          !member->held.contains(f) && mayOverflow(*member, formats[f])) {
        chosen[member] = f;
        list.push_back(member);
      }
    }
  if (list.empty())
    return false;
  auto effort = [](const Member &member) {
    WeightType type = WeightOp(member.weight).getWeightType();
    return double(type.getRows()) * double(type.getCols());
  };
  auto look = [&](Member &member) -> llvm::Error {
    size_t f = chosen.find(&member)->second;
    auto holds = holdsAll(member, formats[f]);
    if (!holds)
      return holds.takeError();
    if (*holds)
      member.held.insert(f);
    else
      member.loss[f] = INFINITY;
    return llvm::Error::success();
  };
  if (failed(forEach("check", list, effort, look)))
    return failure();
  bool any = false;
  for (auto [member, f] : chosen)
    if (std::isinf(member->loss[f])) {
      reportLast(*member, formats[f]);
      any = true;
    }
  return any;
}

//===-- what was chosen ---------------------------------------------------===//

std::string Chooser::rules() const {
  // One rule for a tensor that has one format in all layers.
  llvm::MapVector<StringRef, llvm::SmallSetVector<size_t, 4>> bySource;
  for (const Group &group : groups)
    for (const Member *member : group.members)
      bySource[member->source].insert(group.chosen);
  std::vector<std::string> list;
  auto add = [&](StringRef pattern, size_t format) {
    list.push_back((pattern + "=" + formats[format].getFormatName()).str());
  };
  for (const Group &group : groups)
    for (const Member *member : group.members)
      if (bySource.find(member->source)->second.size() > 1)
        add(member->tensor, group.chosen);
  for (auto &[source, chosen] : bySource)
    if (chosen.size() == 1) {
      auto [before, after] = source.split("{}");
      add(before.size() == source.size() ? source.str()
                                         : (before + "*" + after).str(),
          chosen.front());
    }
  return llvm::join(list, ",");
}

//===-- the pass ----------------------------------------------------------===//

namespace {

struct ChooseFormats : adze::impl::ChooseFormatsBase<ChooseFormats> {
  using ChooseFormatsBase::ChooseFormatsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    std::vector<FormatAttrInterface> list;
    SmallVector<StringRef> names;
    StringRef(formats).split(names, '+');
    for (StringRef name : names) {
      auto format = parseFormatName(name, &getContext());
      if (!format) {
        module.emitError() << kPass << ": "
                           << llvm::toString(format.takeError());
        return signalPassFailure();
      }
      list.push_back(*format);
    }
    if (!std::isfinite(budget) || budget <= 0) {
      module.emitError() << kPass
                         << ": expects budget, the bits per weight, to be a "
                            "positive number, got "
                         << double(budget);
      return signalPassFailure();
    }
    CalibratedOptions with{kPass,
                           statistics,
                           "",
                           table,
                           /*needsStatistics=*/false,
                           /*needsStore=*/false};
    Chooser chooser(module, std::move(list), with);
    if (failed(chooser.measure()))
      return signalPassFailure();
    if (!chooser.elements()) {
      reportMissed(module, kPass, "there is no matrix of floats to choose for");
      return;
    }
    if (failed(chooser.choose(budget)))
      return signalPassFailure();
    std::string rules = chooser.rules();
    std::string text;
    llvm::raw_string_ostream(text)
        << llvm::format("%.2f bits per weight of %.2f: ",
                        8 * double(chooser.bytes()) /
                            double(chooser.elements()),
                        double(budget))
        << rules;
    reportFired(module, kPass, text);
    module->setAttr(kFormatsAttrName, StringAttr::get(&getContext(), rules));
    OpPassManager passes(ModuleOp::getOperationName());
    passes.addPass(createSplitLayers({rules}));
    passes.addPass(createConvertWeights({rules}));
    if (failed(runPipeline(passes, module)))
      signalPassFailure();
  }
};

} // namespace
