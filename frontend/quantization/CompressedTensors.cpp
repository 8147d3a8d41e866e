// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- CompressedTensors.cpp - Checkpoints of compressed-tensors ----------===//
//
// As llm-compressor writes them: `pack-quantized` (4 or 8 bits to words,
// weight_packed), `int-quantized` (bytes, weight) and `float-quantized` (E4M3,
// weight), with weight_scale and, where weights are not symmetric,
// weight_zero_point. Which scheme a module has
// is said by targets and an ignore list, both names or, after `re:`, patterns.
// `sparse-24-bitmask` stores floats of which 2 of 4 are kept: the values
// (compressed) and a bit for each element (bitmask).
//
//===----------------------------------------------------------------------===//

#include "adze/Frontend/Json.h"
#include "adze/Frontend/Quantization.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Regex.h"

#include <cstring>

using namespace llvm;

namespace adze {
namespace {

/// Names of modules, patterns of names, and the class `Linear`.
class Names {
public:
  Names() = default;
  Names(ConfigReader &reader, StringRef key) {
    for (const std::string &text : reader.strings(key)) {
      StringRef pattern = text;
      if (!pattern.consume_front("re:")) {
        exact.push_back(text);
        continue;
      }
      // Patterns are Python's: what POSIX patterns read otherwise is refused,
      // and counts, which cost memory to the power of their nesting.
      std::string problem;
      if (pattern.contains("(?") || pattern.contains("*?") ||
          pattern.contains("+?") || hasLetterEscape(pattern))
        problem = "it uses what only Python's patterns have";
      else if (pattern.contains('{') || pattern.size() > kLongestPattern)
        problem = "it has a repetition count or is too long";
      Regex regex(problem.empty() ? ("^(" + pattern + ")").str() : "");
      if (problem.empty() && regex.isValid(problem))
        patterns.push_back(std::move(regex));
      else
        reader.error(key,
                     "expected patterns that can be read, found " +
                         quoted(text) + " (" + problem + ")",
                     "write the names of the modules");
    }
  }

  bool hasLinear() const { return is_contained(exact, "Linear"); }
  bool match(StringRef name) const {
    return is_contained(exact, name) ||
           any_of(patterns, [&](const Regex &r) { return r.match(name); });
  }

private:
  static constexpr size_t kLongestPattern = 256;
  static bool hasLetterEscape(StringRef pattern) {
    for (size_t i = 0; i + 1 < pattern.size(); ++i)
      if (pattern[i] == '\\' && isAlnum(pattern[++i]))
        return true;
    return false;
  }

  std::vector<std::string> exact;
  std::vector<Regex> patterns;
};

/// One of `config_groups`.
struct Scheme {
  Names targets;
  std::string format;
  int64_t bits = 8, group = 0;
  bool symmetric = true, oneScale = false;
  bool ordered = false; // groups are of columns that are not neighbours
};

class CompressedTensors : public Quantization {
public:
  explicit CompressedTensors(ConfigReader &reader) {
    std::string format = reader.string("format").value_or("");
    ignored = Names(reader, "ignore");
    if (std::optional<ConfigReader> groups = reader.nested("config_groups")) {
      for (const std::string &name : groups->keys())
        if (std::optional<ConfigReader> group = groups->nested(name)) {
          addScheme(*group, format);
          group->finish();
        }
    }
    readSparsity(reader);
    if (schemes.empty() && !isSparse)
      reader.error("config_groups", "expected at least one group, found none");
    reader.require("kv_cache_scheme", nullptr);
    reader.require("transform_config", json::Object());
    // Weights of both are stored as the format says.
    reader.choose("quantization_status",
                  {{"compressed", true}, {"frozen", true}}, true);
    reader.ignore({"quant_method", "global_compression_ratio", "version"});
  }

  std::optional<StoredWeight> find(const Checkpoint &checkpoint,
                                   const TensorSpec &spec, int64_t layer,
                                   StringSet<> &parts,
                                   Diagnostics &diags) const override;

private:
  void addScheme(ConfigReader &reader, StringRef format);
  void readSparsity(ConfigReader &reader);
  const Scheme *schemeOf(StringRef name) const;
  StoredWeight findSparse(QuantizedTensors &tensors,
                          const Checkpoint &checkpoint) const;

  Names ignored;
  std::vector<Scheme> schemes;
  bool isSparse = false; // some modules are; which, their tensors say
};

void CompressedTensors::addScheme(ConfigReader &reader, StringRef format) {
  Scheme scheme;
  scheme.targets = Names(reader, "targets");
  scheme.format = reader.string("format").value_or(format.str());
  bool isFloat = scheme.format == "float-quantized";
  bool isBytes = scheme.format == "int-quantized";
  if (!isFloat && !isBytes && scheme.format != "pack-quantized")
    reader.error("format",
                 "expected \"pack-quantized\", \"int-quantized\" or "
                 "\"float-quantized\", found " +
                     quoted(scheme.format),
                 "compile the model that it was made from with "
                 "--weights=int4:g32 or int8");
  // Activations are rounded as --activations says.
  reader.ignore({"input_activations"});
  reader.require("output_activations", nullptr);
  std::optional<ConfigReader> weights = reader.nested("weights");
  if (!weights) {
    if (!reader.has("weights"))
      reader.error("weights", "expected an object, found nothing");
    return;
  }
  weights->require("type", isFloat ? "float" : "int");
  scheme.bits = weights->positive("num_bits");
  bool isWide = isBytes || isFloat;
  if (scheme.bits != 8 && (isWide || scheme.bits != 4))
    weights->error("num_bits",
                   "expected " + Twine(isWide ? "8" : "4 or 8") + " for " +
                       quoted(scheme.format) + ", found " + Twine(scheme.bits),
                   "compile the model that it was made from with "
                   "--weights=int4:g32");
  scheme.symmetric = weights->boolean("symmetric", true);
  if (isFloat)
    weights->require("symmetric", true);
  enum class Strategy { Tensor, Channel, Group };
  Strategy strategy = weights->choose<Strategy>(
      "strategy",
      {{"tensor", Strategy::Tensor},
       {"channel", Strategy::Channel},
       {"group", Strategy::Group}},
      weights->has("group_size") ? Strategy::Group : Strategy::Tensor);
  if (strategy == Strategy::Group && isFloat)
    weights->error("strategy",
                   "expected \"channel\" or \"tensor\" for "
                   "\"float-quantized\", found \"group\"",
                   "compile the model that it was made from with "
                   "--weights=int8:g128");
  else if (strategy == Strategy::Group)
    scheme.group = readGroupSize(*weights, "group_size");
  else
    weights->ignore({"group_size"});
  scheme.oneScale = strategy == Strategy::Tensor;
  weights->require("block_structure", nullptr);
  weights->require("dynamic", false);
  // With "group" (once true) groups follow an order that weight_g_idx has. With
  // "weight" only the codes were found in one. Each has another name.
  if (weights->isBoolean("actorder"))
    scheme.ordered = weights->boolean("actorder", false);
  else
    scheme.ordered = weights->choose("actorder",
                                     {{"group", true},
                                      {"dynamic", true},
                                      {"weight", false},
                                      {"static", false}},
                                     false);
  weights->ignore({"observer", "observer_kwargs", "zp_dtype", "scale_dtype"});
  weights->finish();
  schemes.push_back(std::move(scheme));
}

void CompressedTensors::readSparsity(ConfigReader &reader) {
  std::optional<ConfigReader> sparsity = reader.nested("sparsity_config");
  if (!sparsity || sparsity->keys().empty())
    return;
  isSparse = sparsity->choose(
      "format", {{"sparse-24-bitmask", true}, {"dense", false}}, false);
  if (isSparse)
    sparsity->require("sparsity_structure", "2:4");
  sparsity->ignore({"global_sparsity", "ignore", "registry_requires_subclass",
                    "targets", "sparsity_structure"});
  sparsity->finish();
}

/// A module's own name goes before its class.
const Scheme *CompressedTensors::schemeOf(StringRef name) const {
  if (ignored.match(name))
    return nullptr;
  for (const Scheme &scheme : schemes)
    if (scheme.targets.match(name))
      return &scheme;
  for (const Scheme &scheme : schemes)
    if (scheme.targets.hasLinear())
      return &scheme;
  return nullptr;
}

/// The two numbers of `suffix` are those of the matrix.
static void checkShape(QuantizedTensors &tensors, const Checkpoint &checkpoint,
                       StringRef suffix) {
  const CheckpointTensor *there = tensors.optional(suffix);
  if (!there)
    return;
  const CheckpointTensor &shape = *there;
  ArrayRef<uint8_t> data = checkpoint.data(shape);
  bool isWide = shape.type == DType::I64;
  SmallVector<int64_t> found;
  if (isWide || shape.type == DType::I32)
    for (size_t i = 0; i < data.size() / (isWide ? 8 : 4); ++i) {
      int64_t wide = 0;
      int32_t narrow = 0;
      if (isWide)
        std::memcpy(&wide, data.data() + 8 * i, 8);
      else
        std::memcpy(&narrow, data.data() + 4 * i, 4);
      found.push_back(isWide ? wide : narrow);
      if (found.size() > 2)
        break;
    }
  if (ArrayRef<int64_t>(found) != ArrayRef<int64_t>(tensors.spec.shape))
    tensors.error(suffix, "expected the numbers " +
                              formatShape(tensors.spec.shape) + ", found " +
                              formatShape(found));
}

/// Floats of which 2 of 4 are kept.
StoredWeight CompressedTensors::findSparse(QuantizedTensors &tensors,
                                           const Checkpoint &checkpoint) const {
  ArrayRef<int64_t> shape = tensors.spec.shape;
  StoredWeight stored;
  stored.packing = "sparse24";
  if (!isSparse)
    tensors.error(".bitmask",
                  "expected no bitmask in a checkpoint whose sparsity_config "
                  "has no sparse-24-bitmask, found one",
                  "correct quantization_config");
  if (tensors.has(".weight_scale"))
    tensors.error(".weight_scale",
                  "expected floating point values under a bitmask, found "
                  "scales of codes",
                  "compile the model that it was made from with --prune=2:4 "
                  "--weights=int4:g32");
  if (shape[1] % 4)
    tensors.error(".bitmask", "expected groups of 4 columns, found " +
                                  Twine(shape[1]) + " columns");
  tensors.require(".bitmask", DType::U8,
                  {shape[0], int64_t(divideCeil(shape[1], 8))});
  checkShape(tensors, checkpoint, ".shape");
  const CheckpointTensor *values = tensors.optional(".compressed");
  QuantizedTensors::Shape kept = {shape[0], shape[1] / 2};
  if (!values)
    tensors.error(".compressed", "expected the values that are kept, " +
                                     formatShape(kept) +
                                     ", found no such tensor");
  else if (!isFloatWeight(values->type) ||
           ArrayRef<int64_t>(values->shape) != ArrayRef<int64_t>(kept))
    tensors.error(".compressed", "expected f32, f16 or bf16 " +
                                     formatShape(kept) + " for the " +
                                     tensorRoleName(tensors.spec.role) +
                                     ", found " + dtypeName(values->type) +
                                     " " + formatShape(values->shape));
  else
    stored.format = dtypeName(values->type).str();
  return stored;
}

std::optional<StoredWeight>
CompressedTensors::find(const Checkpoint &checkpoint, const TensorSpec &spec,
                        int64_t layer, StringSet<> &parts,
                        Diagnostics &diags) const {
  QuantizedTensors tensors(checkpoint, spec, layer, parts, diags);
  if (tensors.has(".bitmask") || tensors.has(".compressed"))
    return findSparse(tensors, checkpoint);
  bool isQuantized =
      tensors.has(".weight_packed") || tensors.has(".weight_scale");
  const Scheme *scheme = schemeOf(tensors.name());
  if (!scheme) {
    if (isQuantized)
      tensors.error(".weight_scale",
                    "expected no scales of a module that quantization_config "
                    "does not target or ignores, found some",
                    "correct quantization_config");
    return std::nullopt;
  }
  if (!isQuantized) {
    tensors.error(".weight_scale",
                  "expected scales of a module that quantization_config "
                  "targets, found none",
                  "add the module to \"ignore\"");
    return std::nullopt;
  }
  int64_t rows = spec.shape[0], columns = spec.shape[1];
  int64_t perWord = 32 / scheme->bits;
  int64_t groups = scheme->group ? divideCeil(columns, scheme->group) : 1;
  using Shape = QuantizedTensors::Shape;
  StoredWeight stored;
  bool isPacked = scheme->format == "pack-quantized";
  bool isFloat = scheme->format == "float-quantized";
  stored.packing = isPacked ? "packed" : isFloat ? "fp8" : "bytes";
  if (isPacked) {
    tensors.require(".weight_packed", DType::I32,
                    {rows, int64_t(divideCeil(columns, perWord))});
    checkShape(tensors, checkpoint, ".weight_shape");
  } else {
    tensors.require(".weight", isFloat ? DType::F8E4M3 : DType::I8,
                    {rows, columns});
  }
  SmallVector<Shape> shapes;
  if (scheme->oneScale)
    shapes = {Shape{1}, Shape{}};
  else if (groups == 1)
    shapes = {Shape{rows, 1}, Shape{rows}};
  else
    shapes = {Shape{rows, groups}};
  const CheckpointTensor *scales =
      tensors.requireScales(".weight_scale", shapes);
  if (!scheme->symmetric && !tensors.has(".weight_zero_point"))
    tensors.error(".weight_zero_point",
                  "expected zero points, as \"symmetric\": false says, found "
                  "no such tensor");
  else if (const CheckpointTensor *zeros =
               tensors.optional(".weight_zero_point");
           zeros && zeros->type != DType::I8)
    tensors.require(".weight_zero_point", DType::I32,
                    {int64_t(divideCeil(rows, perWord)), groups});
  tensors.optional(".input_scale"); // of static activations
  // Without it nobody knows which scale a column has.
  if (scheme->ordered && groups > 1 && !tensors.has(".weight_g_idx"))
    tensors.error(".weight_g_idx",
                  "expected the groups of columns, as \"actorder\": \"group\" "
                  "says, found no such tensor",
                  "correct quantization_config, or save the model with it");
  if (tensors.isOutOfOrder(".weight_g_idx", columns, scheme->group)) {
    if (isPacked)
      stored.order = tensors.pattern();
    else
      tensors.error(".weight_g_idx",
                    "expected columns of int-quantized weights in the order "
                    "of their groups, found another one",
                    "compile the model that it was made from with "
                    "--weights=int8:g32");
  }
  if (scales && isFloat)
    stored.format = ("fp8:" + dtypeName(scales->type)).str();
  else if (scales)
    stored.format = integerFormat(scheme->bits, scheme->group, scales->type,
                                  !scheme->symmetric);
  return stored;
}

} // namespace

std::unique_ptr<Quantization> readCompressedTensors(ConfigReader &reader) {
  return std::make_unique<CompressedTensors>(reader);
}

} // namespace adze
