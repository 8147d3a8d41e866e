# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Finds LLVM and MLIR 22 and sets up TableGen for the compiler folders.
#
# Everything links the shared libMLIR and libLLVM: a static copy beside them
# would give each interface a second TypeID (and plug-ins that match nothing).

find_package(MLIR REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
if(NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR "Adze needs LLVM and MLIR 22, found ${LLVM_VERSION}. "
    "On Debian 12: apt-get install libmlir-22-dev mlir-22-tools llvm-22-dev "
    "(from the security suite), or pass -DMLIR_DIR=.../lib/cmake/mlir")
endif()
set(MLIR_LINK_MLIR_DYLIB ON)
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)

# lld as a library; its archives go over the shared libLLVM.
find_library(ADZE_LLD_ELF lldELF HINTS ${LLVM_LIBRARY_DIR} REQUIRED)
find_library(ADZE_LLD_COMMON lldCommon HINTS ${LLVM_LIBRARY_DIR} REQUIRED)
# (LLVM's own package has already looked for zlib and zstd, which lld uses.)
set(ADZE_LLD_LIBRARIES ${ADZE_LLD_ELF} ${ADZE_LLD_COMMON} ZLIB::ZLIB
  zstd::libzstd_shared)

separate_arguments(ADZE_LLVM_DEFINITIONS NATIVE_COMMAND "${LLVM_DEFINITIONS}")
list(TRANSFORM ADZE_LLVM_DEFINITIONS REPLACE "^-D" "")
set(MLIR_BINARY_DIR ${PROJECT_BINARY_DIR})
if(NOT CMAKE_INSTALL_RPATH)
  # libMLIR.so is not on the default loader path. Our own libraries are found
  # from the tools and from each other wherever the prefix is moved to.
  file(RELATIVE_PATH bin_to_lib /p/${CMAKE_INSTALL_BINDIR} /p/${CMAKE_INSTALL_LIBDIR})
  set(CMAKE_INSTALL_RPATH "$ORIGIN/${bin_to_lib};$ORIGIN;${LLVM_LIBRARY_DIR}")
endif()

set(ADZE_INCLUDE_DIRS
  ${PROJECT_SOURCE_DIR}/dialects/include ${PROJECT_BINARY_DIR}/dialects/include
  ${PROJECT_SOURCE_DIR}/frontend/include
  ${PROJECT_SOURCE_DIR}/transforms/include
  ${PROJECT_BINARY_DIR}/transforms/include
  ${PROJECT_SOURCE_DIR}/codegen/include
  ${PROJECT_SOURCE_DIR}/runtime/include)

# adze_component(<name> SOURCES ... [INCLUDES ...] [DEPENDS ...])
# An object library of libAdze.so. INCLUDES names the component folders whose
# headers it may see: the dependence of the design, enforced.
function(adze_component name)
  cmake_parse_arguments(A "" "" "SOURCES;INCLUDES;DEPENDS" ${ARGN})
  add_library(${name} OBJECT ${A_SOURCES})
  foreach(component IN LISTS A_INCLUDES)
    target_include_directories(${name} PUBLIC
      ${PROJECT_SOURCE_DIR}/${component}/include
      ${PROJECT_BINARY_DIR}/${component}/include)
  endforeach()
  target_include_directories(${name} SYSTEM PUBLIC
    ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
  target_compile_definitions(${name} PRIVATE ${ADZE_LLVM_DEFINITIONS})
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>
    -Wno-unused-parameter)
  if(A_DEPENDS)
    add_dependencies(${name} ${A_DEPENDS})
  endif()
  set_property(GLOBAL APPEND PROPERTY ADZE_COMPONENTS ${name})
endfunction()

# adze_shared_library(): libAdze.so from all components. One shared library, so
# that tools and plug-ins see one TypeID per op, type and interface.
function(adze_shared_library)
  get_property(components GLOBAL PROPERTY ADZE_COMPONENTS)
  add_library(Adze SHARED)
  add_library(Adze::Adze ALIAS Adze)
  foreach(component IN LISTS components)
    target_sources(Adze PRIVATE $<TARGET_OBJECTS:${component}>)
    get_target_property(dirs ${component} INTERFACE_INCLUDE_DIRECTORIES)
    target_include_directories(Adze PUBLIC "$<BUILD_INTERFACE:${dirs}>")
  endforeach()
  target_include_directories(Adze SYSTEM PUBLIC
    "$<BUILD_INTERFACE:${LLVM_INCLUDE_DIRS};${MLIR_INCLUDE_DIRS}>")
  # Who links the installed library need not have MLIR.
  target_compile_definitions(Adze PUBLIC
    "$<BUILD_INTERFACE:${ADZE_LLVM_DEFINITIONS}>")
  target_include_directories(Adze PUBLIC
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(Adze INTERFACE cxx_std_17)
  # Static libraries that a component needs, such as adze_text.
  get_property(libraries GLOBAL PROPERTY ADZE_COMPONENT_LIBRARIES)
  target_link_libraries(Adze
    PUBLIC $<BUILD_INTERFACE:MLIR> $<BUILD_INTERFACE:LLVM> adze_runtime
    PRIVATE ${libraries} ${ADZE_LLD_LIBRARIES})
  set_target_properties(Adze PROPERTIES LINKER_LANGUAGE CXX
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
endfunction()
