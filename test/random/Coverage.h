// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How often each op, expression, format and pass appeared in a run. What never
// appeared was not tested, so a zero is a failure.
#ifndef ADZE_TEST_RANDOM_COVERAGE_H
#define ADZE_TEST_RANDOM_COVERAGE_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/raw_ostream.h"

#include <map>
#include <string>

namespace adze::test {

class Coverage {
public:
  /// Lists what must appear; `passes` are those of the pipeline.
  explicit Coverage(llvm::ArrayRef<std::string> passes);

  /// Counts the ops and weight formats of a module.
  void count(mlir::ModuleOp module);
  /// A pass changed a module.
  void fired(llvm::StringRef pass);

  void print(llvm::raw_ostream &os) const;
  /// What must appear and did not.
  std::vector<std::string> missing() const;

private:
  /// By kind (op, weight, kv, rounded, pass) and name.
  std::map<std::pair<std::string, std::string>, uint64_t> counts;
};

} // namespace adze::test

#endif // ADZE_TEST_RANDOM_COVERAGE_H
