#!/bin/bash
# status.sh STATUS COMMAND...: runs the command and fails unless it ends with
# this exit status.
wanted=$1
shift
"$@"
found=$?
if [ "$found" != "$wanted" ]; then
  echo "exit status $found, expected $wanted: $*"
  exit 1
fi
