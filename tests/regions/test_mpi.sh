#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The promise: two ranks put and get through what one exports, over Open MPI's dynamic windows.
# shellcheck source=../support/tap.sh
. "$(dirname "$0")/../support/tap.sh"

command -v mpirun >/dev/null || tap_skip_all 'no mpirun here'
# A sanitizer's runtime finds what MPI itself never frees.
case ${MMB_LDFLAGS:-} in
*-fsanitize*) tap_skip_all 'MPI leaks under a sanitizer' ;;
esac

as_root=
test "$(id -u)" != 0 || as_root=--allow-run-as-root
two_ranks() {
    OMPI_MCA_rmaps_base_oversubscribe=1 timeout 80 mpirun $as_root --oversubscribe -n 2 "$@" </dev/null
}

two_ranks true >/dev/null 2>&1 || tap_skip_all 'mpirun cannot start two processes here'
tap_run 'put, get, the attach limit and what is refused' two_ranks "$MMB_BUILDDIR/tests/regions/mpi_rma"
tap_done
