// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Register-tile level, target-neutral: what kernel builders emit besides
// upstream arith, vector, scf and LLVM loads and stores. Each target lowers
// these ops with one pattern set.
#ifndef ADZE_KERNEL_OPS_TD
#define ADZE_KERNEL_OPS_TD

include "mlir/Dialect/LLVMIR/LLVMOpBase.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

def AdzeKernel_Dialect : Dialect {
  let name = "adze_kernel";
  let cppNamespace = "::adze::kernel";
  let summary = "Register tiles of a kernel, before a target is chosen.";
  let description = [{
    Vectors are one-dimensional and 16 lanes wide in 32-bit terms, on every
    target: LLVM splits them where registers are narrower. An op of this dialect
    stands for what has a different best instruction on each target.
  }];
}

class AdzeKernel_Op<string mn, list<Trait> traits = []>
    : Op<AdzeKernel_Dialect, mn, traits>;

def AdzeKernel_DotOp : AdzeKernel_Op<"dot", [Pure,
    AllTypesMatch<["acc", "result"]>, AllTypesMatch<["a", "b"]>]> {
  let summary = "pairwise or quadwise dot product into 32-bit lanes";
  let description = [{
    result[i] = acc[i] + sum over j < kk of a[i * kk + j] * b[i * kk + j].

    For bf16 (kk = 2) the sum is that of the target's instruction (on x86,
    vdpbf16ps: the products of a pair are added with flushed denormals).

    (C1) a and b have kk times as many elements as acc, kk = 2 for bf16.

    ```mlir
    %r = adze_kernel.dot %acc, %a, %b : vector<16xf32>, vector<32xbf16>
    ```
  }];
  let arguments = (ins VectorOfRankAndType<[1], [F32, I32]>:$acc,
    VectorOfRankAndType<[1], [BF16, I8]>:$a,
    VectorOfRankAndType<[1], [BF16, I8]>:$b);
  let results = (outs VectorOfRankAndType<[1], [F32, I32]>:$result);
  let assemblyFormat =
      "$acc `,` $a `,` $b attr-dict `:` type($acc) `,` type($a)";
  let hasVerifier = 1;
}

def AdzeKernel_DotCodesOp : AdzeKernel_Op<"dot_codes", [Pure,
    AllTypesMatch<["acc", "result"]>, AllTypesMatch<["codes", "x"]>]> {
  let summary = "quadwise dot product of unsigned codes and signed bytes";
  let description = [{
    result[i] = acc[i] + sum over j < 4 of codes[4 i + j] * x[4 i + j], codes
    unsigned and at most `max`, x signed and not -128; exact. What is best
    depends on `max`: pairs of products of codes up to 128 fit 16 bits.

    (C1) codes and x have four times as many elements as acc.

    ```mlir
    %r = adze_kernel.dot_codes %acc, %codes, %x max 15
      : vector<16xi32>, vector<64xi8>
    ```
  }];
  let arguments = (ins VectorOfRankAndType<[1], [I32]>:$acc,
    VectorOfRankAndType<[1], [I8]>:$codes, VectorOfRankAndType<[1], [I8]>:$x,
    I64Attr:$max);
  let results = (outs VectorOfRankAndType<[1], [I32]>:$result);
  let assemblyFormat = [{
    $acc `,` $codes `,` $x `max` $max attr-dict `:` type($acc) `,` type($codes)
  }];
  let hasVerifier = 1;
}

def AdzeKernel_DotWordsOp : AdzeKernel_Op<"dot_words", [Pure,
    AllTypesMatch<["acc", "result"]>, AllTypesMatch<["a", "b"]>]> {
  let summary = "pairwise dot product of signed 16-bit numbers";
  let description = [{
    result[i] = acc[i] + a[2 i] * b[2 i] + a[2 i + 1] * b[2 i + 1], exact where
    the sums fit.

    (C1) a and b have twice as many elements as acc.

    ```mlir
    %r = adze_kernel.dot_words %acc, %a, %b : vector<16xi32>, vector<32xi16>
    ```
  }];
  let arguments = (ins VectorOfRankAndType<[1], [I32]>:$acc,
    VectorOfRankAndType<[1], [I16]>:$a, VectorOfRankAndType<[1], [I16]>:$b);
  let results = (outs VectorOfRankAndType<[1], [I32]>:$result);
  let assemblyFormat =
      "$acc `,` $a `,` $b attr-dict `:` type($acc) `,` type($a)";
  let hasVerifier = 1;
}

def AdzeKernel_ExpandLoadOp : AdzeKernel_Op<"expand_load",
    [MemoryEffects<[MemRead]>,
     TypesMatchWith<"mask has a bit for each element of the result", "result",
                    "mask",
                    "::mlir::IntegerType::get($_ctxt, "
                    "::llvm::cast<::mlir::VectorType>($_self)"
                    ".getNumElements())">]> {
  let summary = "elements from memory, spread over the bits of a mask";
  let description = [{
    result[i] = the element (number of bits of `mask` below i) from `from` on
    where bit i is set, else 0. May read all 64 bytes from `from` on, which need
    not be aligned.

    ```mlir
    %codes = adze_kernel.expand_load %from, %mask : !llvm.ptr -> vector<64xi8>
    ```
  }];
  let arguments = (ins LLVM_AnyPointer:$from,
                       AnyTypeOf<[I64, I32, I<16>]>:$mask);
  let results = (outs AnyTypeOf<[VectorOfLengthAndType<[64], [I8]>,
                                 VectorOfLengthAndType<[32], [I16]>,
                                 VectorOfLengthAndType<[16], [I32]>]>:$result);
  let assemblyFormat =
      "$from `,` $mask attr-dict `:` type($from) `->` type($result)";
}

def AdzeKernel_Exp2Op : AdzeKernel_Op<"exp2", [Pure, SameOperandsAndResultType]> {
  let summary = "2^x, by a polynomial";
  let description = [{
    exp2(0) is 1 exactly, large negative arguments give 0: what online softmax
    needs so that a masked chunk changes nothing.

    ```mlir
    %e = adze_kernel.exp2 %x : vector<16xf32>
    ```
  }];
  let arguments = (ins AnyTypeOf<[F32, VectorOfRankAndType<[1], [F32]>]>:$x);
  let results = (outs AnyTypeOf<[F32, VectorOfRankAndType<[1], [F32]>]>:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
}

def AdzeKernel_ToF32Op : AdzeKernel_Op<"to_f32", [Pure]> {
  let summary = "stored elements to f32";
  let description = [{
    Exact. bf16 is a shift, f16 the target's conversion.

    ```mlir
    %f = adze_kernel.to_f32 %h : vector<16xf16> to vector<16xf32>
    ```
  }];
  let arguments = (ins AnyTypeOf<[F32, F16, BF16,
      VectorOfRankAndType<[1], [F32, F16, BF16]>]>:$x);
  let results = (outs AnyTypeOf<[F32, VectorOfRankAndType<[1], [F32]>]>:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `to` type($result)";
  let hasVerifier = 1;
}

def AdzeKernel_FromF32Op : AdzeKernel_Op<"from_f32", [Pure]> {
  let summary = "f32 to a stored type, round to nearest even";
  let description = [{
    With `flush`, subnormals may become zero: enough for operands of a dot,
    which flushes them too, and one instruction where the target has it.

    ```mlir
    %h = adze_kernel.from_f32 %f : vector<16xf32> to vector<16xbf16>
    %p = adze_kernel.from_f32 flush %f : vector<16xf32> to vector<16xbf16>
    ```
  }];
  let arguments = (ins AnyTypeOf<[F32, VectorOfRankAndType<[1], [F32]>]>:$x,
                       UnitAttr:$flush);
  let results = (outs AnyTypeOf<[F32, F16, BF16,
      VectorOfRankAndType<[1], [F32, F16, BF16]>]>:$result);
  let assemblyFormat = "(`flush` $flush^)? $x attr-dict `:` type($x) `to` type($result)";
  let hasVerifier = 1;
}

#endif // ADZE_KERNEL_OPS_TD
