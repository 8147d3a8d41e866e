// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header. Strings of the context are copied: a json::Value only borrows
// a StringRef. A remark belongs to the launches whose location shares a name
// with its own: fusion keeps the names of everything that it fused.

#include "Schedule.h"
#include "adze/Dialect/Adze/Adze.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "adze/Transforms/Activations.h"
#include "adze/Transforms/OneRow.h"

using namespace mlir;
using namespace adze;
namespace json = llvm::json;

std::string adze::joinNames(ArrayRef<StringRef> names) {
  std::string text;
  StringRef last;
  for (StringRef name : names) {
    auto [folder, leaf] = name.rsplit('.');
    bool same =
        !leaf.empty() && !last.empty() && last.rsplit('.').first == folder;
    text += (text.empty() ? "" : ", ") + (same ? leaf : name).str();
    last = name;
  }
  return text;
}

namespace {

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

class Describer {
public:
  Describer(ArrayRef<PassRemark> remarks, int64_t layer)
      : remarks(remarks), placed(remarks.size()), layer(layer) {}

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
      if (auto barrier = dyn_cast<BarrierOp>(op))
        addBarrier(barrier, launches);
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
      for (Operation &inner : callee.getBody().front()) {
        if (auto launch = dyn_cast<LaunchOp>(inner))
          inside.push_back(describe(launch, layer));
        if (auto barrier = dyn_cast<BarrierOp>(inner))
          addBarrier(barrier, inside);
      }
      result.push_back(json::Object{{"part", "layers"},
                                    {"first", layer >= 0 ? layer : first},
                                    {"count", layer >= 0 ? 1 : count},
                                    {"launches", std::move(inside)}});
    }
    close();
    return result;
  }

  /// What belongs to no launch. Module: after parts().
  json::Array rest() const {
    std::vector<json::Object> list;
    for (auto [i, remark] : llvm::enumerate(remarks))
      if (!placed[i] && layer < 0)
        list.push_back(json::Object{{"kind", remark.fired ? "fired" : "missed"},
                                    {"pass", remark.pass},
                                    {"source", joinNames(remark.names)},
                                    {"text", remark.text}});
    return sorted(std::move(list), {"source", "pass", "text", "kind"});
  }

private:
  static void addBarrier(BarrierOp barrier, json::Array &launches) {
    const char *key =
        barrier->hasAttr(kSeveralAttrName) ? "barrier_of_several" : "barrier";
    if (!launches.empty())
      (*launches.back().getAsObject())[key] = true;
  }

  static json::Array sorted(std::vector<json::Object> list,
                            std::initializer_list<const char *> keys) {
    llvm::sort(list, [&](const json::Object &a, const json::Object &b) {
      for (const char *key : keys)
        if (auto x = a.getString(key), y = b.getString(key); x != y)
          return x < y;
      return false;
    });
    json::Array array;
    for (json::Object &object : list)
      if (array.empty() || array.back() != json::Value(json::Object(object)))
        array.push_back(std::move(object));
    return array;
  }

  json::Object describe(LaunchOp launch, int64_t number) {
    auto kernel = SymbolTable::lookupNearestSymbolFrom<KernelOp>(
        launch, launch.getKernelAttr());
    SmallVector<StringRef> names = namesOf(launch.getLoc());
    json::Object object{{"source", inLayer(joinNames(names), number)},
                        {"op", stringifyKernelFamily(kernel.getFamily())},
                        {"kernel", kernel.getSymName().str()},
                        {"over", stringifyDomain(launch.getDomain())}};
    if (launch->hasAttr(kRepeatedAttrName))
      object["repeated"] = true;
    addWeights(launch, object);
    addOperations(launch, kernel, object);
    addActivations(kernel, object);
    std::vector<json::Object> fired, missed;
    for (auto [i, remark] : llvm::enumerate(remarks)) {
      if (llvm::none_of(remark.names, [&](StringRef name) {
            return llvm::is_contained(names, name);
          }))
        continue;
      // The names of a launch that rounds are those of the linears it is for.
      if (kernel.getFamily() == KernelFamily::Quantize &&
          remark.pass != "adze-quantize-activations" &&
          remark.pass != "adze-static-ranges")
        continue;
      placed[i] = true;
      (remark.fired ? fired : missed)
          .push_back(
              json::Object{{"pass", remark.pass}, {"text", remark.text}});
    }
    object["fired"] = sorted(std::move(fired), {"pass", "text"});
    object["missed"] = sorted(std::move(missed), {"pass", "text"});
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
        written && writesCodes) {
      auto ranges = kernel.getParams().getAs<BoolAttr>(outGroup ? "out_ranges"
                                                                : "ranges");
      object["writes"] =
          activationName(written.getInt(), ranges && ranges.getValue());
    }
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

  ArrayRef<PassRemark> remarks;
  std::vector<bool> placed; // of each remark: a launch has it
  int64_t layer;
};

} // namespace

func::FuncOp adze::mainEntry(ModuleOp module) {
  func::FuncOp entry;
  for (auto function : module.getOps<func::FuncOp>())
    if (function->hasAttr(kEntryAttrName) &&
        (!entry || function.getName() == "step"))
      entry = function;
  return entry;
}

json::Object adze::describeSchedule(func::FuncOp entry,
                                    ArrayRef<PassRemark> remarks,
                                    int64_t layer) {
  Describer describer(remarks, layer);
  json::Object object{{"entry", entry.getName().str()}};
  object["parts"] = describer.parts(entry);
  object["remarks"] = describer.rest();
  return object;
}
