// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the kernel tests and the kernel benchmark share: compiles the text of an
// adze.kernel for a variant, loads it with LLJIT, and calls it on memory that
// ends at an unmapped page, so that reading beyond a buffer is a crash.
#ifndef ADZE_TEST_CODEGEN_KERNELS_KERNELLAB_H
#define ADZE_TEST_CODEGEN_KERNELS_KERNELLAB_H

#include "adze/Codegen/KernelBuilder.h"
#include "adze/Codegen/TargetVariants.h"
#include "adze/Dialect/Adze/Adze.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>
#include <random>
#include <vector>

namespace llvm::orc {
class LLJIT;
}

namespace adze::test {

/// Zeroed bytes that end where an unmapped page begins.
class Memory {
public:
  explicit Memory(size_t bytes);
  Memory(Memory &&other) noexcept;
  Memory(const Memory &) = delete;
  ~Memory();
  uint8_t *data() const { return begin; }
  size_t size() const { return bytes; }
  template <typename T> T *as() const { return reinterpret_cast<T *>(begin); }

private:
  size_t bytes, mapped;
  uint8_t *base, *begin;
};

/// How elements are stored. I8: of a cache only.
enum class Stored { F32, F16, BF16, I8 };
inline constexpr Stored kAllStored[] = {Stored::F32, Stored::F16, Stored::BF16};
const char *nameOf(Stored type);
size_t bytesOf(Stored type);
/// Relative error of rounding to the type.
double roundingOf(Stored type);
float get(const void *memory, Stored type, size_t index);
void set(void *memory, Stored type, size_t index, float value);

/// Rows of a matrix in memory.
struct Matrix {
  Matrix(int64_t rows, int64_t cols, Stored type)
      : rows(rows), cols(cols), type(type),
        memory(rows * cols * bytesOf(type)) {}
  float at(int64_t r, int64_t c) const {
    return get(memory.data(), type, r * cols + c);
  }
  void put(int64_t r, int64_t c, float v) {
    set(memory.data(), type, r * cols + c, v);
  }
  void fill(std::mt19937 &random, float scale = 1);
  /// The bytes of one row.
  std::vector<uint8_t> rowBytes(int64_t r) const;
  int64_t rows, cols;
  Stored type;
  Memory memory;
};

class CompiledKernel {
public:
  ~CompiledKernel();
  CompiledKernel(CompiledKernel &&) noexcept;

  /// Calls the kernel: pointers and sizes as 64-bit words after scratch. Where
  /// this machine lacks AMX or AVX512_BF16, their instructions are interpreted.
  void operator()(int64_t lo, int64_t hi, const void *batch,
                  std::vector<uint64_t> arguments);
  /// Runs on the scratch that `other` has left, as a merge does.
  void useScratchOf(const CompiledKernel &other) { lent = other.scratch.get(); }
  /// The first word of scratch.
  int64_t scratchWord() const { return *scratch->as<int64_t>(); }
  /// What kernelSharedBytes says.
  SharedBytes shared;
  llvm::StringRef object() const { return objectFile->getBuffer(); }

private:
  friend class KernelLab;
  CompiledKernel();
  std::unique_ptr<llvm::orc::LLJIT> jit;
  std::unique_ptr<llvm::MemoryBuffer> objectFile;
  std::unique_ptr<Memory> scratch;
  const Memory *lent = nullptr;
  void *function = nullptr;
  bool emulated = false;
};

inline uint64_t word(const void *p) { return reinterpret_cast<uint64_t>(p); }
inline uint64_t word(const Matrix &m) { return word(m.memory.data()); }
inline uint64_t word(const Memory &m) { return word(m.data()); }

/// y = x times packed panels of K columns, of a linear without operands beside,
/// in three uneven parts.
void runInParts(CompiledKernel &linear, uint64_t x, const Matrix &y,
                const Memory &panels, int64_t k);

class KernelLab {
public:
  KernelLab();
  /// More than the K of any kernel here.
  static constexpr int64_t kMostColumns = 8192;
  /// Compiles the one kernel that `text` holds, with scratch for K up to
  /// `columns`; null with the diagnostics in `errors` if that fails.
  std::unique_ptr<CompiledKernel> compile(const std::string &text,
                                          const TargetVariant &variant,
                                          int64_t columns = kMostColumns);
  /// Packs a matrix (N x K) into panels of its type.
  Memory pack(const Matrix &weight);
  /// Rounds it to `format` and packs that.
  Memory pack(const Matrix &weight, FormatAttrInterface format);
  std::string errors;

  mlir::MLIRContext context;
};

/// Variants that this machine can run.
std::vector<const TargetVariant *> runnableVariants();

/// Those, and variants of which AmxEmulator interprets what it cannot run: of
/// kernels that spread packed codes (`expands`) not the instruction for that.
std::vector<const TargetVariant *> emulatedVariants(bool expands = false);

} // namespace adze::test

#endif // ADZE_TEST_CODEGEN_KERNELS_KERNELLAB_H
