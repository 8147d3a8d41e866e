// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Growable array and views for plain data. malloc instead of operator new, so
// that libadze_text needs libc only and running out of memory is a return
// value: what can fail is [[nodiscard]].

#ifndef ADZE_RUNTIME_TEXT_ARRAY_H
#define ADZE_RUNTIME_TEXT_ARRAY_H

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>

namespace adze::text {

/// A view of `size` elements that somebody else owns.
template <typename T> struct Span {
  const T *data = nullptr;
  uint32_t size = 0;

  const T &operator[](uint32_t index) const { return data[index]; }
  const T *begin() const { return data; }
  const T *end() const { return data + size; }
  bool empty() const { return size == 0; }
  Span slice(uint32_t first, uint32_t count) const {
    return {data + first, count};
  }
};

/// Text or raw bytes.
using Bytes = Span<uint8_t>;

inline bool startsWith(Bytes text, Bytes prefix) {
  return text.size >= prefix.size &&
         (prefix.empty() || memcmp(text.data, prefix.data, prefix.size) == 0);
}

template <typename T> class Array {
  static_assert(std::is_trivially_copyable_v<T>, "elements move by realloc");

public:
  Array() = default;
  Array(const Array &) = delete;
  Array &operator=(const Array &) = delete;
  ~Array() { free(elements); }

  [[nodiscard]] bool reserve(size_t wanted) {
    if (wanted <= capacity)
      return true;
    size_t grown = capacity + capacity / 2;
    size_t target = wanted > grown ? wanted : grown;
    if (target > SIZE_MAX / sizeof(T))
      return false;
    void *moved = realloc(elements, target * sizeof(T));
    if (!moved)
      return false;
    elements = static_cast<T *>(moved);
    capacity = target;
    return true;
  }
  [[nodiscard]] bool push(const T &value) {
    T copy = value; // may be an element of this array
    if (!reserve(count + 1))
      return false;
    elements[count++] = copy;
    return true;
  }
  /// `values` must not be part of this array.
  [[nodiscard]] bool append(const T *values, size_t number) {
    if (number == 0)
      return true;
    if (!reserve(count + number))
      return false;
    memcpy(elements + count, values, number * sizeof(T));
    count += number;
    return true;
  }
  [[nodiscard]] bool append(Span<T> values) {
    return append(values.data, values.size);
  }
  /// New elements are zero.
  [[nodiscard]] bool resize(size_t wanted) {
    if (!reserve(wanted))
      return false;
    if (wanted > count)
      memset(static_cast<void *>(elements + count), 0,
             (wanted - count) * sizeof(T));
    count = wanted;
    return true;
  }

  void shrink(size_t wanted) { count = wanted < count ? wanted : count; }
  void clear() { count = 0; }
  void pop() { --count; }
  void swap(Array &other) {
    T *otherElements = other.elements;
    size_t otherCount = other.count, otherCapacity = other.capacity;
    other.elements = elements, other.count = count, other.capacity = capacity;
    elements = otherElements, count = otherCount, capacity = otherCapacity;
  }
  /// Hands the memory to the caller, who frees it.
  T *release() {
    T *taken = elements;
    elements = nullptr;
    count = capacity = 0;
    return taken;
  }

  size_t size() const { return count; }
  bool empty() const { return count == 0; }
  T *data() { return elements; }
  const T *data() const { return elements; }
  T &operator[](size_t index) { return elements[index]; }
  const T &operator[](size_t index) const { return elements[index]; }
  T &back() { return elements[count - 1]; }
  Span<T> view() const { return {elements, static_cast<uint32_t>(count)}; }

private:
  T *elements = nullptr;
  size_t count = 0, capacity = 0;
};

} // namespace adze::text

#endif // ADZE_RUNTIME_TEXT_ARRAY_H
