# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# adze_add_plugin(<name> SOURCES a.cpp ... [TD Ops.td ...])
#
# A plug-in: a module <name>.so that links Adze::Plugin. From each X.td come
# X.h.inc, X.cpp.inc (ops) and XDialect.h.inc, XDialect.cpp.inc (its dialect),
# found by #include "X.h.inc". Needs find_package(Adze).
function(adze_add_plugin name)
  cmake_parse_arguments(P "" "" "SOURCES;TD" ${ARGN})
  if(NOT P_SOURCES)
    message(FATAL_ERROR "adze_add_plugin(${name}): expected SOURCES, found none")
  endif()
  add_library(${name} MODULE ${P_SOURCES})
  # C++20 and default visibility: types must be the same ones everywhere.
  set_target_properties(${name} PROPERTIES PREFIX "" CXX_STANDARD 20
    CXX_STANDARD_REQUIRED ON CXX_VISIBILITY_PRESET default
    VISIBILITY_INLINES_HIDDEN OFF)
  target_link_libraries(${name} PRIVATE Adze::Plugin)
  target_compile_options(${name} PRIVATE -Wno-unused-parameter)
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
  get_target_property(includes Adze::Plugin INTERFACE_INCLUDE_DIRECTORIES)
  get_target_property(system Adze::Plugin INTERFACE_SYSTEM_INCLUDE_DIRECTORIES)
  set(search -I ${CMAKE_CURRENT_SOURCE_DIR})
  foreach(dir IN LISTS includes system)
    if(dir)
      list(APPEND search -I ${dir})
    endif()
  endforeach()
  set(generated)
  foreach(td IN LISTS P_TD)
    get_filename_component(stem ${td} NAME_WE)
    foreach(made "h.inc -gen-op-decls" "cpp.inc -gen-op-defs"
        "Dialect.h.inc -gen-dialect-decls" "Dialect.cpp.inc -gen-dialect-defs")
      separate_arguments(made)
      list(GET made 0 suffix)
      list(GET made 1 flag)
      if(NOT suffix MATCHES "^Dialect")
        set(suffix ".${suffix}")
      endif()
      set(out ${CMAKE_CURRENT_BINARY_DIR}/${stem}${suffix})
      add_custom_command(OUTPUT ${out} DEPENDS ${td} VERBATIM
        COMMAND ${Adze_MLIR_TBLGEN} ${flag} ${search} ${CMAKE_CURRENT_SOURCE_DIR}/${td}
          -o ${out})
      list(APPEND generated ${out})
    endforeach()
  endforeach()
  if(generated)
    target_sources(${name} PRIVATE ${generated})
  endif()
endfunction()
