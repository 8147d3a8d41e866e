// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// See the header.

#include "Console.h"
#include "Subcommands.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <sys/stat.h>
#include <unistd.h>

using namespace adze;
using namespace adze::tools;
using Clock = std::chrono::steady_clock;

static volatile std::sig_atomic_t interruptSeen = 0;

void adze::tools::prepareProcess() {
  std::signal(SIGXFSZ, SIG_IGN);
  struct sigaction action = {};
  action.sa_handler = [](int) { interruptSeen = 1; };
  action.sa_flags = SA_RESETHAND | SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool adze::tools::interrupted() { return interruptSeen; }

int adze::tools::fail(const Error &error) {
  std::fflush(stdout);
  std::fprintf(stderr, "adze: error: %s\n", error.text().c_str());
  return ExitFailure;
}

void adze::tools::warn(const std::string &message) {
  std::fprintf(stderr, "adze: warning: %s\n", message.c_str());
}

std::string adze::tools::bytesText(uint64_t bytes) {
  const char *units[] = {"B", "KB", "MB", "GB", "TB"};
  double value = double(bytes);
  size_t unit = 0;
  for (; value >= 1000 && unit + 1 < std::size(units); ++unit)
    value /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, unit && value < 100 ? "%.1f %s" : "%.0f %s",
                value, units[unit]);
  return text;
}

std::string adze::tools::durationText(double seconds) {
  auto whole = static_cast<long>(seconds + 0.5);
  if (whole < 60)
    return std::to_string(std::max(whole, 1L)) + " s";
  if (whole < 3600)
    return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) +
           " s";
  return std::to_string(whole / 3600) + " h " +
         std::to_string(whole % 3600 / 60) + " min";
}

int adze::tools::printJson(const llvm::json::Value &value) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::formatv("{0:2}", value) << '\n';
  if (auto written = writeText("-", text); !written)
    return fail(written.error());
  return ExitOk;
}

Result<void> adze::tools::checkFolderOf(const std::string &path) {
  size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "."
                       : slash == 0               ? "/"
                                                  : path.substr(0, slash);
  struct stat status;
  bool inPlace = !stat(path.c_str(), &status) && !S_ISREG(status.st_mode);
  if (path == "-" || inPlace || !access(folder.c_str(), W_OK))
    return {};
  return Error{ADZE_IO_ERROR,
               "cannot create " + path + ": " + std::strerror(errno),
               "check the directory, its permissions and the space left"};
}

Result<void> adze::tools::writeText(const std::string &given,
                                    const std::string &text) {
  bool standard = given == "-";
  // A rename would replace a link, a device or a pipe.
  std::string path = given;
  struct stat status;
  bool exists = !standard && !lstat(path.c_str(), &status);
  if (exists && S_ISLNK(status.st_mode)) {
    char *real = realpath(given.c_str(), nullptr);
    if (!real)
      return Error{ADZE_IO_ERROR, given + " is a link that leads nowhere",
                   "make what it leads to, or give another name"};
    path = real;
    std::free(real);
    exists = !stat(path.c_str(), &status);
  }
  bool inPlace = exists && !S_ISREG(status.st_mode);
  std::string name = standard ? "the standard output" : path;
  auto failure = [&](const char *what) {
    return Error{ADZE_IO_ERROR,
                 "cannot " + std::string(what) + " " + name + ": " +
                     std::strerror(errno),
                 "check the directory, its permissions and the space left"};
  };
  std::string part = path + ".tmp" + std::to_string(getpid());
  std::FILE *file = standard  ? stdout
                    : inPlace ? std::fopen(path.c_str(), "wb")
                              : std::fopen(part.c_str(), "wbx");
  if (!file)
    return failure("create");
  bool good = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  good = std::fflush(file) == 0 && good;
  if (standard)
    return good ? Result<void>() : failure("write to");
  Result<void> result = good ? Result<void>() : failure("write");
  std::fclose(file);
  if (inPlace)
    return result;
  if (good && std::rename(part.c_str(), path.c_str()))
    result = failure("write");
  if (!result)
    std::remove(part.c_str());
  return result;
}

//===-- Progress ----------------------------------------------------------===//

struct Progress::State {
  std::mutex mutex;
  bool enabled = false, shown = false;
  Clock::time_point start = Clock::now(), last = start;

  /// The seconds that the rest of a stage takes if it goes on as from the
  /// first part of it that was seen; 0: not known yet.
  double rest(const std::string &name, double part, Clock::time_point now);

  std::string stage;
  Clock::time_point stageStart;
  double firstPart = 0, lastPart = 0;
};

double Progress::State::rest(const std::string &name, double part,
                             Clock::time_point now) {
  // A little less than before is another thread's news that came late.
  if (name != stage || part + 0.1 < lastPart) {
    stage = name;
    stageStart = now;
    firstPart = lastPart = part;
  }
  lastPart = std::max(lastPart, part);
  double seconds = std::chrono::duration<double>(now - stageStart).count();
  // What is said after a moment would be wrong by much.
  if (seconds < 1 || part <= firstPart || part >= 1)
    return 0;
  return seconds * (1 - part) / (part - firstPart);
}

Progress::Progress(bool quiet) : state(std::make_unique<State>()) {
  state->enabled = !quiet && isatty(STDERR_FILENO);
}

Progress::~Progress() {
  if (state->shown)
    std::fputs("\r\033[K", stderr);
}

bool Progress::show(const char *stage, uint64_t done, uint64_t total) {
  if (!state->enabled)
    return interrupted();
  std::lock_guard<std::mutex> lock(state->mutex);
  auto now = Clock::now();
  using namespace std::chrono_literals;
  double part = total ? double(std::min(done, total)) / double(total) : 0;
  double rest = state->rest(stage, part, now);
  if (now - state->start < 1s || (state->shown && now - state->last < 50ms))
    return interrupted();
  state->last = now;
  state->shown = true;
  constexpr int width = 30;
  int full = int(part * width);
  std::string bar(size_t(full), '=');
  if (full < width)
    bar += '>';
  bar.resize(width, ' ');
  std::fprintf(stderr, "\r\033[K[%s] %3.0f %% %s", bar.c_str(), part * 100,
               stage);
  if (total > 1000000)
    std::fprintf(stderr, " (%s of %s)", bytesText(done).c_str(),
                 bytesText(total).c_str());
  if (rest > 0)
    std::fprintf(stderr, ", about %s left", durationText(rest).c_str());
  std::fflush(stderr);
  return interrupted();
}

CompileProgress Progress::callback() {
  return [this](const char *stage, uint64_t done, uint64_t total) {
    return show(stage, done, total);
  };
}
