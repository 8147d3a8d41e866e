// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tensors that a file is too short for: where a file was cut, all behind that
// place are, and one message says so.
#ifndef ADZE_WEIGHTS_BEYONDEND_H
#define ADZE_WEIGHTS_BEYONDEND_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>

namespace adze {

/// Those of one file. Messages are of the first one, by its place in the file.
class BeyondEnd {
public:
  void add(uint64_t offset, std::string name, std::string message) {
    if (!count++ || std::tie(offset, name) < std::tie(first, firstName)) {
      first = offset;
      firstName = std::move(name);
      text = std::move(message);
    }
  }
  bool any() const { return count; }
  const std::string &name() const { return firstName; }
  /// What is wrong with it, and how many others are like it.
  std::string message() const {
    if (count < 2)
      return text;
    return text + ", and likewise for " + std::to_string(count - 1) +
           (count == 2 ? " more tensor" : " more tensors");
  }

private:
  size_t count = 0;
  uint64_t first = 0;
  std::string firstName, text;
};

} // namespace adze

#endif // ADZE_WEIGHTS_BEYONDEND_H
