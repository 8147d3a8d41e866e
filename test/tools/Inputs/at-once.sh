#!/bin/bash
# at-once.sh FOLDER COMMAND...: runs the command three times at once; all must
# end well and print the same.
folder=$1
shift
pids=()
for i in 1 2 3; do
  "$@" > "$folder/at-once.$i" &
  pids+=($!)
done
for pid in "${pids[@]}"; do
  wait "$pid" || exit 1
done
cmp "$folder/at-once.1" "$folder/at-once.2" &&
  cmp "$folder/at-once.1" "$folder/at-once.3" && test -s "$folder/at-once.1"
