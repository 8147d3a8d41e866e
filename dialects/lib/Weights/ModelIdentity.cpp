// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "adze/Weights/ModelIdentity.h"
#include "adze/Dialect/Adze/Adze.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"
#include <set>

using namespace mlir;
using namespace adze;

/// The tensors in which other quantizers keep one weight, those there are.
static void addParts(const std::string &prefix, WeightSource &source,
                     std::set<std::string> &names) {
  for (const char *part :
       {".qweight", ".scales", ".qzeros", ".g_idx", ".weight_packed",
        ".weight_scale", ".weight_zero_point", ".weight_g_idx", ".weight"}) {
    auto view = source.lookup(prefix + part);
    if (view)
      names.insert(prefix + part);
    else
      llvm::consumeError(view.takeError());
  }
}

llvm::Expected<std::string> adze::modelIdentity(ModuleOp module,
                                                WeightSource &source) {
  std::set<std::string> names;
  for (auto weight : module.getOps<WeightOp>())
    for (int64_t layer : weight.getLayerIndices())
      if (weight.isSource())
        names.insert(weight.getSourceName(layer));
      else
        weight.walk([&](UnpackOp op) {
          addParts(op.getSourceName(layer), source, names);
        });
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
