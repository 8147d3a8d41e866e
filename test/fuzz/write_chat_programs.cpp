// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-write-chat-programs FOLDER SEED...: seeds of the fuzzer of compiled chat
// templates, from the seeds of the template fuzzer.

#include "ChatTemplate.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

int main(int argc, char **argv) {
  for (int i = 2; i < argc; ++i) {
    auto file = MemoryBuffer::getFile(argv[i]);
    if (!file) {
      errs() << argv[i] << ": " << file.getError().message() << "\n";
      return 1;
    }
    std::vector<std::string> problems;
    StringRef source = (*file)->getBuffer().split('\0').first;
    std::string section = adze::compileChatTemplates(
        {adze::NamedTemplate{"default", source.str()}}, &problems);
    if (!problems.empty()) {
      errs() << argv[i] << ": " << problems.front() << "\n";
      return 1;
    }
    SmallString<128> path(argv[1]);
    sys::path::append(path, sys::path::filename(argv[i]));
    std::error_code error;
    raw_fd_ostream out(path, error);
    if (error) {
      errs() << path << ": " << error.message() << "\n";
      return 1;
    }
    out << section;
  }
  return 0;
}
