// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the instructions do is as Intel's manual has it, without flushing of
// subnormals.

#include "EmulatedAmx.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/SourceMgr.h"
#include <cmath>
#include <cstring>
#include <regex>

using namespace llvm;

namespace {

/// A tile register: 16 lines of 64 bytes.
struct Tile {
  uint8_t bytes[16][64];

  float *floats(int row) { return reinterpret_cast<float *>(bytes[row]); }
  int32_t *ints(int row) { return reinterpret_cast<int32_t *>(bytes[row]); }
  float bf16(int row, int column) const {
    uint16_t half;
    std::memcpy(&half, bytes[row] + 2 * column, 2);
    return bit_cast<float>(uint32_t(half) << 16);
  }
};

void zero(Tile *to, uint16_t, uint16_t) { std::memset(to, 0, sizeof *to); }

void load(Tile *to, uint16_t rows, uint16_t columnBytes, const uint8_t *from,
          int64_t stride) {
  zero(to, 0, 0);
  for (int r = 0; r < rows; ++r)
    std::memcpy(to->bytes[r], from + r * stride, columnBytes);
}

void store(uint16_t rows, uint16_t columnBytes, uint8_t *to, int64_t stride,
           const Tile *from) {
  for (int r = 0; r < rows; ++r)
    std::memcpy(to + r * stride, from->bytes[r], columnBytes);
}

/// Signed bytes of a times unsigned ones of b.
void dotCodes(Tile *to, uint16_t rows, uint16_t columnBytes, uint16_t kBytes,
              Tile *acc, Tile *a, Tile *b) {
  Tile sum = *acc;
  for (int r = 0; r < rows; ++r)
    for (int k = 0; k < kBytes; ++k)
      for (int n = 0; n < columnBytes / 4; ++n)
        sum.ints(r)[n] +=
            int8_t(a->bytes[r][k]) * int(b->bytes[k / 4][4 * n + k % 4]);
  *to = sum;
}

/// A chain over k from zero on, which is added to the sum.
void dotBF16(Tile *to, uint16_t rows, uint16_t columnBytes, uint16_t kBytes,
             Tile *acc, Tile *a, Tile *b) {
  Tile sum = *acc;
  for (int r = 0; r < rows; ++r)
    for (int n = 0; n < columnBytes / 4; ++n) {
      float chain = 0;
      for (int k = 0; k < kBytes / 2; ++k)
        chain = std::fma(a->bf16(r, k), b->bf16(k / 2, 2 * n + k % 2), chain);
      sum.floats(r)[n] += chain;
    }
  *to = sum;
}

const std::pair<const char *, void *> kFunctions[] = {
    {"emulated.tilezero.internal", reinterpret_cast<void *>(zero)},
    {"emulated.tileloadd64.internal", reinterpret_cast<void *>(load)},
    {"emulated.tilestored64.internal", reinterpret_cast<void *>(store)},
    {"emulated.tdpbsud.internal", reinterpret_cast<void *>(dotCodes)},
    {"emulated.tdpbf16ps.internal", reinterpret_cast<void *>(dotBF16)}};

/// Tiles go through memory: a function gets the place of its result, if it has
/// one, in front of its arguments.
void callThroughMemory(CallInst &call, void *function) {
  IRBuilder<> b(&call);
  BasicBlock &entry = call.getFunction()->getEntryBlock();
  IRBuilder<> top(&entry, entry.begin());
  auto place = [&](Type *type) {
    return top.CreateAlloca(type, nullptr, "tile");
  };
  SmallVector<Value *> arguments;
  Value *result = nullptr;
  if (!call.getType()->isVoidTy())
    arguments.push_back(result = place(call.getType()));
  for (Value *argument : call.args()) {
    if (argument->getType()->isVectorTy()) {
      Value *at = place(argument->getType());
      b.CreateStore(argument, at);
      argument = at;
    }
    arguments.push_back(argument);
  }
  SmallVector<Type *> types;
  for (Value *argument : arguments)
    types.push_back(argument->getType());
  Value *address = b.CreateIntToPtr(
      b.getInt64(reinterpret_cast<uint64_t>(function)), b.getPtrTy());
  b.CreateCall(FunctionType::get(b.getVoidTy(), types, false), address,
               arguments);
  if (result)
    call.replaceAllUsesWith(b.CreateLoad(call.getType(), result));
  call.eraseFromParent();
}

} // namespace

Error adze::test::addEmulatingAmx(orc::LLJIT &jit, StringRef ir) {
  std::string text =
      std::regex_replace(ir.str(), std::regex("x86_amx"), "<256 x i32>");
  text = std::regex_replace(text,
                            std::regex("@llvm\\.x86\\.(t[a-z0-9]*\\.internal)"),
                            "@emulated.$1");
  auto context = std::make_unique<LLVMContext>();
  SMDiagnostic problem;
  std::unique_ptr<Module> module = parseAssemblyString(text, problem, *context);
  if (!module)
    return createStringError(problem.getMessage());
  for (auto [name, address] : kFunctions)
    if (Function *function = module->getFunction(name)) {
      for (User *user : make_early_inc_range(function->users()))
        callThroughMemory(*cast<CallInst>(user), address);
      function->eraseFromParent();
    }
  for (Function &function : *module)
    if (function.getName().starts_with("emulated."))
      return createStringError("no emulation of " + function.getName());
  return jit.addIRModule(
      orc::ThreadSafeModule(std::move(module), std::move(context)));
}
