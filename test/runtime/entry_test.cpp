// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Named entries over a user's tensors: scale(x f32[N, 4], w f32[4]) adds the
// bound weight 1 2 3 4 to x * w.
#include "fake.h"

using adze::Tensor;

TEST(Entry, CallsOverTensors) {
  adze::Model model = openFake();
  adze::Entry scale = model.entry("scale").or_throw();
  for (int64_t n : {0, 1, 7, 300}) {
    std::vector<float> x(static_cast<size_t>(4 * n)), w = {1, 2, 3, 4};
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = static_cast<float>(i);
    auto y =
        scale.call(Tensor::view(x.data(), {n, 4}), Tensor::view(w.data(), {4}))
            .or_throw();
    ASSERT_EQ(y.size(), 1u);
    EXPECT_EQ(y[0].shape(), (std::vector<int64_t>{n, 4}));
    for (size_t i = 0; i < x.size(); ++i)
      EXPECT_EQ(y[0].data<float>()[i],
                x[i] * w[i % 4] + static_cast<float>(i % 4 + 1));
  }
}

TEST(Entry, MismatchesNameTheArgumentExpectedAndGiven) {
  adze::Model model = openFake();
  adze::Entry scale = model.entry("scale").or_throw();
  std::vector<float> x(8), w(5), out(8);
  auto error = [&](auto... tensors) {
    auto result = scale.call(tensors...);
    EXPECT_FALSE(result.ok());
    return result.error().message;
  };
  EXPECT_EQ(error(Tensor::view(x.data(), {2, 4}), Tensor::view(w.data(), {5})),
            "entry scale, argument w: expected f32[4], given f32[5]");
  EXPECT_EQ(error(Tensor::view(x.data(), {8}), Tensor::view(w.data(), {4})),
            "entry scale, argument x: expected f32[N, 4], given f32[8]");
  std::vector<double> wrong(8);
  EXPECT_EQ(
      error(Tensor::view(wrong.data(), {2, 4}), Tensor::view(w.data(), {4})),
      "entry scale, argument x: expected f32[N, 4], given f64[2, 4]");
  EXPECT_EQ(error(Tensor::view(x.data(), {2, 4})),
            "entry scale has 2 inputs, given 1");
  EXPECT_EQ(
      error(Tensor::view<float>(nullptr, {2, 4}), Tensor::view(w.data(), {4}))
          .substr(0, 30),
      "entry scale, argument x: its d");
  // C: a symbol bound twice
  adze::Session session = model.session().or_throw();
  adze_tensor args[3] = {Tensor::view(x.data(), {2, 4}).c(),
                         Tensor::view(w.data(), {4}).c(),
                         Tensor::view(out.data(), {1, 4}).c()};
  EXPECT_EQ(adze_entry_call(session.c(), "scale", args, 3),
            ADZE_INVALID_ARGUMENT);
  EXPECT_EQ(std::string(adze_last_error()->message),
            "entry scale, argument y: dimension 0 is 1, but N is 2 in argument "
            "x");
  EXPECT_EQ(adze_entry_call(session.c(), "nope", args, 3), ADZE_NOT_FOUND);
  EXPECT_NE(lastMessage().find("step, hidden, scale"), std::string::npos);
  EXPECT_EQ(adze_entry_call(session.c(), "step", args, 3),
            ADZE_INVALID_ARGUMENT);
  EXPECT_EQ(model.entry("nope").error().code, ADZE_NOT_FOUND);
}

TEST(Entry, ArgumentsAreDescribed) {
  adze::Model model = openFake();
  adze_arg_info info = {};
  info.size = sizeof info;
  ASSERT_EQ(adze_model_entry_arg(model.c(), "scale", 2, &info), ADZE_OK);
  EXPECT_STREQ(info.name, "y");
  EXPECT_EQ(info.is_result, 1u);
  EXPECT_EQ(info.shape[0], -1);
  EXPECT_STREQ(info.symbol[0], "N");
  EXPECT_EQ(info.shape[1], 4);
  EXPECT_EQ(info.is_batch, 0u);
  // positions, seqs, row_begin, pages of the decoder are the runtime's.
  for (size_t i = 0; i < 7; ++i) {
    ASSERT_EQ(adze_model_entry_arg(model.c(), "step", i, &info), ADZE_OK);
    EXPECT_EQ(info.is_batch, i >= 1 && i <= 4 ? 1u : 0u) << info.name;
  }
}

TEST(Entry, AppendNeedsPositions) {
  adze::Model model = openFake();
  adze::Entry scale = model.entry("scale").or_throw();
  std::vector<float> x(8), w(4);
  auto made =
      scale.append(Tensor::view(x.data(), {2, 4}), Tensor::view(w.data(), {4}));
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().message,
            "entry scale reads no positions: its rows continue nothing");
  adze::Session session = model.session().or_throw();
  EXPECT_EQ(adze_entry_append(session.c(), "scale", nullptr, 0, nullptr, 0),
            ADZE_INVALID_ARGUMENT);
  adze_entry_rows rows = {sizeof rows, 0, 1};
  EXPECT_EQ(adze_entry_append(session.c(), "step", &rows, 1, nullptr, 0),
            ADZE_INVALID_ARGUMENT);
}
