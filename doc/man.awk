# SPDX-License-Identifier: BSD-3-Clause
# usage: awk -v out=FOLDER -v version=VERSION -f doc/man.awk HEADER...
# Makes a manual page, section 3, of each function that a public header documents: the comments are the only source, so
# pages cannot say anything else than the headers.
function escape(s) {
    gsub(/\\/, "\\e", s)
    gsub(/-/, "\\-", s)
    gsub(/`/, "", s)
    gsub(/#MMB_/, "MMB_", s)
    gsub(/#mmb/, "mmb", s)
    if (s ~ /^[.']/) s = "\\&" s
    return s
}
function say(s) { print s >page }
function trim(s) { gsub(/^[ \t]+|[ \t]+$/, "", s); gsub(/[ \t]+/, " ", s); return s }

# What a comment says: its text, and one entry per command.
function take_comment(   i, line, n) {
    text = ""; n_entries = 0
    for (i = 1; i <= n_comment; i++) {
        line = comment[i]
        sub(/^[ \t]*\/?\*+\/?/, "", line)
        sub(/\*\/[ \t]*$/, "", line)
        line = trim(line)
        if (line ~ /^@/) {
            n = ++n_entries
            kind[n] = line; sub(/^@/, "", kind[n]); sub(/[ \[].*/, "", kind[n])
            entry[n] = line; sub(/^@[a-z]+(\[[a-z,]+\])? */, "", entry[n])
        } else if (n_entries) {
            entry[n_entries] = trim(entry[n_entries] " " line)
        } else {
            text = trim(text " " line)
        }
    }
}

# Commands whose text starts with a word of its own: parameters and return values.
function list(which, title, style,   i, any, word, rest) {
    for (i = 1; i <= n_entries; i++) {
        if (kind[i] != which) continue
        if (!any++ && title != "") say(".SH " title)
        word = rest = entry[i]
        sub(/ .*/, "", word)
        if (!sub(/^[^ ]* +/, "", rest)) rest = ""
        say(".TP"); say("." style " " escape(word)); say(escape(rest))
    }
    return any
}

function plain(which, title,   i) {
    for (i = 1; i <= n_entries; i++)
        if (kind[i] == which) { if (title != "") say(".SH " title); say(escape(entry[i])) }
}

function write_page(name,   first, rest, at) {
    page = out "/" name ".3"
    first = text
    at = match(first, /[.:;]( |$)/)
    rest = at ? trim(substr(text, at + 1)) : ""
    if (at) first = substr(first, 1, at - 1)
    first = tolower(substr(first, 1, 1)) substr(first, 2)
    say(".\\\" SPDX-License-Identifier: BSD-3-Clause")
    say(".TH " toupper(name) " 3 \"\" \"libmmb " version "\" \"libmmb\"")
    say(".SH NAME"); say(name " \\- " escape(first))
    say(".SH SYNOPSIS"); say(".B #include <" include ">")
    say(".HP"); say(".B " escape(prototype))
    say(".SH DESCRIPTION"); say(escape(text))
    list("param", "PARAMETERS", "I")
    say(".SH RETURN VALUE")
    if (prototype ~ /mmbError [a-z_]+\(/ && prototype ~ /^mmbError/) {
        say(".TP"); say(".B MMB_OK"); say("It is done.")
        list("retval", "", "B")
        if (name !~ /^mmb_(init|version|logging_|error_)/) {
            say(".TP"); say(".B MMB_NOT_INITIALIZED"); say("The library is not started.")
        }
    }
    plain("return", "")
    plain("note", "NOTES")
    say(".SH SEE ALSO"); say(".BR libmmb (7)")
    close(page)
}

FNR == 1 {
    include = FILENAME
    sub(/.*\/include\//, "", include)
    sub(/^include\//, "", include)
    if (include !~ /mmb\/(cuda|hip|opencl)/) include = "mmb.h"
}
/^\/\*\*/ { in_comment = 1; n_comment = 0 }
in_comment {
    comment[++n_comment] = $0
    if ($0 ~ /\*\//) in_comment = 0
    prototype = ""
    next
}
/^MMB_(API|INLINE) / { in_prototype = 1; prototype = "" }
in_prototype {
    prototype = trim(prototype " " $0)
    if ($0 !~ /[;{]/) next
    in_prototype = 0
    sub(/^MMB_(API|INLINE) +/, "", prototype)
    sub(/ *[;{].*/, ";", prototype)
    name = prototype
    sub(/\(.*/, "", name)
    sub(/.*[ *]/, "", name)
    if (n_comment && name ~ /^mmb_/ && !(name in done)) {
        take_comment()
        if (n_entries) { write_page(name); done[name] = 1 }
    }
    n_comment = 0
}
