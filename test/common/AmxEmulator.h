// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs machine code with AMX on CPUs without it: instructions that the CPU does
// not know are interpreted in the handler of SIGILL, as Intel's manual has
// them. It knows what kernels of the AMX variant are made of: tile
// configuration, loads, stores, dots of bytes and bf16, and AVX512_BF16. What
// would fault on such a CPU (a tile without configuration, shapes that do not
// fit) ends the process with a message that says why. Needs AVX-512.
#ifndef ADZE_TEST_COMMON_AMXEMULATOR_H
#define ADZE_TEST_COMMON_AMXEMULATOR_H

#include <cstdint>

namespace adze::test {

/// While the one lives, unknown instructions of this process are interpreted.
/// Each thread has tiles of its own.
class AmxEmulator {
public:
  AmxEmulator();
  ~AmxEmulator();
  AmxEmulator(const AmxEmulator &) = delete;

  /// What the calling thread had interpreted.
  struct Counts {
    uint64_t configurations, releases, loads, stores;
    uint64_t codeDots, floatDots, pairDots; // pairs: of AVX512_BF16
  };
  static Counts counts();
  /// Whether the calling thread's tiles are configured: not after a release.
  static bool isConfigured();
};

} // namespace adze::test

#endif // ADZE_TEST_COMMON_AMXEMULATOR_H
