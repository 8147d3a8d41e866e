// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "adze/Weights/ModelIdentity.h"
#include "Unpack.h"
#include "adze/Dialect/Adze/Adze.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
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
    for (int64_t layer : weight.getLayerIndices())
      if (weight.isSource())
        names.insert(weight.getSourceName(layer));
      else
        weight.walk([&](UnpackOp op) {
          for (std::string &name : detail::tensorNames(op, layer)) {
            auto view = source.lookup(name);
            if (view)
              names.insert(std::move(name));
            else // zero points, or an order, are not there for all
              llvm::consumeError(view.takeError());
          }
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
