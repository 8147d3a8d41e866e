// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. A threshold of scores says how many of each weight go. The
// least sum of relative errors is one too: with the error of an element taken
// to be its own score squared (other elements' errors are as often of the other
// sign), the next element to go is the one of the least score squared over what
// its weight computes in all.
//
// The threshold is found without keeping scores: by their upper 16 bits first,
// then by the lower ones, in f32.

#include "PruneAllocation.h"
#include "CompressReport.h"
#include "adze/Transforms/PruneMask.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/bit.h"
#include <cmath>
#include <mutex>

using namespace adze;
using namespace adze::detail;
using llvm::ArrayRef;
using llvm::Expected;

Expected<Allocation> adze::detail::parseAllocation(llvm::StringRef name) {
  if (name.empty() || name == "uniform")
    return Allocation::Uniform;
  if (name == "global")
    return Allocation::Global;
  if (name == "sensitivity")
    return Allocation::Sensitivity;
  return llvm::createStringError(
      "expects allocate to be uniform, global or sensitivity, got \"" + name +
      "\"");
}

std::vector<double> adze::detail::inputNorms(const InputStatistics &input) {
  std::vector<double> norms;
  for (float sum : input.sumSquares)
    norms.push_back(std::sqrt(double(sum)));
  return norms;
}

namespace {

class Allocator {
public:
  Allocator(CompressContext &context, ArrayRef<WeightInLayer> items,
            ArrayRef<const ZerosPattern *> zeros, PruneMethod method,
            Allocation allocation)
      : context(context), items(items), zeros(zeros),
        byInputs(method != PruneMethod::Magnitude ||
                 allocation == Allocation::Sensitivity),
        relative(allocation == Allocation::Sensitivity), counts(items.size()),
        amounts(items.size()) {}

  Expected<std::vector<double>> run() {
    for (auto [i, pattern] : llvm::enumerate(zeros)) {
      amounts[i] = pattern->amount;
      if (pattern->kind == ZerosKind::NofM)
        return llvm::createStringError(
            "\"" + pattern->text +
            "\" leaves no choice of amounts: expects "
            "allocate=uniform, or an amount such as 0.5 or 0.5:16x32");
      rules[pattern].push_back(i);
    }
    for (auto &[pattern, members] : rules)
      if (llvm::Error error = runRule(pattern->amount, members))
        return std::move(error);
    return amounts;
  }

private:
  using Histogram = std::vector<int64_t>;

  /// Calls `use` with the scores of each member, as bits of f32 that are in
  /// their order; from several threads.
  llvm::Error
  eachMember(ArrayRef<size_t> members,
             llvm::function_ref<void(size_t, ArrayRef<uint32_t>)> use) {
    std::vector<WeightInLayer> chosen;
    for (size_t member : members)
      chosen.push_back(items[member]);
    auto work = [&](const InputStatistics &input, ArrayRef<size_t> readers,
                    ParallelFor parallel) -> llvm::Error {
      std::vector<double> norms;
      if (byInputs)
        norms = inputNorms(input);
      for (size_t reader : readers) {
        WeightOp weight = chosen[reader].weight;
        auto w = context.read(chosen[reader], weight, input);
        if (!w)
          return CompressContext::ofTensor(chosen[reader].name, w.takeError());
        double whole =
            relative ? std::sqrt(std::max(outputOf(*w, input, parallel), 0.0))
                     : 1;
        std::vector<uint32_t> bits;
        for (double score :
             unitScores(*zeros[members[reader]], *w,
                        weight.getWeightType().getCols(), norms, parallel))
          bits.push_back(
              llvm::bit_cast<uint32_t>(float(whole > 0 ? score / whole : 0)));
        use(members[reader], bits);
      }
      return llvm::Error::success();
    };
    if (succeeded(context.forEachInput(
            "allocate", chosen, [](int64_t) { return uint64_t(0); }, work)))
      return llvm::Error::success();
    return llvm::createStringError("no amounts could be found");
  }

  /// The bin of `histogram` that the element of this rank is in; `rank` becomes
  /// its rank in there.
  static uint32_t find(const Histogram &histogram, int64_t &rank) {
    uint32_t bin = 0;
    while (rank >= histogram[bin])
      rank -= histogram[bin++];
    return bin;
  }

  llvm::Error runRule(double amount, ArrayRef<size_t> members) {
    std::mutex mutex;
    Histogram upper(1 << 16), lower(1 << 16);
    int64_t total = 0;
    auto addTo = [&](Histogram &histogram, auto binOf) {
      return [&, binOf](size_t member, ArrayRef<uint32_t> scores) {
        Histogram own(histogram.size());
        for (uint32_t score : scores)
          if (std::optional<uint32_t> bin = binOf(score))
            ++own[*bin];
        std::lock_guard lock(mutex);
        for (auto [sum, more] : llvm::zip_equal(histogram, own))
          sum += more;
        counts[member] = int64_t(scores.size());
      };
    };
    if (llvm::Error error =
            eachMember(members, addTo(upper, [](uint32_t score) {
                         return std::optional<uint32_t>(score >> 16);
                       })))
      return error;
    for (size_t member : members)
      total += counts[member];
    int64_t wanted = amountOf(amount, total), rank = wanted;
    if (wanted == 0 || wanted == total)
      return llvm::Error::success(); // none or all, as the rule says
    uint32_t high = find(upper, rank);
    if (llvm::Error error =
            eachMember(members, addTo(lower, [high](uint32_t score) {
                         return score >> 16 == high
                                    ? std::optional<uint32_t>(score & 0xffff)
                                    : std::nullopt;
                       })))
      return error;
    uint32_t threshold = high << 16 | find(lower, rank);
    std::vector<int64_t> below(items.size()), equal(items.size());
    if (llvm::Error error =
            eachMember(members, [&](size_t member, ArrayRef<uint32_t> scores) {
              below[member] = llvm::count_if(
                  scores, [&](uint32_t score) { return score < threshold; });
              equal[member] = llvm::count(scores, threshold);
            }))
      return error;
    // Of those at the threshold, the first ones.
    for (size_t member : members) {
      int64_t more = std::min(rank, equal[member]);
      rank -= more;
      amounts[member] = double(below[member] + more) / double(counts[member]);
    }
    return llvm::Error::success();
  }

  CompressContext &context;
  ArrayRef<WeightInLayer> items;
  ArrayRef<const ZerosPattern *> zeros;
  bool byInputs, relative;
  llvm::MapVector<const ZerosPattern *, std::vector<size_t>> rules;
  std::vector<int64_t> counts; // of elements or blocks
  std::vector<double> amounts;
};

} // namespace

Expected<std::vector<double>>
adze::detail::allocateAmounts(CompressContext &context,
                              ArrayRef<WeightInLayer> items,
                              ArrayRef<const ZerosPattern *> zeros,
                              PruneMethod method, Allocation allocation) {
  return Allocator(context, items, zeros, method, allocation).run();
}
