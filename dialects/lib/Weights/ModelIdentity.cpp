// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "adze/Weights/ModelIdentity.h"
#include "adze/Dialect/Adze/Adze.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"
#include <set>

using namespace mlir;
using namespace adze;

llvm::Expected<std::string> adze::modelIdentity(ModuleOp module,
                                                WeightSource &source) {
  std::set<std::string> names;
  for (auto weight : module.getOps<WeightOp>())
    if (weight.isSource())
      for (int64_t layer : weight.getLayerIndices())
        names.insert(weight.getSourceName(layer));
  llvm::SHA256 hash;
  for (const std::string &name : names) {
    auto view = source.lookup(name);
    if (!view)
      return view.takeError();
    auto digest = llvm::xxh3_128bits(
        llvm::ArrayRef<uint8_t>(view->data, size_t(view->bytes)));
    std::string line;
    llvm::raw_string_ostream os(line);
    // Names are free of newlines only by custom: their length comes first.
    os << name.size() << ' ' << name << ' ' << view->dtype;
    for (int64_t dim : view->shape)
      os << ' ' << dim;
    os << ' ' << view->bytes << ' ' << digest.high64 << ' ' << digest.low64
       << '\n';
    hash.update(line);
  }
  return llvm::toHex(hash.final(), /*LowerCase=*/true);
}
