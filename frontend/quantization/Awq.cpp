// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Awq.cpp - Checkpoints of AWQ ---------------------------------------===//
//
// As AutoAWQ writes them for its kernel `gemm`: qweight, qzeros and scales of
// each projection, eight output channels to a word.
//
// Source: Lin et al., AWQ: Activation-aware Weight Quantization for LLM
// Compression and Acceleration, 2023.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Quantization.h"

#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace adze {
namespace {

class Awq : public Quantization {
public:
  explicit Awq(ConfigReader &reader) {
    if (int64_t bits = reader.positive("bits"); bits != 4)
      reader.error("bits", "expected 4, found " + Twine(bits),
                   "compile the model that it was made from with "
                   "--weights=int4:g32 or int8");
    group = readGroupSize(reader, "group_size");
    if (!reader.boolean("zero_point", true))
      reader.error("zero_point", "expected true, found false",
                   "only checkpoints with zero points are known");
    std::string version = reader.string("version").value_or("gemm");
    if (!StringRef(version).equals_insensitive("gemm"))
      reader.error("version", "expected \"gemm\", found " + quoted(version),
                   "quantize for the version gemm");
    // What was left alone is seen from the tensors.
    reader.ignore({"quant_method", "backend", "modules_to_not_convert",
                   "do_fuse", "fuse_max_seq_len", "modules_to_fuse",
                   "exllama_config"});
  }

  std::optional<StoredWeight> find(const Checkpoint &checkpoint,
                                   const TensorSpec &spec, int64_t layer,
                                   StringSet<> &parts,
                                   Diagnostics &diags) const override {
    QuantizedTensors tensors(checkpoint, spec, layer, parts, diags);
    if (!tensors.has(".qweight"))
      return std::nullopt;
    tensors.ignoreZeroBias();
    int64_t rows = spec.shape[0], columns = spec.shape[1];
    StoredWeight stored;
    if (rows % 8) {
      tensors.error(".qweight",
                    "expected a multiple of 8 output channels for the " +
                        tensorRoleName(spec.role) + ", found " + Twine(rows));
      return stored;
    }
    int64_t groups = group ? divideCeil(columns, group) : 1;
    tensors.require(".qweight", DType::I32, {columns, rows / 8});
    tensors.require(".qzeros", DType::I32, {groups, rows / 8});
    stored.packing = "awq";
    if (auto *scales = tensors.requireScales(
            ".scales", {QuantizedTensors::Shape{groups, rows}}))
      stored.format = integerFormat(4, group, scales->type, /*zeros=*/true);
    return stored;
  }

private:
  int64_t group;
};

} // namespace

std::unique_ptr<Quantization> readAwq(ConfigReader &reader) {
  return std::make_unique<Awq>(reader);
}

} // namespace adze
