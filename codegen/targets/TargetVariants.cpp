// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "adze/Codegen/TargetVariants.h"
#include "AArch64Targets.h"
#include "adze/abi.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/X86TargetParser.h"
#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

using namespace llvm;
using namespace adze;

static constexpr uint64_t kV4 = ADZE_X86_AVX2 | ADZE_X86_AVX512;
// Ice Lake's. bf16 dots came to all but one line of CPUs (Cooper Lake) later.
static constexpr uint64_t kNewV4 = kV4 | ADZE_X86_VNNI512 | ADZE_X86_VBMI2;

static const TargetVariant kX86Variants[] = {
    {"x86-64-v4+vnni+bf16+amx",
     "x86_64-unknown-linux-gnu",
     "x86-64-v4",
     "+avx512vnni,+avx512vbmi2,+avx512bf16,+amx-tile,+amx-int8,+amx-bf16",
     kNewV4 | ADZE_X86_BF16_512 | ADZE_X86_AMX,
     {16, 32, true, true, true, /*hasAmx=*/true}},
    {"x86-64-v4+vnni+bf16",
     "x86_64-unknown-linux-gnu",
     "x86-64-v4",
     "+avx512vnni,+avx512vbmi2,+avx512bf16",
     kNewV4 | ADZE_X86_BF16_512,
     // Zen 4 and 5: Intel's cores have AMX, or take the next (isSlowOnHost).
     {16, 32, true, true, true, /*hasAmx=*/false, /*fewSums=*/true}},
    {"x86-64-v4+vnni+vbmi2",
     "x86_64-unknown-linux-gnu",
     "x86-64-v4",
     "+avx512vnni,+avx512vbmi2",
     kNewV4,
     {16, 32, false, true, true}},
    {"x86-64-v4+vnni",
     "x86_64-unknown-linux-gnu",
     "x86-64-v4",
     "+avx512vnni",
     kV4 | ADZE_X86_VNNI512,
     {16, 32, false, true}},
    {"x86-64-v4",
     "x86_64-unknown-linux-gnu",
     "x86-64-v4",
     "",
     kV4,
     {16, 32, false, false}},
    {"x86-64-v3+avxvnni",
     "x86_64-unknown-linux-gnu",
     "x86-64-v3",
     "+avxvnni",
     ADZE_X86_AVX2 | ADZE_X86_AVX_VNNI,
     {8, 16, false, true}},
    {"x86-64-v3",
     "x86_64-unknown-linux-gnu",
     "x86-64-v3",
     "",
     ADZE_X86_AVX2,
     {8, 16, false, false}},
};

bool TargetVariant::sharesCode(const TargetVariant &weaker,
                               KernelDots dots) const {
  // All features that bring such a dot count: each lowers it in its own way.
  uint64_t counts = 0;
  if (dots.bf16)
    counts |= isAArch64() ? ADZE_ARM_BF16 : ADZE_X86_BF16_512;
  if (dots.bytes)
    counts |= isAArch64() ? ADZE_ARM_DOTPROD | ADZE_ARM_I8MM
                          : ADZE_X86_VNNI512 | ADZE_X86_AVX_VNNI;
  if (dots.tiles && !isAArch64())
    counts |= ADZE_X86_AMX;
  if (dots.expands && !isAArch64())
    counts |= ADZE_X86_VBMI2;
  if (dots.bytes && dots.tiles && weaker.kernel.fewSums != kernel.fewSums)
    return false;
  return weaker.triple == triple && weaker.cpu == cpu &&
         weaker.vscale == vscale && weaker.kernel.lanes == kernel.lanes &&
         weaker.kernel.registers == kernel.registers &&
         (weaker.need & ~need) == 0 &&
         (weaker.need & counts) == (need & counts);
}

ArrayRef<TargetVariant> adze::x86Variants() { return kX86Variants; }

/// LLVM feature names -> bits of the ABI.
static uint64_t needBits(function_ref<bool(StringRef)> has) {
  auto all = [&](std::initializer_list<StringRef> names) {
    return llvm::all_of(names, has);
  };
  uint64_t bits = 0;
  if (all({"avx2", "fma", "f16c"}))
    bits |= ADZE_X86_AVX2;
  if (all({"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"}))
    bits |= ADZE_X86_AVX512;
  if (has("avx512vnni"))
    bits |= ADZE_X86_VNNI512;
  if (has("avx512bf16"))
    bits |= ADZE_X86_BF16_512;
  if (has("avxvnni"))
    bits |= ADZE_X86_AVX_VNNI;
  if (has("avx512vbmi2"))
    bits |= ADZE_X86_VBMI2;
  if (all({"amx-tile", "amx-bf16", "amx-int8"}))
    bits |= ADZE_X86_AMX;
  return bits;
}

/// Linux gives AMX tile data only to processes that ask for it.
static bool isAmxPermitted() {
#if defined(__linux__) && defined(__x86_64__) && defined(SYS_arch_prctl)
  return syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18) == 0;
#else
  return false;
#endif
}

uint64_t adze::hostNeedBits() {
  StringMap<bool> features = sys::getHostCPUFeatures();
  uint64_t bits =
      needBits([&](StringRef name) { return features.lookup(name); });
  if ((bits & ADZE_X86_AMX) && !isAmxPermitted())
    bits &= ~uint64_t(ADZE_X86_AMX);
  return bits;
}

bool adze::isSlowOnHost(const TargetVariant &variant) {
#if defined(__x86_64__)
  using namespace sys::detail::x86;
  return !variant.isAArch64() && (variant.need & ADZE_X86_BF16_512) &&
         !(variant.need & ADZE_X86_AMX) &&
         getVendorSignature() == VendorSignatures::GENUINE_INTEL;
#else
  return false;
#endif
}

SmallVector<const TargetVariant *> adze::allVariants() {
  SmallVector<const TargetVariant *> all;
  for (ArrayRef<TargetVariant> family : {x86Variants(), aarch64Variants()})
    for (const TargetVariant &variant : family)
      all.push_back(&variant);
  return all;
}

static Error targetError(const Twine &message) {
  std::string names;
  for (ArrayRef<TargetVariant> family : {x86Variants(), aarch64Variants()})
    for (const TargetVariant &variant : reverse(family))
      names += (variant.name + ", ").str();
  return createStringError(message + "; give all, host, " + names +
                           "the name of a CPU (such as znver4 or neoverse-v1), "
                           "or a list of these with commas");
}

/// The bits of a level or CPU with `+feature` after it.
static Expected<uint64_t> parseTarget(StringRef item) {
  if (item == "host")
    return hostNeedBits();
  SmallVector<StringRef> parts;
  item.split(parts, '+');
  StringRef cpu = parts.front().trim();
  if (X86::parseArchX86(cpu, /*Only64Bit=*/true) == X86::CK_None)
    return targetError("unknown target '" + cpu + "'");
  SmallVector<StringRef> features;
  X86::getFeaturesForCPU(cpu, features);
  // A CPU's list leaves out what other features of it imply.
  StringMap<bool> names;
  auto enable = [&](StringRef feature) {
    names[feature] = true;
    X86::updateImpliedFeatures(feature, true, names);
  };
  for_each(features, enable);
  for (StringRef feature : ArrayRef(parts).drop_front()) {
    StringRef full = StringSwitch<StringRef>(feature.trim())
                         .Case("vnni", "avx512vnni")
                         .Case("bf16", "avx512bf16")
                         .Case("vbmi2", "avx512vbmi2")
                         .Default(feature.trim());
    if (full == "amx") {
      for_each(ArrayRef<StringRef>{"amx-tile", "amx-int8", "amx-bf16"}, enable);
      continue;
    }
    // As the variants have it; a CPU's name says whether it does.
    if (full == "avx512bf16" && cpu.starts_with("x86-64"))
      enable("avx512vbmi2");
    if (!is_contained({"avx512vnni", "avx512bf16", "avxvnni", "avx512vbmi2",
                       "amx-tile", "amx-bf16", "amx-int8"},
                      full))
      return targetError("unknown feature '" + feature + "' in target '" +
                         item +
                         "' (known: vnni, vbmi2, bf16, avxvnni, amx, "
                         "amx-tile, amx-bf16, amx-int8)");
    enable(full);
  }
  return needBits([&](StringRef name) { return names.lookup(name); });
}

/// The best variant of `family` that runs on a machine with these features.
static Expected<const TargetVariant *> bestOf(ArrayRef<TargetVariant> family,
                                              StringRef item, uint64_t have) {
  auto best = find_if(family, [&](const TargetVariant &variant) {
    return (variant.need & ~have) == 0 &&
           (item != "host" || !isSlowOnHost(variant));
  });
  if (best == family.end())
    return targetError("target '" + item +
                       "' has no AVX2 with FMA and F16C, which the least "
                       "variant (x86-64-v3) needs");
  SmallVector<StringRef> parts;
  item.split(parts, '+');
  bool namesAmx = any_of(parts, [](StringRef p) { return p.trim() == "amx"; });
  if (namesAmx && !best->kernel.hasAmx)
    return targetError("target '" + item +
                       "' names amx, but lacks what its variant "
                       "(x86-64-v4+vnni+bf16+amx) needs beside");
  return best;
}

Expected<SmallVector<const TargetVariant *>>
adze::resolveTargets(StringRef spec) {
  SmallVector<const TargetVariant *> all = allVariants();
  SmallPtrSet<const TargetVariant *, 8> chosen;
  SmallVector<StringRef> items;
  spec.split(items, ',');
  bool isArm = false, isX86 = false;
  auto chooseAll = [&](ArrayRef<TargetVariant> family) {
    for (const TargetVariant &variant : family)
      chosen.insert(&variant);
  };
  for (StringRef item : items) {
    item = item.trim();
    if (item.empty())
      return targetError("empty target");
    std::optional<uint64_t> arm = parseAArch64Target(item);
    (arm ? isArm : isX86) = true;
    if (isArm && isX86)
      return targetError("'" + spec +
                         "' names x86-64 and aarch64, but an "
                         "artefact holds one family");
    if (item == "all" || item == "aarch64") {
      chooseAll(arm ? aarch64Variants() : x86Variants());
      continue;
    }
    Expected<uint64_t> have =
        arm ? Expected<uint64_t>(*arm) : parseTarget(item);
    if (!have)
      return have.takeError();
    auto best = bestOf(arm ? aarch64Variants() : x86Variants(), item, *have);
    if (!best)
      return best.takeError();
    chosen.insert(*best);
  }
  erase_if(all, [&](const TargetVariant *v) { return !chosen.contains(v); });
  return all;
}
