# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Installs BUILD into a folder, moves that to PREFIX, and looks for what would
# tie it to this machine's SOURCE or BUILD folder.
file(REMOVE_RECURSE ${PREFIX} ${PREFIX}.first)
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${PREFIX}.first
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(RENAME ${PREFIX}.first ${PREFIX})

set(leaks)
file(GLOB_RECURSE texts ${PREFIX}/*.cmake ${PREFIX}/*.pc ${PREFIX}/*.h
  ${PREFIX}/*.hpp ${PREFIX}/*.td ${PREFIX}/*.inc)
foreach(file IN LISTS texts)
  file(READ ${file} text)
  # TableGen names its input in a comment; that ties nothing.
  string(REGEX REPLACE "\\|\\*[^\n]*" "" text "${text}")
  foreach(place ${SOURCE} ${BUILD} ${PREFIX}.first)
    string(FIND "${text}" "${place}/" at)
    if(NOT at EQUAL -1)
      list(APPEND leaks "${file} names ${place}")
    endif()
  endforeach()
endforeach()

file(GLOB binaries ${PREFIX}/bin/* ${PREFIX}/lib/*.so)
foreach(file IN LISTS binaries)
  execute_process(COMMAND readelf -d ${file} OUTPUT_VARIABLE dynamic
    COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCH "R(UN)?PATH[^\n]*" path "${dynamic}")
  string(FIND "${path}" "${BUILD}" at)
  if(NOT at EQUAL -1)
    list(APPEND leaks "${file}: ${path}")
  endif()
endforeach()
if(leaks)
  list(JOIN leaks "\n  " leaks)
  message(FATAL_ERROR "the installed tree is tied to where it was built:\n  ${leaks}")
endif()

# Each tool starts from where it has been moved to.
foreach(tool adze adze-run adze-opt)
  execute_process(COMMAND ${PREFIX}/bin/${tool} --version
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endforeach()
list(LENGTH texts count)
message(STATUS "installed ${count} headers and CMake files into ${PREFIX}")
