// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Changes of a module, chosen by the bytes of a fuzzer's input. What comes out
// may be valid or not; it is always a module that can be walked and printed.
#ifndef ADZE_TEST_FUZZ_MUTATIONS_H
#define ADZE_TEST_FUZZ_MUTATIONS_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/ArrayRef.h"

namespace adze::test {

/// The input, byte after byte; zero beyond its end.
class Bytes {
public:
  explicit Bytes(llvm::ArrayRef<uint8_t> bytes) : left(bytes) {}
  bool done() const { return left.empty(); }
  uint64_t number(unsigned size) {
    uint64_t value = 0;
    for (unsigned i = 0; i < size && !left.empty(); ++i) {
      value |= uint64_t(left.front()) << (8 * i);
      left = left.drop_front();
    }
    return value;
  }
  /// In [0, n), n > 0.
  uint64_t below(uint64_t n) { return number(n > 256 ? 2 : 1) % n; }
  bool flag() { return number(1) & 1; }
  template <typename T> T pick(std::initializer_list<T> from) {
    return from.begin()[below(from.size())];
  }

private:
  llvm::ArrayRef<uint8_t> left;
};

/// One change: an attribute, a type, a weight's format or layers, the operands
/// of an op, an op dropped, copied, moved or put in between.
void mutate(mlir::ModuleOp module, Bytes &bytes);

} // namespace adze::test

#endif // ADZE_TEST_FUZZ_MUTATIONS_H
