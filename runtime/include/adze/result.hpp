// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Result<T>: a value or an error, without exceptions unless they are asked for
// (or_throw). Used by the runtime's C++ header and by the compiler's.
#ifndef ADZE_RESULT_HPP
#define ADZE_RESULT_HPP

#include <optional>
#include <string>
#include <utility>

#if defined(__cpp_exceptions)
#include <stdexcept>
#else
#include <cstdlib>
#endif

namespace adze {

/// What went wrong: `code` is an adze_status, `message` says what was expected
/// and found, `hint` what to do (it may be empty).
struct Error {
  int code = 0;
  std::string message;
  std::string hint;

  std::string text() const {
    return hint.empty() ? message : message + "\n  " + hint;
  }
};

#if defined(__cpp_exceptions)
struct Exception : std::runtime_error {
  explicit Exception(Error error)
      : std::runtime_error(error.text()), error(std::move(error)) {}
  Error error;
};
#endif

namespace detail {
[[noreturn]] inline void fail(const Error &error) {
#if defined(__cpp_exceptions)
  throw Exception(error);
#else
  (void)error;
  std::abort(); // value() of a failed Result, a programmer's error
#endif
}
} // namespace detail

/// A T or an Error. Test it before the value is taken.
template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : held(std::move(value)) {}
  Result(Error error) : problem(std::move(error)) {}

  explicit operator bool() const { return held.has_value(); }
  bool ok() const { return held.has_value(); }
  const Error &error() const { return problem; }

  T &operator*() & { return held ? *held : (detail::fail(problem), *held); }
  T *operator->() { return &**this; }
  /// The value, or an Exception that carries the error.
  T or_throw() && {
    if (!held)
      detail::fail(problem);
    return std::move(*held);
  }

private:
  std::optional<T> held;
  Error problem;
};

/// Success or an Error.
template <> class [[nodiscard]] Result<void> {
public:
  Result() = default;
  Result(Error error) : problem(std::move(error)) {}

  explicit operator bool() const { return ok(); }
  bool ok() const { return problem.code == 0; }
  const Error &error() const { return problem; }
  void or_throw() && {
    if (!ok())
      detail::fail(problem);
  }

private:
  Error problem;
};

} // namespace adze
#endif // ADZE_RESULT_HPP
