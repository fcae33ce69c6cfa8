# One line for each function of the .c files given: FILE LINE NAME LINES LONG, where LINES
# counts from the line of its name to its closing brace and LONG is 1 when a `LONG:` comment
# stands in it or right above. Relies on the house style: bodies end with `}` in column one.
FNR == 1 { body = 0; start = 0; note = 0 }
!body && /^[A-Za-z_].*\(/ && !/;[ \t]*$/ && !/^(typedef|#)/ && !/=[^=]*\{?$/ {
    start = FNR
    name = $0
    sub(/\(.*/, "", name)
    sub(/.*[ *]/, "", name)
}
/LONG:/ { note = 1 }
!body && start && /^\{|\) \{$/ { body = 1 }
/^\}/ {
    if (body) {
        print FILENAME, start, name, FNR - start + 1, note
    }
    body = 0; start = 0; note = 0
}
!body && /;[ \t]*$/ { start = 0 }
