// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "npy_writer.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

#include "adze/runtime.h"

using namespace adze;
using namespace adze::tools;

NpyWriter::NpyWriter(std::string path, size_t columns)
    : path(std::move(path)), columns(columns) {}

NpyWriter::~NpyWriter() {
  if (!file)
    return;
  std::fclose(file);
  std::remove(part.c_str());
}

Error NpyWriter::failure(const char *what) const {
  return {ADZE_IO_ERROR,
          path + ": cannot " + what + ": " + std::strerror(errno),
          "check the directory, its permissions and the space left"};
}

// The header has a fixed length, so that it can be written again at the end,
// when the number of rows is known.
Result<void> NpyWriter::writeHeader() {
  const size_t length = 128;
  std::string text("\x93NUMPY\x01\x00\x76\x00", 10);
  text += "{'descr': '<f4', 'fortran_order': False, 'shape': (" +
          std::to_string(rows) + ", " + std::to_string(columns) + "), }";
  text.resize(length - 1, ' ');
  text += '\n';
  if (std::fseek(file, 0, SEEK_SET) ||
      std::fwrite(text.data(), 1, length, file) != length)
    return failure("write");
  return {};
}

Result<void> NpyWriter::add(const float *data, size_t count) {
  if (!file) {
    // The rename of finish() would replace a device or a link.
    struct stat status;
    if (char *real = realpath(path.c_str(), nullptr)) {
      path = real;
      std::free(real);
    } else if (!lstat(path.c_str(), &status)) {
      return Error{ADZE_IO_ERROR, path + " is a link that leads nowhere",
                   "make what it leads to, or give another name"};
    }
    if (!stat(path.c_str(), &status) && !S_ISREG(status.st_mode))
      return Error{ADZE_IO_ERROR, path + " exists and is no regular file",
                   "give the name of a file, new or to be replaced"};
    part = path + "." + std::to_string(getpid()) + ".part";
    file = std::fopen(part.c_str(), "wbx");
    if (!file)
      return failure("create");
    if (auto header = writeHeader(); !header)
      return header;
  }
  if (std::fwrite(data, sizeof(float) * columns, count, file) != count)
    return failure("write");
  rows += count;
  return {};
}

Result<void> NpyWriter::finish() {
  if (!file)
    return Error{ADZE_INVALID_ARGUMENT, path + ": there are no logits", ""};
  if (auto header = writeHeader(); !header)
    return header;
  bool closed = std::fclose(file) == 0;
  file = nullptr;
  if (closed && std::rename(part.c_str(), path.c_str()) == 0)
    return {};
  Error error = failure("write");
  std::remove(part.c_str());
  return error;
}
