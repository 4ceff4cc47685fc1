# SPDX-License-Identifier: BSD-3-Clause
# For Doxygen, which does not expand the list of errors into the enumeration made from it: puts the enumerators where the
# compiler sees them, on the one line, so that line numbers stay.
match($0, /X\(MMB_[A-Z_]+, [0-9]+, ".*"\)/) {
    split(substr($0, RSTART + 2, RLENGTH - 3), part, ", ")
    text = substr($0, index($0, "\"") + 1)
    sub(/".*/, "", text)
    list = list part[1] " = " part[2] ", /**< " text " */ "
}
/^ *MMB_ERROR_LIST\(MMB_ERROR_ENUM\)/ { print list; next }
{ print }
