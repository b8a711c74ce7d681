# Makes a page of the manual tool's fit to be read: what is typed stays as it is typed, line for line, empty lines part
# paragraphs, and EXIT STATUS has this program's codes.
#
#   awk -f scripts/man-page.awk page.1

function verbatim(is) {
    if (is && !literal) print ".Bd -literal -offset 2n"
    if (!is && literal) print ".Ed"
    literal = is
}

# A line that begins with one of these would be an instruction.
function text(line) {
    return line ~ /^[.']/ ? "\\&" line : line
}

/^\.Ex / {
    verbatim(0)
    blank = 0
    print ".Bl -tag -width 4n -compact"
    print ".It 0\ndone"
    print ".It 1\nfailed"
    print ".It 2\nwrong usage"
    print ".It 3\nnot found"
    print ".It 4\na conflict, or a precondition that does not hold"
    print ".It 5\nunavailable: the broker, the database or a worker"
    print ".El"
    next
}
/^\.[A-Z][a-z]/ { verbatim(0); blank = 0; print; next }
/^[ \t]*$/ { blank = 1; next }
/^  / {
    verbatim(1)
    if (blank && started) print ""
    blank = 0
    started = 1
    print text(substr($0, 3))
    next
}
{
    verbatim(0)
    if (blank) print ".Pp"
    blank = 0
    print text($0)
}
END { verbatim(0) }
