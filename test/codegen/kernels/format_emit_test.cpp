// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the formats emit, compiled and run on packed panels: codes, scales,
// minima and elements against decodePanel, on memory that ends at an unmapped
// page.

#include "Step.h"
#include "adze/Codegen/KernelLowering.h"
#include "adze/Codegen/ObjectEmitter.h"
#include "adze/Dialect/Adze/FormatName.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace mlir;
using namespace adze;
using namespace adze::test;

namespace {

/// Compiled @read(panel, cols, step, group, out) and @element{0,1}(base, row,
/// k, out) of a format.
class Reader {
public:
  Reader(KernelLab &lab, FormatAttrInterface format, int64_t cols,
         const TargetVariant &variant) {
    OpBuilder b(&lab.context);
    Location loc = b.getUnknownLoc();
    OwningOpRef<ModuleOp> module(ModuleOp::create(loc));
    b.setInsertionPointToEnd(module->getBody());
    Type ptr = LLVM::LLVMPointerType::get(&lab.context),
         index = b.getIndexType();
    auto begin = [&](StringRef name, ArrayRef<Type> types) {
      b.setInsertionPointToEnd(module->getBody());
      auto func =
          func::FuncOp::create(b, loc, name, b.getFunctionType(types, {}));
      b.setInsertionPointToStart(func.addEntryBlock());
      return func;
    };
    auto store = [&](Value value, Value out, int64_t at) {
      Value place = LLVM::GEPOp::create(b, loc, ptr, b.getI8Type(), out,
                                        ArrayRef<LLVM::GEPArg>{int32_t(at)});
      LLVM::StoreOp::create(b, loc, value, place, 1);
    };
    auto func = begin("read", {ptr, index, index, index, ptr});
    ValueRange a = func.getArguments();
    auto storeSize = [&](Value bytes, int64_t at) {
      store(arith::IndexCastOp::create(b, loc, b.getI64Type(), bytes), a[4],
            at);
    };
    if (auto decoded =
            dyn_cast<DecodedFormatAttrInterface>(Attribute(format))) {
      for (auto [i, value] :
           llvm::enumerate(decoded.emitValues(b, loc, a[0], a[1], a[2])))
        store(value, a[4], 64 * i);
      storeSize(decoded.emitPanelBytes(b, loc, a[1]), 512);
    } else if (auto masked = dyn_cast<MaskedFormatAttr>(Attribute(format));
               masked && masked.getFloats()) {
      for (auto [i, line] :
           llvm::enumerate(masked.emitLines(b, loc, a[0], a[2])))
        store(line, a[4], 64 * i);
      storeSize(masked.emitPanelBytes(b, loc, a[1]), 512);
    } else if (auto integers =
                   dyn_cast<IntegerFormatAttrInterface>(Attribute(format))) {
      SmallVector<Value> codes = integers.emitCodes(b, loc, a[0], a[1], a[2]);
      store(codes[0], a[4], 0);
      store(codes[1], a[4], 64);
      store(integers.emitScale(b, loc, a[0], a[1], a[3]), a[4], 128);
      if (integers.hasMinimum())
        store(integers.emitMinimum(b, loc, a[0], a[1], a[3]), a[4], 192);
      storeSize(integers.emitPanelBytes(b, loc, a[1]), 256);
    }
    func::ReturnOp::create(b, loc);
    for (bool panels : {false, true}) {
      func = begin(panels ? "element1" : "element0", {ptr, index, index, ptr});
      ValueRange e = func.getArguments();
      Value value =
          format.emitLoadElement(b, loc, e[0], panels, cols, e[1], e[2]);
      rowsAreRead |= !panels && value;
      if (value)
        store(value, e[3], 0);
      func::ReturnOp::create(b, loc);
    }
    if (failed(module->verify()) ||
        failed(lowerKernelsToLLVM(*module, variant)))
      return;
    auto object = emitModule(*module, variant, {});
    if (failed(object))
      return;
    jit = llvm::cantFail(llvm::orc::LLJITBuilder().create());
    llvm::cantFail(jit->addObjectFile(std::move(*object)));
    read = function<Read>("read");
    element[0] = function<Element>("element0");
    element[1] = function<Element>("element1");
  }

  struct Step {
    uint8_t codes[2][16][4];
    float scale[16], minimum[16];
    int64_t panelBytes;
  };
  struct Values { // of a format that is decoded
    float values[8][16];
    int64_t panelBytes;
  };
  struct Lines { // of masked floats: 8 k as in a dense panel
    uint8_t bytes[512];
    int64_t panelBytes;
  };
  using Read = void (*)(const void *, int64_t, int64_t, int64_t, void *);
  using Element = void (*)(const void *, int64_t, int64_t, float *);
  Read read = nullptr;
  Element element[2] = {};
  bool rowsAreRead = false;

private:
  template <typename F> F function(const char *name) {
    return llvm::cantFail(jit->lookup(name)).toPtr<F>();
  }
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

class FormatEmitTest : public testing::TestWithParam<const TargetVariant *> {};

/// Encoded rows: random numbers, or random blocks for what is only read.
std::vector<uint8_t> randomRow(IntegerFormatAttrInterface format, int64_t cols,
                               std::mt19937 &random) {
  std::vector<uint8_t> row(format.getRowBytes(cols));
  bool isMasked = isa<MaskedFormatAttr>(Attribute(format));
  if (isMasked || isa<IntFormatAttr>(Attribute(format))) {
    std::vector<float> values(cols);
    std::normal_distribution<float> normal;
    for (float &v : values)
      v = isMasked && random() % 2 ? 0 : normal(random);
    format.encodeRow(values, row);
    return row;
  }
  // No byte above 0x3f: wherever an f16 lies, it is finite.
  for (uint8_t &byte : row)
    byte = random() & 0x3f;
  return row;
}

void expectReads(KernelLab &lab, IntegerFormatAttrInterface format,
                 int64_t cols, const TargetVariant &variant) {
  SCOPED_TRACE((format.getFormatName() + " columns " + Twine(cols)).str());
  Reader reader(lab, format, cols, variant);
  ASSERT_TRUE(reader.read && reader.element[1]);
  EXPECT_EQ(reader.rowsAreRead,
            isa<IntFormatAttr>(Attribute(elementFormat(format))));

  std::mt19937 random(11);
  int64_t rowBytes = format.getRowBytes(cols),
          size = format.getPanelBytes(cols);
  Memory rows(16 * rowBytes), panel(size);
  std::vector<const uint8_t *> pointers;
  for (int64_t r = 0; r < 16; ++r) {
    std::vector<uint8_t> row = randomRow(format, cols, random);
    std::memcpy(rows.data() + r * rowBytes, row.data(), rowBytes);
    pointers.push_back(rows.data() + r * rowBytes);
  }
  ArrayRef<uint8_t> bytes(panel.data(), size);
  format.packPanel(pointers, cols, {panel.data(), size_t(size)});
  for (int64_t k = 0; k < cols; ++k) {
    Reader::Step step = {};
    reader.read(panel.data(), cols, k / 8,
                format.getGroup() ? k / format.getGroup() : 0, &step);
    ASSERT_EQ(step.panelBytes, size);
    for (int64_t r = 0; r < 16; ++r) {
      int code = step.codes[k % 8 / 4][r][k % 4];
      float expected = format.decodePanel(bytes, cols, r, k);
      ASSERT_LE(code, format.getMaxCode());
      float product = step.scale[r] * float(code - format.getZeroCode());
      float got = product + step.minimum[r];
      // A zero point's minimum is a product of its own.
      float bound =
          isa<IntFormatAttr>(Attribute(format)) && format.hasMinimum()
              ? 4e-7f * (std::fabs(product) + std::fabs(step.minimum[r]))
              : 0;
      ASSERT_NEAR(got, expected, bound) << "row " << r << " k " << k;
      float element = NAN;
      reader.element[1](panel.data(), r, k, &element);
      ASSERT_EQ(element, expected) << "row " << r << " k " << k;
      if (!reader.rowsAreRead)
        continue;
      reader.element[0](rows.data(), r, k, &element);
      ASSERT_EQ(element, expected) << "row " << r << " k " << k;
    }
  }
}

void expectReads(KernelLab &lab, StringRef name, int64_t cols,
                 const TargetVariant &variant) {
  auto parsed = parseFormatName(name, &lab.context);
  ASSERT_TRUE(bool(parsed)) << llvm::toString(parsed.takeError());
  expectReads(lab, cast<IntegerFormatAttrInterface>(Attribute(*parsed)), cols,
              variant);
}

TEST_P(FormatEmitTest, Masked) {
  KernelLab lab;
  for (const char *name : {"int8", "int8:g32:f16", "int4:g0:f32", "int4:g128"})
    for (int64_t cols : {1, 7, 8, 37, 264})
      for (bool even : {true, false}) {
        auto element = cast<IntFormatAttr>(
            Attribute(llvm::cantFail(parseFormatName(name, &lab.context))));
        int64_t all = MaskedFormatAttr::getMostBytes(element);
        if (!even)
          all = (MaskedFormatAttr::kMaskBytes + all) * ((cols + 7) / 8);
        auto format = MaskedFormatAttr::get(&lab.context, element, all, even);
        expectReads(lab, cast<IntegerFormatAttrInterface>(Attribute(format)),
                    cols, *GetParam());
      }
}

TEST_P(FormatEmitTest, MaskedFloats) {
  KernelLab lab;
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (const char *name : {"f32", "f16", "bf16"})
    for (int64_t cols : {1, 7, 8, 37, 264})
      for (bool even : {true, false}) {
        SCOPED_TRACE(testing::Message() << name << " " << cols << " " << even);
        FormatAttrInterface element =
            llvm::cantFail(parseFormatName(name, &lab.context));
        int64_t all = MaskedFormatAttr::getMostBytes(element);
        if (!even)
          all = (MaskedFormatAttr::kMaskBytes + all) * ((cols + 7) / 8);
        auto masked = MaskedFormatAttr::get(&lab.context, element, all, even);
        auto format = cast<FormatAttrInterface>(Attribute(masked));
        Reader reader(lab, format, cols, *GetParam());
        ASSERT_TRUE(reader.read && reader.element[1]);
        int64_t rowBytes = format.getRowBytes(cols),
                size = format.getPanelBytes(cols);
        Memory rows(16 * rowBytes), panel(size);
        std::vector<const uint8_t *> pointers;
        for (int64_t r = 0; r < 16; ++r) {
          uint8_t *row = rows.data() + r * rowBytes;
          std::vector<float> values(cols);
          for (float &value : values)
            value = random() % 2 ? 0 : normal(random);
          element.encodeRow(values, {row, size_t(rowBytes)});
          pointers.push_back(row);
        }
        format.packPanel(pointers, cols, {panel.data(), size_t(size)});
        std::vector<uint8_t> dense(element.getPanelBytes(cols));
        element.packPanel(pointers, cols, dense);
        size_t stepBytes = MaskedFormatAttr::getMostBytes(element);
        dense.resize((cols + 7) / 8 * stepBytes);
        for (int64_t step = 0; step < (cols + 7) / 8; ++step) {
          Reader::Lines lines;
          reader.read(panel.data(), cols, step, 0, &lines);
          ASSERT_EQ(lines.panelBytes, size);
          ASSERT_EQ(std::memcmp(lines.bytes, dense.data() + step * stepBytes,
                                stepBytes),
                    0)
              << "step " << step;
        }
        for (int64_t k = 0; k < cols; ++k)
          for (int64_t r = 0; r < 16; ++r)
            for (bool panels : {false, true}) {
              float got = NAN;
              reader.element[panels](panels ? panel.data() : rows.data(), r, k,
                                     &got);
              ASSERT_EQ(
                  got, format.decodePanel(ArrayRef<uint8_t>(panel.data(), size),
                                          cols, r, k))
                  << r << " " << k;
            }
      }
}

TEST_P(FormatEmitTest, Integers) {
  KernelLab lab;
  for (const char *name :
       {"int8", "int8:g32:f16", "int8:g64:zp", "int4:g0:f32", "int4:g24:f16:zp",
        "int4:g128", "int4:g32:f32:zp", "int3:g32", "int3:g24:f16:zp"})
    for (int64_t cols : {1, 7, 8, 37, 264})
      expectReads(lab, name, cols, *GetParam());
}

TEST_P(FormatEmitTest, Gguf) {
  KernelLab lab;
  for (const char *name :
       {"q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "iq4_nl", "mxfp4"})
    for (int64_t cols : {32, 288})
      expectReads(lab, name, cols, *GetParam());
  for (const char *name : {"q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_xs"})
    for (int64_t cols : {256, 768})
      expectReads(lab, name, cols, *GetParam());
}

TEST_P(FormatEmitTest, SmallFloats) {
  KernelLab lab;
  std::mt19937 random(3);
  for (const char *name : {"fp8:f32", "fp8:f16", "fp8:bf16"})
    for (int64_t cols : {1, 7, 8, 37, 264}) {
      SCOPED_TRACE(testing::Message() << name << " columns " << cols);
      FormatAttrInterface format =
          llvm::cantFail(parseFormatName(name, &lab.context));
      Reader reader(lab, format, cols, *GetParam());
      ASSERT_TRUE(reader.read && reader.element[1]);
      int64_t rowBytes = format.getRowBytes(cols),
              size = format.getPanelBytes(cols);
      Memory rows(16 * rowBytes), panel(size);
      std::vector<const uint8_t *> pointers;
      for (int64_t r = 0; r < 16; ++r) {
        uint8_t *row = rows.data() + r * rowBytes;
        std::vector<float> values(cols, 1.0f + r);
        format.encodeRow(values, {row, size_t(rowBytes)}); // for a scale
        for (int64_t k = 0; k < cols; ++k)                 // all codes but NaN
          row[k] = (random() & 0x80) | random() % 0x7f;
        pointers.push_back(row);
      }
      format.packPanel(pointers, cols, {panel.data(), size_t(size)});
      for (int64_t k = 0; k < cols; ++k) {
        Reader::Values step = {};
        reader.read(panel.data(), cols, k / 8, 0, &step);
        ASSERT_EQ(step.panelBytes, size);
        for (int64_t r = 0; r < 16; ++r) {
          float expected = format.decodePanel(
              ArrayRef<uint8_t>(panel.data(), size), cols, r, k);
          ASSERT_EQ(step.values[k % 8][r], expected) << r << " " << k;
          for (bool panels : {false, true}) {
            float element = NAN;
            reader.element[panels](panels ? panel.data() : rows.data(), r, k,
                                   &element);
            ASSERT_EQ(element, expected) << r << " " << k;
          }
        }
      }
    }
}

/// Elements of panels without their blocks of zeros; the emitted size is that
/// of packPanel wherever a kernel runs (sparse_test.cpp).
TEST_P(FormatEmitTest, Blocks) {
  KernelLab lab;
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  for (const char *name :
       {"f32", "f16", "bf16", "int8", "int8:g32:zp", "int4:g128", "int4:g32",
        "int4:g64:f16:zp", "int3:g32"})
    for (int64_t cols : {1, 32, 37, 264}) {
      SCOPED_TRACE(testing::Message() << name << " columns " << cols);
      FormatAttrInterface element =
          llvm::cantFail(parseFormatName(name, &lab.context));
      auto format = cast<FormatAttrInterface>(Attribute(BlocksFormatAttr::get(
          &lab.context, element, BlocksFormatAttr::countBlocks(cols))));
      Reader reader(lab, format, cols, *GetParam());
      ASSERT_TRUE(reader.element[0] && reader.element[1]);
      int64_t rowBytes = format.getRowBytes(cols),
              size = format.getPanelBytes(cols);
      Memory rows(16 * rowBytes), panel(size);
      std::vector<const uint8_t *> pointers;
      for (int64_t r = 0; r < 16; ++r) {
        uint8_t *row = rows.data() + r * rowBytes;
        std::vector<float> values(cols);
        for (int64_t k = 0; k < cols; ++k)
          values[k] = k / 32 % 3 == 1 ? 0 : normal(random);
        format.encodeRow(values, {row, size_t(rowBytes)});
        pointers.push_back(row);
      }
      format.packPanel(pointers, cols, {panel.data(), size_t(size)});
      for (int64_t k = 0; k < cols; ++k)
        for (int64_t r = 0; r < 16; ++r) {
          float expected = format.decodePanel(
              ArrayRef<uint8_t>(panel.data(), size), cols, r, k);
          if (k / 32 % 3 == 1)
            ASSERT_EQ(expected, 0) << r << " " << k;
          for (bool panels : {false, true}) {
            float got = NAN;
            reader.element[panels](panels ? panel.data() : rows.data(), r, k,
                                   &got);
            ASSERT_EQ(got, expected) << r << " " << k;
          }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Variants, FormatEmitTest,
                         testing::ValuesIn(emulatedVariants(/*expands=*/true)),
                         variantName);

} // namespace
