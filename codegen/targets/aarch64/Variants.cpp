// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Variants for Arm. NEON has 32 registers of 4 lanes; SVE code is made for one
// vector length each, because the kernels' vectors are of fixed width: what a
// longer register brings is fewer instructions per 16 lanes. At 128 bits NEON
// is as wide.

#include "../AArch64Targets.h"
#include "adze/Codegen/TargetVariants.h"
#include "adze/abi.h"
#include "llvm/TargetParser/AArch64TargetParser.h"

using namespace llvm;
using namespace adze;

static constexpr uint64_t kDots =
    ADZE_ARM_DOTPROD | ADZE_ARM_I8MM | ADZE_ARM_BF16;
static constexpr StringLiteral kTriple = "aarch64-unknown-linux-gnu";

static const TargetVariant kVariants[] = {
    {"aarch64+sve512",
     kTriple,
     "generic",
     "+sve,+dotprod,+i8mm,+bf16",
     kDots | ADZE_ARM_SVE | ADZE_ARM_SVE_512,
     {16, 32, true, true},
     4},
    {"aarch64+sve256",
     kTriple,
     "generic",
     "+sve,+dotprod,+i8mm,+bf16",
     kDots | ADZE_ARM_SVE | ADZE_ARM_SVE_256,
     {8, 32, true, true},
     2},
    {"aarch64+i8mm+bf16",
     kTriple,
     "generic",
     "+dotprod,+i8mm,+bf16",
     kDots,
     {4, 32, true, true}},
    {"aarch64+dotprod",
     kTriple,
     "generic",
     "+dotprod",
     ADZE_ARM_DOTPROD,
     {4, 32, false, false}},
    {"aarch64", kTriple, "generic", "", 0, {4, 32, false, false}},
};

ArrayRef<TargetVariant> adze::aarch64Variants() { return kVariants; }

/// Bits of one feature as it follows a `+`.
static std::optional<uint64_t> featureBits(StringRef feature) {
  return StringSwitch<std::optional<uint64_t>>(feature)
      .Case("dotprod", ADZE_ARM_DOTPROD)
      .Case("i8mm", ADZE_ARM_I8MM | ADZE_ARM_DOTPROD)
      .Case("bf16", ADZE_ARM_BF16 | ADZE_ARM_DOTPROD)
      .Case("sve256", kDots | ADZE_ARM_SVE | ADZE_ARM_SVE_256)
      .Case("sve512", kDots | ADZE_ARM_SVE | ADZE_ARM_SVE_512)
      .Default(std::nullopt);
}

std::optional<uint64_t> adze::parseAArch64Target(StringRef item) {
  SmallVector<StringRef> parts;
  item.split(parts, '+');
  uint64_t bits = 0;
  if (StringRef cpu = parts.front().trim(); cpu != "aarch64") {
    std::optional<AArch64::CpuInfo> known = AArch64::parseCpu(cpu);
    if (!known)
      return std::nullopt;
    AArch64::ExtensionBitset has = known->getImpliedExtensions();
    auto take = [&](AArch64::ArchExtKind kind, uint64_t bit) {
      if (has.test(kind))
        bits |= bit;
    };
    take(AArch64::AEK_DOTPROD, ADZE_ARM_DOTPROD);
    take(AArch64::AEK_I8MM, ADZE_ARM_I8MM);
    take(AArch64::AEK_BF16, ADZE_ARM_BF16);
    take(AArch64::AEK_SVE, ADZE_ARM_SVE);
    // The vector length is no part of the CPU's description there.
    if (cpu == "neoverse-v1")
      bits |= ADZE_ARM_SVE_256;
    if (cpu == "a64fx")
      bits |= ADZE_ARM_SVE_512;
  }
  for (StringRef feature : ArrayRef(parts).drop_front()) {
    std::optional<uint64_t> more = featureBits(feature.trim());
    if (!more)
      return std::nullopt;
    bits |= *more;
  }
  return bits;
}
