// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "scheduler.h"

#include <algorithm>

using adze::Error;

namespace {
constexpr size_t kPage = 64; // positions of a page of keys and values
// A shared beginning is worth a fork from here on, and worth waiting for a step
// or two while it is being evaluated.
constexpr size_t kWorthSharing = 16, kWorthWaiting = 64;

size_t pagesOf(size_t positions) { return (positions + kPage - 1) / kPage; }

size_t commonLength(const std::vector<int32_t> &a, size_t lengthA,
                    const std::vector<int32_t> &b, size_t lengthB) {
  size_t most = std::min(lengthA, lengthB);
  return size_t(std::mismatch(a.begin(), a.begin() + most, b.begin()).first -
                a.begin());
}
} // namespace

struct Scheduler::Job {
  Request request;
  std::vector<int32_t> tokens; // the prompt, then what was made
  size_t evaluated = 0;        // of them, in the sequence `slot`
  size_t made = 0, slot = 0, shared = 0;
  bool placedBefore = false;
  std::atomic<bool> cancelled{false};
  std::promise<Outcome> promise;

  size_t pending() const { return tokens.size() - evaluated; }
};

void Scheduler::Ticket::cancel() { job->cancelled = true; }

adze::Result<std::unique_ptr<Scheduler>>
Scheduler::create(const adze::Model &model, const Options &given) {
  Options o = given;
  o.running = std::max(o.running, 1u);
  o.tokensPerStep = std::max(o.tokensPerStep, o.running);
  adze::SessionOptions s;
  s.context = o.context;
  s.maxSequences = o.running + o.kept;
  s.prefillChunk = o.tokensPerStep;
  s.kvPages = o.kvPages;
  s.threads = o.threads;
  auto session = model.session(s);
  if (!session)
    return session.error();
  auto ends = model.integers("eos"); // a model may have none
  return std::unique_ptr<Scheduler>(
      new Scheduler(std::move(*session), o,
                    ends ? std::move(*ends) : std::vector<int64_t>()));
}

Scheduler::Scheduler(adze::Session s, const Options &o,
                     std::vector<int64_t> ends)
    : session(std::move(s)), options(o), ends(std::move(ends)),
      slots(o.running + o.kept) {
  thread = std::thread([this] { loop(); });
}

Scheduler::~Scheduler() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    stopping = true;
  }
  changed.notify_one();
  session.cancel();
  thread.join();
}

Scheduler::Ticket Scheduler::submit(Request request) {
  Ticket ticket;
  ticket.job = std::make_shared<Job>();
  ticket.outcome = ticket.job->promise.get_future();
  if (Error wrong = check(request); wrong.code) {
    ticket.job->promise.set_value({{}, ADZE_FINISH_NONE, 0, wrong});
    return ticket;
  }
  ticket.job->tokens = request.prompt;
  ticket.job->request = std::move(request);
  {
    std::lock_guard<std::mutex> lock(mutex);
    submitted.push_back(ticket.job);
  }
  changed.notify_one();
  return ticket;
}

Scheduler::Statistics Scheduler::statistics() const {
  std::lock_guard<std::mutex> lock(mutex);
  return published;
}

Error Scheduler::check(const Request &request) const {
  if (request.prompt.empty())
    return {ADZE_INVALID_ARGUMENT, "the prompt is empty", "give a token"};
  if (request.prompt.size() > session.context())
    return {ADZE_CONTEXT_FULL,
            "the prompt has " + std::to_string(request.prompt.size()) +
                " tokens; the context has " +
                std::to_string(session.context()) + " positions",
            "shorten the prompt"};
  for (int32_t token : request.prompt)
    if (token < 0 || uint32_t(token) >= session.vocabulary())
      return {ADZE_INVALID_ARGUMENT,
              "the prompt has token " + std::to_string(token) +
                  "; the vocabulary has " +
                  std::to_string(session.vocabulary()),
              "use ids of this model"};
  return {};
}

void Scheduler::loop() {
  while (takeSubmitted()) {
    dropCancelled();
    admit();
    step();
  }
  waiting.insert(waiting.end(), running.begin(), running.end());
  for (const JobPointer &job : waiting) // those running have no slot any more
    job->promise.set_value(
        {{job->tokens.end() - long(job->made), job->tokens.end()},
         ADZE_FINISH_CANCELLED,
         job->shared,
         {ADZE_CANCELLED, "the scheduler has ended", ""}});
}

/// Waits for work. Returns false at the end.
bool Scheduler::takeSubmitted() {
  std::unique_lock<std::mutex> lock(mutex);
  published = counts;
  changed.wait(lock, [&] {
    return stopping || !submitted.empty() || !waiting.empty() ||
           !running.empty();
  });
  waiting.insert(waiting.end(), submitted.begin(), submitted.end());
  submitted.clear();
  return !stopping;
}

void Scheduler::dropCancelled() {
  auto all = running; // finish() takes them out
  all.insert(all.end(), waiting.begin(), waiting.end());
  for (const JobPointer &job : all)
    if (job->cancelled)
      finish(*job, ADZE_FINISH_CANCELLED);
}

/// Lets the first in the queue in, as long as there is room for it.
void Scheduler::admit() {
  if (full) // one has just left: the others go on first
    return;
  while (!waiting.empty() && running.size() < options.running) {
    JobPointer job = waiting.front();
    Prefix prefix = findPrefix(*job);
    if (prefix.coming >= prefix.length + kWorthWaiting)
      return; // soon there is more to share
    if (!makeRoomFor(*job, prefix) || !place(job, prefix))
      return;
  }
}

Scheduler::Prefix Scheduler::findPrefix(const Job &job) const {
  Prefix best;
  size_t most = job.tokens.size() - 1; // one is evaluated for its logits
  for (size_t i = 0; i < slots.size(); ++i) {
    const Job *other = slots[i].job;
    const std::vector<int32_t> &held = other ? other->tokens : slots[i].held;
    size_t common = commonLength(held, held.size(), job.tokens, most);
    best.coming = std::max(best.coming, common);
    if (other)
      common = std::min(common, other->evaluated);
    if (common >= kWorthSharing && common > best.length) {
      best.slot = i;
      best.length = common;
    }
  }
  return best;
}

/// Pages for all of its tokens and the next, beside those that the running ones
/// are about to take. Keeps the prefix as long as there are others to evict.
bool Scheduler::makeRoomFor(const Job &job, const Prefix &prefix) {
  size_t need = pagesOf(job.tokens.size() + 1) - prefix.length / kPage;
  for (const JobPointer &other : running)
    need += pagesOf(other->tokens.size() + 1) - pagesOf(other->evaluated);
  while (session.freePages() < need)
    if (!evictOldest(prefix.length ? &slots[prefix.slot] : nullptr))
      return running.empty(); // alone: it gets what there is
  return true;
}

/// An empty slot, or the longest unused one: of the prefix only if it must be.
size_t Scheduler::chooseSlot(const Prefix &prefix) const {
  auto rank = [&](size_t i) { // the lowest is taken
    const Slot &s = slots[i];
    if (s.job)
      return UINT64_MAX;
    if (prefix.length && i == prefix.slot)
      return UINT64_MAX - 1;
    return s.held.empty() ? 0 : s.lastUsed;
  };
  size_t best = 0;
  for (size_t i = 1; i < slots.size(); ++i)
    if (rank(i) < rank(best))
      best = i;
  return best;
}

/// Gives the first in the queue a sequence that holds `prefix`.
bool Scheduler::place(const JobPointer &job, const Prefix &prefix) {
  size_t at = chooseSlot(prefix);
  auto done = prefix.length && at != prefix.slot
                  ? session.fork(uint32_t(prefix.slot), uint32_t(at))
                  : adze::Result<void>();
  if (done.ok())
    done = session.rewindSequence(uint32_t(at), prefix.length);
  if (!done.ok()) {
    finish(*job, ADZE_FINISH_NONE, done.error());
    return false;
  }
  if (prefix.length)
    slots[prefix.slot].lastUsed = ++clock;
  slots[at].job = job.get();
  slots[at].held.clear();
  job->slot = at;
  job->evaluated = prefix.length;
  if (!job->placedBefore) {
    job->shared = prefix.length;
    counts.sharedTokens += prefix.length;
  }
  job->placedBefore = true;
  waiting.pop_front();
  running.push_back(job);
  return true;
}

void Scheduler::step() {
  std::vector<adze::StepInput> inputs;
  std::vector<JobPointer> jobs;
  size_t left = options.tokensPerStep;
  for (bool writing : {true, false}) // texts first, then prompts
    for (const JobPointer &job : running) {
      size_t count = std::min(job->pending(), left);
      if ((job->pending() == 1) != writing || !count)
        continue;
      auto begin = job->tokens.begin() + long(job->evaluated);
      adze::StepInput in{uint32_t(job->slot), {begin, begin + long(count)}, {}};
      if (count == job->pending())
        in.rows = {uint32_t(count - 1)};
      left -= count;
      inputs.push_back(std::move(in));
      jobs.push_back(job);
    }
  if (inputs.empty())
    return;
  auto logits = session.step(inputs);
  if (!logits) {
    if (logits.error().code == ADZE_CONTEXT_FULL)
      afterFullStep();
    else if (logits.error().code != ADZE_CANCELLED) // by the destructor
      for (const JobPointer &job : jobs)
        finish(*job, ADZE_FINISH_NONE, logits.error());
    return;
  }
  full = false;
  ++counts.steps;
  counts.largestStep = std::max(counts.largestStep, inputs.size());
  for (size_t i = 0; i < jobs.size(); ++i)
    jobs[i]->evaluated += inputs[i].tokens.size();
  handOut(jobs, *logits);
}

/// Samples for each job whose last token was evaluated.
void Scheduler::handOut(const std::vector<JobPointer> &jobs,
                        const adze::Logits &logits) {
  size_t row = 0;
  for (const JobPointer &job : jobs) {
    if (job->pending())
      continue;
    auto token = session.sample(logits.row(row++), job->request.sampling,
                                job->tokens, job->made);
    if (token)
      append(*job, *token);
    else
      finish(*job, ADZE_FINISH_NONE, token.error());
  }
}

void Scheduler::append(Job &job, int32_t token) {
  const adze::Sampling &s = job.request.sampling;
  job.tokens.push_back(token);
  ++job.made;
  ++counts.tokens;
  adze::Next next = adze::Next::Continue;
  if (job.request.onToken)
    try {
      next = job.request.onToken(token);
    } catch (...) {
      return finish(job, ADZE_FINISH_CANCELLED,
                    {ADZE_CANCELLED, "onToken threw an exception", ""});
    }
  auto in = [&](const auto &list) {
    return std::find(list.begin(), list.end(), token) != list.end();
  };
  if (next == adze::Next::Cancel)
    finish(job, ADZE_FINISH_CANCELLED);
  else if (in(s.stopTokens) || (!s.ignoreEos && in(ends)))
    finish(job, ADZE_FINISH_STOP_TOKEN);
  else if (next == adze::Next::Stop)
    finish(job, ADZE_FINISH_STOPPED);
  else if (s.maxTokens && job.made >= s.maxTokens)
    finish(job, ADZE_FINISH_LENGTH);
  else if (job.evaluated >= session.context())
    finish(job, ADZE_FINISH_CONTEXT_FULL);
}

/// A step found too few pages and did nothing: there are more for the next one.
void Scheduler::afterFullStep() {
  if (evictOldest(nullptr))
    return;
  JobPointer last = running.back();
  if (running.size() == 1)
    return finish(*last, ADZE_FINISH_CONTEXT_FULL,
                  last->made ? Error{}
                             : Error{ADZE_CONTEXT_FULL,
                                     "the prompt needs more than the " +
                                         std::to_string(session.pages()) +
                                         " pages of keys and values there are",
                                     "set Options::kvPages"});
  // What it has made stays; it is evaluated again, to the same logits.
  if (auto done = session.rewindSequence(uint32_t(last->slot), 0); !done.ok())
    return finish(*last, ADZE_FINISH_NONE, done.error());
  slots[last->slot].job = nullptr;
  last->evaluated = 0;
  running.pop_back();
  waiting.push_front(last);
  full = true;
  ++counts.preempted;
}

/// Gives the pages of the kept sequence that was not used for longest back.
bool Scheduler::evictOldest(const Slot *butNot) {
  Slot *oldest = nullptr;
  for (Slot &s : slots)
    if (!s.job && !s.held.empty() && &s != butNot &&
        (!oldest || s.lastUsed < oldest->lastUsed))
      oldest = &s;
  if (!oldest)
    return false;
  oldest->held.clear();
  ++counts.evicted;
  return session.rewindSequence(uint32_t(oldest - slots.data()), 0).ok();
}

/// Ends a job that runs, whose sequence is kept, or one that waits.
void Scheduler::finish(Job &job, adze_finish reason, Error error) {
  auto same = [&](const JobPointer &other) { return other.get() == &job; };
  auto at = std::find_if(running.begin(), running.end(), same);
  JobPointer keep; // `job` may be owned by nothing but these lists
  if (at != running.end()) {
    keep = *at;
    Slot &slot = slots[job.slot];
    slot.job = nullptr;
    slot.lastUsed = ++clock;
    slot.held.assign(job.tokens.begin(),
                     job.tokens.begin() + long(job.evaluated));
    running.erase(at);
  } else {
    auto queued = std::find_if(waiting.begin(), waiting.end(), same);
    keep = *queued;
    waiting.erase(queued);
  }
  {
    std::lock_guard<std::mutex> lock(mutex);
    published = counts;
  }
  job.promise.set_value({{job.tokens.end() - long(job.made), job.tokens.end()},
                         reason,
                         job.shared,
                         std::move(error)});
}
