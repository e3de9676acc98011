# SPDX-License-Identifier: Apache-2.0
"""profiles: the machines there are, one row each. To add one, add a row; doc/vm.md says what the columns mean."""

import collections

# image: which root file system (image.py); append: for the kernel's command line; init: "systemd" or "own".
Profile = collections.namedtuple("Profile", "image append about")

COMMON = ("root=/dev/vda rw console=ttyS0 quiet panic=-1 nokaslr mitigations=off audit=0 no_timer_check tsc=reliable nowatchdog "
          "systemd.show_status=0")
V2 = "systemd.unified_cgroup_hierarchy=1"
APPARMOR = "apparmor=1 security=apparmor"
SELINUX = "apparmor=0 security=selinux selinux=1"

PROFILES = {
    "v2": Profile("debian", f"{V2} {APPARMOR}", "cgroup v2, systemd, AppArmor enforced: a plain Debian 12 server"),
    "peers": Profile("peers", f"{V2} {APPARMOR}", "v2 with docker, podman, containerd, ufw and firewalld beside hull"),
    "v1": Profile("debian", f"systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1 {APPARMOR}",
                  "cgroup v1 alone, as before Debian 11"),
    "hybrid": Profile("debian", f"systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=0 {APPARMOR}",
                      "cgroup v1 controllers beside an empty v2 tree"),
    "selinux": Profile("selinux", f"{V2} {SELINUX} enforcing=0 hull.enforce", "SELinux, enforcing Debian's policy from the moment the command starts"),
    "permissive": Profile("selinux", f"{V2} {SELINUX} enforcing=0", "SELinux with Debian's policy, permissive"),
    "no-systemd": Profile("debian", f"init=/usr/local/sbin/hull-vm-init {APPARMOR}", "an init of our own, cgroup v2, no manager"),
}
# Every machine has Debian 12's kernel 6.1: EROFS from files is not there yet, loop devices are.
