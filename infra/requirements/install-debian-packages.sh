#!/bin/sh
# Installs the missing Debian packages that are named, as root, and leaves no service running or enabled that they
# bring along: only their programs are wanted.
#
#   install-debian-packages.sh POLICY LOCK SYSTEMD PACKAGE...
#
# POLICY   /usr/sbin/policy-rc.d: while it answers 101, packages start no service (invoke-rc.d, "POLICY")
# LOCK     a file that keeps two runs of this script apart
# SYSTEMD  /run/systemd/system: there when systemd runs this machine (sd_booted(3))
set -eu

policy=$1 lock=$2 systemd=$3
shift 3
mark='written by install-debian-packages.sh for the time of one installation'
lock_wait_seconds=600

# Ends by itself when this shell does, however that happens.
exec 9>"$lock"
flock -w "$lock_wait_seconds" 9 || { echo "another installation holds $lock" >&2; exit 1; }

packages_before=$(mktemp)
policy_is_ours=no
clean_up() {
  rm -f "$packages_before"
  if [ "$policy_is_ours" = yes ]; then rm -f "$policy"; fi
}
# A signal is acted on when the program that runs now, such as dpkg, has ended: nothing is left half installed.
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# A policy that somebody else set stays as it is; one of ours that a killed run left is taken over and removed.
if [ ! -e "$policy" ] || grep -qF "$mark" "$policy"; then
  policy_is_ours=yes
  printf '#!/bin/sh\n# %s\nexit 101\n' "$mark" >"$policy"
  chmod 755 "$policy"
fi

installed_packages() {
  dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | sed -n 's/^ii *//p' | sort
}

install_packages() {
  # 9>&- so that a service which a foreign policy lets start does not inherit the lock.
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends --no-upgrade \
    -o DPkg::Lock::Timeout="$lock_wait_seconds" "$@" </dev/null 9>&-
}

update_lists() {
  apt-get update --quiet </dev/null 9>&-
}

installed_packages >"$packages_before"
# A machine that was never updated knows no packages; any other is spared the download.
apt-cache show "$@" >/dev/null 2>&1 || update_lists
# Lists that are too old name files that the mirror no longer has.
install_packages "$@" || { update_lists && install_packages "$@"; }

for package in $(installed_packages | comm -13 "$packages_before" -); do
  for file in $(dpkg-query -L "$package"); do
    case $file in
      */systemd/system/*@.service) ;;
      */systemd/system/*.service | */systemd/system/*.socket | */systemd/system/*.timer)
        if [ -d "$systemd" ]; then systemctl disable --now --quiet "${file##*/}" 9>&-; fi
        ;;
      /etc/init.d/*)
        if [ ! -d "$systemd" ]; then
          if [ "$policy_is_ours" = no ]; then service "${file##*/}" stop >/dev/null 9>&- || true; fi
          # Removes the links of the unit of this name too, for a system that systemd may run one day.
          update-rc.d "${file##*/}" disable 9>&-
        fi
        ;;
    esac
  done
done
