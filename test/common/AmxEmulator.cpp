// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "AmxEmulator.h"
#if defined(__x86_64__)
#include <cmath>
#include <cpuid.h>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

using namespace adze::test;

namespace {

[[noreturn]] void fail(const char *what) {
  const char *parts[] = {"AMX emulator: ", what, "\n"};
  for (const char *part : parts)
    if (write(STDERR_FILENO, part, std::strlen(part)) < 0)
      break;
  std::abort();
}
void require(bool condition, const char *what) {
  if (!condition)
    fail(what);
}

//===----------------------------------------------------------------------===//
// The state of a thread
//===----------------------------------------------------------------------===//

constexpr int kTiles = 8, kTileRows = 16, kTileRowBytes = 64;

struct Tile {
  uint8_t bytes[kTileRows][kTileRowBytes];
};

/// What ldtilecfg reads.
struct Configuration {
  uint8_t palette, startRow, reserved0[14];
  uint16_t rowBytes[kTiles], reserved1[8];
  uint8_t rows[kTiles], reserved2[8];
};
static_assert(sizeof(Configuration) == 64);

struct Thread {
  Configuration configuration;
  Tile tiles[kTiles];
  AmxEmulator::Counts counts;
};
thread_local Thread thread;

template <typename T> T get(const uint8_t *row, int index) {
  T value;
  std::memcpy(&value, row + index * sizeof(T), sizeof(T));
  return value;
}
template <typename T> void put(uint8_t *row, int index, T value) {
  std::memcpy(row + index * sizeof(T), &value, sizeof(T));
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

/// bf16 and f32 arithmetic of these instructions takes subnormals as zeros and
/// gives zeros for them.
float flush(float value) {
  return std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(0.0f, value)
                                                : value;
}
float bf16(const uint8_t *row, int index) {
  uint32_t bits = uint32_t(get<uint16_t>(row, index)) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return flush(value);
}
float fma(float x, float y, float sum) {
  return flush(std::fma(x, y, flush(sum)));
}
float add(float x, float y) { return flush(flush(x) + flush(y)); }

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

bool isZero(const uint8_t *bytes, size_t count) {
  for (size_t i = 0; i < count; ++i)
    if (bytes[i])
      return false;
  return true;
}

void release() { std::memset(&thread, 0, offsetof(Thread, counts)); }

void configure(const uint8_t *from) {
  Configuration c;
  std::memcpy(&c, from, sizeof c);
  ++thread.counts.configurations;
  release();
  if (c.palette == 0)
    return;
  require(c.palette == 1, "ldtilecfg: the palette is not 1");
  require(isZero(c.reserved0, sizeof c.reserved0) &&
              isZero(reinterpret_cast<uint8_t *>(c.reserved1),
                     sizeof c.reserved1) &&
              isZero(c.reserved2, sizeof c.reserved2),
          "ldtilecfg: reserved bytes are not zero");
  require(c.startRow == 0, "ldtilecfg: a start row");
  for (int t = 0; t < kTiles; ++t) {
    require(c.rowBytes[t] <= kTileRowBytes && c.rows[t] <= kTileRows,
            "ldtilecfg: a tile is larger than 16 rows of 64 bytes");
    require((c.rowBytes[t] == 0) == (c.rows[t] == 0),
            "ldtilecfg: a tile of rows without bytes, or bytes without rows");
  }
  thread.configuration = c;
}

int rowsOf(int tile) { return thread.configuration.rows[tile]; }
int rowBytesOf(int tile) { return thread.configuration.rowBytes[tile]; }

void requireTile(int tile) {
  require(thread.configuration.palette == 1, "tiles are not configured");
  require(tile < kTiles && rowsOf(tile) > 0, "the tile has no shape");
}

void load(int tile, const uint8_t *from, int64_t stride) {
  requireTile(tile);
  ++thread.counts.loads;
  std::memset(&thread.tiles[tile], 0, sizeof(Tile));
  for (int r = 0; r < rowsOf(tile); ++r)
    std::memcpy(thread.tiles[tile].bytes[r], from + r * stride,
                rowBytesOf(tile));
}

void store(int tile, uint8_t *to, int64_t stride) {
  requireTile(tile);
  ++thread.counts.stores;
  for (int r = 0; r < rowsOf(tile); ++r)
    std::memcpy(to + r * stride, thread.tiles[tile].bytes[r], rowBytesOf(tile));
}

void zero(int tile) {
  requireTile(tile);
  std::memset(&thread.tiles[tile], 0, sizeof(Tile));
}

/// The tiles of a dot; `quads` is the number of 32-bit elements along K.
struct Dot {
  Dot(int to, int a, int b)
      : to(thread.tiles[to]), a(thread.tiles[a]), b(thread.tiles[b]) {
    for (int tile : {to, a, b})
      requireTile(tile);
    require(to != a && to != b && a != b, "a dot of one tile twice");
    require(rowBytesOf(to) % 4 == 0 && rowBytesOf(a) % 4 == 0,
            "a dot of rows that are not of 4 bytes each");
    rows = rowsOf(to), columns = rowBytesOf(to) / 4, quads = rowsOf(b);
    require(rowsOf(a) == rows && rowBytesOf(b) == rowBytesOf(to) &&
                rowBytesOf(a) == 4 * quads,
            "a dot of tiles whose shapes do not fit");
  }
  ~Dot() {
    // Beyond its shape a result is zero.
    for (int r = 0; r < kTileRows; ++r)
      for (int i = r < rows ? 4 * columns : 0; i < kTileRowBytes; ++i)
        to.bytes[r][i] = 0;
  }
  Tile &to;
  const Tile &a, &b;
  int rows, columns, quads;
};

void dotCodes(const Dot &d, bool aSigned, bool bSigned) {
  ++thread.counts.codeDots;
  auto code = [](uint8_t byte, bool isSigned) {
    return isSigned ? int32_t(int8_t(byte)) : int32_t(byte);
  };
  for (int r = 0; r < d.rows; ++r)
    for (int n = 0; n < d.columns; ++n) {
      // Modulo 2^32, as the hardware adds.
      uint32_t sum = get<uint32_t>(d.to.bytes[r], n);
      for (int k = 0; k < 4 * d.quads; ++k)
        sum += uint32_t(code(d.a.bytes[r][k], aSigned) *
                        code(d.b.bytes[k / 4][4 * n + k % 4], bSigned));
      put(d.to.bytes[r], n, sum);
    }
}

/// Even and odd elements in a chain each, from zero on; then both are added,
/// and that to the sum.
void dotFloats(const Dot &d) {
  ++thread.counts.floatDots;
  for (int r = 0; r < d.rows; ++r)
    for (int n = 0; n < d.columns; ++n) {
      float chains[2] = {0, 0};
      for (int k = 0; k < 2 * d.quads; ++k)
        chains[k % 2] =
            fma(bf16(d.a.bytes[r], k), bf16(d.b.bytes[k / 2], 2 * n + k % 2),
                chains[k % 2]);
      put(d.to.bytes[r], n,
          add(get<float>(d.to.bytes[r], n), add(chains[0], chains[1])));
    }
}

//===----------------------------------------------------------------------===//
// Registers of the interrupted code
//===----------------------------------------------------------------------===//

/// Parts of the vector registers as the system saves them (standard format of
/// XSAVE), by their bits.
enum Part { kXmm = 1, kYmmHigh = 2, kZmmHigh = 6, kZmm16 = 7, kParts };
struct {
  unsigned offset, size;
} parts[kParts] = {{}, {160, 16 * 16}};

void findParts() {
  for (unsigned part : {kYmmHigh, kZmmHigh, kZmm16}) {
    unsigned c, d;
    __cpuid_count(0xd, part, parts[part].size, parts[part].offset, c, d);
  }
}

uint8_t *savedPart(const ucontext_t &context, Part part) {
  uint8_t *area = reinterpret_cast<uint8_t *>(context.uc_mcontext.fpregs);
  uint8_t *present = area + 512; // XSTATE_BV
  uint64_t bits = get<uint64_t>(present, 0), bit = uint64_t(1) << part;
  // What is not present is zero.
  if (!(bits & bit))
    std::memset(area + parts[part].offset, 0, parts[part].size);
  put(present, 0, bits | bit);
  return area + parts[part].offset;
}

/// The 16 bytes `lane` of a zmm register.
uint8_t *zmmLane(const ucontext_t &context, unsigned number, unsigned lane) {
  if (number >= 16)
    return savedPart(context, kZmm16) + 64 * (number - 16) + 16 * lane;
  if (lane < 2)
    return savedPart(context, lane ? kYmmHigh : kXmm) + 16 * number;
  return savedPart(context, kZmmHigh) + 32 * number + 16 * (lane - 2);
}
void readZmm(const ucontext_t &context, unsigned number, uint8_t *to) {
  for (unsigned lane = 0; lane < 4; ++lane)
    std::memcpy(to + 16 * lane, zmmLane(context, number, lane), 16);
}
void writeZmm(ucontext_t &context, unsigned number, const uint8_t *from) {
  for (unsigned lane = 0; lane < 4; ++lane)
    std::memcpy(zmmLane(context, number, lane), from + 16 * lane, 16);
}

/// General registers in the order of their numbers in instructions.
int64_t &general(ucontext_t &context, unsigned number) {
  static const int kOrder[] = {
      REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
      REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return reinterpret_cast<int64_t &>(context.uc_mcontext.gregs[kOrder[number]]);
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

/// An instruction with a VEX or EVEX prefix of the map 0F 38.
class Instruction {
public:
  explicit Instruction(ucontext_t &context)
      : context(context), next(reinterpret_cast<const uint8_t *>(
                              context.uc_mcontext.gregs[REG_RIP])) {}

  /// False for what is not known.
  bool interpret() {
    bool done = next[0] == 0xc4 ? vex() : next[0] == 0x62 && evex();
    if (done)
      context.uc_mcontext.gregs[REG_RIP] =
          static_cast<greg_t>(reinterpret_cast<uintptr_t>(next));
    return done;
  }

private:
  enum Prefix { kNone, k66, kF3, kF2 };

  bool vex();
  bool evex();
  bool tileControl(unsigned prefix);
  bool tileMemory(unsigned prefix);
  void dotPairs(const uint8_t *b);
  void roundToBF16(const uint8_t *from);

  /// ModRM with what follows it. `scale`: what a short displacement counts.
  void operands(int64_t scale = 1) {
    uint8_t modrm = *next++;
    unsigned mode = modrm >> 6;
    reg = (modrm >> 3 & 7) | regHigh, rm = modrm & 7;
    inRegister = mode == 3;
    if (inRegister) {
      rm |= baseHigh | rmHigh;
      return;
    }
    bool noBase = false, relative = mode == 0 && rm == 5;
    hasSib = rm == 4;
    address = 0, index = 0;
    unsigned base = rm | baseHigh;
    if (hasSib) {
      uint8_t sib = *next++;
      unsigned number = (sib >> 3 & 7) | indexHigh;
      if (number != 4)
        index = general(context, number) * (int64_t(1) << (sib >> 6));
      noBase = mode == 0 && (sib & 7) == 5;
      base = (sib & 7) | baseHigh;
    }
    if (!noBase && !relative)
      address = general(context, base);
    if (mode == 1) {
      address += int8_t(*next++) * scale;
    } else if (mode == 2 || noBase || relative) {
      address += get<int32_t>(next, 0);
      next += 4;
    }
    if (relative) // to what follows; none of these has an immediate
      address += int64_t(reinterpret_cast<uintptr_t>(next));
  }
  uint8_t *pointer(int64_t at) const {
    return reinterpret_cast<uint8_t *>(uintptr_t(at));
  }

  ucontext_t &context;
  const uint8_t *next;
  // Bits of the prefixes that extend numbers of registers.
  unsigned regHigh = 0, indexHigh = 0, baseHigh = 0, rmHigh = 0;
  unsigned other = 0; // vvvv
  unsigned reg = 0, rm = 0;
  bool inRegister = false, hasSib = false;
  int64_t address = 0, index = 0; // without, and of, the index register
};

bool Instruction::vex() {
  uint8_t first = next[1], second = next[2], opcode = next[3];
  if ((first & 31) != 2 || second & 0x84) // 0F 38; W0, 128 bits
    return false;
  regHigh = first & 0x80 ? 0 : 8, indexHigh = first & 0x40 ? 0 : 8;
  baseHigh = first & 0x20 ? 0 : 8;
  other = ~second >> 3 & 15;
  unsigned prefix = second & 3;
  next += 4;
  switch (opcode) {
  case 0x49:
    return tileControl(prefix);
  case 0x4b:
    return tileMemory(prefix);
  case 0x5c:
  case 0x5e:
    operands();
    if (!inRegister || (opcode == 0x5c && prefix != kF3))
      return false;
    require(reg < kTiles && rm < kTiles && other < kTiles, "no such tile");
    if (opcode == 0x5c)
      dotFloats(Dot(reg, rm, other));
    else
      dotCodes(Dot(reg, rm, other), prefix == kF2 || prefix == kF3,
               prefix == kF2 || prefix == k66);
    return true;
  default:
    return false;
  }
}

bool Instruction::tileControl(unsigned prefix) {
  operands();
  if (prefix == kF2 && inRegister && rm == 0) {
    zero(reg);
    return true;
  }
  if (prefix == kNone && inRegister && reg == 0 && rm == 0) {
    ++thread.counts.releases;
    release();
    return true;
  }
  if (inRegister || reg != 0)
    return false;
  if (prefix == kNone)
    configure(pointer(address + index));
  else if (prefix == k66)
    std::memcpy(pointer(address + index), &thread.configuration,
                sizeof(Configuration));
  return prefix == kNone || prefix == k66;
}

bool Instruction::tileMemory(unsigned prefix) {
  operands();
  if (inRegister || !hasSib || prefix == kNone)
    return false;
  if (prefix == kF3)
    store(reg, pointer(address), index);
  else
    load(reg, pointer(address), index);
  return true;
}

/// Two instructions of whole registers without a mask.
bool Instruction::evex() {
  uint8_t first = next[1], second = next[2], third = next[3], opcode = next[4];
  // 0F 38; W0, F3; no mask, 512 bits.
  if ((first & 0x0f) != 2 || (second & 0x87) != 0x06 ||
      (third & 0xe7) != 0x40 || (opcode != 0x52 && opcode != 0x72))
    return false;
  bool broadcast = third & 0x10;
  regHigh = (first & 0x80 ? 0 : 8) | (first & 0x10 ? 0 : 16);
  indexHigh = first & 0x40 ? 0 : 8, rmHigh = first & 0x40 ? 0 : 16;
  baseHigh = first & 0x20 ? 0 : 8;
  other = (~second >> 3 & 15) | (third & 0x08 ? 0 : 16);
  next += 5;
  operands(broadcast ? 4 : 64);
  uint8_t last[64];
  if (inRegister)
    readZmm(context, rm, last);
  else
    for (int i = 0; i < 16; ++i)
      std::memcpy(last + 4 * i,
                  pointer(address + index) + (broadcast ? 0 : 4 * i), 4);
  if (opcode == 0x52)
    dotPairs(last);
  else
    roundToBF16(last);
  return true;
}

/// vdpbf16ps
void Instruction::dotPairs(const uint8_t *b) {
  ++thread.counts.pairDots;
  uint8_t sums[64], a[64];
  readZmm(context, reg, sums);
  readZmm(context, other, a);
  for (int n = 0; n < 16; ++n) {
    float sum = get<float>(sums, n);
    for (int k = 2 * n; k < 2 * n + 2; ++k)
      sum = fma(bf16(a, k), bf16(b, k), sum);
    put(sums, n, sum);
  }
  writeZmm(context, reg, sums);
}

/// vcvtneps2bf16
void Instruction::roundToBF16(const uint8_t *from) {
  uint8_t halves[64] = {};
  for (int n = 0; n < 16; ++n) {
    float value = flush(get<float>(from, n));
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    bits =
        std::isnan(value) ? bits | 0x400000 : bits + 0x7fff + (bits >> 16 & 1);
    put(halves, n, uint16_t(bits >> 16));
  }
  writeZmm(context, reg, halves);
}

struct sigaction before;

void handle(int signal, siginfo_t *, void *context) {
  if (!Instruction(*static_cast<ucontext_t *>(context)).interpret())
    sigaction(signal, &before, nullptr); // runs again, to its end
}

} // namespace

AmxEmulator::AmxEmulator() {
  findParts();
  struct sigaction action = {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGILL, &action, &before);
}
AmxEmulator::~AmxEmulator() { sigaction(SIGILL, &before, nullptr); }

AmxEmulator::Counts AmxEmulator::counts() { return thread.counts; }
bool AmxEmulator::isConfigured() { return thread.configuration.palette != 0; }

#else // no code of x86-64 runs here

using namespace adze::test;

AmxEmulator::AmxEmulator() = default;
AmxEmulator::~AmxEmulator() = default;
AmxEmulator::Counts AmxEmulator::counts() { return {}; }
bool AmxEmulator::isConfigured() { return false; }

#endif
