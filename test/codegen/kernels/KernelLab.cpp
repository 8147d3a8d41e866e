// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "KernelLab.h"
#include "../../common/AmxEmulator.h"
#include "adze/Codegen/KernelBuilder.h"
#include "adze/Codegen/KernelLowering.h"
#include "adze/Codegen/ObjectEmitter.h"
#include "adze/abi.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include <cstring>
#include <optional>
#include <sys/mman.h>
#include <unistd.h>

using namespace adze;
using namespace adze::test;
using namespace mlir;

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Memory::Memory(size_t bytes) : bytes(bytes) {
  size_t page = sysconf(_SC_PAGESIZE);
  mapped = (bytes + page - 1) / page * page + page;
  base = static_cast<uint8_t *>(mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (base == MAP_FAILED)
    llvm::report_fatal_error("no memory for the test");
  madvise(base, mapped, MADV_HUGEPAGE);
  mprotect(base + mapped - page, page, PROT_NONE);
  begin = base + mapped - page - bytes;
}
Memory::Memory(Memory &&other) noexcept
    : bytes(other.bytes), mapped(other.mapped), base(other.base),
      begin(other.begin) {
  other.base = nullptr;
}
Memory::~Memory() {
  if (base)
    munmap(base, mapped);
}

const char *test::nameOf(Stored type) {
  return type == Stored::F32   ? "f32"
         : type == Stored::F16 ? "f16"
         : type == Stored::I8  ? "i8"
                               : "bf16";
}
size_t test::bytesOf(Stored type) {
  return type == Stored::F32 ? 4 : type == Stored::I8 ? 1 : 2;
}
double test::roundingOf(Stored type) {
  return type == Stored::F32 ? 6e-8 : type == Stored::F16 ? 4.9e-4 : 3.95e-3;
}

// APFloat is a conversion of its own, beside those of the product.
float test::get(const void *memory, Stored type, size_t index) {
  auto *bytes = static_cast<const uint8_t *>(memory);
  if (type == Stored::F32) {
    float value;
    std::memcpy(&value, bytes + 4 * index, 4);
    return value;
  }
  uint16_t half;
  std::memcpy(&half, bytes + 2 * index, 2);
  if (type == Stored::BF16)
    return llvm::bit_cast<float>(uint32_t(half) << 16);
  llvm::APFloat value(llvm::APFloat::IEEEhalf(), llvm::APInt(16, half));
  bool lost;
  value.convert(llvm::APFloat::IEEEsingle(), llvm::APFloat::rmNearestTiesToEven,
                &lost);
  return value.convertToFloat();
}

void test::set(void *memory, Stored type, size_t index, float value) {
  auto *bytes = static_cast<uint8_t *>(memory);
  if (type == Stored::F32) {
    std::memcpy(bytes + 4 * index, &value, 4);
    return;
  }
  if (type == Stored::BF16 && value == value) {
    uint32_t bits = llvm::bit_cast<uint32_t>(value);
    uint16_t half = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    std::memcpy(bytes + 2 * index, &half, 2);
    return;
  }
  llvm::APFloat rounded(value);
  bool lost;
  rounded.convert(type == Stored::BF16 ? llvm::APFloat::BFloat()
                                       : llvm::APFloat::IEEEhalf(),
                  llvm::APFloat::rmNearestTiesToEven, &lost);
  uint16_t half = rounded.bitcastToAPInt().getZExtValue();
  std::memcpy(bytes + 2 * index, &half, 2);
}

void Matrix::fill(std::mt19937 &random, float scale) {
  std::uniform_real_distribution<float> uniform(-scale, scale);
  for (int64_t i = 0; i < rows * cols; ++i)
    set(memory.data(), type, i, uniform(random));
}

std::vector<uint8_t> Matrix::rowBytes(int64_t r) const {
  const uint8_t *row = memory.data() + r * cols * bytesOf(type);
  return {row, row + cols * bytesOf(type)};
}

//===----------------------------------------------------------------------===//
// Compiling and calling
//===----------------------------------------------------------------------===//

CompiledKernel::CompiledKernel() = default;
CompiledKernel::~CompiledKernel() = default;
CompiledKernel::CompiledKernel(CompiledKernel &&) noexcept = default;

void CompiledKernel::operator()(int64_t lo, int64_t hi, const void *batch,
                                std::vector<uint64_t> a) {
  a.resize(16); // words that a kernel does not take are not looked at
  std::optional<AmxEmulator> emulator;
  if (emulated)
    emulator.emplace();
  using W = uint64_t;
  reinterpret_cast<void (*)(W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W, W,
                            W, W, W)>(function)(
      lo, hi, word(lent ? *lent : *scratch), word(batch), a[0], a[1], a[2],
      a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12], a[13],
      a[14], a[15]);
  if (AmxEmulator::isConfigured())
    llvm::report_fatal_error("the kernel has not released its tiles");
}

KernelLab::KernelLab() {
  context.loadDialect<AdzeDialect>();
  loadLoweringDialects(context);
}

std::unique_ptr<CompiledKernel> KernelLab::compile(const std::string &text,
                                                   const TargetVariant &variant,
                                                   int64_t columns) {
  errors.clear();
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    errors += diagnostic.str() + "\n";
    return success();
  });
  auto source = parseSourceString<ModuleOp>(text, &context);
  if (!source)
    return nullptr;
  KernelOp kernel = *source->getOps<KernelOp>().begin();
  OwningOpRef<ModuleOp> module(ModuleOp::create(kernel.getLoc()));
  OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
  if (failed(buildKernel(builder, kernel, variant.kernel)))
    return nullptr;
  if (failed(module->verify()) || failed(lowerKernelsToLLVM(*module, variant)))
    return nullptr;
  auto object = emitModule(*module, variant, {});
  if (failed(object))
    return nullptr;

  std::unique_ptr<CompiledKernel> compiled(new CompiledKernel());
  compiled->objectFile = std::move(*object);
  compiled->jit = llvm::cantFail(llvm::orc::LLJITBuilder().create());
  llvm::cantFail(compiled->jit->addObjectFile(
      llvm::MemoryBuffer::getMemBufferCopy(compiled->object())));
  std::string name = kernel.getSymName().str();
  compiled->function =
      llvm::cantFail(compiled->jit->lookup(name)).toPtr<void *>();
  compiled->emulated = variant.need & ~hostNeedBits();
  compiled->shared = kernelSharedBytes(kernel, variant.kernel);
  compiled->scratch = std::make_unique<Memory>(
      kernelScratchBytes(kernel, variant.kernel, columns));
  return compiled;
}

Memory KernelLab::pack(const Matrix &weight) {
  Type element = weight.type == Stored::F32 ? Type(Float32Type::get(&context))
                 : weight.type == Stored::F16
                     ? Type(Float16Type::get(&context))
                     : Type(BFloat16Type::get(&context));
  return pack(weight, mlir::cast<FormatAttrInterface>(
                          Attribute(FloatFormatAttr::get(&context, element))));
}

Memory KernelLab::pack(const Matrix &weight, FormatAttrInterface format) {
  int64_t panels = (weight.rows + kPanelRows - 1) / kPanelRows;
  int64_t rowBytes = format.getRowBytes(weight.cols);
  std::vector<uint8_t> encoded(weight.rows * rowBytes);
  std::vector<float> values(weight.cols);
  for (int64_t r = 0; r < weight.rows; ++r) {
    for (int64_t c = 0; c < weight.cols; ++c)
      values[c] = weight.at(r, c);
    format.encodeRow(values, {encoded.data() + r * rowBytes, size_t(rowBytes)});
  }
  int64_t panelBytes = format.getPanelBytes(weight.cols);
  Memory packed(panels * panelBytes);
  for (int64_t p = 0; p < panels; ++p) {
    std::vector<const uint8_t *> rows;
    for (int64_t r = p * kPanelRows; r < (p + 1) * kPanelRows; ++r)
      rows.push_back(r < weight.rows ? encoded.data() + r * rowBytes : nullptr);
    format.packPanel(rows, weight.cols,
                     {packed.data() + p * panelBytes, size_t(panelBytes)});
  }
  return packed;
}

void test::runInParts(CompiledKernel &linear, uint64_t x, const Matrix &y,
                      const Memory &panels, int64_t k) {
  int64_t units = (y.cols + 15) / 16;
  int64_t cuts[] = {0, std::min<int64_t>(units, 1), units * 3 / 4, units};
  for (int part = 0; part < 3; ++part)
    linear(cuts[part], std::max(cuts[part], cuts[part + 1]), nullptr,
           {x, word(y), word(panels), uint64_t(y.rows), uint64_t(y.cols),
            uint64_t(k)});
}

static std::vector<const TargetVariant *> variantsWith(uint64_t have) {
  std::vector<const TargetVariant *> variants;
  for (const TargetVariant &variant : x86Variants())
    if ((variant.need & ~have) == 0)
      variants.push_back(&variant);
  return variants;
}

std::vector<const TargetVariant *> test::runnableVariants() {
  return variantsWith(hostNeedBits());
}

std::vector<const TargetVariant *> test::emulatedVariants(bool expands) {
  uint64_t have = hostNeedBits() | ADZE_X86_AMX | ADZE_X86_BF16_512;
  return variantsWith(expands ? have : have | ADZE_X86_VBMI2);
}
