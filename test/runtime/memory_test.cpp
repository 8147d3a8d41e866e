// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Memory that does not fit is said before anything is taken, with what would
// fit; and what is available, from planted files of the system.
#include "fake.h"

#include <cstdio>
#include <cstdlib>

extern "C" {
#include "plan_access.h"
}

namespace {

adze_session_options options(uint32_t context, uint32_t sequences,
                             uint32_t pages = 0) {
  adze_session_options o = {};
  o.size = sizeof o;
  o.context = context;
  o.max_sequences = sequences;
  o.kv_pages = pages;
  return o;
}

struct Planned {
  adze_status status;
  uint64_t bytes = 0;
  uint32_t context = 0, pages = 0;
};
Planned plan(const adze::Model &model, adze_session_options o,
             uint64_t available) {
  Planned p;
  p.status =
      plan_for(model.c(), &o, 2, available, &p.bytes, &p.context, &p.pages);
  return p;
}

bool contains(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

void plant(const std::string &root, const std::string &path,
           const std::string &text) {
  std::string file = root + path;
  ASSERT_EQ(std::system(("mkdir -p $(dirname " + file + ")").c_str()), 0);
  std::FILE *f = std::fopen(file.c_str(), "w");
  ASSERT_NE(f, nullptr);
  std::fputs(text.c_str(), f);
  std::fclose(f);
}

} // namespace

TEST(Memory, WhatFitsIsExact) {
  adze::Model model = openFake();
  uint64_t enough = plan(model, options(2048, 8), UINT64_MAX).bytes;
  EXPECT_EQ(plan(model, options(2048, 8), enough).status, ADZE_OK);
  EXPECT_EQ(plan(model, options(2048, 8), enough).context, 2048u);
  for (uint64_t available = enough - 1; available > enough / 8;
       available -= enough / 7) {
    Planned p = plan(model, options(2048, 8), available);
    EXPECT_EQ(p.status, ADZE_OUT_OF_MEMORY);
    std::string said = lastMessage();
    EXPECT_TRUE(contains(said, "8 sequences of 2048 positions need " +
                                   std::to_string(enough) + " bytes"))
        << said;
    EXPECT_TRUE(
        contains(said, "; " + std::to_string(available) + " are available"))
        << said;
    ASSERT_GT(p.context, 0u);
    ASSERT_LT(p.context, 2048u);
    EXPECT_TRUE(contains(said, "a context of " + std::to_string(p.context) +
                                   " positions would fit"))
        << said;
    EXPECT_EQ(contains(said, "kv_pages = " + std::to_string(p.pages) + " with"),
              p.pages > 0)
        << said;
    // what is said to fit does, and one more does not
    EXPECT_EQ(plan(model, options(p.context, 8), available).status, ADZE_OK);
    EXPECT_EQ(plan(model, options(p.context + 1, 8), available).status,
              ADZE_OUT_OF_MEMORY);
    if (p.pages)
      EXPECT_EQ(plan(model, options(2048, 8, p.pages), available).status,
                ADZE_OK);
    EXPECT_EQ(plan(model, options(2048, 8, p.pages + 1), available).status,
              ADZE_OUT_OF_MEMORY);
  }
}

TEST(Memory, NothingFits) {
  adze::Model model = openFake();
  Planned p = plan(model, options(2048, 8), 100);
  EXPECT_EQ(p.status, ADZE_OUT_OF_MEMORY);
  EXPECT_EQ(p.context, 0u);
  EXPECT_EQ(p.pages, 0u);
  EXPECT_TRUE(contains(lastMessage(), "| no context would fit; or ask"))
      << lastMessage();
}

TEST(Memory, PagesAskedForAreWhatIsChanged) {
  adze::Model model = openFake();
  uint64_t some = plan(model, options(64, 1, 1000), UINT64_MAX).bytes;
  Planned p = plan(model, options(64, 1, 5000), some);
  EXPECT_EQ(p.status, ADZE_OUT_OF_MEMORY);
  EXPECT_EQ(p.pages, 1000u);
  EXPECT_TRUE(contains(lastMessage(),
                       "| no context would fit, kv_pages = 1000 with the "))
      << lastMessage();
}

TEST(Memory, SessionsAreRefusedBeforeAnythingIsTaken) {
  adze::Model model = openFake();
  adze_session_options o = options(64, 1);
  adze_memory m = {};
  m.size = sizeof m;
  ASSERT_EQ(adze_memory_plan(model.c(), &o, &m), ADZE_OK) << lastMessage();
  ASSERT_GT(m.available, 0u);
  EXPECT_EQ(m.fit_context, 2048u); // the model's
  EXPECT_GT(m.fit_pages, 0u);
  uint64_t pages = m.available / FAKE_PAGE_BYTES * 2;
  if (pages > INT32_MAX)
    GTEST_SKIP() << "more memory than pages can be numbered";
  o.kv_pages = uint32_t(pages);
  adze_session *session = nullptr;
  EXPECT_EQ(adze_session_create(model.c(), &o, &session), ADZE_OUT_OF_MEMORY);
  EXPECT_EQ(session, nullptr);
  EXPECT_TRUE(contains(lastMessage(), "are available")) << lastMessage();
  // the plan only tells
  ASSERT_EQ(adze_memory_plan(model.c(), &o, &m), ADZE_OK) << lastMessage();
  EXPECT_GT(m.kv, m.available);
  EXPECT_LT(m.fit_pages, o.kv_pages);
  // callers built with the shorter struct are served as before
  m.available = 77;
  m.size = offsetof(adze_memory, available);
  ASSERT_EQ(adze_memory_plan(model.c(), &o, &m), ADZE_OK);
  EXPECT_EQ(m.available, 77u);
}

TEST(Memory, AvailableIsTheLeastThatAnyLimitLeaves) {
  char name[] = "/tmp/adze-memory-XXXXXX";
  std::string root = mkdtemp(name);
  auto available = [&] { return memory_available(root.c_str()); };
  EXPECT_EQ(available(), UINT64_MAX); // no files at all
  plant(root, "/proc/meminfo",
        "MemTotal:  9000 kB\nMemFree: 10 kB\nMemAvailable:   8000 kB\n");
  EXPECT_EQ(available(), 8000u * 1024);
  plant(root, "/proc/self/cgroup", "0::/a/b\n");
  plant(root, "/sys/fs/cgroup/a/b/memory.max", "max\n");
  plant(root, "/sys/fs/cgroup/a/b/memory.current", "100\n");
  EXPECT_EQ(available(), 8000u * 1024);
  plant(root, "/sys/fs/cgroup/a/memory.max", "5000000\n"); // the parent's
  plant(root, "/sys/fs/cgroup/a/memory.current", "2000000\n");
  EXPECT_EQ(available(), 3000000u);
  plant(root, "/sys/fs/cgroup/a/memory.stat",
        "anon 9\ninactive_file 400000\nactive_file 600000\nfile 5\n");
  EXPECT_EQ(available(), 4000000u);
  plant(root, "/sys/fs/cgroup/a/memory.max", "garbage\n");
  EXPECT_EQ(available(), 8000u * 1024);
  plant(root, "/proc/self/cgroup", "5:cpu:/x\n4:memory:/docker/1\n");
  plant(root, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "7000\n");
  plant(root, "/sys/fs/cgroup/memory/memory.usage_in_bytes", "9000\n");
  EXPECT_EQ(available(), 0u); // the container's own group is the mount's root
  plant(root, "/sys/fs/cgroup/memory/memory.stat",
        "inactive_file 1\ntotal_inactive_file 4000\ntotal_active_file 0\n");
  EXPECT_EQ(available(), 2000u);
  EXPECT_EQ(std::system(("rm -r " + root).c_str()), 0);
}
