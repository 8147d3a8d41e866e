// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Counting what a run of random graphs covered.

#include "Coverage.h"
#include "adze/Dialect/Adze/Adze.h"
#include "llvm/Support/FormatVariadic.h"

using namespace adze;
using namespace adze::test;

static constexpr const char *kOps[] = {"adze.attention",
                                       "adze.cast",
                                       "adze.concat",
                                       "adze.embed",
                                       "adze.gelu",
                                       "adze.interleave",
                                       "adze.kv_append",
                                       "adze.linear",
                                       "adze.linear bias",
                                       "adze.linear region",
                                       "adze.linear sink",
                                       "adze.linear streams",
                                       "adze.map",
                                       "adze.pack",
                                       "adze.pad_heads",
                                       "adze.quantize",
                                       "adze.quantize ranges",
                                       "adze.linear codes",
                                       "adze.ref",
                                       "adze.repeat",
                                       "adze.rms_norm",
                                       "adze.rms_norm heads",
                                       "adze.rotary",
                                       "adze.rotary_halves",
                                       "adze.rotary_table",
                                       "adze.silu",
                                       "adze.state",
                                       "adze.take_rows",
                                       "adze.weight"};

Coverage::Coverage(llvm::ArrayRef<std::string> passes) {
  for (const char *op : kOps)
    counts[{"op", op}] = 0;
  for (const std::string &pass : passes)
    counts[{"pass", pass}] = 0;
  for (const char *format :
       {"f32", "bf16", "f16", "int8", "int8:g32:f16", "int4:g16",
        "int4:g24:f32", "int4:g128", "int4:g32:f16:zp"}) {
    counts[{"weight", std::string(format) + " rows"}] = 0;
    counts[{"weight", std::string(format) + " panels"}] = 0;
  }
  for (const char *format : {"f32", "bf16", "f16", "i8"})
    counts[{"kv", format}] = 0;
  for (const char *group : {"0", "16", "32", "128"})
    counts[{"rounded", group}] = 0;
}

void Coverage::count(mlir::ModuleOp module) {
  module.walk([&](mlir::Operation *op) {
    std::string name = op->getName().getStringRef().str();
    ++counts[{"op", name}];
    if (auto weight = llvm::dyn_cast<WeightOp>(op)) {
      WeightType type = weight.getWeightType();
      ++counts[{"weight", type.getFormat().getFormatName() + " " +
                              stringifyLayoutKind(type.getLayout()).str()}];
    } else if (auto state = llvm::dyn_cast<StateOp>(op)) {
      std::string element;
      llvm::raw_string_ostream(element) << state.getKVType().getElementType();
      ++counts[{"kv", element}];
    } else if (auto linear = llvm::dyn_cast<LinearOp>(op)) {
      counts[{"op", name + " bias"}] += bool(linear.getBiasAttr());
      counts[{"op", name + " region"}] += !linear.getBody().empty();
      counts[{"op", name + " sink"}] += bool(linear.getSink());
      counts[{"op", name + " streams"}] += linear.getStreams() == 2;
      counts[{"op", name + " codes"}] +=
          bool(linear.getX().getDefiningOp<QuantizeOp>());
    } else if (auto quantize = llvm::dyn_cast<QuantizeOp>(op)) {
      ++counts[{"rounded", std::to_string(quantize.getGroup())}];
      counts[{"op", name + " ranges"}] += bool(quantize.getRangesAttr());
    } else if (auto norm = llvm::dyn_cast<RmsNormOp>(op)) {
      counts[{"op", name + " heads"}] += norm.getHeads() > 1;
    }
  });
}

void Coverage::fired(llvm::StringRef pass) {
  ++counts[{"pass", pass.split('{').first.str()}];
}

void Coverage::print(llvm::raw_ostream &os) const {
  for (const auto &[key, count] : counts)
    os << llvm::formatv("{0,-8}{1,-32}{2}\n", key.first, key.second, count);
}

std::vector<std::string> Coverage::missing() const {
  std::vector<std::string> names;
  for (const auto &[key, count] : counts)
    if (!count)
      names.push_back(key.first + " " + key.second);
  return names;
}
