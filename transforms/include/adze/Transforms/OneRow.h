// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Steps of one row: at most one token and one logit row, as in decoding a
// sequence. What a schedule says of them is in attributes of its ops:
//
//   %n = adze.arena %f at #map {adze.own = 64} : ...
//     In a step of one row this buffer is another: a row that each thread has,
//     so many bytes (a multiple of 64) into memory of its own.
//   adze.launch ... {adze.repeated}
//     In a step of one row every thread does all of it. Its result, the last
//     buffer, has an own place: nobody waits for it.
//   adze.barrier %f {adze.several}
//     Stands in steps of several rows only.
#ifndef ADZE_TRANSFORMS_ONEROW_H
#define ADZE_TRANSFORMS_ONEROW_H

#include "adze/Dialect/Adze/Adze.h"
#include <optional>

namespace adze {

inline constexpr llvm::StringLiteral kOwnAttrName = "adze.own";
inline constexpr llvm::StringLiteral kRepeatedAttrName = "adze.repeated";
inline constexpr llvm::StringLiteral kSeveralAttrName = "adze.several";

/// Where a buffer lies in each thread's own memory, if it does.
inline std::optional<int64_t> ownPlace(mlir::Value buffer) {
  auto arena = buffer.getDefiningOp<ArenaOp>();
  auto own = arena ? arena->getAttrOfType<mlir::IntegerAttr>(kOwnAttrName)
                   : mlir::IntegerAttr();
  return own ? std::optional<int64_t>(own.getInt()) : std::nullopt;
}

} // namespace adze

#endif // ADZE_TRANSFORMS_ONEROW_H
