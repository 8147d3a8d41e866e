// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "adze/Transforms/Progress.h"
#include <algorithm>

using namespace adze;

MLIR_DEFINE_EXPLICIT_TYPE_ID(adze::ProgressAction)

void ProgressAction::print(llvm::raw_ostream &os) const {
  os << tag << ": " << stage << ' ' << done << " of " << kTotal;
}

WorkProgress::WorkProgress(mlir::MLIRContext *context,
                           llvm::StringLiteral stage, double total)
    : context(context), stage(stage), total(total) {
  tell();
}

void WorkProgress::add(double work) {
  // Whoever listens hears of one thread's work after the other's.
  std::lock_guard lock(mutex);
  done += work;
  tell();
}

void WorkProgress::tell() {
  double part = total > 0 ? std::min(done / total, 1.0) : 1;
  bool isRun = false;
  context->executeAction<ProgressAction>(
      [&] { isRun = true; }, {}, stage,
      // Sums of parts may miss the whole by their rounding.
      uint64_t(part * double(ProgressAction::kTotal) + 1e-6));
  isWanted &= isRun;
}

bool WorkProgress::isStopped() {
  std::lock_guard lock(mutex);
  return !isWanted;
}
