// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "adze/Dialect/Adze/Adze.h"
#include "mlir/IR/DialectImplementation.h"
using namespace mlir;
using namespace adze;
#define PENDING(F)                                                             \
  std::string F::getFormatName() const { return "pending"; }                   \
  int64_t F::getRowBytes(int64_t) const { return 0; }                          \
  void F::encodeRow(ArrayRef<float>, MutableArrayRef<uint8_t>) const {}        \
  void F::decodeRow(ArrayRef<uint8_t>, MutableArrayRef<float>) const {}        \
  int64_t F::getPanelDepth() const { return 0; }                               \
  int64_t F::getPanelBytes(int64_t) const { return 0; }                        \
  void F::packPanel(ArrayRef<const uint8_t *>, int64_t,                        \
                    MutableArrayRef<uint8_t>) const {}                         \
  float F::decodePanel(ArrayRef<uint8_t>, int64_t, int64_t, int64_t) const {   \
    return 0;                                                                  \
  }                                                                            \
  Value F::emitLoadElement(OpBuilder &, Location, Value, bool, int64_t, Value, \
                           Value) const {                                      \
    return {};                                                                 \
  }                                                                            \
  int64_t F::getGroup() const { return 0; }                                    \
  int64_t F::getZeroCode() const { return 0; }                                 \
  int64_t F::getMaxCode() const { return 0; }                                  \
  bool F::hasMinimum() const { return false; }                                 \
  Value F::emitPanelBytes(OpBuilder &, Location, Value) const { return {}; }   \
  SmallVector<Value> F::emitCodes(OpBuilder &, Location, Value, Value, Value)  \
      const {                                                                  \
    return {};                                                                 \
  }                                                                            \
  Value F::emitScale(OpBuilder &, Location, Value, Value, Value) const {       \
    return {};                                                                 \
  }                                                                            \
  Value F::emitMinimum(OpBuilder &, Location, Value, Value, Value) const {     \
    return {};                                                                 \
  }
PENDING(GgufFormatAttr)
