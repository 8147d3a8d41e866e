// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <gtest/gtest.h>

#include <string>

extern "C" {
#include "meta.h"
}

static bool valid(const std::string &json) {
  return adze_meta_valid(json.data(), json.size());
}

TEST(Meta, AcceptsJsonObjectsOnly) {
  for (const char *good :
       {"{}", " { } ", "{\"a\":1}", "{\"a\":[],\"b\":{\"c\":[1,2.5e-3,-0]}}",
        "{\"a\":\"\\u00e9\\ud83d\\ude00\\n\"}", "{\"a\":null,\"b\":true}"})
    EXPECT_TRUE(valid(good)) << good;
  for (const char *bad :
       {"", "[]", "1", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}",
        "{\"a\":01}", "{\"a\":1} x", "{\"a\":\"\\x\"}", "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\n\"}", "{\"a\":tru}", "{\"a\":-}", "{\"a\":1.}",
        "{\"a\":[1}"})
    EXPECT_FALSE(valid(bad)) << bad;
  EXPECT_FALSE(valid("{\"a\":" + std::string(100000, '[')));
}

TEST(Meta, FindsTopLevelKeysOnly) {
  std::string json =
      "{\"x\":{\"n\":7},\"n\" : -12 ,\"list\":[1, 2,3],"
      "\"big\":9223372036854775808,\"s\":\"a\\u00e9\\ud83d\\ude00\"}";
  adze_meta_value value;
  int64_t n = 0, list[2];
  size_t count = 0;
  ASSERT_TRUE(adze_meta_find(json.data(), json.size(), "n", &value));
  EXPECT_TRUE(adze_meta_integer(value, &n));
  EXPECT_EQ(n, -12);
  ASSERT_TRUE(adze_meta_find(json.data(), json.size(), "list", &value));
  EXPECT_FALSE(adze_meta_integer(value, &n));
  EXPECT_TRUE(adze_meta_integers(value, list, 2, &count));
  EXPECT_EQ(count, 3u);
  EXPECT_EQ(list[1], 2);
  ASSERT_TRUE(adze_meta_find(json.data(), json.size(), "big", &value));
  EXPECT_FALSE(adze_meta_integer(value, &n));
  ASSERT_TRUE(adze_meta_find(json.data(), json.size(), "s", &value));
  char text[16];
  bool is_string = false;
  size_t length = adze_meta_string(value, text, sizeof text, &is_string);
  EXPECT_TRUE(is_string);
  EXPECT_EQ(std::string(text, length), "a\xC3\xA9\xF0\x9F\x98\x80");
  EXPECT_FALSE(adze_meta_find(json.data(), json.size(), "y", &value));
}
