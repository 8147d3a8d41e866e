// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The artefact file: the linked image, then the packed weights as a section of
// their own that the dynamic loader never sees.
//
//   [ELF image][pad][.adze.weights, page aligned][section names][sections]
//
// Weights are packed tensor by tensor in pieces of a few MB by all threads and
// written by offset: memory does not grow with the model. Their hashes are in
// the descriptor, which lies before them: it is patched last, as is the hash
// over the rest of the file.

#include "adze/Codegen/Artefact.h"
#include "adze/abi.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/Threading.h"
#include "llvm/Support/xxhash.h"
#include <atomic>
#include <chrono>
#include <fcntl.h>
#include <mutex>
#include <thread>
#include <unistd.h>

using namespace mlir;
using namespace adze;
using llvm::Error;
using llvm::Expected;

namespace {

constexpr int64_t kPieceBytes = 4 << 20;

Error systemError(const Twine &what) {
  auto code = std::error_code(errno, std::generic_category());
  return llvm::createStringError(code, what + ": " + code.message());
}

Error writeAt(int fd, const void *data, size_t size, uint64_t offset,
              StringRef path) {
  auto *p = static_cast<const char *>(data);
  while (size) {
    ssize_t n = ::pwrite(fd, p, size, off_t(offset));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return systemError("cannot write " + path);
    p += n, size -= size_t(n), offset += uint64_t(n);
  }
  return Error::success();
}

/// A file that exists under its real name only once it is whole.
class PendingFile {
public:
  explicit PendingFile(StringRef path) : path(path.str()) {}
  ~PendingFile() {
    if (fd >= 0)
      ::close(fd);
    if (!temporary.empty())
      ::unlink(temporary.c_str());
  }
  /// The name is no other writer's, in this process or another.
  Error open() {
    llvm::SmallString<256> name;
    if (std::error_code code = llvm::sys::fs::createUniqueFile(
            path + ".tmp%%%%%%%%", fd, name, llvm::sys::fs::OF_None, 0755))
      return llvm::createStringError(code, "cannot create " + path + ": " +
                                               code.message());
    temporary = name.str().str();
    return Error::success();
  }
  Error publish() {
    if (::close(std::exchange(fd, -1)) != 0)
      return systemError("cannot write " + temporary);
    if (::rename(temporary.c_str(), path.c_str()) != 0)
      return systemError("cannot rename " + temporary + " to " + path);
    temporary.clear();
    return Error::success();
  }

  std::string path, temporary;
  int fd = -1;
};

/// One layer of one weight, as it lies in .adze.weights.
struct PackedTensor {
  WeightOp weight;
  int64_t layer;
  uint64_t offset, bytes;
};

std::vector<PackedTensor> planTensors(ModuleOp module) {
  std::vector<PackedTensor> tensors;
  for (auto weight : module.getOps<WeightOp>())
    for (int64_t layer : weight.getLayerIndices())
      if (auto offset = weight.getOffset(layer))
        tensors.push_back({weight, layer, uint64_t(*offset),
                           uint64_t(weight.getWeightType().getStorageBytes())});
  return tensors;
}

/// Runs `work(i)` for i < count on some threads; the first error wins.
Error parallelFor(unsigned threads, size_t count,
                  function_ref<Error(size_t, std::vector<uint8_t> &)> work) {
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  Error first = Error::success();
  auto run = [&] {
    std::vector<uint8_t> buffer;
    for (size_t i; !failed && (i = next++) < count;)
      if (Error e = work(i, buffer)) {
        std::lock_guard<std::mutex> lock(mutex);
        if (failed.exchange(true))
          llvm::consumeError(std::move(e));
        else
          first = std::move(e);
      }
  };
  std::vector<std::thread> pool;
  for (unsigned t = 1; t < threads; ++t)
    pool.emplace_back(run);
  run();
  for (std::thread &thread : pool)
    thread.join();
  return first;
}

/// Packs units [begin, end) of a tensor into `buffer` and writes them.
Error packUnits(const ArtefactInput &input, const PackedTensor &tensor,
                int64_t begin, int64_t end, int fd, uint64_t start,
                StringRef path, std::vector<uint8_t> &buffer,
                std::atomic<uint64_t> &done, uint64_t total) {
  WeightOp weight = tensor.weight;
  WeightType type = weight.getWeightType();
  uint64_t from = uint64_t(weightUnitOffset(type, begin));
  uint64_t bytes = uint64_t(weightUnitOffset(type, end)) - from;
  if (buffer.size() < bytes)
    buffer.resize(bytes);
  if (Error e = input.weights->evaluate(weight, tensor.layer, begin, end,
                                        buffer.data()))
    return e;
  if (Error e =
          writeAt(fd, buffer.data(), bytes, start + tensor.offset + from, path))
    return e;
  if (input.progress && input.progress(done += bytes, total))
    return llvm::createStringError(std::errc::operation_canceled,
                                   "cancelled while packing weights");
  return Error::success();
}

/// Tensors up to this size are packed by one thread, which hashes them while
/// they are in its buffer; larger ones are cut between threads and read back
/// from the file for their hash.
constexpr uint64_t kWholeTensorBytes = 48 << 20;

Error packWeights(const ArtefactInput &input, int fd, uint64_t start,
                  StringRef path, unsigned threads, uint64_t total,
                  std::vector<uint64_t> &hashes) {
  std::vector<PackedTensor> tensors = planTensors(input.module);
  hashes.resize(tensors.size());
  struct Piece {
    size_t tensor;
    int64_t begin, end; // units
    bool whole;
  };
  std::vector<Piece> pieces;
  for (auto [i, tensor] : llvm::enumerate(tensors)) {
    WeightType type = tensor.weight.getWeightType();
    int64_t units = numWeightUnits(type);
    bool whole = tensor.bytes <= kWholeTensorBytes;
    int64_t unitBytes = std::max<int64_t>(weightUnitOffset(type, 1), 1);
    int64_t step =
        whole ? units : std::max<int64_t>(kPieceBytes / unitBytes, 1);
    for (int64_t u = 0; u < units; u += step)
      pieces.push_back({i, u, std::min(units, u + step), whole});
  }
  std::atomic<uint64_t> done{0};
  if (Error e = parallelFor(
          threads, pieces.size(),
          [&](size_t i, std::vector<uint8_t> &buffer) -> Error {
            Piece piece = pieces[i];
            PackedTensor &tensor = tensors[piece.tensor];
            if (Error e = packUnits(input, tensor, piece.begin, piece.end, fd,
                                    start, path, buffer, done, total))
              return e;
            if (piece.whole)
              hashes[piece.tensor] = llvm::xxHash64(
                  ArrayRef<uint8_t>(buffer.data(), tensor.bytes));
            return Error::success();
          }))
    return e;
  return parallelFor(
      threads, tensors.size(), [&](size_t i, std::vector<uint8_t> &) -> Error {
        const PackedTensor &tensor = tensors[i];
        if (tensor.bytes <= kWholeTensorBytes)
          return Error::success();
        // Mappings begin on pages; tensors on cache lines.
        uint64_t at = start + tensor.offset, slack = at % 4096;
        std::error_code code;
        llvm::sys::fs::mapped_file_region mapped(
            llvm::sys::fs::convertFDToNativeFile(fd),
            llvm::sys::fs::mapped_file_region::readonly, tensor.bytes + slack,
            at - slack, code);
        if (code)
          return llvm::createStringError(code, "cannot map " + path + ": " +
                                                   code.message());
        hashes[i] = llvm::xxHash64(ArrayRef<uint8_t>(
            reinterpret_cast<const uint8_t *>(mapped.const_data()) + slack,
            tensor.bytes));
        return Error::success();
      });
}

/// The image's section table with `.adze.weights` added.
struct SectionTail {
  std::string names, headers;
  uint64_t descOffset = 0, descSize = 0;
  unsigned count = 0;
};

Expected<SectionTail> extendSections(StringRef image, uint64_t weightsOffset,
                                     uint64_t weightsBytes,
                                     uint64_t tailOffset) {
  using Ehdr = llvm::ELF::Elf64_Ehdr;
  using Shdr = llvm::ELF::Elf64_Shdr;
  Ehdr header;
  std::memcpy(&header, image.data(), sizeof header);
  std::vector<Shdr> sections(header.e_shnum);
  std::memcpy(sections.data(), image.data() + header.e_shoff,
              sections.size() * sizeof(Shdr));
  SectionTail tail;
  Shdr &names = sections[header.e_shstrndx];
  tail.names = image.substr(names.sh_offset, names.sh_size).str();
  for (const Shdr &section : sections)
    if (StringRef(tail.names.c_str() + section.sh_name) == ADZE_DESC_SECTION) {
      tail.descOffset = section.sh_offset;
      tail.descSize = section.sh_size;
    }
  if (!tail.descSize)
    return llvm::createStringError(
        "the linked image has no section " ADZE_DESC_SECTION);
  Shdr weights{};
  weights.sh_name = uint32_t(tail.names.size());
  weights.sh_type = llvm::ELF::SHT_PROGBITS;
  weights.sh_offset = weightsOffset;
  weights.sh_size = weightsBytes;
  weights.sh_addralign = ADZE_WEIGHTS_ALIGN;
  tail.names += StringRef(ADZE_WEIGHTS_SECTION, sizeof(ADZE_WEIGHTS_SECTION));
  names.sh_offset = tailOffset;
  names.sh_size = tail.names.size();
  tail.names.resize(llvm::alignTo(tail.names.size(), 8), '\0');
  sections.push_back(weights);
  tail.count = unsigned(sections.size());
  tail.headers.assign(reinterpret_cast<const char *>(sections.data()),
                      sections.size() * sizeof(Shdr));
  return tail;
}

} // namespace

Expected<double> adze::writeArtefact(const ArtefactInput &input,
                                     StringRef path) {
  unsigned threads = input.threads
                         ? input.threads
                         : llvm::hardware_concurrency().compute_thread_count();
  uint64_t weightsBytes = 0;
  if (auto total =
          input.module->getAttrOfType<IntegerAttr>("adze.weight_bytes"))
    weightsBytes = uint64_t(total.getInt());

  // The image has the same layout whatever the hashes: link once for its size,
  // and patch the descriptor's hashes in once they are known.
  auto link = [&](ArrayRef<uint64_t> hashes)
      -> Expected<std::unique_ptr<llvm::MemoryBuffer>> {
    auto desc = buildDescriptorObject(input, hashes);
    if (!desc)
      return desc.takeError();
    std::vector<llvm::MemoryBufferRef> objects{(*desc)->getMemBufferRef()};
    for (const ArtefactVariant &variant : input.variants)
      for (const auto &object : variant.objects)
        objects.push_back(object->getMemBufferRef());
    return linkSharedObject(objects);
  };
  auto first = link({});
  if (!first)
    return first.takeError();
  uint64_t imageSize = (*first)->getBufferSize();
  uint64_t weightsOffset = llvm::alignTo(imageSize, ADZE_WEIGHTS_ALIGN);
  uint64_t tailOffset = llvm::alignTo(weightsOffset + weightsBytes, 8);

  PendingFile file(path);
  if (Error e = file.open())
    return std::move(e);
  if (::ftruncate(file.fd, off_t(tailOffset)) != 0)
    return systemError("cannot make room for " + Twine(tailOffset) +
                       " bytes in " + path);
  auto before = std::chrono::steady_clock::now();
  std::vector<uint64_t> hashes;
  if (Error e = packWeights(input, file.fd, weightsOffset, file.path, threads,
                            weightsBytes, hashes))
    return std::move(e);
  std::chrono::duration<double> packing =
      std::chrono::steady_clock::now() - before;

  auto linked = hashes.empty() ? std::move(first) : link(hashes);
  if (!linked)
    return linked.takeError();
  std::string image = (*linked)->getBuffer().str();
  if (image.size() != imageSize)
    return llvm::createStringError("the linked image changed its size; report "
                                   "this as a defect of the compiler");
  auto tail = extendSections(image, weightsOffset, weightsBytes, tailOffset);
  if (!tail)
    return tail.takeError();
  llvm::ELF::Elf64_Ehdr header;
  std::memcpy(&header, image.data(), sizeof header);
  header.e_shoff = tailOffset + tail->names.size();
  header.e_shnum = uint16_t(tail->count);
  std::memcpy(image.data(), &header, sizeof header);

  // Hash of everything but these 32 bytes and the weights.
  size_t hashAt = tail->descOffset + offsetof(adze_model_desc, hash);
  std::string padding(weightsOffset - imageSize, '\0');
  std::string gap(tailOffset - (weightsOffset + weightsBytes), '\0');
  llvm::SHA256 sha;
  sha.update(StringRef(image).take_front(hashAt));
  sha.update(StringRef(image).drop_front(hashAt + 32));
  for (StringRef part : {StringRef(padding), StringRef(gap),
                         StringRef(tail->names), StringRef(tail->headers)})
    sha.update(part);
  auto digest = sha.final();
  std::memcpy(image.data() + hashAt, digest.data(), digest.size());

  std::string end = tail->names + tail->headers;
  if (Error e = writeAt(file.fd, image.data(), image.size(), 0, file.path))
    return std::move(e);
  if (Error e = writeAt(file.fd, end.data(), end.size(), tailOffset, file.path))
    return std::move(e);
  if (Error e = file.publish())
    return std::move(e);
  return packing.count();
}

/// How a program opens the model that is linked into it.
static std::string staticHeader(StringRef objectName, StringRef weightsName) {
  return ("/* Made by the Adze compiler, with " + objectName + " and " +
          weightsName +
          ".\n"
          " * Link the object file into the program (one such model per "
          "program)\n"
          " * and ship the weights as a file:\n"
          " *\n"
          " *   adze_source weights = {sizeof weights};\n"
          " *   weights.path = \"" +
          weightsName +
          "\";\n"
          " *   adze_model *model;\n"
          " *   adze_model_link(&adze_linked_model, &weights, NULL, &model);\n"
          " */\n"
          "#include \"adze/runtime.h\"\n\n"
          "#ifdef __cplusplus\n"
          "extern \"C\"\n"
          "#else\n"
          "extern\n"
          "#endif\n"
          "/* The symbol has the name of its type: another one for C. */\n"
          "const adze_model_desc adze_linked_model __asm__(\"" ADZE_DESC_SYMBOL
          "\");\n")
      .str();
}

Expected<double> adze::writeStaticObject(const ArtefactInput &input,
                                         StringRef path) {
  unsigned threads = input.threads
                         ? input.threads
                         : llvm::hardware_concurrency().compute_thread_count();
  uint64_t total = 0;
  if (auto bytes =
          input.module->getAttrOfType<IntegerAttr>("adze.weight_bytes"))
    total = uint64_t(bytes.getInt());
  std::string weightsPath = (path + ".weights").str();
  PendingFile weights(weightsPath), object(path), header((path + ".h").str());
  for (PendingFile *file : {&weights, &object, &header})
    if (Error e = file->open())
      return std::move(e);
  if (::ftruncate(weights.fd, off_t(total)) != 0)
    return systemError("cannot make room for " + Twine(total) + " bytes in " +
                       weightsPath);
  auto before = std::chrono::steady_clock::now();
  std::vector<uint64_t> hashes;
  if (Error e = packWeights(input, weights.fd, 0, weightsPath, threads, total,
                            hashes))
    return std::move(e);
  std::chrono::duration<double> packing =
      std::chrono::steady_clock::now() - before;

  auto desc = buildDescriptorObject(input, hashes);
  if (!desc)
    return desc.takeError();
  std::vector<llvm::MemoryBufferRef> objects{(*desc)->getMemBufferRef()};
  for (const ArtefactVariant &variant : input.variants)
    for (const auto &code : variant.objects)
      objects.push_back(code->getMemBufferRef());
  auto linked = linkRelocatable(objects);
  if (!linked)
    return linked.takeError();
  std::string text = staticHeader(llvm::sys::path::filename(path),
                                  llvm::sys::path::filename(weightsPath));
  StringRef image = (*linked)->getBuffer();
  if (Error e = writeAt(object.fd, image.data(), image.size(), 0, object.path))
    return std::move(e);
  if (Error e = writeAt(header.fd, text.data(), text.size(), 0, header.path))
    return std::move(e);
  for (PendingFile *file : {&weights, &header, &object})
    if (Error e = file->publish())
      return std::move(e);
  return packing.count();
}
