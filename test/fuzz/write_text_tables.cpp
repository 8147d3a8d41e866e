// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze-write-text-tables FOLDER SEED...: seeds of the text table fuzzer, from
// the tokenizer.json and SentencePiece seeds of the tokenizer fuzzer (whose
// first byte says which one it is).

#include "adze/Frontend/Tokenizer.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
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
    StringRef input = (*file)->getBuffer();
    int kind = input.front() % 4;
    if (kind > 1)
      continue;
    auto table =
        kind == 0
            ? adze::buildTextTableFromTokenizerJson(input.drop_front(), argv[i])
            : adze::buildTextTableFromSentencePiece(input.drop_front(),
                                                    argv[i]);
    if (!table) {
      errs() << toString(table.takeError()) << "\n";
      return 1;
    }
    SmallString<128> path(argv[1]);
    sys::path::append(path, sys::path::filename(argv[i]) + ".table");
    std::error_code error;
    raw_fd_ostream out(path, error);
    if (error) {
      errs() << path << ": " << error.message() << "\n";
      return 1;
    }
    out << *table;
  }
  return 0;
}
