// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Whether the scales of stored rows are numbers: what a file can get wrong and
// no code can. Private to dialects/lib.
#ifndef ADZE_LIB_FORMATS_SCALECHECK_H
#define ADZE_LIB_FORMATS_SCALECHECK_H

#include "adze/Dialect/Adze/Adze.h"

namespace adze::detail {

/// The first column of the first group of a row of `cols` elements whose scale
/// or minimum is infinite or no number. None for formats without scales.
std::optional<int64_t> findBadScale(FormatAttrInterface format,
                                    llvm::ArrayRef<uint8_t> row, int64_t cols);

} // namespace adze::detail

#endif // ADZE_LIB_FORMATS_SCALECHECK_H
