// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- TorchMasks.cpp - Weights with masks of torch.nn.utils.prune --------===//
//
// A module that torch.nn.utils.prune has pruned keeps `weight_orig` and
// `weight_mask`, and so does a checkpoint of its state: the weight is their
// product.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Quantization.h"

#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace adze {

std::optional<StoredWeight> findMasked(const Checkpoint &checkpoint,
                                       const TensorSpec &spec, int64_t layer,
                                       StringSet<> &parts, Diagnostics &diags) {
  QuantizedTensors tensors(checkpoint, spec, layer, parts, diags);
  const CheckpointTensor *weight = tensors.optional(".weight_orig"),
                         *mask = tensors.optional(".weight_mask");
  if (!weight && !mask)
    return std::nullopt;
  StoredWeight stored;
  stored.packing = "masked";
  if (!weight || !mask) {
    StringRef there = weight ? ".weight_orig" : ".weight_mask",
              other = weight ? ".weight_mask" : ".weight_orig";
    tensors.error(there,
                  "expected " + quoted((tensors.name() + other).str()) +
                      " beside it, as torch.nn.utils.prune has them, found no "
                      "such tensor",
                  "save the whole state, or make the pruning permanent "
                  "(prune.remove)");
    return stored;
  }
  auto expect = [&](StringRef suffix, const CheckpointTensor &tensor,
                    bool isType, StringRef types) {
    if (!isType || ArrayRef<int64_t>(tensor.shape) != ArrayRef(spec.shape))
      tensors.error(
          suffix, "expected " + types + " " + formatShape(spec.shape) +
                      " for the " + tensorRoleName(spec.role) + ", found " +
                      dtypeName(tensor.type) + " " + formatShape(tensor.shape));
  };
  expect(".weight_orig", *weight, isFloatWeight(weight->type),
         "f32, f16 or bf16");
  expect(".weight_mask", *mask,
         isFloatWeight(mask->type) || mask->type == DType::Bool ||
             mask->type == DType::U8,
         "a mask of f32, f16, bf16, bool or u8");
  if (tensors.has(".weight"))
    tensors.error(".weight",
                  "expected no weight beside " +
                      quoted((tensors.name() + ".weight_orig").str()) +
                      " and its mask, found one");
  stored.format = dtypeName(weight->type).str();
  return stored;
}

} // namespace adze
