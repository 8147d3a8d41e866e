// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A compiled module as a Model of this process, without a file.
#ifndef ADZE_CODEGEN_DRIVER_LINKMODEL_H
#define ADZE_CODEGEN_DRIVER_LINKMODEL_H

#include "adze/Compiler.h"

namespace adze {

class ModelCompiler;

/// After generate(): packs the weights into memory and links the code. With
/// `standIn` only the first layer of each weight is packed, and the others are
/// copies of it: for who wants to know how long it takes, not what comes out.
Result<Model> linkModel(ModelCompiler &compiler, bool standIn = false);

} // namespace adze

#endif // ADZE_CODEGEN_DRIVER_LINKMODEL_H
