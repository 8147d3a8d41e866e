# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# What `cmake --install` gives beside the runtime: libAdze.so, its headers and
# the package `Adze`. The prefix may be moved: nothing in it names a build or
# source folder, and libraries are found relative to the binaries.
include(CMakePackageConfigHelpers)
set(ADZE_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/Adze)

install(TARGETS Adze EXPORT AdzeTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT compiler)
install(EXPORT AdzeTargets NAMESPACE Adze:: DESTINATION ${ADZE_CMAKE_DIR}
  COMPONENT compiler)

# For embedding: adze/Compiler.h and the headers beside it (some, such as
# Plugin.h, need MLIR; each says so). For plug-ins also the dialects and
# transforms: headers, .td files and what TableGen made of them.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/codegen/include/adze
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT compiler
  FILES_MATCHING PATTERN "*.h" PATTERN Codegen EXCLUDE)
foreach(component dialects transforms)
  foreach(root ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
    install(DIRECTORY ${root}/${component}/include/adze
      DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT compiler
      FILES_MATCHING PATTERN "*.h" PATTERN "*.td" PATTERN "*.inc"
        PATTERN CMakeFiles EXCLUDE)
  endforeach()
endforeach()

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/AdzeConfig.cmake.in
  ${PROJECT_BINARY_DIR}/AdzeConfig.cmake INSTALL_DESTINATION ${ADZE_CMAKE_DIR}
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/AdzeConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/AdzeConfig.cmake
  ${PROJECT_BINARY_DIR}/AdzeConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/cmake/AdzeAddPlugin.cmake
  DESTINATION ${ADZE_CMAKE_DIR} COMPONENT compiler)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE
  DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/adze)
