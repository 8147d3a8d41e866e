// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tests that write files: a folder of their own, which goes with them.
#ifndef ADZE_TEST_INTERPRETER_TEMPORARYFOLDER_H
#define ADZE_TEST_INTERPRETER_TEMPORARYFOLDER_H

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

namespace adze::test {

class TemporaryFolder : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("adze-test", folder));
  }
  void TearDown() override { llvm::sys::fs::remove_directories(folder); }

  std::string path(llvm::StringRef name) {
    llvm::SmallString<128> result(folder);
    llvm::sys::path::append(result, name);
    return std::string(result);
  }
  void write(llvm::StringRef name, llvm::StringRef text) {
    std::error_code ec;
    llvm::raw_fd_ostream(path(name), ec) << text;
    ASSERT_FALSE(ec);
  }

  llvm::SmallString<128> folder;
};

} // namespace adze::test

#endif // ADZE_TEST_INTERPRETER_TEMPORARYFOLDER_H
