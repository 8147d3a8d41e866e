# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Compiler launcher, linker and warnings for the whole tree.

find_program(ADZE_CCACHE ccache)
if(ADZE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${ADZE_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ADZE_CCACHE})
endif()

# lld links libAdze.so in 0.2 s where GNU ld takes 1 s and more.
find_program(ADZE_LLD NAMES ld.lld-22 HINTS /usr/lib/llvm-22/bin)
if(ADZE_LLD)
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    add_link_options(-fuse-ld=${ADZE_LLD})
  else()
    add_link_options(-fuse-ld=lld -B/usr/lib/llvm-22/bin)
  endif()
endif()

add_compile_options(-Wall -Wextra)
# No fused multiply-add that the source did not write: one summation order.
add_compile_options(-ffp-contract=off)
