/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The control groups that limit this process. */
#ifndef ADZE_LIB_CGROUP_H
#define ADZE_LIB_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

/* Called with a group's directory; it may not be there. */
typedef void (*adze_group_fn)(const char *directory, void *user);

/* Visits the groups of this process that `controller` ("cpu", "memory") may
 * limit, each with every group above it: version 2, and version 1 under either
 * of its usual mounts. `root` is "" for the system. */
void adze_cgroup_visit(const char *root, const char *controller, adze_group_fn,
                       void *user);

/* The first line of a file; false where there is none. */
bool adze_read_line(const char *path, char *line, size_t capacity);

#endif
