// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How far a pass is that works for long. Passes say it by an action of MLIR's,
// so that they stay functions of what they are given: nobody hears it unless
// whoever runs them has registered a handler (adze-opt has none, and prints
// these actions with --log-actions-to).
//
//   context->registerActionHandler([](auto run, const tracing::Action &action)
//   {
//     if (auto *progress = dyn_cast<ProgressAction>(&action))
//       ...; // return without run() to stop the pass
//     run();
//   });
#ifndef ADZE_TRANSFORMS_PROGRESS_H
#define ADZE_TRANSFORMS_PROGRESS_H

#include "mlir/IR/Action.h"
#include "mlir/IR/MLIRContext.h"
#include <mutex>

namespace adze {

/// So much of the work of a pass is done. A handler that does not run it stops
/// the pass, which fails then. Handlers are called from any thread, for one
/// pass from one after the other.
class ProgressAction : public mlir::tracing::ActionImpl<ProgressAction> {
public:
  ProgressAction(llvm::ArrayRef<mlir::IRUnit> units, llvm::StringLiteral stage,
                 uint64_t done)
      : ActionImpl(units), stage(stage), done(done) {}

  static constexpr llvm::StringLiteral tag = "adze-progress";
  /// What done() is a part of.
  static constexpr uint64_t kTotal = 1000;

  /// A verb: round, scale, prune, ...
  llvm::StringLiteral getStage() const { return stage; }
  /// From 0 to kTotal; it never falls.
  uint64_t getDone() const { return done; }
  void print(llvm::raw_ostream &os) const override;

private:
  llvm::StringLiteral stage;
  uint64_t done;
};

/// Counts the work of a pass, in units of its own.
class WorkProgress {
public:
  /// Says that nothing of it is done yet.
  WorkProgress(mlir::MLIRContext *context, llvm::StringLiteral stage,
               double total);

  /// Says that so much more is done; from any thread.
  void add(double work);
  /// Whether somebody wants no more of it. What is being worked on is to end
  /// with stopped() as its error.
  bool isStopped();
  static llvm::StringLiteral stopped() { return "stopped"; }

private:
  void tell();

  mlir::MLIRContext *context;
  llvm::StringLiteral stage;
  double total, done = 0;
  bool isWanted = true;
  std::mutex mutex; // of the former two
};

} // namespace adze

MLIR_DECLARE_EXPLICIT_TYPE_ID(adze::ProgressAction)

#endif // ADZE_TRANSFORMS_PROGRESS_H
