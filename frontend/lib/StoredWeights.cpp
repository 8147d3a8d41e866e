// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- StoredWeights.cpp - How a model's weights lie on disk --------------===//
//
// The comparison of a checkpoint with the table of tensors, and which layers
// store their weights alike.
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/StoredWeights.h"
#include "adze/Frontend/Quantization.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace llvm;

namespace adze {

/// `name` is `pattern` with some number in place of {}.
static bool matches(StringRef name, StringRef pattern) {
  auto [before, after] = pattern.split("{}");
  if (before.size() == pattern.size())
    return name == pattern;
  if (!name.consume_front(before) || !name.consume_back(after))
    return false;
  return !name.empty() && all_of(name, isDigit);
}

/// "q4_0, q4_1, ..."
static std::string readableBlocks() {
  std::string text;
  // In the order of their numbers in GGUF.
  for (uint32_t number = 0; number < 64; ++number)
    if (auto type = dtypeFromGgml(number);
        type && isMatrixWeight(*type) && !isFloatWeight(*type))
      text += (text.empty() ? "" : ", ") + dtypeName(*type).str();
  return text;
}

static void checkTensor(const Checkpoint &checkpoint,
                        const CheckpointTensor &tensor, const TensorSpec &spec,
                        Diagnostics &diags) {
  StringRef file = checkpoint.filePath(tensor.file);
  if (ArrayRef<int64_t>(tensor.shape) != ArrayRef<int64_t>(spec.shape))
    diags.error(file, "tensor " + quoted(tensor.name),
                "expected shape " + formatShape(spec.shape) + " for the " +
                    tensorRoleName(spec.role) + ", found " +
                    formatShape(tensor.shape));
  bool isVector = spec.shape.size() == 1;
  if (isVector ? isFloatWeight(tensor.type) : isMatrixWeight(tensor.type))
    return;
  std::string known = "f32, f16 or bf16";
  if (!isVector && isBlocked(tensor.type))
    known = "f32, f16, bf16 or one of " + readableBlocks();
  diags.error(file, "tensor " + quoted(tensor.name),
              "expected type " + known + ", found " + dtypeName(tensor.type),
              isBlocked(tensor.type)
                  ? "quantize the model to one of them, or use a file in F16 "
                    "or BF16"
                  : "convert the tensor to one of them");
}

StoredWeights::StoredWeights(const Checkpoint &checkpoint,
                             const TensorTable &table, int64_t layers,
                             const Quantization *quantization,
                             Diagnostics &diags) {
  StringSet<> expected;
  for (const TensorSpec &spec : table.specs) {
    std::vector<StoredWeight> &all = forms.emplace_back();
    int64_t count = isPerLayer(spec.role) ? layers : 1;
    // Tables that tokens are looked up in are never quantized.
    bool mayBe = quantization && spec.shape.size() > 1 &&
                 spec.role != TensorRole::Embedding;
    for (int64_t layer = 0; layer < count; ++layer) {
      StoredWeight &stored = all.emplace_back();
      if (std::optional<StoredWeight> found =
              mayBe
                  ? quantization->find(checkpoint, spec, layer, expected, diags)
                  : std::nullopt) {
        stored = std::move(*found);
        continue;
      }
      if (spec.shape.size() > 1)
        if (std::optional<StoredWeight> found =
                findMasked(checkpoint, spec, layer, expected, diags)) {
          stored = std::move(*found);
          continue;
        }
      std::string name = spec.name(layer);
      expected.insert(name);
      const CheckpointTensor *tensor = checkpoint.find(name);
      if (!tensor) {
        diags.error(checkpoint.path(), "tensor " + quoted(name),
                    "expected the " + tensorRoleName(spec.role) +
                        " with shape " + formatShape(spec.shape) +
                        ", found no such tensor");
        continue;
      }
      checkTensor(checkpoint, *tensor, spec, diags);
      stored.format = dtypeName(tensor->type).str();
    }
  }
  for (const CheckpointTensor &tensor : checkpoint.tensors()) {
    bool known = expected.contains(tensor.name) ||
                 any_of(table.ignored, [&](StringRef pattern) {
                   return matches(tensor.name, pattern);
                 });
    if (!known)
      diags.error(
          checkpoint.filePath(tensor.file), "tensor " + quoted(tensor.name),
          "expected no such tensor in this architecture, found " +
              formatShape(tensor.shape) + " of " + dtypeName(tensor.type),
          "the configuration does not describe these weights");
  }
  shareOrders(checkpoint, table);
}

/// Projections that read one vector mostly have one order of its columns (it
/// comes from that vector): with equal tensors the first one's serves all.
void StoredWeights::shareOrders(const Checkpoint &checkpoint,
                                const TensorTable &table) {
  auto bytesOf = [&](const StoredWeight &stored, int64_t layer) {
    std::string name =
        TensorSpec{TensorRole::Query, stored.order, {}}.name(layer);
    for (StringRef suffix : {".g_idx", ".weight_g_idx"})
      if (const CheckpointTensor *tensor = checkpoint.find(name + suffix.str()))
        return checkpoint.data(*tensor);
    return ArrayRef<uint8_t>();
  };
  auto share = [&](TensorRole from, TensorRole to) {
    const TensorSpec *a = table.find(from), *b = table.find(to);
    if (!a || !b)
      return;
    auto &first = forms[a - table.specs.data()],
         &second = forms[b - table.specs.data()];
    for (auto [layer, one, other] : enumerate(first, second))
      if (!one.order.empty() && !other.order.empty() &&
          one.packing == other.packing &&
          bytesOf(one, layer) == bytesOf(other, layer))
        other.order = one.order;
  };
  share(TensorRole::Query, TensorRole::Key);
  share(TensorRole::Query, TensorRole::Value);
  share(TensorRole::Gate, TensorRole::Up);
}

bool StoredWeights::isUniform(size_t spec) const {
  return all_equal(forms[spec]);
}

std::vector<std::vector<int64_t>> StoredWeights::layerGroups() const {
  size_t layers = 0;
  for (const std::vector<StoredWeight> &all : forms)
    layers = std::max(layers, all.size());
  auto alike = [&](int64_t a, int64_t b) {
    for (size_t spec = 0; spec < forms.size(); ++spec)
      if (!(of(spec, a) == of(spec, b)))
        return false;
    return true;
  };
  std::vector<std::vector<int64_t>> groups;
  for (int64_t layer = 0; layer < int64_t(layers); ++layer) {
    auto group = find_if(groups, [&](const std::vector<int64_t> &other) {
      return alike(other.front(), layer);
    });
    if (group == groups.end())
      groups.push_back({layer});
    else
      group->push_back(layer);
  }
  return groups;
}

} // namespace adze
