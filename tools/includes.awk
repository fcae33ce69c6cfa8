# Includes go one way: a folder includes itself and those before it in `layers`; the frame codec
# util only; tests and demos what a user has, but for white-box tests, which say so in their
# names. `public` lists the public headers. From lint.sh.
BEGIN {
    n = split(layers, names, " ")
    for (i = 1; i <= n; i++) rank[names[i]] = i
    n = split(public, files, " ")
    for (i = 1; i <= n; i++) {
        split(files[i], part, "/")
        if (part[2] in folder) print files[i] ": a second header of that name"
        folder[part[2]] = part[1]
    }
}
/^[ \t]*#[ \t]*include[ \t]*(<gust\/|")/ {
    target = $0
    sub(/^[^<"]*[<"]/, "", target)
    sub(/[>"].*/, "", target)
    split(FILENAME, own, "/")
    split(target, part, "/")
    to = part[1] == "gust" ? folder[part[2]] : part[1]
    here = FILENAME ":" FNR ": "
    if (own[1] in rank) {
        limit = FILENAME ~ /^websocket\/frame/ ? 1 : rank[own[1]]
        if (FILENAME ~ /^websocket\/frame/ && to == "websocket") next
        if (!(to in rank) || rank[to] > limit) print here "may not include " target
        else if (target !~ /^gust\/|_internal\.h$/) print here "write <gust/" part[2] ">"
    } else if (target ~ /_internal\.h$/ && FILENAME !~ /_internal(_test)?\.[ch]$|^tests\/fuzz\//) {
        print here "is no white-box test and includes " target
    }
}
