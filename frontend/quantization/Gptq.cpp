// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Gptq.cpp - Checkpoints of GPTQ -------------------------------------===//
//
// As AutoGPTQ and GPTQModel write them: qweight, qzeros, scales and g_idx of
// each projection. The format `gptq` stores zero points less one, `gptq_v2` as
// they are. With `desc_act` columns were quantized, and put into groups, in an
// order of their own.
//
// Source: Frantar et al., GPTQ: Accurate Post-Training Quantization for
// Generative Pre-trained Transformers, 2022.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Quantization.h"

#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace adze {
namespace {

class Gptq : public Quantization {
public:
  explicit Gptq(ConfigReader &reader) {
    bits = reader.positive("bits");
    if (bits != 4 && bits != 8)
      reader.error("bits", "expected 4 or 8, found " + Twine(bits),
                   "compile the model that it was made from with "
                   "--weights=int4:g32");
    group = readGroupSize(reader, "group_size");
    symmetric = reader.boolean("sym", true);
    ordered = reader.boolean("desc_act", false);
    // Newer files call it format.
    StringRef key =
        reader.has("checkpoint_format") ? "checkpoint_format" : "format";
    packing = reader.choose<StringRef>(
        key, {{"gptq", "gptq"}, {"gptq_v2", "gptq_v2"}}, "gptq");
    reader.require("is_marlin_format", false);
    reader.require("pack_dtype", "int32");
    reader.require("dynamic", json::Object());
    // How the codes were found, and what ran them.
    reader.ignore({"quant_method",
                   "method",
                   "checkpoint_format",
                   "format",
                   "damp_percent",
                   "damp_auto_increment",
                   "static_groups",
                   "true_sequential",
                   "lm_head",
                   "meta",
                   "dataset",
                   "tokenizer",
                   "model_name_or_path",
                   "model_file_base_name",
                   "model_seqlen",
                   "batch_size",
                   "pad_token_id",
                   "block_name_to_quantize",
                   "module_name_preceding_first_block",
                   "modules_in_block_to_quantize",
                   "backend",
                   "use_cuda_fp16",
                   "use_exllama",
                   "disable_exllama",
                   "exllama_config",
                   "max_input_length",
                   "cache_block_outputs",
                   "version",
                   "mse",
                   "act_group_aware",
                   "hyb_act",
                   "adapter",
                   "offload_to_disk"});
  }

  std::optional<StoredWeight> find(const Checkpoint &checkpoint,
                                   const TensorSpec &spec, int64_t layer,
                                   StringSet<> &parts,
                                   Diagnostics &diags) const override {
    QuantizedTensors tensors(checkpoint, spec, layer, parts, diags);
    if (!tensors.has(".qweight"))
      return std::nullopt;
    tensors.ignoreZeroBias();
    int64_t rows = spec.shape[0], columns = spec.shape[1], perWord = 32 / bits;
    if (columns % perWord) {
      tensors.error(".qweight", "expected rows of a multiple of " +
                                    Twine(perWord) + " elements for the " +
                                    tensorRoleName(spec.role) + ", found " +
                                    Twine(columns));
      return StoredWeight();
    }
    int64_t groups = group ? divideCeil(columns, group) : 1;
    tensors.require(".qweight", DType::I32, {columns / perWord, rows});
    tensors.require(".qzeros", DType::I32,
                    {groups, int64_t(divideCeil(rows, perWord))});
    const CheckpointTensor *scales = tensors.requireScales(
        ".scales", {QuantizedTensors::Shape{groups, rows}});
    StoredWeight stored;
    stored.packing = packing;
    // Without it nobody knows which scale a column has.
    if (ordered && group && !tensors.has(".g_idx"))
      tensors.error(".g_idx",
                    "expected the groups of columns, as \"desc_act\": true "
                    "says, found no such tensor",
                    "correct quantization_config, or save the model with it");
    if (tensors.isOutOfOrder(".g_idx", columns, group)) {
      if (!ordered)
        tensors.error(".g_idx",
                      "expected columns in the order of their groups, as "
                      "\"desc_act\": false says, found another one",
                      "correct quantization_config");
      stored.order = tensors.pattern();
    }
    if (scales)
      stored.format = integerFormat(bits, group, scales->type, !symmetric);
    return stored;
  }

private:
  int64_t bits, group;
  bool symmetric, ordered;
  StringRef packing;
};

} // namespace

std::unique_ptr<Quantization> readGptq(ConfigReader &reader) {
  return std::make_unique<Gptq>(reader);
}

} // namespace adze
