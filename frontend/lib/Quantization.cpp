// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- Quantization.cpp - Checkpoints that others quantized ---------------===//
//
// Chooses the method, and looks at the tensors of one matrix for all of them.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Quantization.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

#include <cstring>

using namespace llvm;

namespace adze {

namespace {
struct Method {
  StringLiteral name;
  std::unique_ptr<Quantization> (*read)(ConfigReader &);
};
constexpr Method methods[] = {{"awq", readAwq},
                              {"compressed-tensors", readCompressedTensors},
                              {"gptq", readGptq}};
} // namespace

std::unique_ptr<Quantization> readQuantization(const json::Object &config,
                                               StringRef file,
                                               Diagnostics &diags) {
  Diagnostics found;
  ConfigReader whole(config, file.str(), found);
  // Early files of compressed-tensors use the second key.
  StringRef key = whole.has("quantization_config") ? "quantization_config"
                                                   : "compression_config";
  std::unique_ptr<Quantization> result;
  if (std::optional<ConfigReader> reader = whole.nested(key)) {
    std::optional<std::string> name = reader->string("quant_method");
    const Method *method = find_if(
        methods, [&](const Method &m) { return name && m.name == *name; });
    if (method != std::end(methods)) {
      result = method->read(*reader);
      reader->finish();
    } else if (!found.hasErrors()) {
      std::vector<std::string> names;
      for (const Method &m : methods)
        names.push_back(quoted(m.name));
      reader->unsupported("quant_method", names);
    }
  }
  bool failed = found.hasErrors();
  for (const Diagnostic &diagnostic : found.all())
    diags.add(diagnostic);
  return failed ? nullptr : std::move(result);
}

int64_t readGroupSize(ConfigReader &reader, StringRef key) {
  if (!reader.has(key)) {
    reader.error(key, "expected the size of groups, or -1 for whole rows, "
                      "found nothing");
    return 0;
  }
  std::optional<int64_t> group = reader.integer(key, -1, 1 << 20);
  if (!group || *group == -1)
    return 0;
  if (*group < 16 || *group % 8)
    reader.error(key,
                 "expected -1 or a multiple of 8 from 16 on, found " +
                     Twine(*group),
                 "compile the model that it was made from with "
                 "--weights=int4:g32");
  return *group;
}

std::string integerFormat(int64_t bits, int64_t group, DType scales,
                          bool zeros) {
  return ("int" + Twine(bits) + ":g" + Twine(group) + ":" + dtypeName(scales) +
          (zeros ? ":zp" : ""))
      .str();
}

//===-- tensors of a matrix -----------------------------------------------===//

QuantizedTensors::QuantizedTensors(const Checkpoint &checkpoint,
                                   const TensorSpec &spec, int64_t layer,
                                   StringSet<> &parts, Diagnostics &diags)
    : spec(spec), checkpoint(checkpoint), stem(spec.name(layer)), parts(parts),
      diags(diags) {
  if (StringRef(stem).ends_with(".weight"))
    stem.resize(stem.size() - strlen(".weight"));
}

std::string QuantizedTensors::pattern() const {
  StringRef text = spec.pattern;
  text.consume_back(".weight");
  return text.str();
}

bool QuantizedTensors::has(StringRef suffix) const {
  return checkpoint.find(stem + suffix.str());
}

const CheckpointTensor *QuantizedTensors::optional(StringRef suffix) {
  const CheckpointTensor *tensor = checkpoint.find(stem + suffix.str());
  if (tensor)
    parts.insert(tensor->name);
  return tensor;
}

const CheckpointTensor *
QuantizedTensors::mismatch(const CheckpointTensor &tensor,
                           const Twine &expected) {
  diags.error(checkpoint.filePath(tensor.file), "tensor " + quoted(tensor.name),
              "expected " + expected + " for the " + tensorRoleName(spec.role) +
                  ", found " + dtypeName(tensor.type) + " " +
                  formatShape(tensor.shape),
              "quantization_config does not describe this tensor");
  return nullptr;
}

const CheckpointTensor *QuantizedTensors::require(StringRef suffix, DType type,
                                                  ArrayRef<int64_t> shape) {
  const CheckpointTensor *tensor = optional(suffix);
  if (!tensor) {
    error(suffix, "expected " + dtypeName(type) + " " + formatShape(shape) +
                      " for the " + tensorRoleName(spec.role) +
                      ", found no such tensor");
    return nullptr;
  }
  if (tensor->type != type || ArrayRef<int64_t>(tensor->shape) != shape)
    return mismatch(*tensor, dtypeName(type) + " " + formatShape(shape));
  return tensor;
}

/// All bits of the exponent are set.
static bool isBadFloat(DType type, const uint8_t *at) {
  uint32_t bits = 0;
  std::memcpy(&bits, at, blockBytes(type));
  uint32_t mask = type == DType::F32   ? 0x7f800000
                  : type == DType::F16 ? 0x7c00
                                       : 0x7f80;
  return (bits & mask) == mask;
}

const CheckpointTensor *
QuantizedTensors::requireScales(StringRef suffix, ArrayRef<Shape> shapes) {
  const CheckpointTensor *tensor = optional(suffix);
  std::vector<std::string> texts;
  for (ArrayRef<int64_t> shape : shapes)
    texts.push_back(formatShape(shape));
  std::string expected = "f16, bf16 or f32 " + join(texts, " or ");
  if (!tensor) {
    error(suffix, "expected " + expected + ", found no such tensor");
    return nullptr;
  }
  if (!isFloatWeight(tensor->type) ||
      none_of(shapes, [&](ArrayRef<int64_t> shape) {
        return shape == ArrayRef<int64_t>(tensor->shape);
      }))
    return mismatch(*tensor, expected);
  ArrayRef<uint8_t> data = checkpoint.data(*tensor);
  size_t size = blockBytes(tensor->type);
  for (size_t i = 0; i < data.size() / size; ++i)
    if (isBadFloat(tensor->type, data.data() + i * size)) {
      error(suffix,
            "expected finite scales, found infinity or NaN at element " +
                Twine(i),
            "the file is damaged, or the model was quantized from weights "
            "that are not finite");
      return nullptr;
    }
  return tensor;
}

bool QuantizedTensors::isOutOfOrder(StringRef suffix, int64_t columns,
                                    int64_t group) {
  if (!has(suffix))
    return false;
  const CheckpointTensor *tensor = require(suffix, DType::I32, {columns});
  if (!tensor)
    return false;
  ArrayRef<uint8_t> data = checkpoint.data(*tensor);
  int64_t groups = group ? divideCeil(columns, group) : 1;
  std::vector<int64_t> sizes(groups);
  bool inOrder = true;
  for (int64_t k = 0; k < columns; ++k) {
    int32_t found;
    std::memcpy(&found, data.data() + k * 4, 4);
    if (found < 0 || found >= groups) {
      error(suffix, "expected groups from 0 to " + Twine(groups - 1) +
                        ", found " + Twine(found) + " for column " + Twine(k));
      return false;
    }
    ++sizes[found];
    inOrder &= found == (group ? k / group : 0);
  }
  for (int64_t g = 0; g < groups && group; ++g)
    if (int64_t size = std::min(group, columns - g * group); sizes[g] != size) {
      error(suffix,
            "expected " + Twine(size) + " columns in group " + Twine(g) +
                ", found " + Twine(sizes[g]),
            "scales of groups of other sizes cannot be kept; compile the "
            "model that it was made from with --weights=int4:g" +
                Twine(group));
      return false;
    }
  return !inOrder;
}

void QuantizedTensors::error(StringRef suffix, const Twine &message,
                             const Twine &advice) {
  const CheckpointTensor *tensor = checkpoint.find(stem + suffix.str());
  diags.error(tensor ? checkpoint.filePath(tensor->file) : checkpoint.path(),
              "tensor " + quoted(stem + suffix.str()), message, advice);
}

void QuantizedTensors::ignoreZeroBias() {
  const CheckpointTensor *bias = checkpoint.find(stem + ".bias");
  if (bias && all_of(checkpoint.data(*bias), [](uint8_t b) { return !b; }))
    parts.insert(bias->name);
}

} // namespace adze
