// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Panels of codes or of 8-bit floats as f32, or of floats without their zeros
// with them, a part of K at a time, for linears whose rows stay floats.
#ifndef ADZE_CODEGEN_KERNELS_PANELDECODER_H
#define ADZE_CODEGEN_KERNELS_PANELDECODER_H

#include "KernelEmitter.h"
#include "adze/Dialect/Adze/Adze.h"

namespace adze {

/// The function (panel, k, begin, end, to): writes the panel's k from `begin`
/// (a multiple of 8) to `end`, rounded up to 8, as an f32 panel at `to`, a line
/// for each; masked floats as a panel of their element. `k` is that of the
/// weight.
mlir::func::FuncOp getPanelDecoder(KernelEmitter &e,
                                   FormatAttrInterface format);

/// `format` if it is masked floats, else null.
MaskedFormatAttr maskedFloats(FormatAttrInterface format);

/// Bytes of such a panel for a K known at run time.
mlir::Value emitPanelBytes(KernelEmitter &e, FormatAttrInterface format,
                           mlir::Value k);

} // namespace adze

#endif // ADZE_CODEGEN_KERNELS_PANELDECODER_H
