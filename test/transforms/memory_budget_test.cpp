// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Who waits for memory, and who does not.

#include "Compress/MemoryBudget.h"
#include <chrono>
#include <future>
#include <gtest/gtest.h>
#include <memory>
#include <thread>

using adze::detail::MemoryBudget;

namespace {

constexpr uint64_t kMuch = uint64_t(3) << 30; // more than there is

/// Whether `task`, on a thread of its own, ends soon; else it goes on.
bool endsSoon(std::future<void> &task) {
  return task.wait_for(std::chrono::milliseconds(200)) ==
         std::future_status::ready;
}

TEST(MemoryBudgetTest, OthersWaitUntilThereIsRoom) {
  MemoryBudget budget;
  budget.take(kMuch);
  auto other = std::async(std::launch::async, [&] {
    budget.take(1);
    budget.give(1);
  });
  EXPECT_FALSE(endsSoon(other));
  budget.give(kMuch);
  other.get();
}

TEST(MemoryBudgetTest, AThreadDoesNotWaitForItself) {
  auto budget = std::make_shared<MemoryBudget>();
  std::promise<void> done;
  std::future<void> ended = done.get_future();
  std::thread([budget, done = std::move(done)]() mutable {
    budget->take(kMuch);
    budget->take(kMuch);
    budget->give(kMuch);
    budget->give(kMuch);
    done.set_value();
  }).detach();
  EXPECT_EQ(ended.wait_for(std::chrono::seconds(10)),
            std::future_status::ready);
}

} // namespace
