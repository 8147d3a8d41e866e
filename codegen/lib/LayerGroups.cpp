// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Groups scheduled layer functions by a text of everything that a table cannot
// hold; see the header.

#include "LayerGroups.h"
#include "adze/Transforms/OneRow.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace adze;

/// Where an argument comes from, of any width: the frame, the arena, or the
/// arena and each thread's own memory.
static char placeOf(Value buffer) {
  return buffer.getDefiningOp<FrameArgOp>() ? 'f'
         : ownPlace(buffer)                 ? 'o'
                                            : 'a';
}

/// What two functions must share to be one: ops, domains, which arguments are
/// where; not offsets, sizes, weights or kernels of a family.
static std::string shapeOf(func::FuncOp func) {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (Operation &op : func.getBody().front()) {
    os << op.getName() << ' ';
    if (auto arg = dyn_cast<FrameArgOp>(op))
      os << arg.getIndex() << ' ';
    if (auto tap = dyn_cast<TapBufferOp>(op))
      os << tap.getNameAttr() << stringifyDomain(tap.getRows())
         << tap.getBuffer().getType() << placeOf(tap.getBuffer()) << ' ';
    if (auto barrier = dyn_cast<BarrierOp>(op))
      os << barrier->hasAttr(kSeveralAttrName) << ' ';
    auto launch = dyn_cast<LaunchOp>(op);
    if (!launch)
      continue;
    auto kernel = SymbolTable::lookupNearestSymbolFrom<KernelOp>(
        launch, launch.getKernelAttr());
    os << stringifyKernelFamily(kernel.getFamily()) << ' '
       << stringifyDomain(launch.getDomain()) << ' '
       << stringifyDomain(launch.getRows()) << " unit " << launch.getUnit()
       << ' ' << launch->hasAttr(kRepeatedAttrName) << ' '
       << bool(launch.getLayer()) << ' '
       << (launch.getWeights() ? launch.getWeights()->size() : 0) << ' '
       << launch.getCacheAttr() << ' ' << launch.getSizes().size() << " (";
    for (Value buffer : launch.getBuffers())
      os << placeOf(buffer);
    os << ") ";
  }
  return text;
}

SmallVector<LayerGroup> adze::groupLayers(ModuleOp scheduled) {
  // Which function runs each layer.
  llvm::MapVector<StringAttr, SmallVector<int64_t>> layersOf;
  scheduled.walk([&](CallLayersOp call) {
    auto &layers = layersOf[call.getCalleeAttr().getAttr()];
    int64_t first = call.getFirst();
    for (int64_t l : llvm::seq(first, first + int64_t(call.getCount())))
      layers.push_back(l);
  });
  SmallVector<LayerGroup> groups;
  llvm::StringMap<size_t> known;
  SmallVector<DenseMap<int64_t, unsigned>> rows; // of each group
  for (auto func : scheduled.getOps<func::FuncOp>()) {
    if (func->hasAttr(kEntryAttrName))
      continue;
    ArrayRef<int64_t> layers = layersOf[func.getSymNameAttr()];
    auto [it, isNew] = known.try_emplace(shapeOf(func), groups.size());
    size_t which = it->second;
    bool joins = !isNew && llvm::none_of(layers, [&](int64_t l) {
      return rows[which].contains(l);
    });
    if (!joins) {
      which = it->second = groups.size();
      groups.emplace_back();
      rows.emplace_back();
    }
    for (int64_t l : layers)
      rows[which][l] = groups[which].members.size();
    groups[which].members.push_back(func);
  }
  for (auto [group, members] : llvm::zip(groups, rows)) {
    if (group.members.size() < 2 || members.empty())
      continue;
    auto keys = llvm::make_first_range(members);
    group.firstLayer = *llvm::min_element(keys);
    group.memberOf.assign(*llvm::max_element(keys) - group.firstLayer + 1, 0);
    for (auto [layer, member] : members)
      group.memberOf[layer - group.firstLayer] = member;
  }
  return groups;
}
