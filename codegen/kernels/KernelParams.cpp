// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "KernelParams.h"

using namespace mlir;
using namespace adze;

void KernelParams::wrong(StringRef name, StringRef expected) {
  hasFailed = true;
  InFlightDiagnostic diag = kernel.emitOpError() << "expects param '" << name
                                                 << "' to be " << expected;
  if (Attribute found = kernel.getParams().get(name))
    diag << ", found " << found;
  else
    diag << ", found none";
}

int64_t KernelParams::integer(StringRef name,
                              std::optional<int64_t> otherwise) {
  if (!has(name) && otherwise)
    return *otherwise;
  auto attr = attribute<IntegerAttr>(name, "an integer");
  return attr ? attr.getInt() : 1;
}

double KernelParams::real(StringRef name, std::optional<double> otherwise) {
  if (!has(name) && otherwise)
    return *otherwise;
  auto attr = attribute<FloatAttr>(name, "a float");
  return attr ? attr.getValueAsDouble() : 0;
}

bool KernelParams::flag(StringRef name) {
  Attribute attr = kernel.getParams().get(name);
  if (!attr)
    return false;
  if (isa<UnitAttr>(attr))
    return true;
  auto flag = attribute<BoolAttr>(name, "a bool");
  return flag && flag.getValue();
}

static bool isStored(Type type) {
  return type.isF32() || type.isF16() || type.isBF16();
}

Type KernelParams::elementType(StringRef name) {
  Type f32 = Float32Type::get(kernel.getContext());
  if (!has(name))
    return f32;
  auto attr = kernel.getParams().getAs<TypeAttr>(name);
  if (attr && isStored(attr.getValue()))
    return attr.getValue();
  wrong(name, "f32, f16 or bf16");
  return f32;
}

Type KernelParams::cacheType(StringRef name) {
  auto attr = kernel.getParams().getAs<TypeAttr>(name);
  if (attr && attr.getValue().isSignlessInteger(8))
    return attr.getValue();
  if (!attr || isStored(attr.getValue()))
    return elementType(name);
  wrong(name, "f32, f16, bf16 or i8");
  return Float32Type::get(kernel.getContext());
}

SmallVector<Type> KernelParams::elementTypes(StringRef name) {
  SmallVector<Type> types;
  if (!has(name))
    return types;
  auto array = attribute<ArrayAttr>(name, "an array of element types");
  if (!array)
    return types;
  for (Attribute element : array) {
    auto type = dyn_cast<TypeAttr>(element);
    if (!type || !isStored(type.getValue())) {
      wrong(name, "an array of f32, f16 or bf16");
      return {};
    }
    types.push_back(type.getValue());
  }
  return types;
}

Type KernelParams::floatFormat(StringRef name) {
  auto format = kernel.getParams().getAs<FloatFormatAttr>(name);
  if (format)
    return format.getElementType();
  wrong(name, "a format that this builder implements (#adze.float)");
  return Float32Type::get(kernel.getContext());
}
