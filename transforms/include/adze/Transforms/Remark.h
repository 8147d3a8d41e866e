// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Remarks of passes: what fired, and what could have and did not, and why.
// `adze explain` prints them per layer.
#ifndef ADZE_TRANSFORMS_REMARK_H
#define ADZE_TRANSFORMS_REMARK_H

#include "mlir/IR/Operation.h"
#include "mlir/IR/Remarks.h"

namespace adze {

/// `pass` did `what` at `op`.
inline void reportFired(mlir::Operation *op, llvm::StringRef pass,
                        llvm::StringRef what) {
  mlir::remark::passed(op->getLoc(),
                       mlir::remark::RemarkOpts::name("Fired").category(pass))
      << what;
}

/// `pass` could have fired at `op` and did not, because of `why`.
inline void reportMissed(mlir::Operation *op, llvm::StringRef pass,
                         llvm::StringRef why) {
  mlir::remark::missed(op->getLoc(),
                       mlir::remark::RemarkOpts::name("Missed").category(pass))
      << mlir::remark::reason("{0}", why);
}

} // namespace adze

#endif // ADZE_TRANSFORMS_REMARK_H
