// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The dialect `softcap` and its op.
#ifndef SOFTCAP_OPS_TD
#define SOFTCAP_OPS_TD

include "mlir/IR/OpBase.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Softcap_Dialect : Dialect {
  let name = "softcap";
  let cppNamespace = "::softcap";
}

// Pure and elementwise: fusion may move it into the region of a linear, where
// it is an op on scalars. Nothing else is needed for that.
def Softcap_CapOp : Op<Softcap_Dialect, "cap",
    [Pure, Elementwise, Scalarizable, Vectorizable, Tensorizable,
     SameOperandsAndResultType]> {
  let summary = "cap * tanh(x / cap)";
  let description = [{
    Keeps a value between -cap and cap and leaves small ones almost as they are.
    Source: Gemma Team, Gemma 2, 2024.

    `%y = softcap.cap %x to 30.0 : tensor<?x32000xf32>`
  }];
  let arguments = (ins AnyTypeOf<[F32, RankedTensorOf<[F32]>]>:$x,
                       F32Attr:$cap);
  let results = (outs AnyTypeOf<[F32, RankedTensorOf<[F32]>]>:$result);
  let assemblyFormat = "$x `to` $cap attr-dict `:` type($x)";
}

#endif // SOFTCAP_OPS_TD
