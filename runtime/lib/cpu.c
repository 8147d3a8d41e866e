/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#define _GNU_SOURCE
#include "cpu.h"

#include <stdio.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t read_xcr0(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}
static bool all(uint32_t word, uint32_t bits) { return (word & bits) == bits; }

/* Linux gives AMX tile data only to processes that ask for it. */
static bool amx_permitted(void) {
#ifdef SYS_arch_prctl
  return syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18) == 0;
#else
  return false;
#endif
}

static void cpu_features(uint64_t have[2]) {
  have[0] = have[1] = 0;
  uint32_t a, b, c, d, a7, b7, c7, d7, a71 = 0, b71, c71, d71;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !all(c, 1u << 27)) /* osxsave */
    return;
  uint64_t xcr0 = read_xcr0();
  if (!__get_cpuid_count(7, 0, &a7, &b7, &c7, &d7))
    return;
  if (a7 >= 1)
    __get_cpuid_count(7, 1, &a71, &b71, &c71, &d71);
  bool ymm = (xcr0 & 0x6) == 0x6, zmm = (xcr0 & 0xE6) == 0xE6;
  bool tiles = (xcr0 & 0x60000) == 0x60000;
  /* avx, fma, f16c; avx2 */
  if (ymm && all(c, 1u << 28 | 1u << 12 | 1u << 29) && all(b7, 1u << 5)) {
    have[0] |= ADZE_X86_AVX2;
    if (all(a71, 1u << 4))
      have[0] |= ADZE_X86_AVX_VNNI;
  }
  /* f, dq, cd, bw, vl */
  if (zmm && all(b7, 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31)) {
    have[0] |= ADZE_X86_AVX512;
    if (all(c7, 1u << 11))
      have[0] |= ADZE_X86_VNNI512;
    if (all(a71, 1u << 5))
      have[0] |= ADZE_X86_BF16_512;
    if (all(c7, 1u << 6))
      have[0] |= ADZE_X86_VBMI2;
  }
  /* amx tile, int8, bf16 */
  if (tiles && all(d7, 1u << 24 | 1u << 25 | 1u << 22))
    have[0] |= ADZE_X86_AMX;
}

static uint64_t refused(const uint64_t need[2]) {
  return (need[0] & ADZE_X86_AMX) && !amx_permitted() ? ADZE_X86_AMX : 0;
}

/* Intel's cores make a vdpbf16ps in twice the time of the two fma that do as
 * much; they have the instruction for code that AMX is the point of. */
static uint64_t slow(const uint64_t need[2]) {
  uint32_t leaf, b, c, d;
  if (need[0] & ADZE_X86_AMX || !__get_cpuid(0, &leaf, &b, &c, &d))
    return 0;
  bool intel = b == signature_INTEL_ebx && c == signature_INTEL_ecx &&
               d == signature_INTEL_edx;
  return intel ? need[0] & ADZE_X86_BF16_512 : 0;
}

static const struct {
  uint64_t bit;
  const char *name;
} features[] = {{ADZE_X86_AVX2, "avx2 (with fma and f16c)"},
                {ADZE_X86_AVX512, "avx512 (f, bw, dq, vl, cd)"},
                {ADZE_X86_VNNI512, "avx512_vnni"},
                {ADZE_X86_BF16_512, "avx512_bf16"},
                {ADZE_X86_AVX_VNNI, "avx_vnni"},
                {ADZE_X86_VBMI2, "avx512_vbmi2"},
                {ADZE_X86_AMX, "amx (tile, int8, bf16)"}};
#else
#include <sys/auxv.h>
#include <sys/prctl.h>

/* Bits of AT_HWCAP and AT_HWCAP2, and the request for the vector length, as the
 * kernel's interface for user space numbers them. */
enum { HWCAP_DOTPROD = 1u << 20, HWCAP_HAS_SVE = 1u << 22 };
enum { HWCAP2_HAS_I8MM = 1u << 13, HWCAP2_HAS_BF16 = 1u << 14 };
enum { PRCTL_SVE_GET_VL = 51, SVE_LENGTH_BYTES = 0xffff };

static void cpu_features(uint64_t have[2]) {
  have[0] = have[1] = 0;
  unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
  if (first & HWCAP_DOTPROD)
    have[0] |= ADZE_ARM_DOTPROD;
  if (second & HWCAP2_HAS_I8MM)
    have[0] |= ADZE_ARM_I8MM;
  if (second & HWCAP2_HAS_BF16)
    have[0] |= ADZE_ARM_BF16;
  if (first & HWCAP_HAS_SVE) {
    have[0] |= ADZE_ARM_SVE;
    int length = prctl(PRCTL_SVE_GET_VL);
    if (length > 0 && (length & SVE_LENGTH_BYTES) == 32)
      have[0] |= ADZE_ARM_SVE_256;
    if (length > 0 && (length & SVE_LENGTH_BYTES) == 64)
      have[0] |= ADZE_ARM_SVE_512;
  }
}

static uint64_t refused(const uint64_t need[2]) {
  (void)need;
  return 0;
}
static uint64_t slow(const uint64_t need[2]) {
  (void)need;
  return 0;
}

static const struct {
  uint64_t bit;
  const char *name;
} features[] = {{ADZE_ARM_DOTPROD, "dotprod"},
                {ADZE_ARM_I8MM, "i8mm"},
                {ADZE_ARM_BF16, "bf16"},
                {ADZE_ARM_SVE, "sve"},
                {ADZE_ARM_SVE_256, "sve vectors of 256 bits"},
                {ADZE_ARM_SVE_512, "sve vectors of 512 bits"}};
#endif

void adze_cpu_missing(const uint64_t need[2], uint64_t missing[2]) {
  uint64_t have[2];
  cpu_features(have);
  for (int i = 0; i < 2; ++i)
    missing[i] = need[i] & ~have[i];
  missing[0] |= missing[0] ? 0 : refused(need);
}

bool adze_cpu_is_slow(const uint64_t need[2]) { return slow(need) != 0; }

void adze_cpu_feature_names(const uint64_t bits[2], char *out,
                            size_t capacity) {
  size_t at = 0;
  uint64_t rest = bits[0];
  if (capacity)
    out[0] = 0;
  for (unsigned i = 0; i < sizeof features / sizeof *features; ++i)
    if (features[i].bit & rest) {
      rest &= ~features[i].bit;
      int wrote = snprintf(out + at, capacity - at, "%s%s", at ? ", " : "",
                           features[i].name);
      at += wrote > 0 ? (size_t)wrote : 0;
      if (at >= capacity)
        return;
    }
  if (rest || bits[1])
    snprintf(out + at, capacity - at,
             "%sfeature bits %#llx:%#llx that this runtime does not know",
             at ? ", " : "", (unsigned long long)bits[1],
             (unsigned long long)rest);
}
