// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Many requests over one model: any thread submits, one thread of the
// scheduler's evaluates. Take this file and scheduler.cpp into your program.
//
//   * Continuous batching: each step appends one token to every text that is
//     being written and gives what is left of its budget to prompts, in pieces.
//   * A prompt whose beginning another sequence holds starts behind it: the
//     pages of keys and values are shared, the sequences of finished requests
//     are kept for that while there is room.
//   * First come, first served. Where pages run out, kept sequences go first,
//     then the youngest request gives its pages back and waits; the oldest one
//     always goes on.
//
// What a request makes does not depend on what else runs: the tokens are those
// of adze_generate over the same prompt, bit for bit.
#ifndef ADZE_EXAMPLES_SERVE_SCHEDULER_H
#define ADZE_EXAMPLES_SERVE_SCHEDULER_H

#include "adze/runtime.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

class Scheduler {
public:
  struct Options {
    uint32_t context = 0;         ///< positions of a text; 0: min(model, 4096)
    uint32_t running = 8;         ///< requests in one step, at most
    uint32_t kept = 8;            ///< sequences of finished requests, at most
    uint32_t tokensPerStep = 128; ///< one of each text, the rest for prompts
    uint32_t kvPages = 0;         ///< of 64 positions; 0: enough for all
    uint32_t threads = 0;
  };
  struct Request {
    std::vector<int32_t> prompt;
    adze::Sampling sampling; ///< without logprobs
    /// On the scheduler's thread, which waits for it: hand the token on and
    /// return. It may be empty.
    std::function<adze::Next(int32_t)> onToken;
  };
  struct Outcome {
    std::vector<int32_t> tokens; ///< those made, a stop token included
    adze_finish finish = ADZE_FINISH_NONE;
    size_t sharedTokens = 0; ///< of the prompt, not evaluated again
    adze::Error error;       ///< code 0: none
  };
  struct Statistics {
    uint64_t steps = 0, tokens = 0, sharedTokens = 0, preempted = 0,
             evicted = 0;
    size_t largestStep = 0; ///< sequences
  };

private:
  struct Job;

public:
  /// A request that was submitted. May outlive the scheduler.
  class Ticket {
  public:
    Outcome wait() { return outcome.get(); }
    /// Any thread: ends this request with what it has made, before its next
    /// step.
    void cancel();

  private:
    friend class Scheduler;
    std::shared_ptr<Job> job;
    std::future<Outcome> outcome;
  };

  static adze::Result<std::unique_ptr<Scheduler>> create(const adze::Model &,
                                                         const Options &);
  /// Cancels what has not ended.
  ~Scheduler();

  /// Any thread. A request that is wrong has an error as its outcome.
  Ticket submit(Request);
  Statistics statistics() const;

private:
  /// A sequence of the session: of a job, kept (`held` is what it has
  /// evaluated), or empty.
  struct Slot {
    Job *job = nullptr;
    std::vector<int32_t> held;
    uint64_t lastUsed = 0;
  };
  /// The slot with the longest beginning of a prompt.
  struct Prefix {
    size_t slot = 0, length = 0;
    size_t coming = 0; ///< the longest that is being evaluated now
  };
  using JobPointer = std::shared_ptr<Job>;

  Scheduler(adze::Session session, const Options &, std::vector<int64_t> ends);
  adze::Error check(const Request &) const;
  void loop();
  bool takeSubmitted();
  void dropCancelled();
  void admit();
  Prefix findPrefix(const Job &) const;
  size_t chooseSlot(const Prefix &) const;
  bool makeRoomFor(const Job &, const Prefix &);
  bool place(const JobPointer &, const Prefix &);
  void step();
  void handOut(const std::vector<JobPointer> &, const adze::Logits &);
  void append(Job &, int32_t token);
  void afterFullStep();
  bool evictOldest(const Slot *butNot);
  void finish(Job &, adze_finish, adze::Error error = {});

  adze::Session session; // the loop's, but for cancel()
  const Options options;
  const std::vector<int64_t> ends;
  std::vector<Slot> slots;
  std::deque<JobPointer> waiting;  // in order of arrival
  std::vector<JobPointer> running; // in order of arrival
  bool full = false; // a step found too few pages, none has succeeded since
  uint64_t clock = 0;
  Statistics counts;

  mutable std::mutex mutex; // for what follows
  std::condition_variable changed;
  std::vector<JobPointer> submitted;
  Statistics published;
  bool stopping = false;
  std::thread thread;
};

#endif // ADZE_EXAMPLES_SERVE_SCHEDULER_H
