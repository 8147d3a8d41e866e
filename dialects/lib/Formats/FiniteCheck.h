// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Whether what stored rows hold are numbers: elements of floats, scales of
// codes (no code can be wrong). Private to dialects/lib.
#ifndef ADZE_LIB_FORMATS_FINITECHECK_H
#define ADZE_LIB_FORMATS_FINITECHECK_H

#include "adze/Dialect/Adze/Adze.h"

namespace adze::detail {

/// The first column of a row of `cols` elements that is infinite or no number;
/// of codes, the first of the first group whose scale or minimum is. None for
/// formats that nothing is read from.
std::optional<int64_t> findNotFinite(FormatAttrInterface format,
                                     llvm::ArrayRef<uint8_t> row, int64_t cols);

} // namespace adze::detail

#endif // ADZE_LIB_FORMATS_FINITECHECK_H
