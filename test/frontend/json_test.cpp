// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// JSON that must not reach the recursive parser, and printing of foreign text.

#include "TestFiles.h"
#include "adze/Frontend/Json.h"

#include "gtest/gtest.h"

using namespace adze;
using namespace adze::test;

static std::string parseFailure(llvm::StringRef text) {
  return failure(parseJson(text, "f.json"));
}

TEST(Json, AcceptsWhatIsWellFormed) {
  auto value = parseJson(R"({"a": [1, {"a": 2}], "b\n": "}{][,:\""})", "f");
  ASSERT_TRUE(bool(value)) << failure(std::move(value));
  EXPECT_EQ(value->getAsObject()->getString("b\n"), "}{][,:\"");
}

TEST(Json, RefusesDeepNestingBeforeParsing) {
  EXPECT_EQ(parseFailure(std::string(64, '[') + std::string(64, ']')), "");
  EXPECT_EQ(parseFailure(std::string(65, '[') + std::string(65, ']')),
            "f.json: expected JSON nested at most 64 deep, found more at line "
            "1, column 65");
  EXPECT_EQ(parseFailure("\n" + std::string(10'000'000, '[')),
            "f.json: expected JSON nested at most 64 deep, found more at line "
            "2, column 65");
}

TEST(Json, RefusesRepeatedKeys) {
  EXPECT_EQ(parseFailure("{\"a\": 1,\n \"b\": 2, \"a\": 3}"),
            "f.json: \"a\": expected each key once, found it again at line 2, "
            "column 10; remove one of the two");
  // An escape does not hide it.
  EXPECT_EQ(parseFailure(R"({"a": 1, "\u0061": 3})"),
            "f.json: \"a\": expected each key once, found it again at line 1, "
            "column 10; remove one of the two");
  // The same key in another object, or as a value, is fine.
  EXPECT_EQ(parseFailure(R"({"a": {"a": "a"}, "b": ["a", "a"]})"), "");
}

TEST(Json, RefusesWhatIsNoJson) {
  for (llvm::StringRef text :
       {"", "{", "{\"a\"", "{\"a\":}", "[1,]", "nul", "{\"a\": NaN}",
        "{\"a\": Infinity}", "\"\\ud800", "{}x", "\xff", "{\"a\": -}"})
    EXPECT_TRUE(llvm::StringRef(parseFailure(text))
                    .starts_with("f.json: expected JSON, found "))
        << quoted(text) << ": " << parseFailure(text);
  EXPECT_EQ(failure(parseJsonObject("[1, 2]", "f.json")),
            "f.json: expected a JSON object, found [1,2]");
}

TEST(Json, ReadsOnlyRegularFiles) {
  EXPECT_EQ(failure(readJsonObject("/nowhere.json")),
            "/nowhere.json: cannot open: No such file or directory");
  EXPECT_EQ(failure(readJsonObject("/dev/zero")),
            "/dev/zero: expected a regular file, found none");
  EXPECT_EQ(failure(readJsonObject("/")),
            "/: expected a file, found a directory");
}

TEST(Json, JoinsSurrogatePairs) {
  // U+1F680, U+20000, U+10FFFF, and the first beyond the BMP, by hand in UTF-8.
  auto value = llvm::cantFail(parseJson(
      R"(["\ud83d\ude80", "\uD840\uDC00", "\udbff\udfff", "\ud800\udc00",)"
      R"( "\\ud83d\\ude80", {"\ud840\udc00": 1, "\ud800\udc00": 2}])",
      "f"));
  const llvm::json::Array &all = *value.getAsArray();
  EXPECT_EQ(*all[0].getAsString(), "\xf0\x9f\x9a\x80");
  EXPECT_EQ(*all[1].getAsString(), "\xf0\xa0\x80\x80");
  EXPECT_EQ(*all[2].getAsString(), "\xf4\x8f\xbf\xbf");
  EXPECT_EQ(*all[3].getAsString(), "\xf0\x90\x80\x80");
  EXPECT_EQ(*all[4].getAsString(), "\\ud83d\\ude80");
  EXPECT_EQ(all[5].getAsObject()->size(), 2u);
  EXPECT_NE(failure(parseJson(R"({"\ud840\udc00": 1, "\ud840\udc00": 2})", "f"))
                .find("each key once"),
            std::string::npos);
}

TEST(Json, SurvivesMutation) {
  Random random(1);
  size_t accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    auto value = parseJson(mutate(tinyConfig.str(), random), "f");
    accepted += bool(value);
    if (!value)
      llvm::consumeError(value.takeError());
  }
  EXPECT_GT(accepted, 0u);
  EXPECT_LT(accepted, 20000u);
}

TEST(Diagnostics, QuotesForeignText) {
  EXPECT_EQ(quoted("a\"b\\c"), "\"a\\\"b\\\\c\"");
  EXPECT_EQ(quoted(llvm::StringRef("\0\x1b[1m\n", 6)),
            "\"\\x00\\x1B[1m\\x0A\"");
  EXPECT_EQ(quoted("\xff\xfe"), "\"\\xFF\\xFE\"");
  EXPECT_EQ(quoted("h\xc3\xa9llo"), "\"h\xc3\xa9llo\"");
  // A character is not cut in two.
  EXPECT_EQ(quoted("ab\xc3\xa9", 3), "\"ab\"...");
}

TEST(Diagnostics, CarriesAllErrorsAndLeavesWarnings) {
  Diagnostics diags;
  EXPECT_FALSE(bool(diags.takeError()));
  diags.error("a", "\"k\"", "expected x, found y", "do z");
  diags.warning("b", "", "odd");
  diags.absorb(makeError("c", "", "bad"));
  EXPECT_EQ(text(diags.takeError()),
            "a: \"k\": expected x, found y; do z\nc: bad");
  EXPECT_EQ(diags.str(), "warning: b: odd\n");
  EXPECT_FALSE(diags.hasErrors());
}

TEST(Diagnostics, CountsBeyondItsLimit) {
  Diagnostics diags;
  for (size_t i = 0; i < Diagnostics::limit + 3; ++i)
    diags.error("f", "", "bad");
  EXPECT_EQ(diags.all().size(), Diagnostics::limit);
  EXPECT_TRUE(
      llvm::StringRef(text(diags.takeError())).ends_with("... and 3 more"));
}
