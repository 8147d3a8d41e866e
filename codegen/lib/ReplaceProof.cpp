// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A new proof in an artefact that is written: the payload of its table PROOF,
// then the hash over everything but the weights (ArtefactFile.cpp says how the
// file lies).

#include "adze/Codegen/Artefact.h"
#include "adze/abi.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/SHA256.h"

using namespace adze;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace {

using Mapping = llvm::sys::fs::mapped_file_region;

Expected<std::unique_ptr<Mapping>> mapFile(StringRef path) {
  int fd = -1;
  if (std::error_code code = llvm::sys::fs::openFileForReadWrite(
          path, fd, llvm::sys::fs::CD_OpenExisting, llvm::sys::fs::OF_None))
    return llvm::createStringError(code, "cannot open " + path + ": " +
                                             code.message());
  llvm::sys::fs::file_t file = llvm::sys::fs::convertFDToNativeFile(fd);
  llvm::sys::fs::file_status status;
  std::error_code code = llvm::sys::fs::status(fd, status);
  std::unique_ptr<Mapping> mapping;
  if (!code)
    mapping = std::make_unique<Mapping>(file, Mapping::readwrite,
                                        status.getSize(), 0, code);
  llvm::sys::fs::closeFile(file);
  if (code)
    return llvm::createStringError(code, "cannot map " + path + ": " +
                                             code.message());
  return mapping;
}

/// A section of an artefact that this compiler wrote, by its name.
llvm::MutableArrayRef<char> section(Mapping &file, StringRef wanted) {
  llvm::ELF::Elf64_Ehdr header;
  std::memcpy(&header, file.const_data(), sizeof header);
  auto at = [&](unsigned i) {
    llvm::ELF::Elf64_Shdr row;
    std::memcpy(&row, file.const_data() + header.e_shoff + i * sizeof row,
                sizeof row);
    return row;
  };
  const char *names = file.const_data() + at(header.e_shstrndx).sh_offset;
  for (unsigned i = 0; i < header.e_shnum; ++i)
    if (llvm::ELF::Elf64_Shdr row = at(i); wanted == names + row.sh_name)
      return {file.data() + row.sh_offset, row.sh_size};
  return {};
}

llvm::MutableArrayRef<char> proofTable(llvm::MutableArrayRef<char> descriptor) {
  adze_model_desc head;
  std::memcpy(&head, descriptor.data(), sizeof head);
  for (uint64_t at = sizeof head; at + sizeof(adze_table) <= head.size;) {
    adze_table table;
    std::memcpy(&table, descriptor.data() + at, sizeof table);
    at += sizeof table;
    if (table.tag == ADZE_TABLE_PROOF)
      return descriptor.slice(at, table.bytes);
    at += llvm::alignTo(table.bytes, 8);
  }
  return {};
}

} // namespace

Error adze::replaceProof(StringRef path, StringRef proof) {
  auto mapped = mapFile(path);
  if (!mapped)
    return mapped.takeError();
  Mapping &file = **mapped;
  auto descriptor = section(file, ADZE_DESC_SECTION);
  auto weights = section(file, ADZE_WEIGHTS_SECTION);
  if (descriptor.size() < sizeof(adze_model_desc) || !weights.data())
    return llvm::createStringError(path + " is no artefact");
  auto room = proofTable(descriptor);
  if (room.size() < proof.size())
    return llvm::createStringError(
        path + ": the proof takes " + llvm::Twine(proof.size()) +
        " bytes, and the artefact has " + llvm::Twine(room.size()) +
        " for one; report this as a defect of the compiler");
  std::fill(room.begin(), room.end(), ' ');
  std::copy(proof.begin(), proof.end(), room.begin());

  char *hash = descriptor.data() + offsetof(adze_model_desc, hash);
  const char *begin = file.const_data(), *end = begin + file.size();
  const char *weightsEnd = weights.data() + weights.size();
  llvm::SHA256 sha;
  sha.update(StringRef(begin, hash - begin));
  sha.update(StringRef(hash + 32, weights.data() - (hash + 32)));
  sha.update(StringRef(weightsEnd, end - weightsEnd));
  auto digest = sha.final();
  std::memcpy(hash, digest.data(), digest.size());
  return Error::success();
}
