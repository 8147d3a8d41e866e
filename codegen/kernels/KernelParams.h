// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads the params of an adze.kernel. What is missing or of the wrong kind is a
// diagnostic on the kernel that names the parameter; the reader remembers that
// it failed, so that a builder asks once at the end.
#ifndef ADZE_CODEGEN_KERNELS_KERNELPARAMS_H
#define ADZE_CODEGEN_KERNELS_KERNELPARAMS_H

#include "adze/Dialect/Adze/Adze.h"

namespace adze {

class KernelParams {
public:
  explicit KernelParams(KernelOp kernel) : kernel(kernel) {}

  bool failed() const { return hasFailed; }
  mlir::MLIRContext *context() { return kernel.getContext(); }
  bool has(llvm::StringRef name) { return bool(kernel.getParams().get(name)); }

  int64_t integer(llvm::StringRef name, std::optional<int64_t> otherwise = {});
  double real(llvm::StringRef name, std::optional<double> otherwise = {});
  bool flag(llvm::StringRef name);
  /// f32, f16 or bf16; f32 where absent.
  mlir::Type elementType(llvm::StringRef name);
  /// The same or i8.
  mlir::Type cacheType(llvm::StringRef name);
  llvm::SmallVector<mlir::Type> elementTypes(llvm::StringRef name);
  bool isInteger8(llvm::StringRef name) {
    auto attr = kernel.getParams().getAs<mlir::TypeAttr>(name);
    return attr && attr.getValue().isInteger(8);
  }
  /// A format whose panels are decoded for float rows.
  bool hasDecoded(llvm::StringRef name) {
    return llvm::isa_and_present<IntegerFormatAttrInterface,
                                 DecodedFormatAttrInterface>(
        kernel.getParams().get(name));
  }
  /// Element type of a #adze.float format.
  mlir::Type floatFormat(llvm::StringRef name);
  /// Null where it is absent or of another kind.
  template <typename AttrT> AttrT optional(llvm::StringRef name) {
    return kernel.getParams().getAs<AttrT>(name);
  }
  template <typename AttrT>
  AttrT attribute(llvm::StringRef name, llvm::StringRef expected) {
    auto attr = kernel.getParams().getAs<AttrT>(name);
    if (!attr)
      wrong(name, expected);
    return attr;
  }

  /// Says that parameter `name` is not what was expected.
  void wrong(llvm::StringRef name, llvm::StringRef expected);

private:
  KernelOp kernel;
  bool hasFailed = false;
};

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_KERNELPARAMS_H
