// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// lld as a library: objects -> one shared object. 2 ms where a linker process
// takes 13. lld keeps process-wide state, so links run one at a time.

#include "adze/Codegen/Artefact.h"
#include "lld/Common/Driver.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"
#include <mutex>

LLD_HAS_DRIVER(elf)

using namespace adze;
using llvm::StringRef;

static llvm::Error systemError(std::error_code code, const llvm::Twine &what) {
  return llvm::createStringError(code, what + ": " + code.message());
}

/// Runs lld with `options` over objects in memory; the result is read back.
static llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
link(llvm::ArrayRef<llvm::MemoryBufferRef> objects,
     llvm::ArrayRef<const char *> options) {
  // Temporary files, removed however this ends.
  std::vector<llvm::FileRemover> removers;
  std::vector<std::string> paths;
  auto temporary = [&](StringRef suffix) -> llvm::Expected<int> {
    llvm::SmallString<128> path;
    int fd;
    if (auto code =
            llvm::sys::fs::createTemporaryFile("adze", suffix, fd, path))
      return systemError(code, "cannot make a temporary file for linking");
    removers.emplace_back(path);
    paths.push_back(path.str().str());
    return fd;
  };
  removers.reserve(objects.size() + 1);
  for (llvm::MemoryBufferRef object : objects) {
    auto fd = temporary("o");
    if (!fd)
      return fd.takeError();
    llvm::raw_fd_ostream os(*fd, /*shouldClose=*/true);
    os << object.getBuffer();
    os.close();
    if (os.has_error()) {
      auto code = os.error();
      os.clear_error();
      return systemError(code, "cannot write " + paths.back());
    }
  }
  auto fd = temporary("so");
  if (!fd)
    return fd.takeError();
  llvm::sys::Process::SafelyCloseFileDescriptor(*fd);

  std::vector<const char *> args = {"ld.lld"};
  args.insert(args.end(), options.begin(), options.end());
  args.insert(args.end(), {"-o", paths.back().c_str()});
  for (const std::string &path : llvm::ArrayRef(paths).drop_back())
    args.push_back(path.c_str());
  std::string messages;
  llvm::raw_string_ostream os(messages);
  static std::mutex oneAtATime;
  std::lock_guard<std::mutex> lock(oneAtATime);
  lld::Result result =
      lld::lldMain(args, os, os, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode)
    return llvm::createStringError("linking the artefact failed: " + messages);
  auto buffer = llvm::MemoryBuffer::getFile(paths.back(), /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false,
                                            /*IsVolatile=*/true);
  if (!buffer)
    return systemError(buffer.getError(), "cannot read " + paths.back());
  return std::move(*buffer);
}

llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
adze::linkSharedObject(llvm::ArrayRef<llvm::MemoryBufferRef> objects) {
  return link(objects,
              {"-shared", "--build-id=none", "-z", "now", "-z", "noexecstack",
               "--gc-sections", "--hash-style=gnu", "-Bsymbolic",
               "--no-undefined-version", "--soname=adze-model"});
}

llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
adze::linkRelocatable(llvm::ArrayRef<llvm::MemoryBufferRef> objects) {
  return link(objects, {"-r"});
}
