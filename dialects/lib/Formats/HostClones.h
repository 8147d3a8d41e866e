// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Code for the machine that the compiler runs on.
//
// ADZE_HOST_CLONES before a function: it is compiled for the x86 levels with
// AVX-512, AVX2 and none, and the loader takes the one this machine can run.
// Without contraction (the build's -ffp-contract=off) and with sums in a fixed
// order, all of them give the same bits. Nothing elsewhere, nor under the
// address sanitizer, which starts after the loader has chosen.
#ifndef ADZE_LIB_FORMATS_HOSTCLONES_H
#define ADZE_LIB_FORMATS_HOSTCLONES_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define ADZE_NO_HOST_CLONES
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ADZE_NO_HOST_CLONES
#endif

/// Where a function is written for levels by hand: ADZE_X86_V3 and _V4 before
/// it.
#if defined(__x86_64__)
#define ADZE_HAS_X86_LEVELS
#define ADZE_X86_V3 __attribute__((target("avx2,fma,bmi,bmi2,f16c")))
#define ADZE_X86_V4                                                            \
  __attribute__((                                                              \
      target("avx2,fma,bmi,bmi2,f16c,avx512f,avx512bw,avx512vl,avx512dq")))
#endif

#if defined(__x86_64__) && defined(__gnu_linux__) &&                           \
    !defined(ADZE_NO_HOST_CLONES)
#define ADZE_HOST_CLONES                                                       \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ADZE_HOST_CLONES
#endif

#endif // ADZE_LIB_FORMATS_HOSTCLONES_H
