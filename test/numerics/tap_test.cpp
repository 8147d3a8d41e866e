// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// adze.tap in compiled code: the callback sees the value, results do not
// change.

#include "CompiledModel.h"

#include <gtest/gtest.h>

#include <fstream>
#include <unistd.h>

using namespace adze;
using namespace adze::test;

namespace {

constexpr const char *kModule = R"mlir(
module attributes {adze.level = #adze.level<model>} {
  func.func @f(%x: tensor<?x5xf32>, %y: tensor<?x5xf32>)
      -> tensor<?x5xf32> attributes {adze.entry} {
    %sum = arith.addf %x, %y : tensor<?x5xf32>
    adze.tap %sum "the sum" : tensor<?x5xf32>
    %product = arith.mulf %sum, %y : tensor<?x5xf32>
    return %product : tensor<?x5xf32>
  }
}
)mlir";

struct Seen {
  std::string name;
  std::vector<float> values;
  int64_t rows = 0, cols = 0;
  int calls = 0;
};

void onTap(const char *name, const float *data, int64_t rows, int64_t cols,
           void *user) {
  auto *seen = static_cast<Seen *>(user);
  seen->name = name;
  seen->values.assign(data, data + rows * cols);
  seen->rows = rows;
  seen->cols = cols;
  ++seen->calls;
}

adze_tensor tensor(std::vector<float> &values, int64_t rows) {
  adze_tensor t = {};
  t.size = sizeof t;
  t.dtype = ADZE_F32;
  t.rank = 2;
  t.shape[0] = rows;
  t.shape[1] = 5;
  t.data = values.data();
  return t;
}

TEST(Tap, CompiledCodeShowsTheValue) {
  std::string source = "/tmp/adze-tap-" + std::to_string(::getpid()) + ".mlir";
  std::ofstream(source) << kModule;
  CompiledModel compiled(source, {});
  ::unlink(source.c_str());
  ASSERT_EQ(compiled.error(), "");
  ModelHandle model = openModel(compiled.path(), "");
  ASSERT_TRUE(model);
  Seen seen;
  adze_session_options options = {};
  options.size = sizeof options;
  options.threads = 2;
  options.tap = onTap;
  options.user = &seen;
  adze_session *raw = nullptr;
  ASSERT_EQ(adze_session_create(model.get(), &options, &raw), ADZE_OK)
      << adze_last_error()->message;
  SessionHandle session(raw);
  std::vector<float> x(15), y(15), result(15);
  for (int i = 0; i < 15; ++i) {
    x[i] = float(i);
    y[i] = float(i % 4) - 1.5f;
  }
  adze_tensor args[] = {tensor(x, 3), tensor(y, 3), tensor(result, 3)};
  ASSERT_EQ(adze_entry_call(session.get(), "f", args, 3), ADZE_OK)
      << adze_last_error()->message;
  EXPECT_EQ(seen.calls, 1);
  EXPECT_EQ(seen.name, "the sum");
  ASSERT_EQ(seen.rows, 3);
  ASSERT_EQ(seen.cols, 5);
  for (int i = 0; i < 15; ++i) {
    EXPECT_EQ(seen.values[i], x[i] + y[i]);
    EXPECT_EQ(result[i], (x[i] + y[i]) * y[i]);
  }
}

} // namespace
