// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The thread pool alone: barriers order memory, the stop word reaches all
// threads at the same barrier, more threads than CPUs still get on, and quotas
// of planted cgroup files are read.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <vector>

extern "C" {
#include "pool.h"
}

namespace {
struct Owner {
  adze_pool *pool = nullptr;
  explicit Owner(uint32_t threads) {
    adze_pool_options o = {};
    o.size = sizeof o;
    o.threads = threads;
    EXPECT_EQ(adze_pool_create(&o, &pool), ADZE_OK);
  }
  ~Owner() { adze_pool_release(pool); }
};

struct Counters {
  int64_t rounds;
  int64_t *cell; // one per thread, 16 apart
  std::atomic<int> wrong;
};

// Each thread counts its cell up and, after the barrier, must see everybody's
// count; a second barrier keeps the next round from starting early.
int32_t countRounds(uint32_t tid, adze_frame *f) {
  auto *c = static_cast<Counters *>(f->arg[0]);
  for (int64_t round = 1; round <= c->rounds; ++round) {
    c->cell[tid * 16] = round;
    adze_pool_barrier(f, tid);
    for (uint32_t i = 0; i < f->nthreads; ++i)
      if (c->cell[i * 16] != round)
        ++c->wrong;
    adze_pool_barrier(f, tid);
  }
  return 0;
}

int32_t untilStopped(uint32_t tid, adze_frame *f) {
  auto *barriers = static_cast<int64_t *>(f->arg[0]);
  for (int64_t n = 1;; ++n) {
    adze_pool_barrier(f, tid);
    barriers[tid * 16] = n;
    if (__atomic_load_n(&f->stopped,
                        __ATOMIC_RELAXED)) // emitted code: volatile
      return 1;
  }
}
} // namespace

TEST(Pool, BarriersOrderMemory) {
  for (uint32_t threads : {1u, 2u, 3u, 4u, 5u, 8u, 13u}) {
    Owner owner(threads);
    std::vector<int64_t> cells(threads * 16);
    Counters counters = {threads <= 2 ? 20000 : 500, cells.data(), {0}};
    void *arg[] = {&counters};
    adze_frame f = {};
    f.arg = arg;
    for (int run = 0; run < 3; ++run)
      EXPECT_EQ(adze_pool_run(owner.pool, countRounds, &f), 0);
    EXPECT_EQ(counters.wrong, 0) << threads;
    EXPECT_EQ(f.nthreads, threads);
  }
}

TEST(Pool, StopReachesAllAtTheSameBarrier) {
  for (uint32_t threads : {1u, 2u, 3u, 4u, 7u}) {
    Owner owner(threads);
    for (int run = 0; run < 20; ++run) {
      std::vector<int64_t> barriers(threads * 16);
      void *arg[] = {barriers.data()};
      uint32_t stop = 0;
      adze_frame f = {};
      f.arg = arg;
      f.stop = &stop;
      std::thread other([&] {
        std::this_thread::sleep_for(std::chrono::microseconds(300 * run));
        __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
      });
      EXPECT_EQ(adze_pool_run(owner.pool, untilStopped, &f), 1);
      other.join();
      for (uint32_t i = 1; i < threads; ++i)
        EXPECT_EQ(barriers[i * 16], barriers[0]);
    }
  }
}

TEST(Pool, MoreThreadsThanCpusDoNotCollapse) {
  uint32_t threads = 2 * adze_default_threads();
  Owner owner(threads);
  std::vector<int64_t> cells(threads * 16);
  Counters counters = {1000, cells.data(), {0}};
  void *arg[] = {&counters};
  adze_frame f = {};
  f.arg = arg;
  auto start = std::chrono::steady_clock::now();
  adze_pool_run(owner.pool, countRounds, &f);
  double us = std::chrono::duration<double, std::micro>(
                  std::chrono::steady_clock::now() - start)
                  .count() /
              2000;
  EXPECT_LT(us, 2000) << "per barrier";
  printf("%u threads on %u CPUs: %.1f us per barrier\n", threads,
         adze_default_threads(), us);
}

TEST(Pool, CallersTakeTurns) {
  Owner owner(2);
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int k = 0; k < 4; ++k)
    callers.emplace_back([&] {
      std::vector<int64_t> cells(2 * 16);
      Counters counters = {20, cells.data(), {0}};
      void *arg[] = {&counters};
      adze_frame f = {};
      f.arg = arg;
      for (int run = 0; run < 50; ++run)
        adze_pool_run(owner.pool, countRounds, &f);
      wrong += counters.wrong;
    });
  for (std::thread &t : callers)
    t.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Pool, RefusesAbsurdThreadCounts) {
  adze_pool_options o = {};
  o.size = sizeof o;
  o.threads = 1000000;
  adze_pool *pool;
  EXPECT_EQ(adze_pool_create(&o, &pool), ADZE_INVALID_ARGUMENT);
  EXPECT_EQ(pool, nullptr);
}

static void plant(const std::string &root, const std::string &path,
                  const std::string &text) {
  for (size_t at = 0; (at = path.find('/', at + 1)) != std::string::npos;)
    mkdir((root + path.substr(0, at)).c_str(), 0755);
  FILE *file = fopen((root + path).c_str(), "w");
  ASSERT_NE(file, nullptr);
  fputs(text.c_str(), file);
  fclose(file);
}

TEST(Pool, ReadsCgroupQuotas) {
  char name[] = "/tmp/adze-cgroup-XXXXXX";
  std::string root = mkdtemp(name);
  EXPECT_EQ(adze_cgroup_cpus(root.c_str()), 0u); // no files at all
  plant(root, "/proc/self/cgroup", "0::/a/b\n");
  plant(root, "/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(adze_cgroup_cpus(root.c_str()), 0u);
  plant(root, "/sys/fs/cgroup/a/cpu.max", "250000 100000\n"); // the parent's
  EXPECT_EQ(adze_cgroup_cpus(root.c_str()), 2u);
  plant(root, "/sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
  EXPECT_EQ(adze_cgroup_cpus(root.c_str()), 1u);
  plant(root, "/sys/fs/cgroup/a/b/cpu.max", "garbage\n");
  EXPECT_EQ(adze_cgroup_cpus(root.c_str()), 2u);
  plant(root, "/proc/self/cgroup", "5:memory:/x\n4:cpu,cpuacct:/docker/1\n");
  plant(root, "/sys/fs/cgroup/cpu/docker/1/cpu.cfs_quota_us", "-1\n");
  plant(root, "/sys/fs/cgroup/cpu/docker/1/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(adze_cgroup_cpus(root.c_str()), 0u);
  plant(root, "/sys/fs/cgroup/cpu/docker/1/cpu.cfs_quota_us", "300000\n");
  EXPECT_EQ(adze_cgroup_cpus(root.c_str()), 3u);
  EXPECT_EQ(system(("rm -r " + root).c_str()), 0);
}
