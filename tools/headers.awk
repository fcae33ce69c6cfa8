# Public headers: say which prototypes nobody explains. A prototype is explained by a comment
# right above, by one at its own end, or by that of the lines that it directly follows.
FNR == 1 { explained = 0; statement = 0; comment = 0; macro = 0 }
macro { macro = /\\$/; next }
/^#/ { macro = /\\$/; next }
comment { if (/\*\//) { comment = 0; explained = 1 } next }
/^\/\*/ { if (!/\*\//) { comment = 1 } else { explained = 1 } next }
/^[ \t]*$/ { if (!statement) { explained = 0 } next }
!statement && /^[A-Za-z_].*\(/ && !/^(typedef|extern "C")/ {
    if (!explained && !/\/\*.*\*\//) {
        print FILENAME ":" FNR ": no comment explains: " $0
    }
}
{ statement = !/;[ \t]*(\/\*.*)?$/ && !/\}[ \t]*$/ && !/^extern "C"/ }
