// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From a kernel's family to its builder.

#include "adze/Codegen/KernelBuilder.h"
#include "Builders.h"
#include "Generic.h"
#include "KernelEmitter.h"
#include "adze/Dialect/AdzeKernel/AdzeKernel.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace adze;

void adze::loadKernelDialects(MLIRContext &context) {
  context.loadDialect<arith::ArithDialect, func::FuncDialect, scf::SCFDialect,
                      vector::VectorDialect, math::MathDialect,
                      LLVM::LLVMDialect, kernel::AdzeKernelDialect>();
  loadGenericDialects(context);
}

KernelDots adze::kernelDots(KernelOp kernel) {
  // What is multiplied: rows with a weight, queries with a cache.
  KernelDots dots;
  StringRef operand;
  switch (kernel.getFamily()) {
  case KernelFamily::Linear:
    operand = "in";
    dots.expands = bool(kernel.getParams().getAs<MaskedFormatAttr>("format"));
    break;
  case KernelFamily::Attention:
  case KernelFamily::AttentionMerge:
    operand = "kv";
    break;
  default:
    return dots;
  }
  auto type = kernel.getParams().getAs<TypeAttr>(operand);
  if (!type)
    return dots;
  dots.bf16 = type.getValue().isBF16();
  dots.bytes = type.getValue().isInteger(8);
  dots.tiles =
      dots.bf16 || (dots.bytes && kernel.getFamily() == KernelFamily::Linear);
  return dots;
}

int64_t adze::kernelScratchBytes(KernelOp kernel, const KernelTarget &target,
                                 int64_t columns) {
  int64_t bytes = 0;
  switch (kernel.getFamily()) {
  case KernelFamily::Linear:
    bytes = linearScratchBytes(kernel, target, columns);
    break;
  case KernelFamily::Attention:
  case KernelFamily::AttentionMerge:
    bytes = attentionScratchBytes(kernel, target);
    break;
  case KernelFamily::KVAppend: {
    auto headDim = kernel.getParams().getAs<IntegerAttr>("head_dim");
    bytes = headDim ? (headDim.getInt() + kLanes) * 8 : 0; // f32, converted
    break;
  }
  case KernelFamily::Generic:
    bytes = genericScratchBytes(kernel);
    break;
  default:
    bytes = rowScratchBytes(kernel);
  }
  return llvm::alignTo(bytes, kLineBytes);
}

SharedBytes adze::kernelSharedBytes(KernelOp kernel,
                                    const KernelTarget &target) {
  if (kernel.getFamily() == KernelFamily::Attention)
    return attentionSharedBytes(kernel, target);
  return {};
}

FailureOr<func::FuncOp> adze::buildKernel(OpBuilder &builder, KernelOp kernel,
                                          const KernelTarget &of) {
  KernelTarget target = of;
  KernelDots dots = kernelDots(kernel);
  target.hasBF16Dot &= dots.bf16;
  target.hasByteDot &= dots.bytes;
  target.hasAmx &= dots.tiles;
  target.hasExpand &= dots.expands;
  target.fewSums &= dots.bytes && dots.tiles;
  switch (kernel.getFamily()) {
  case KernelFamily::Linear:
    return buildLinear(builder, kernel, target);
  case KernelFamily::Attention:
    return buildAttention(builder, kernel, target);
  case KernelFamily::AttentionMerge:
    return buildAttentionMerge(builder, kernel, target);
  case KernelFamily::RmsNorm:
    return buildRmsNorm(builder, kernel, target);
  case KernelFamily::Quantize:
    return buildQuantize(builder, kernel, target);
  case KernelFamily::Embed:
    return buildEmbed(builder, kernel, target);
  case KernelFamily::RotaryTable:
    return buildRotaryTable(builder, kernel, target);
  case KernelFamily::Rotary:
    return buildRotary(builder, kernel, target);
  case KernelFamily::KVAppend:
    return buildKVAppend(builder, kernel, target);
  case KernelFamily::TakeRows:
    return buildTakeRows(builder, kernel, target);
  case KernelFamily::Map:
    return buildMap(builder, kernel, target);
  case KernelFamily::Generic:
    return buildGeneric(builder, kernel, target);
  }
  llvm_unreachable("every family has a builder");
}
