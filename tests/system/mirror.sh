# shellcheck shell=bash
# Sourced by the scripts here that take something from Debian.

# mirror CODENAME: the archive that apt uses here for that release of Debian; nothing: it uses none.
mirror() {
    # shellcheck disable=SC2016  # apt's variable
    apt-get indextargets --format '$(REPO_URI)' "Codename: $1" 'Component: main' \
        'Created-By: Packages' 2>/dev/null | sed -n 1p
}
