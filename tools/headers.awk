# Public headers: say which prototypes nobody explains. Lines without a blank one between them
# are one block, and a comment in it, above it or at the end of one of its lines, explains all.
function flush(   i)
{
    for (i = 1; i <= found && !explained; i++) {
        print place[i]
    }
    found = 0
    explained = 0
}
FNR == 1 { flush(); statement = 0; comment = 0; macro = 0 }
macro { macro = /\\$/; next }
/^#/ { macro = /\\$/; next }
comment { comment = !/\*\//; next }
/\/\*/ { explained = 1; comment = !/\*\// }
/^[ \t]*\/\*/ { next }
/^[ \t]*$/ { if (!statement) { flush() } next }
!statement && /^[A-Za-z_].*\(/ && !/^(typedef|extern "C")/ {
    place[++found] = FILENAME ":" FNR ": no comment explains: " $0
}
{ statement = !/;[ \t]*(\/\*.*)?$/ && !/^\}[ \t]*$/ && !/^extern "C"/ }
END { flush() }
