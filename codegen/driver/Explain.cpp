// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. Strings of the context are copied: a json::Value only borrows
// a StringRef. A remark belongs to the launches whose location shares a name
// with its own: fusion keeps the names of everything that it fused.

#include "Explain.h"
#include "LaunchNames.h"
#include "ModelCompiler.h"
#include "adze/Codegen/TargetVariants.h"
#include "adze/Dialect/Adze/Adze.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "adze/Transforms/Activations.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Remarks.h"
#include <mutex>

using namespace mlir;
using namespace adze;
namespace json = llvm::json;

namespace {

struct Said {
  bool fired;
  std::string pass, text;
  SmallVector<StringRef> names; // owned by the context
  bool placed = false;
};

/// Keeps what passes say. They may say it from several threads.
class RemarkCollector : public remark::detail::MLIRRemarkStreamerBase {
public:
  explicit RemarkCollector(std::vector<Said> &all) : all(all) {}

  void streamOptimizationRemark(const remark::detail::Remark &r) override {
    std::string text;
    for (const auto &arg : r.getArgs())
      text += (text.empty() ? "" : " ") + arg.val;
    std::lock_guard<std::mutex> lock(mutex);
    all.push_back({r.getRemarkType() == llvm::remarks::Type::Passed,
                   r.getCategoryName().str(), text, namesOf(r.getLocation())});
  }

private:
  std::mutex mutex;
  std::vector<Said> &all;
};

std::string inLayer(StringRef text, int64_t layer) {
  if (layer < 0)
    return text.str();
  auto [before, after] = text.split("{}");
  if (before.size() == text.size())
    return text.str();
  return before.str() + std::to_string(layer) + inLayer(after, layer);
}

/// Elements that the checkpoint has for this weight: without padding.
int64_t sourceElements(WeightOp weight) {
  if (weight.isSource() || getUnpack(weight)) {
    WeightType type = weight.getWeightType();
    return type.isVector() ? type.getCols() : type.getRows() * type.getCols();
  }
  int64_t sum = 0;
  for (auto ref : weight.getBody().getOps<RefOp>())
    sum += sourceElements(
        lookupWeight(weight->getParentOp(), ref.getWeightAttr()));
  return sum;
}

class Explainer {
public:
  Explainer(std::vector<Said> &said, int64_t layer)
      : said(said), layer(layer) {}

  /// Launches of an entry, cut where layers are called.
  json::Array parts(func::FuncOp entry) {
    json::Array result;
    json::Array launches;
    StringRef place = "before";
    auto close = [&] {
      if (!launches.empty() && layer < 0)
        result.push_back(
            json::Object{{"part", place}, {"launches", std::move(launches)}});
      launches = json::Array();
    };
    for (Operation &op : entry.getBody().front()) {
      if (auto launch = dyn_cast<LaunchOp>(op))
        launches.push_back(describe(launch, -1));
      auto call = dyn_cast<CallLayersOp>(op);
      if (!call)
        continue;
      close();
      place = "after";
      int64_t first = call.getFirst(), count = call.getCount();
      if (layer >= 0 && (layer < first || layer >= first + count))
        continue;
      auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(
          call, call.getCalleeAttr());
      json::Array inside;
      for (auto launch : callee.getBody().getOps<LaunchOp>())
        inside.push_back(describe(launch, layer));
      result.push_back(json::Object{{"part", "layers"},
                                    {"first", layer >= 0 ? layer : first},
                                    {"count", layer >= 0 ? 1 : count},
                                    {"launches", std::move(inside)}});
    }
    close();
    return result;
  }

private:
  json::Object describe(LaunchOp launch, int64_t number) {
    auto kernel = SymbolTable::lookupNearestSymbolFrom<KernelOp>(
        launch, launch.getKernelAttr());
    SmallVector<StringRef> names = namesOf(launch.getLoc());
    json::Object object{{"source", inLayer(joinNames(names), number)},
                        {"op", stringifyKernelFamily(kernel.getFamily())},
                        {"kernel", kernel.getSymName().str()},
                        {"over", stringifyDomain(launch.getDomain())}};
    addWeights(launch, object);
    addOperations(launch, kernel, object);
    addActivations(kernel, object);
    json::Array fired, missed;
    for (Said &remark : said) {
      if (llvm::none_of(remark.names, [&](StringRef name) {
            return llvm::is_contained(names, name);
          }))
        continue;
      // The names of a launch that rounds are those of the linears it is for.
      if (kernel.getFamily() == KernelFamily::Quantize &&
          remark.pass != "adze-quantize-activations")
        continue;
      remark.placed = true;
      json::Object entry{{"pass", remark.pass}, {"text", remark.text}};
      json::Array &list = remark.fired ? fired : missed;
      if (!llvm::is_contained(list, json::Value(json::Object(entry))))
        list.push_back(std::move(entry));
    }
    object["fired"] = std::move(fired);
    object["missed"] = std::move(missed);
    return object;
  }

  void addWeights(LaunchOp launch, json::Object &object) {
    json::Array symbols;
    int64_t bytes = 0;
    std::string format;
    for (Attribute attr : launch.getWeightsAttr()
                              ? launch.getWeightsAttr().getValue()
                              : ArrayRef<Attribute>()) {
      auto symbol = cast<FlatSymbolRefAttr>(attr);
      symbols.push_back(symbol.getValue().str());
      WeightType type = lookupWeight(launch, symbol).getWeightType();
      bytes += type.getStorageBytes();
      if (format.empty()) {
        format = FormatAttrInterface(type.getFormat()).getFormatName();
        if (type.getLayout() == LayoutKind::Panels)
          format += "/panels";
      }
    }
    object["weights"] = std::move(symbols);
    object["weight_bytes"] = bytes;
    if (!format.empty())
      object["format"] = format;
  }

  /// What a linear multiplies its weight with, and what is written as codes.
  void addActivations(KernelOp kernel, json::Object &object) {
    auto elementOf = [&](StringRef name) {
      auto attr = kernel.getParams().getAs<TypeAttr>(name);
      return attr ? attr.getValue() : Type();
    };
    auto group = kernel.getParams().getAs<IntegerAttr>("group");
    auto outGroup = kernel.getParams().getAs<IntegerAttr>("out_group");
    if (kernel.getFamily() == KernelFamily::Linear) {
      Type in = elementOf("in");
      if (group && in && in.isInteger(8))
        object["activations"] = activationName(group.getInt());
      else if (in)
        object["activations"] = in.isBF16() ? "bf16" : "f32";
    }
    Type out = elementOf("out");
    bool writesCodes = kernel.getFamily() == KernelFamily::Quantize ||
                       (out && out.isInteger(8));
    if (IntegerAttr written = outGroup ? outGroup : group;
        written && writesCodes)
      object["writes"] = activationName(written.getInt());
  }

  void addOperations(LaunchOp launch, KernelOp kernel, json::Object &object) {
    auto param = [&](StringRef name) -> int64_t {
      auto attr = kernel.getParams().getAs<IntegerAttr>(name);
      return attr ? attr.getInt() : 0;
    };
    ArrayRef<int64_t> sizes = launch.getSizes();
    int64_t columns = sizes.empty() ? 0 : sizes.front();
    int64_t body = 0; // ops of the scalar region
    for (Block &block : kernel.getBody())
      body += std::distance(block.begin(), block.end()) - 1;
    int64_t count = 0;
    switch (kernel.getFamily()) {
    case KernelFamily::Linear:
      if (auto weights = launch.getWeightsAttr())
        count = 2 * sourceElements(lookupWeight(
                        launch, cast<FlatSymbolRefAttr>(weights[0])));
      count += body * columns;
      break;
    case KernelFamily::Attention:
      object["operations_per_token_and_position"] =
          4 * param("heads") * param("head_dim");
      break;
    case KernelFamily::RmsNorm:
      count = 4 * columns; // square, sum, scale, weight
      break;
    case KernelFamily::Quantize:
      count = 4 * columns; // magnitude, largest, scale, round
      break;
    case KernelFamily::Rotary:
      count = 3 * columns; // six for a pair
      break;
    case KernelFamily::Map:
      count = body * columns;
      break;
    case KernelFamily::AttentionMerge:
    case KernelFamily::Generic: // loops made from the op's definition
    case KernelFamily::RotaryTable:
    case KernelFamily::Embed:
    case KernelFamily::KVAppend:
    case KernelFamily::TakeRows:
      break;
    }
    object["operations_per_token"] = count;
  }

  std::vector<Said> &said;
  int64_t layer;
};

} // namespace

llvm::Expected<json::Object> adze::explainModel(const std::string &model,
                                                const CompileOptions &given,
                                                int64_t layer) {
  CompileOptions options = given;
  if (options.target.empty())
    options.target = "host";
  std::vector<Said> said;
  ModelCompiler compiler(options);
  remark::RemarkCategories categories;
  categories.passed = categories.missed = ".*";
  if (failed(remark::enableOptimizationRemarks(
          compiler.mlirContext(), std::make_unique<RemarkCollector>(said),
          std::make_unique<remark::RemarkEmittingPolicyAll>(), categories)))
    return llvm::createStringError("cannot collect what the passes say");
  if (llvm::Error error = compiler.load(model))
    return std::move(error);
  if (llvm::Error error = compiler.optimize())
    return std::move(error);
  auto scheduled = compiler.schedule();
  if (!scheduled)
    return scheduled.takeError();
  ModuleOp module = **scheduled;
  func::FuncOp entry = mainEntry(module);
  if (!entry)
    return llvm::createStringError(model +
                                   ": the module has no entry to explain");

  json::Object object;
  if (auto meta = module->getAttrOfType<StringAttr>(kMetaAttrName)) {
    auto parsed = json::parse(meta.getValue());
    if (!parsed)
      return llvm::createStringError(
          llvm::Twine(model) + ": the module attribute " + kMetaAttrName +
          " is no JSON: " + llvm::toString(parsed.takeError()));
    if (auto *fields = parsed->getAsObject())
      for (const char *key : {"architecture", "layers"})
        if (const json::Value *value = fields->get(key))
          object[key] = *value;
  }
  object["model"] = model;
  object["entry"] = entry.getName().str();
  if (auto targets = resolveTargets(options.target))
    object["variant"] = targets->front()->name;
  else
    llvm::consumeError(targets.takeError());
  if (auto bytes = module->getAttrOfType<IntegerAttr>("adze.weight_bytes"))
    object["weight_bytes"] = bytes.getInt();
  json::Array parts = Explainer(said, layer).parts(entry);
  if (parts.empty())
    return llvm::createStringError(
        layer < 0 ? model + ": the entry launches nothing"
                  : model + ": there is no layer " + std::to_string(layer));
  object["parts"] = std::move(parts);
  json::Array rest;
  for (const Said &remark : said)
    if (!remark.placed && layer < 0)
      rest.push_back(json::Object{{"kind", remark.fired ? "fired" : "missed"},
                                  {"pass", remark.pass},
                                  {"source", joinNames(remark.names)},
                                  {"text", remark.text}});
  object["remarks"] = std::move(rest);
  return object;
}
