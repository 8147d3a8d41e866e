/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Lines of /proc/self/cgroup: "0::/group" (version 2) or
 * "4:cpu,cpuacct:/group". */
#define _GNU_SOURCE
#include "cgroup.h"

#include <stdio.h>
#include <string.h>

bool adze_read_line(const char *path, char *line, size_t capacity) {
  FILE *file = fopen(path, "re");
  if (!file)
    return false;
  bool read = fgets(line, (int)capacity, file) != NULL;
  fclose(file);
  return read;
}

/* `group` and all above it. In a container the group may have no directory,
 * but then the mount's root is the container's own. */
static void visit_upwards(const char *root, const char *mount,
                          const char *group, adze_group_fn visit, void *user) {
  char path[1024], name[512];
  snprintf(name, sizeof name, "%s", group);
  for (;;) {
    snprintf(path, sizeof path, "%s/sys/fs/cgroup%s%s%s", root,
             *mount ? "/" : "", mount, name);
    visit(path, user);
    char *slash = strrchr(name, '/');
    if (!slash)
      return;
    *slash = 0;
  }
}

static bool names_controller(const char *list, const char *controller) {
  size_t length = strlen(controller);
  for (; *list; list += strcspn(list, ","), list += *list == ',')
    if (strcspn(list, ",") == length && !memcmp(list, controller, length))
      return true;
  return false;
}

void adze_cgroup_visit(const char *root, const char *controller,
                       adze_group_fn visit, void *user) {
  char path[1024], line[512];
  snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
  FILE *file = fopen(path, "re");
  if (!file)
    return;
  while (fgets(line, sizeof line, file)) {
    char *list = strchr(line, ':');
    char *group = list ? strchr(list + 1, ':') : NULL;
    if (!group)
      continue;
    *group++ = 0;
    group[strcspn(group, "\n")] = 0;
    ++list;
    if (!*list) {
      visit_upwards(root, "", group, visit, user);
    } else if (names_controller(list, controller)) {
      visit_upwards(root, controller, group, visit, user);
      if (strcmp(list, controller))
        visit_upwards(root, list, group, visit, user);
    }
  }
  fclose(file);
}
