// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze_model_desc as an object file.
//
// The tables are bytes known here, except code references: int64 constants
// `entry - adze_model_desc` that the linker fills in, so the artefact needs no
// dynamic relocation. The descriptor is one packed global of byte runs and
// i64 differences.

#include "adze/Codegen/Artefact.h"
#include "adze/Codegen/KVPages.h"
#include "adze/Dialect/Adze/AdzeExpressions.h"
#include "adze/abi.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DerivedTypes.h"
#include "llvm/IR/GlobalVariable.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;
using namespace adze;

namespace {

class DescriptorBuilder {
public:
  uint32_t string(StringRef s) {
    auto [it, isNew] = stringAt.try_emplace(s, uint32_t(strings.size()));
    if (isNew) {
      strings.append(s.begin(), s.end());
      strings.push_back('\0');
    }
    return it->second;
  }

  template <typename T> void table(uint32_t tag, ArrayRef<T> rows) {
    bytesTable(tag, StringRef(reinterpret_cast<const char *>(rows.data()),
                              rows.size() * sizeof(T)));
  }
  void bytesTable(uint32_t tag, StringRef payload, uint32_t flags = 0) {
    adze_table head{tag, flags, payload.size()};
    bytes.append(reinterpret_cast<const char *>(&head), sizeof head);
    payloadAt[tag] = bytes.size();
    bytes.append(payload.begin(), payload.end());
    bytes.resize(llvm::alignTo(bytes.size(), 8), '\0');
  }

  std::string strings = std::string(1, '\0');
  std::string bytes; // the whole descriptor, code references still zero
  std::map<uint32_t, size_t> payloadAt;

private:
  llvm::StringMap<uint32_t> stringAt;
};

uint16_t dtypeOf(Type type) {
  if (type.isF32())
    return ADZE_F32;
  if (type.isInteger(8))
    return ADZE_I8;
  return type.isBF16() ? ADZE_BF16 : ADZE_F16;
}

/// Readable source of a weight: the checkpoint tensors its expression reads.
void collectSources(WeightOp weight, int64_t layer, std::string &out) {
  if (weight.isSource()) {
    if (!out.empty())
      out += "+";
    out += weight.getSourceName(layer);
    return;
  }
  if (UnpackOp unpack = getUnpack(weight)) {
    out += (out.empty() ? "" : "+") + unpack.getSourceName(layer);
    return;
  }
  for (Operation &op : weight.getBody().front())
    if (auto ref = dyn_cast<RefOp>(op))
      collectSources(lookupWeight(weight->getParentOp(), ref.getWeightAttr()),
                     layer, out);
}

void addWeights(const ArtefactInput &input, ArrayRef<uint64_t> hashes,
                DescriptorBuilder &builder,
                std::vector<adze_weight_row> &rows) {
  size_t next = 0;
  ModuleOp module = input.module;
  for (auto weight : module.getOps<WeightOp>()) {
    WeightType type = weight.getWeightType();
    std::string format = FormatAttrInterface(type.getFormat()).getFormatName();
    if (type.getLayout() == LayoutKind::Panels)
      format += "/panels";
    for (int64_t layer : weight.getLayerIndices()) {
      auto offset = weight.getOffset(layer);
      if (!offset)
        break;
      adze_weight_row row{};
      std::string source;
      collectSources(weight, layer, source);
      row.name = builder.string(weight.getSymName());
      row.format = builder.string(format);
      row.source = builder.string(source);
      row.layer = weight.isPerLayer() ? uint32_t(layer) : ~0u;
      row.rows = type.isVector() ? 1 : type.getRows();
      row.cols = type.getCols();
      row.offset = *offset;
      row.bytes = type.getStorageBytes();
      uint64_t hash = next < hashes.size() ? hashes[next] : 0;
      std::memcpy(row.hash, &hash, sizeof hash);
      ++next;
      rows.push_back(row);
    }
  }
}

/// Everything but the code references, whose places are returned.
std::vector<std::pair<size_t, std::string>> fill(const ArtefactInput &input,
                                                 ArrayRef<uint64_t> hashes,
                                                 DescriptorBuilder &builder) {
  std::vector<adze_variant> variants;
  for (const ArtefactVariant &variant : input.variants) {
    adze_variant row{};
    row.need[0] = variant.target->need;
    row.name = builder.string(variant.target->name);
    row.triple = builder.string(variant.target->triple);
    variants.push_back(row);
  }

  // All caches of the module share the pages of one pool.
  std::vector<adze_state> states;
  ModuleOp source = input.module;
  for (auto state : source.getOps<StateOp>()) {
    KVType type = state.getKVType();
    if (states.empty()) {
      adze_state row{};
      row.name = builder.string(state.getSymName());
      row.kind = ADZE_STATE_KV_PAGES;
      row.dtype = dtypeOf(type.getElementType());
      row.heads = uint32_t(type.getHeads());
      row.head_dim = uint32_t(type.getHeadDim());
      row.page_bytes = kvPageBytes(source);
      states.push_back(row);
    }
    states.front().layers += uint32_t(state.getLayers());
  }

  std::vector<adze_entry> entries;
  std::vector<adze_arg> args;
  std::vector<int64_t> dims;
  std::vector<uint32_t> symbols;
  for (const ArtefactEntry &entry : input.entries) {
    adze_entry row{};
    row.name = builder.string(entry.name);
    row.kind = ADZE_ENTRY_CPU_SPMD;
    row.args0 = uint32_t(args.size());
    row.n_args = uint32_t(entry.args.size());
    row.n_results = entry.results;
    row.n_states = uint32_t(states.size());
    row.symbols0 = uint32_t(symbols.size());
    row.n_symbols = uint32_t(entry.symbols.size());
    for (const std::string &symbol : entry.symbols)
      symbols.push_back(builder.string(symbol));
    for (const ArtefactArg &arg : entry.args) {
      adze_arg a{};
      a.name = builder.string(arg.name);
      a.dtype = arg.dtype;
      a.space = ADZE_SPACE_HOST;
      a.rank = uint32_t(arg.shape.size());
      a.dims0 = uint32_t(dims.size());
      llvm::append_range(dims, arg.shape);
      args.push_back(a);
    }
    entries.push_back(row);
  }

  std::vector<adze_entry_code> code;
  std::vector<std::string> codeSymbols;
  for (const ArtefactVariant &variant : input.variants)
    for (auto [entry, lowered] :
         llvm::zip_equal(input.entries, variant.entries)) {
      adze_entry_code row{};
      for (auto [i, symbol] : llvm::enumerate(entry.symbols)) {
        if (symbol == "T")
          row.arena.per_symbol[i] = lowered.bytesPerToken;
        if (symbol == "R")
          row.arena.per_symbol[i] = lowered.bytesPerRow;
        if (symbol == "P")
          row.arena.per_symbol[i] = lowered.shared.perPage;
      }
      row.arena.constant = lowered.shared.constant;
      row.arena.per_thread = lowered.scratchPerThread;
      code.push_back(row);
      codeSymbols.push_back(lowered.symbol);
    }

  std::vector<adze_weight_row> weights;
  addWeights(input, hashes, builder, weights);

  builder.bytes.assign(sizeof(adze_model_desc), '\0');
  builder.bytesTable(ADZE_TABLE_STRINGS, builder.strings);
  builder.table<adze_variant>(ADZE_TABLE_VARIANTS, variants);
  builder.table<adze_entry>(ADZE_TABLE_ENTRIES, entries);
  builder.table<adze_arg>(ADZE_TABLE_ARGS, args);
  builder.table<int64_t>(ADZE_TABLE_DIMS, dims);
  builder.table<uint32_t>(ADZE_TABLE_SYMBOLS, symbols);
  builder.table<adze_state>(ADZE_TABLE_STATES, states);
  builder.table<adze_entry_code>(ADZE_TABLE_CODE, code);
  builder.table<adze_weight_row>(ADZE_TABLE_WEIGHTS, weights);
  if (!input.text.empty())
    builder.bytesTable(ADZE_TABLE_TEXT, input.text);
  builder.bytesTable(ADZE_TABLE_META, input.meta);
  if (!input.proof.empty())
    builder.bytesTable(ADZE_TABLE_PROOF, input.proof);
  if (!input.schedule.empty())
    builder.bytesTable(ADZE_TABLE_SCHEDULE, input.schedule);

  adze_model_desc head{};
  std::memcpy(head.magic, ADZE_ABI_MAGIC, sizeof head.magic);
  head.abi_major = ADZE_ABI_MAJOR;
  head.abi_minor = ADZE_ABI_MINOR;
  head.size = builder.bytes.size();
  if (auto total =
          input.module->getAttrOfType<IntegerAttr>("adze.weight_bytes"))
    head.weights_bytes = uint64_t(total.getInt());
  std::memcpy(builder.bytes.data(), &head, sizeof head);

  std::vector<std::pair<size_t, std::string>> references;
  for (auto [i, symbol] : llvm::enumerate(codeSymbols))
    references.emplace_back(builder.payloadAt[ADZE_TABLE_CODE] +
                                i * sizeof(adze_entry_code) +
                                offsetof(adze_entry_code, code),
                            symbol);
  return references;
}

} // namespace

llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
adze::buildDescriptorObject(const ArtefactInput &input,
                            ArrayRef<uint64_t> weightHashes) {
  DescriptorBuilder builder;
  auto references = fill(input, weightHashes, builder);

  llvm::LLVMContext context;
  llvm::Module module("adze.desc", context);
  llvm::Type *i64 = llvm::Type::getInt64Ty(context);
  // A placeholder to take differences from; replaced once the type is known.
  auto *self = new llvm::GlobalVariable(
      module, i64, true, llvm::GlobalValue::ExternalLinkage, nullptr, "self");
  llvm::SmallVector<llvm::Constant *> fields;
  size_t at = 0;
  auto run = [&](size_t end) {
    if (end > at)
      fields.push_back(llvm::ConstantDataArray::getRaw(
          StringRef(builder.bytes).slice(at, end), end - at,
          llvm::Type::getInt8Ty(context)));
    at = end;
  };
  auto *entryType = llvm::FunctionType::get(
      llvm::Type::getInt32Ty(context),
      {llvm::Type::getInt32Ty(context), llvm::PointerType::get(context, 0)},
      false);
  for (auto &[offset, symbol] : references) {
    run(offset);
    auto callee = module.getOrInsertFunction(symbol, entryType);
    auto *function = cast<llvm::Function>(callee.getCallee());
    function->setVisibility(llvm::GlobalValue::HiddenVisibility);
    function->setDSOLocal(true);
    fields.push_back(llvm::ConstantExpr::getSub(
        llvm::ConstantExpr::getPtrToInt(function, i64),
        llvm::ConstantExpr::getPtrToInt(self, i64)));
    at += sizeof(int64_t);
  }
  run(builder.bytes.size());
  auto *init = llvm::ConstantStruct::getAnon(fields, /*Packed=*/true);
  auto *desc = new llvm::GlobalVariable(module, init->getType(), true,
                                        llvm::GlobalValue::ExternalLinkage,
                                        init, ADZE_DESC_SYMBOL);
  desc->setSection(ADZE_DESC_SECTION);
  desc->setAlignment(llvm::Align(64));
  // Protected: exported, yet bound here, so that differences are constants.
  desc->setVisibility(llvm::GlobalValue::ProtectedVisibility);
  desc->setDSOLocal(true);
  self->replaceAllUsesWith(desc);
  self->eraseFromParent();

  llvm::InitializeAllTargetInfos();
  llvm::InitializeAllTargets();
  llvm::InitializeAllTargetMCs();
  llvm::InitializeAllAsmPrinters();
  llvm::Triple triple(input.variants.front().target->triple);
  std::string message;
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget("", triple, message);
  if (!target)
    return llvm::createStringError("no LLVM back end for " + triple.str() +
                                   ": " + message);
  std::unique_ptr<llvm::TargetMachine> machine(
      target->createTargetMachine(triple, "", "", llvm::TargetOptions(),
                                  llvm::Reloc::PIC_, llvm::CodeModel::Small));
  module.setTargetTriple(triple);
  module.setDataLayout(machine->createDataLayout());
  llvm::SmallVector<char, 0> object;
  llvm::raw_svector_ostream os(object);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, os, nullptr,
                                   llvm::CodeGenFileType::ObjectFile))
    return llvm::createStringError("the back end cannot write object files");
  passes.run(module);
  return std::make_unique<llvm::SmallVectorMemoryBuffer>(
      std::move(object), "adze.desc.o", /*RequiresNullTerminator=*/false);
}
