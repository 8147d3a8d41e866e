// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===- npy.h - Reading of reference values ---------------------*- C++ -*-===//
//
// NumPy's .npy, versions 1 to 3, as the scripts under test/scripts write it:
// little-endian float32, float64, int32 or int64 in C order. Needs the standard
// library only, so that tests of the runtime can use it.
//
//===----------------------------------------------------------------------===//
#ifndef ADZE_TEST_COMMON_NPY_H
#define ADZE_TEST_COMMON_NPY_H

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace adze::test {

struct NpyArray {
  std::vector<int64_t> shape;
  std::vector<double> values; ///< of any type; int32 and float32 fit exactly

  int64_t rows() const { return shape.empty() ? 1 : shape.front(); }
  int64_t columns() const {
    int64_t n = 1;
    for (size_t i = 1; i < shape.size(); ++i)
      n *= shape[i];
    return n;
  }
};

namespace detail {

/// What follows `key` in a header such as {'descr': '<f4', 'shape': (3, 2), }.
inline std::string npyField(const std::string &header, const std::string &key) {
  size_t at = header.find("'" + key + "':");
  if (at == std::string::npos)
    return "";
  at = header.find_first_not_of(' ', at + key.size() + 3);
  if (at == std::string::npos)
    return "";
  char close = header[at] == '(' ? ')' : header[at] == '\'' ? '\'' : ',';
  size_t end = header.find(close, at + 1);
  size_t begin = close == ',' ? at : at + 1;
  return end == std::string::npos ? "" : header.substr(begin, end - begin);
}

template <typename T>
void npyConvert(const char *bytes, std::vector<double> &values) {
  for (size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
    values[i] = static_cast<double>(value);
  }
}

} // namespace detail

/// Reads `path` into `array`; what is wrong with it, or "".
inline std::string readNpy(const std::string &path, NpyArray &array) {
  std::ifstream in(path, std::ios::binary);
  std::string file((std::istreambuf_iterator<char>(in)), {});
  if (file.size() < 12 || file.compare(0, 6, "\x93NUMPY") != 0)
    return path + ": expected a .npy file";
  auto byte = [&](size_t i) { return static_cast<uint8_t>(file[i]); };
  bool isLong = byte(6) > 1;
  size_t length = byte(8) | byte(9) << 8;
  if (isLong)
    length |= size_t(byte(10)) << 16 | size_t(byte(11)) << 24;
  size_t data = (isLong ? 12 : 10) + length;
  if (data > file.size())
    return path + ": the header is cut off";
  std::string header = file.substr(isLong ? 12 : 10, length);
  if (detail::npyField(header, "fortran_order") != "False")
    return path + ": expected C order";

  array = {};
  size_t count = 1;
  std::string dims = detail::npyField(header, "shape");
  for (size_t at = 0; at < dims.size();) {
    size_t end = dims.find(',', at);
    end = end == std::string::npos ? dims.size() : end;
    std::string dim = dims.substr(at, end - at);
    if (dim.find_first_of("0123456789") != std::string::npos) {
      array.shape.push_back(std::stoll(dim));
      count *= array.shape.back();
    }
    at = end + 1;
  }
  std::string type = detail::npyField(header, "descr");
  size_t width = type.size() == 3 ? type[2] - '0' : 0;
  if (width != 4 && width != 8)
    return path + ": expected float32, float64, int32 or int64, found " + type;
  if (file.size() - data != count * width)
    return path + ": expected " + std::to_string(count * width) +
           " bytes of data, found " + std::to_string(file.size() - data);
  array.values.resize(count);
  const char *bytes = file.data() + data;
  if (type == "<f4")
    detail::npyConvert<float>(bytes, array.values);
  else if (type == "<f8")
    detail::npyConvert<double>(bytes, array.values);
  else if (type == "<i4")
    detail::npyConvert<int32_t>(bytes, array.values);
  else if (type == "<i8")
    detail::npyConvert<int64_t>(bytes, array.values);
  else
    return path + ": expected float32, float64, int32 or int64, found " + type;
  return "";
}

} // namespace adze::test

#endif // ADZE_TEST_COMMON_NPY_H
