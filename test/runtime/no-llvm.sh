#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# usage: no-llvm.sh FILE MAX_BYTES
# Fails unless FILE needs only libc (with the loader and libm, which are parts
# of it), names no symbol of LLVM or C++, and is small when stripped.
set -eu
file=$1 limit=$2
needed=$(readelf -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
for library in $needed; do
  case $library in
    libc.so.6 | ld-linux-*.so.* | libpthread.so.0 | libdl.so.2 | libm.so.6) ;;
    *) echo "$file needs $library; only libc is allowed" >&2; exit 1 ;;
  esac
done
if nm -D "$file" | grep -E 'llvm|LLVM|mlir|MLIR'; then
  echo "$file has symbols of LLVM" >&2
  exit 1
fi
stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
strip -o "$stripped" "$file"
bytes=$(wc -c <"$stripped")
echo "$file: $bytes bytes stripped (at most $limit), needs: $(echo $needed)"
[ "$bytes" -le "$limit" ]
